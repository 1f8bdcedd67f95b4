//! How fast requests leave: never faster than the operator allows, and slower when MDSS says so.
//!
//! In front of MDSS stands a proxy that answers 503 above its rate, and names no rate. So the pace is halved at every
//! such answer, once a second at most, and grows slowly with every success: the way TCP finds a road's width.

use std::time::{Duration, Instant};

/// Slower is for breakers.
const LEAST: f64 = 1.0;

/// What a success adds, in requests a second: the pace doubles in three or four seconds.
const GAIN: f64 = 0.2;

/// How far a pause may be made up for; a runtime's timers are not finer.
const BURST: Duration = Duration::from_millis(20);

const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Pace {
    most: f64,
    rate: f64,
    /// When the next request may start.
    next: Option<Instant>,
    lowered: Option<Instant>,
    /// Requests started in this window and in the one before.
    window: Option<(Instant, u32, u32)>,
}

impl Pace {
    /// At most `most` requests a second.
    pub(crate) fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self { most, rate: most, next: None, lowered: None, window: None }
    }

    /// When the next request may start; `None`: now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| now < *next)
    }

    pub(crate) fn started(&mut self, now: Instant) {
        let from = self.next.map_or(now, |next| next.max(now.checked_sub(BURST).unwrap_or(now)));
        self.next = Some(from + Duration::from_secs_f64(1.0 / self.rate));
        self.window = Some(match self.window {
            Some((begin, count, before)) if now.duration_since(begin) < WINDOW => (begin, count + 1, before),
            Some((begin, count, _)) if now.duration_since(begin) < 2 * WINDOW => (begin + WINDOW, 1, count),
            _ => (now, 1, 0),
        });
    }

    /// MDSS asks for less.
    pub(crate) fn pushed_back(&mut self, now: Instant) {
        if self.lowered.is_some_and(|when| now.duration_since(when) < WINDOW) {
            return;
        }
        self.lowered = Some(now);
        // The half of what was really sent: the half of a limit that was never reached is no less.
        let sent = self.window.map_or(0, |(_, count, before)| count.max(before));
        self.rate = (self.rate.min(f64::from(sent)) / 2.0).max(LEAST);
    }

    pub(crate) fn succeeded(&mut self) {
        self.rate = (self.rate + GAIN).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests start in so many seconds, if one may start whenever the pace lets it.
    fn starts(pace: &mut Pace, now: &mut Instant, seconds: u64) -> u32 {
        let end = *now + Duration::from_secs(seconds);
        let mut count = 0;
        while *now < end {
            match pace.wait(*now) {
                Some(next) => *now = next.max(*now + Duration::from_millis(1)),
                None => {
                    pace.started(*now);
                    count += 1;
                }
            }
        }
        count
    }

    #[test]
    fn the_pace_keeps_to_its_limit_and_yields() {
        for most in [1, 10, 100, 500] {
            let (mut pace, mut now) = (Pace::new(most), Instant::now());
            let count = starts(&mut pace, &mut now, 10);
            assert!(count.abs_diff(most * 10) <= most / 20 + 1, "{most}: {count}");
            pace.pushed_back(now);
            pace.pushed_back(now);
            let slower = starts(&mut pace, &mut now, 10);
            assert!(slower.abs_diff((most * 5).max(10)) <= most / 10 + 6, "{most}: {slower}");
            for _ in 0..most * 20 {
                pace.succeeded();
            }
            let again = starts(&mut pace, &mut now, 10);
            assert!(again.abs_diff(most * 10) <= most / 20 + 1, "{most}: {again}");
        }
    }

    #[test]
    fn a_limit_that_was_never_reached_is_no_measure() {
        let (mut pace, mut now) = (Pace::new(1000), Instant::now());
        for _ in 0..40 {
            pace.started(now);
            now += Duration::from_millis(100);
        }
        pace.pushed_back(now);
        let count = starts(&mut pace, &mut now, 10);
        assert!((45..=55).contains(&count), "{count}");
    }

    #[test]
    fn no_pace_falls_below_one_a_second() {
        let (mut pace, mut now) = (Pace::new(10), Instant::now());
        for _ in 0..20 {
            pace.pushed_back(now);
            now += WINDOW;
        }
        assert_eq!(starts(&mut pace, &mut now, 10), 10);
    }
}
