//! Event Grid's own requests, beside those that hold events: the two handshakes by which a subscription comes about, and its end.
//!
//! Either schema has a handshake of its own. Event Grid's posts a code and wants it back: MicrosoftDocs/azure-docs,
//! `articles/event-grid/end-point-validation-event-grid-events-schema.md`. CloudEvents' asks by an OPTIONS whether it may post:
//! `end-point-validation-cloud-events-schema.md` there, and CloudEvents `http-webhook.md`, section 4. Both may also be answered later,
//! by visiting a URL that the request names; nobody here does, because whoever may post could have any address visited.
//! Values of the headers: Azure/azure-sdk-for-net, `sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid/src/TriggerBinding/HttpRequestProcessor.cs`.

use crate::plain::checked::Checked;

use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::model::event::{Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::text::Text;
use crate::plain::{json, line};
use crate::read::item::{Item, Reading, Reply};
use crate::read::row::{Called, Context, Envelope, Holds, Inside, Opened, Opening, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

/// What a request is for.
const EVENT_TYPE: &str = "aeg-event-type";

/// Types of events about the subscription itself.
const OWN: &str = "Microsoft.EventGrid.";
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
const DELETED: &str = "Microsoft.EventGrid.SubscriptionDeletedEvent";

/// A code in characters. Every one seen is a UUID; it is echoed, so it is kept short.
const MOST_CODE: usize = 256;

/// Who asks, in the words of CloudEvents' handshake: Event Grid of each of Microsoft's clouds, as its own library for receivers
/// lists them.
const ORIGINS: &[&str] = &[
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.cn",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
];
const ORIGIN: &str = "WebHook-Request-Origin";
const RATE: &str = "WebHook-Request-Rate";

/// CloudEvents' handshake.
pub(in crate::read) const PERMISSION: Row = Row {
    of: Dialect::AzureBlob,
    stands: Stands::Request,
    marks: &[Mark::Options(ORIGIN, ORIGINS)],
    headers: &[RATE],
    read: Read::Envelope(Envelope {
        open: permission,
        inside: Inside::Nothing,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// A request whose header says what it is for.
pub(in crate::read) const REQUEST: Row = Row {
    of: Dialect::AzureBlob,
    stands: Stands::Request,
    marks: &[Mark::Header(EVENT_TYPE, Test::There)],
    headers: &[EVENT_TYPE],
    read: Read::Envelope(Envelope {
        open: by_header,
        inside: Inside::Nothing,
        holds: Holds::AsPinned,
        called: Called::Itself,
    }),
    ..Row::BASE
};

/// An event about the subscription. A validation gets here only without the header that belongs to it.
pub(in crate::read) const SUBSCRIPTION: Row = Row {
    of: Dialect::AzureBlob,
    marks: &[Mark::Members(&[("eventType", Test::BeginsLike(OWN))])],
    either: "an event of Event Grid",
    read: Read::Notice(subscription),
    ..Row::BASE
};

/// The same as a CloudEvent.
pub(in crate::read) const SUBSCRIPTION_CLOUDEVENT: Row = Row {
    of: Dialect::AzureBlob,
    marks: &[Mark::Type(Test::BeginsLike(OWN))],
    read: Read::Notice(subscription_cloud_event),
    ..Row::BASE
};

/// Grants a sender that is on the list what it asks for.
fn permission<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let delivery = opening.delivery;
    let asked = delivery.header(ORIGIN).unwrap_or_default();
    // What is written into the answer is never what was sent.
    let Some(origin) = ORIGINS.iter().find(|origin| origin.eq_ignore_ascii_case(asked)) else {
        return Opened::Pass;
    };
    let mut headers = vec![("webhook-allowed-origin", (*origin).to_owned()), ("allow", "POST".to_owned())];
    // Requests a minute.
    let rate = delivery.header(RATE).and_then(|rate| rate.parse::<u32>().ok()).filter(|rate| *rate > 0);
    headers.extend(rate.map(|rate| ("webhook-allowed-rate", rate.to_string())));
    let reply = Reply { status: 200, content_type: "text/plain", headers, body: String::new() };
    Opened::handshake(Dialect::AzureBlob, Some(reply), None)
}

/// What the header decides; the body may.
fn by_header<'a>(_: &Seen<'a>, opening: &Opening<'a>) -> Opened<'a> {
    let delivery = opening.delivery;
    let kind = delivery.header(EVENT_TYPE).unwrap_or_default();
    if kind.eq_ignore_ascii_case("SubscriptionValidation") {
        return match validation(delivery, opening.names_objects) {
            Ok(code) => {
                let body = serde_json::json!({ "validationResponse": code }).to_string();
                let reply =
                    Reply { status: 200, content_type: "application/json", headers: Vec::new(), body };
                Opened::handshake(Dialect::AzureBlob, Some(reply), None)
            }
            Err(detail) => {
                Opened::notice(Dialect::AzureBlob, Reading::failed(Cause::Unreadable, detail), None, None)
            }
        };
    }
    let names_objects = || {
        let text = Text::of(&delivery.body).text;
        elements(&text).iter().any(|raw| (opening.names_objects)(raw.get().as_bytes(), Dialect::AzureBlob))
    };
    if kind.eq_ignore_ascii_case("Unsubscribe") && !names_objects() {
        return Opened::Notice(Box::new((ended(String::from("0")), None, None)));
    }
    Opened::Pass
}

json::members! {
    struct Validation {
        event_type = "eventType",
        data = "data",
    }
}

json::members! {
    struct ValidationData {
        code = "validationCode",
    }
}

/// The code that a handshake wants to have back. Header and body must both say that this is one: each alone may be somebody's
/// way to make the relay say what it is given.
fn validation(delivery: &Delivery, names_objects: fn(&[u8], Dialect) -> bool) -> Result<String, String> {
    let text = Text::of(&delivery.body).text;
    let elements = elements(&text);
    let expected = |what: &str, found: String| {
        format!("header {EVENT_TYPE} is SubscriptionValidation: expected {what}, found {found}")
    };
    let [element] = elements[..] else {
        return Err(expected("a list of one event", format!("one of {}", elements.len())));
    };
    let event: Validation<'_> = json::object(element, "the body")?;
    let event_type = json::string(event.event_type).unwrap_or_default();
    if !event_type.eq_ignore_ascii_case(VALIDATION) {
        return Err(expected(
            &format!("an eventType of {VALIDATION}"),
            format!("{:?}", line::clip(&event_type, 80)),
        ));
    }
    if names_objects(element.get().as_bytes(), Dialect::AzureBlob) {
        return Err(expected("a handshake and nothing else", "members of other events beside it".into()));
    }
    // Microsoft's own library also takes the data as a text of JSON.
    let inner = json::string(event.data).ok();
    let data: ValidationData<'_> = match &inner {
        Some(text) => json::object_in(text, "data")?,
        None => json::object_or_empty(event.data, "data")?,
    };
    let code = json::string(data.code).unwrap_or_default();
    let length = code.chars().count();
    if !(1..=MOST_CODE).contains(&length) {
        return Err(format!("data.validationCode: expected 1 to {MOST_CODE} characters, found {length}"));
    }
    Ok(code.into_owned())
}

/// The elements of a list, or the one thing that there is. Two are enough to tell that it is not one.
fn elements(text: &str) -> Vec<Checked<'_>> {
    let Ok(raw) = Checked::read(text.trim_start_matches('\u{feff}')) else {
        return Vec::new();
    };
    json::array(raw, MOST_ELEMENTS).map_or_else(|| vec![raw], |(elements, _)| elements)
}

/// More than Event Grid puts into a batch.
const MOST_ELEMENTS: usize = 5000;

fn subscription(seen: &Seen<'_>, _: &Context<'_>) -> Item {
    let kind = json::string(seen.get("eventType")).unwrap_or_default();
    about(&kind)
}

fn subscription_cloud_event(_: &Seen<'_>, context: &Context<'_>) -> Item {
    about(context.around.event.map_or("", |event| &*event.kind))
}

fn about(kind: &str) -> Item {
    if kind.eq_ignore_ascii_case(DELETED) {
        return ended(String::new());
    }
    let detail = match kind.eq_ignore_ascii_case(VALIDATION) {
        true => format!(
            "eventType: a handshake is answered only with the header {EVENT_TYPE}: SubscriptionValidation beside it"
        ),
        false => format!("eventType: expected {VALIDATION} or {DELETED}, found {:?}", line::clip(kind, 80)),
    };
    Item::new(String::new(), Some(Dialect::AzureBlob), Reading::failed(Cause::Unreadable, detail))
}

/// A subscription that is no more.
fn ended(path: String) -> Item {
    let notice = Notice { kind: NoticeKind::Handshake, bucket: None, details: Details::default() };
    let mut item = Item::new(path, Some(Dialect::AzureBlob), Reading::Notice(notice));
    item.warnings.push("Event Grid has ended this subscription: it posts no more events of it".into());
    item
}
