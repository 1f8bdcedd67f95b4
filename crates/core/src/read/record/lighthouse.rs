//! Lighthouse, a store that nobody has: the smallest dialect there can be, and the test that a dialect is one file, one name
//! and one row. Everything that others must know of it is in this file.
//!
//! ```json
//! {"lighthouse": 1, "event": "stored", "bucket": "b", "object": "in%2Fa b.pdf", "bytes": 7, "write": "w-1"}
//! ```
//!
//! Older releases write the version into a header instead.

use crate::model::answers::Answers;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, ObjectEvent};
use crate::model::failure::Cause;
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Inside, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// Older releases say by it who is there, and in which format.
const VERSION: &str = "x-lighthouse-version";

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Percent),
    key_place: &["object"],
    unit: StorageType::Smb,
    looks_like: "an event with `lighthouse`",
    // It drops an event for good on any 4xx.
    answers: Answers { permanent: 503, ..Answers::DEFAULT },
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::Lighthouse,
    marks: &[Mark::Members(&[("lighthouse", Test::There)]), Mark::Header(VERSION, Test::Begins("0."))],
    // Nobody publishes it to a topic.
    lies_in: &[Inside::Nothing, Inside::Queue],
    misplaced: "an event of Lighthouse",
    either: "an event of Lighthouse",
    members: &["event", "bucket", "object", "bytes", "write"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let event = json::text(seen.get("event"), "event", &mut warnings);
    let change = match event.as_deref() {
        Some("stored") => Change::Created,
        Some("removed") => Change::Removed,
        Some("tagged") => Change::Other,
        _ => Change::Unknown,
    };
    let details = Details {
        event_name: event,
        size: json::size(seen.get("bytes"), "bytes", &mut warnings),
        event_id: json::mark(seen.get("write")),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucket"), "bucket", &mut warnings).and_then(|name| Bucket::new(&name));
    let encoding = FACTS.encoding(context.keys, Dialect::Lighthouse);
    let reading = match (bucket, key::read(seen.get("object"), "object", |_| encoding)) {
        (Some(bucket), Ok(key)) => Reading::Object(ObjectEvent { bucket, key, change, details }),
        (None, _) => {
            Reading::failed(Cause::MissingBucket, "bucket: expected the name of a bucket, found none")
        }
        (bucket, Err(failure)) => Reading::Unreadable { bucket, details: Box::new(details), failure },
    };
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Lighthouse), reading) }
}
