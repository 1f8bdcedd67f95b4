//! `mdss-relay-http`: see the crate's README.

use mdss_relay_core::{Relay, Role, Settings};
use mdss_relay_host::{self as host, Exit};
use mdss_relay_http::{Doors, Proxies, listen, serve};

const NAME: &str = "mdss-relay-http";

#[tokio::main]
async fn main() -> Exit {
    let mut draft = Settings::read(std::env::vars_os(), Role::Http);
    let doors = Doors::open(&mut draft);
    let proxies = Proxies::trusted(&mut draft);
    let mistakes = draft.mistakes.iter().map(ToString::to_string).collect();
    if let Err(exit) = host::start(NAME, "RELAY_LOG", &draft.settings.log, mistakes) {
        return exit;
    }
    for warning in &draft.settings.warnings {
        tracing::warn!("{warning}");
    }
    let address = draft.settings.listen;
    let relay = match Relay::new(draft.settings) {
        Ok(relay) => relay,
        Err(mistake) => return host::settings_failure(NAME, &[mistake.to_string()]),
    };
    match run(address, relay, doors, proxies).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!(error, "the server cannot run");
            Exit::Failed
        }
    }
}

async fn run(
    address: std::net::SocketAddr,
    relay: Relay,
    doors: Doors,
    proxies: Proxies,
) -> Result<(), String> {
    // Watched before anybody can connect.
    let signal = host::signal().map_err(|e| format!("cannot watch signals: {e}"))?;
    let listener = listen(address).await?;
    let stop = async {
        let signal = signal.await;
        tracing::info!(%signal, "asked to stop");
    };
    serve(listener, relay, doors, proxies, stop).await.map_err(|e| e.to_string())
}
