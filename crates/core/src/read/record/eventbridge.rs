//! Amazon S3 events as EventBridge delivers them: another record for the same happenings.
//!
//! Shape: AWS `AmazonS3/latest/userguide/ev-events` and `EventBridge`. Keys are not encoded: AWS's own samples had to learn
//! it with `plus+test (2).jpg` (aws-samples/s3-to-lambda-patterns, pull request 43). Anybody may put look-alikes on a bus
//! of their own, so only a `source` of `aws.s3` counts; no account but AWS itself can write that one.

use serde_json::value::RawValue;

use crate::model::dialect::{Dialect, KeyEncoding, KeyRules};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::Cause;
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::read::ending::Ending;
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::record::cloudtrail;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["detail", "object", "key"],
    unit: StorageType::AmazonS3,
    looks_like: "an event with a `source` of aws.s3 and a `detail-type`",
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

json::members! {
    struct Detail {
        request_id = "request-id",
        bucket = "bucket",
        object = "object",
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

/// Reads one event.
fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context.keys, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::AwsEventBridge), reading) }
}

fn reading(seen: &Seen<'_>, keys: &KeyRules, warnings: &mut Vec<String>) -> Reading {
    let members = json::object_or_empty::<Detail<'_>>(seen.get("detail"), "detail").and_then(|detail| {
        let bucket = json::object_or_empty::<BucketWire<'_>>(detail.bucket, "detail.bucket")?;
        let object = json::object_or_empty::<ObjectWire<'_>>(detail.object, "detail.object")?;
        Ok((detail.request_id, bucket, object))
    });
    let (request_id, bucket, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let name = match json::string(seen.get("detail-type")) {
        Ok(name) if !name.is_empty() && name.len() <= 128 => name.into_owned(),
        _ => return Reading::failed(Cause::MissingEventName, "detail-type: expected a name, found none"),
    };
    if name.to_ascii_lowercase().ends_with(cloudtrail::DETAIL_TYPE_END) {
        return call(seen, keys, warnings);
    }
    let details = Details {
        size: json::size(object.size, "detail.object.size", warnings),
        etag: json::etag(object.etag, "detail.object.etag", warnings),
        version_id: json::text(object.version_id, "detail.object.version-id", warnings),
        sequencer: json::text(object.sequencer, "detail.object.sequencer", warnings),
        region: json::text(seen.get("region"), "region", warnings),
        time: json::time(seen.get("time"), "time", warnings),
        event_name: Some(name.clone()),
        event_id: json::mark(seen.get("id")),
        request_id: json::mark(request_id),
        ..Details::default()
    };
    let bucket = json::text(bucket.name, "detail.bucket.name", warnings).and_then(|n| Bucket::new(&n));
    let places = Places { bucket: "detail.bucket.name", key: "detail.object.key" };
    // Of a type that nobody here knows nobody can say where it would name an object, either.
    object_event(change(&name), bucket, object.key, places, true, details, keys)
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
        Ok(name) if !name.is_empty() && name.len() <= 128 => name.into_owned(),
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
    key: Option<&RawValue>,
    places: Places,
    spoken_of: bool,
    details: Details,
    keys: &KeyRules,
) -> Reading {
    let encoding = FACTS.encoding(keys, Dialect::AwsEventBridge);
    let key = key::read(key, places.key, |_| encoding);
    Ending { change, bucket, bucket_place: places.bucket, key, spoken_of, details }.reading()
}
