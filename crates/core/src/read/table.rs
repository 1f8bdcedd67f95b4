//! The table of dialects: every row there is, in the order in which they are asked.
//!
//! The order avoids collisions: what a request's headers say first; then the body, in which envelopes come before what lies in
//! them, and lists before whatever could stand beside one; then those headers that only name a dialect. Everything else about
//! dialects that others must know is derived from the rows here, so that nobody can forget it.

use std::sync::LazyLock;

use super::envelope::{
    cloudevents, event_grid, jdcloud, lambda, lists, mns, oci_notifications, oci_stream, pubsub, r2_pull,
    smn, sns, sqs, storagegrid, text,
};
use super::record::{
    alibaba_oss, azure_blob, b2, eventbridge, gcs, huawei_obs, ibm_cos, jdcloud_function, oci, r2, reconcile,
    s3, seaweedfs, tencent_cos, tigris, volcengine_tos, yandex,
};
use super::row::{Facts, Read, Row, Stands, Topic};
use super::seen::{Mark, Names, Test};
use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::plain::text::Text;

/// Every row, in order.
pub(super) static TABLE: &[&Row] = &[
    // The request.
    &jdcloud::REQUEST,
    &oci_notifications::REQUEST,
    &sns::RAW,
    &event_grid::PERMISSION,
    &event_grid::REQUEST,
    &cloudevents::BINARY,
    &gcs::EMPTY,
    &BODY,
    // A body, or what lies in an envelope.
    &storagegrid::FORM,
    &oci_stream::BATCH,
    &oci::EVENT,
    &sns::MESSAGE,
    &jdcloud::ENVELOPE,
    &mns::MESSAGE,
    &mns::XML,
    &smn::MESSAGE,
    &smn::LIST,
    &eventbridge::EVENT,
    &event_grid::SUBSCRIPTION,
    &event_grid::SUBSCRIPTION_CLOUDEVENT,
    &azure_blob::CLOUDEVENT,
    &azure_blob::EVENT,
    &eventbridge::UNTYPED,
    &eventbridge::DETAIL,
    &ibm_cos::EVENT,
    &r2_pull::ANSWER,
    &r2_pull::MESSAGE,
    &r2::EVENT,
    &seaweedfs::EVENT,
    #[cfg(test)]
    &super::record::lighthouse::EVENT,
    &s3::RECORDS,
    &s3::TEST,
    &s3::TEST_TEXT,
    &gcs::PUSH,
    &pubsub::PUSH,
    &gcs::FUNCTION,
    &gcs::RESOURCE,
    &lists::EVENTS,
    &lists::MESSAGES,
    &tencent_cos::BATCH,
    &cloudevents::STRUCTURED,
    &lambda::FAILED_CALL,
    &volcengine_tos::TIMER_TEXT,
    &text::QUOTED,
    &text::BASE64,
    &text::LINES,
    &lists::WHOLE,
    &alibaba_oss::CLOUDEVENT,
    &tencent_cos::CLOUDEVENT,
    &huawei_obs::CLOUDEVENT,
    &volcengine_tos::CLOUDEVENT,
    &volcengine_tos::TIMER,
    &lists::ALONE,
    // An element of `Records`.
    &sqs::MESSAGE,
    &sns::RECORD,
    &jdcloud_function::RECORD,
    &s3::TEST_RECORD,
    &s3::RECORD,
    &tencent_cos::RECORD,
    &smn::RECORD,
    &reconcile::RECORD,
    &huawei_obs::RECORD,
    // An element of `events`.
    &b2::EVENT,
    &tigris::EVENT,
    &alibaba_oss::EVENT,
    &volcengine_tos::EVENT,
    // An element of `messages`.
    &yandex::EVENT,
    &yandex::QUEUE,
    &yandex::TIMER,
    // An element of a stream's batch.
    &oci_stream::RECORD,
];

/// Whatever the headers are, the body decides.
const BODY: Row = Row { stands: Stands::Request, under: |_| true, read: Read::Body, ..Row::BASE };

/// The rows that are asked of a thing that stands there, and the members of interest of such a thing.
pub(super) struct Group {
    pub(super) rows: Vec<Asked>,
    /// The members that are lists.
    pub(super) lists: Vec<&'static str>,
    pub(super) names: Names,
}

/// A row, and each of its marks with the members that it needs.
pub(super) struct Asked {
    pub(super) row: &'static Row,
    pub(super) marks: Vec<(u128, &'static Mark)>,
    /// Those that do as well under a pin.
    pub(super) pinned: Vec<(u128, &'static Mark)>,
}

/// The table by where things stand.
pub(super) fn group(stands: Stands) -> &'static Group {
    static GROUPS: LazyLock<[Group; Stands::ALL.len()]> = LazyLock::new(|| {
        Stands::ALL.map(|stands| {
            let rows: Vec<_> = TABLE.iter().copied().filter(|row| row.stands == stands).collect();
            let marks = rows.iter().flat_map(|row| row.marks.iter().chain(row.pinned)).flat_map(Mark::names);
            let lists = rows.iter().filter_map(|row| match &row.read {
                Read::List(list) if !list.member.is_empty() => Some(list.member),
                _ => None,
            });
            let lists: Vec<_> = lists.collect();
            let members = rows.iter().flat_map(|row| row.members.iter().copied());
            let names = Names::new(marks.chain(members));
            let needing =
                |marks: &'static [Mark]| marks.iter().map(|mark| (mark.needs(&names), mark)).collect();
            let rows = rows.iter();
            let rows = rows.map(|row| Asked { row, marks: needing(row.marks), pinned: needing(row.pinned) });
            Group { rows: rows.collect(), lists, names }
        })
    });
    &GROUPS[stands as usize]
}

/// The rows that are asked of a thing that stands there.
pub(super) fn rows(stands: Stands) -> impl Iterator<Item = &'static Row> {
    group(stands).rows.iter().map(|asked| asked.row)
}

/// Whether a row is asked under a pin. A list is, if anything that could stand in it is.
pub(super) fn is_asked(row: &Row, pin: Option<Dialect>) -> bool {
    if pin.is_none() {
        return true;
    }
    match &row.read {
        Read::List(list) => {
            // An element that stands alone may be anything.
            let mut elements = list.elements.iter();
            elements
                .any(|stands| *stands == Stands::Alone || rows(*stands).any(|element| element.is_asked(pin)))
        }
        Read::Event(_) | Read::Notice(_) | Read::Envelope(_) | Read::Body => row.is_asked(pin),
    }
}

/// What there is to know of a dialect beside its name.
pub(crate) fn facts(dialect: Dialect) -> &'static Facts {
    const NONE: &Facts = &Facts::BASE;
    let in_row = TABLE.iter().find_map(|row| row.facts.filter(|_| row.of == dialect));
    let in_family = || s3::FAMILY.iter().find(|(of, _)| *of == dialect).map(|(_, facts)| *facts);
    in_row.or_else(in_family).unwrap_or(NONE)
}

impl Dialect {
    /// How its producer encodes keys, unless a setting says otherwise; `None` for envelopes, which have none.
    pub fn key_encoding(self) -> Option<KeyEncoding> {
        facts(self).keys
    }

    /// The gate's check whose signature covers members of this dialect's own messages and nothing else, so that a source which
    /// demands it is read as this dialect.
    pub fn own_signature(self) -> Option<&'static str> {
        facts(self).signature
    }

    /// What its sender makes of statuses.
    pub fn answers(self) -> Answers {
        let facts = facts(self);
        match facts.redelivers {
            true => facts.answers.for_endless(),
            false => facts.answers,
        }
    }

    /// How long its sender waits for an answer, and whether it comes again without one.
    pub fn patience(self) -> Patience {
        facts(self).patience
    }

    /// What its stores are usually registered as in MDSS.
    pub fn usual_storage_type(self) -> StorageType {
        facts(self).unit
    }
}

/// What a delivery may look like, for the sentence about one that is none of it: lists first, then events, envelopes, notices.
pub(super) fn expected() -> String {
    let kind = |row: &&'static Row| match row.read {
        Read::List(_) => 0,
        Read::Event(_) => 1,
        Read::Envelope(_) => 2,
        Read::Notice(_) | Read::Body => 3,
    };
    let mut expected: Vec<_> = rows(Stands::Alone).filter(|row| !row.expected.is_empty()).collect();
    expected.sort_by_key(kind);
    expected.iter().map(|row| row.expected).collect::<Vec<_>>().join(", or ")
}

/// The topics whose subscriptions can be confirmed, in the order of the documentation.
pub(crate) fn topics() -> impl Iterator<Item = Topic> {
    Dialect::ALL.iter().filter_map(|dialect| facts(*dialect).topic)
}

/// Members whose texts nobody may keep or show. Those of a dialect that has been read are its own; of anything else nobody knows
/// whose it is.
pub(super) fn withheld(dialect: Option<Dialect>) -> &'static [&'static str] {
    static ALL: LazyLock<Vec<&str>> =
        LazyLock::new(|| Dialect::ALL.iter().flat_map(|dialect| facts(*dialect).withheld).copied().collect());
    dialect.map_or(&ALL, |dialect| facts(dialect).withheld)
}

/// The headers that reading a delivery looks at, each once, and whether their values count. Whoever keeps a delivery keeps these and no
/// others: the rest may hold credentials.
pub(crate) fn headers() -> &'static [(&'static str, bool)] {
    static HEADERS: LazyLock<Vec<(&str, bool)>> = LazyLock::new(|| {
        let marks = TABLE.iter().flat_map(|row| row.marks.iter().chain(row.pinned));
        let marks = marks.filter_map(|mark| match mark {
            // That it is there is all that counts; what it says is between sender and gate.
            Mark::Header(name, Test::There) => Some((*name, false)),
            Mark::Header(name, _) | Mark::Options(name, _) => Some((*name, true)),
            Mark::Members(_)
            | Mark::Elements(_)
            | Mark::Text(_)
            | Mark::Type(_)
            | Mark::TypeOfText(_)
            | Mark::AnyObject => None,
        });
        let read = TABLE.iter().flat_map(|row| row.headers).map(|name| (*name, true));
        let mut all: Vec<(&str, bool)> = Vec::new();
        for (name, valued) in read.chain(marks) {
            match all.iter_mut().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
                Some((_, known)) => *known |= valued,
                None => all.push((name, valued)),
            }
        }
        all
    });
    &HEADERS
}

/// Whether a body has a mark by which events are told: the first of the members by which a row of another dialect than `own`
/// recognises them. Fails closed: a member that stands there twice counts as one, and in what is no JSON object the name alone
/// does.
pub(super) fn names_objects(body: &[u8], own: Dialect) -> bool {
    let text = Text::of(body).text;
    let places = [Stands::Alone, Stands::InRecords, Stands::InEvents, Stands::InMessages];
    let telling = places.into_iter().flat_map(rows).filter(|row| match row.read {
        Read::Event(_) | Read::List(_) => true,
        Read::Envelope(_) => row.of != own,
        Read::Notice(_) | Read::Body => false,
    });
    let mut firsts = telling.flat_map(|row| row.marks).filter_map(|mark| match mark {
        Mark::Members(members) => members.first(),
        Mark::Header(..)
        | Mark::Options(..)
        | Mark::Elements(_)
        | Mark::Text(_)
        | Mark::Type(_)
        | Mark::TypeOfText(_)
        | Mark::AnyObject => None,
    });
    let mut members = Vec::new();
    match json::each_member(&text, |name, value| members.push((name.to_owned(), value))) {
        Ok(()) => firsts.any(|(name, test)| {
            members.iter().any(|(member, value)| member == name && test.holds(Some(*value)))
        }),
        Err(_) => {
            firsts.any(|(name, test)| matches!(test, Test::There) && text.contains(&format!("\"{name}\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_a_row_or_belongs_to_the_family() {
        for dialect in Dialect::ALL.iter().chain(Dialect::OWN) {
            let facts = TABLE.iter().filter(|row| row.of == *dialect && row.facts.is_some()).count();
            let family = s3::FAMILY.iter().filter(|(of, _)| of == dialect).count();
            assert!(facts + family >= 1, "{dialect}: nobody says what is known of it");
            assert!(family == 0 || facts == 0, "{dialect}: its facts are said twice");
        }
    }

    /// Facts of one dialect may stand in several rows, and then they are the same.
    #[test]
    fn the_facts_of_a_dialect_are_said_once() {
        let said = |f: &'static Facts| {
            (
                (f.keys, f.key_place, f.unit, f.redelivers),
                (f.probes, f.looks_like),
                (f.signature, f.withheld, f.answers, f.patience),
            )
        };
        for row in TABLE.iter().copied() {
            let Some(of_row) = row.facts else { continue };
            assert_eq!(said(of_row), said(facts(row.of)), "{}", row.of);
        }
    }

    #[test]
    fn a_body_that_names_objects_is_told_from_a_mere_handshake() {
        let jd = Dialect::JdCloud;
        for (body, own, want) in [
            (r#"{"Records":null}"#, jd, true),
            (r#"{"cloudEventsVersion":"0.1"}"#, jd, true),
            (r#"{"detail-type":"Object Created"}"#, jd, true),
            (r#"{"TopicArn":"arn"}"#, jd, true),
            (r#"{"lighthouse":1}"#, jd, true),
            (r#"{"events":[{"oss":{}}]}"#, jd, true),
            (r#"{"eventType":"Microsoft.Storage.BlobCreated"}"#, jd, true),
            (r#"[{"stream":"s","offset":1}]"#, jd, true),
            // What is no JSON object counts by its names, and a member that stands there twice as one.
            (r#"x "Records" y"#, jd, true),
            (r#"{"Records":1,"Records":2"#, jd, true),
            (r#"{"Event":"s3:TestEvent"}"#, jd, false),
            (r#"{"topicOwner":"o","subscriptionName":"s","message":"m"}"#, jd, false),
            (r#"{"topicOwner":"o","subscriptionName":"s","message":"m"}"#, Dialect::OciNotifications, true),
            (r#"{"eventType":"greeting"}"#, jd, false),
            ("test", jd, false),
            ("", jd, false),
        ] {
            assert_eq!(names_objects(body.as_bytes(), own), want, "{body} {own}");
        }
    }
}
