//! Whether MDSS itself is away, and when it is asked again.
//!
//! While it is away one request a second finds out whether it is back; the longer it has been away, the rarer they are, but never rarer than
//! every four seconds. Pure: the moment is handed in, and it is the process's own ([`Instant`]): no outage is remembered beyond it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use mdss_relay_core::{Failure, FailureKind};

use crate::breaker::{DISTINCT, Leave, Position};
use crate::item::ItemId;

/// The shortest time between the starts of two probes.
pub(crate) const FIRST: Duration = Duration::from_secs(1);

/// The longest, while it is time that mends: how late it may be noticed that MDSS is back.
pub(crate) const MOST: Duration = Duration::from_secs(4);

/// A probe comes after this part of the outage so far: every second in the first minute.
const PART: u32 = 60;

/// The longest where an operator must act: a request that cannot succeed is noise on a server that others need.
pub(crate) const MOST_CONFIG: Duration = Duration::from_secs(15);

/// The first probe after nothing but 429 and 503: a gateway that refuses above a rate lets one pass soon.
const SOON: Duration = Duration::from_millis(250);

/// A limit for each second looks like an outage of this length at most.
const SHORT: Duration = Duration::from_secs(3);

/// Objects that are known to be in trouble of their own, and wishes that are remembered; nobody has so many.
const REMEMBERED: usize = 1000;

/// How MDSS stands, and what it has been asked.
#[derive(Debug)]
pub(crate) struct Outage {
    /// How many requests may be under way.
    seats: usize,
    /// Different objects that have failed since it last answered.
    failed: HashSet<ItemId>,
    /// Objects that have failed while others passed. What fails them may be theirs alone.
    odd: HashSet<ItemId>,
    /// When the first of `failed` did.
    since: Option<Instant>,
    /// Set while it is away.
    away: Option<Away>,
    /// MDSS asked to be left alone.
    asked: Option<Asked>,
    /// Which items it has asked to be left alone with, and until when.
    wishes: Vec<(ItemId, Instant)>,
    under_way: usize,
    /// Of those under way: the ones that were made to see, and whether each may take all the time that a request has.
    probes: Vec<(ItemId, bool)>,
    /// Since when it has answered nothing of what was asked.
    quiet: Option<Instant>,
    usual: Usual,
    /// When the last request was made.
    started: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    /// Only an operator can mend it.
    config: bool,
    /// It may have been too much, and nothing else: the first probe finds that out.
    soon: bool,
    /// Whether it is known that it is more than that.
    known: bool,
    /// Whether it began with 429 and 503.
    throttled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    by: ItemId,
    /// Until when, as it said.
    until: Instant,
    /// Until when it is believed. One object that is always answered like that must not stop the others, so they try in a moment;
    /// if another one hears the same, it is the server's word.
    believed: Instant,
}

/// MDSS answers again: after what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// It was given too much, and nothing else: 429 and 503 for a few seconds.
    TooMuch,
    /// It was away.
    AnOutage,
    /// It was not known to be away, only silent.
    Silence,
}

impl Outage {
    /// With so many requests under way at most.
    pub(crate) fn new(seats: usize) -> Self {
        Self {
            seats,
            failed: HashSet::new(),
            odd: HashSet::new(),
            since: None,
            away: None,
            asked: None,
            wishes: Vec::new(),
            under_way: 0,
            probes: Vec::new(),
            quiet: None,
            usual: Usual::default(),
            started: None,
        }
    }

    pub(crate) fn position(&self) -> Position {
        match &self.away {
            None => Position::Closed,
            Some(_) if self.probes.is_empty() => Position::Open,
            Some(_) => Position::HalfOpen,
        }
    }

    pub(crate) fn leave(&self, now: Instant) -> Leave {
        let asked = self.asked.map(|asked| asked.believed).filter(|until| now < *until);
        match self.next_probe(now).map(|due| asked.map_or(due, |asked| asked.max(due))) {
            None => asked.map_or(Leave::Any, |until| Leave::NoneBefore(Some(until))),
            Some(due) if now < due => Leave::NoneBefore(Some(due)),
            Some(_) => Leave::One,
        }
    }

    /// When the next probe is due; `None`: requests need not be probes.
    fn next_probe(&self, now: Instant) -> Option<Instant> {
        let away = self.away.is_some() || self.is_silent(now);
        let last = self.started.or(self.away.map(|away| away.since)).unwrap_or(now);
        away.then(|| last + self.pause())
    }

    /// From the start of one probe to that of the next one.
    fn pause(&self) -> Duration {
        let since = self.away.map(|away| away.since).or(self.quiet);
        let (Some(since), Some(started)) = (since, self.started) else { return FIRST };
        let lasts = started.saturating_duration_since(since);
        match self.away {
            Some(Away { soon: true, .. }) => SOON,
            Some(Away { config: true, .. }) => lasts.clamp(FIRST, MOST_CONFIG),
            _ => (lasts / PART).clamp(FIRST, MOST),
        }
    }

    /// It was asked, and nothing has been heard for longer than is usual. Nothing need have failed yet: that takes as long as a request may,
    /// and MDSS may be back before.
    fn is_silent(&self, now: Instant) -> bool {
        self.quiet.is_some_and(|since| now >= since + self.usual.longest())
    }

    /// If it is away and time may mend that, a probe may be an item before its time; these may not.
    pub(crate) fn early(&mut self, now: Instant) -> Option<Vec<ItemId>> {
        self.away.is_some_and(|away| !away.config).then(|| self.spared(now))
    }

    /// The items that MDSS has asked to be left alone with for longer.
    pub(crate) fn spared(&mut self, now: Instant) -> Vec<ItemId> {
        self.wishes.retain(|(_, until)| now < *until);
        self.wishes.iter().map(|(item, _)| *item).collect()
    }

    /// Whether it is known to be away, and not only given too much.
    pub(crate) fn is_known(&self) -> bool {
        self.away.is_some_and(|away| away.known)
    }

    /// A request starts. How long it may take, if not as long as any other.
    pub(crate) fn started(&mut self, item: ItemId, now: Instant) -> Option<Duration> {
        let mut most = None;
        if self.next_probe(now).is_some() {
            most = self.most();
            self.probes.push((item, most.is_none()));
        }
        self.under_way += 1;
        self.quiet.get_or_insert(now);
        self.starts(now);
        most
    }

    /// One that is under way is asked again, because there is none beside it.
    pub(crate) fn started_again(&mut self, now: Instant) {
        self.starts(now);
    }

    fn starts(&mut self, now: Instant) {
        self.started = Some(now);
        if let Some(away) = &mut self.away {
            away.soon = false;
        }
    }

    /// A probe that hangs must not be in the way of the next one, so it has only as long as there are seats for those behind it. But one request
    /// has all the time there is: MDSS may be back, and slow.
    fn most(&self) -> Option<Duration> {
        let others = self.under_way.saturating_sub(self.probes.len());
        let patient = others + self.probes.iter().filter(|(_, patient)| *patient).count();
        let seats = u32::try_from(self.seats.saturating_sub(patient)).unwrap_or(u32::MAX);
        (patient > 0).then(|| FIRST.max(self.pause()).saturating_mul(seats.max(1)))
    }

    /// MDSS has answered, and the answer speaks of nothing but this item or its unit: it works. `took`: it has accepted the object.
    pub(crate) fn answered(&mut self, item: ItemId, took: Option<Duration>, now: Instant) -> Option<Return> {
        let silent = self.is_silent(now);
        self.ended(item, true, now);
        if let Some(took) = took {
            self.usual.add(took);
            self.odd.remove(&item);
        }
        if self.odd.len() + self.failed.len() > REMEMBERED {
            self.odd.clear();
        }
        self.failed.remove(&item);
        self.odd.extend(self.failed.drain());
        (self.since, self.asked) = (None, None);
        match self.away.take() {
            Some(Away { since, throttled: true, .. }) if now < since + SHORT => Some(Return::TooMuch),
            Some(_) => Some(Return::AnOutage),
            None => silent.then_some(Return::Silence),
        }
    }

    /// A request has failed in a way that may be everybody's, and its item had failed before or not, perhaps in an earlier process. True if
    /// from now on MDSS is known to be away.
    pub(crate) fn failed(&mut self, item: ItemId, before: bool, failure: &Failure, now: Instant) -> bool {
        self.ended(item, failure.cause.is_answer(), now);
        if let Some(wish) = failure.retry_after {
            self.asks(item, wish, now);
        }
        let config = failure.kind() != FailureKind::Transient;
        if let Some(away) = &mut self.away {
            away.config = config;
            let known = std::mem::replace(&mut away.known, !away.soon);
            return away.known && !known;
        }
        let odd = self.odd.contains(&item);
        if !odd {
            self.since.get_or_insert(now);
        }
        let again = !self.failed.insert(item) || before;
        // Where there are few objects, one that has failed again, with nothing passing meanwhile, is enough; not if others have passed
        // before.
        let alone = again && !config && !odd;
        if self.failed.len() < DISTINCT && !alone {
            return false;
        }
        let since = self.since.unwrap_or(now);
        let soon = failure.throttled && !alone;
        self.away = Some(Away { since, config, soon, known: !soon, throttled: soon });
        !soon
    }

    /// Somebody else says that it is away, for so long that one request is to show it.
    pub(crate) fn doubt(&mut self, now: Instant) {
        let away = Away { since: now, config: false, soon: false, known: false, throttled: false };
        self.away.get_or_insert(away);
    }

    fn asks(&mut self, item: ItemId, wish: Duration, now: Instant) {
        let (before, until) = (self.asked.filter(|asked| now < asked.until), now + wish);
        self.asked = Some(match before {
            Some(asked) if asked.by != item => {
                let until = until.max(asked.until);
                Asked { by: item, until, believed: until }
            }
            Some(asked) => Asked { until: until.max(asked.until), ..asked },
            None => Asked { by: item, until, believed: now + wish.min(FIRST) },
        });
        self.wishes.retain(|(of, then)| *of != item && now < *then);
        if self.wishes.len() < REMEMBERED {
            self.wishes.push((item, until));
        }
    }

    fn ended(&mut self, item: ItemId, heard: bool, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.probes.retain(|(probe, _)| *probe != item);
        if heard {
            self.quiet = (self.under_way > 0).then_some(now);
        }
    }

    /// Nobody waits any more. What MDSS has asked for still holds.
    pub(crate) fn forget(&mut self) {
        self.failed.clear();
        (self.since, self.away) = (None, None);
    }

    /// When something changes that nobody has to do with.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        match self.leave(now) {
            Leave::NoneBefore(then) => then,
            Leave::One => None,
            Leave::Any => self.quiet.map(|since| since + self.usual.longest()),
        }
    }

    /// How long an answer takes at most, by those before: a request without one by then is none that is only slow.
    pub(crate) fn longest(&self) -> Duration {
        self.usual.longest()
    }
}

/// How long answers take. As TCP judges it: the smoothed time, four times its variation, at least a second (RFC 6298, 2).
#[derive(Debug, Default)]
struct Usual(Option<(f64, f64)>);

impl Usual {
    fn add(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.0 = Some(match self.0 {
            None => (took, took / 2.0),
            Some((time, variation)) => {
                (time + (took - time) / 8.0, variation + ((took - time).abs() - variation) / 4.0)
            }
        });
    }

    fn longest(&self) -> Duration {
        let (time, variation) = self.0.unwrap_or_default();
        Duration::from_secs_f64(time + 4.0 * variation).max(FIRST)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use mdss_relay_core::Cause;

    use super::*;

    fn failure(cause: Cause) -> Failure {
        Failure::new(cause, "x")
    }

    /// Steps: `b<item>` begins; `f<item>` finds nobody, `p<item>` as well and not for the first time,
    /// `t<item>` has no answer in time, `u<item>` meets a 503, `F<item>` a 429 with a wish of
    /// ten seconds, `c<item>` a 401; `s<item>` is accepted; `n`: nobody waits any more; `+<tenths of a second>` pass.
    fn after(steps: &str) -> String {
        let begin = Instant::now();
        let (mut now, mut outage) = (begin, Outage::new(16));
        for step in steps.split_whitespace() {
            let (verb, number) = step.split_at(1);
            let number: i64 = number.parse().unwrap_or_default();
            let item = ItemId::new(number);
            let unavailable = Failure { throttled: true, ..failure(Cause::MdssUnavailable) };
            match verb {
                "p" => _ = outage.failed(item, true, &failure(Cause::MdssUnreachable), now),
                "b" => _ = outage.started(item, now),
                "f" => _ = outage.failed(item, false, &failure(Cause::MdssUnreachable), now),
                "t" => _ = outage.failed(item, false, &failure(Cause::MdssTimeout), now),
                "u" => _ = outage.failed(item, false, &unavailable, now),
                "F" => {
                    let retry_after = Some(Duration::from_secs(10));
                    let _ = outage.failed(item, false, &Failure { retry_after, ..unavailable }, now);
                }
                "c" => _ = outage.failed(item, false, &failure(Cause::MdssUnauthorized), now),
                "s" => drop(outage.answered(item, Some(Duration::from_millis(10)), now)),
                "n" => outage.forget(),
                "+" => now += Duration::from_millis(number as u64 * 100),
                other => panic!("{other}"),
            }
        }
        let leave = match outage.leave(now) {
            Leave::Any => "any".to_owned(),
            Leave::One => "one".to_owned(),
            Leave::NoneBefore(None) => "none".to_owned(),
            Leave::NoneBefore(Some(then)) => format!("none for {} ms", (then - now).as_millis()),
        };
        format!("{} {leave}", outage.position().name())
    }

    #[test]
    fn it_is_away_when_different_objects_fail_or_the_only_one_fails_again() {
        for (steps, want) in [
            ("", "closed any"),
            ("b1 f1 b2 f2 b3 f3 b4 f4", "closed any"),
            ("b1 f1 b2 f2 b3 f3 b4 f4 b5 f5", "open none for 1000 ms"),
            ("b1 f1 b2 f2 b3 f3 b4 f4 b5 s5 b6 f6", "closed any"),
            // Whoever waits alone need not be five.
            ("b1 f1 +7 b1 f1", "open none for 1000 ms"),
            ("b1 p1", "open none for 1000 ms"),
            ("b1 f1 +7 b1 f1 +10", "open one"),
            ("b1 f1 +7 b1 f1 +10 b1", "half_open none for 1000 ms"),
            ("b1 f1 +7 b1 f1 +10 b1 s1", "closed any"),
            // One that fails while others pass stops nobody, however often it fails.
            ("b1 f1 b2 s2 b1 p1 b1 p1 b1 p1", "closed any"),
            ("b1 f1 +7 b1 f1 +10 b2 s2 b1 f1 b1 f1 b1 f1", "closed any"),
            ("b1 f1 b2 s2 b1 f1 b3 f3 b4 f4 b5 f5 b6 f6", "open none for 1000 ms"),
            // Accepted, it is like any other one again.
            ("b1 f1 b2 s2 b1 s1 b1 f1 b1 f1", "open none for 1000 ms"),
            ("b1 f1 b1 f1 n", "closed any"),
            // An operator must act: alone it keeps to its own times, and probes become rare.
            ("b1 c1 +300 b1 c1", "closed any"),
            ("b1 c1 b2 c2 b3 c3 b4 c4 b5 c5", "open none for 1000 ms"),
            ("b1 c1 b2 c2 b3 c3 b4 c4 b5 c5 +80 b6 c6", "open none for 8000 ms"),
            ("b1 c1 b2 c2 b3 c3 b4 c4 b5 c5 +900 b6 c6", "open none for 15000 ms"),
            // Time mends it: every second in the first minute, and every four seconds however long it lasts.
            ("b1 f1 b1 f1 +600 b1 f1", "open none for 1000 ms"),
            ("b1 f1 b1 f1 +1200 b1 f1", "open none for 2000 ms"),
            ("b1 f1 b1 f1 +36000 b1 f1", "open none for 4000 ms"),
            // Too much at once looks the same.
            ("b1 u1 b2 u2 b3 u3 b4 u4 b5 u5", "open none for 250 ms"),
            ("b1 u1 b2 u2 b3 u3 b4 u4 b5 u5 +3 b6 u6", "open none for 1000 ms"),
        ] {
            assert_eq!(after(steps), want, "{steps}");
        }
    }

    #[test]
    fn a_wish_of_one_object_is_not_everybodys() {
        for (steps, want) in [
            ("b1 F1", "closed none for 1000 ms"),
            ("b1 F1 +10", "closed any"),
            ("b1 F1 b1 F1", "open none for 1000 ms"),
            ("b1 F1 b2 F2", "closed none for 10000 ms"),
            ("b1 F1 +40 b2 F2", "closed none for 10000 ms"),
            ("b1 F1 +40 b2 F2 +90", "closed none for 1000 ms"),
            ("b1 F1 +100 b2 F2", "closed none for 1000 ms"),
            ("b1 F1 b2 s2", "closed any"),
            ("b1 f1 b2 f2 b3 f3 b4 f4 b5 F5 +20", "open one"),
            ("b1 f1 b2 f2 b3 f3 b4 F4 b5 F5 +20", "open none for 8000 ms"),
            ("b1 f1 b2 f2 b3 f3 b4 F4 b5 F5 n +20", "closed none for 8000 ms"),
        ] {
            assert_eq!(after(steps), want, "{steps}");
        }
        let (mut outage, now) = (Outage::new(16), Instant::now());
        let wish = Some(Duration::from_secs(10));
        outage.failed(
            ItemId::new(1),
            false,
            &Failure { retry_after: wish, ..failure(Cause::MdssUnavailable) },
            now,
        );
        assert_eq!(outage.early(now), None, "it is not away");
        outage.failed(ItemId::new(2), false, &failure(Cause::MdssUnreachable), now);
        outage.failed(ItemId::new(2), false, &failure(Cause::MdssUnreachable), now);
        // While it is away any item will do, but not the one that MDSS has named a time for.
        assert_eq!(outage.early(now), Some(vec![ItemId::new(1)]));
        assert_eq!(outage.early(now + Duration::from_secs(10)), Some(vec![]));
        outage.failed(ItemId::new(2), false, &failure(Cause::MdssUnauthorized), now);
        assert_eq!(outage.early(now), None, "time does not mend that");
    }

    #[test]
    fn who_answers_nothing_is_asked_once_a_second_before_anything_has_failed() {
        for (steps, want) in [
            ("b1 b2 b3 +9", "closed any"),
            ("b1 b2 b3 +10", "closed one"),
            ("b1 b2 b3 +10 b4", "closed none for 1000 ms"),
            ("b1 b2 b3 +10 b4 s4", "closed any"),
            ("b1 b2 b3 +9 s1 +9", "closed any"),
            ("b1 b2 b3 +9 s1 +10", "closed one"),
            // What has failed without an answer is none.
            ("b1 b2 +9 t1 +1", "closed one"),
            ("b1 b2 +9 t1 t2 +100", "closed one"),
            ("b1 s1 +100", "closed any"),
        ] {
            assert_eq!(after(steps), want, "{steps}");
        }
        // A server that is slow is not silent.
        let (mut outage, mut now) = (Outage::new(16), Instant::now());
        for n in 0..20 {
            outage.started(ItemId::new(n), now);
            now += Duration::from_secs(3);
            outage.answered(ItemId::new(n), Some(Duration::from_secs(3)), now);
        }
        outage.started(ItemId::new(99), now);
        assert_eq!(outage.leave(now + Duration::from_millis(2900)), Leave::Any);
    }

    /// How MDSS is away.
    #[derive(Clone, Copy, Debug)]
    enum How {
        /// Each request fails at once.
        Refused,
        /// No request has an answer, nor any that was made before it is back; each takes ten seconds.
        Silent,
    }

    /// How long after its return the first answer comes, and the most requests in any second of the outage, which begins while `flow` requests
    /// a second are made, of so many objects. The relay has `seats`.
    fn outage(how: How, lasts: Duration, seats: usize, objects: usize) -> (Duration, usize) {
        const STEP: Duration = Duration::from_millis(10);
        let begin = Instant::now();
        let (mut now, mut outage) = (begin, Outage::new(seats));
        let mut waiting: VecDeque<_> = (0..objects as i64).map(ItemId::new).collect();
        let (mut under_way, mut starts) = (Vec::new(), Vec::new());
        loop {
            let back = now >= begin + lasts;
            let (done, rest): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(_, end, _)| *end <= now);
            under_way = rest;
            for (item, _, answer) in done {
                if answer {
                    let away = starts.iter().filter(|start| **start < begin + lasts);
                    // From when it is known.
                    let known = begin + Duration::from_secs(12);
                    let away: Vec<Instant> = away.copied().filter(|start| *start > known).collect();
                    let most = away.iter().map(|from| {
                        let second = *from..*from + Duration::from_secs(1);
                        away.iter().filter(|start| second.contains(*start)).count()
                    });
                    return (now - (begin + lasts), most.max().unwrap_or(0));
                }
                let cause =
                    if matches!(how, How::Silent) { Cause::MdssTimeout } else { Cause::MdssUnreachable };
                outage.failed(item, false, &failure(cause), now);
                waiting.push_back(item);
            }
            loop {
                let free = seats - under_way.len();
                match outage.leave(now) {
                    Leave::NoneBefore(_) => break,
                    // A lane leaves some for others.
                    Leave::Any if under_way.len() >= 3 * free => break,
                    Leave::One if free == 0 => break,
                    Leave::Any | Leave::One => {}
                }
                let Some(item) = waiting.pop_front() else { break };
                let most = outage.started(item, now).unwrap_or(Duration::MAX);
                starts.push(now);
                let takes = match how {
                    _ if back => Duration::from_millis(10),
                    How::Refused => Duration::ZERO,
                    How::Silent => Duration::from_secs(10).min(most),
                };
                under_way.push((item, now + takes, back));
            }
            now += STEP;
        }
    }

    #[test]
    fn its_return_is_noticed_within_a_second_and_after_an_hour_within_five() {
        for how in [How::Refused, How::Silent] {
            for seats in [2, 4, 16, 128] {
                for (lasts, within) in [(3, 1.5), (8, 1.5), (15, 1.5), (31, 1.5), (60, 1.5), (3600, 5.0)] {
                    let (late, most) = outage(how, Duration::from_secs(lasts), seats, 2000);
                    let row = format!("{how:?}, {seats} seats, {lasts} s: {late:?}, {most} in a second");
                    // With all seats taken by requests that hang, there is none for a probe.
                    let seatless = matches!(how, How::Silent) && seats < 4 && lasts < 15;
                    assert!(late.as_secs_f64() <= within || seatless, "{row}");
                    assert!(most <= 1, "{row}");
                }
            }
        }
        // One object alone, refused at once.
        for (lasts, within) in [(15, 1.5), (60, 1.5), (3600, 5.0)] {
            let (late, most) = outage(How::Refused, Duration::from_secs(lasts), 16, 1);
            assert!(late.as_secs_f64() <= within && most <= 1, "{lasts} s: {late:?}, {most}");
        }
    }
}
