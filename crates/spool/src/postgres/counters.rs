//! What this process has counted of its database, for metrics.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::meter::Histogram;

/// What a relay has counted of the database it shares since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sharing {
    /// Deliveries of which it is not known whether they were stored; their senders were asked to repeat them.
    pub unknown: u64,
    /// Settlements that were not written, because somebody else had been given the item, or it had gone.
    pub fenced: u64,
    /// Leases that were renewed.
    pub renewed: u64,
    /// Connections that were made anew.
    pub reconnects: u64,
    /// Requests to MDSS that were granted by the pace of all relays.
    pub tokens: u64,
    /// How long a commit of accepted events took.
    pub commits: Histogram,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) unknown: Counter,
    pub(super) fenced: Counter,
    pub(super) renewed: Counter,
    pub(super) tokens: Counter,
    commits: Mutex<Histogram>,
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn committed(&self, took: Duration) {
        self.commits.lock().unwrap_or_else(|e| e.into_inner()).add(took);
    }

    pub(super) fn read(&self, reconnects: u64) -> Sharing {
        Sharing {
            unknown: self.unknown.read(),
            fenced: self.fenced.read(),
            renewed: self.renewed.read(),
            reconnects,
            tokens: self.tokens.read(),
            commits: self.commits.lock().unwrap_or_else(|e| e.into_inner()).clone(),
        }
    }
}
