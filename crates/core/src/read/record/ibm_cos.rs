//! IBM Cloud Object Storage, through the event producer of Code Engine: a binary CloudEvent for each change.
//!
//! Shape: ibm-cloud-docs/codeengine, `subscription-cos.md` ("header and body information for events delivered to applications"). A job gets
//! the same body in the variable `CE_DATA`. `object_length` is a text; `object_etag` is missing now and then, and where an object was
//! removed. Keys are as they are: IBM's own flow logs are objects whose names hold `crn%3Av1%3A…`, and decoding one gives the name of no
//! object.
//!
//! The body has the last word on the object: the documentation says of no encoding in which `ce-subject` repeats its name.

use std::borrow::Cow;

use crate::model::answers::Patience;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::Cause;
use crate::plain::{json, line};
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// A longer name of an event is none.
const MOST_NAME_BYTES: usize = 128;

const TYPES: &str = "com.ibm.cloud.cos.";

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["key"],
    looks_like: "an event with `notification` and `operation`",
    // Nothing is published about a second attempt, and Knative, which posts here, makes one only where a subscription asks for it.
    patience: Patience { waits: None, repeats: false },
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::IbmCos,
    marks: &[
        Mark::Type(Test::Begins(TYPES)),
        Mark::Members(&[("notification", Test::There), ("operation", Test::There)]),
    ],
    either: "an event of IBM Cloud Object Storage",
    expected: "`notification` and `operation`",
    members: &["bucket", "key", "notification", "operation"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct Notification {
        bucket = "bucket_name",
        etag = "object_etag",
        length = "object_length",
        name = "object_name",
        request_id = "request_id",
        time = "request_time",
    }
}

/// What an operation announces, or the type of the CloudEvent around it: "When a create or update for an event occurs, a `write` action is
/// used".
fn change(name: &str) -> Change {
    match name {
        "Object:Write" | "com.ibm.cloud.cos.document.write" => Change::Created,
        "Object:Delete" | "com.ibm.cloud.cos.document.delete" => Change::Removed,
        _ => Change::Unknown,
    }
}

/// What both say together. Where one says that there may be new content, there may be.
fn agreed(operation: Option<&str>, kind: Option<&str>, warnings: &mut Vec<String>) -> Change {
    let said: Vec<_> = [operation, kind].into_iter().flatten().map(change).collect();
    let agreed = match said.as_slice() {
        all if all.contains(&Change::Created) => Change::Created,
        all if all.iter().all(|change| *change == Change::Removed) => Change::Removed,
        _ => Change::Unknown,
    };
    if let [one, other] = said.as_slice()
        && one != other
    {
        let (operation, kind) = (operation.unwrap_or_default(), kind.unwrap_or_default());
        warnings.push(format!(
            "operation: {:?} beside an event of the type {:?}; new content if either says so",
            line::clip(operation, 60),
            line::clip(kind, 60)
        ));
    }
    agreed
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::IbmCos), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let notification = seen.get("notification");
    let notification = match json::object_or_empty::<Notification<'_>>(notification, "notification") {
        Ok(notification) => notification,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let event = context.around.event;
    let mut details = Details {
        size: json::size(notification.length, "notification.object_length", warnings),
        etag: json::etag(notification.etag, "notification.object_etag", warnings),
        time: json::time(notification.time, "notification.request_time", warnings)
            .or_else(|| event?.time.as_deref()?.parse().ok()),
        // "A unique identifier for the event, unless an event is replayed, in which case, it is assigned the same ID."
        event_id: event.and_then(|event| event.id.as_deref()).map(str::to_owned),
        request_id: json::mark(notification.request_id),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucket"), "bucket", warnings)
        .or_else(|| json::text(notification.bucket, "notification.bucket_name", warnings));
    let bucket = bucket.and_then(|name| Bucket::new(&name));
    let usable = |name: &Cow<'_, str>| !name.is_empty() && name.len() <= MOST_NAME_BYTES;
    let operation = json::string(seen.get("operation")).ok().filter(usable);
    let kind = event.map(|event| Cow::Borrowed(&*event.kind)).filter(usable);
    let Some(name) = operation.clone().or_else(|| kind.clone()) else {
        return ending::nameless("operation", bucket, details);
    };
    details.event_name = Some(name.into_owned());
    let change = agreed(operation.as_deref(), kind.as_deref(), warnings);
    let named = json::string(notification.name).ok();
    let encoding = FACTS.encoding(context.keys, Dialect::IbmCos);
    let key = key::read(seen.get("key"), "key", |text| {
        if let Some(named) = named.filter(|named| named != text) {
            let shown = line::clip(&named, 100);
            warnings.push(format!(
                "notification.object_name: {shown:?} is another name than `key`, which is taken"
            ));
        }
        encoding
    });
    Ending { change, bucket, bucket_place: "bucket", key, spoken_of: true, details }.reading()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_new_content_is() {
        const WRITE: Option<&str> = Some("com.ibm.cloud.cos.document.write");
        const DELETE: Option<&str> = Some("com.ibm.cloud.cos.document.delete");
        for (operation, kind, want, warned) in [
            (Some("Object:Write"), WRITE, Change::Created, false),
            (Some("Object:Delete"), DELETE, Change::Removed, false),
            (Some("Object:Write"), None, Change::Created, false),
            (None, DELETE, Change::Removed, false),
            (Some("Object:Write"), DELETE, Change::Created, true),
            (Some("Object:Delete"), WRITE, Change::Created, true),
            (Some("Object:Invented"), WRITE, Change::Created, true),
            (Some("Object:Invented"), DELETE, Change::Unknown, true),
            (Some("Object:Delete"), Some("com.ibm.cloud.cos.bucket.invented"), Change::Unknown, true),
            (Some("Object:Invented"), None, Change::Unknown, false),
        ] {
            let mut warnings = Vec::new();
            assert_eq!(agreed(operation, kind, &mut warnings), want, "{operation:?} {kind:?}");
            assert_eq!(!warnings.is_empty(), warned, "{operation:?} {kind:?}: {warnings:?}");
        }
    }
}
