//! What a run has counted. Every listed object is in exactly one of the counts, so they add up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mdss_relay_stores::{Listed, PassedWhy};
use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// So many of the keys that are missing are named.
pub const FIRST: usize = 10;

/// The counts of a run. No key is in them: they are kept where nobody erases one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Objects that the store has listed.
    pub listed: u64,
    /// MDSS has accepted them.
    pub covered: u64,
    /// MDSS says, asked about them, that it has scanned them since they were last written; nobody has told it of them.
    pub by_mdss: u64,
    /// Their events are stored, by state.
    pub in_spool: BTreeMap<String, u64>,
    /// They are younger than the grace time.
    pub in_flight: u64,
    /// Nothing is known of them.
    pub missing: u64,
    /// Only earlier writes of them were accepted.
    pub missing_newer: u64,
    /// Whether a route takes them cannot be told.
    pub undecidable: u64,
    /// They are not to be scanned, by reason.
    pub excluded: BTreeMap<String, u64>,
    /// Accepted objects that are not listed any more; `None`: not counted, because the store lists in no order, or keys are not kept.
    pub gone: Option<u64>,
    /// What is there and is no object, by what it is. Of `unreadable` nobody knows what is in it.
    pub passed: BTreeMap<String, u64>,
    /// Those of the missing ones, and of the undecidable ones if asked for, that were put into the spool. Where a run was interrupted on a page, that page comes
    /// again, and what had been forwarded of it then counts as in the spool or covered besides.
    pub forwarded: u64,
    /// Those that were in the spool already when they came there, or that MDSS has accepted meanwhile.
    pub repeated: u64,
    /// Those that cannot be named to MDSS, because their keys are not Unicode.
    pub unsendable: u64,
    /// Those that the settings would not send after all.
    pub refused: u64,
    /// Facts that had not arrived in the ledger when the run began: what they say of objects is not known to it, so these may count as
    /// missing.
    pub behind: u64,
    /// When the oldest of the missing ones was last written, as the store says.
    #[serde(with = "time")]
    pub oldest_missing: Option<Timestamp>,
}

impl Counts {
    /// Counts an object.
    pub(crate) fn add(&mut self, object: &Listed, verdict: Verdict) {
        self.listed += 1;
        match verdict {
            Verdict::Covered => self.covered += 1,
            Verdict::ByMdss => self.by_mdss += 1,
            Verdict::InSpool(state) => *self.in_spool.entry(state.name().to_owned()).or_default() += 1,
            Verdict::InFlight => self.in_flight += 1,
            Verdict::Excluded(reason) => *self.excluded.entry(reason.name().to_owned()).or_default() += 1,
            Verdict::Undecidable => self.undecidable += 1,
            Verdict::MissingNewer => self.missing_newer += 1,
            Verdict::Missing => self.missing += 1,
        }
        if matches!(verdict, Verdict::Missing | Verdict::MissingNewer) {
            self.oldest_missing = [self.oldest_missing, object.modified].into_iter().flatten().min();
        }
    }

    /// Counts what is no object.
    pub(crate) fn pass(&mut self, why: &PassedWhy) {
        let word = match why {
            PassedWhy::Link => "link",
            PassedWhy::Folder => "folder",
            PassedWhy::Special => "special",
            PassedWhy::Unreadable(_) => "unreadable",
        };
        *self.passed.entry(word.to_owned()).or_default() += 1;
    }

    /// All that are excluded.
    pub fn all_excluded(&self) -> u64 {
        self.excluded.values().sum()
    }

    /// All that are missing.
    pub fn all_missing(&self) -> u64 {
        self.missing + self.missing_newer
    }

    /// What ought to be covered: the listed ones without those that are excluded or in flight.
    pub fn expected(&self) -> u64 {
        self.listed.saturating_sub(self.all_excluded()).saturating_sub(self.in_flight)
    }

    /// Places that could not be read, so that nobody knows what is in them.
    pub fn unknown(&self) -> u64 {
        self.passed.get("unreadable").copied().unwrap_or(0)
    }

    /// How much of what ought to be covered is, in percent; `None`: there is nothing.
    pub fn coverage(&self) -> Option<f64> {
        let expected = self.expected();
        (expected > 0).then(|| (self.covered + self.by_mdss) as f64 * 100.0 / expected as f64)
    }

    /// The same for people, never rounded up: 99.999 % is said as long as a single one is missing.
    pub fn coverage_shown(&self) -> String {
        match self.coverage() {
            None if self.is_bare() => "unknown".into(),
            None => "nothing to cover".into(),
            Some(_) if self.covered + self.by_mdss == self.expected() => "100 %".into(),
            Some(percent) => format!("{:.3} %", (percent * 1000.0).floor().min(99_999.0) / 1000.0),
        }
    }

    /// Whether nothing was listed where something may have to be: objects were accepted there, or nobody can tell. A share that is not mounted, or a prefix that is not
    /// meant, looks like that.
    pub fn is_bare(&self) -> bool {
        self.listed == 0 && self.gone != Some(0)
    }

    /// Whether the coverage is at least so many percent. What could not be read is unknown, and never as good.
    pub fn reaches(&self, percent: f64) -> bool {
        self.short_of(percent).is_none()
    }

    /// Why the coverage is not known to be at least so many percent: a sentence without its end; `None`: it is.
    pub fn short_of(&self, percent: f64) -> Option<String> {
        let so = format!("so the coverage is not known to be {percent} %");
        match (self.unknown(), self.gone) {
            (1.., _) => Some(format!("{} places could not be read, {so}", self.unknown())),
            (0, Some(gone)) if self.is_bare() => Some(format!(
                "nothing was listed, although {gone} objects of the ledger were there once, {so}: is the share mounted, and is it this bucket and prefix?"
            )),
            (0, None) if self.is_bare() => Some(format!(
                "nothing was listed, and whether the ledger has objects that were there once cannot be told, {so}"
            )),
            _ if self.coverage().is_some_and(|coverage| coverage < percent) => {
                Some(format!("the coverage is below {percent} %"))
            }
            _ => None,
        }
    }
}

/// A time as RFC 3339.
mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(covered: u64, missing: u64) -> Counts {
        Counts { listed: covered + missing, covered, missing, ..Counts::default() }
    }

    #[test]
    fn coverage_is_never_rounded_up() {
        for (covered, missing, want) in [
            (1, 0, "100 %"),
            (0, 5, "0.000 %"),
            (2, 1, "66.666 %"),
            (999_999_999, 1, "99.999 %"),
            (99_999, 1, "99.999 %"),
        ] {
            assert_eq!(counts(covered, missing).coverage_shown(), want, "{covered} {missing}");
        }
        assert_eq!(Counts { gone: Some(0), ..Counts::default() }.coverage_shown(), "nothing to cover");
    }

    #[test]
    fn r11_what_does_not_reach_the_limit() {
        assert!(counts(9999, 1).reaches(99.99) && !counts(9998, 2).reaches(99.99));
        assert!(counts(1, 0).reaches(100.0) && !counts(999_999, 1).reaches(100.0));
        // An empty bucket in which nothing ever was.
        assert!(Counts { gone: Some(0), ..counts(0, 0) }.reaches(100.0));
        for (gone, why) in [(Some(1), "although 1 objects of the ledger"), (None, "cannot be told")] {
            let bare = Counts { gone, ..counts(0, 0) };
            assert!(bare.short_of(0.0).unwrap().contains(why), "{:?}", bare.short_of(0.0));
            assert_eq!((bare.reaches(0.0), bare.coverage_shown().as_str()), (false, "unknown"));
            assert!(Counts { gone, ..counts(1, 0) }.reaches(100.0), "what is gone is no fault by itself");
        }
        let mut unread = counts(10, 0);
        unread.pass(&PassedWhy::Unreadable("permission denied".into()));
        assert!(!unread.reaches(1.0));
    }

    #[test]
    fn what_is_excluded_or_in_flight_is_not_expected() {
        let mut counts = Counts { in_flight: 2, ..counts(6, 2) };
        counts.listed = 13;
        counts.excluded.insert("archived".into(), 3);
        assert_eq!((counts.expected(), counts.coverage()), (8, Some(75.0)));
    }

    #[test]
    fn counts_are_read_back_and_what_is_new_may_be_absent() {
        let counts = counts(3, 1);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
        assert_eq!(serde_json::from_str::<Counts>("{}").unwrap(), Counts::default());
    }
}
