//! How fast requests leave: never faster than the operator allows, and slower when MDSS says so.
//!
//! In front of MDSS stands a proxy that answers 503 above its rate, and names no rate. So the pace is halved when it does,
//! once a second at most, and grows with every success: the way TCP finds a road's width. A second in which nobody asked for
//! less doubles the growth: what was a short outage and no rate is forgotten within seconds.

use std::time::{Duration, Instant};

use crate::item::ItemId;

/// Slower is for breakers.
const LEAST: f64 = 1.0;

/// What a success adds at first, in requests a second.
const GAIN: f64 = 0.2;

/// What a success adds at most.
const MOST_GAIN: f64 = 25.0;

/// How far a pause may be made up for; a runtime's timers are not finer.
const BURST: Duration = Duration::from_millis(20);

const WINDOW: Duration = Duration::from_secs(1);

/// One object that always meets a 503 says nothing about the others. Two within this time do.
const TOGETHER: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Pace {
    most: f64,
    rate: f64,
    /// When the next request may start.
    next: Option<Instant>,
    lowered: Option<Instant>,
    gain: f64,
    /// Since when `gain` is what it is.
    gaining: Option<Instant>,
    /// Whose request was pushed back last.
    pushed: Option<(ItemId, Instant)>,
    /// Requests started in this window and in the one before.
    window: Option<(Instant, u32, u32)>,
}

impl Pace {
    /// At most `most` requests a second.
    pub(crate) fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self {
            most,
            rate: most,
            next: None,
            lowered: None,
            gain: GAIN,
            gaining: None,
            pushed: None,
            window: None,
        }
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

    /// MDSS asks for less, instead of taking that item.
    pub(crate) fn pushed_back(&mut self, item: ItemId, now: Instant) {
        let before = self.pushed.replace((item, now));
        let another =
            before.is_some_and(|(other, when)| other != item && now.duration_since(when) < TOGETHER);
        if !another {
            return;
        }
        self.gain = GAIN;
        self.gaining = Some(now);
        if self.lowered.is_some_and(|when| now.duration_since(when) < WINDOW) {
            return;
        }
        self.lowered = Some(now);
        // The half of what was really sent: the half of a limit that was never reached is no less.
        let sent = self.window.map_or(0, |(_, count, before)| count.max(before));
        self.rate = (self.rate.min(f64::from(sent)) / 2.0).max(LEAST);
    }

    /// MDSS was away: nothing that was known holds.
    pub(crate) fn begin(&mut self) {
        self.rate = self.rate.min(100.0);
    }

    pub(crate) fn succeeded(&mut self, now: Instant) {
        let since = *self.gaining.get_or_insert(now);
        if now.duration_since(since) >= WINDOW {
            self.gain = (self.gain * 2.0).min(MOST_GAIN);
            self.gaining = Some(now);
        }
        self.rate = (self.rate + self.gain).min(self.most);
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

    /// Two different items are pushed back.
    fn pushed_back(pace: &mut Pace, now: Instant) {
        pace.pushed_back(ItemId::new(1), now);
        pace.pushed_back(ItemId::new(2), now);
    }

    #[test]
    fn the_pace_keeps_to_its_limit_and_yields() {
        for most in [1, 10, 100, 500] {
            let (mut pace, mut now) = (Pace::new(most), Instant::now());
            let count = starts(&mut pace, &mut now, 10);
            assert!(count.abs_diff(most * 10) <= most / 20 + 1, "{most}: {count}");
            pushed_back(&mut pace, now);
            pushed_back(&mut pace, now);
            let slower = starts(&mut pace, &mut now, 10);
            assert!(slower.abs_diff((most * 5).max(10)) <= most / 10 + 6, "{most}: {slower}");
            for _ in 0..most * 20 {
                pace.succeeded(now);
            }
            let again = starts(&mut pace, &mut now, 10);
            assert!(again.abs_diff(most * 10) <= most / 20 + 1, "{most}: {again}");
        }
    }

    #[test]
    fn one_object_slows_nobody_and_two_long_apart_neither() {
        let (mut pace, mut now) = (Pace::new(100), Instant::now());
        starts(&mut pace, &mut now, 2);
        for n in [1, 1, 1, 2, 1] {
            pace.pushed_back(ItemId::new(n), now);
            if n == 1 {
                pace.pushed_back(ItemId::new(n), now);
            }
            now += TOGETHER;
        }
        assert_eq!(pace.rate, 100.0);
        pushed_back(&mut pace, now);
        assert!(pace.rate < 100.0);
    }

    #[test]
    fn a_limit_that_was_never_reached_is_no_measure() {
        let (mut pace, mut now) = (Pace::new(1000), Instant::now());
        for _ in 0..40 {
            pace.started(now);
            now += Duration::from_millis(100);
        }
        pushed_back(&mut pace, now);
        let count = starts(&mut pace, &mut now, 10);
        assert!((45..=55).contains(&count), "{count}");
    }

    /// The half of what was sent, also when a second has just begun; but not the half of what was sent long ago.
    #[test]
    fn what_counts_is_this_second_and_the_one_before() {
        for (rest, want) in [(0, 50.0), (900, 50.0), (10_000, LEAST)] {
            let (mut pace, begin) = (Pace::new(1000), Instant::now());
            for n in 0..100 {
                pace.started(begin + Duration::from_millis(n * 10));
            }
            // One in the next second, or much later.
            let now = begin + Duration::from_millis(1000 + rest);
            pace.started(now);
            pushed_back(&mut pace, now);
            assert_eq!(pace.rate, want, "{rest}");
        }
    }

    #[test]
    fn no_pace_falls_below_one_a_second() {
        let (mut pace, mut now) = (Pace::new(10), Instant::now());
        for _ in 0..20 {
            pushed_back(&mut pace, now);
            now += WINDOW;
        }
        assert_eq!(starts(&mut pace, &mut now, 10), 10);
    }

    /// Requests that pass and that are pushed back in so many seconds, by a proxy that takes `limit` in each of them.
    fn against(pace: &mut Pace, now: &mut Instant, limit: u32, seconds: u64) -> (u32, u32) {
        let (mut passed, mut refused) = (0, 0);
        for _ in 0..seconds {
            let (end, mut room) = (*now + Duration::from_secs(1), limit);
            while *now < end {
                match pace.wait(*now) {
                    Some(next) => *now = next.max(*now + Duration::from_millis(1)),
                    None => {
                        pace.started(*now);
                        if room > 0 {
                            room -= 1;
                            passed += 1;
                            pace.succeeded(*now);
                        } else {
                            refused += 1;
                            pace.pushed_back(ItemId::new(refused.into()), *now);
                        }
                    }
                }
            }
        }
        (passed, refused)
    }

    #[test]
    fn a_rate_is_found_and_what_was_no_rate_is_forgotten_soon() {
        for limit in [10, 30, 200] {
            let (mut pace, mut now) = (Pace::new(500), Instant::now());
            against(&mut pace, &mut now, limit, 5);
            let (passed, refused) = against(&mut pace, &mut now, limit, 60);
            assert!(passed >= limit * 60 / 2, "limit {limit}: {passed} passed");
            assert!(refused <= passed / 3, "limit {limit}: {passed} passed, {refused} did not");
            // Nobody pushes back any more: all of the pace is back before half a minute's work has gathered.
            against(&mut pace, &mut now, u32::MAX, 8);
            assert_eq!(pace.rate, 500.0, "limit {limit}");
        }
    }
}
