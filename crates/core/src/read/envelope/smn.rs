//! Huawei Cloud's Simple Message Notification (SMN): a topic's message as it is posted over HTTPS, and as FunctionGraph gets it.
//!
//! Shapes: Huawei Cloud SMN, "HTTP or HTTPS Message Format" (smn_ug_a9002), and FunctionGraph, "Supported Event Sources"
//! (functiongraph_02_0102). A subscription is confirmed by a GET of a URL that the message names, within 48 hours; as with Amazon's
//! topics it is only named by the plan, and only if it leads to the console of the topic's own cloud.

use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::json::NoText;
use crate::plain::{json, line};
use crate::read::item::{Confirmation, Reading};
use crate::read::row::{Called, Envelope, Holds, Inside, List, Opened, Opening, Read, Row, Sent, Stands};
use crate::read::seen::{Mark, Seen, Test};
use crate::read::visit;

/// A message that stands alone. Its headers (`X-SMN-MESSAGE-TYPE` and others) say the same once more.
pub(in crate::read) const MESSAGE: Row = Row {
    of: Dialect::HuaweiObs,
    marks: &[Mark::Members(&[("topic_urn", Test::There), ("type", Test::There)])],
    lies_in: &[Inside::Nothing, Inside::Queue],
    misplaced: "a message of SMN",
    either: "a message of SMN (`type` and `topic_urn`)",
    expected: "`type` and `topic_urn`",
    members: &["message_id", "message", "subscribe_url"],
    read: Read::Envelope(Envelope { open, ..INSIDE }),
    ..Row::BASE
};

/// What FunctionGraph gets: a list whose name has no s.
pub(in crate::read) const LIST: Row = Row {
    of: Dialect::HuaweiObs,
    marks: &[Mark::Members(&[("record", Test::There)])],
    lies_in: &[Inside::Nothing],
    read: Read::List(List {
        member: "record",
        place: "record",
        element: "",
        elements: &[Stands::InRecords],
        of_letters: false,
        empty: |_| Some(Dialect::HuaweiObs),
        stranger: |_, place| format!("{place}: expected a message of SMN with `smn`, found another record"),
    }),
    ..Row::BASE
};

/// One element of it.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::HuaweiObs,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("smn", Test::Object)])],
    lies_in: &[Inside::Nothing],
    misplaced: "a message of SMN",
    read: Read::Envelope(Envelope { open: open_record, ..INSIDE }),
    ..Row::BASE
};

/// A notification of its own, whoever wrote it.
const INSIDE: Envelope =
    Envelope { open, inside: Inside::Topic, holds: Holds::Anything, called: Called::Itself };

json::members! {
    struct Message {
        message_id = "message_id",
        message = "message",
    }
}

fn open_record<'a>(seen: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let place = format!("{}.smn", opening.place);
    match json::object_or_empty::<Message<'a>>(seen.get("smn"), &place) {
        Ok(message) => {
            let place = format!("{place}.message");
            let text = text(json::string(message.message).map(Sent::Text), &place);
            Opened::letter(json::string(message.message_id).ok(), place, text)
        }
        Err(detail) => Opened::Unreadable(detail),
    }
}

fn open<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let kind = json::string(seen.get("type"));
    let kind = kind.as_deref().unwrap_or_default();
    if kind.eq_ignore_ascii_case("Notification") {
        let text = text(json::string(seen.get("message")).map(Sent::Text), "message");
        return Opened::letter(json::string(seen.get("message_id")).ok(), "message", text);
    }
    if kind.eq_ignore_ascii_case("SubscriptionConfirmation") {
        return confirmation(seen);
    }
    let warning = match kind {
        // Its URL would subscribe again, so nobody may visit it.
        "UnsubscribeConfirmation" | "HttpSubscriptionUserUnsubscribe" => {
            "type: the topic has ended this subscription; no more events come from it"
        }
        "HttpSubscriptionUserConfirm" => "type: a subscription was confirmed",
        _ => {
            return unreadable(format!(
                "type: expected Notification, SubscriptionConfirmation, UnsubscribeConfirmation, HttpSubscriptionUserConfirm or \
                 HttpSubscriptionUserUnsubscribe, found {:?}",
                line::clip(kind, 60)
            ));
        }
    };
    let mut opened = Opened::handshake(Dialect::HuaweiObs, None, None);
    if let Opened::Notice(notice) = &mut opened {
        notice.0.warnings.push(warning.into());
    }
    opened
}

fn text<'a>(text: Result<Sent<'a>, NoText>, place: &str) -> Result<Sent<'a>, String> {
    text.map_err(|problem| format!("{place}: expected a string, found {}", problem.found()))
}

fn confirmation<'a>(seen: &Seen<'a>) -> Opened<'a> {
    let topic = json::string(seen.get("topic_urn")).unwrap_or_default();
    let url = json::string(seen.get("subscribe_url")).unwrap_or_default();
    match leads_to_topic(&url, &topic) {
        Ok(url) => {
            let confirm = Confirmation { url, topic: topic.into_owned() };
            Opened::handshake(Dialect::HuaweiObs, None, Some(confirm))
        }
        Err((expected, found)) => unreadable(format!("subscribe_url: expected {expected}, found {found}")),
    }
}

/// The URL, if it confirms a subscription to this very topic. What was found instead is said without the URL: it holds a token.
///
/// Captured messages have `console.huaweicloud.com`, and of São Paulo `sa-brazil-1-console.huaweicloud.com`. Other brands have
/// consoles of their own, which are visited by hand. What the console answers to the visit is documented nowhere: anything but a 2xx is
/// taken as no confirmation.
fn leads_to_topic(url: &str, topic: &str) -> Result<String, (String, &'static str)> {
    let region = region(topic).ok_or_else(|| ("a topic_urn of SMN beside it".to_owned(), "another one"))?;
    let regional = format!("{region}-console.huaweicloud.com");
    let expected = || {
        format!(
            "https://console.huaweicloud.com/smn/subscription/confirm or the same under {regional}, for the message's own topic"
        )
    };
    let is_own = |host: &str| host == "console.huaweicloud.com" || host == regional;
    let url = visit::own_host(url, is_own).map_err(|found| (expected(), found))?;
    let topics: Vec<_> = url.query_pairs().filter(|(name, _)| name == "topic_urn").collect();
    if url.path() != "/smn/subscription/confirm" {
        return Err((expected(), "another path"));
    }
    match &topics[..] {
        [(_, named)] if named == topic => Ok(url.into()),
        _ => Err((expected(), "another topic")),
    }
}

/// The region of a topic: `urn:smn:REGION:PROJECT:NAME`.
fn region(topic: &str) -> Option<&str> {
    let mut parts = topic.splitn(5, ':');
    let (urn, smn, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (_project, _name) = (parts.next()?, parts.next()?);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (urn == "urn" && smn == "smn" && !region.is_empty() && region.chars().all(fits)).then_some(region)
}

fn unreadable<'a>(detail: String) -> Opened<'a> {
    Opened::notice(Dialect::HuaweiObs, Reading::failed(Cause::Unreadable, detail), None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_console_of_the_topics_cloud_may_be_visited() {
        const TOPIC: &str = "urn:smn:cn-north-4:28a7:intake";
        let good = format!(
            "https://console.huaweicloud.com/smn/subscription/confirm?token=t&topic_urn={TOPIC}&region=cn-north-4"
        );
        for (topic, url, fits) in [
            (TOPIC, good.clone(), true),
            (TOPIC, good.replace("://console", "://cn-north-4-console"), true),
            (TOPIC, good.replace("console.", "CONSOLE."), true),
            (TOPIC, good.replace(":intake", "%3Aintake"), true),
            (TOPIC, good.replace("://console", "://cn-south-1-console"), false),
            (TOPIC, good.replace("https", "http"), false),
            (TOPIC, good.replace("huaweicloud.com/", "huaweicloud.com.evil.example/"), false),
            (TOPIC, good.replace("console.huaweicloud.com", "evil.obs.cn-north-4.myhuaweicloud.com"), false),
            (TOPIC, good.replace("://console", "://evil.console"), false),
            (TOPIC, good.replace("://", "://u@"), false),
            (TOPIC, good.replace(".com/", ".com@evil.example/"), false),
            (TOPIC, good.replace(".com/", ".com:8443/"), false),
            (TOPIC, good.replace("/confirm", "/confirm/../unsubscribe"), false),
            (TOPIC, good.replace("/confirm", "/unsubscribe"), false),
            (TOPIC, good.replace(":intake", ":other"), false),
            (TOPIC, format!("{good}&topic_urn=urn:smn:cn-north-4:28a7:other"), false),
            (TOPIC, good.replace("topic_urn=", "topic="), false),
            (TOPIC, "https://127.0.0.1/smn/subscription/confirm".into(), false),
            (TOPIC, "file:///etc/passwd".into(), false),
            (TOPIC, String::new(), false),
            ("", good.clone(), false),
            ("urn:smn:../x:28a7:intake", good.clone(), false),
            ("urn:sns:cn-north-4:28a7:intake", good.clone(), false),
            ("urn:smn:cn-north-4:28a7", good.clone(), false),
        ] {
            assert_eq!(leads_to_topic(&url, topic).is_ok(), fits, "{topic} {url}");
        }
    }

    #[test]
    fn a_url_is_what_was_understood_of_it() {
        let plain =
            "https://console.huaweicloud.com/smn/subscription/confirm?token=t&topic_urn=urn:smn:r:p:n";
        for url in [plain, &plain.replace("https://console", "\thttps:\\\\CON\nSOLE")] {
            assert_eq!(leads_to_topic(url, "urn:smn:r:p:n").as_deref(), Ok(plain), "{url:?}");
        }
    }
}
