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

/// The places of the bounds that a metric shows: from a second to a day, so that a unit has a dozen series and no more.
const SHOWN: [usize; 12] = [10, 17, 21, 25, 28, 32, 36, 40, 44, 47, 54, 62];

/// How long something took, for a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The bounds in seconds, rising, with how many took no longer. They are always the same.
    pub until: Vec<(f64, u64)>,
    /// How many there are.
    pub count: u64,
    /// All of them together, in seconds.
    pub seconds: f64,
}

/// Counts by duration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    counts: Vec<u64>,
    /// All of them together, in milliseconds. Where it was not written down yet, it is what the bounds say.
    #[serde(default)]
    sum: Option<u64>,
    /// The shortest, in milliseconds.
    least: Option<u64>,
}

impl Latency {
    /// One more.
    pub(crate) fn add(&mut self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.sum = Some(self.sum().saturating_add(ms));
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

    fn sum(&self) -> u64 {
        let most = |(place, count): (usize, &u64)| (bound(place).as_millis() as u64).saturating_mul(*count);
        self.sum.unwrap_or_else(|| self.counts.iter().enumerate().map(most).fold(0, u64::saturating_add))
    }

    /// The same for a metric.
    pub(crate) fn histogram(&self) -> Histogram {
        let until = |place: usize| {
            let counts = self.counts.iter().take(place + 1);
            (bound(place).as_secs_f64(), counts.fold(0, |all: u64, one| all.saturating_add(*one)))
        };
        Histogram {
            until: SHOWN.map(until).to_vec(),
            count: self.count(),
            seconds: self.sum() as f64 / 1000.0,
        }
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
    fn a_metric_has_the_same_bounds_whatever_came() {
        let mut latency = Latency::default();
        let none = latency.histogram();
        assert_eq!((none.count, none.seconds), (0, 0.0));
        for seconds in [0, 1, 5, 5, 100, 10_000_000] {
            latency.add(Duration::from_secs(seconds));
        }
        let shown = latency.histogram();
        let bounds = |shown: &Histogram| shown.until.iter().map(|(bound, _)| *bound).collect::<Vec<_>>();
        assert_eq!(bounds(&shown), bounds(&none));
        assert!(bounds(&shown).is_sorted_by(|one, next| one < next));
        let until: Vec<_> = shown.until.iter().map(|(bound, count)| (*bound as u64, *count)).collect();
        let want = [
            (0, 1),
            (4, 2),
            (10, 4),
            (26, 4),
            (51, 4),
            (126, 5),
            (308, 5),
            (752, 5),
            (1836, 5),
            (3587, 5),
            (17_105, 5),
            (101_957, 5),
        ];
        assert_eq!((until, shown.count, shown.seconds), (want.to_vec(), 6, 10_000_111.0));
    }

    /// As ledgers had it before the sum: it begins with what the bounds say, which is a quarter too much at most.
    #[test]
    fn a_sum_that_was_not_written_down_is_what_the_bounds_say() {
        let mut latency: Latency = serde_json::from_str(r#"{"counts":[0,0,3],"least":130}"#).unwrap();
        assert_eq!(latency.histogram().seconds, 0.468);
        latency.add(Duration::from_secs(10));
        assert_eq!(latency.histogram().seconds, 10.468);
        let again: Latency = serde_json::from_str(&serde_json::to_string(&latency).unwrap()).unwrap();
        assert_eq!(again, latency);
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
