//! Counters of this process. A registry of our own, because it is this small: a `metrics` recorder would be global to the
//! process, pull in an exporter, and the gauges would still have to be read from the file when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::breaker::Position;
use crate::intake::Written;
use crate::stock::Stock;
use crate::trouble::TroubleKind;

/// Upper bounds of the latency histogram, in seconds. A direct hand-over takes milliseconds, a spool's worst day hours.
pub const LATENCY_BOUNDS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0];

/// How long it took, over many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many took at most as long as the bound of that place, and longer than the one before; the last place is for the rest.
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
    /// All together, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    pub(crate) fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = LATENCY_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(LATENCY_BOUNDS.len());
        self.counts[place] += 1;
        self.sum_seconds += seconds;
    }
}

/// What one process has counted since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Deliveries of which something was kept.
    pub accepted: u64,
    /// Items written.
    pub spooled: u64,
    /// Items not written because the same write was known.
    pub duplicates: u64,
    /// Items for which a share had no room, by source and by whose share it is: `held`, `parked`, `all`, `source` or `unit`.
    pub no_room: BTreeMap<(String, &'static str), u64>,
    /// Deliveries that were not taken, by the trouble's name.
    pub refused: BTreeMap<&'static str, u64>,
    /// Items accepted by MDSS, by lane.
    pub delivered: BTreeMap<String, u64>,
    /// Items that were parked by the worker, by lane and reason.
    pub parked: BTreeMap<(String, &'static str), u64>,
    /// From the event's own time (else its receipt) to MDSS's word.
    pub latency: Histogram,
    /// The breakers, by lane; the endpoint's is `""`.
    pub breakers: BTreeMap<String, Position>,
    /// Requests a second that the worker makes at most, now; `None` before it runs.
    pub pace: Option<f64>,
    /// When the worker makes its next request, as far as it knows: what is past is now.
    pub next_request: Option<Instant>,
}

/// Everything there is to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Since the process started.
    pub counts: Counts,
    /// What is kept.
    pub stock: Stock,
    /// The limit of the bytes in use.
    pub limit_bytes: u64,
}

#[derive(Default)]
pub(crate) struct Meter(Mutex<Counts>);

impl Meter {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn accepted(&self, source: &str, written: &[Written]) {
        let mut counts = self.counts();
        for written in written {
            if let Written::NoRoom(full) = written {
                *counts.no_room.entry((source.to_owned(), full.share)).or_default() += 1;
            }
        }
        let count = |what| written.iter().filter(|w| **w == what).count() as u64;
        let spooled = count(Written::Stored);
        counts.accepted += u64::from(spooled > 0);
        counts.spooled += spooled;
        counts.duplicates += count(Written::Duplicate);
    }

    pub(crate) fn refused(&self, kind: TroubleKind) {
        *self.counts().refused.entry(kind.name()).or_default() += 1;
    }

    pub(crate) fn delivered(&self, lane: &str, took: Duration) {
        let mut counts = self.counts();
        *counts.delivered.entry(lane.to_owned()).or_default() += 1;
        counts.latency.add(took);
    }

    pub(crate) fn parked(&self, lane: &str, reason: &'static str) {
        *self.counts().parked.entry((lane.to_owned(), reason)).or_default() += 1;
    }

    pub(crate) fn no_breakers(&self) {
        self.counts().breakers.clear();
    }

    pub(crate) fn breaker(&self, lane: &str, position: Position) {
        self.counts().breakers.insert(lane.to_owned(), position);
    }

    pub(crate) fn pace(&self, rate: f64) {
        self.counts().pace = Some(rate);
    }

    pub(crate) fn next_request(&self, when: Option<Instant>) {
        self.counts().next_request = when;
    }

    /// Items that were stored, and items that MDSS has accepted.
    pub(crate) fn flow(&self) -> (u64, u64) {
        let counts = self.counts();
        (counts.spooled, counts.delivered.values().sum())
    }

    pub(crate) fn read(&self) -> Counts {
        self.counts().clone()
    }

    pub(crate) fn snapshot(&self, stock: Stock, limit_bytes: u64) -> Snapshot {
        Snapshot { counts: self.read(), stock, limit_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_has_one_place() {
        for (millis, place) in
            [(0, 0), (100, 0), (101, 1), (250, 1), (1000, 3), (60_000, 7), (43_200_000, 11), (43_200_001, 12)]
        {
            let mut histogram = Histogram::default();
            histogram.add(Duration::from_millis(millis));
            let found = histogram.counts.iter().position(|n| *n == 1);
            assert_eq!((found, histogram.counts.iter().sum::<u64>()), (Some(place), 1), "{millis} ms");
        }
    }
}
