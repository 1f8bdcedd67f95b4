//! What all relays together allow this one. A relay of its own needs nobody's leave.
//!
//! Requests are granted for a quarter of a second, and spread over it. Whoever hears nothing from the others makes none: it may be the one that is
//! cut off, and somebody else sends what it holds.

use std::collections::BTreeSet;
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
    /// Lanes that others find out about.
    elsewhere: BTreeSet<String>,
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

    /// The answer, or none. Gives the lanes that others find out about from now on, and those that they have found out about.
    pub(super) fn answered(&mut self, grant: Option<Grant>, now: Instant) -> (Vec<String>, Vec<String>) {
        self.asking = false;
        let Some(grant) = grant else { return (Vec::new(), Vec::new()) };
        let asked = self.asked.unwrap_or(now);
        let left = if self.has(now) { self.tokens } else { 0 };
        self.tokens = left.saturating_add(grant.tokens);
        self.until = Some(asked + HOLDS);
        // Spread, if it is less than was asked for; otherwise the pace of this relay spreads it.
        let less = grant.tokens < self.wish && self.tokens > 0;
        self.gap = if less { AHEAD / self.tokens } else { Duration::ZERO };
        let elsewhere: BTreeSet<String> = grant.elsewhere.into_iter().collect();
        let closed = elsewhere.difference(&self.elsewhere).cloned().collect();
        let back = self.elsewhere.difference(&elsewhere).cloned().collect();
        self.elsewhere = elsewhere;
        (closed, back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(tokens: u32) -> Option<Grant> {
        Some(Grant { tokens, ..Grant::default() })
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
        grants.answered(granted(10), late);
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
        grants.answered(granted(1000), begin + Duration::from_secs(1));
        grants.ask(50, 100.0, Vec::new(), begin + Duration::from_millis(1200));
        grants.answered(None, begin + Duration::from_millis(1300));
        assert!(grants.may(begin + Duration::from_millis(1399)));
        assert!(!grants.may(begin + Duration::from_millis(1400) + EVERY));
    }

    #[test]
    fn what_is_left_is_not_asked_for_again_and_what_is_used_is() {
        let (mut grants, now) = (Grants::new(1000), Instant::now());
        grants.ask(500, 400.0, Vec::new(), now).unwrap();
        grants.answered(granted(100), now);
        // All that was asked for: the pace of this relay is enough, and it has made 60 requests.
        (0..60).for_each(|_| {
            assert!(grants.may(now));
            grants.take(now);
        });
        assert_eq!(grants.ask(500, 400.0, Vec::new(), now + EVERY).unwrap().wish, 60);
        grants.answered(granted(60), now + EVERY);
        // Little is queued, because it is claimed as it is sent.
        (0..100).for_each(|_| grants.take(now + EVERY));
        assert_eq!(grants.ask(8, 4000.0, Vec::new(), now + 2 * EVERY).unwrap().wish, 200);
        // And little is asked for where little is used, however high the pace is.
        grants.answered(granted(200), now + 2 * EVERY);
        (0..5).for_each(|_| grants.take(now + 2 * EVERY));
        assert_eq!(grants.ask(3, 4000.0, Vec::new(), now + 5 * EVERY).unwrap().wish, 10);
    }

    #[test]
    fn who_knows_of_a_breaker_goes_on_asking_and_says_when_it_is_closed() {
        let (mut grants, mut now) = (Grants::new(1000), Instant::now());
        let open = vec![("a".to_owned(), "x".to_owned())];
        assert_eq!(grants.ask(0, 100.0, open.clone(), now).unwrap().open, open);
        let elsewhere = |lanes: &[&str]| {
            Some(Grant { tokens: 0, elsewhere: lanes.iter().map(|lane| (*lane).to_owned()).collect() })
        };
        assert_eq!(grants.answered(elsewhere(&["b"]), now), (vec!["b".to_owned()], vec![]));
        assert!(grants.is_elsewhere("b") && !grants.is_elsewhere("a"));
        now += EVERY;
        assert_eq!(grants.ask(0, 100.0, Vec::new(), now).unwrap().open, [], "it is closed here");
        assert_eq!(grants.answered(elsewhere(&[]), now), (vec![], vec!["b".to_owned()]));
        assert!(grants.ask(0, 100.0, Vec::new(), now + EVERY).is_none());
    }
}
