//! A condition that matches given events, to start one's own from.

use super::filter::{Filter, Want};
use super::verdict::Condition;
use crate::plain::json;

json::members! {
    struct Envelope {
        event_type = "eventType",
        data = "data",
    }
}

json::members! {
    struct Data {
        resource_name = "resourceName",
        additional = "additionalDetails",
    }
}

json::members! {
    struct Additional {
        bucket_name = "bucketName",
        namespace = "namespace",
    }
}

/// One event's values of the fields a condition is usually about.
struct Values {
    event_type: String,
    bucket: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// A condition, as one line of JSON, that matches all the given OCI events: their types, buckets and namespaces, and what
/// their names begin with. It was tried on them before it is returned.
///
/// # Errors
/// A sentence with the index of the event that is the reason.
pub fn suggest(events: &[&str]) -> Result<String, (usize, String)> {
    let mut all = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        all.push(values(event).map_err(|e| (index, e))?);
    }
    let texts = |of: fn(&Values) -> Option<&str>| -> Option<Vec<&str>> {
        let mut texts = all.iter().map(of).collect::<Option<Vec<_>>>()?;
        let mut seen = std::collections::HashSet::new();
        texts.retain(|text| seen.insert(*text));
        (!texts.is_empty()).then_some(texts)
    };
    let field = |name: &str, want: Option<Want>| want.map(|want| (name.to_owned(), want));
    let list = |texts: Option<Vec<&str>>| texts.map(|texts| one_or_list(&texts));
    let fields = |list: Vec<(String, Want)>| (!list.is_empty()).then(|| Want::Fields(Filter::new(list)));

    let additional = [
        field("bucketName", list(texts(|v| v.bucket.as_deref()))),
        field("namespace", list(texts(|v| v.namespace.as_deref()))),
    ];
    let data = [
        field("resourceName", texts(|v| v.name.as_deref()).and_then(|names| beginning(&names))),
        field("additionalDetails", fields(additional.into_iter().flatten().collect())),
    ];
    let top = [
        field("eventType", list(texts(|v| Some(&v.event_type)))),
        field("data", fields(data.into_iter().flatten().collect())),
    ];
    let filter = Filter::new(top.into_iter().flatten().collect());
    let text = Condition { filter, warnings: Vec::new() }.to_string();

    let condition = Condition::from_json(&text)
        .map_err(|mistakes| (0, mistakes.first().map(ToString::to_string).unwrap_or_default()))?;
    for (index, event) in events.iter().enumerate() {
        match condition.mismatch(event) {
            Ok(None) => {}
            Ok(Some(mismatch)) => return Err((index, format!("no condition was found for it: {mismatch}"))),
            Err(e) => return Err((index, e)),
        }
    }
    Ok(text)
}

fn values(event: &str) -> Result<Values, String> {
    let envelope: Envelope<'_> = json::object_in(event, "the event")?;
    let data: Data<'_> = json::object_or_empty(envelope.data, "data")?;
    let additional: Additional<'_> = json::object_or_empty(data.additional, "data.additionalDetails")?;
    let text = |raw| json::string(raw).ok().map(|text| text.into_owned());
    Ok(Values {
        event_type: text(envelope.event_type)
            .ok_or("eventType: expected the type of an OCI event, found none; a condition can be suggested for OCI events")?,
        bucket: text(additional.bucket_name),
        namespace: text(additional.namespace),
        name: text(data.resource_name),
    })
}

fn one_or_list(texts: &[&str]) -> Want {
    match texts {
        [text] => Want::text(text),
        texts => Want::OneOf(texts.iter().map(|text| Want::text(text)).collect()),
    }
}

/// What all names begin with, and a star. A single name says nothing about the next one but its folder.
fn beginning(names: &[&str]) -> Option<Want> {
    let (first, rest) = names.split_first()?;
    let mut common = match rest {
        [] => &first[..first.rfind('/').map_or(0, |slash| slash + 1)],
        _ => first,
    };
    for name in rest {
        let same = common.char_indices().zip(name.chars()).take_while(|((_, a), b)| a == b);
        common = &common[..same.last().map_or(0, |((at, c), _)| at + c.len_utf8())];
    }
    (!common.is_empty()).then(|| Want::text(&format!("{common}*")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(event_type: &str, bucket: &str, name: &str) -> String {
        serde_json::json!({
            "eventType": event_type,
            "data": { "resourceName": name, "additionalDetails": { "bucketName": bucket, "namespace": "ns" } }
        })
        .to_string()
    }

    fn suggested(events: &[String]) -> String {
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        suggest(&events).unwrap()
    }

    #[test]
    fn the_fields_that_events_share() {
        let one = event("t", "b", "in/2026/a.pdf");
        let cases: &[(&[String], &str)] = &[
            (
                &[event("t", "b", "in/2026/a.pdf")],
                r#"{"eventType":"t","data":{"resourceName":"in/2026/*","additionalDetails":{"bucketName":"b","namespace":"ns"}}}"#,
            ),
            (
                &[event("t", "b", "a.pdf")],
                r#"{"eventType":"t","data":{"additionalDetails":{"bucketName":"b","namespace":"ns"}}}"#,
            ),
            (
                &[one.clone(), event("u", "c", "in/2027/b.pdf"), one.clone()],
                r#"{"eventType":["t","u"],"data":{"resourceName":"in/202*","additionalDetails":{"bucketName":["b","c"],"namespace":"ns"}}}"#,
            ),
            (
                &[event("t", "b", "a/é"), event("t", "b", "a/è")],
                r#"{"eventType":"t","data":{"resourceName":"a/*","additionalDetails":{"bucketName":"b","namespace":"ns"}}}"#,
            ),
            (&[r#"{"eventType":"t","data":null}"#.into(), one], r#"{"eventType":"t"}"#),
        ];
        for (events, want) in cases {
            assert_eq!(suggested(events), *want);
        }
    }

    #[test]
    fn the_event_that_is_the_reason_is_named() {
        let good = event("t", "b", "k");
        let (index, sentence) = suggest(&[&good, r#"{"eventName":"ObjectCreated:Put"}"#]).unwrap_err();
        assert_eq!(index, 1);
        assert!(sentence.starts_with("eventType: expected the type of an OCI event"), "{sentence}");
        assert_eq!(suggest(&[&good, &good, "[]"]).unwrap_err().0, 2);
    }

    proptest! {
        #[test]
        fn it_matches_whatever_the_names_are(names in prop::collection::vec("(a|b|é|/|\\*|\"|\\PC){0,6}", 1..5)) {
            let events: Vec<_> = names.iter().map(|name| event(name, name, name)).collect();
            let condition = Condition::from_json(&suggested(&events)).unwrap();
            for event in &events {
                prop_assert_eq!(condition.mismatch(event), Ok(None));
            }
        }
    }
}
