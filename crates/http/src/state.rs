//! What all requests of one server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use mdss_relay_core::Watch;
use mdss_relay_request::Admissions;
use mdss_relay_spool::Spool;
use tokio::sync::{mpsc, watch};

use crate::budget::Budget;
use crate::calls::Calls;
use crate::configuration::InForce;
use crate::ledger::Book;
use crate::metrics::Counters;
use crate::refusals::Refusals;
use crate::repeat_delay::RepeatDelay;
use crate::results::Results;

pub(crate) struct Shared {
    /// The configuration in force; exchanged as a whole.
    pub(crate) running: watch::Receiver<Arc<InForce>>,
    /// On disk before the sender hears "done"; `None` in direct mode.
    pub(crate) spool: Option<Spool>,
    /// The ledger, if one is kept.
    pub(crate) book: Option<Book>,
    /// Where results are handed in, if a ledger is kept.
    pub(crate) results: Option<Results>,
    pub(crate) admissions: Arc<Admissions>,
    pub(crate) budget: Budget,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) counters: Arc<Counters>,
    /// Every attempt of this process.
    pub(crate) watch: Arc<Watch>,
    pub(crate) repeat_delay: RepeatDelay,
    pub(crate) stopping: watch::Sender<bool>,
    /// When this process started, and deliveries so far: by both each has an id of its own.
    pub(crate) started: Timestamp,
    pub(crate) count: AtomicU64,
    pub(crate) calls: Arc<Calls>,
    /// The receiver ends when the last request that shares this has ended.
    pub(crate) _alive: mpsc::Sender<()>,
}

impl Shared {
    /// What the log calls a delivery: unlike any other one of this source, also of the process before.
    pub(crate) fn next_id(&self, source: &str) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{source}-{:x}-{number}", self.started.as_millisecond())
    }
}
