//! `mdss-relay-http`: see the crate's README.

use std::io::Write;
use std::num::NonZero;
use std::sync::Arc;

use mdss_relay_core::{Applies, fields, settings_help};
use mdss_relay_host::{self as host, Exit, Logs, Others, Program, Writing};
use mdss_relay_http::{Configuration, Listeners, Server};

const PROGRAM: Program = Program {
    name: "mdss-relay-http",
    about: "reports the objects that storage providers announce over HTTP to MetaDefender Storage Security.",
    settings: || settings_help(Applies::Http),
    others: Others::Refused,
    writing: Writing::Queued,
    filter_name: "RELAY_LOG",
};

/// What a SIGBUS of this process means: the indexes of the logs of the spool and the ledger are the files that it maps.
const FAULT: &str = "SIGBUS: spool.db-shm or ledger.db-shm was cut while it was in use, or its disk does not answer. The relay ends at once. Every acknowledged event \
                     is on disk and is sent after the next start: restart the relay";

/// glibc's allocator keeps memory by thread, and what a request holds is given back by another one: at the spool, mostly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many threads take requests, for whoever knows better than [`workers`]: the variable of tokio's own runtimes, which panic where it is no number
/// (<https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.worker_threads>).
const THREADS: &str = "TOKIO_WORKER_THREADS";

fn main() -> Exit {
    let say = |what: String| {
        let _ = writeln!(std::io::stderr(), "{}: {what}", PROGRAM.name);
    };
    let threads = match std::env::var_os(THREADS) {
        None => workers(std::thread::available_parallelism().map_or(1, NonZero::get)),
        Some(given) => {
            match given.to_str().and_then(|given| given.parse().ok()).filter(|n| (1..=MOST).contains(n)) {
                Some(given) => given,
                None => {
                    say(format!("{THREADS}: expected a number from 1 to {MOST}, found {given:?}"));
                    return Exit::Usage;
                }
            }
        }
    };
    match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime.block_on(start()),
        Err(error) => {
            say(format!("its threads cannot be started: {error}"));
            Exit::Failed
        }
    }
}

/// More threads than any machine has processors for are a mistake, and would take its memory.
const MOST: usize = 1024;

/// Threads for requests on a machine of so many processors: half of them. The spool, the log and the kernel's network have the others; with a thread for
/// each, these wake each other up for a fifth of what an event costs, and take no more events (docs/performance.md).
fn workers(processors: usize) -> usize {
    (processors / 2).max(1)
}

async fn start() -> Exit {
    let (configuration, logs) = match host::start(&PROGRAM, Configuration::read) {
        Ok(started) => started,
        Err(exit) => return exit,
    };
    match run(configuration, &logs).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!({ fields::ERROR } = error, "the server cannot run");
            Exit::Failed
        }
    }
}

async fn run(configuration: Configuration, logs: &Logs) -> Result<(), String> {
    host::faults(FAULT, logs).map_err(|e| format!("cannot watch signals: {e}"))?;
    // Watched before anybody can connect.
    let signal = host::signal().map_err(|e| format!("cannot watch signals: {e}"))?;
    let mut hangups = host::hangups().map_err(|e| format!("cannot watch signals: {e}"))?;
    let listeners = Listeners::open(&configuration).await?;
    let server = Arc::new(Server::new(configuration));
    let reloaded = server.clone();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("SIGHUP: the configuration is read again");
            reloaded.reload(Configuration::read(std::env::vars_os()));
        }
    });
    server.serve(listeners, signal).await.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::workers;

    #[test]
    fn half_of_the_processors_and_at_least_one() {
        assert_eq!([1, 2, 3, 4, 64].map(workers), [1, 1, 1, 2, 32]);
    }
}
