//! Amazon S3 events as EventBridge delivers them: another record for the same happenings.
//!
//! Shape: AWS `AmazonS3/latest/userguide/ev-events` and `EventBridge`. Keys are not encoded: AWS's own samples had to learn
//! it with `plus+test (2).jpg` (aws-samples/s3-to-lambda-patterns, pull request 43). Anybody may put look-alikes on a bus
//! of their own, so only a `source` of `aws.s3` counts; no account but AWS itself can write that one.

use std::borrow::Cow;

use crate::plain::checked::Checked;

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::Cause;
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::record::cloudtrail;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// A longer name of an event is none.
const MOST_NAME_BYTES: usize = 128;

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["detail", "object", "key"],
    unit: StorageType::AmazonS3,
    looks_like: "an event with a `source` of aws.s3 and a `detail-type`",
    // An API destination has to answer within 5 s (AWS re:Post, knowledge-center/eventbridge-api-destination-target-failure). It comes
    // again for a day on 401, 407, 409, 429 and 5xx, and drops an event on any other 4xx (AWS `eventbridge/latest/userguide/eb-api-destinations`).
    answers: Answers::FINAL_4XX,
    patience: Patience::seconds(5),
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::AwsEventBridge,
    marks: &[Mark::Members(&[("detail-type", Test::There), ("source", Test::Is("aws.s3"))])],
    either: "an event of EventBridge",
    expected: "a `source` of aws.s3",
    members: &["id", "time", "region", "detail"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

/// The same without its `detail-type`, as Security Lake sends it to its subscribers' queues.
pub(in crate::read) const UNTYPED: Row = Row {
    marks: &[Mark::Members(&[("source", Test::Is("aws.s3")), ("detail", Test::Object)])],
    expected: "",
    read: Read::Event(read_untyped),
    ..EVENT
};

/// Its `detail` alone, as a rule's input path sends it. What an S3 record holds looks alike and has other keys.
pub(in crate::read) const DETAIL: Row = Row {
    of: Dialect::AwsEventBridge,
    marks: &[
        Mark::Members(&[("reason", Test::There), OBJECT, BUCKET, NO_RECORD]),
        Mark::Members(&[("requester", Test::There), OBJECT, BUCKET, NO_RECORD]),
        Mark::Members(&[("request-id", Test::There), OBJECT, BUCKET, NO_RECORD]),
    ],
    either: "the `detail` of an event of EventBridge",
    read: Read::Event(read_detail),
    ..Row::BASE
};

const OBJECT: (&str, Test) = ("object", Test::Has("key", &Test::There));
const BUCKET: (&str, Test) = ("bucket", Test::Has("name", &Test::There));
const NO_RECORD: (&str, Test) = ("s3SchemaVersion", Test::Absent);

json::members! {
    struct Detail {
        request_id = "request-id",
        bucket = "bucket",
        object = "object",
        reason = "reason",
        deletion_type = "deletion-type",
        source_class = "source-storage-class",
        destination_class = "destination-storage-class",
        destination_tier = "destination-access-tier",
        expiry = "restore-expiry-time",
    }
}

json::members! {
    struct BucketWire {
        name = "name",
    }
}

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        etag = "etag",
        version_id = "version-id",
        sequencer = "sequencer",
    }
}

/// What a `detail-type` announces. The list is AWS's ("Amazon S3 event notification types"); "Object Deleted" covers
/// removals, delete markers and expiration.
fn change(detail_type: &str) -> Change {
    match detail_type.to_ascii_lowercase().as_str() {
        "object created" => Change::Created,
        "object deleted" => Change::Removed,
        "object restore initiated"
        | "object restore completed"
        | "object restore expired"
        | "object storage class changed"
        | "object access tier changed"
        | "object acl updated"
        | "object tags added"
        | "object tags deleted" => Change::Other,
        _ => Change::Unknown,
    }
}

/// What happened, where only the `detail` can say it: by its reason (the same page lists them), or by members that only one kind of
/// event has. Nothing else has an object with a size.
fn change_of(detail: &Detail<'_>, reason: Option<&str>, sized: bool) -> Change {
    match reason.map(str::to_ascii_lowercase).as_deref() {
        Some("putobject" | "post object" | "copyobject" | "completemultipartupload") => Change::Created,
        Some("deleteobject" | "lifecycle expiration") => Change::Removed,
        Some(_) => Change::Unknown,
        None if detail.deletion_type.is_some() => Change::Removed,
        None if detail.source_class.is_some()
            || detail.destination_class.is_some()
            || detail.destination_tier.is_some()
            || detail.expiry.is_some() =>
        {
            Change::Other
        }
        None if sized => Change::Created,
        None => Change::Unknown,
    }
}

/// What stands around a `detail`.
struct Outside {
    /// The `detail-type`.
    name: Option<String>,
    details: Details,
}

impl Outside {
    fn of(seen: &Seen<'_>, name: Option<String>, warnings: &mut Vec<String>) -> Self {
        let details = Details {
            region: json::text(seen.get("region"), "region", warnings),
            time: json::time(seen.get("time"), "time", warnings),
            event_id: json::mark(seen.get("id")),
            ..Details::default()
        };
        Self { name, details }
    }
}

fn item(reading: Reading, warnings: Vec<String>) -> Item {
    Item { warnings, ..Item::new(String::new(), Some(Dialect::AwsEventBridge), reading) }
}

/// Reads one event.
fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let name = match json::string(seen.get("detail-type")) {
        Ok(name) if !name.is_empty() && name.len() <= MOST_NAME_BYTES => name.into_owned(),
        _ => {
            let detail = "detail-type: expected a name, found none";
            return item(Reading::failed(Cause::MissingEventName, detail), warnings);
        }
    };
    let reading = match name.to_ascii_lowercase().ends_with(cloudtrail::DETAIL_TYPE_END) {
        true => call(seen, context.keys, &mut warnings),
        false => {
            let outside = Outside::of(seen, Some(name), &mut warnings);
            in_event(seen.get("detail"), outside, context, &mut warnings)
        }
    };
    item(reading, warnings)
}

/// The same without its type.
fn read_untyped(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let outside = Outside::of(seen, None, &mut warnings);
    let reading = in_event(seen.get("detail"), outside, context, &mut warnings);
    item(reading, warnings)
}

fn in_event(
    detail: Option<Checked<'_>>,
    outside: Outside,
    context: &Context<'_>,
    warnings: &mut Vec<String>,
) -> Reading {
    let places = Places { bucket: "detail.bucket.name", key: "detail.object.key" };
    reading(detail, outside, places, context, warnings)
}

/// Reads a `detail` that stands alone.
fn read_detail(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let outside = Outside { name: None, details: Details::default() };
    let places = Places { bucket: "bucket.name", key: "object.key" };
    let detail = Checked::read(seen.text).ok();
    let reading = reading(detail, outside, places, context, &mut warnings);
    item(reading, warnings)
}

fn reading(
    detail: Option<Checked<'_>>,
    outside: Outside,
    places: Places,
    context: &Context<'_>,
    warnings: &mut Vec<String>,
) -> Reading {
    let members = json::object_or_empty::<Detail<'_>>(detail, "detail").and_then(|detail| {
        let bucket = json::object_or_empty::<BucketWire<'_>>(detail.bucket, "detail.bucket")?;
        let object = json::object_or_empty::<ObjectWire<'_>>(detail.object, "detail.object")?;
        Ok((detail, bucket, object))
    });
    let (detail, bucket, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let size = json::size(object.size, "detail.object.size", warnings);
    let reason = json::string(detail.reason).ok().filter(|reason| reason.len() <= MOST_NAME_BYTES);
    let change = match &outside.name {
        Some(name) => change(name),
        None => change_of(&detail, reason.as_deref(), size.is_some()),
    };
    let details = Details {
        size,
        etag: json::etag(object.etag, "detail.object.etag", warnings),
        version_id: json::text(object.version_id, "detail.object.version-id", warnings),
        sequencer: json::text(object.sequencer, "detail.object.sequencer", warnings),
        request_id: json::mark(detail.request_id),
        event_name: outside.name.or_else(|| reason.map(Cow::into_owned)),
        ..outside.details
    };
    let bucket = json::text(bucket.name, places.bucket, warnings).and_then(|n| Bucket::new(&n));
    if change == Change::Unknown && details.event_name.is_none() {
        return ending::nameless("`detail-type`, or the `reason` in `detail`", bucket, details);
    }
    // Of a type that nobody here knows nobody can say where it would name an object, either.
    object_event(change, bucket, object.key, places, true, details, context.keys)
}

/// A call that CloudTrail tells of.
fn call(seen: &Seen<'_>, keys: &KeyRules, warnings: &mut Vec<String>) -> Reading {
    let members =
        json::object_or_empty::<cloudtrail::Call<'_>>(seen.get("detail"), "detail").and_then(|call| {
            let place = "detail.requestParameters";
            Ok((json::object_or_empty::<cloudtrail::Parameters<'_>>(call.parameters, place)?, call))
        });
    let (parameters, call) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let name = match json::string(call.event_name) {
        Ok(name) if !name.is_empty() && name.len() <= MOST_NAME_BYTES => name.into_owned(),
        _ => {
            let detail = "detail.eventName: expected the name of a call, found none";
            return Reading::failed(Cause::MissingEventName, detail);
        }
    };
    let change = cloudtrail::change(&call, &name);
    let details = Details {
        region: json::text(seen.get("region"), "region", warnings),
        time: json::time(seen.get("time"), "time", warnings),
        event_name: Some(name),
        event_id: json::mark(seen.get("id")),
        request_id: json::mark(call.request_id),
        ..Details::default()
    };
    let bucket = json::text(parameters.bucket, "detail.requestParameters.bucketName", warnings);
    let bucket = bucket.and_then(|n| Bucket::new(&n));
    let places =
        Places { bucket: "detail.requestParameters.bucketName", key: "detail.requestParameters.key" };
    object_event(change, bucket, parameters.key, places, parameters.key.is_some(), details, keys)
}

/// Where the names stand, for sentences.
struct Places {
    bucket: &'static str,
    key: &'static str,
}

fn object_event(
    change: Change,
    bucket: Option<Bucket>,
    key: Option<Checked<'_>>,
    places: Places,
    spoken_of: bool,
    details: Details,
    keys: &KeyRules,
) -> Reading {
    let encoding = FACTS.encoding(keys, Dialect::AwsEventBridge);
    let key = key::read(key, places.key, |_| encoding);
    Ending { change, bucket, bucket_place: places.bucket, key, spoken_of, details }.reading()
}
