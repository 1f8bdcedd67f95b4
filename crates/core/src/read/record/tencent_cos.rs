//! Tencent Cloud Object Storage (COS), as its trigger hands events to a function (SCF), and as EventBridge does.
//!
//! Shape: Tencent Cloud, "COS Trigger Description" (583/9707) and captured events (tencentyun/scf-demo-java, `Cos.java`). A record holds the
//! headers of the upload, and among them what the uploader has signed it with; so they are never kept (`Facts::withheld`).
//!
//! A bucket's name is that of the record, a hyphen and the record's `appid`. In front of the key stands `/appid/name/`, which is taken
//! away once: an object may be called so itself. The console's template has a key without it.

use std::fmt::Display;

use crate::plain::checked::Checked;
use jiff::Timestamp;

use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind, ObjectKey};
use crate::model::failure::{Cause, Failure};
use crate::plain::json;
use crate::read::ending::{self, Ending};
use crate::read::event_name::{self, Meaning};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Inside, List, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts {
    // In every sample the key is as it is, while `url` beside it is encoded (`!!!` and `%21%21%21`); no page says so. An inference:
    // RELAY_KEYS_TENCENT_COS overrides.
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["cos", "cosObject", "key"],
    looks_like: "a list of `Records` with `cos`, or a CloudEvent of EventBridge",
    withheld: &["requestHeaders"],
    ..Facts::BASE
};

/// An element of `Records`.
pub(in crate::read) const RECORD: Row = Row {
    of: Dialect::TencentCos,
    stands: Stands::InRecords,
    marks: &[Mark::Members(&[("cos", Test::There)])],
    expected: "a record of COS with `cos`",
    members: &["event"],
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

/// A CloudEvent of EventBridge, whose type is `cos:created:object` (Tencent Cloud EventBridge, "Event Structure"). No page says what its
/// data is; the record of the trigger is a guess. Data in which it does not stand fail, and the dead-letter queue keeps them.
pub(in crate::read) const CLOUDEVENT: Row = Row {
    stands: Stands::Alone,
    marks: &[Mark::Type(Test::BeginsLike("cos:"))],
    lies_in: &[Inside::Event],
    expected: "",
    members: &["cos", "event"],
    ..RECORD
};

/// A batch of them (Tencent Cloud SCF, "EventBridge trigger", 583/59100).
pub(in crate::read) const BATCH: Row = Row {
    of: Dialect::TencentCos,
    marks: &[Mark::Members(&[("EventList", Test::There)])],
    lies_in: &[Inside::Nothing],
    read: Read::List(List {
        member: "EventList",
        place: "EventList",
        element: "",
        elements: &[Stands::Alone],
        of_letters: false,
        empty: |_| Some(Dialect::TencentCos),
        stranger: |_, place| format!("{place}: expected a CloudEvent of COS, found another object"),
    }),
    ..Row::BASE
};

json::members! {
    struct Cos {
        bucket = "cosBucket",
        object = "cosObject",
    }
}

json::members! {
    struct BucketWire {
        name = "name",
        appid = "appid",
        cos_region = "cosRegion",
        region = "region",
    }
}

json::members! {
    struct ObjectWire {
        key = "key",
        size = "size",
        meta = "meta",
        version_id = "vid",
    }
}

json::members! {
    struct Meta {
        etag = "ETag",
        request_id = "x-cos-request-id",
    }
}

json::members! {
    struct Event {
        name = "eventName",
        time = "eventTime",
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::TencentCos), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let around = context.around.event;
    let place = if context.place.is_empty() { "data" } else { context.place };
    let at = |member: &str| format!("{place}.cos.{member}");
    let members = json::object_or_empty::<Cos<'_>>(seen.get("cos"), at("")).and_then(|cos| {
        let bucket = json::object_or_empty::<BucketWire<'_>>(cos.bucket, at("cosBucket"))?;
        let object = json::object_or_empty::<ObjectWire<'_>>(cos.object, at("cosObject"))?;
        let meta = json::object_or_empty::<Meta<'_>>(object.meta, at("cosObject.meta"))?;
        let event = json::object_or_empty::<Event<'_>>(seen.get("event"), format_args!("{place}.event"))?;
        Ok((bucket, object, meta, event))
    });
    let (bucket, object, meta, event) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let request_id = json::mark(meta.request_id);
    let mut details = Details {
        size: json::size(object.size, at("cosObject.size"), warnings),
        etag: json::etag(meta.etag, at("cosObject.meta.ETag"), warnings),
        version_id: json::text(object.version_id, at("cosObject.vid"), warnings),
        region: json::text(bucket.cos_region.or(bucket.region), at("cosBucket.cosRegion"), warnings),
        time: json::unix_time(event.time, 1, format_args!("{place}.event.eventTime"), warnings)
            .or_else(|| milliseconds(around?.time.as_deref()?)),
        event_id: around.filter(|_| request_id.is_none()).and_then(|e| e.id.as_deref().map(str::to_owned)),
        request_id,
        ..Details::default()
    };
    let appid = json::text(bucket.appid, at("cosBucket.appid"), warnings).unwrap_or_default();
    let name = json::text(bucket.name, at("cosBucket.name"), warnings).unwrap_or_default();
    let (whole, prefix) = match (&*name, &*appid) {
        ("", _) | (_, "") => (name.clone(), String::new()),
        (name, appid) => (format!("{name}-{appid}"), format!("/{appid}/{name}/")),
    };
    let bucket = Bucket::new(&whole);
    let said = json::string(event.name).ok().filter(|name| !name.is_empty());
    let event_name = said.as_deref().or(around.map(|event| &*event.kind));
    let event_name = event_name.filter(|name| !name.is_empty() && name.len() <= event_name::MOST_BYTES);
    let Some(event_name) = event_name else {
        return ending::nameless(format_args!("{place}.event.eventName"), bucket, details);
    };
    let (meaning, warning) = meaning(event_name);
    warnings.extend(warning);
    details.event_name = Some(event_name.to_owned());
    let Meaning::Change(change) = meaning else {
        return Reading::Notice(Notice { kind: NoticeKind::Test, bucket, details });
    };
    let encoding = FACTS.encoding(context.keys, Dialect::TencentCos);
    let key = object_key(object.key, &prefix, at("cosObject.key"), encoding);
    Ending { change, bucket, bucket_place: at("cosBucket.name"), key, spoken_of: true, details }.reading()
}

/// The trigger's names are the family's; the types of EventBridge are `cos:created:object` and, for uploads by a form,
/// `COS:Created:PostObject` ("Event Structure").
fn meaning(name: &str) -> (Meaning, Option<String>) {
    match name.to_ascii_lowercase().strip_prefix("cos:created:") {
        Some("object" | "postobject") => (Meaning::Change(Change::Created), None),
        _ => event_name::meaning(name),
    }
}

fn object_key(
    raw: Option<Checked<'_>>,
    prefix: &str,
    place: impl Display,
    encoding: KeyEncoding,
) -> Result<ObjectKey, Failure> {
    match json::string(raw) {
        Ok(text) => key::decode(text.strip_prefix(prefix).unwrap_or(&text), place, encoding),
        Err(_) => key::read(raw, place, |_| encoding),
    }
}

/// A CloudEvent's time, which is one there.
fn milliseconds(text: &str) -> Option<Timestamp> {
    text.parse().ok().and_then(|count| Timestamp::from_millisecond(count).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_goes_once_and_only_if_it_is_there() {
        for (text, want) in [
            ("/125/in/a b.bin", "a b.bin"),
            ("/125/in//125/in/x", "/125/in/x"),
            ("/125/in//a", "/a"),
            ("/serverless.txt", "/serverless.txt"),
            ("/125/inner/x", "/125/inner/x"),
            ("125/in/x", "125/in/x"),
            ("a%20b+c", "a%20b+c"),
        ] {
            let raw = format!("{text:?}");
            let key =
                object_key(Some(Checked::read(&raw).unwrap()), "/125/in/", "key", KeyEncoding::Verbatim)
                    .unwrap();
            assert_eq!(key.as_str(), want, "{text}");
        }
        let bare = Checked::read("\"/125/in/\"").unwrap();
        let failure = object_key(Some(bare), "/125/in/", "key", KeyEncoding::Verbatim).unwrap_err();
        assert_eq!(failure.cause, Cause::MissingKey);
    }

    #[test]
    fn names() {
        for (name, want) in [
            ("cos:created:object", Change::Created),
            ("COS:Created:PostObject", Change::Created),
            ("cos:ObjectCreated:Put", Change::Created),
            ("cos:ObjectRemove:Delete", Change::Removed),
            ("cos:ObjectRestore:Completed", Change::Other),
            ("cos:created:bucket", Change::Unknown),
            ("cos:removed:object", Change::Unknown),
        ] {
            assert_eq!(meaning(name).0, Meaning::Change(want), "{name}");
        }
    }
}
