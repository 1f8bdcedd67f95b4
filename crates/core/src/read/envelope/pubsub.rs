//! Google Cloud Pub/Sub's push, as the envelope in which Storj's notifications come.
//!
//! Shape: Google, "Push subscriptions" (`cloud.google.com/pubsub/docs/push`); that Storj publishes there: Storj, "Bucket Event
//! Notifications". Google's own storage publishes there, too, with `bucketId` among the attributes: that is `record/gcs.rs`. Eventarc hands the
//! same message on as the data of a CloudEvent.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::dialect::Dialect;
use crate::plain::json;
use crate::read::row::{Called, Envelope, Holds, Inside, Opened, Opening, Read, Row, Sent};
use crate::read::seen::{Mark, Seen, Test};

json::members! {
    struct Message {
        data = "data",
        message_id = "messageId",
    }
}

pub(in crate::read) const PUSH: Row = Row {
    of: Dialect::S3Compatible,
    marks: &[Mark::Members(&[("subscription", Test::There), ("message", Test::Object)])],
    lies_in: &[Inside::Nothing, Inside::Event],
    either: "a push of Pub/Sub",
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Push,
        holds: Holds::AsPinned,
        called: Called::Inner,
    }),
    ..Row::BASE
};

/// Opens a push.
fn open<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let message: Message<'a> = match json::object_or_empty(seen.get("message"), "message") {
        Ok(message) => message,
        Err(detail) => return Opened::Unreadable(detail),
    };
    let data = json::string(message.data)
        .map_err(|problem| format!("expected base64, found {}", problem.found()))
        .and_then(|data| STANDARD.decode(data.as_bytes()).map_err(|e| format!("expected base64: {e}")));
    Opened::letter(
        json::string(message.message_id).ok(),
        "message.data",
        data.map(|data| Sent::Bytes(Cow::Owned(data))).map_err(|detail| format!("message.data: {detail}")),
    )
}
