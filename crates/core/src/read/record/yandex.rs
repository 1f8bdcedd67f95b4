//! Yandex Object Storage, as a trigger hands its events on: a list of `messages`, in which timers and queues write, too.
//!
//! Shapes: yandex-cloud/docs, `en/_includes/functions/os-format.md` (storage), `timer-format.md`, and "Trigger for Message Queue". An event
//! tells neither size nor ETag. `ObjectUpdate` is the edit of an object's ACL (`en/_includes/functions/os-event.md`), so it is no
//! content; that an overwrite is an `ObjectCreate` is an inference from that list, which has no other event for it.

use crate::plain::checked::Checked;

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::event_name;
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{
    Called, Context, Envelope, Facts, Holds, Inside, Opened, Opening, Read, Row, Sent, Stands,
};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts {
    // No page says it; the published samples have names that need no encoding. An inference: RELAY_KEYS_YANDEX overrides.
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["details", "object_id"],
    looks_like: "a list of `messages` with `event_metadata`",
    // A container is called once, or up to five times if the trigger says so, and what was not taken then goes to the dead-letter
    // queue, or is deleted (yandex-cloud/docs, `en/serverless-containers/concepts/dlq.md`). Which statuses count as taken is not
    // documented; a 5xx is none. So even what never can succeed gets one: the queue keeps it.
    answers: Answers { permanent: 500, ..Answers::FINAL_4XX },
    patience: Patience { waits: None, repeats: false },
    ..Facts::BASE
};

const STORAGE: &str = "yandex.cloud.events.storage.";

/// A change of an object.
pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::Yandex,
    stands: Stands::InMessages,
    marks: &[Mark::Members(&[("event_metadata", Test::Has("event_type", &Test::Begins(STORAGE)))])],
    expected: "an event of Yandex Object Storage",
    members: &["details"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

/// A timer that calls the same container.
pub(in crate::read) const TIMER: Row = Row {
    marks: &[Mark::Members(&[(
        "event_metadata",
        Test::Has("event_type", &Test::Begins("yandex.cloud.events.serverless.triggers.Timer")),
    )])],
    expected: "",
    members: &[],
    facts: None,
    read: Read::Notice(timer),
    ..EVENT
};

/// A queue's message. Whoever wrote into the queue decides what it is: the dead letters of a trigger for a store are whole calls.
pub(in crate::read) const QUEUE: Row = Row {
    marks: &[Mark::Members(&[(
        "event_metadata",
        Test::Has("event_type", &Test::Is("yandex.cloud.events.messagequeue.QueueMessage")),
    )])],
    lies_in: &[Inside::Nothing],
    misplaced: "a queue message",
    expected: "",
    facts: None,
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Queue,
        holds: Holds::Anything,
        called: Called::Itself,
    }),
    ..EVENT
};

json::members! {
    struct Metadata {
        event_id = "event_id",
        event_type = "event_type",
        created_at = "created_at",
    }
}

json::members! {
    struct Object {
        bucket = "bucket_id",
        key = "object_id",
    }
}

json::members! {
    struct Queue {
        message = "message",
    }
}

json::members! {
    struct Message {
        id = "message_id",
        body = "body",
    }
}

fn metadata<'a>(
    raw: Option<Checked<'a>>,
    place: &str,
    warnings: &mut Vec<String>,
) -> Result<Details, String> {
    let metadata: Metadata<'a> = json::object_or_empty(raw, format_args!("{place}.event_metadata"))?;
    let name = json::string(metadata.event_type).ok().filter(|name| name.len() <= event_name::MOST_BYTES);
    Ok(Details {
        event_name: name.map(Into::into),
        time: json::time(metadata.created_at, format_args!("{place}.event_metadata.created_at"), warnings),
        event_id: json::mark(metadata.event_id),
        ..Details::default()
    })
}

fn change(kind: &str) -> Change {
    match kind {
        "ObjectCreate" => Change::Created,
        "ObjectDelete" => Change::Removed,
        "ObjectUpdate" => Change::Other,
        _ => Change::Unknown,
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Yandex), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let place = context.place;
    let members = metadata(seen.get("event_metadata"), place, warnings).and_then(|details| {
        let object: Object<'_> = json::object_or_empty(seen.get("details"), format_args!("{place}.details"))?;
        Ok((details, object))
    });
    let (details, object) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let bucket_place = format!("{place}.details.bucket_id");
    let bucket = json::text(object.bucket, &bucket_place, warnings).and_then(|name| Bucket::new(&name));
    let Some(name) = &details.event_name else {
        return ending::nameless(format_args!("{place}.event_metadata.event_type"), bucket, details);
    };
    let change = change(name.strip_prefix(STORAGE).unwrap_or(name));
    let encoding = FACTS.encoding(context.keys, Dialect::Yandex);
    let key = key::read(object.key, format_args!("{place}.details.object_id"), |_| encoding);
    Ending { change, bucket, bucket_place, key, spoken_of: true, details }.reading()
}

fn timer(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = vec!["a timer calls; there is nothing to scan for it".to_owned()];
    let details = metadata(seen.get("event_metadata"), context.place, &mut warnings).unwrap_or_default();
    let notice = Notice { kind: NoticeKind::Bucket, bucket: None, details };
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Yandex), Reading::Notice(notice)) }
}

fn open<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let place = format!("{}.details.message", opening.place);
    let message = json::object_or_empty::<Queue<'a>>(seen.get("details"), &place)
        .and_then(|queue| json::object_or_empty::<Message<'a>>(queue.message, &place));
    let message = match message {
        Ok(message) => message,
        Err(detail) => return Opened::Unreadable(detail),
    };
    let place = format!("{place}.body");
    let text = json::string(message.body)
        .map(Sent::Text)
        .map_err(|problem| format!("{place}: expected a string, found {}", problem.found()));
    Opened::letter(json::string(message.id).ok(), place, text)
}
