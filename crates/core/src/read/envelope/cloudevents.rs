//! CloudEvents, the envelope in which many stores and event buses hand their events on.
//!
//! Two forms: in the binary one the attributes are headers `ce-…` and the data is the body; in the structured one the
//! attributes are members beside `data` (or `data_base64`). Shape: CloudEvents 1.0, "HTTP Protocol Binding" 3.1 and 3.2, "JSON
//! Event Format" 3.1 (`github.com/cloudevents/spec`). What the data is, its own dialect says.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::model::delivery::Delivery;
use crate::plain::json::{self, NoText};
use crate::read::around::CloudEvent;
use crate::read::row::{Called, Envelope, Holds, Inside, Letter, Opened, Opening, Read, Row, Sent, Stands};
use crate::read::seen::{Mark, Seen, Test};

const TYPE: &str = "ce-type";
const SOURCE: &str = "ce-source";
const SUBJECT: &str = "ce-subject";
const ID: &str = "ce-id";
const TIME: &str = "ce-time";

/// A request whose headers are the attributes.
pub(in crate::read) const BINARY: Row = Row {
    stands: Stands::Request,
    marks: &[Mark::Header("ce-specversion", Test::There), Mark::Header(TYPE, Test::There)],
    under: |_| true,
    headers: &[TYPE, SOURCE, SUBJECT, ID, TIME],
    read: Read::Envelope(Envelope { open: open_binary, ..ENVELOPE }),
    ..Row::BASE
};

/// An object whose members are the attributes.
pub(in crate::read) const STRUCTURED: Row = Row {
    marks: &[Mark::Members(&[("specversion", Test::There), ("type", Test::There)])],
    under: |_| true,
    lies_in: &[Inside::Nothing, Inside::Queue, Inside::Stream, Inside::Topic, Inside::Push],
    either: "a CloudEvent",
    members: &["source", "subject", "id", "time", "data", "data_base64"],
    read: Read::Envelope(Envelope { open: open_structured, ..ENVELOPE }),
    ..Row::BASE
};

const ENVELOPE: Envelope =
    Envelope { open: open_binary, inside: Inside::Event, holds: Holds::AsPinned, called: Called::Inner };

/// An event may have no data: then its attributes say everything.
const NO_DATA: &str = "{}";

fn open_binary<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let delivery = opening.delivery;
    let data = match delivery.body.as_slice() {
        [] => Sent::Text(NO_DATA.into()),
        body => Sent::Bytes(Cow::Borrowed(body)),
    };
    let event = CloudEvent {
        kind: attribute(delivery, TYPE).unwrap_or_default(),
        source: attribute(delivery, SOURCE),
        subject: attribute(delivery, SUBJECT),
        id: attribute(delivery, ID),
        time: attribute(delivery, TIME),
    };
    letter(String::new(), Ok(data), event)
}

/// An attribute's value: "HTTP Protocol Binding" 3.1.3.2 has them percent-encoded in headers. A sender that does not encode
/// means what stands there; so does one whose bytes are no text once decoded.
fn attribute<'a>(delivery: &'a Delivery, name: &str) -> Option<Cow<'a, str>> {
    let value = delivery.header(name).filter(|value| !value.is_empty())?;
    Some(percent_decode_str(value).decode_utf8().unwrap_or(Cow::Borrowed(value)))
}

fn open_structured<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let member = |name| json::string(seen.get(name)).ok().filter(|text| !text.is_empty());
    let event = CloudEvent {
        kind: member("type").unwrap_or_default(),
        source: member("source"),
        subject: member("subject"),
        id: member("id"),
        time: member("time"),
    };
    let (place, data) = match (seen.get("data"), seen.get("data_base64")) {
        (Some(_), Some(_)) => {
            let detail = "a CloudEvent: expected either `data` or `data_base64`, found both";
            return Opened::Unreadable(detail.into());
        }
        // Data of another media type than JSON is a text, and some senders write JSON so.
        (Some(data), None) => {
            let data = match json::string(Some(data)) {
                Ok(text) => Ok(Sent::Text(text)),
                Err(NoText::NotUnicode) => Err("data: the string is not Unicode".into()),
                Err(_) => Ok(Sent::Text(data.get().into())),
            };
            ("data", data)
        }
        (None, Some(data)) => {
            let data = json::string(Some(data))
                .map_err(|problem| format!("data_base64: expected base64, found {}", problem.found()))
                .and_then(|text| {
                    STANDARD.decode(text.as_bytes()).map_err(|e| format!("data_base64: expected base64: {e}"))
                });
            ("data_base64", data.map(|data| Sent::Bytes(Cow::Owned(data))))
        }
        (None, None) => ("data", Ok(Sent::Text(NO_DATA.into()))),
    };
    letter(place.into(), data, event)
}

fn letter<'a>(place: String, text: Result<Sent<'a>, String>, event: CloudEvent<'a>) -> Opened<'a> {
    let letter = Letter { id: None, place, text, message: None, event: Some(event) };
    Opened::Letters { letters: vec![letter], receipt: None }
}
