//! The life of a server: it starts, takes connections, and stops.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use mdss_relay_core::{Watch, fields};
use mdss_relay_gate::Takes;
use mdss_relay_request::Admissions;
use mdss_relay_spool::StoreThread;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::accept::{accept, log_more};
use crate::budget::Budget;
use crate::calls::Calls;
use crate::checked;
use crate::configuration::{Configuration, InForce};
use crate::connection::HEAD_TIMEOUT;
use crate::keeping;
use crate::ledger::{self, Book};
use crate::listeners::Listeners;
use crate::metrics::Counters;
use crate::outage;
use crate::pages::{pages, pages_alone};
use crate::reconcile::Comparing;
use crate::referee;
use crate::refusals::Refusals;
use crate::repeat_delay::RepeatDelay;
use crate::request::receive;
use crate::resend;
use crate::results::{self, Results};
use crate::slots::{Capacity, Slots};
use crate::start_line::{left_behind, number, started};
use crate::state::Shared;

/// The longest a stop waits for the spool's file to be closed. It need not be: that only makes the next start quicker.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What taking connections does, so that its end needs no answer.
const FOR_EVER: &str = "connections are taken for ever";

/// The time between two looks for refusals that had no line.
const LOOK: Duration = Duration::from_secs(5);

/// A server: its configuration, which can be exchanged while it runs, and what it has counted.
pub struct Server {
    pub(crate) running: watch::Sender<Arc<InForce>>,
    pub(crate) counters: Arc<Counters>,
    /// Every attempt of this process, whatever the configuration was.
    pub(crate) watch: Arc<Watch>,
}

impl Server {
    /// One that has not begun to serve.
    pub fn new(configuration: Configuration) -> Self {
        let counters = Counters::default();
        counters.add_sources(configuration.sources.names_of_events(), configuration.takes_as());
        counters.configured();
        let watch = Arc::new(Watch::default());
        Self {
            running: watch::Sender::new(Arc::new(InForce::first(configuration, watch.clone()))),
            counters: Arc::new(counters),
            watch,
        }
    }

    /// Serves until `stop` is over, which says why in a word. Then its ports close, bodies that are still on their way get two seconds, and calls in
    /// flight are finished: one deadline later, at the latest, and a little for the answers, connections are cut; one more, for
    /// what the worker has under way, and it returns. What is on disk stays there for the next start.
    ///
    /// # Errors
    /// If a listener's own address cannot be told, or the system has no thread for the spool. A connection that fails
    /// concerns nobody else.
    pub async fn serve<W: Display>(
        &self,
        listeners: impl Into<Listeners>,
        stop: impl Future<Output = W>,
    ) -> std::io::Result<()> {
        let Listeners { events, admin } = listeners.into();
        let address = events.local_addr()?;
        let running = self.running.subscribe();
        let first = running.borrow().clone();
        let grace = first.relay.settings().mdss.deadline + HEAD_TIMEOUT;
        let (spool, kept) = match &first.kept {
            Some(config) => {
                let (spool, kept) = keeping::open(config)?;
                let spool = if first.ledger().is_some() { spool.with_ledger() } else { spool };
                (Some(spool), Some(kept))
            }
            None => (None, None),
        };
        // Before anything happens that it would explain.
        started(&first, spool.as_ref()).await;
        left_behind(&first).await;
        let calls = Arc::new(Calls::default());
        let outages = tokio::spawn(outage::tell(self.watch.clone(), self.counters.clone(), spool.clone()));
        let (alive, mut all_done) = mpsc::channel(1);
        let mut tasks_of_spool = JoinSet::new();
        let stop_worker = watch::Sender::new(false);
        let worker = spool.clone().map(|spool| {
            let watch = Arc::clone(&self.watch);
            tokio::spawn(keeping::empty(spool, running.clone(), stop_worker.subscribe(), watch))
        });
        let checks = tokio::spawn(checked::watch(self.counters.clone(), running.clone()));
        let stop_ledger = watch::Sender::new(false);
        let book = first.ledger().map(|_| Book::default());
        let results = book.clone().map(|book| {
            let of_results = first.sources.iter().filter(|source| source.takes == Takes::Results);
            let (results, desk) = Results::new(of_results.map(|source| source.name.as_str()));
            let of_settings = running.clone();
            let expected =
                move || of_settings.borrow().sources.iter().any(|source| source.takes == Takes::Results);
            tasks_of_spool.spawn(referee::ask(book.clone(), running.clone()));
            tasks_of_spool.spawn(results::keep(desk, book, expected));
            results
        });
        let ledger = match (spool.clone(), first.ledger().cloned(), book.clone()) {
            (Some(spool), Some(settings), Some(book)) => Some(tokio::spawn(ledger::feed(
                spool,
                settings,
                book,
                running.clone(),
                stop_ledger.subscribe(),
            ))),
            (Some(spool), ..) => {
                tasks_of_spool.spawn(ledger::without(spool));
                None
            }
            _ => None,
        };
        if let Some(spool) = spool.clone() {
            let (counters, running, stop) = (self.counters.clone(), running.clone(), stop_worker.subscribe());
            if let Some(book) = book.clone() {
                tasks_of_spool.spawn(resend::watch(spool.clone(), book, running.clone(), stop.clone()));
            }
            tasks_of_spool.spawn(Comparing { spool, book: book.clone(), counters, running, stop }.run());
        }
        let shared = Arc::new(Shared {
            running,
            book,
            results,
            spool,
            admissions: Arc::new(Admissions::new()),
            budget: Budget::new(),
            refusals: Arc::new(Refusals::new()),
            counters: self.counters.clone(),
            watch: self.watch.clone(),
            repeat_delay: RepeatDelay::default(),
            stopping: watch::Sender::new(false),
            started: Timestamp::now(),
            count: AtomicU64::new(0),
            calls: calls.clone(),
            _alive: alive,
        });
        let router = if admin.is_some() { Router::new() } else { pages() };
        let router = router.fallback(receive).with_state(shared.clone());
        let admin = match admin {
            Some(listener) => {
                Some((listener.local_addr()?, listener, pages_alone().with_state(shared.clone())))
            }
            None => None,
        };
        if let Some((address, ..)) = &admin {
            info!(
                { fields::SERVER_ADDRESS } = %address.ip(),
                { fields::SERVER_PORT } = address.port(),
                "/metrics, /readyz and /healthz are on http://{address}, and nowhere else"
            );
        }
        info!({ fields::SERVER_ADDRESS } = %address.ip(), { fields::SERVER_PORT } = address.port(), "listening on http://{address}");

        let files = match &admin {
            Some(_) => files().map(|files| files.saturating_sub(Capacity::ADMIN.size().0 as u64)),
            None => files(),
        };
        let capacity = Capacity::of(files, first.relay.settings().mdss.concurrency);
        if let (connections, true) = capacity.size() {
            warn!(
                "at most {connections} connections at once, because this process may open no more files (ulimit -n)"
            );
        }
        let refusals = shared.refusals.clone();
        let logging = tokio::spawn(async move {
            loop {
                sleep(LOOK).await;
                log_more(&refusals, false);
            }
        });
        let (mut tasks, mut watchers) = (JoinSet::new(), JoinSet::new());
        // Slots of its own for each port, so that nobody on one of them takes those of the other.
        let slots = Slots::new(capacity);
        let watching = async {
            match &admin {
                Some((_, listener, router)) => {
                    let slots = Slots::new(Capacity::ADMIN);
                    accept(&shared, listener, &slots, router, &mut watchers).await;
                }
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            () = accept(&shared, &events, &slots, &router, &mut tasks) => unreachable!("{FOR_EVER}"),
            () = watching => unreachable!("{FOR_EVER}"),
            why = stop => why,
        };
        info!({ fields::SIGNAL } = %why, "asked to stop: the requests under way are finished first");
        logging.abort();
        outages.abort();
        checks.abort();
        let ended = calls.ended();
        let refusals = shared.refusals.clone();
        shared.stopping.send_replace(true);
        drop((events, admin));
        let finish = async {
            // Connections share it until their last answer is written, and deliveries whose sender has gone meanwhile as well.
            drop((router, shared));
            let _ = all_done.recv().await;
        };
        if timeout(grace, finish).await.is_err() {
            warn!("stopped with requests under way: their senders got no answer and will repeat them");
        }
        let (finished, cut) = (calls.ended() - ended, calls.under_way());
        // A client that does not read has a connection that never ends; with it goes what it holds of the spool.
        tasks.shutdown().await;
        watchers.shutdown().await;
        log_more(&refusals, true);
        // The worker goes last: what the last calls have put on disk it may still send. What it has under way is finished.
        stop_worker.send_replace(true);
        let worker_ended = match worker {
            Some(worker) => timeout(grace, worker).await.is_ok(),
            None => true,
        };
        if !worker_ended {
            warn!(
                "stopped with requests to MDSS under way: objects that MDSS did not answer for are sent again after the next start"
            );
        }
        // Last of all: the outcomes of the worker are in the outbox by now.
        tasks_of_spool.shutdown().await;
        stop_ledger.send_replace(true);
        if let Some(ledger) = ledger
            && timeout(CLOSE_TIMEOUT, ledger).await.is_err()
        {
            warn!(
                "stopped while the ledger was written: what is in the outbox goes into it after the next start"
            );
        }
        if let Some(kept) = kept.filter(|_| worker_ended)
            && timeout(CLOSE_TIMEOUT, closed(kept)).await.is_err()
        {
            warn!("stopped while the spool's file was not closed: its events are read at the next start");
        }
        info!(
            { fields::SIGNAL } = %why,
            { fields::CALLS_FINISHED } = finished,
            { fields::CALLS_CUT } = cut,
            "stopped by {why}: {} finished, {cut} cut",
            number(finished, "request")
        );
        Ok(())
    }
}

/// How many files this process may have open; `None` if there is no limit.
fn files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Waits until the spool's file is closed: on a thread that a process that ends does not wait for, because the disk may not
/// answer.
async fn closed(kept: StoreThread) {
    let (done, waited) = oneshot::channel();
    let closing = std::thread::Builder::new().name("closing".into()).spawn(move || {
        kept.wait();
        let _ = done.send(());
    });
    if closing.is_ok() {
        let _ = waited.await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use mdss_relay_spool::{Config, Place, Spool, SystemClock};

    use super::*;

    #[test]
    fn a_file_that_is_not_closed_keeps_no_process_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { place: Place::Directory(dir.path().to_owned()), limit: 1 << 30 };
        let (spool, kept) = Spool::start(config, Arc::new(SystemClock)).unwrap();
        let (done, ended) = channel();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            let outcome = runtime.block_on(async { timeout(CLOSE_TIMEOUT, closed(kept)).await });
            // Waits for blocking tasks, as the end of `main` does.
            drop(runtime);
            let _ = done.send(outcome.is_ok());
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(false));
        drop(spool);
    }
}
