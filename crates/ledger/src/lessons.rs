//! What results have taught: the form of a unit's paths, whether MDSS's ids are those that it gave us, how long a result takes. Pure: what
//! is learned is a function of what came, in its order.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::form::{Base, Form};
use crate::latency::Latency;
use crate::moment::Moment;

/// A form that has fitted so often in a row is kept.
pub(crate) const IN_A_ROW: u32 = 20;

/// So many pairs decide whether `FileId` is the `correlationId`.
pub(crate) const PAIRS: u32 = 100;

/// Without an allowed result in so many accepted writes, MDSS seems to tell of blocked files alone.
pub(crate) const BLOCKED_ONLY: u64 = 100;

/// A write without a result is unconfirmed after this, and never sooner.
pub(crate) const UNCONFIRMED: Duration = Duration::from_secs(3600);

/// And never later than this, however late results have come.
const MOST_UNCONFIRMED: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is too old, or too much, is removed so often.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What was learned just now, which becomes an entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// The form of a unit's paths.
    Form(Form),
    /// Whether `FileId` is the `correlationId`.
    Ids(bool),
}

/// What is known of one storage unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UnitLessons {
    #[serde(serialize_with = "write_form", deserialize_with = "read_form")]
    kept: Option<Form>,
    #[serde(serialize_with = "write_form", deserialize_with = "read_form")]
    last: Option<Form>,
    row: u32,
    /// From the acceptance of a write to its result.
    pub(crate) results: Latency,
    /// From the acceptance of a write to the end of its scan, where it was the only one of its object.
    pub(crate) scans: Latency,
}

impl UnitLessons {
    /// The form that is kept.
    pub(crate) fn form(&self) -> Option<&Form> {
        self.kept.as_ref()
    }

    /// Whether a path in this form names an object for certain: it is the one that was kept or, before one was, that of the documents.
    pub(crate) fn trusts(&self, form: &Form) -> bool {
        self.kept.as_ref().map_or(*form == Form::KEY, |kept| kept == form)
    }

    /// A result has fitted one object, in this form, and no other object in any.
    pub(crate) fn fitted(&mut self, form: &Form) -> Option<Learned> {
        if self.last.as_ref() == Some(form) {
            self.row = self.row.saturating_add(1);
        } else {
            (self.last, self.row) = (Some(form.clone()), 1);
        }
        if self.row < IN_A_ROW || self.kept.as_ref() == Some(form) {
            return None;
        }
        self.kept = Some(form.clone());
        Some(Learned::Form(form.clone()))
    }

    /// The folder that a streak of fits speaks for: it is looked up like a form that is known.
    pub(crate) fn suspects(&self) -> Option<&Form> {
        self.last.as_ref().filter(|form| matches!(form.base, Base::Below(_)))
    }

    /// After how long without a result a write of this unit is unconfirmed, and whether that was learned.
    pub(crate) fn unconfirmed_after(&self) -> (Duration, bool) {
        match self.results.p99() {
            Some(p99) => ((p99 * 4).clamp(UNCONFIRMED, MOST_UNCONFIRMED), true),
            None => (UNCONFIRMED, false),
        }
    }
}

/// What is known of the installation as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Lessons {
    pairs: u32,
    equal: u32,
    /// Whether `FileId` is the `correlationId`; `None` before it is known.
    pub(crate) ids: Option<bool>,
    /// Accepted writes, as the chain counts them, when the last result came that was not `blocked`; before one has, when results were first waited for.
    writes_then: Option<u64>,
    /// `blocked` results since.
    blocked: u64,
    /// Whether any other result has come.
    others: bool,
    /// When the last result came, in milliseconds.
    pub(crate) last: Option<i64>,
    /// What became of results, since the ledger began.
    pub(crate) counts: Counts,
    /// When what is too old was removed, in milliseconds.
    pruned: i64,
}

/// What became of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Matched with writes that had none.
    pub matched: u64,
    /// About an object all of whose writes have a result: scanned again.
    pub again: u64,
    /// The same ones that had come before.
    pub repeated: u64,
    /// Of which it cannot be said whose they are.
    pub ambiguous: u64,
    /// About what we have never forwarded.
    pub foreign: u64,
    /// Not understood.
    pub unreadable: u64,
    /// About something else than a file.
    pub other: u64,
    /// Kept once, and removed because there were too many.
    pub dropped: u64,
}

impl Lessons {
    /// A result was matched by its path, and both ids are there.
    pub(crate) fn pair(&mut self, equal: bool) -> Option<Learned> {
        if self.ids.is_some() {
            return None;
        }
        self.pairs += 1;
        self.equal += u32::from(equal);
        if self.pairs < PAIRS {
            return None;
        }
        let ids = self.equal == self.pairs;
        self.ids = Some(ids);
        Some(Learned::Ids(ids))
    }

    /// Somebody waits for results, and the chain has so many accepted writes; whether that is new. With "blocked only" and nothing blocked none ever comes,
    /// so the count cannot begin with the first one.
    pub(crate) fn expects(&mut self, writes: u64) -> bool {
        let is_new = self.writes_then.is_none();
        self.writes_then.get_or_insert(writes);
        is_new
    }

    /// Accepted writes since a result came that was not `blocked` or, before one has, since results are waited for; `None`: nobody has waited for any.
    pub(crate) fn since(&self, writes: u64) -> Option<u64> {
        self.writes_then.map(|then| writes.saturating_sub(then))
    }

    /// A result has come when the chain had so many accepted writes.
    pub(crate) fn came(&mut self, blocked: bool, writes: u64, now: Moment) {
        self.last = Some(now.as_millis());
        if blocked {
            self.blocked += 1;
            self.writes_then.get_or_insert(writes.saturating_sub(1));
        } else {
            (self.writes_then, self.blocked, self.others) = (Some(writes), 0, true);
        }
    }

    /// Whether it is time to remove what is too old; then it was.
    pub(crate) fn prunes(&mut self, now: Moment) -> bool {
        let then = Moment::from_millis(self.pruned);
        let is_due = now < then || now.since(then) >= PRUNE_EVERY;
        if is_due {
            self.pruned = now.as_millis();
        }
        is_due
    }

    /// Whether a result has come that was not `blocked`. What an earlier version wrote says it only of the last one.
    pub(crate) fn tells_all(&self) -> bool {
        self.others || self.blocked == 0 && self.last.is_some()
    }

    /// Whether the results that come are of blocked files alone, for now or since ever: then none for a file says nothing of it.
    pub(crate) fn hears_of_blocked_alone(&self, writes: u64) -> bool {
        self.last.is_some() && !self.tells_all() || self.blocked_only(writes)
    }

    /// Whether results come, and only blocked ones, while MDSS has accepted this many writes.
    pub(crate) fn blocked_only(&self, writes: u64) -> bool {
        self.blocked > 0 && self.since(writes).is_some_and(|since| since >= BLOCKED_ONLY)
    }
}

fn write_form<S: Serializer>(form: &Option<Form>, to: S) -> Result<S::Ok, S::Error> {
    form.as_ref().map(ToString::to_string).serialize(to)
}

fn read_form<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Form>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.and_then(|text| Form::read(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(text).unwrap()
    }

    #[test]
    fn a_form_is_kept_when_it_has_fitted_twenty_times_in_a_row() {
        let mut unit = UnitLessons::default();
        assert!(unit.trusts(&Form::KEY) && !unit.trusts(&form("/key")));
        for _ in 1..IN_A_ROW {
            assert_eq!(unit.fitted(&form("/key")), None);
        }
        // One that fits otherwise begins it anew.
        assert_eq!(unit.fitted(&form("below:in/")), None);
        assert_eq!(unit.suspects(), Some(&form("below:in/")));
        for _ in 1..IN_A_ROW {
            assert_eq!(unit.fitted(&form("/key")), None);
        }
        assert!(!unit.trusts(&form("/key")));
        assert_eq!(unit.fitted(&form("/key")), Some(Learned::Form(form("/key"))));
        assert_eq!(unit.fitted(&form("/key")), None);
        // From now on the plain key is a guess.
        assert!(unit.trusts(&form("/key")) && !unit.trusts(&Form::KEY));
        let text = serde_json::to_string(&unit).unwrap();
        assert_eq!(serde_json::from_str::<UnitLessons>(&text).unwrap(), unit);
    }

    #[test]
    fn a_form_that_has_changed_is_learned_again() {
        let mut unit = UnitLessons::default();
        for _ in 0..IN_A_ROW {
            unit.fitted(&Form::KEY);
        }
        let learned: Vec<_> = (0..IN_A_ROW).filter_map(|_| unit.fitted(&form("container"))).collect();
        assert_eq!(learned, [Learned::Form(form("container"))]);
    }

    #[test]
    fn the_first_hundred_pairs_decide_about_ids() {
        for (unequal, want) in [(None, true), (Some(0), false), (Some(99), false)] {
            let mut lessons = Lessons::default();
            let learned: Vec<_> = (0..200).filter_map(|n| lessons.pair(unequal != Some(n))).collect();
            assert_eq!(learned, [Learned::Ids(want)], "{unequal:?}");
            assert_eq!(lessons.ids, Some(want));
        }
    }

    #[test]
    fn l7_blocked_only_is_seen_after_a_hundred_writes_and_not_before() {
        let mut lessons = Lessons::default();
        let now = Moment::from_millis(0);
        assert!(!lessons.blocked_only(1_000_000), "no result at all is another matter");
        lessons.came(true, 5, now);
        lessons.came(true, 50, now);
        assert!(!lessons.blocked_only(103) && !lessons.tells_all(), "it is not known yet");
        assert!(lessons.blocked_only(104));
        // A scan that has failed is told of as well.
        lessons.came(false, 104, now);
        assert!(!lessons.blocked_only(10_000) && lessons.tells_all());
        lessons.came(true, 10_000, now);
        assert!(lessons.tells_all(), "it was so");
        assert!(lessons.blocked_only(10_000));
    }

    /// The hundred begins when results are waited for: with "blocked only" the first one comes late, and may never come.
    #[test]
    fn l7_what_was_accepted_before_the_first_blocked_result_counts_too() {
        let mut lessons = Lessons::default();
        let now = Moment::from_millis(0);
        assert_eq!(lessons.since(7), None);
        assert!(lessons.expects(7) && !lessons.expects(50));
        assert_eq!(lessons.since(107), Some(100));
        assert!(!lessons.blocked_only(107) && !lessons.tells_all(), "nothing has come: nobody can tell why");
        lessons.came(true, 108, now);
        assert!(lessons.blocked_only(108) && !lessons.tells_all() && lessons.hears_of_blocked_alone(0));
        lessons.came(false, 109, now);
        assert!(!lessons.blocked_only(109) && lessons.tells_all() && !lessons.hears_of_blocked_alone(109));
        // Who begins to wait when results come already has nothing to add.
        assert!(!lessons.expects(300));
        assert_eq!(lessons.since(110), Some(1));
    }

    #[test]
    fn a_write_is_unconfirmed_after_an_hour_at_least_and_four_times_the_99th() {
        let mut unit = UnitLessons::default();
        assert_eq!(unit.unconfirmed_after(), (UNCONFIRMED, false));
        for _ in 0..100 {
            unit.results.add(Duration::from_secs(2));
        }
        assert_eq!(unit.unconfirmed_after(), (UNCONFIRMED, true));
        for _ in 0..100 {
            unit.results.add(Duration::from_secs(3600));
        }
        let (after, _) = unit.unconfirmed_after();
        assert!(after >= Duration::from_secs(4 * 3600) && after < Duration::from_secs(6 * 3600), "{after:?}");
        for _ in 0..100_000 {
            unit.results.add(Duration::from_secs(90 * 24 * 3600));
        }
        assert_eq!(unit.unconfirmed_after().0, MOST_UNCONFIRMED);
    }
}
