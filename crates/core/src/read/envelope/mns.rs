//! Alibaba Cloud's message service (MNS, now Simple Message Queue): what a topic puts around a notification of OSS.
//!
//! Shape: Simple Message Queue, "HTTP endpoints" (`NotifyContentFormat` JSON), which is also what Function Compute gets from a topic. OSS
//! writes its notification in base64 ("Event notifications"). With the format SIMPLIFIED, and as a stream, there is no envelope. XML is refused
//! with what to set instead.

use crate::model::dialect::Dialect;
use crate::plain::json;
use crate::read::row::{Called, Envelope, Holds, Inside, Opened, Opening, Read, Row, Sent};
use crate::read::seen::{Mark, Seen, Test};

/// A topic's message.
pub(in crate::read) const MESSAGE: Row = Row {
    of: Dialect::AlibabaOss,
    marks: &[Mark::Members(&[
        ("TopicOwner", Test::There),
        ("SubscriptionName", Test::There),
        ("Message", Test::There),
    ])],
    lies_in: &[Inside::Nothing],
    misplaced: "a message of Alibaba's topics",
    either: "a message of Alibaba's topics",
    members: &["MessageId"],
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Topic,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// The same in XML, the format of a subscription that does not say which.
pub(in crate::read) const XML: Row = Row {
    marks: &[Mark::Text(|text| text.trim_start().starts_with('<') && text.contains("<Notification"))],
    either: "",
    members: &[],
    read: Read::Envelope(Envelope {
        open: |_, _| {
            Opened::Unreadable(
                "this is a message of Alibaba's topics in XML: set NotifyContentFormat of the subscription to SIMPLIFIED or JSON"
                    .into(),
            )
        },
        inside: Inside::Topic,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..MESSAGE
};

fn open<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let text = json::string(seen.get("Message"))
        .map(Sent::Text)
        .map_err(|problem| format!("Message: expected a string, found {}", problem.found()));
    Opened::letter(json::string(seen.get("MessageId")).ok(), "Message", text)
}
