//! OCI Notifications (ONS) over HTTPS: an event of OCI Events as it is, and headers that say what the request is for.
//!
//! Headers and confirmation: Oracle, "Creating an HTTPS subscription" and "Confirming a subscription"; the body of an Events
//! message is the bare event (seen in deliveries; no page says so). A subscription is confirmed by visiting a URL that
//! the request names. Whoever may post here could thus make this host visit any address, so the URL is only *named*
//! by the plan, and only if it leads to Oracle; who visits it, and whether, is decided elsewhere.

use crate::model::answers::Answers;
use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::model::unit::StorageType;
use crate::plain::line;
use crate::read::item::{Confirmation, Reading};
use crate::read::row::{Called, Envelope, Facts, Holds, Inside, Opened, Opening, Read, Row, Stands, Topic};
use crate::read::seen::{Mark, Seen, Test};
use crate::read::visit;

const MESSAGE_TYPE: &str = "x-oci-ns-messagetype";
const MESSAGE_TYPE_AS_SENT: &str = "X-OCI-NS-MessageType";
const CONFIRMATION_URL: &str = "X-OCI-NS-ConfirmationURL";
const TOPIC: &str = "X-OCI-NS-TopicOcid";
/// Every host of Oracle's public regions ends so.
const HOSTS: &str = ".oraclecloud.com";

const FACTS: Facts = Facts {
    unit: StorageType::Oracle,
    topic: Some(Topic {
        is: |id| id.starts_with("ocid1.onstopic."),
        example: "ocid1.onstopic.oc1.phx.aaaa…",
    }),
    // A message comes again for two hours (Oracle, "Notifications overview"); after which statuses is not published, so that 4xx is taken for
    // final.
    answers: Answers::FINAL_4XX,
    looks_like: "a request with the header X-OCI-NS-MessageType",
    ..Facts::BASE
};

pub(in crate::read) const REQUEST: Row = Row {
    of: Dialect::OciNotifications,
    stands: Stands::Request,
    marks: &[Mark::Header(MESSAGE_TYPE, Test::There)],
    // Not the confirmation URL, which holds a token and is of no use later.
    headers: &[MESSAGE_TYPE],
    facts: Some(&FACTS),
    read: Read::Envelope(Envelope {
        open,
        inside: Inside::Nothing,
        // What is inside is an event, or nothing that belongs here.
        holds: Holds::Only(Dialect::Oci),
        called: Called::ItselfIfRead,
    }),
    ..Row::BASE
};

/// What the message-type header decides.
fn open<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let delivery = opening.delivery;
    let kind = delivery.header(MESSAGE_TYPE).unwrap_or_default();
    if kind.eq_ignore_ascii_case("Notification")
        || (opening.names_objects)(&delivery.body, Dialect::OciNotifications)
    {
        return Opened::body(delivery);
    }
    if kind.eq_ignore_ascii_case("SubscriptionConfirmation") {
        return confirmation(delivery);
    }
    let found = line::clip(kind, 60);
    unreadable(format!(
        "header {MESSAGE_TYPE_AS_SENT}: expected Notification or SubscriptionConfirmation, found {found:?}"
    ))
}

fn confirmation<'a>(delivery: &Delivery) -> Opened<'a> {
    // The body says the same once more; the header is what the documentation tells to use.
    let url = delivery.header(CONFIRMATION_URL).unwrap_or_default();
    let url = match leads_to_oracle(url) {
        Ok(url) => url,
        Err(found) => {
            let detail =
                format!("header {CONFIRMATION_URL}: expected an https address under {HOSTS}, found {found}");
            return unreadable(detail);
        }
    };
    let topic = delivery.header(TOPIC).unwrap_or_default().to_owned();
    Opened::handshake(Dialect::OciNotifications, None, Some(Confirmation { url, topic }))
}

/// The URL, if it leads to Oracle and nowhere else. What was found instead is said without the URL: it holds a token.
fn leads_to_oracle(url: &str) -> Result<String, &'static str> {
    let url = visit::own_host(url, |host| host.len() > HOSTS.len() && host.ends_with(HOSTS))?;
    let host = url.domain().unwrap_or_default();
    // Under that domain there is storage of customers, too. The service is the label before the region's, or before
    // `oci`'s: cell1.notification.eu-frankfurt-1.oci.oraclecloud.com, notification.us-phoenix-1.oraclecloud.com.
    if !host.split('.').any(|label| label == "notification") || !url.path().contains("/subscriptions/") {
        return Err("another service of it");
    }
    Ok(url.into())
}

fn unreadable<'a>(detail: String) -> Opened<'a> {
    Opened::notice(Dialect::OciNotifications, Reading::failed(Cause::Unreadable, detail), None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_oracle_may_be_visited() {
        for (url, fits) in [
            (
                "https://cell1.notification.eu-frankfurt-1.oci.oraclecloud.com/20181201/subscriptions/x/confirmation?token=t",
                true,
            ),
            (
                "https://notification.us-phoenix-1.oraclecloud.com/20181201/subscriptions/x/confirmation?token=t",
                true,
            ),
            ("https://NOTIFICATION.X.ORACLECLOUD.COM/20181201/subscriptions/x", true),
            ("https://a.oraclecloud.com/", false),
            ("https://objectstorage.us-ashburn-1.oraclecloud.com/p/any/n/ns/b/b/o/subscriptions/", false),
            ("https://notification.us-phoenix-1.oraclecloud.com/20181201/topics/x", false),
            ("http://a.oraclecloud.com/", false),
            ("https://oraclecloud.com/", false),
            ("https://.oraclecloud.com/", false),
            ("https://evil-oraclecloud.com/", false),
            ("https://a.oraclecloud.com.evil.example/", false),
            ("https://a.oraclecloud.com@evil.example/", false),
            ("https://evil.example/?a.oraclecloud.com", false),
            ("https://evil.example#.oraclecloud.com", false),
            ("https://u@a.oraclecloud.com/", false),
            ("https://a.oraclecloud.com:8443/", false),
            // What nothing but one check refuses.
            ("http://notification.a.oraclecloud.com/subscriptions/x", false),
            ("https://u@notification.a.oraclecloud.com/subscriptions/x", false),
            ("https://:p@notification.a.oraclecloud.com/subscriptions/x", false),
            ("https://notification.a.oraclecloud.com:8443/subscriptions/x", false),
            ("https://notification.a.oraclecloud.com.evil.example/subscriptions/x", false),
            ("https://notification.evil-oraclecloud.com/subscriptions/x", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://a.oraclecloud.com%2eevil.example/", false),
            ("https://notification.a.oraclecloud.com\\@evil.example/subscriptions/x", true),
            ("file:///etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(leads_to_oracle(url).is_ok(), fits, "{url}");
        }
    }

    #[test]
    fn a_url_is_what_was_understood_of_it() {
        let plain = "https://notification.a.oraclecloud.com/@evil.example/subscriptions/x?token=t";
        for url in [
            plain,
            "https://notification.a.oraclecloud.com\\@evil.example/subscriptions/x?token=t",
            "HTTPS:notification.A.ORACLECLOUD.com/@evil.example/subscriptions/x?token=t",
            "\thttps:/\\notification.a.\noraclecloud.com/@evil.example/subscriptions/x?token=t ",
        ] {
            assert_eq!(leads_to_oracle(url).as_deref(), Ok(plain), "{url:?}");
        }
    }
}
