//! Huawei Cloud Object Storage Service (OBS): records in its own block `obs`, in a list or as the data of a CloudEvent of EventGrid.
//!
//! Shapes: Huawei Cloud OBS, "SMN event notifications" (version 3.0), with keys encoded as a form; an event of EventGrid captured by a
//! user (its `eventTime` is the time of Beijing marked as UTC, eight hours ahead of the `time` of the CloudEvent, so that one is
//! taken; the version id of an unversioned bucket is `null`, or a mark that ends so). FunctionGraph's older record (version 2.0) is
//! S3-shaped and read by [`super::s3`].
//!
//! Whether EventGrid encodes keys is a setting of each subscription (huaweicloud/terraform-provider-huaweicloud,
//! `docs/resources/eg_event_subscription.md`, `objectKeyEncode`; of a trigger `Key_encode`). So RELAY_KEYS_HUAWEI_OBS says which it is; a
//! key that no form can hold is taken as it is without it.

use std::fmt;

use jiff::Timestamp;

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::event_name::{self, Meaning};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::record::s3;
use crate::read::row::{Context, Facts, Inside, Read, Row, Stands, Topic};
use crate::read::seen::{Mark, Seen, Test};

pub(in crate::read) const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Form),
    key_place: &["obs", "object", "key"],
    looks_like: "a list of `Records`, a message of SMN, or a CloudEvent of EventGrid",
    topic: Some(Topic {
        is: |id| id.starts_with("urn:smn:"),
        example: "urn:smn:cn-north-4:28a70000000000000000000000000005:intake",
    }),
    // SMN signs some members of its message (Huawei Cloud SMN, smn_ug_a9003), and nothing else of this dialect is signed.
    signature: Some("huawei_smn"),
    // SMN waits 5 s, and repeats a message after a 5xx and nothing else (Huawei Cloud SMN, "smn_ug_a9002", "smn_faq_0014").
    answers: Answers::FINAL_4XX,
    patience: Patience::seconds(5),
    ..Facts::BASE
};

/// An element of `Records`.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::HuaweiObs,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("obs", Test::There)]), Mark::Members(&[("eventSource", Test::IsLike("obs"))])],
    expected: "a record of OBS with `obs`",
    members: MEMBERS,
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

const MEMBERS: &[&str] = &["obs", "eventName", "eventTime", "eventRegion", "responseElements"];

/// The data of a CloudEvent: one record. A consumer allows for a list of them, which is read as any list of records.
pub(in crate::read) const CLOUDEVENT: Row = Row {
    stands: Stands::Alone,
    marks: &[Mark::Type(Test::BeginsLike("OBS:"))],
    lies_in: &[Inside::Event],
    expected: "",
    ..RECORD
};

json::members! {
    struct Obs {
        bucket = "bucket",
        object = "object",
    }
}

json::members! {
    struct BucketWire {
        name = "name",
        bucket = "bucket",
    }
}

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        etag = "eTag",
        version_id = "versionId",
        sequencer = "sequencer",
    }
}

json::members! {
    struct Response {
        request_id = "x-obs-request-id",
    }
}

/// A member of a record, for sentences; nothing is put together before there is one.
#[derive(Clone, Copy)]
struct At<'p>(&'p str, &'static str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::HuaweiObs), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let around = context.around.event;
    let place = if context.place.is_empty() { "data" } else { context.place };
    let at = |member| At(place, member);
    let members = json::object_or_empty::<Obs<'_>>(seen.get("obs"), at("obs")).and_then(|obs| {
        let bucket = json::object_or_empty::<BucketWire<'_>>(obs.bucket, at("obs.bucket"))?;
        let object = json::object_or_empty::<ObjectWire<'_>>(obs.object, at("obs.object"))?;
        Ok((obs.object.is_some(), bucket, object))
    });
    let (spoken_of, bucket, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let request_id = json::object_or_empty::<Response<'_>>(seen.get("responseElements"), "")
        .ok()
        .and_then(|response| json::mark(response.request_id));
    let mut details = Details {
        size: json::size(object.size, at("obs.object.size"), warnings),
        etag: json::etag(object.etag, at("obs.object.eTag"), warnings),
        version_id: json::text(object.version_id, at("obs.object.versionId"), warnings),
        sequencer: json::text(object.sequencer, at("obs.object.sequencer"), warnings),
        region: json::text(seen.get("eventRegion"), at("eventRegion"), warnings),
        time: around
            .and_then(|event| event.time.as_deref()?.parse::<Timestamp>().ok())
            .or_else(|| json::time(seen.get("eventTime"), at("eventTime"), warnings)),
        event_id: around.filter(|_| request_id.is_none()).and_then(|e| e.id.as_deref().map(str::to_owned)),
        request_id,
        ..Details::default()
    };
    let bucket = json::text(bucket.name.or(bucket.bucket), at("obs.bucket.name"), warnings);
    let bucket = bucket.and_then(|name| Bucket::new(&name));
    let said = json::string(seen.get("eventName")).ok().filter(|name| !name.is_empty());
    let name = said.as_deref().or(around.map(|event| &*event.kind));
    let name = name.filter(|name| !name.is_empty() && name.len() <= event_name::MOST_BYTES);
    let Some(name) = name else { return ending::nameless(at("eventName"), bucket, details) };
    let (meaning, warning) = event_name::meaning(bare(name));
    warnings.extend(warning);
    details.event_name = Some(name.to_owned());
    let Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let key = key::read(object.key, at("obs.object.key"), |text| {
        let chosen = context.keys.get(Dialect::HuaweiObs);
        if chosen.is_none() && s3::never_encoded(text) {
            return KeyEncoding::Verbatim;
        }
        if chosen.is_none() && around.is_some() && text.contains(['%', '+']) {
            let place = at("obs.object.key");
            warnings.push(format!(
                "{place}: read as form-encoded; say by RELAY_KEYS_HUAWEI_OBS whether the subscription of EventGrid encodes keys (form) \
                 or not (verbatim)"
            ));
        }
        chosen.unwrap_or(KeyEncoding::Form)
    });
    Ending { change, bucket, bucket_place: at("obs.bucket.name"), key, spoken_of, details }.reading()
}

/// A type of EventGrid without what stands before the family: `OBS:DWR:ObjectCreated:PUT`.
fn bare(name: &str) -> &str {
    let prefix = "OBS:DWR:";
    match name.get(..prefix.len()) {
        Some(begin) if begin.eq_ignore_ascii_case(prefix) => name.get(prefix.len()..).unwrap_or_default(),
        _ => name,
    }
}
