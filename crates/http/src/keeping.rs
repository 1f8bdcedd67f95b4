//! The durable hand-off of a server: the spool, and the worker that empties it with whatever configuration is in force.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mdss_relay_core::SpoolSettings;
use mdss_relay_spool::{Config, Keeping, Parties, Policy, Spool, SystemClock, Worker};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::error;

use crate::configuration::Configuration;

/// Opens the spool.
///
/// # Errors
/// If the system has no thread for it. What is wrong with the directory shows in readiness, and is tried again.
pub(crate) fn open(settings: &SpoolSettings) -> std::io::Result<(Spool, Keeping)> {
    let config = Config { dir: settings.dir.clone(), limit: settings.limit };
    Spool::start(config, Arc::new(SystemClock))
}

/// Sends what is kept until `stop` says so. A new configuration gets a new worker, which tries at once what was held for the
/// old one's sake.
pub(crate) async fn empty(
    spool: Spool,
    mut running: watch::Receiver<Arc<Configuration>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut policy = Policy { rate: 1000, park_after: None };
    while !*stop.borrow() {
        let configuration = running.borrow_and_update().clone();
        let settings = configuration.relay.settings();
        // Without any, there is one of the relay's own.
        spool.share_among(Parties { sources: settings.sources.len().max(1), units: settings.rules.units() });
        if let Some(settings) = &settings.spool {
            policy = Policy { rate: settings.rate, park_after: settings.park_after };
        }
        let exchanged = async {
            // An error means that nobody is left who could exchange it.
            if running.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let until = async {
            tokio::select! {
                () = exchanged => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        };
        let worker = Worker::new(spool.clone(), Arc::clone(&configuration.relay), policy).run(until);
        if AssertUnwindSafe(worker).catch_unwind().await.is_err() {
            // The panic's own line says where. What was under way is on disk and comes again.
            error!("the worker failed in an unforeseen way and is started again; please report it");
            sleep(Duration::from_secs(1)).await;
        }
    }
}
