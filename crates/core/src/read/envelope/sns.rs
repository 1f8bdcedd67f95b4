//! Amazon SNS: a topic's message as Lambda delivers it, as it is posted over HTTPS, and as it lies in a queue's message.
//!
//! Shapes: AWS `sns/latest/dg/sns-message-and-json-formats` and `lambda/latest/dg/with-sns`. With raw delivery there is no
//! envelope, and nothing for this file to do. A subscription over HTTPS is confirmed by visiting a URL the message names; as
//! with OCI Notifications it is only named by the plan, and only if it leads to the topic's own service.

use crate::model::dialect::Dialect;
use crate::model::event::{Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::{json, line};
use crate::read::item::{Confirmation, Item, Parsed, Reading};
use crate::read::read::{Reader, Within};

json::members! {
    /// A message. `SigningCertURL` and its kin are the gate's.
    struct Envelope {
        kind = "Type",
        message_id = "MessageId",
        topic = "TopicArn",
        message = "Message",
        subscribe_url = "SubscribeURL",
    }
}

json::members! {
    /// What Lambda puts around it.
    pub(in crate::read) struct Record {
        sns = "Sns",
    }
}

/// Reads one element of `Records`.
pub(in crate::read) fn read_record(
    reader: &mut Reader<'_>,
    record: &Record<'_>,
    index: usize,
    place: &str,
) -> Vec<Item> {
    let place = format!("{place}.Sns");
    let raw = record.sns.map_or("null", |raw| raw.get());
    let envelope = match json::object(raw, &place) {
        Ok(envelope) => envelope,
        Err(detail) => {
            let path = reader.path(None, index);
            return vec![Item::new(path, None, Reading::failed(Cause::Unreadable, detail))];
        }
    };
    inside(reader, &envelope, index, &format!("{place}.Message"))
}

/// Reads a message that stands alone.
pub(in crate::read) fn read(reader: &mut Reader<'_>, text: &str) -> Parsed {
    let envelope: Envelope<'_> = match json::object(text, "the message") {
        Ok(envelope) => envelope,
        Err(detail) => return one(Reading::failed(Cause::Unreadable, detail)),
    };
    match json::string(envelope.kind).as_deref() {
        Ok("Notification") => Parsed::of(Dialect::AwsSns, inside(reader, &envelope, 0, "Message")),
        Ok("SubscriptionConfirmation") => confirmation(&envelope),
        // Its URL would subscribe again, so nobody may visit it.
        Ok("UnsubscribeConfirmation") => {
            let mut parsed = one(handshake());
            let warning = "Type: the topic has ended this subscription; no more events come from it";
            parsed.items.iter_mut().for_each(|item| item.warnings.push(warning.into()));
            parsed
        }
        other => {
            let found = match other {
                Ok(kind) => format!("{:?}", line::clip(kind, 60)),
                Err(problem) => problem.found().to_owned(),
            };
            let detail = format!(
                "Type: expected Notification, SubscriptionConfirmation or UnsubscribeConfirmation, found {found}"
            );
            one(Reading::failed(Cause::Unreadable, detail))
        }
    }
}

/// What is in a message: a notification of its own, whoever wrote it.
fn inside(reader: &mut Reader<'_>, envelope: &Envelope<'_>, index: usize, place: &str) -> Vec<Item> {
    let id = json::string(envelope.message_id).ok().filter(|id| !id.is_empty());
    let path = reader.path(id.map(|id| id.into_owned()), index);
    let items = match json::string(envelope.message) {
        Ok(message) => {
            let pinned = reader.pinned.take();
            let inner = reader.text(&message, Within::Topic);
            reader.pinned = pinned;
            inner.items
        }
        Err(problem) => {
            let detail = format!("expected a string, found {}", problem.found());
            vec![Item::new("0".into(), None, Reading::failed(Cause::Unreadable, detail))]
        }
    };
    items.into_iter().map(|item| item.within(&path, Some(place))).collect()
}

fn confirmation(envelope: &Envelope<'_>) -> Parsed {
    let topic = json::string(envelope.topic).unwrap_or_default();
    let url = json::string(envelope.subscribe_url).unwrap_or_default();
    let url = match leads_to_topic(&url, &topic) {
        Ok(url) => url,
        Err((expected, found)) => {
            let detail = format!("SubscribeURL: expected {expected}, found {found}");
            return one(Reading::failed(Cause::Unreadable, detail));
        }
    };
    let confirm = Confirmation { url, topic: topic.into_owned() };
    Parsed { confirm: Some(confirm), ..one(handshake()) }
}

/// The URL, if it confirms a subscription to this very topic, and does nothing else. What was found instead is said
/// without the URL: it holds a token.
///
/// It is the URL as it was understood here, so that nobody understands its text in another way (see
/// [`Confirmation::url`]).
fn leads_to_topic(url: &str, topic: &str) -> Result<String, (String, &'static str)> {
    let host =
        service(topic).ok_or_else(|| ("a TopicArn of Amazon SNS beside it".to_owned(), "another one"))?;
    let expected = || format!("https://{host}/?Action=ConfirmSubscription for the message's own topic");
    let url =
        reqwest::Url::parse(url).map_err(|_| (expected(), if url.is_empty() { "none" } else { "no URL" }))?;
    let found = if url.scheme() != "https" {
        "another scheme"
    } else if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        "a user name, a password or a port in it"
    } else if url.domain() != Some(host.as_str()) {
        "another host"
    } else if url.path() != "/" {
        "another path"
    } else {
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
            (1, 0) => return Ok(url.into()),
            _ => "another action or topic",
        }
    };
    Err((expected(), found))
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

fn handshake() -> Reading {
    Reading::Notice(Notice { kind: NoticeKind::Handshake, bucket: None, details: Details::default() })
}

fn one(reading: Reading) -> Parsed {
    Parsed::of(Dialect::AwsSns, vec![Item::new("0".into(), Some(Dialect::AwsSns), reading)])
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
