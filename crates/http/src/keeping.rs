//! The durable hand-off of a server: the spool, and the worker that empties it with whatever configuration is in force.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mdss_relay_core::{SpoolSettings, Watch};
use mdss_relay_spool::{Config, Pacing, Parties, Spool, StoreThread, SystemClock, Worker};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::error;

use crate::configuration::InForce;

/// Opens the spool.
///
/// # Errors
/// If the system has no thread for it. What is wrong with the directory or the database shows in readiness, and is tried again.
pub(crate) fn open(config: &Config) -> std::io::Result<(Spool, StoreThread)> {
    Spool::start(config.clone(), Arc::new(SystemClock))
}

/// Sends what is stored until `stop` says so. A new configuration gets a new worker, which tries at once what was held because of the
/// old one.
pub(crate) async fn empty(
    spool: Spool,
    mut running: watch::Receiver<Arc<InForce>>,
    mut stop: watch::Receiver<bool>,
    watch: Arc<Watch>,
) {
    let mut latest = None;
    while !*stop.borrow() {
        let configuration = running.borrow_and_update().clone();
        let (http, rules) = (&configuration.http, &configuration.relay.settings().rules);
        // Without any, there is one of the relay's own.
        spool.share_among(Parties { sources: http.sources.len().max(1), units: rules.units() });
        // A configuration that does not ask for a spool any more is one that only a new start can follow.
        latest = http.spool.clone().or(latest);
        let Some(SpoolSettings { rate, park_after, .. }) = latest else { return };
        let pacing = Pacing { rate, park_after };
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
        let worker = Worker::new(spool.clone(), Arc::clone(&configuration.relay), pacing);
        let worker = worker.telling(Arc::clone(&watch)).run(until);
        if AssertUnwindSafe(worker).catch_unwind().await.is_err() {
            // The panic's own line says where. What was under way is on disk and comes again.
            error!("the worker failed in an unforeseen way and is started again; please report it");
            sleep(Duration::from_secs(1)).await;
        }
    }
}
