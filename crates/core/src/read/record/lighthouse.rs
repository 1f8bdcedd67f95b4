//! Lighthouse, a store that nobody has: the smallest dialect there can be, and the test that a dialect is one file, one name
//! and one row. Everything that others must know of it is in this file.
//!
//! ```json
//! {"lighthouse": 1, "event": "stored", "at": "2026-03-04T08:15:42Z", "bucket": "b", "object": "in%2Fa b.pdf",
//!  "bytes": 7, "etag": "\"0d73\"", "write": "w-1"}
//! ```
//!
//! Older releases write the version into a header instead.

use crate::model::answers::Answers;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details};
use crate::model::unit::StorageType;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::item::Item;
use crate::read::key;
use crate::read::row::{Context, Facts, Inside, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// A longer event name is none.
const MOST_NAME_BYTES: usize = 64;

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
    members: &["event", "at", "bucket", "object", "bytes", "etag", "write"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let event =
        json::text(seen.get("event"), "event", &mut warnings).filter(|name| name.len() <= MOST_NAME_BYTES);
    let change = match event.as_deref() {
        Some("stored") => Change::Created,
        Some("removed") => Change::Removed,
        Some("tagged") => Change::Other,
        _ => Change::Unknown,
    };
    let details = Details {
        event_name: event,
        time: json::time(seen.get("at"), "at", &mut warnings),
        etag: json::etag(seen.get("etag"), "etag", &mut warnings),
        size: json::size(seen.get("bytes"), "bytes", &mut warnings),
        event_id: json::mark(seen.get("write")),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucket"), "bucket", &mut warnings).and_then(|name| Bucket::new(&name));
    let encoding = FACTS.encoding(context.keys, Dialect::Lighthouse);
    let key = key::read(seen.get("object"), "object", |_| encoding);
    let reading = match details.event_name {
        None => ending::nameless("event", bucket, details),
        Some(_) => Ending { change, bucket, bucket_place: "bucket", key, spoken_of: true, details }.reading(),
    };
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Lighthouse), reading) }
}
