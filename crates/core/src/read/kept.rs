//! What a record was read from, kept for conditions: as it was sent, and with the key decoded. Credentials that a store writes into
//! its records are left out, so that no sentence about a condition can show them.

use serde_json::value::RawValue;

use super::item::{Item, Reading};
use crate::model::raw::Raw;
use crate::plain::json;

/// Keeps what an item was read from. `key_place` leads to the key in it; empty: none does. Members called as in `hidden` hold
/// credentials.
pub(super) fn kept(item: &Item, sent: &RawValue, key_place: &[&str], hidden: &[&str]) -> Raw {
    match without_credentials(sent, hidden) {
        Some(sent) => kept_as_it_is(item, &sent, key_place),
        None => kept_as_it_is(item, sent, key_place),
    }
}

fn kept_as_it_is(item: &Item, sent: &RawValue, key_place: &[&str]) -> Raw {
    let decoded = match &item.reading {
        Reading::Object(event) if !key_place.is_empty() => {
            let key = key_place.iter().try_fold(sent, |value, name| json::member(value, name));
            key.and_then(|key| replaced(sent, key, event.key.as_str()))
        }
        _ => None,
    };
    Raw { sent: sent.to_owned(), decoded }
}

/// A store writes credentials into its records less deep than this, also where a list or a CloudEvent is around them.
const MOST_DEPTH: usize = 8;

/// The same JSON with nulls for the members that hold credentials; `None` if it has none. A record is looked through whatever it was
/// read as, and of members that stand there twice both are meant.
fn without_credentials(sent: &RawValue, hidden: &[&str]) -> Option<Box<RawValue>> {
    if !hidden.iter().any(|name| sent.get().contains(name)) {
        return None;
    }
    let mut parts = Vec::new();
    find(sent, hidden, MOST_DEPTH, &mut parts);
    let (mut text, mut from) = (String::new(), 0);
    for part in parts {
        let begin = (part.as_ptr() as usize).checked_sub(sent.get().as_ptr() as usize)?;
        text.push_str(sent.get().get(from..begin)?);
        text.push_str("null");
        from = begin + part.len();
    }
    text.push_str(sent.get().get(from..)?);
    RawValue::from_string(text).ok()
}

/// The values of all members of these names, in the order of the text.
fn find<'a>(raw: &'a RawValue, names: &[&str], depth: usize, parts: &mut Vec<&'a str>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Some((elements, _)) = json::array(raw, usize::MAX) {
        elements.into_iter().for_each(|element| find(element, names, depth, parts));
    } else if raw.get().starts_with('{') {
        let each = |name: &str, value: &'a RawValue| match names.contains(&name) {
            true => parts.push(value.get()),
            false => find(value, names, depth, parts),
        };
        // It was read as JSON before.
        json::each_member(raw.get(), each).unwrap_or_default();
    }
}

/// The same JSON with a text in the place of `part`, which is borrowed from it; `None` if that stands there already.
fn replaced(whole: &RawValue, part: &RawValue, text: &str) -> Option<Box<RawValue>> {
    if json::string(Some(part)).is_ok_and(|sent| sent == text) {
        return None;
    }
    let (whole, part, text) = (whole.get(), part.get(), serde_json::to_string(text).ok()?);
    let begin = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let (before, behind) = (whole.get(..begin)?, whole.get(begin + part.len()..)?);
    RawValue::from_string([before, &text, behind].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_wherever_they_stand() {
        let headers = r#"{"Authorization":"q-sign","a":[1]}"#;
        for (sent, held) in [
            (r#"{"event":{"a":1,"requestParameters":{"requestHeaders":HEADERS,"ip":"i"}},"cos":{}}"#, true),
            (
                r#"{"event":{"requestHeaders":HEADERS,"requestHeaders":HEADERS},"event":{"requestHeaders":HEADERS}}"#,
                true,
            ),
            (
                r#"{"EventList":[{"data":{"event":{"requestParameters":{"requestHeaders":HEADERS}}}},1]}"#,
                true,
            ),
            (r#"{"Records":1,"Records":[{"requestHeaders":HEADERS}]}"#, true),
            (r#"{"event":{"requestParameters":{"requestHeader":1}}}"#, false),
            ("[1]", false),
        ] {
            let raw = RawValue::from_string(sent.replace("HEADERS", headers)).unwrap();
            let kept = without_credentials(&raw, &["requestHeaders"]).map(|kept| kept.get().to_owned());
            assert_eq!(kept, held.then(|| sent.replace("HEADERS", "null")), "{sent}");
        }
        let deep = format!("{}{{\"requestHeaders\":1}}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(
            without_credentials(&RawValue::from_string(deep).unwrap(), &["requestHeaders"]).is_some(),
            "and no stack is lost"
        );
    }
}
