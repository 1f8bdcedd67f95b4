//! OCI Object Storage events, as OCI Events delivers them to a function.
//!
//! Envelope: <https://docs.oracle.com/en-us/iaas/Content/Events/Reference/eventenvelopereference.htm> (read 2026-09).
//! It is CloudEvents 0.1 in OCI's own spelling: `cloudEventsVersion`, `eventID`, not `specversion`, `id`.
//! `data.resourceName` is taken as it is: Oracle's samples pass it straight to the SDK, which encodes it itself, and
//! none decodes it. No official word was found; `RELAY_KEYS_OCI` overrides.

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Compartments, Details, Notice, NoticeKind, ObjectEvent};
use crate::model::failure::{Cause, Failure};
use crate::model::unit::StorageType;
use crate::plain::{json, line};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

const PREFIX: &str = "com.oraclecloud.";
const STORAGE: &str = "com.oraclecloud.objectstorage.";

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["data", "resourceName"],
    // A bucket may also be an "S3 Compatible" unit, through OCI's S3 API, on MDSS versions without OracleSdk: that is what
    // the setting is for.
    unit: StorageType::Oracle,
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::Oci,
    marks: &[Mark::Members(&[("cloudEventsVersion", Test::There), ("eventType", Test::BeginsLike(PREFIX))])],
    pinned: &[Mark::AnyObject],
    expected: "`cloudEventsVersion` with an `eventType` of com.oraclecloud",
    members: &["eventID", "eventTime", "data"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct Data {
        resource_name = "resourceName",
        resource_id = "resourceId",
        additional = "additionalDetails",
    }
}

json::members! {
    struct Additional {
        bucket_name = "bucketName",
        namespace = "namespace",
        etag = "eTag",
        version_id = "versionId",
    }
}

/// What an event type is about.
enum Subject {
    Object(Change),
    Bucket,
    /// Of the service Oracle has given up, with members elsewhere (`data.bucketName`).
    Classic,
    /// Of another service: never about the content of an object.
    Foreign,
    /// Of Object Storage, and on no list.
    Unknown,
}

/// The types Oracle lists for Object Storage ("Services that Produce Events"). An overwrite arrives as `updateobject`: no
/// page says so, but an object has no other update, and Oracle's own scanning samples process both.
///
/// Letter case is nobody's promise: Oracle's pages and events disagree on that of `source`.
fn subject(event_type: &str) -> Subject {
    match event_type.to_ascii_lowercase().strip_prefix(STORAGE) {
        Some("createobject" | "updateobject") => Subject::Object(Change::Created),
        Some("deleteobject") => Subject::Object(Change::Removed),
        Some("createbucket" | "updatebucket" | "deletebucket") => Subject::Bucket,
        Some(rest) if rest.starts_with("object.") || rest.starts_with("bucket.") => Subject::Classic,
        Some(_) => Subject::Unknown,
        None => Subject::Foreign,
    }
}

/// Reads one event; its compartments only if somebody asks for them.
fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Oci), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let members = json::object_or_empty::<Data<'_>>(seen.get("data"), "data").and_then(|data| {
        let additional = json::object_or_empty::<Additional<'_>>(data.additional, "data.additionalDetails")?;
        Ok((data, additional))
    });
    let (data, additional) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let event_type = match json::string(seen.get("eventType")) {
        Ok(event_type) if !event_type.is_empty() && event_type.len() <= 256 => event_type,
        _ => return Reading::failed(Cause::MissingEventName, "eventType: expected a name, found none"),
    };
    let details = Details {
        compartments: if context.keep { compartments(seen.text) } else { Compartments::default() },
        namespace: json::text(additional.namespace, "data.additionalDetails.namespace", warnings),
        etag: json::etag(additional.etag, "data.additionalDetails.eTag", warnings),
        version_id: json::text(additional.version_id, "data.additionalDetails.versionId", warnings),
        event_name: Some(event_type.clone().into_owned()),
        event_id: json::mark(seen.get("eventID")),
        time: json::time(seen.get("eventTime"), "eventTime", warnings),
        ..Details::default()
    };
    let resource_id = json::text(data.resource_id, "data.resourceId", warnings);
    let bucket = json::text(additional.bucket_name, "data.additionalDetails.bucketName", warnings)
        .and_then(|name| Bucket::new(&name));
    let subject = subject(&event_type);
    let details = Details {
        namespace: details.namespace.or_else(|| Some(place_of(resource_id.as_deref()?)?.0.to_owned())),
        ..details
    };
    let bucket = match subject {
        // The resource of a bucket event is the bucket.
        Subject::Bucket => bucket.or_else(|| {
            json::text(data.resource_name, "data.resourceName", warnings).and_then(|n| Bucket::new(&n))
        }),
        // `bucketName` has been there in every event seen; the id says the same thing once more.
        _ => bucket.or_else(|| Bucket::new(place_of(resource_id.as_deref()?)?.1)),
    };
    let unreadable =
        |bucket, details, failure| Reading::Unreadable { bucket, details: Box::new(details), failure };
    let change = match subject {
        Subject::Object(change) => change,
        Subject::Bucket => return Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket, details }),
        Subject::Classic => {
            let detail = format!(
                "eventType: {event_type:?} is of Oracle's Classic service, expected {STORAGE}createobject or \
                 {STORAGE}updateobject; change the rule's event types"
            );
            return unreadable(bucket, details, Failure::new(Cause::ObsoleteEvent, detail));
        }
        Subject::Foreign => {
            warnings
                .push(format!("eventType: {event_type:?} is another service's; it says nothing of content"));
            return Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket, details });
        }
        Subject::Unknown => Change::Unknown,
    };
    // A bucket's event names the bucket as its resource, and no object.
    if change == Change::Unknown {
        let resource = json::string(data.resource_name).ok().filter(|name| !name.is_empty());
        let of_bucket = match (&resource_id, &resource, &bucket) {
            (Some(id), _, _) if id.contains("/o/") => false,
            (_, Some(resource), Some(bucket)) => resource == bucket.as_str(),
            (_, Some(_), None) => false,
            (_, None, _) => true,
        };
        if of_bucket || bucket.is_none() || resource.is_none() {
            let kind = if of_bucket { NoticeKind::Bucket } else { NoticeKind::Unknown };
            if of_bucket {
                warnings.push(format!("eventType: {event_type:?} is unknown; it names no object"));
            }
            return Reading::Notice(Notice { kind, bucket, details });
        }
    }
    let Some(bucket) = bucket else {
        let detail = "data.additionalDetails.bucketName: expected the name of a bucket, found none";
        return unreadable(None, details, Failure::new(Cause::MissingBucket, detail));
    };
    let encoding = FACTS.encoding(context.keys, Dialect::Oci);
    // Unproven for names with a space, `+` or `%`: no public sample has one. Two spellings of one name that differ
    // would be the first proof that one of them is encoded.
    let key = key::read(data.resource_name, "data.resourceName", |text| {
        if let Some(id) = &resource_id
            && !id.strip_suffix(text).is_some_and(|head| head.ends_with("/o/"))
        {
            let (id, name) = (line::clip(id, 120), line::clip(text, 120));
            warnings
                .push(format!("data.resourceId: expected it to end with \"/o/\" and {name:?}, found {id:?}"));
        }
        encoding
    });
    match key {
        Ok(key) => Reading::Object(ObjectEvent { bucket, key, change, details }),
        Err(failure) => unreadable(Some(bucket), details, failure),
    }
}

json::members! {
    struct Scopes {
        extensions = "extensions",
        data = "data",
    }
}

json::members! {
    struct Scope {
        compartment_id = "compartmentId",
    }
}

/// The compartments an event names as its own: the envelope reference has the id twice, once for the event and once for
/// the resource, and they have been equal in every event seen. They are unclear if one of the members involved stands there
/// twice.
fn compartments(raw: &str) -> Compartments {
    let read = || -> Result<Vec<String>, String> {
        let scopes: Scopes<'_> = json::object_in(raw, "the event")?;
        let mut compartments = Vec::new();
        for (scope, place) in [(scopes.extensions, "extensions"), (scopes.data, "data")] {
            let scope: Scope<'_> = json::object_or_empty(scope, place)?;
            compartments.extend(json::string(scope.compartment_id).ok().map(|id| id.into_owned()));
        }
        Ok(compartments)
    };
    read().map_or_else(Compartments::Unclear, Compartments::Named)
}

/// Namespace and bucket in `/n/<namespace>/b/<bucket>/o/<object>`.
fn place_of(resource_id: &str) -> Option<(&str, &str)> {
    let (namespace, rest) = resource_id.strip_prefix("/n/")?.split_once("/b/")?;
    let (bucket, _) = rest.split_once("/o/")?;
    (!namespace.is_empty()).then_some((namespace, bucket))
}
