//! JD Cloud Object Storage callbacks over HTTP.
//!
//! The record is S3-shaped (see [`super::s3`]); JD's own are the header that tells what a request is, the handshake, and
//! the parameters an uploader may add. Sources: JD Cloud "Callback Notification" (Object Storage Service, Manage Bucket)
//! and "Setting Signature Authentication For Callback Server".

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::model::event::{Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::text::Text;
use crate::plain::{json, line};
use crate::read::handshake::names_objects;
use crate::read::item::{Item, Parsed, Reading, Reply};
use crate::read::read::{Reader, Within};

const MESSAGE_TYPE: &str = "x-jdcloud-message-type";

/// The documented test message is a short text. The answer echoes what a stranger chose, so it is kept small.
const MOST_HANDSHAKE_BYTES: usize = 16 * 1024;

/// What the message-type header decides; `None` if the body decides.
pub(in crate::read) fn by_header(delivery: &Delivery) -> Option<Parsed> {
    let kind = delivery.header(MESSAGE_TYPE)?;
    // The page says "SubscriptionConfiguration" and its sample code "SubscriptionConfirmation"; the media-processing page
    // of the same notification service has the second in prose and code. Nobody knows which is sent: both are taken.
    if kind.eq_ignore_ascii_case("SubscriptionConfirmation")
        || kind.eq_ignore_ascii_case("SubscriptionConfiguration")
    {
        // Then the body decides.
        let echoed = match message(&delivery.body) {
            Some(message) => message.into_bytes(),
            None => delivery.body.clone(),
        };
        return (!names_objects(&delivery.body) && !names_objects(&echoed)).then(|| handshake(&echoed));
    }
    if kind.eq_ignore_ascii_case("Notification") {
        return None;
    }
    let detail = format!(
        "header {MESSAGE_TYPE}: expected SubscriptionConfirmation, SubscriptionConfiguration or Notification, found {:?}",
        line::clip(kind, 60)
    );
    Some(one(Reading::failed(Cause::Unreadable, detail)))
}

json::members! {
    /// The notification service's other format, which its media processing documents; the object storage documents the
    /// simple one and has no setting for it.
    struct Envelope {
        topic_owner = "topicOwner",
        subscription_name = "subscriptionName",
        message_id = "messageId",
        message = "message",
    }
}

/// The message in an envelope, for a handshake; `None` if the body is none.
fn message(body: &[u8]) -> Option<String> {
    let text = Text::of(body).text;
    let envelope: Envelope<'_> = json::object(&text, "").ok()?;
    (envelope.topic_owner.is_some() && envelope.subscription_name.is_some()).then_some(())?;
    json::string(envelope.message).ok().map(Cow::into_owned)
}

/// Reads an event in an envelope.
pub(in crate::read) fn read_envelope(reader: &mut Reader<'_>, text: &str) -> Parsed {
    let envelope: Envelope<'_> = match json::object(text, "the envelope") {
        Ok(envelope) => envelope,
        Err(detail) => return one(Reading::failed(Cause::Unreadable, detail)),
    };
    let id = json::string(envelope.message_id).ok().filter(|id| !id.is_empty());
    let path = reader.path(id.map(Cow::into_owned), 0);
    let items = match json::string(envelope.message) {
        Ok(message) => reader.text(&message, Within::Topic).items,
        Err(problem) => {
            let detail = format!("expected a string, found {}", problem.found());
            vec![Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail))]
        }
    };
    let items = items.into_iter().map(|item| item.within(&path, Some("message")));
    Parsed::of(Dialect::JdCloud, items.collect())
}

/// JD saves a rule only if the answer is the base64 of exactly what it sent: of the body, or of the envelope's message.
fn handshake(body: &[u8]) -> Parsed {
    if body.len() > MOST_HANDSHAKE_BYTES {
        let detail = format!("a handshake of {} bytes, expected at most {MOST_HANDSHAKE_BYTES}", body.len());
        return one(Reading::failed(Cause::Unreadable, detail));
    }
    let notice = Notice { kind: NoticeKind::Handshake, bucket: None, details: Details::default() };
    let reply = Reply { status: 200, content_type: "text/plain", body: STANDARD.encode(body) };
    Parsed { reply: Some(reply), ..one(Reading::Notice(notice)) }
}

fn one(reading: Reading) -> Parsed {
    Parsed::of(Dialect::JdCloud, vec![Item::new("0".into(), Some(Dialect::JdCloud), reading)])
}

json::members! {
    struct CallBackVar {
        vars = "callBackVars",
    }
}

/// They came in a URL, so they are short; what is not is not shown.
const MOST_UNTRUSTED_BYTES: usize = 16 * 1024;

/// The values of `x-oss-callback-*` URL parameters of the upload: chosen by whoever uploads.
pub(in crate::read) fn untrusted(raw: Option<&RawValue>) -> serde_json::Map<String, serde_json::Value> {
    json::object_or_empty::<CallBackVar<'_>>(raw, "callBackVar")
        .ok()
        .and_then(|c| c.vars)
        .filter(|vars| vars.get().len() <= MOST_UNTRUSTED_BYTES)
        .and_then(|vars| serde_json::from_str(vars.get()).ok())
        .unwrap_or_default()
}
