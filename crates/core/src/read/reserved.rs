//! Dialects that have a name and no reader yet. They are recognised, so that a sender of one gets a sentence about it
//! and not "unknown".

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::delivery::Delivery;
use crate::plain::{json, line};
use crate::read::record::s3;

json::members! {
    /// Members that tell the reserved dialects apart (each provider's own event documentation).
    struct Marks {
        message = "message",
        subscription = "subscription",
        events = "events",
        messages = "messages",
        event_type = "event_type",
        event_type_camel = "eventType",
        cloud_event_type = "type",
        operation = "operation",
        notification = "notification",
        account = "account",
        action = "action",
        bucket = "bucket",
        object = "object",
        kind = "kind",
    }
}

json::members! {
    struct EventMarks {
        oss = "oss",
        tos = "tos",
        event_type = "eventType",
        event_metadata = "event_metadata",
    }
}

/// A reserved dialect that shows in a header (each provider's own documentation of its push format).
pub(super) fn by_header(delivery: &Delivery) -> Option<&'static str> {
    let cloud_event = delivery.header("ce-type").unwrap_or_default();
    if cloud_event.starts_with("google.cloud.storage.")
        || delivery.header("x-goog-pubsub-message-id").is_some()
    {
        return Some("gcs");
    }
    if cloud_event.starts_with("com.ibm.cloud.cos.") {
        return Some("ibm-cos");
    }
    if cloud_event.starts_with("faas.tos.") || cloud_event.starts_with("bytefaas.tos.") {
        return Some("volcengine-tos");
    }
    const HEADERS: &[(&str, &str)] = &[
        ("aeg-event-type", "azure-blob"),
        ("x-bz-event-notification-signature", "b2"),
        ("x-smn-message-type", "huawei-obs"),
    ];
    HEADERS.iter().find(|(header, _)| delivery.header(header).is_some()).map(|(_, name)| *name)
}

fn starts_with(raw: Option<&RawValue>, prefix: &str) -> bool {
    json::string(raw).is_ok_and(|text| text.starts_with(prefix))
}

/// A reserved dialect that comes as one object.
pub(super) fn of_object(raw: &str) -> Option<&'static str> {
    let m: Marks<'_> = json::object(raw, "").ok()?;
    let first = |list: Option<&RawValue>| -> Option<EventMarksOwned> {
        let (list, _) = json::array(list?, 1)?;
        let marks: EventMarks<'_> = json::object(list.first()?.get(), "").ok()?;
        Some(EventMarksOwned {
            oss: marks.oss.is_some(),
            tos: marks.tos.is_some(),
            b2: starts_with(marks.event_type, "b2:"),
            yandex: marks.event_metadata.is_some(),
        })
    };
    if let Some(event) = first(m.events) {
        return match event {
            EventMarksOwned { oss: true, .. } => Some("alibaba-oss"),
            EventMarksOwned { tos: true, .. } => Some("volcengine-tos"),
            EventMarksOwned { b2: true, .. } => Some("b2"),
            _ => None,
        };
    }
    if first(m.messages).is_some_and(|e| e.yandex) {
        return Some("yandex");
    }
    if starts_with(m.event_type_camel, "Microsoft.EventGrid.")
        || starts_with(m.event_type_camel, "Microsoft.Storage.")
        || starts_with(m.cloud_event_type, "Microsoft.Storage.")
    {
        return Some("azure-blob");
    }
    if starts_with(m.kind, "storage#object")
        || starts_with(m.cloud_event_type, "google.cloud.storage.")
        || (m.message.is_some() && m.subscription.is_some())
    {
        return Some("gcs");
    }
    if starts_with(m.cloud_event_type, "OBS:") {
        return Some("huawei-obs");
    }
    if m.event_type.is_some() && m.message.is_some() {
        return Some("seaweedfs");
    }
    if m.operation.is_some() && m.notification.is_some() {
        return Some("ibm-cos");
    }
    if m.account.is_some() && m.action.is_some() && m.bucket.is_some() && m.object.is_some() {
        return Some("r2");
    }
    None
}

struct EventMarksOwned {
    oss: bool,
    tos: bool,
    b2: bool,
    yandex: bool,
}

/// A reserved dialect that comes as an array.
pub(super) fn of_array(raw: &RawValue) -> Option<&'static str> {
    let (list, _) = json::array(raw, 16)?;
    let first = list.iter().find(|e| e.get().starts_with('{'))?;
    match of_object(first.get()) {
        Some(name @ "azure-blob") => Some(name),
        _ => None,
    }
}

/// A reserved dialect whose records stand in `Records`.
pub(super) fn of_record(record: &s3::Record<'_>, source: Option<&str>) -> Option<&'static str> {
    if record.cos.is_some() {
        return Some("tencent-cos");
    }
    (record.obs.is_some() || source == Some("obs")).then_some("huawei-obs")
}

/// The first few member names of an object, for the sentence "found an object with …".
pub(super) fn members(raw: &str) -> String {
    let Ok(members) = serde_json::from_str::<Names>(raw) else { return "unreadable members".into() };
    match members.0.as_slice() {
        [] => "no members".into(),
        names => {
            let shown: Vec<_> = names.iter().take(6).map(|n| format!("`{}`", line::clip(n, 40))).collect();
            format!("{}{}", shown.join(", "), if names.len() > 6 { ", …" } else { "" })
        }
    }
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value::<serde::de::IgnoredAny>()?;
                    if names.len() < 7 {
                        names.push(name);
                    }
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
