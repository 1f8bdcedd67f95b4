//! Backblaze B2 event notifications: a list of `events`, at most 50 a request.
//!
//! Shape: Backblaze, "Event Notifications Reference Guide"
//! (`backblaze.com/docs/cloud-storage-event-notifications-reference-guide`); members and test events as in
//! Backblaze/b2-sdk-java, `B2EventNotificationEvent`. `objectName` is the name as it is in every sample. That guide says of
//! `eventId` that it can be "a primary key when processing events".

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind};
use crate::plain::{json, line};
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// A longer type is none.
const MOST_TYPE_BYTES: usize = 128;

const FACTS: Facts = Facts {
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["objectName"],
    looks_like: "a list of `events` whose `eventType` begins with b2:",
    // "Backblaze B2 will retry the request if your endpoint does not return a 200 response within the time limit", which is three
    // seconds (the same guide). A rule can be suspended (`b2_set_bucket_notification_rules`, `isSuspended`); why is not documented. So
    // nothing that can never succeed is answered with a failure: whoever uploads could suspend the rule with it.
    answers: Answers { permanent: 200, ..Answers::DEFAULT },
    patience: Patience::seconds(3),
    ..Facts::BASE
};

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::B2,
    stands: Stands::InEvents,
    marks: &[Mark::Members(&[("eventType", Test::Begins(PREFIX))])],
    expected: "an `eventType` that begins with b2:",
    members: &["bucketName", "eventId", "eventTimestamp", "objectName", "objectSize", "objectVersionId"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

const PREFIX: &str = "b2:";

/// What a type says.
#[derive(Debug, PartialEq)]
enum Meaning {
    Change(Change),
    Test,
}

/// The guide's "Event Types". A hide marker hides the newest version, and is what a removal by the S3 API leaves. An upload with
/// Live Read that has begun becomes an `ObjectCreated` when it ends.
fn meaning(kind: &str) -> (Meaning, Option<String>) {
    let change = match kind.strip_prefix(PREFIX).unwrap_or(kind).split_once(':') {
        None if kind == "b2:TestEvent" => return (Meaning::Test, None),
        Some(("ObjectCreated", "Upload" | "MultipartUpload" | "Copy" | "Replica" | "MultipartReplica")) => {
            Change::Created
        }
        // "New event types may be added in the future."
        Some(("ObjectCreated", _)) => {
            let shown = line::clip(kind, 60);
            let known =
                format!("eventType: {shown:?} is an unknown member of ObjectCreated; taken as created");
            return (Meaning::Change(Change::Created), Some(known));
        }
        Some(
            ("ObjectDeleted", "Delete" | "LifecycleRule") | ("HideMarkerCreated", "Hide" | "LifecycleRule"),
        ) => Change::Removed,
        Some(("MultipartUploadCreated", "LiveRead")) => Change::Other,
        _ => Change::Unknown,
    };
    (Meaning::Change(change), None)
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::B2), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let place = context.place;
    let at = |member: &str| format!("{place}.{member}");
    let mut details = Details {
        size: json::size(seen.get("objectSize"), at("objectSize"), warnings),
        version_id: json::text(seen.get("objectVersionId"), at("objectVersionId"), warnings),
        time: json::unix_time(seen.get("eventTimestamp"), 1000, at("eventTimestamp"), warnings),
        event_id: json::mark(seen.get("eventId")),
        ..Details::default()
    };
    let bucket = json::text(seen.get("bucketName"), at("bucketName"), warnings);
    let bucket = bucket.and_then(|name| Bucket::new(&name));
    let kind = match json::string(seen.get("eventType")) {
        Ok(kind) if kind.len() <= MOST_TYPE_BYTES => kind.into_owned(),
        _ => return ending::nameless(at("eventType"), bucket, details),
    };
    let (meaning, warning) = meaning(&kind);
    warnings.extend(warning);
    details.event_name = Some(kind);
    let Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let encoding = FACTS.encoding(context.keys, Dialect::B2);
    let key = key::read(seen.get("objectName"), at("objectName"), |_| encoding);
    Ending { change, bucket, bucket_place: at("bucketName"), key, spoken_of: true, details }.reading()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (kind, want, warned) in [
            ("b2:ObjectCreated:Upload", Change::Created, false),
            ("b2:ObjectCreated:MultipartUpload", Change::Created, false),
            ("b2:ObjectCreated:Copy", Change::Created, false),
            ("b2:ObjectCreated:Replica", Change::Created, false),
            ("b2:ObjectCreated:MultipartReplica", Change::Created, false),
            ("b2:ObjectCreated:FromTheFuture", Change::Created, true),
            ("b2:ObjectDeleted:Delete", Change::Removed, false),
            ("b2:ObjectDeleted:LifecycleRule", Change::Removed, false),
            ("b2:HideMarkerCreated:Hide", Change::Removed, false),
            ("b2:HideMarkerCreated:LifecycleRule", Change::Removed, false),
            ("b2:MultipartUploadCreated:LiveRead", Change::Other, false),
            // Nobody's.
            ("b2:MultipartUploadCreated:Invented", Change::Unknown, false),
            ("b2:ObjectDeleted:Invented", Change::Unknown, false),
            ("b2:ObjectInvented:Upload", Change::Unknown, false),
            ("b2:ObjectCreated", Change::Unknown, false),
            ("b2:", Change::Unknown, false),
        ] {
            let (meaning, warning) = meaning(kind);
            assert_eq!((meaning, warning.is_some()), (Meaning::Change(want), warned), "{kind}");
        }
        assert_eq!(meaning("b2:TestEvent"), (Meaning::Test, None));
    }
}
