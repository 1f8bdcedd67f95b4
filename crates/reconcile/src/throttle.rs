//! How fast objects are forwarded: in small deliveries, evenly spaced, so that no second sees more than the rate. Small, because the relay's own
//! events wait in the same lane behind them; and not one for each object, because each is a transaction of the spool, for which they wait as well.

use std::time::{Duration, Instant};

/// Deliveries a second.
const DELIVERIES: u32 = 25;

/// What is to reach MDSS within a second is handed in within so long: a relay finds it when it looks next, a twentieth of a second later at most, so that
/// what it sends within a second is what was handed in within that and a look. With a second in this place MDSS saw 52 objects in one at a rate of 50, with this 48.
const SECOND: Duration = Duration::from_millis(1060);

/// A relay that nothing was handed to for so long looks for it once a second only, and would find a second's worth of objects at once.
const FORGOTTEN: Duration = Duration::from_millis(1500);

/// So long after a first delivery it has found that one, and looks often enough for the others.
const NOTICED: Duration = Duration::from_millis(1100);

/// When the next objects may go, and how many.
pub(crate) struct Throttle {
    rate: u32,
    /// Deliveries a second.
    deliveries: u32,
    /// What is left of an object, in parts of one: so many deliveries make whole ones again.
    rest: u32,
    next: Instant,
    /// When some were last let go.
    last: Option<Instant>,
}

impl Throttle {
    /// So many a second, at least one.
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        let rate = rate.max(1);
        Self { rate, deliveries: rate.min(DELIVERIES), rest: 0, next: now, last: None }
    }

    /// How many of these may go now. What is not wanted is not saved.
    pub(crate) fn take(&mut self, wanted: usize, now: Instant) -> usize {
        if now < self.next {
            return 0;
        }
        let noticed = self.last.is_some_and(|last| now.duration_since(last) < FORGOTTEN);
        self.next = now + if noticed { SECOND / self.deliveries } else { NOTICED };
        self.last = Some(now);
        self.rest += self.rate;
        let most = self.rest / self.deliveries;
        self.rest %= self.deliveries;
        (most as usize).min(wanted)
    }

    /// How long it takes until some may go.
    pub(crate) fn pause(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r7_no_second_sees_more_than_the_rate() {
        for rate in [1, 2, 20, 50, 999, 5000] {
            let begin = Instant::now();
            let mut throttle = Throttle::new(rate, begin);
            let mut sent: Vec<(Duration, usize)> = Vec::new();
            let mut time = Duration::ZERO;
            while time < Duration::from_secs(10) {
                sent.push((time, throttle.take(10_000, begin + time)));
                time += throttle.pause(begin + time);
            }
            // A relay that looks late by a twentieth of a second sends what comes then as well.
            let a_second = Duration::from_millis(1050);
            for (from, _) in &sent {
                let second = sent.iter().filter(|(at, _)| at >= from && *at < *from + a_second);
                let second: usize = second.map(|(_, taken)| taken).sum();
                assert!(second <= rate as usize, "{rate}: {second} from {from:?}");
            }
            let all: usize = sent.iter().map(|(_, taken)| taken).sum();
            // After the first delivery it waits until that was noticed, and from then on it is a little slower than the rate.
            let rate = rate as usize;
            assert!((rate * 83 / 10..=rate * 9 + 1).contains(&all), "{rate}: {all} in ten seconds");
        }
    }

    #[test]
    fn what_was_not_wanted_is_not_saved() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(50, begin);
        assert_eq!(throttle.take(1, begin), 1);
        let later = begin + Duration::from_secs(60);
        assert_eq!((throttle.take(100, later), throttle.take(100, later)), (2, 0));
    }

    /// Else a second's worth of objects is sent at once, and an event that comes then is behind them.
    #[test]
    fn r7_it_begins_with_one_delivery_and_so_does_every_new_start() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(50, begin);
        for start in [begin, begin + Duration::from_secs(10)] {
            let at = |ms| start + Duration::from_millis(ms);
            let taken: Vec<_> =
                [0, 40, 1099, 1100, 1120, 1143].into_iter().map(|ms| throttle.take(100, at(ms))).collect();
            assert_eq!(taken, [2, 0, 0, 2, 0, 2]);
        }
    }
}
