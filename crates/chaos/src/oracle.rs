//! The oracle: who was told what, who said "done", and what MDSS has accepted. It knows nothing of relays.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One object that was announced; its number is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) number: usize,
    pub(crate) unit: Unit,
    /// Whether its event carries a mark by which a relay can tell that it is the same write.
    pub(crate) marked: bool,
}

/// Which storage unit an object belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Good,
    /// The one that is switched off for a while.
    Odd,
    /// The good one by another bucket, for which a relay may have a route that takes nothing.
    Chosen,
}

impl Unit {
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Good | Self::Chosen => mdss_sim::units::S3_COMPATIBLE,
            Self::Odd => mdss_sim::units::AMAZON_S3,
        }
    }

    pub(crate) fn bucket(self) -> &'static str {
        match self {
            Self::Good => "chaos",
            Self::Odd => "chaos-odd",
            Self::Chosen => "chaos-chosen",
        }
    }
}

/// How often each object, by storage unit and key, was accepted.
pub(crate) type Tally = HashMap<(String, String), u64>;

/// What was said to the relay, and what it answered.
#[derive(Debug)]
pub(crate) struct Book {
    /// Begins every key of this row.
    prefix: String,
    /// What the rows before this one called theirs: a relay that is only a URL may still have some of it.
    earlier: Vec<String>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    issued: Vec<(Unit, bool)>,
    unanswered: u64,
    given_up: u64,
}

/// What comes of comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) issued: u64,
    /// Objects whose sender has heard "done".
    pub(crate) acknowledged: u64,
    /// Objects of whose events none was acknowledged, however often it was sent. These are the sender's.
    pub(crate) given_up: u64,
    /// Times an object was announced without an acknowledgement: each may have been kept all the same.
    pub(crate) unanswered: u64,
    /// Objects that MDSS has.
    pub(crate) accepted: u64,
    /// Times that MDSS has accepted an object again.
    pub(crate) duplicated: u64,
    /// Acknowledged, and MDSS does not have them.
    pub(crate) lost: Vec<String>,
    /// Accepted for a unit and a key that nobody has announced.
    pub(crate) strangers: Vec<String>,
}

impl Book {
    pub(crate) fn new(prefix: String, earlier: Vec<String>) -> Self {
        Self { prefix, earlier, pages: Mutex::default() }
    }

    pub(crate) fn issue(&self, unit: Unit, marked: bool) -> Object {
        let mut pages = self.pages();
        pages.issued.push((unit, false));
        Object { number: pages.issued.len() - 1, unit, marked }
    }

    pub(crate) fn key(&self, object: Object) -> String {
        format!("{}/{:08}", self.prefix, object.number)
    }

    pub(crate) fn acknowledged(&self, objects: &[Object]) {
        let mut pages = self.pages();
        for object in objects {
            pages.issued[object.number].1 = true;
        }
    }

    pub(crate) fn unanswered(&self, objects: &[Object]) {
        self.pages().unanswered += objects.len() as u64;
    }

    pub(crate) fn given_up(&self, objects: &[Object]) {
        self.pages().given_up += objects.len() as u64;
    }

    /// Objects that were acknowledged so far.
    pub(crate) fn acknowledgements(&self) -> u64 {
        self.pages().issued.iter().filter(|(_, acknowledged)| *acknowledged).count() as u64
    }

    /// The numbers of the objects that were acknowledged so far.
    pub(crate) fn acknowledged_so_far(&self) -> HashSet<usize> {
        let pages = self.pages();
        let numbers = pages.issued.iter().enumerate();
        numbers.filter(|(_, (_, acknowledged))| *acknowledged).map(|(number, _)| number).collect()
    }

    /// How often an object was announced in vain so far.
    pub(crate) fn refusals(&self) -> u64 {
        self.pages().unanswered
    }

    /// Compares what was said with what has arrived.
    pub(crate) fn compare(&self, tally: &Tally) -> Count {
        let pages = self.pages();
        let mut count = Count {
            issued: pages.issued.len() as u64,
            given_up: pages.given_up,
            unanswered: pages.unanswered,
            ..Count::default()
        };
        let mut times = vec![0; pages.issued.len()];
        for ((unit, key), often) in tally {
            let number = self.number(key).filter(|n| pages.issued.get(*n).is_some_and(|i| i.0.id() == unit));
            match number {
                Some(number) => times[number] += often,
                None if self.earlier.iter().any(|prefix| key.starts_with(prefix.as_str())) => {}
                None => count.strangers.push(format!("{key} for {unit}")),
            }
        }
        for (number, ((unit, acknowledged), often)) in pages.issued.iter().zip(&times).enumerate() {
            count.accepted += u64::from(*often > 0);
            count.duplicated += often.saturating_sub(1);
            count.acknowledged += u64::from(*acknowledged);
            if *acknowledged && *often == 0 {
                count.lost.push(self.key(Object { number, unit: *unit, marked: false }));
            }
        }
        count.strangers.sort();
        count
    }

    /// Splits what is lost: what had to arrive, and how many of it may be missing because their numbers are among these.
    pub(crate) fn forgive(&self, lost: Vec<String>, numbers: &HashSet<usize>) -> (Vec<String>, u64) {
        let (forgone, lost): (Vec<_>, Vec<_>) = lost
            .into_iter()
            .partition(|key| self.number(key).is_some_and(|number| numbers.contains(&number)));
        (lost, forgone.len() as u64)
    }

    /// The number of an object of this row. Only the one spelling counts: a key is handed on as it is or wrong.
    fn number(&self, key: &str) -> Option<usize> {
        let digits = key.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let number = digits.parse().ok()?;
        (format!("{number:08}") == digits).then_some(number)
    }

    /// No lock is held across anything that could panic half way.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `arrived`: unit, key and how often.
    fn count(arrived: &[(Unit, &str, u64)]) -> Count {
        let book = Book::new("run/a".into(), vec!["run/before/".into()]);
        // 0 is acknowledged, 1 is not, 2 is acknowledged and belongs to the other unit.
        let [zero, one, two] = [Unit::Good, Unit::Good, Unit::Odd].map(|unit| book.issue(unit, false));
        book.acknowledged(&[zero, two]);
        book.unanswered(&[one, two]);
        book.given_up(&[one]);
        let tally = arrived.iter().map(|(unit, key, n)| ((unit.id().to_owned(), (*key).to_owned()), *n));
        book.compare(&tally.collect())
    }

    #[test]
    fn what_was_acknowledged_must_arrive_and_nothing_else_may() {
        use Unit::{Good, Odd};
        let (a, b, c) = ("run/a/00000000", "run/a/00000001", "run/a/00000002");
        for (what, arrived, accepted, duplicated, lost, strangers) in [
            ("all of it", &[(Good, a, 1), (Good, b, 1), (Odd, c, 1)][..], 3, 0, &[][..], 0),
            ("what was not acknowledged need not", &[(Good, a, 1), (Odd, c, 1)], 2, 0, &[], 0),
            ("what was must", &[(Good, a, 1), (Good, b, 1)], 2, 0, &[c], 0),
            ("nothing at all", &[], 0, 0, &[a, c], 0),
            ("some of it again", &[(Good, a, 3), (Good, b, 2), (Odd, c, 1)], 3, 3, &[], 0),
            ("the wrong unit", &[(Good, a, 1), (Good, c, 1)], 1, 0, &[c], 1),
            (
                "a number that was not given out",
                &[(Good, a, 1), (Odd, c, 1), (Good, "run/a/00000003", 1)],
                2,
                0,
                &[],
                1,
            ),
            ("another spelling", &[(Good, "run/a/0", 1), (Odd, c, 1)], 1, 0, &[a], 1),
            (
                "an earlier row's",
                &[(Good, a, 1), (Odd, c, 1), (Good, "run/before/00000000", 2)],
                2,
                0,
                &[],
                0,
            ),
            ("somebody else's", &[(Good, a, 1), (Odd, c, 1), (Good, "k", 1)], 2, 0, &[], 1),
        ] {
            let got = count(arrived);
            assert_eq!((got.issued, got.acknowledged, got.given_up, got.unanswered), (3, 2, 1, 2), "{what}");
            assert_eq!((got.accepted, got.duplicated), (accepted, duplicated), "{what}");
            assert_eq!(
                (&got.lost[..], got.strangers.len()),
                (&lost.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>()[..], strangers),
                "{what}: {got:?}"
            );
        }
    }
}
