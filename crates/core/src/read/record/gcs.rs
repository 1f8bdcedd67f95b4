//! Google Cloud Storage, as Pub/Sub and Eventarc deliver its notifications.
//!
//! Shapes: Google, "Pub/Sub notifications for Cloud Storage" (`storage/docs/pubsub-notifications`: attributes, event types,
//! payload), "Receive messages by push subscription" (`pubsub/docs/push`), "Payload unwrapping" (`pubsub/docs/payload-unwrapping`),
//! googleapis/google-cloudevents `proto/google/events/cloud/storage/v1` (Eventarc), and
//! GoogleCloudPlatform/functions-framework-conformance `docs/mapping.md` (functions of the first generation).
//!
//! In all of them the object is described by its resource of the JSON API ("Objects", `storage/docs/json_api/v1/objects`), which is
//! the same after a creation and after a removal. What happened stands around it: in an attribute, a header, a type. Names are
//! written as they are: `objectId` and `name` in the samples are raw, and what is percent-encoded (`selfLink`, `mediaLink`,
//! perhaps `ce-subject`) is not read.

use crate::plain::checked::Checked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::model::answers::Answers;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind};
use crate::model::failure::{Cause, Failure};
use crate::model::unit::StorageType;
use crate::plain::json::NoText;
use crate::plain::{json, line};
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::kept::kept;
use crate::read::key;
use crate::read::row::{Called, Context, Envelope, Facts, Holds, Inside, Opened, Opening, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// A longer name of an event is none.
const MOST_NAME_BYTES: usize = 128;

/// Headers of an unwrapped push with `writeMetadata`: attributes under their own names, the rest behind `x-goog-pubsub-`. The
/// names of bucket and object stand there, too (`bucketId`, `objectId`), and are not read: how a name that no header can hold
/// is written there is not documented, and the body has both.
const MESSAGE_ID: &str = "x-goog-pubsub-message-id";
const ATTEMPT: &str = "x-goog-pubsub-delivery-attempt";
const EVENT_TYPE: &str = "eventtype";
const EVENT_TIME: &str = "eventtime";

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["name"],
    unit: StorageType::Google,
    // Pub/Sub knows no final status: whatever is not 102, 200, 201, 202 or 204 comes again, until the message expires or is moved
    // to the dead-letter topic ("Receive messages by push subscription", "Handle message failures").
    redelivers: true,
    looks_like: "a push of Pub/Sub or an event of Eventarc about an object of Cloud Storage",
    // To Pub/Sub and Eventarc every failure is alike. Cloud Run, before the relay, ends an instance that answers 5xx more than 20
    // times in a row ("Troubleshooting", editions of 2019 and 2020), and with it what the instance remembers. So there is none.
    answers: Answers { transient: 429, config: 429, key_unavailable: 429, ..Answers::DEFAULT },
    ..Facts::BASE
};

/// A push of Pub/Sub, or the same message as Eventarc and functions of the first generation hand it over.
pub(in crate::read) const PUSH: Row = Row {
    of: Dialect::Gcs,
    marks: &[
        Mark::Members(&[("message", OF_BUCKET)]),
        Mark::Members(&[("context", Test::Has("eventType", &Test::Is(PUBLISHED))), ("data", OF_BUCKET)]),
        Mark::Members(&[("eventType", Test::Is(PUBLISHED_EARLY)), ("data", OF_BUCKET)]),
    ],
    pinned: &[Mark::Members(&[("message", Test::Object)])],
    lies_in: &[Inside::Nothing, Inside::Event],
    either: "a push of Pub/Sub",
    members: &["deliveryAttempt", "data", "eventId"],
    facts: Some(&FACTS),
    read: Read::Event(push),
    ..Row::BASE
};

/// A message that Cloud Storage has published.
const OF_BUCKET: Test = Test::Has("attributes", &Test::Has("bucketId", &Test::There));
const PUBLISHED: &str = "google.pubsub.topic.publish";
const PUBLISHED_EARLY: &str = "providers/cloud.pubsub/eventTypes/topic.publish";

/// An unwrapped push without a payload. Its headers alone say anything, so they are asked before the body.
pub(in crate::read) const EMPTY: Row = Row {
    of: Dialect::Gcs,
    stands: Stands::Request,
    marks: &[Mark::Header(MESSAGE_ID, Test::There)],
    lies_in: &[Inside::Nothing],
    read: Read::Envelope(Envelope {
        open: empty,
        inside: Inside::Push,
        holds: Holds::Only(Dialect::Gcs),
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// What a function of the first generation gets, and what calls a background function: the event's type in `context`, or beside
/// the data.
pub(in crate::read) const FUNCTION: Row = Row {
    of: Dialect::Gcs,
    marks: &[
        Mark::Members(&[("context", Test::Has("eventType", &Test::Begins("google.storage.")))]),
        Mark::Members(&[("eventType", Test::Begins("google.storage."))]),
    ],
    either: "an event of Cloud Storage",
    members: &["data", "eventId", "timestamp"],
    read: Read::Event(function),
    ..Row::BASE
};

/// How the `kind` of an object's resource begins.
const OBJECT: &str = "storage#object";

/// An object's resource: the data of a CloudEvent, or the body of an unwrapped push.
pub(in crate::read) const RESOURCE: Row = Row {
    of: Dialect::Gcs,
    marks: &[
        Mark::Type(Test::Begins("google.cloud.storage.")),
        Mark::Members(&[("kind", Test::Begins(OBJECT))]),
    ],
    pinned: &[Mark::Members(&[("name", Test::There)])],
    either: "an object of Cloud Storage",
    headers: &[EVENT_TYPE, EVENT_TIME, ATTEMPT],
    read: Read::Event(resource),
    ..Row::BASE
};

/// What an event's type announces. The three spellings are those of notifications, of Eventarc and of the first generation.
///
/// Copying, rewriting, composing and restoring announce a creation of what they make, an upload that failed announces nothing. An
/// archived object is the same content under the same generation, no longer live; a deletion is also what an overwrite does to
/// the generation before (`overwrittenByGeneration`).
fn change(event_type: &str) -> Change {
    let name = event_type.to_ascii_lowercase();
    let short = name
        .strip_prefix("google.cloud.storage.object.v1.")
        .or_else(|| name.strip_prefix("google.storage.object."))
        .or_else(|| name.strip_prefix("object_"));
    match short {
        Some("finalize" | "finalized") => Change::Created,
        Some("delete" | "deleted" | "archive" | "archived") => Change::Removed,
        Some("metadata_update" | "metadataupdate" | "metadataupdated") => Change::Other,
        _ => Change::Unknown,
    }
}

json::members! {
    struct Message {
        attributes = "attributes",
        data = "data",
        message_id = "messageId",
    }
}

json::members! {
    struct Attributes {
        event_type = "eventType",
        event_time = "eventTime",
        bucket_id = "bucketId",
        object_id = "objectId",
        generation = "objectGeneration",
    }
}

json::members! {
    struct FunctionContext {
        event_type = "eventType",
        event_id = "eventId",
        timestamp = "timestamp",
    }
}

json::members! {
    /// An object as the JSON API describes it. What its uploader has chosen (`metadata`, `contentType`) is not read.
    struct Resource {
        name = "name",
        bucket = "bucket",
        generation = "generation",
        size = "size",
        etag = "etag",
        updated = "updated",
        kind = "kind",
    }
}

/// What stands around a resource.
struct Around<'a> {
    /// The type of the event, and where it stands.
    event_type: Option<String>,
    type_place: &'a str,
    time: Option<Timestamp>,
    /// Its own id. That is the id of one message: the same change, published again, has another one.
    id: Option<String>,
    /// The names of bucket, object and generation, where they stand beside the resource, too, and where that is.
    names: Attributes<'a>,
    names_place: Option<&'a str>,
}

/// Reads a message of Pub/Sub.
fn push(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    // A function of the first generation has the message in `data`.
    let (message, place) = match seen.get("message") {
        Some(message) => (Some(message), "message"),
        None => (seen.get("data"), "data"),
    };
    let names_place = format!("{place}.attributes");
    let both = json::object_or_empty::<Message<'_>>(message, place).and_then(|message| {
        Ok((json::object_or_empty::<Attributes<'_>>(message.attributes, &names_place)?, message))
    });
    let (names, message) = match both {
        Ok(both) => both,
        Err(detail) => return item(Reading::failed(Cause::Unreadable, detail), warnings),
    };
    warnings.extend(repeated(seen.get("deliveryAttempt").map(Checked::get)));
    let type_place = format!("{names_place}.eventType");
    let around = Around {
        event_type: json::text(names.event_type, &type_place, &mut warnings),
        type_place: &type_place,
        time: json::time(names.event_time, format!("{names_place}.eventTime"), &mut warnings),
        id: json::mark(message.message_id).or_else(|| json::mark(seen.get("eventId"))),
        names,
        names_place: Some(&names_place),
    };
    let place = format!("{place}.data");
    // With the payload format NONE there is none, and the emulator writes that as an empty text.
    let payload = match json::string(message.data) {
        Ok(data) => STANDARD.decode(data.as_bytes()).map_err(|e| format!("expected base64: {e}")),
        Err(NoText::Absent) => Ok(Vec::new()),
        Err(problem) => Err(format!("expected base64, found {}", problem.found())),
    };
    let payload = payload.and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()));
    let payload = payload.unwrap_or_else(|problem| {
        warnings.push(format!("{place}: {problem}; read as absent"));
        String::new()
    });
    read(&around, &payload, &place, context, warnings)
}

/// Reads an event of a function of the first generation.
fn function(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let outer = match json::object_or_empty::<FunctionContext<'_>>(seen.get("context"), "context") {
        Ok(outer) => outer,
        Err(detail) => return item(Reading::failed(Cause::Unreadable, detail), warnings),
    };
    let place = if outer.event_type.is_some() { "context.eventType" } else { "eventType" };
    let event_type = outer.event_type.or_else(|| seen.get("eventType"));
    let time = outer.timestamp.or_else(|| seen.get("timestamp"));
    let around = Around {
        event_type: json::text(event_type, place, &mut warnings),
        type_place: place,
        time: json::time(time, "timestamp", &mut warnings),
        id: json::mark(outer.event_id).or_else(|| json::mark(seen.get("eventId"))),
        names: Attributes::default(),
        names_place: None,
    };
    read(&around, seen.get("data").map_or("", Checked::get), "data", context, warnings)
}

/// Reads an object's resource that is all there is, but for headers: those of a CloudEvent, or of an unwrapped push.
fn resource(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let header = |name| context.around.request.and_then(|request| request.header(name));
    let mut around = Around {
        event_type: header(EVENT_TYPE).map(str::to_owned),
        type_place: "the header eventType (a push has it with writeMetadata alone)",
        time: header(EVENT_TIME).and_then(|time| time.parse().ok()),
        id: header(MESSAGE_ID).map(str::to_owned),
        names: Attributes::default(),
        names_place: None,
    };
    warnings.extend(repeated(header(ATTEMPT)));
    if let Some(event) = context.around.event {
        around.event_type = Some(event.kind.clone().into_owned());
        around.type_place = "type";
        around.time = event.time.as_ref().and_then(|time| time.parse().ok());
        around.id = event.id.as_deref().map(str::to_owned);
    }
    read(&around, seen.text, "", context, warnings)
}

/// Opens an unwrapped push whose body is empty.
fn empty<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let request = opening.delivery;
    if !request.body.trim_ascii().is_empty() {
        return Opened::Pass;
    }
    let event_type = request.header(EVENT_TYPE).filter(|name| name.len() <= MOST_NAME_BYTES);
    let details = Details { event_name: event_type.map(str::to_owned), ..Details::default() };
    let reading = match event_type.map_or(Change::Unknown, change) {
        Change::Removed | Change::Other => {
            Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket: None, details })
        }
        Change::Created | Change::Listed | Change::Unknown => {
            let detail = "the body is empty: an unwrapped push without a payload names its object in a header alone, and how a \
                          name is encoded there is not documented; give the notification the payload format json, or the \
                          subscription a wrapper";
            ending::unreadable(None, details, Failure::new(Cause::MissingKey, detail))
        }
    };
    Opened::notice(Dialect::Gcs, reading, None, None)
}

/// Reads an event: what stands around the resource, and the resource, which is the JSON at `place`.
fn read(
    around: &Around<'_>,
    text: &str,
    place: &str,
    context: &Context<'_>,
    mut warnings: Vec<String>,
) -> Item {
    let names = &around.names;
    let at = |member: &str| if place.is_empty() { member.to_owned() } else { format!("{place}.{member}") };
    let seen = match text {
        "" => Ok(Resource::default()),
        text => json::object_in::<Resource<'_>>(text, if place.is_empty() { "the body" } else { place }),
    };
    let mut seen = match seen {
        // What the attributes say is enough: a payload that is none costs the size, and not the object.
        Err(detail) if names.object_id.is_some() => {
            warnings.push(format!("{detail}; read as absent"));
            Resource::default()
        }
        Err(detail) => return item(Reading::failed(Cause::Unreadable, detail), warnings),
        Ok(seen) => seen,
    };
    // The attributes are what Cloud Storage has published about; whatever tells of another object says nothing of this one.
    for (outside, inside, member) in
        [(names.bucket_id, seen.bucket, "bucket"), (names.object_id, seen.name, "name")]
    {
        let (Ok(outside), Ok(inside)) = (json::string(outside), json::string(inside)) else { continue };
        if outside != inside {
            let (outside, inside) = (line::clip(&outside, 80), line::clip(&inside, 80));
            warnings.push(format!(
                "{}: expected {outside:?} as in the attributes, found {inside:?}; the attributes alone are read",
                at(member)
            ));
            seen = Resource::default();
        }
    }
    let (bucket, bucket_place) = match (around.names_place, names.bucket_id.or(seen.bucket)) {
        (Some(place), bucket) if names.bucket_id.is_some() || bucket.is_none() => {
            (bucket, format!("{place}.bucketId"))
        }
        (_, bucket) => (bucket, at("bucket")),
    };
    let (key, key_place) = match (around.names_place, names.object_id.or(seen.name)) {
        (Some(place), key) if names.object_id.is_some() || key.is_none() => {
            (key, format!("{place}.objectId"))
        }
        (_, key) => (key, at("name")),
    };
    let generation = names.generation.or(seen.generation);
    let version_id = json::text(generation, at("generation"), &mut warnings);
    let details = Details {
        event_name: around.event_type.clone().filter(|name| name.len() <= MOST_NAME_BYTES),
        size: json::size(seen.size, at("size"), &mut warnings),
        etag: json::etag(seen.etag, at("etag"), &mut warnings),
        time: around.time.or_else(|| json::time(seen.updated, at("updated"), &mut warnings)),
        // Each write of content has a generation of its own, and what is published again about it has the same one. With the id of
        // the message beside it they would be two.
        event_id: around.id.clone().filter(|_| version_id.is_none()),
        version_id,
        ..Details::default()
    };
    let bucket = json::text(bucket, &bucket_place, &mut warnings).and_then(|name| Bucket::new(&name));
    let encoding = FACTS.encoding(context.keys, Dialect::Gcs);
    let key = key::read(key, key_place, |_| encoding);
    let kind = json::string(seen.kind).unwrap_or_default();
    let reading = match details.event_name.as_deref().map(change) {
        None => ending::nameless(around.type_place, bucket, details),
        // A folder, managed or of a hierarchy, has no content.
        Some(_) if kind.starts_with("storage#") && !kind.starts_with(OBJECT) => {
            Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket, details })
        }
        Some(change) => Ending { change, bucket, bucket_place, key, spoken_of: true, details }.reading(),
    };
    let mut item = item(reading, warnings);
    if context.keep && seen.name.is_some() {
        // A condition sees the resource, in whatever it came.
        item.raw = Checked::read(text).ok().map(|sent| kept(&item, sent, FACTS.key_place, &[]));
    }
    item
}

fn item(reading: Reading, warnings: Vec<String>) -> Item {
    Item { warnings, ..Item::new(String::new(), Some(Dialect::Gcs), reading) }
}

/// The sentence about a message that was delivered before. Only with a dead-letter topic does Pub/Sub count.
fn repeated(attempt: Option<&str>) -> Option<String> {
    let attempt = attempt?.parse::<u32>().ok().filter(|attempt| *attempt > 1)?;
    Some(format!("Pub/Sub delivers this message again; this is attempt {attempt}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_in_each_spelling() {
        for (names, want) in [
            (
                [
                    "OBJECT_FINALIZE",
                    "google.cloud.storage.object.v1.finalized",
                    "google.storage.object.finalize",
                ],
                Change::Created,
            ),
            (
                ["OBJECT_DELETE", "google.cloud.storage.object.v1.deleted", "google.storage.object.delete"],
                Change::Removed,
            ),
            (
                [
                    "OBJECT_ARCHIVE",
                    "google.cloud.storage.object.v1.archived",
                    "google.storage.object.archive",
                ],
                Change::Removed,
            ),
            (
                [
                    "OBJECT_METADATA_UPDATE",
                    "google.cloud.storage.object.v1.metadataUpdated",
                    "google.storage.object.metadataUpdate",
                ],
                Change::Other,
            ),
            (
                ["OBJECT_CONTEXT_UPDATE", "google.cloud.storage.object.v2.finalized", "finalize"],
                Change::Unknown,
            ),
        ] {
            for name in names {
                assert_eq!(change(name), want, "{name}");
            }
        }
    }

    #[test]
    fn only_a_repeated_delivery_is_spoken_of() {
        for (attempt, said) in [(None, false), (Some("1"), false), (Some("4"), true), (Some("\"4\""), false)]
        {
            assert_eq!(repeated(attempt).is_some(), said, "{attempt:?}");
        }
    }
}
