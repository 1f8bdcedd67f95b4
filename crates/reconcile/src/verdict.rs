//! What a listed object is, by what is known of it. Pure: one table, and nobody asks anywhere else.
//!
//! | A listed object | The verdict |
//! | --- | --- |
//! | no route is about it, or it cannot be scanned | excluded, with the reason |
//! | a write that MDSS has accepted is the one that is listed | covered |
//! | the spool holds it | in the spool, with its state |
//! | it is younger than the grace time | in flight |
//! | nobody can tell whether a route takes it | undecidable |
//! | only older writes were accepted | missing (newer) |
//! | nothing | missing |
//!
//! Of what is missing (not of what is newer than what was told) MDSS may be asked; what it has scanned by itself since the object was last written is covered by its own word.

use std::time::Duration;

use mdss_relay_ledger::{Moment, Told};
use mdss_relay_spool::State;
use mdss_relay_stores::Listed;

/// How far the clock of a store and ours may be apart.
pub const SKEW: Duration = Duration::from_secs(300);

/// What is known of one listed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// MDSS has accepted this very write.
    Covered,
    /// Its event is stored, and has not been accepted yet.
    InSpool(State),
    /// It is so young that its event may be on its way.
    InFlight,
    /// It is not to be scanned, or cannot be.
    Excluded(Exclusion),
    /// Whether a route takes it depends on what a listing does not say.
    Undecidable,
    /// MDSS has accepted earlier writes of it, and has seen their content at most.
    MissingNewer,
    /// Nothing is known of it.
    Missing,
    /// Nobody has told MDSS, and it says that it has scanned this content.
    ByMdss,
}

/// Why an object does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exclusion {
    /// An empty folder of a console: its name ends in `/`, and there is nothing in it.
    FolderMarker,
    /// A route names the bucket, and none takes the object.
    NotSelected,
    /// No route names the bucket.
    UnmappedBucket,
    /// It belongs to another route than the one that was asked for.
    OtherRoute,
    /// It is on a tier from which nobody can read it.
    Archived,
    /// It was written at the time that was asked for, or later.
    After,
}

impl Exclusion {
    /// The stable name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FolderMarker => "folder_marker",
            Self::NotSelected => "not_selected",
            Self::UnmappedBucket => "unmapped_bucket",
            Self::OtherRoute => "other_route",
            Self::Archived => "archived",
            Self::After => "after",
        }
    }
}

/// What the settings make of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A route takes it, to this storage unit.
    Taken(String),
    /// Nobody can tell whether a route takes it: it would go to this unit, if to any.
    InDoubt(Option<String>),
    /// None does.
    Excluded(Exclusion),
}

/// When it is judged, and what was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Now.
    pub(crate) now: Moment,
    /// For how long the event of a new object may be on its way.
    pub(crate) grace: Duration,
    /// Only what was written before.
    pub(crate) before: Option<Moment>,
}

/// What the spool holds for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Where it stands.
    pub(crate) state: State,
    /// When its delivery came.
    pub(crate) received: Moment,
}

impl Held {
    /// Whether it will be about this object. What waits or is held is told to MDSS from now on, which then reads what is there. What is
    /// parked is told to nobody, and says only that somebody knows of the write that it came for.
    fn is_about(self, object: &Listed) -> bool {
        match self.state {
            State::Waiting | State::Held => true,
            State::Parked => modified(object).is_none_or(|time| self.received.plus(SKEW) >= time),
        }
    }
}

/// The verdict.
pub(crate) fn judge(
    object: &Listed,
    fate: &Fate,
    writes: &[Told],
    held: Option<Held>,
    asked: Asked,
) -> Verdict {
    if let Fate::Excluded(reason) = fate {
        return Verdict::Excluded(*reason);
    }
    if object.archived {
        return Verdict::Excluded(Exclusion::Archived);
    }
    let written = modified(object);
    if asked.before.is_some_and(|before| written.is_some_and(|time| time >= before)) {
        return Verdict::Excluded(Exclusion::After);
    }
    if writes.iter().any(|told| covers(told, object)) {
        return Verdict::Covered;
    }
    if let Some(held) = held.filter(|held| held.is_about(object)) {
        return Verdict::InSpool(held.state);
    }
    // Whoever can choose the time (a file's, on a share) must not keep his object young for ever.
    let young = |time: Moment| time.plus(asked.grace) > asked.now && time <= asked.now.plus(SKEW);
    if written.is_some_and(young) {
        return Verdict::InFlight;
    }
    if matches!(fate, Fate::InDoubt(_)) {
        return Verdict::Undecidable;
    }
    if writes.is_empty() { Verdict::Missing } else { Verdict::MissingNewer }
}

/// Whether the write that MDSS has accepted is the one that is listed. By the best that both sides say: the version; the ETag, and that it is no
/// earlier write of the same bytes, because an equal ETag alone proves equal bytes at most; else the time alone. A store that lists ETags lists its own times,
/// by the clock that its events have as well; a tree of directories has the times of its file system. The time of the acceptance is by the relay's clock.
fn covers(told: &Told, object: &Listed) -> bool {
    if let (Some(listed), Some(told)) = (version(&object.version), version(&told.version)) {
        return listed == told;
    }
    let Some(written) = modified(object) else { return false };
    let is_of_it = || told.event_time.is_some_and(|time| is_no_earlier(time, written));
    match (said(&object.etag), said(&told.etag)) {
        (Some(listed), Some(etag)) => listed == etag && (told.accepted_time > written || is_of_it()),
        (listed, _) => (listed.is_some() && is_of_it()) || told.accepted_time.minus(SKEW) > written,
    }
}

/// Whether an event is not from before a write, by one clock; either time may be rounded down to the second.
fn is_no_earlier(event: Moment, written: Moment) -> bool {
    const SECOND: i64 = 1000;
    let of_a_second = |time: Moment| time.as_millis().rem_euclid(SECOND) == 0;
    let second = |time: Moment| time.as_millis().div_euclid(SECOND);
    event >= written || (of_a_second(event) && second(event) == second(written))
}

/// Every write of an unversioned bucket has the version `null`.
fn version(version: &Option<String>) -> Option<&str> {
    said(version).filter(|version| *version != "null")
}

fn said(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// When an object was last written, by the store's clock.
pub(crate) fn modified(object: &Listed) -> Option<Moment> {
    object.modified.map(Moment::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-27T12:00:00Z";

    fn moment(text: &str) -> Moment {
        Moment::read(&format!("2026-11-27T{text}Z")).unwrap()
    }

    /// Version, ETag and time of an object or of an accepted write.
    type Write<'w> = (Option<&'w str>, Option<&'w str>, &'w str);

    fn listed((version, etag, time): Write<'_>) -> Listed {
        let modified = (!time.is_empty()).then(|| format!("2026-11-27T{time}Z").parse().unwrap());
        Listed {
            key: b"k".to_vec(),
            version: version.map(str::to_owned),
            etag: etag.map(str::to_owned),
            modified,
            ..Listed::default()
        }
    }

    fn told((version, etag, time): Write<'_>) -> Told {
        Told {
            version: version.map(str::to_owned),
            etag: etag.map(str::to_owned),
            event_time: None,
            accepted_time: moment(time),
            origin: None,
        }
    }

    fn asked() -> Asked {
        Asked { now: Moment::read(NOW).unwrap(), grace: Duration::from_secs(900), before: None }
    }

    fn taken() -> Fate {
        Fate::Taken("u".into())
    }

    #[test]
    fn an_accepted_write_covers_by_version_then_etag_then_time() {
        let (v1, v2, e1, e2) = (Some("1"), Some("2"), Some("a"), Some("b"));
        let null = Some("null");
        for (object, write, want) in [
            // The version decides where both say one, whatever the rest is.
            ((v1, e1, "10:00:00"), (v1, e2, "09:00:00"), true),
            ((v2, e1, "10:00:00"), (v1, e1, "11:00:00"), false),
            ((v1, None, ""), (v1, None, "09:00:00"), true),
            // `null` is no version.
            ((null, e1, "10:00:00"), (null, e2, "11:00:00"), false),
            ((null, e1, "10:00:00"), (null, e1, "11:00:00"), true),
            // The ETag, and accepted later: without room for the clocks.
            ((v1, e1, "10:00:00"), (None, e1, "10:00:01"), true),
            ((None, e1, "10:00:00"), (v1, e1, "10:00:00"), false),
            ((None, e1, "10:00:00"), (v1, e1, "09:59:59"), false),
            // The same bytes, written again after the first were accepted.
            ((None, e1, "11:00:00"), (None, e1, "10:00:00"), false),
            ((None, e2, "10:00:00"), (None, e1, "11:00:00"), false),
            // The time alone, with five minutes for the clocks.
            ((None, e1, "10:00:00"), (None, None, "10:05:01"), true),
            ((None, e1, "10:00:00"), (None, None, "10:05:00"), false),
            ((None, None, "10:00:00"), (None, e1, "10:04:59"), false),
            ((None, None, "10:00:00"), (None, None, "11:00:00"), true),
            ((None, Some(""), "10:00:00"), (None, e1, "11:00:00"), true),
            // Without a time nothing is proven.
            ((None, e1, ""), (None, e1, "11:00:00"), false),
            ((None, None, ""), (None, None, "11:00:00"), false),
        ] {
            assert_eq!(covers(&told(write), &listed(object)), want, "{object:?} {write:?}");
        }
    }

    #[test]
    fn the_time_of_the_event_is_by_the_clock_of_the_listing() {
        let (e1, e2) = (Some("a"), Some("b"));
        // What is listed; what was accepted, seconds after the event; the event's time.
        for (object, etag, event, want) in [
            // A relay accepts in a moment, and the events of some stores have no ETags.
            ((None, e1, "10:00:00"), None, "10:00:00", true),
            ((None, e1, "10:00:00"), None, "10:00:00.3", true),
            ((None, e1, "10:00:00"), None, "10:00:07", true),
            ((None, e1, "10:00:00.7"), None, "10:00:00", true),
            // An earlier write.
            ((None, e1, "10:00:00.7"), None, "10:00:00.3", false),
            ((None, e1, "10:00:00"), None, "09:59:59.9", false),
            ((None, e1, "10:00:01"), None, "10:00:00", false),
            // A share: its times are another clock's.
            ((None, None, "10:00:00"), None, "10:00:07", false),
            // The store's clock is ahead of the relay's: the acceptance looks earlier than the write.
            ((None, e1, "10:00:05"), e1, "10:00:05", true),
            ((None, e2, "10:00:05"), e1, "10:00:05", false),
            ((None, e1, "10:00:05"), e1, "10:00:04", false),
        ] {
            let write = Told { event_time: Some(moment(event)), ..told((None, etag, "10:00:02")) };
            assert_eq!(covers(&write, &listed(object)), want, "{object:?} {event}");
        }
    }

    #[test]
    fn r5_what_was_overwritten_after_its_acceptance_is_missing() {
        let verdict = |object, writes: &[Write<'_>]| {
            let writes: Vec<_> = writes.iter().map(|write| told(*write)).collect();
            judge(&listed(object), &taken(), &writes, None, asked())
        };
        let (a, b) = (Some("a"), Some("b"));
        assert_eq!(verdict((None, b, "10:00:00"), &[(None, a, "09:00:00")]), Verdict::MissingNewer);
        assert_eq!(
            verdict((None, b, "10:00:00"), &[(None, a, "09:00:00"), (None, b, "10:00:01")]),
            Verdict::Covered
        );
        assert_eq!(verdict((None, b, "10:00:00"), &[]), Verdict::Missing);
        // R4: the event of the second write may be on its way.
        assert_eq!(verdict((None, b, "11:59:00"), &[(None, a, "09:00:00")]), Verdict::InFlight);
    }

    #[test]
    fn r4_what_is_young_is_in_flight_and_nobody_stays_young() {
        let verdict = |time| judge(&listed((None, None, time)), &taken(), &[], None, asked());
        for (time, want) in [
            ("11:45:00", Verdict::Missing),
            ("11:45:01", Verdict::InFlight),
            ("12:00:00", Verdict::InFlight),
            // The store's clock may be ahead of ours.
            ("12:05:00", Verdict::InFlight),
            // A time that somebody has chosen.
            ("12:05:01", Verdict::Missing),
            ("23:59:59", Verdict::Missing),
            ("", Verdict::Missing),
        ] {
            assert_eq!(verdict(time), want, "{time}");
        }
    }

    #[test]
    fn what_the_spool_holds_is_not_missing() {
        let verdict = |state, received, writes: &[Told]| {
            let held = Some(Held { state, received: moment(received) });
            judge(&listed((None, None, "10:00:00")), &taken(), writes, held, asked())
        };
        for (state, received, want) in [
            (State::Waiting, "10:00:01", Verdict::InSpool(State::Waiting)),
            (State::Held, "10:00:01", Verdict::InSpool(State::Held)),
            (State::Parked, "10:00:01", Verdict::InSpool(State::Parked)),
            // It came for an earlier write, and is told all the same, unless it is parked.
            (State::Waiting, "08:00:00", Verdict::InSpool(State::Waiting)),
            (State::Parked, "08:00:00", Verdict::Missing),
        ] {
            assert_eq!(verdict(state, received, &[]), want, "{state} {received}");
        }
        let accepted = [told((None, None, "11:00:00"))];
        assert_eq!(verdict(State::Waiting, "11:30:00", &accepted), Verdict::Covered);
    }

    #[test]
    fn each_exclusion_has_its_reason_and_what_is_in_doubt_is_no_good_news() {
        let object = listed((None, None, "10:00:00"));
        let accepted = [told((None, None, "11:00:00"))];
        let with = |fate: &Fate, object: &Listed, writes: &[Told]| judge(object, fate, writes, None, asked());
        for reason in [
            Exclusion::FolderMarker,
            Exclusion::NotSelected,
            Exclusion::UnmappedBucket,
            Exclusion::OtherRoute,
        ] {
            assert_eq!(with(&Fate::Excluded(reason), &object, &accepted), Verdict::Excluded(reason));
        }
        let archived = Listed { archived: true, ..object.clone() };
        assert_eq!(with(&taken(), &archived, &accepted), Verdict::Excluded(Exclusion::Archived));
        let before = |time: &str| Asked { before: Some(moment(time)), ..asked() };
        assert_eq!(
            judge(&object, &taken(), &[], None, before("10:00:00")),
            Verdict::Excluded(Exclusion::After)
        );
        assert_eq!(judge(&object, &taken(), &[], None, before("10:00:01")), Verdict::Missing);
        // MDSS has it: then nobody needs to know what the condition says.
        let doubt = Fate::InDoubt(Some("u".into()));
        assert_eq!(with(&doubt, &object, &accepted), Verdict::Covered);
        assert_eq!(with(&doubt, &object, &[]), Verdict::Undecidable);
        let old = [told((None, None, "09:00:00"))];
        assert_eq!(with(&doubt, &object, &old), Verdict::Undecidable);
    }
}
