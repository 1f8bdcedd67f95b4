//! `mdss-relay-http`: see the crate's README.

use std::sync::Arc;

use mdss_relay_host::{self as host, Exit, Logs, Others, Writing};
use mdss_relay_http::{Configuration, listen, reload, serve};
use tokio::sync::watch;

const NAME: &str = "mdss-relay-http";
const ABOUT: &str =
    "reports the objects that storage providers announce over HTTP to MetaDefender Storage Security.";

/// What a SIGBUS of this process means: the index of the spool's log is the one file that it maps.
const FAULT: &str = "spool.db-shm was cut while it was in use, or its disk does not answer (SIGBUS), and the relay ends at once; what was \
                     acknowledged is on disk, and the next start goes on with it: start it again";

#[tokio::main]
async fn main() -> Exit {
    if let Some(exit) = host::arguments(NAME, ABOUT, Others::Refused, std::env::args_os().skip(1)) {
        return exit;
    }
    let reading = Configuration::read(std::env::vars_os());
    let (configuration, mistakes) = match reading.outcome {
        Ok(configuration) => (Some(configuration), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    let logs = match host::start(NAME, "RELAY_LOG", &reading.log, Writing::Queued, mistakes) {
        Ok(logs) => logs,
        Err(exit) => return exit,
    };
    for warning in &reading.warnings {
        tracing::warn!("{warning}");
    }
    // Without one there were mistakes.
    let Some(configuration) = configuration else { return Exit::Usage };
    match run(configuration, &logs).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!(error, "the server cannot run");
            Exit::Failed
        }
    }
}

async fn run(configuration: Configuration, logs: &Logs) -> Result<(), String> {
    host::faults(FAULT, logs).map_err(|e| format!("cannot watch signals: {e}"))?;
    // Watched before anybody can connect.
    let signal = host::signal().map_err(|e| format!("cannot watch signals: {e}"))?;
    let mut hangups = host::hangups().map_err(|e| format!("cannot watch signals: {e}"))?;
    let listener = listen(configuration.listen()).await?;
    let stop = async {
        let signal = signal.await;
        tracing::info!(%signal, "asked to stop");
    };
    if let Some(way) = configuration.way() {
        tracing::info!("{way}");
    }
    let (exchange, running) = watch::channel(Arc::new(configuration));
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("SIGHUP: the configuration is read again");
            reload(&exchange, Configuration::read(std::env::vars_os()));
        }
    });
    serve(listener, running, stop).await.map_err(|e| e.to_string())
}
