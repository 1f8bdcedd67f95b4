//! Google Cloud Pub/Sub's push, as the envelope in which Storj's notifications come.
//!
//! Shape: Google, "Push subscriptions" (`cloud.google.com/pubsub/docs/push`); that Storj publishes there: Storj, "Bucket Event
//! Notifications". Google's own storage publishes there, too, with `bucketId` among the attributes; that one is not read yet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::model::failure::Cause;
use crate::plain::json;
use crate::read::item::{Item, Parsed, Reading};
use crate::read::read::{Reader, Within, reserved_delivery};

json::members! {
    struct Message {
        data = "data",
        attributes = "attributes",
        message_id = "messageId",
    }
}

json::members! {
    struct Attributes {
        bucket_id = "bucketId",
    }
}

/// Reads the `message` of a push.
pub(in crate::read) fn read(reader: &mut Reader<'_>, message: Option<&RawValue>) -> Parsed {
    let read = json::object_or_empty::<Message<'_>>(message, "message").and_then(|message| {
        Ok((json::object_or_empty::<Attributes<'_>>(message.attributes, "message.attributes")?, message))
    });
    let (attributes, message) = match read {
        Ok(read) => read,
        Err(detail) => return Parsed::unreadable(Cause::Unreadable, detail),
    };
    if attributes.bucket_id.is_some() {
        return reserved_delivery("gcs");
    }
    let id = json::string(message.message_id).ok().filter(|id| !id.is_empty());
    let path = reader.path(id.map(|id| id.into_owned()), 0);
    let data = json::string(message.data)
        .map_err(|problem| format!("expected base64, found {}", problem.found()))
        .and_then(|data| STANDARD.decode(data.as_bytes()).map_err(|e| format!("expected base64: {e}")));
    let mut parsed = match data {
        Ok(data) => reader.lossy(&data, |reader, text| reader.text(text, Within::Topic)),
        Err(detail) => {
            let item = Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail));
            Parsed { items: vec![item], ..Parsed::default() }
        }
    };
    let items = std::mem::take(&mut parsed.items);
    Parsed { items: items.into_iter().map(|i| i.within(&path, Some("message.data"))).collect(), ..parsed }
}
