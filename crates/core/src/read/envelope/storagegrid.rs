//! NetApp StorageGRID's SNS-type endpoint: the `Publish` call of Amazon SNS as a form, with the event as its message.
//!
//! Records are S3-shaped (see [`super::s3`]). Form and answer: the StorageGRID receiver of Argo Events
//! (`pkg/eventsources/sources/storagegrid`), which has been in use with it for years; NetApp publishes neither.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::model::answers::Answers;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::plain::line;
use crate::read::item::Reply;
use crate::read::row::{Called, Envelope, Facts, Holds, Inside, Letter, Opened, Opening, Read, Row, Sent};
use crate::read::seen::{Mark, Seen};

const FACTS: Facts = Facts {
    // Undocumented; one consumer percent-decodes. An inference: RELAY_KEYS_STORAGEGRID overrides.
    keys: Some(KeyEncoding::Percent),
    // Nothing is published about statuses, so that 4xx is taken for final.
    answers: Answers::FINAL_4XX,
    ..Facts::BASE
};

pub(in crate::read) const FORM: Row = Row {
    of: Dialect::StorageGrid,
    marks: &[Mark::Text(|body| message(body).is_some())],
    lies_in: &[Inside::Nothing],
    facts: Some(&FACTS),
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Form,
        holds: Holds::AsPinned,
        called: Called::Inner,
    }),
    ..Row::BASE
};

/// Opens such a call.
fn open<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    match message(seen.text) {
        None => Opened::Pass,
        Some(Err(detail)) => Opened::Unreadable(detail),
        Some(Ok(message)) => {
            let text = Ok(Sent::Bytes(Cow::Owned(message)));
            let letter = Letter { id: None, place: String::new(), text, message: None, event: None };
            Opened::Letters { letters: vec![letter], receipt: Some(receipt(&opening.delivery.id)) }
        }
    }
}

/// The `Message` of a `Publish` call.
fn message(body: &str) -> Option<Result<Vec<u8>, String>> {
    // A form begins with a name, and no JSON object or list does. What follows says nothing: whoever uploads an object may
    // have called it `a&Action=Publish&Message=…`, so that its event would be read as another one.
    if !body.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let values = |wanted: &'static str| {
        let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
    };
    if !values("Action").any(|action| action == "Publish") {
        return None;
    }
    let mut messages = values("Message");
    let message = match (messages.next(), messages.next()) {
        (Some(message), None) => message.replace('+', " "),
        (None, _) => return Some(Err("Message: expected one in the form, found none".into())),
        (Some(_), Some(_)) => return Some(Err("Message: expected one in the form, found several".into())),
    };
    Some(Ok(percent_decode_str(&message).collect()))
}

/// What a client of the `Publish` call wants to hear: a document that it parses, and would repeat its call without
/// (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
fn receipt(id: &str) -> Reply {
    // The relay's own ids are plain; nobody else's may write markup.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let id: String = line::clip(id, 100).chars().filter(|c| plain(*c)).collect();
    let body = format!(
        "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>{id}</MessageId>\
         </PublishResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></PublishResponse>"
    );
    Reply { status: 200, content_type: "text/xml", headers: Vec::new(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_call_is_told_from_everything_else() {
        for (body, want) in [
            ("Action=Publish&Message=%7B%7D&TopicArn=urn", Some(Ok(&b"{}"[..]))),
            ("Version=2010-03-31&Message=a+%2Bb&Action=Publish", Some(Ok(b"a +b"))),
            ("Action=Publish&Message=100%zz", Some(Ok(b"100%zz"))),
            ("Action=Publish&Message=", Some(Ok(b""))),
            ("Action=Publish", Some(Err("Message: expected one in the form, found none"))),
            (
                "Action=Publish&Message=a&Message=b",
                Some(Err("Message: expected one in the form, found several")),
            ),
            ("Action=Publish&Message=a%ff", Some(Ok(&b"a\xff"[..]))),
            ("Action=Subscribe&Message=a", None),
            ("Message=a", None),
            ("{\"Action\":\"Publish\"}", None),
            ("{\"key\":\"a&Action=Publish&Message=%7B%7D&\"}", None),
            (" [\"&Action=Publish&Message=%7B%7D&\"]", None),
            ("&Action=Publish&Message=%7B%7D", None),
            ("", None),
        ] {
            let got = message(body);
            let got = got.as_ref().map(|g| g.as_deref().map_err(String::as_str));
            assert_eq!(got, want, "{body}");
        }
    }

    #[test]
    fn the_receipt_is_no_place_for_markup() {
        assert!(receipt("a<b>&c-1").body.contains("<MessageId>abc-1</MessageId>"));
    }
}
