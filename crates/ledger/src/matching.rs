//! Whose result is it? Pure: what fits is handed in, and what is certain comes out. Whatever is not certain stays open.

use std::sync::Arc;
use std::time::Duration;

use crate::form::Form;
use crate::moment::Moment;

/// A scan may seem to end so much before MDSS has accepted the object: two clocks, and the way of its answer. It is short, because a scan that
/// is really older has seen another content.
pub(crate) const SKEW: Duration = Duration::from_secs(5);

/// How sure it is that a result belongs to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// MDSS's id is the one that it has given for the write.
    Id,
    /// MDSS was asked, and has named the unit.
    Asked,
    /// The path is that of one object alone that we know.
    Path,
    /// The path is that of objects in several units, and only this one waits for a result.
    PathShared,
}

impl Confidence {
    /// `id`, `file-api`, `path` or `path-shared`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Asked => "file-api",
            Self::Path => "path",
            Self::PathShared => "path-shared",
        }
    }
}

/// A write that MDSS has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) seq: u64,
    pub(crate) accepted: Moment,
    /// Whether it has no result.
    pub(crate) open: bool,
}

/// An object that has the path of a result in some form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Which object: the same text is the same one.
    pub(crate) object: Arc<str>,
    pub(crate) unit: Option<Arc<str>>,
    pub(crate) form: Form,
    /// Whether a path in this form names an object of this unit for certain.
    pub(crate) trusted: bool,
    /// Its writes, in the order of their acceptance.
    pub(crate) writes: Vec<Write>,
    /// The shortest time that a scan of this unit has taken, if it is known.
    pub(crate) shortest: Option<Duration>,
}

/// What becomes of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It closes these writes of the fit of this number, the oldest first.
    Closes { fit: usize, writes: Vec<u64>, confidence: Confidence },
    /// Nothing waits for it: the object was scanned once more after this write.
    Again { fit: usize, write: u64, confidence: Confidence },
    /// It is that of one object alone, if the form is right, which has to be learned yet.
    Unlearned { fit: usize },
    /// It fits several objects.
    Ambiguous,
    /// It fits nothing that was accepted before the scan ended.
    Nothing,
}

impl Fit {
    fn told(&self, scanned: Moment) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(move |write| write.accepted <= scanned.plus(SKEW))
    }

    /// The oldest open write that a scan can have seen which ended then.
    pub(crate) fn oldest(&self, scanned: Moment) -> Option<Write> {
        self.told(scanned).find(|write| write.open).copied()
    }

    fn waits(&self, scanned: Moment) -> bool {
        self.told(scanned).any(|write| write.open)
    }

    /// The open writes that a scan has seen which ended then: the oldest, and those that were accepted before it can have begun. It is not told
    /// when it has, so a later one stays open.
    fn seen(&self, scanned: Moment) -> Vec<u64> {
        let before = self.shortest.map(|shortest| scanned.minus(shortest));
        let mut open = self.told(scanned).filter(|write| write.open);
        let oldest = open.next().map(|write| write.seq);
        let more = open.filter(|write| before.is_some_and(|before| write.accepted <= before));
        oldest.into_iter().chain(more.map(|write| write.seq)).collect()
    }

    /// The newest write that it can have seen.
    fn newest(&self, scanned: Moment) -> Option<u64> {
        self.told(scanned).last().map(|write| write.seq)
    }
}

/// A result about a path, scanned then.
pub(crate) fn by_path(fits: &[Fit], scanned: Moment) -> Decision {
    let told: Vec<usize> = (0..fits.len()).filter(|&at| fits[at].told(scanned).next().is_some()).collect();
    let waiting: Vec<usize> = told.iter().copied().filter(|&at| fits[at].waits(scanned)).collect();
    match (one(fits, &waiting), waiting.is_empty()) {
        // It may as well be another scan of one that is known to have this path.
        (Some(fit), _) if !fits[fit].trusted && told.iter().any(|&at| fits[at].trusted) => {
            Decision::Ambiguous
        }
        (Some(fit), _) if !fits[fit].trusted => Decision::Unlearned { fit },
        (Some(fit), _) => {
            let known: Vec<usize> = told.iter().copied().filter(|&at| fits[at].trusted).collect();
            let confidence =
                if one(fits, &known) == Some(fit) { Confidence::Path } else { Confidence::PathShared };
            Decision::Closes { fit, writes: fits[fit].seen(scanned), confidence }
        }
        (None, false) => Decision::Ambiguous,
        (None, true) => {
            // Nothing waits, so nothing is learned from it: what might be in another form is not looked at.
            let known: Vec<usize> = told.into_iter().filter(|&at| fits[at].trusted).collect();
            match (one(fits, &known), known.is_empty()) {
                (Some(fit), _) => match fits[fit].newest(scanned) {
                    Some(write) => Decision::Again { fit, write, confidence: Confidence::Path },
                    None => Decision::Nothing,
                },
                (None, true) => Decision::Nothing,
                (None, false) => Decision::Ambiguous,
            }
        }
    }
}

/// A result whose id is the one that MDSS has given for `write`, an open write of this object. Older ones of it were overwritten before.
pub(crate) fn by_id(fit: &Fit, write: u64) -> Vec<u64> {
    // They stand in the order of their acceptance; numbers of several chains have no order among each other.
    let until = fit.writes.iter().position(|other| other.seq == write).map_or(0, |at| at + 1);
    let open = fit.writes[..until].iter().filter(|other| other.open);
    open.map(|write| write.seq).collect()
}

/// The first of these fits, if all of them are of one object.
fn one(fits: &[Fit], these: &[usize]) -> Option<usize> {
    let (first, rest) = these.split_first()?;
    rest.iter().all(|&other| fits[other].object == fits[*first].object).then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Moment {
        Moment::from_millis(second * 1000)
    }

    /// An object with writes accepted at these seconds; a minus has a result already.
    fn fit(object: &str, trusted: bool, writes: &[i64]) -> Fit {
        let write = |(index, second): (usize, &i64)| Write {
            seq: index as u64 + 1,
            accepted: at(second.abs()),
            open: *second >= 0,
        };
        Fit {
            object: object.into(),
            unit: Some(object.split('/').next().unwrap().into()),
            form: Form::KEY,
            trusted,
            writes: writes.iter().enumerate().map(write).collect(),
            shortest: None,
        }
    }

    fn closes(fit: usize, writes: &[u64], confidence: Confidence) -> Decision {
        Decision::Closes { fit, writes: writes.to_vec(), confidence }
    }

    #[test]
    fn the_oldest_write_not_newer_than_the_scan_is_closed() {
        let one = fit("u/k", true, &[10, 20, 30]);
        let decide = |second| by_path(std::slice::from_ref(&one), at(second));
        assert_eq!(decide(100), closes(0, &[1], Confidence::Path));
        assert_eq!(decide(12), closes(0, &[1], Confidence::Path));
        // Two clocks, and no more.
        assert_eq!(decide(5), closes(0, &[1], Confidence::Path));
        assert_eq!(decide(4), Decision::Nothing);
        assert_eq!(by_path(&[fit("u/k", true, &[-10, 20, 30])], at(100)), closes(0, &[2], Confidence::Path));
    }

    #[test]
    fn a_scan_closes_what_was_accepted_before_it_can_have_begun() {
        let known =
            |seconds| Fit { shortest: Some(Duration::from_secs(seconds)), ..fit("u/k", true, &[10, 20, 30]) };
        for (shortest, scanned, want) in [
            (5, 100, &[1, 2, 3][..]),
            (5, 34, &[1, 2]),
            (5, 35, &[1, 2, 3]),
            (75, 100, &[1, 2]),
            (99, 100, &[1]),
        ] {
            let decision = by_path(&[known(shortest)], at(scanned));
            assert_eq!(decision, closes(0, want, Confidence::Path), "{shortest} {scanned}");
        }
    }

    #[test]
    fn l6_the_same_key_open_in_two_units_is_nobodys() {
        let (one, other) = (fit("u/k", true, &[10]), fit("v/k", true, &[20]));
        assert_eq!(by_path(&[one.clone(), other.clone()], at(100)), Decision::Ambiguous);
        // Also if the other one would only have it in a form that is not known yet.
        assert_eq!(by_path(&[one.clone(), fit("v/in/k", false, &[20])], at(100)), Decision::Ambiguous);
        // The other one was accepted later than the scan has ended.
        assert_eq!(by_path(&[one.clone(), other], at(12)), closes(0, &[1], Confidence::Path));
        // The other one waits for nothing: it is said that it is there.
        let scanned = fit("v/k", true, &[-20]);
        assert_eq!(
            by_path(&[one.clone(), scanned.clone()], at(100)),
            closes(0, &[1], Confidence::PathShared)
        );
        // What would fit in another form, and does not wait, is no other object.
        assert_eq!(by_path(&[one, fit("v/in/k", false, &[-20])], at(100)), closes(0, &[1], Confidence::Path));
        // A second scan of two that have their results.
        assert_eq!(by_path(&[fit("u/k", true, &[-10]), scanned], at(100)), Decision::Ambiguous);
    }

    #[test]
    fn l5_what_was_never_forwarded_fits_nothing() {
        assert_eq!(by_path(&[], at(100)), Decision::Nothing);
        // Nor does what was forwarded afterwards.
        assert_eq!(by_path(&[fit("u/k", true, &[200])], at(100)), Decision::Nothing);
        // Nor what would be another object's in a form that nobody knows to be right.
        assert_eq!(by_path(&[fit("u/in/k", false, &[-10])], at(100)), Decision::Nothing);
    }

    #[test]
    fn a_form_is_learned_before_it_closes_anything() {
        assert_eq!(by_path(&[fit("u/in/k", false, &[10])], at(100)), Decision::Unlearned { fit: 0 });
        // A scan of another object once more teaches nothing.
        assert_eq!(
            by_path(&[fit("u/in/k", false, &[10]), fit("u/k", true, &[-10])], at(100)),
            Decision::Ambiguous
        );
    }

    #[test]
    fn a_scan_of_what_has_its_result_is_a_further_one() {
        let further = Decision::Again { fit: 0, write: 2, confidence: Confidence::Path };
        assert_eq!(by_path(&[fit("u/k", true, &[-10, -20])], at(100)), further);
        // Not of a write that came after it: that one waits.
        assert_eq!(by_path(&[fit("u/k", true, &[-10, -20, 200])], at(100)), further);
    }

    #[test]
    fn an_id_closes_its_write_and_those_before() {
        assert_eq!(by_id(&fit("u/k", true, &[10, -20, 30, 40]), 3), [1, 3]);
    }
}
