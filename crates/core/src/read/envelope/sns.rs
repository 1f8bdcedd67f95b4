//! Amazon SNS: a topic's message as Lambda delivers it, as it is posted over HTTPS, and as it lies in a queue's message.
//!
//! Shapes: AWS `sns/latest/dg/sns-message-and-json-formats` and `lambda/latest/dg/with-sns`. With raw delivery there is no
//! envelope, and nothing for this file to do. A subscription over HTTPS is confirmed by visiting a URL the message names; as
//! with OCI Notifications it is only named by the plan, and only if it leads to the topic's own service.

use crate::plain::checked::Checked;

use crate::model::answers::{Answers, Patience};
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::model::unit::StorageType;
use crate::plain::{json, line};
use crate::read::item::{Confirmation, Reading};
use crate::read::row::{
    Called, Envelope, Facts, Holds, Inside, Opened, Opening, Read, Row, Sent, Stands, Topic,
};
use crate::read::seen::{Mark, Seen, Test};
use crate::read::visit;

const FACTS: Facts = Facts {
    unit: StorageType::AmazonS3,
    topic: Some(Topic { is: is_topic, example: "arn:aws:sns:eu-central-1:111122223333:name" }),
    looks_like: "a message with `Type` and `TopicArn`",
    // It signs some members of its message (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>);
    // `hmac` and JD Cloud sign the whole body.
    signature: Some("sns"),
    // Only "server-side errors" are repeated, three times by default and for an hour at most (AWS
    // `sns/latest/dg/sns-message-delivery-retries`); an endpoint has 15 s (`SendMessageToHttp.prepare`).
    answers: Answers::FINAL_4XX,
    patience: Patience::seconds(15),
    ..Facts::BASE
};

fn is_topic(id: &str) -> bool {
    id.starts_with("arn:aws") && id.split(':').nth(2) == Some("sns")
}

const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

/// With raw delivery the body is what was published, whoever published it.
pub(in crate::read) const RAW: Row = Row {
    of: Dialect::AwsSns,
    stands: Stands::Request,
    pinned: &[Mark::Header(RAW_DELIVERY, Test::IsLike("true"))],
    headers: &[RAW_DELIVERY, "x-amz-sns-message-type"],
    facts: Some(&FACTS),
    read: Read::Envelope(Envelope {
        open: |_, opening| Opened::body(opening.delivery),
        inside: Inside::Nothing,
        holds: Holds::Anything,
        called: Called::ItselfIfRead,
    }),
    ..Row::BASE
};

/// A message that stands alone. No signature of SNS covers a list beside it: whoever has one signed message could have put
/// anything in.
pub(in crate::read) const MESSAGE: Row = Row {
    of: Dialect::AwsSns,
    marks: &[Mark::Members(&[("TopicArn", Test::There), ("Type", Test::There)])],
    lies_in: &[Inside::Nothing, Inside::Queue, Inside::Stream],
    misplaced: "a topic's message",
    either: "a topic's message (`Type` and `TopicArn`)",
    expected: "`Type` and `TopicArn`",
    // `SigningCertURL` and its kin are the gate's.
    members: &["MessageId", "Message", "SubscribeURL"],
    read: Read::Envelope(Envelope { open, ..INSIDE }),
    ..Row::BASE
};

/// What Lambda puts around it.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::AwsSns,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("EventSource", Test::Is("aws:sns"))])],
    lies_in: &[Inside::Nothing],
    misplaced: "a topic's message",
    expected: "a topic's message (EventSource aws:sns)",
    members: &["Sns"],
    read: Read::Envelope(Envelope { open: open_record, ..INSIDE }),
    ..Row::BASE
};

/// A notification of its own, whoever wrote it.
const INSIDE: Envelope =
    Envelope { open, inside: Inside::Topic, holds: Holds::Anything, called: Called::Itself };

json::members! {
    struct Message {
        message_id = "MessageId",
        message = "Message",
    }
}

/// Opens one element of `Records`.
fn open_record<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let place = format!("{}.Sns", opening.place);
    let raw = seen.get("Sns").map_or("null", |raw| raw.get());
    match json::object_in::<Message<'a>>(raw, &place) {
        Ok(message) => inside(message.message_id, message.message, format!("{place}.Message")),
        Err(detail) => Opened::Unreadable(detail),
    }
}

/// Opens a message that stands alone.
fn open<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    match json::string(seen.get("Type")).as_deref() {
        Ok("Notification") => inside(seen.get("MessageId"), seen.get("Message"), "Message".into()),
        Ok("SubscriptionConfirmation") => confirmation(seen),
        // Its URL would subscribe again, so nobody may visit it.
        Ok("UnsubscribeConfirmation") => {
            let mut opened = Opened::handshake(Dialect::AwsSns, None, None);
            if let Opened::Notice(notice) = &mut opened {
                let warning = "Type: the topic has ended this subscription; no more events come from it";
                notice.0.warnings.push(warning.into());
            }
            opened
        }
        other => {
            let found = match other {
                Ok(kind) => format!("{:?}", line::clip(kind, 60)),
                Err(problem) => problem.found().to_owned(),
            };
            unreadable(format!(
                "Type: expected Notification, SubscriptionConfirmation or UnsubscribeConfirmation, found {found}"
            ))
        }
    }
}

fn inside<'a>(id: Option<Checked<'a>>, message: Option<Checked<'a>>, place: String) -> Opened<'a> {
    let message = json::string(message)
        .map(Sent::Text)
        .map_err(|problem| format!("{place}: expected a string, found {}", problem.found()));
    Opened::letter(json::string(id).ok(), place, message)
}

fn confirmation<'a>(seen: &Seen<'a>) -> Opened<'a> {
    let topic = json::string(seen.get("TopicArn")).unwrap_or_default();
    let url = json::string(seen.get("SubscribeURL")).unwrap_or_default();
    match leads_to_topic(&url, &topic) {
        Ok(url) => {
            let confirm = Confirmation { url, topic: topic.into_owned() };
            Opened::handshake(Dialect::AwsSns, None, Some(confirm))
        }
        Err((expected, found)) => unreadable(format!("SubscribeURL: expected {expected}, found {found}")),
    }
}

/// The URL, if it confirms a subscription to this very topic, and does nothing else. What was found instead is said
/// without the URL: it holds a token.
fn leads_to_topic(url: &str, topic: &str) -> Result<String, (String, &'static str)> {
    let host =
        service(topic).ok_or_else(|| ("a TopicArn of Amazon SNS beside it".to_owned(), "another one"))?;
    let expected = || format!("https://{host}/?Action=ConfirmSubscription for the message's own topic");
    let url = visit::own_host(url, |found| found == host).map_err(|found| (expected(), found))?;
    if url.path() != "/" {
        return Err((expected(), "another path"));
    }
    let (mut action, mut others) = (0, 0);
    for (name, value) in url.query_pairs() {
        match &*name {
            "Action" if value == "ConfirmSubscription" => action += 1,
            "TopicArn" if value == topic => {}
            "Token" => {}
            _ => others += 1,
        }
    }
    match (action, others) {
        (1, 0) => Ok(url.into()),
        _ => Err((expected(), "another action or topic")),
    }
}

/// The host of a topic's own service. The isolated partitions have domains of their own and are refused.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
fn service(topic: &str) -> Option<String> {
    let mut parts = topic.splitn(6, ':');
    let (arn, partition, sns, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let (_account, _name) = (parts.next()?, parts.next()?);
    if arn != "arn" || sns != "sns" || region.len() < 3 || !region.chars().all(fits) {
        return None;
    }
    match partition {
        "aws" | "aws-us-gov" => Some(format!("sns.{region}.amazonaws.com")),
        "aws-cn" => Some(format!("sns.{region}.amazonaws.com.cn")),
        _ => None,
    }
}

fn unreadable<'a>(detail: String) -> Opened<'a> {
    Opened::notice(Dialect::AwsSns, Reading::failed(Cause::Unreadable, detail), None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_topics_own_service_may_be_visited() {
        const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:claims";
        const QUERY: &str =
            "Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-central-1:111122223333:claims&Token=t";
        let good = format!("https://sns.eu-central-1.amazonaws.com/?{QUERY}");
        for (topic, url, fits) in [
            (TOPIC, good.clone(), true),
            (TOPIC, good.replace("/?", ":443/?"), true),
            (TOPIC, good.replace(":", "%3A").replace("https%3A", "https:"), true),
            // AWS itself refuses it without the topic; nobody else's subscription can be meant.
            (
                TOPIC,
                "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t".into(),
                true,
            ),
            (
                "arn:aws-cn:sns:cn-north-1:111122223333:t",
                "https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&Token=t".into(),
                true,
            ),
            (TOPIC, good.replace("eu-central-1.amazonaws", "eu-west-1.amazonaws"), false),
            (TOPIC, good.replace("https", "http"), false),
            (TOPIC, good.replace("amazonaws.com", "amazonaws.com.cn"), false),
            (TOPIC, good.replace("amazonaws.com", "amazonaws.com.evil.example"), false),
            (TOPIC, good.replace("https://", "https://evil.example/"), false),
            (TOPIC, good.replace("https://", "https://u@"), false),
            (TOPIC, good.replace("https://", "https://evil.example@"), false),
            (TOPIC, good.replace(".com/", ".com@evil.example/"), false),
            (TOPIC, good.replace(".com/", ".com:8443/"), false),
            (TOPIC, good.replace(".com/", ".com/x"), false),
            (TOPIC, good.replace("Action=ConfirmSubscription", "Action=DeleteTopic"), false),
            (TOPIC, good.replace("ConfirmSubscription", "ConfirmSubscription&Action=DeleteTopic"), false),
            (TOPIC, good.replace("claims", "others"), false),
            (TOPIC, format!("{good}&AuthenticateOnUnsubscribe=true"), false),
            (TOPIC, "https://127.0.0.1/?Action=ConfirmSubscription".into(), false),
            (TOPIC, "https://s3.eu-central-1.amazonaws.com/?Action=ConfirmSubscription".into(), false),
            (TOPIC, "file:///etc/passwd".into(), false),
            (TOPIC, String::new(), false),
            ("", good.clone(), false),
            ("arn:aws:sns:../x:1:t", good.clone(), false),
            ("arn:aws:sqs:eu-central-1:1:t", good.clone(), false),
            ("arn:aws-iso:sns:eu-central-1:1:t", good.clone(), false),
            ("arn:aws:sns:eu-central-1", good.clone(), false),
        ] {
            assert_eq!(leads_to_topic(&url, topic).is_ok(), fits, "{topic} {url}");
        }
    }

    #[test]
    fn a_url_is_what_was_understood_of_it() {
        let plain = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t";
        for url in [plain, "\thttps:\\sns.eu-central-1.AMAZONAWS.com/?Action=Confirm\nSubscription&Token=t"] {
            assert_eq!(leads_to_topic(url, "arn:aws:sns:eu-central-1:1:t").as_deref(), Ok(plain), "{url:?}");
        }
    }
}
