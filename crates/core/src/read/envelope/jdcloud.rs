//! JD Cloud Object Storage callbacks over HTTP.
//!
//! The record is S3-shaped (see [`super::s3`]); JD's own are the header that tells what a request is, the handshake, and
//! the parameters an uploader may add. Sources: JD Cloud "Callback Notification" (Object Storage Service, Manage Bucket)
//! and "Setting Signature Authentication For Callback Server".

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::failure::Cause;
use crate::plain::text::Text;
use crate::plain::{json, line};
use crate::read::item::{Reading, Reply};
use crate::read::row::{Called, Envelope, Facts, Holds, Inside, Opened, Opening, Read, Row, Sent, Stands};
use crate::read::seen::{Mark, Seen, Test};

const MESSAGE_TYPE: &str = "x-jdcloud-message-type";

/// The documented test message is a short text. The answer echoes what a stranger chose, so it is kept small.
const MOST_HANDSHAKE_BYTES: usize = 16 * 1024;

// Undocumented; JD's own function samples use the key as it is. An inference: RELAY_KEYS_JDCLOUD overrides.
const FACTS: Facts = Facts { keys: Some(KeyEncoding::Verbatim), ..Facts::BASE };

/// A request whose header says what it is for.
pub(in crate::read) const REQUEST: Row = Row {
    of: Dialect::JdCloud,
    stands: Stands::Request,
    marks: &[Mark::Header(MESSAGE_TYPE, Test::There)],
    headers: &[MESSAGE_TYPE],
    facts: Some(&FACTS),
    read: Read::Envelope(Envelope {
        open: by_header,
        inside: Inside::Nothing,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// The notification service's other format, which its media processing documents; the object storage documents the simple
/// one and has no setting for it.
pub(in crate::read) const ENVELOPE: Row = Row {
    of: Dialect::JdCloud,
    marks: &[Mark::Members(&[
        ("topicOwner", Test::There),
        ("subscriptionName", Test::There),
        ("message", Test::There),
    ])],
    lies_in: &[Inside::Nothing],
    misplaced: "an envelope of JD Cloud's",
    either: "JD Cloud's envelope",
    members: &["messageId"],
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Topic,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// What the message-type header decides; the body may.
fn by_header<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let body = &opening.delivery.body;
    let kind = opening.delivery.header(MESSAGE_TYPE).unwrap_or_default();
    // The page says "SubscriptionConfiguration" and its sample code "SubscriptionConfirmation"; the media-processing page
    // of the same notification service has the second in prose and code. Nobody knows which is sent: both are taken.
    if kind.eq_ignore_ascii_case("SubscriptionConfirmation")
        || kind.eq_ignore_ascii_case("SubscriptionConfiguration")
    {
        let echoed = match message(body) {
            Some(message) => message.into_bytes(),
            None => body.clone(),
        };
        let names_objects = |body: &[u8]| (opening.names_objects)(body, Dialect::JdCloud);
        return if names_objects(body) || names_objects(&echoed) { Opened::Pass } else { handshake(&echoed) };
    }
    if kind.eq_ignore_ascii_case("Notification") {
        return Opened::Pass;
    }
    let detail = format!(
        "header {MESSAGE_TYPE}: expected SubscriptionConfirmation, SubscriptionConfiguration or Notification, found {:?}",
        line::clip(kind, 60)
    );
    Opened::notice(Dialect::JdCloud, Reading::failed(Cause::Unreadable, detail), None, None)
}

json::members! {
    struct Message {
        topic_owner = "topicOwner",
        subscription_name = "subscriptionName",
        message = "message",
    }
}

/// The message in an envelope, for a handshake; `None` if the body is none.
fn message(body: &[u8]) -> Option<String> {
    let text = Text::of(body).text;
    let envelope: Message<'_> = json::object_in(&text, "").ok()?;
    (envelope.topic_owner.is_some() && envelope.subscription_name.is_some()).then_some(())?;
    json::string(envelope.message).ok().map(Cow::into_owned)
}

/// Opens an envelope.
fn open<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let id = json::string(seen.get("messageId")).ok();
    let message = json::string(seen.get("message"));
    let message = message.map_err(|problem| format!("message: expected a string, found {}", problem.found()));
    Opened::letter(id, "message", message.map(Sent::Text))
}

/// JD saves a rule only if the answer is the base64 of exactly what it sent: of the body, or of the envelope's message.
fn handshake<'a>(body: &[u8]) -> Opened<'a> {
    if body.len() > MOST_HANDSHAKE_BYTES {
        let detail = format!("a handshake of {} bytes, expected at most {MOST_HANDSHAKE_BYTES}", body.len());
        return Opened::notice(Dialect::JdCloud, Reading::failed(Cause::Unreadable, detail), None, None);
    }
    let reply =
        Reply { status: 200, content_type: "text/plain", headers: Vec::new(), body: STANDARD.encode(body) };
    Opened::handshake(Dialect::JdCloud, Some(reply), None)
}
