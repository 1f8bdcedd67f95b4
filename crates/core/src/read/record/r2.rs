//! Cloudflare R2 event notifications: a message of a queue for each change. A Worker that reads the queue posts them, or somebody
//! pulls them over HTTP ([`crate::read::envelope::r2_pull`]).
//!
//! Shape: cloudflare/cloudflare-docs, `src/content/docs/r2/buckets/event-notifications.mdx` ("Message format"). `size` and `eTag` are
//! "not present for object-delete events". How keys are written is not documented; the samples look as they are. An inference:
//! `RELAY_KEYS_R2` overrides.
//!
//! Nothing in an event tells one write from the next. A queue gives each message an id, the same on each attempt (seen with
//! wrangler 4.164), so the Worker posts it as `X-Message-Id`.

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// A longer action is none.
const MOST_ACTION_BYTES: usize = 128;

/// The id of the queue's message.
const MESSAGE_ID: &str = "x-message-id";

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["object", "key"],
    looks_like: "an event with `account`, `action`, `bucket` and `object`",
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::R2,
    marks: &[Mark::Members(&[
        ("action", Test::There),
        ("account", Test::There),
        ("bucket", Test::There),
        ("object", Test::There),
    ])],
    either: "an event of R2",
    expected: "`account`, `action`, `bucket` and `object`",
    members: &["eventTime"],
    headers: &[MESSAGE_ID],
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

/// What an action announces: the lists of `object-create` and `object-delete`.
fn change(action: &str) -> Change {
    match action {
        "PutObject" | "CopyObject" | "CompleteMultipartUpload" => Change::Created,
        "DeleteObject" | "LifecycleDeletion" => Change::Removed,
        _ => Change::Unknown,
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::R2), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let object = match json::object_or_empty::<ObjectWire<'_>>(seen.get("object"), "object") {
        Ok(object) => object,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let message_id = context.around.request.and_then(|request| request.header(MESSAGE_ID));
    let mut details = Details {
        size: json::size(object.size, "object.size", warnings),
        etag: json::etag(object.etag, "object.eTag", warnings),
        time: json::time(seen.get("eventTime"), "eventTime", warnings),
        event_id: message_id.filter(|id| !id.is_empty()).map(str::to_owned),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucket"), "bucket", warnings).and_then(|name| Bucket::new(&name));
    let change = match json::string(seen.get("action")) {
        Ok(action) if !action.is_empty() && action.len() <= MOST_ACTION_BYTES => {
            let change = change(&action);
            details.event_name = Some(action.into_owned());
            change
        }
        _ => return ending::nameless("action", bucket, details),
    };
    let encoding = FACTS.encoding(context.keys, Dialect::R2);
    let key = key::read(object.key, "object.key", |_| encoding);
    Ending { change, bucket, bucket_place: "bucket", key, spoken_of: true, details }.reading()
}
