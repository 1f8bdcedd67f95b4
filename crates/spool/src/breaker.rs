//! Breakers of storage units: when enough different objects of a unit have failed, it is not the objects.
//!
//! Pure state machines; the moment is handed in, and it is the process's own ([`Instant`]): no breaker outlives it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::item::ItemId;

/// So many different objects must fail, with no success between them. One poisoned key stops nobody, however often it fails.
pub(crate) const DISTINCT: usize = 5;

/// The first pause, doubled with each probe that fails.
pub(crate) const FIRST: Duration = Duration::from_secs(1);

/// The longest pause: how late it may be noticed that the unit is back.
pub(crate) const MOST: Duration = Duration::from_secs(15);

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Requests pass.
    Closed,
    /// None does.
    Open,
    /// One passes, to see.
    HalfOpen,
}

impl Position {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How many requests may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Any,
    One,
    /// None before then; `None`: before a probe under way has come back.
    NoneBefore(Option<Instant>),
}

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failed: HashSet<ItemId>,
    /// Set while open or half open.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    probing: Option<ItemId>,
}

impl Breaker {
    pub(crate) fn position(&self) -> Position {
        match &self.open {
            None => Position::Closed,
            Some(Open { probing: Some(_), .. }) => Position::HalfOpen,
            Some(_) => Position::Open,
        }
    }

    pub(crate) fn leave(&self, now: Instant) -> Leave {
        match &self.open {
            Some(Open { probing: Some(_), .. }) => Leave::NoneBefore(None),
            Some(open) if now < open.until => Leave::NoneBefore(Some(open.until)),
            Some(_) => Leave::One,
            None => Leave::Any,
        }
    }

    /// A request starts.
    pub(crate) fn started(&mut self, item: ItemId) {
        if let Some(open) = &mut self.open {
            open.probing = Some(item);
        }
    }

    /// A request succeeded: whoever answers one answers more. True if that has closed the breaker.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failed.clear();
        self.open.take().is_some()
    }

    /// A request failed in a way that may be everybody's. True if that has opened the breaker.
    pub(crate) fn failed(&mut self, item: ItemId, now: Instant) -> bool {
        match &mut self.open {
            Some(open) => {
                // Those that started before it opened come back one by one, and say nothing new.
                if open.probing == Some(item) {
                    let pause = (open.pause * 2).min(MOST);
                    *open = Open { until: now + pause, pause, probing: None };
                }
                false
            }
            None => {
                self.failed.insert(item);
                if self.failed.len() < DISTINCT {
                    return false;
                }
                self.failed.clear();
                self.open = Some(Open { until: now + FIRST, pause: FIRST, probing: None });
                true
            }
        }
    }

    /// Somebody else says that the unit refuses everything, for so long that one request is to show it.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.open.get_or_insert(Open { until: now, pause: FIRST, probing: None });
    }

    /// There is reason to hope: the next probe need not wait.
    pub(crate) fn probe_soon(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.until = now.min(open.until);
            open.pause = FIRST;
        }
    }

    /// A request ended without saying anything about the other side.
    pub(crate) fn ended(&mut self, item: ItemId) {
        if let Some(open) = &mut self.open
            && open.probing == Some(item)
        {
            open.probing = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps: `f<item>` fails, `s<item>` succeeds, `b<item>` begins, `e<item>` ends without a word, `+<seconds>` passes.
    fn after(steps: &str) -> String {
        let begin = Instant::now();
        let (mut now, mut breaker) = (begin, Breaker::default());
        for step in steps.split_whitespace() {
            let (verb, number) = step.split_at(1);
            let number: i64 = number.parse().unwrap_or_default();
            let item = ItemId::new(number);
            match verb {
                "f" => drop(breaker.failed(item, now)),
                "s" => drop(breaker.succeeded()),
                "b" => breaker.started(item),
                "e" => breaker.ended(item),
                "+" => now += Duration::from_secs(number.try_into().unwrap()),
                other => panic!("{other}"),
            }
        }
        let leave = match breaker.leave(now) {
            Leave::Any => "any".to_owned(),
            Leave::One => "one".to_owned(),
            Leave::NoneBefore(None) => "none".to_owned(),
            Leave::NoneBefore(Some(then)) => format!("none for {} s", (then - now).as_secs()),
        };
        format!("{} {leave}", breaker.position().name())
    }

    #[test]
    fn breakers_open_on_different_objects_and_close_on_one_success() {
        for (steps, want) in [
            ("", "closed any"),
            ("f1 f2 f3 f4", "closed any"),
            ("f1 f1 f1 f1 f1 f1 f1", "closed any"),
            ("f1 f2 f3 f4 s5 f5", "closed any"),
            ("f1 f2 f3 f4 f4 f5", "open none for 1 s"),
            ("f1 f2 f3 f4 f5 f6 f7", "open none for 1 s"),
            ("f1 f2 f3 f4 f5 +1", "open one"),
            ("f1 f2 f3 f4 f5 +1 b6", "half_open none"),
            ("f1 f2 f3 f4 f5 +1 b6 f7", "half_open none"),
            ("f1 f2 f3 f4 f5 +1 b6 f6", "open none for 2 s"),
            ("f1 f2 f3 f4 f5 +1 b6 f6 +2 b7 f7", "open none for 4 s"),
            ("f1 f2 f3 f4 f5 +1 b6 e6", "open one"),
            ("f1 f2 f3 f4 f5 +1 b6 s6", "closed any"),
            ("f1 f2 f3 f4 f5 +1 b6 f6 +2 b7 s7 f1 f2 f3 f4 f5", "open none for 1 s"),
            ("f1 f2 f3 f4 f5 s4", "closed any"),
        ] {
            assert_eq!(after(steps), want, "{steps}");
        }
    }

    #[test]
    fn the_pause_has_a_cap() {
        let steps: String = (1..40).map(|n| format!(" +60 b{n} f{n}")).collect();
        assert_eq!(after(&format!("f1 f2 f3 f4 f5{steps}")), "open none for 15 s");
    }
}
