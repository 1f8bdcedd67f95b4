//! What all relays together allow this one. A relay of its own needs nobody's leave.
//!
//! Requests are granted for a quarter of a second, and spread over it. Whoever hears nothing from the others makes none: it may be the one that is
//! cut off, and somebody else sends what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::grant::{Ask, Grant};

/// How far ahead is asked.
const AHEAD: Duration = Duration::from_millis(250);

/// How often at most, while there is something left, and while there is nothing.
const EVERY: Duration = Duration::from_millis(200);
const STARVED: Duration = Duration::from_millis(50);

/// Until when what was granted may be used, from when it was asked for.
const HOLDS: Duration = Duration::from_millis(400);

/// How far a pause may be made up for.
const BURST: Duration = Duration::from_millis(10);

/// For how long a lane is left to another relay before one request is made all the same, as after the longest pause of a breaker: the other one's way to
/// MDSS may be broken, and no other.
const CONTESTED: Duration = Duration::from_secs(15);

/// How long that request has to show it.
const TRIAL: Duration = Duration::from_secs(10);

/// MDSS has accepted something here so lately that another relay's word is not enough.
const LATELY: Duration = Duration::from_secs(3);

/// What this relay makes of another one's word that a lane is to be left alone.
#[derive(Clone, Copy, Debug)]
struct Word {
    since: Instant,
    /// MDSS has accepted something here since then.
    disproved: bool,
    /// Since when one request is being made all the same.
    trial: Option<Instant>,
}

/// What is to be done about lanes that other relays find out about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// They are left to others from now on.
    pub(super) left: Vec<String>,
    /// They are no longer.
    pub(super) back: Vec<String>,
    /// One request is to show whether the others are right.
    pub(super) tried: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Grants {
    /// Requests a second for all relays, by the settings of this one.
    most: u32,
    tokens: u32,
    /// Requests that were asked for last, and made since then.
    wish: u32,
    used: u32,
    until: Option<Instant>,
    /// When the next may be made, and how long it is to the one after it.
    next: Option<Instant>,
    gap: Duration,
    /// When it was last asked for; set while there is no answer.
    asked: Option<Instant>,
    asking: bool,
    /// Lanes that were said to be open.
    told: BTreeSet<String>,
    /// Lanes that others find out about, and that are left to them.
    elsewhere: BTreeSet<String>,
    /// What others say, and when MDSS last accepted something here: of a lane, or an answer at all (`""`).
    words: BTreeMap<String, Word>,
    passed: BTreeMap<String, Instant>,
}

impl Grants {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            tokens: 0,
            wish: 0,
            used: 0,
            until: None,
            next: None,
            gap: Duration::ZERO,
            asked: None,
            asking: false,
            told: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            words: BTreeMap::new(),
            passed: BTreeMap::new(),
        }
    }

    /// A lane works, or MDSS itself does (`""`).
    pub(super) fn passed(&mut self, lane: &str, now: Instant) {
        match self.passed.get_mut(lane) {
            Some(when) => *when = now,
            None => drop(self.passed.insert(lane.to_owned(), now)),
        }
    }

    /// Whether a request may be made now.
    pub(super) fn may(&self, now: Instant) -> bool {
        self.has(now) && self.next.is_none_or(|next| now >= next)
    }

    fn has(&self, now: Instant) -> bool {
        self.tokens > 0 && self.until.is_some_and(|until| now < until)
    }

    /// A request is made.
    pub(super) fn take(&mut self, now: Instant) {
        self.tokens = self.tokens.saturating_sub(1);
        self.used = self.used.saturating_add(1);
        let from = self.next.map_or(now, |next| next.max(now.checked_sub(BURST).unwrap_or(now)));
        self.next = Some(from + self.gap);
    }

    /// Whether another relay finds out about a lane, or about MDSS itself (`""`).
    pub(super) fn is_elsewhere(&self, lane: &str) -> bool {
        self.elsewhere.contains(lane)
    }

    /// What is to be asked now, if anything: there is so much to send, at such a pace, and these breakers are not closed here.
    pub(super) fn ask(
        &mut self,
        queued: usize,
        rate: f64,
        open: Vec<(String, String)>,
        now: Instant,
    ) -> Option<Ask> {
        if self.asking || now < self.due(queued, &open, now)? {
            return None;
        }
        (self.asking, self.asked) = (true, Some(now));
        self.told = open.iter().map(|(lane, _)| lane.clone()).collect();
        let ahead = (rate * AHEAD.as_secs_f64()).ceil() as usize;
        let left = if self.has(now) { self.tokens } else { 0 };
        // What waits is claimed piece by piece, so more comes behind it; but what is not used is nobody's, so not much more than lately.
        let likely = queued.max(2 * self.used as usize);
        self.wish = u32::try_from(ahead.min(likely)).unwrap_or(u32::MAX).saturating_sub(left);
        self.used = 0;
        Some(Ask { wish: self.wish, most: self.most, open })
    }

    /// When it is to be asked next; `None`: there is nothing to ask for.
    fn due(&self, queued: usize, open: &[(String, String)], now: Instant) -> Option<Instant> {
        let news = open.len() != self.told.len() || open.iter().any(|(lane, _)| !self.told.contains(lane));
        if queued == 0 && open.is_empty() && self.elsewhere.is_empty() && !news {
            return None;
        }
        let Some(asked) = self.asked else { return Some(now) };
        Some(asked + if queued > 0 && !self.has(now) { STARVED } else { EVERY })
    }

    /// When something changes that nobody has to do with.
    pub(super) fn wake(&self, queued: usize, open: &[(String, String)], now: Instant) -> Option<Instant> {
        let next = self.next.filter(|_| queued > 0 && self.has(now));
        let due = if self.asking { None } else { self.due(queued, open, now) };
        [next, due].into_iter().flatten().min()
    }

    /// The answer, or none. `open`: the breaker of a lane is not closed here either.
    pub(super) fn answered(
        &mut self,
        grant: Option<Grant>,
        open: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Changes {
        self.asking = false;
        let Some(grant) = grant else { return Changes::default() };
        let asked = self.asked.unwrap_or(now);
        let left = if self.has(now) { self.tokens } else { 0 };
        self.tokens = left.saturating_add(grant.tokens);
        self.until = Some(asked + HOLDS);
        // Spread, if it is less than was asked for; otherwise the pace of this relay spreads it.
        let less = grant.tokens < self.wish && self.tokens > 0;
        self.gap = if less { AHEAD / self.tokens } else { Duration::ZERO };
        self.hear(grant.elsewhere, open, now)
    }

    /// Others say that these lanes are to be left alone. One relay whose own way to MDSS is broken must not stop those that MDSS answers.
    fn hear(&mut self, said: Vec<String>, open: impl Fn(&str) -> bool, now: Instant) -> Changes {
        self.words.retain(|lane, _| said.contains(lane));
        self.passed.retain(|lane, when| now < *when + LATELY || self.words.contains_key(lane));
        let (mut elsewhere, mut tried) = (BTreeSet::new(), Vec::new());
        for lane in said {
            let word =
                self.words.entry(lane.clone()).or_insert(Word { since: now, disproved: false, trial: None });
            let passed = self.passed.get(&lane).copied();
            if passed.is_some_and(|when| when > word.since) {
                (word.disproved, word.trial) = (true, None);
            }
            // Now it is seen here as well.
            if word.disproved && open(&lane) {
                *word = Word { since: now, disproved: false, trial: None };
                self.passed.remove(&lane);
            } else if word.trial.is_some_and(|begun| now >= begun + TRIAL) {
                *word = Word { since: now, disproved: false, trial: None };
            } else if word.trial.is_none() && !word.disproved && now >= word.since + CONTESTED {
                word.trial = Some(now);
                tried.push(lane.clone());
            }
            let lately = passed.is_some_and(|when| now < when + LATELY) && !open(&lane);
            if !word.disproved && word.trial.is_none() && !lately {
                elsewhere.insert(lane);
            }
        }
        let left = elsewhere.difference(&self.elsewhere).cloned().collect();
        let back =
            self.elsewhere.difference(&elsewhere).filter(|lane| !tried.contains(lane)).cloned().collect();
        self.elsewhere = elsewhere;
        Changes { left, back, tried }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(tokens: u32) -> Option<Grant> {
        Some(Grant { tokens, ..Grant::default() })
    }

    fn elsewhere(lanes: &[&str]) -> Option<Grant> {
        Some(Grant { tokens: 0, elsewhere: lanes.iter().map(|lane| (*lane).to_owned()).collect() })
    }

    /// Steps: another relay holds the breaker of `a` (`h`) or nobody does (`-`), an answer comes here (`p`), the breaker opens (`o`) or closes (`c`) here,
    /// seconds pass (`+<seconds>`). Gives what is made of it each time: left, back, tried, or nothing.
    fn heard(steps: &str) -> String {
        let (mut grants, mut now, mut open) = (Grants::new(1000), Instant::now(), false);
        let mut said = Vec::new();
        for step in steps.split_whitespace() {
            match step {
                "h" | "-" => {
                    let held: &[&str] = if step == "h" { &["a"] } else { &[] };
                    let Changes { left, back, tried } = grants.answered(elsewhere(held), |_| open, now);
                    let all = [(left, "left"), (back, "back"), (tried, "tried")];
                    let some: Vec<_> =
                        all.iter().filter(|(lanes, _)| !lanes.is_empty()).map(|(_, what)| *what).collect();
                    said.push(if some.is_empty() { "." } else { some[0] });
                    assert!(some.len() <= 1, "{steps}: {some:?}");
                }
                "p" => grants.passed("a", now),
                "o" | "c" => open = step == "o",
                seconds => now += Duration::from_secs(seconds[1..].parse().unwrap()),
            }
        }
        said.join(" ")
    }

    #[test]
    fn another_relays_word_holds_until_it_is_shown_to_be_wrong() {
        for (steps, expected) in [
            ("h +1 h -", "left . back"),
            // One request after the longest pause of a breaker; it is left again if nothing shows, and tried again.
            ("h +14 h +1 h +9 h +1 h +14 h +1 h", "left . tried . left . tried"),
            // What succeeds here is not stopped.
            ("p +1 h +1 p h +60 h -", ". . . ."),
            // Nothing has come since: it may be so.
            ("p +1 h +1 h +1 h", ". . left"),
            // The trial succeeds: from then on the other one's word says nothing, however seldom something is sent.
            ("h +15 h +1 p h +3600 h -", "left tried . . ."),
            // An answer to what was under way is as good.
            ("h +1 p h +60 h", "left back ."),
            // It fails here as well: the other one was right, or is now.
            ("h +15 h +1 p h +60 o h +1 h c +14 h", "left tried . left . tried"),
            ("p h o h", ". left"),
            // Nobody says so any more, and then somebody does again.
            ("h +15 h p h +10 - +10 h", "left tried . . left"),
        ] {
            assert_eq!(heard(steps), expected, "{steps}");
        }
    }

    #[test]
    fn nothing_is_sent_without_a_grant_and_what_was_granted_ends() {
        let (mut grants, begin) = (Grants::new(1000), Instant::now());
        assert!(!grants.may(begin));
        assert!(grants.ask(0, 100.0, Vec::new(), begin).is_none(), "there is nothing to send");
        let ask = grants.ask(50, 100.0, Vec::new(), begin).unwrap();
        assert_eq!((ask.wish, ask.most), (25, 1000));
        assert!(grants.ask(50, 100.0, Vec::new(), begin + EVERY).is_none(), "one question at a time");
        let late = begin + Duration::from_millis(30);
        grants.answered(granted(10), |_| false, late);
        // Spread over the time they are for.
        let mut sent = 0;
        for ms in 30..600 {
            let now = begin + Duration::from_millis(ms);
            while grants.may(now) {
                grants.take(now);
                sent += 1;
                assert!(ms < 400, "{ms}");
                assert!(sent <= 2 + (ms - 30) / 25, "{sent} after {ms} ms");
            }
        }
        assert_eq!(sent, 10);
        // The database is not heard of: what was granted is over, however much is left of it.
        grants.ask(50, 100.0, Vec::new(), begin + Duration::from_secs(1)).unwrap();
        grants.answered(granted(1000), |_| false, begin + Duration::from_secs(1));
        grants.ask(50, 100.0, Vec::new(), begin + Duration::from_millis(1200));
        grants.answered(None, |_| false, begin + Duration::from_millis(1300));
        assert!(grants.may(begin + Duration::from_millis(1399)));
        assert!(!grants.may(begin + Duration::from_millis(1400) + EVERY));
    }

    #[test]
    fn what_is_left_is_not_asked_for_again_and_what_is_used_is() {
        let (mut grants, now) = (Grants::new(1000), Instant::now());
        grants.ask(500, 400.0, Vec::new(), now).unwrap();
        grants.answered(granted(100), |_| false, now);
        // All that was asked for: the pace of this relay is enough, and it has made 60 requests.
        (0..60).for_each(|_| {
            assert!(grants.may(now));
            grants.take(now);
        });
        assert_eq!(grants.ask(500, 400.0, Vec::new(), now + EVERY).unwrap().wish, 60);
        grants.answered(granted(60), |_| false, now + EVERY);
        // Little is queued, because it is claimed as it is sent.
        (0..100).for_each(|_| grants.take(now + EVERY));
        assert_eq!(grants.ask(8, 4000.0, Vec::new(), now + 2 * EVERY).unwrap().wish, 200);
        // And little is asked for where little is used, however high the pace is.
        grants.answered(granted(200), |_| false, now + 2 * EVERY);
        (0..5).for_each(|_| grants.take(now + 2 * EVERY));
        assert_eq!(grants.ask(3, 4000.0, Vec::new(), now + 5 * EVERY).unwrap().wish, 10);
    }

    #[test]
    fn who_knows_of_a_breaker_goes_on_asking_and_says_when_it_is_closed() {
        let (mut grants, mut now) = (Grants::new(1000), Instant::now());
        let open = vec![("a".to_owned(), "x".to_owned())];
        assert_eq!(grants.ask(0, 100.0, open.clone(), now).unwrap().open, open);
        let changes = grants.answered(elsewhere(&["b"]), |_| false, now);
        assert_eq!(changes, Changes { left: vec!["b".to_owned()], ..Changes::default() });
        assert!(grants.is_elsewhere("b") && !grants.is_elsewhere("a"));
        now += EVERY;
        assert_eq!(grants.ask(0, 100.0, Vec::new(), now).unwrap().open, [], "it is closed here");
        let changes = grants.answered(elsewhere(&[]), |_| false, now);
        assert_eq!(changes, Changes { back: vec!["b".to_owned()], ..Changes::default() });
        assert!(grants.ask(0, 100.0, Vec::new(), now + EVERY).is_none());
    }
}
