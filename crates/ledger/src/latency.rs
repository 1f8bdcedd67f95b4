//! How long results take, as a histogram that is small enough to be kept for each storage unit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Samples from which something is known.
pub(crate) const ENOUGH: u64 = 100;

/// A bound is so much more than the one before, in per cent: the answer is never more than that too high.
const STEP: f64 = 1.25;

/// The lowest bound.
const LEAST_MS: f64 = 100.0;

/// More are never needed: 1.25 to the 80th times 100 ms are two months.
const MOST: usize = 80;

/// Counts by duration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    counts: Vec<u64>,
    /// The shortest, in milliseconds.
    least: Option<u64>,
}

impl Latency {
    /// One more.
    pub(crate) fn add(&mut self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let place = (0..MOST).find(|place| took <= bound(*place)).unwrap_or(MOST);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(1);
        self.least = Some(self.least.map_or(ms, |least| least.min(ms)));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().fold(0, |all, one| all.saturating_add(*one))
    }

    /// The shortest; `None` before there are enough.
    pub(crate) fn least(&self) -> Option<Duration> {
        self.least.filter(|_| self.count() >= ENOUGH / 5).map(Duration::from_millis)
    }

    /// The bound that 99 of 100 keep; `None` before there are enough.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let all = self.count();
        if all < ENOUGH {
            return None;
        }
        let wanted = all - all / 100;
        let mut so_far = 0u64;
        for (place, count) in self.counts.iter().enumerate() {
            so_far = so_far.saturating_add(*count);
            if so_far >= wanted {
                return Some(bound(place));
            }
        }
        Some(bound(MOST))
    }

    /// Each bound in seconds with its count, for a metric.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.counts.iter().enumerate().map(|(place, count)| (bound(place).as_secs_f64(), *count))
    }
}

fn bound(place: usize) -> Duration {
    let steps = i32::try_from(place.min(MOST)).unwrap_or(i32::MAX);
    Duration::from_millis((LEAST_MS * STEP.powi(steps)) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_99th_is_never_too_low_and_hardly_too_high(mut times in prop::collection::vec(0u64..5_000_000_000, 100..400)) {
            let mut latency = Latency::default();
            for ms in &times {
                latency.add(Duration::from_millis(*ms));
            }
            times.sort_unstable();
            let exact = times[times.len() - times.len() / 100 - 1];
            let p99 = latency.p99().unwrap().as_millis() as u64;
            prop_assert!(p99 >= exact, "{p99} {exact}");
            prop_assert!(p99 <= (exact as f64 * STEP) as u64 + 101, "{p99} {exact}");
            prop_assert_eq!(latency.least(), Some(Duration::from_millis(times[0])));
            prop_assert_eq!(latency.count(), times.len() as u64);
        }
    }

    #[test]
    fn nothing_is_known_of_few() {
        let mut latency = Latency::default();
        assert_eq!((latency.p99(), latency.least()), (None, None));
        for _ in 0..ENOUGH - 1 {
            latency.add(Duration::from_secs(1));
        }
        assert_eq!(latency.p99(), None);
        latency.add(Duration::MAX);
        assert!(latency.p99().is_some());
    }
}
