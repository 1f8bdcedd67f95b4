//! How fast requests leave: as fast as MDSS takes them, and never faster than the operator allows.
//!
//! In front of MDSS stands a proxy that answers 503 above its rate, and names no rate. So the pace looks for it, as TCP looks for a road's
//! width. It doubles until MDSS pushes back. Then it gives way by as much as was refused, comes back quickly to just below the rate at which
//! that happened, stays there for some seconds and looks a little above it (as CUBIC does, RFC 9438, 4.2). If more passes there than did,
//! it doubles again. Pure: the moment is handed in.

use std::time::{Duration, Instant};

use crate::item::ItemId;

/// Slower is for breakers.
const LEAST: f64 = 1.0;

/// Where it begins, in requests a second.
const BEGIN: f64 = 100.0;

/// How far a pause may be made up for; a runtime's timers are not finer.
const BURST: Duration = Duration::from_millis(10);

/// One object that always meets a 503 says nothing about the others. Two within this time do.
const TOGETHER: Duration = Duration::from_secs(2);

/// A round is long enough to see what came of a rate: some answers' time, and so many requests.
const ROUND: Duration = Duration::from_millis(20);
const LONG_ROUND: Duration = Duration::from_millis(250);
const ANSWERS: f64 = 4.0;
const REQUESTS: u32 = 8;

/// A pace of which less is used grows no further: a limit that is not reached is no measure.
const USED: f64 = 0.7;

/// How much of the pace is left at most, and at least, when MDSS pushes back.
const MOST_LEFT: f64 = 0.92;
const LEAST_LEFT: f64 = 0.5;

/// Just below the rate that was too much.
const BELOW: f64 = 0.97;

/// How long it takes to come back to the rate that was too much. In so many requests, if they are few: two of them are refused then.
const BACK: f64 = 1.5;
const BACK_REQUESTS: f64 = 50.0;

/// So much above it nothing was refused: it holds no longer.
const BEYOND: f64 = 1.3;

/// Doubles in this time where that is.
const BEYOND_DOUBLES: f64 = 1.0;

/// What was started long ago says nothing of the present pace.
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Pace {
    most: f64,
    rate: f64,
    /// When the next request may start.
    next: Option<Instant>,
    /// The rate that was too much, if MDSS has pushed back.
    ceiling: Option<Ceiling>,
    /// Whether it was beyond a ceiling last, and whether there was one before this one.
    beyond: bool,
    settled: bool,
    /// When it was lowered last.
    lowered: Option<Instant>,
    /// What came of requests that were started since then.
    since: Tally,
    /// Whose request was pushed back last.
    pushed: Option<(ItemId, Instant)>,
    /// How long an answer takes, in seconds, smoothed.
    answer: f64,
    round: Option<Round>,
    /// Requests that were started lately, and that were accepted.
    sent: Lately,
    accepted: Lately,
}

/// A count of this second and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Lately(Option<(Instant, u32, u32)>);

impl Lately {
    fn add(&mut self, now: Instant) {
        self.0 = Some(match self.0 {
            Some((begin, count, before)) if now.duration_since(begin) < WINDOW => (begin, count + 1, before),
            Some((begin, count, _)) if now.duration_since(begin) < 2 * WINDOW => (begin + WINDOW, 1, count),
            _ => (now, 1, 0),
        });
    }

    /// In the last second, about; in less than that, if there is no more.
    fn a_second(&self, now: Instant) -> f64 {
        let Some((begin, count, before)) = self.0 else { return 0.0 };
        let part = now.duration_since(begin).as_secs_f64();
        if part >= 2.0 {
            return 0.0;
        }
        let before = f64::from(before) * (1.0 - part).max(0.0);
        if before > 0.0 { f64::from(count) + before } else { f64::from(count) / part.clamp(0.05, 1.0) }
    }

    /// In the best second lately.
    fn best(&self, now: Instant) -> f64 {
        let before = self.0.map_or(0, |(.., count, before)| count.max(before));
        self.a_second(now).max(f64::from(before))
    }
}

/// The rate that was too much, and the way back to it.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    rate: f64,
    /// Where the way began.
    from: f64,
    /// Seconds on the way.
    on_the_way: f64,
}

impl Ceiling {
    /// Quick at first, slow near the ceiling, and quicker and quicker beyond it.
    fn pace(&self) -> f64 {
        let whole = BACK.max(BACK_REQUESTS / self.rate);
        let left = 1.0 - self.on_the_way / whole;
        // A little above it at least, else nothing would be found out.
        let deep = (self.rate - self.from).max(self.rate * (BELOW - MOST_LEFT));
        self.rate - deep * left.powi(3)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    accepted: u32,
    refused: u32,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    begin: Instant,
    started: u32,
    accepted: u32,
    refused: bool,
}

impl Pace {
    /// At most `most` requests a second.
    pub(crate) fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        Self {
            most,
            rate: most.min(BEGIN),
            next: None,
            ceiling: None,
            beyond: false,
            settled: false,
            lowered: None,
            since: Tally::default(),
            pushed: None,
            answer: 0.0,
            round: None,
            sent: Lately::default(),
            accepted: Lately::default(),
        }
    }

    /// Requests a second, now.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// When the next request may start; `None`: now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| now < *next)
    }

    pub(crate) fn started(&mut self, now: Instant) {
        let from = self.next.map_or(now, |next| next.max(now.checked_sub(BURST).unwrap_or(now)));
        self.next = Some(from + Duration::from_secs_f64(1.0 / self.rate));
        self.sent.add(now);
        self.turn(now);
        if let Some(round) = &mut self.round {
            round.started += 1;
        }
    }

    /// Ends a round that is long enough, and begins the next one.
    fn turn(&mut self, now: Instant) {
        let next = Round { begin: now, started: 0, accepted: 0, refused: false };
        let Some(round) = self.round else {
            self.round = Some(next);
            return;
        };
        let lasts = now.duration_since(round.begin);
        let long = ROUND.max(Duration::from_secs_f64(ANSWERS * self.answer).min(LONG_ROUND));
        if lasts < long || round.started < REQUESTS {
            // A pause is no round.
            if lasts > WINDOW.max(Duration::from_secs_f64(f64::from(REQUESTS) * 2.0 / self.rate)) {
                self.round = Some(next);
            }
            return;
        }
        self.round = Some(next);
        let used = f64::from(round.started) >= USED * self.rate * lasts.as_secs_f64();
        if used && !round.refused && round.accepted > 0 {
            self.grow(lasts.as_secs_f64(), long.as_secs_f64());
        }
    }

    /// Nothing was refused in so many seconds; in `doubles` it may double.
    fn grow(&mut self, seconds: f64, doubles: f64) {
        match &mut self.ceiling {
            Some(ceiling) => {
                ceiling.on_the_way += seconds;
                self.rate = ceiling.pace().max(self.rate);
                if self.rate > BEYOND * ceiling.rate {
                    (self.ceiling, self.beyond) = (None, true);
                }
            }
            None => {
                let doubles = if self.beyond { BEYOND_DOUBLES } else { doubles };
                self.rate *= 2.0_f64.powf((seconds / doubles).min(1.0));
            }
        }
        self.rate = self.rate.min(self.most);
    }

    /// MDSS asks for less, instead of taking that item, whose request took so long.
    pub(crate) fn pushed_back(&mut self, item: ItemId, took: Duration, now: Instant) {
        let before = self.pushed.replace((item, now));
        let another =
            before.is_some_and(|(other, when)| other != item && now.duration_since(when) < TOGETHER);
        // What was under way when the pace was lowered says nothing about it.
        let lowered = self.lowered.filter(|when| now.duration_since(*when) < WINDOW);
        if lowered.is_some_and(|when| now < when + took) {
            return;
        }
        self.since.refused += 1;
        if let Some(round) = &mut self.round {
            round.refused = true;
        }
        // Where nothing passes at all it is no question of the rate; who finds that out is the breaker.
        let all = self.since.accepted + self.since.refused;
        if another && self.since.accepted > 0 && (lowered.is_none() || all >= REQUESTS) {
            self.lower(now);
        }
    }

    fn lower(&mut self, now: Instant) {
        let all = f64::from(self.since.accepted + self.since.refused);
        let passed = f64::from(self.since.accepted) / all.max(1.0);
        // A limit that was never reached is no measure: what was really sent is.
        let sent = self.sent.a_second(now);
        let too_much = if sent >= USED * self.rate { self.rate } else { sent.max(LEAST) };
        self.give_way(too_much, passed.clamp(LEAST_LEFT, MOST_LEFT), now);
    }

    fn give_way(&mut self, too_much: f64, left: f64, now: Instant) {
        self.settled = self.ceiling.is_some();
        self.rate = (too_much * left).max(LEAST);
        let rate = (too_much * BELOW).max(LEAST);
        self.ceiling = Some(Ceiling { rate, from: self.rate, on_the_way: 0.0 });
        (self.lowered, self.since, self.round) = (Some(now), Tally::default(), None);
    }

    /// Nothing passes any more. If it was sent as fast as may be, what has passed in the last second may be all that does.
    pub(crate) fn stopped(&mut self, now: Instant) {
        let passed = self.accepted.best(now);
        if passed == 0.0 {
            return;
        }
        let passed = passed.max(if self.settled { MOST_LEFT * self.rate } else { LEAST });
        if self.sent.a_second(now) >= USED * self.rate && passed < self.rate {
            self.give_way(passed, BELOW, now);
        }
    }

    /// MDSS was away: it may have just started, and others wait for it as well.
    pub(crate) fn begin(&mut self) {
        self.rate = self.rate.min(BEGIN);
        (self.ceiling, self.beyond, self.round) = (None, false, None);
    }

    /// MDSS has accepted an object within so long.
    pub(crate) fn succeeded(&mut self, took: Duration, now: Instant) {
        self.answer += (took.as_secs_f64() - self.answer) / 8.0;
        self.accepted.add(now);
        if let Some(round) = &mut self.round {
            round.accepted += 1;
        }
        if self.lowered.is_none_or(|when| now >= when + took) {
            self.since.accepted += 1;
            // It is about the present, not about all the time since.
            if self.since.accepted + self.since.refused > 1000 {
                self.since.accepted /= 2;
                self.since.refused /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(1);

    /// How many requests start in so many seconds, if one may start whenever the pace lets it, and each is accepted or not.
    fn starts(pace: &mut Pace, now: &mut Instant, seconds: u64, accepted: bool) -> u32 {
        let end = *now + Duration::from_secs(seconds);
        let mut count = 0;
        while *now < end {
            match pace.wait(*now) {
                Some(next) => *now = next.max(*now + Duration::from_millis(1)),
                None => {
                    pace.started(*now);
                    count += 1;
                    if accepted {
                        pace.succeeded(TOOK, *now);
                    }
                }
            }
        }
        count
    }

    /// Two different items are pushed back, some time after the pace was lowered last.
    fn pushed_back(pace: &mut Pace, now: &mut Instant) {
        *now += WINDOW;
        pace.pushed_back(ItemId::new(1), TOOK, *now);
        pace.pushed_back(ItemId::new(2), TOOK, *now);
    }

    #[test]
    fn the_pace_keeps_to_what_the_operator_allows() {
        for most in [1, 10, 100, 500, 5000] {
            let (mut pace, mut now) = (Pace::new(most), Instant::now());
            starts(&mut pace, &mut now, 20, true);
            let count = starts(&mut pace, &mut now, 10, true);
            assert!(count.abs_diff(most * 10) <= most / 20 + 1, "{most}: {count}");
        }
    }

    #[test]
    fn one_object_slows_nobody_and_two_long_apart_neither() {
        let (mut pace, mut now) = (Pace::new(100), Instant::now());
        starts(&mut pace, &mut now, 2, true);
        for n in [1, 1, 1, 2, 1] {
            pace.pushed_back(ItemId::new(n), TOOK, now);
            if n == 1 {
                pace.pushed_back(ItemId::new(n), TOOK, now);
            }
            now += TOGETHER;
        }
        assert_eq!(pace.rate, 100.0);
        starts(&mut pace, &mut now, 2, true);
        pushed_back(&mut pace, &mut now);
        assert!(pace.rate < 100.0);
    }

    #[test]
    fn a_pace_that_is_not_used_grows_no_further_and_is_no_measure() {
        let (mut pace, mut now) = (Pace::new(10_000), Instant::now());
        for _ in 0..400 {
            pace.started(now);
            pace.succeeded(TOOK, now);
            now += Duration::from_millis(100);
        }
        assert_eq!(pace.rate, BEGIN);
        pace.pushed_back(ItemId::new(1), TOOK, now);
        pace.pushed_back(ItemId::new(2), TOOK, now);
        assert!((8.0..10.0).contains(&pace.rate), "ten a second were sent: {}", pace.rate);
    }

    #[test]
    fn what_was_under_way_when_the_pace_fell_says_nothing_about_it() {
        let (mut pace, mut now) = (Pace::new(10_000), Instant::now());
        starts(&mut pace, &mut now, 3, true);
        pushed_back(&mut pace, &mut now);
        let lowered = pace.rate;
        for n in 3..50 {
            pace.pushed_back(ItemId::new(n), Duration::from_millis(20), now + Duration::from_millis(10));
        }
        assert_eq!(pace.rate, lowered);
    }

    #[test]
    fn no_pace_falls_below_one_a_second() {
        let (mut pace, mut now) = (Pace::new(10), Instant::now());
        for _ in 0..40 {
            pace.succeeded(TOOK, now);
            pushed_back(&mut pace, &mut now);
        }
        assert_eq!(pace.rate, LEAST);
        assert_eq!(starts(&mut pace, &mut now, 10, false), 10);
    }

    /// A gateway in front of an MDSS that is not there yet says "too many" to everybody. What waits is not to creep when it is there.
    #[test]
    fn where_nothing_has_passed_it_is_no_question_of_the_rate() {
        let (mut pace, mut now) = (Pace::new(10_000), Instant::now());
        for _ in 0..40 {
            pushed_back(&mut pace, &mut now);
        }
        assert_eq!(pace.rate, BEGIN);
    }

    #[test]
    fn after_an_outage_it_begins_anew() {
        let (mut pace, mut now) = (Pace::new(10_000), Instant::now());
        starts(&mut pace, &mut now, 3, true);
        assert_eq!(pace.rate, 10_000.0);
        pace.begin();
        assert_eq!(pace.rate, BEGIN);
        // Soon it is where it was.
        starts(&mut pace, &mut now, 1, true);
        assert_eq!(pace.rate, 10_000.0);
    }
}
