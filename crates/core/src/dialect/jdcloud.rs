//! JD Cloud Object Storage callbacks over HTTP.
//!
//! The record is S3-shaped (see [`super::s3`]); JD's own are the header that tells what a request is, the handshake, and
//! the parameters an uploader may add. Sources: JD Cloud "Callback Notification" (Object Storage Service, Manage Bucket)
//! and "Setting Signature Authentication For Callback Server".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::handshake::names_objects;
use super::{Dialect, Item, Parsed, Reading};
use crate::delivery::Delivery;
use crate::event::{Details, Notice, NoticeKind};
use crate::failure::Cause;
use crate::plan::Reply;
use crate::wire;

const MESSAGE_TYPE: &str = "x-jdcloud-message-type";

/// The documented test message is a short text. The answer echoes what a stranger chose, so it is kept small.
const MOST_HANDSHAKE_BYTES: usize = 16 * 1024;

/// What the message-type header decides; `None` if the body decides.
pub(super) fn by_header(delivery: &Delivery) -> Option<Parsed> {
    let kind = delivery.header(MESSAGE_TYPE)?;
    // The page says "SubscriptionConfiguration" and its sample code "SubscriptionConfirmation"; the media-processing page
    // of the same notification service has the second in prose and code. Nobody knows which is sent: both are taken.
    if kind.eq_ignore_ascii_case("SubscriptionConfirmation")
        || kind.eq_ignore_ascii_case("SubscriptionConfiguration")
    {
        // Then the body decides.
        return (!names_objects(&delivery.body)).then(|| handshake(&delivery.body));
    }
    if kind.eq_ignore_ascii_case("Notification") {
        return None;
    }
    let detail = format!(
        "header {MESSAGE_TYPE}: expected SubscriptionConfirmation, SubscriptionConfiguration or Notification, found {:?}",
        wire::clip(kind, 60)
    );
    Some(one(Reading::failed(Cause::Unreadable, detail)))
}

/// JD saves a rule only if the answer is the base64 of exactly the bytes it sent.
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

wire::members! {
    struct CallBackVar {
        vars = "callBackVars",
    }
}

/// They came in a URL, so they are short; what is not is not shown.
const MOST_UNTRUSTED_BYTES: usize = 16 * 1024;

/// The values of `x-oss-callback-*` URL parameters of the upload: chosen by whoever uploads.
pub(super) fn untrusted(raw: Option<&RawValue>) -> serde_json::Map<String, serde_json::Value> {
    wire::object_or_empty::<CallBackVar<'_>>(raw, "callBackVar")
        .ok()
        .and_then(|c| c.vars)
        .filter(|vars| vars.get().len() <= MOST_UNTRUSTED_BYTES)
        .and_then(|vars| serde_json::from_str(vars.get()).ok())
        .unwrap_or_default()
}
