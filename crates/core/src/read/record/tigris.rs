//! Tigris object notifications: a list of `events`.
//!
//! Shape: tigrisdata/tigris-os-docs, `docs/buckets/object-notifications.md`. How keys are written is not documented; the samples look
//! as they are. An inference: `RELAY_KEYS_TIGRIS` overrides. An event has no id and nothing else that tells one write from the next,
//! so an event that comes twice is sent twice.

use crate::model::answers::Patience;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::Cause;
use crate::plain::{json, line};
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// A longer event name is none.
const MOST_NAME_BYTES: usize = 128;

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["object", "key"],
    looks_like: "a list of `events` with an `eventSource` of tigris",
    // "If a 200 status is not received, Tigris will retry for a maximum of 3 times before giving up and marking the notifications
    // as sent" (the same page): every failure is alike to it, and the usual ones are right. It waits ten seconds.
    patience: Patience::seconds(10),
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::Tigris,
    stands: Stands::InEvents,
    marks: &[Mark::Members(&[("eventSource", Test::IsLike("tigris"))])],
    expected: "an `eventSource` of tigris",
    members: &["eventName", "eventTime", "bucket", "object"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        etag = "eTag",
    }
}

/// The page's "Notification Types", and what it says of them: "More events will be supported in the future". `OBJECT_CREATED_PUT` is
/// an overwrite as well.
fn change(name: &str) -> (Change, Option<String>) {
    match name {
        "OBJECT_CREATED_PUT" => (Change::Created, None),
        "OBJECT_DELETED" => (Change::Removed, None),
        _ if name.starts_with("OBJECT_CREATED_") => {
            let shown = line::clip(name, 60);
            let known =
                format!("eventName: {shown:?} is an unknown member of OBJECT_CREATED; taken as created");
            (Change::Created, Some(known))
        }
        _ => (Change::Unknown, None),
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Tigris), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let place = context.place;
    let at = |member: &str| format!("{place}.{member}");
    let object = match json::object_or_empty::<ObjectWire<'_>>(seen.get("object"), at("object")) {
        Ok(object) => object,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let mut details = Details {
        size: json::size(object.size, at("object.size"), warnings),
        etag: json::etag(object.etag, at("object.eTag"), warnings),
        time: json::time(seen.get("eventTime"), at("eventTime"), warnings),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucket"), at("bucket"), warnings).and_then(|name| Bucket::new(&name));
    let name = match json::string(seen.get("eventName")) {
        Ok(name) if !name.is_empty() && name.len() <= MOST_NAME_BYTES => name.into_owned(),
        _ => return ending::nameless(at("eventName"), bucket, details),
    };
    let (change, warning) = change(&name);
    warnings.extend(warning);
    details.event_name = Some(name);
    let encoding = FACTS.encoding(context.keys, Dialect::Tigris);
    let key = key::read(object.key, at("object.key"), |_| encoding);
    Ending { change, bucket, bucket_place: at("bucket"), key, spoken_of: true, details }.reading()
}
