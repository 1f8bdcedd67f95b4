//! What of a body nobody may keep or show: a filer puts the content of small files into its events, and the keys of encrypted
//! ones; a store writes the headers of the upload into its records, and with them what the uploader has signed it with.
//!
//! Whoever keeps a delivery keeps the SHA-256 of such a text in its place, so that the body is still the same JSON, and what was
//! equal still is: a reader that compares two of them says the same of both bodies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

use crate::plain::json;

/// Members deeper than this hold nothing of the kind; an encrypted chunk's key is in the fifth.
const DEEPEST: usize = 8;

/// Elements of one list that are looked at: all there can be in a body.
const MOST_ELEMENTS: usize = usize::MAX;

/// The same body without the texts of these members. What cannot be read as JSON is cut off where the first such name stands.
pub(super) fn in_body(body: Vec<u8>, names: &[&str]) -> Vec<u8> {
    if names.is_empty() {
        return body;
    }
    let Ok(text) = str::from_utf8(&body) else { return cut(body, names) };
    match serde_json::from_str(text).map(|raw| in_json(raw, names)) {
        Ok(None) => body,
        Ok(Some(kept)) => kept.into_bytes(),
        Err(_) => cut(body, names),
    }
}

/// The same for what is JSON; `None` if it holds no such text.
pub(super) fn in_json(raw: &RawValue, names: &[&str]) -> Option<String> {
    let whole = raw.get();
    // A name may be written with escapes.
    if !whole.contains('\\') && !names.iter().any(|name| whole.contains(name)) {
        return None;
    }
    let mut texts = Vec::new();
    find(raw, names, 0, &mut texts);
    if texts.is_empty() {
        return None;
    }
    let (mut kept, mut from) = (String::with_capacity(whole.len()), 0);
    for text in texts {
        // Each is a part of the whole.
        let at = (text.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        kept.push_str(whole.get(from..at)?);
        kept.push('"');
        kept.push_str(&STANDARD.encode(digest(&SHA256, text.as_bytes())));
        kept.push('"');
        from = at + text.len();
    }
    kept.push_str(whole.get(from..)?);
    Some(kept)
}

/// The texts of these members, in the order in which they stand.
fn find<'a>(raw: &'a RawValue, names: &[&str], depth: usize, texts: &mut Vec<&'a str>) {
    if depth > DEEPEST {
        return;
    }
    if raw.get().starts_with('[') {
        let elements = json::array(raw, MOST_ELEMENTS).map(|(elements, _)| elements);
        elements.into_iter().flatten().for_each(|element| find(element, names, depth + 1, texts));
    } else if raw.get().starts_with('{') {
        // Only what is no JSON could fail here.
        let _ = json::each_member(raw.get(), |name, value| match names.contains(&name) {
            true if value.get() != "\"\"" => texts.push(value.get()),
            true => {}
            false => find(value, names, depth + 1, texts),
        });
    }
}

/// The beginning of a body, up to the first of these names.
fn cut(mut body: Vec<u8>, names: &[&str]) -> Vec<u8> {
    let quoted = names.iter().map(|name| format!("\"{name}\""));
    let first =
        quoted.filter_map(|name| body.windows(name.len()).position(|part| part == name.as_bytes())).min();
    body.truncate(first.unwrap_or(body.len()));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"event_type":"update","key":"/buckets/b/k","message":{"old_entry":{"name":"k","content":"c2VjcmV0"},"new_entry":{"name":"k","content":"c2VjcmV0","chunks":[{"fid":{},"cipher_key":"a2V5"},7]}}}"#;

    const NAMES: &[&str] = &["content", "cipher_key"];

    fn kept(body: &str) -> String {
        String::from_utf8(in_body(body.into(), NAMES)).unwrap()
    }

    #[test]
    fn a_digest_stands_for_what_may_not_be_kept() {
        let kept = kept(EVENT);
        assert!(!kept.contains("c2VjcmV0") && !kept.contains("a2V5"), "{kept}");
        let value: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let content = |entry: &str| value["message"][entry]["content"].as_str().unwrap().to_owned();
        assert_eq!(content("old_entry"), content("new_entry"));
        assert_eq!((content("new_entry").len(), value["key"].as_str()), (44, Some("/buckets/b/k")));
        assert_eq!(value["message"]["new_entry"]["chunks"][1], 7);
    }

    #[test]
    fn it_is_found_wherever_it_stands() {
        for body in [
            r#"{"event":{"requestParameters":{"requestHeaders":{"Authorization":"q-sign"},"ip":"i"}},"cos":{}}"#,
            r#"{"event":{"requestHeaders":"q-sign","requestHeaders":["q-sign"]},"event":{"requestHeaders":"q-sign"}}"#,
            r#"{"EventList":[{"data":{"event":{"requestParameters":{"requestHeaders":"q-sign"}}}},1]}"#,
            r#"{"Records":1,"Records":[{"requestHeaders":{"a":"q-sign"}}]}"#,
            r#"{"\u0072equestHeaders":"q-sign"}"#,
        ] {
            let raw: &RawValue = serde_json::from_str(body).unwrap();
            let kept = in_json(raw, &["requestHeaders"]).unwrap();
            assert!(!kept.contains("q-sign") && serde_json::from_str::<&RawValue>(&kept).is_ok(), "{kept}");
        }
        let deep = format!("{}{{\"content\":1}}{}", "[".repeat(100_000), "]".repeat(100_000));
        let _ = in_json(&RawValue::from_string(deep).unwrap(), NAMES);
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        for body in [r#"{"message":{"new_entry":{"content":""}}}"#, r#"{"contents":"a"}"#, "[]", "7", ""] {
            assert_eq!(kept(body), body);
        }
        assert_eq!(in_body(EVENT.into(), &[]), EVENT.as_bytes());
    }

    #[test]
    fn what_is_no_json_ends_before_it() {
        let torn = &EVENT[..EVENT.len() - 3];
        assert_eq!(
            kept(torn),
            r#"{"event_type":"update","key":"/buckets/b/k","message":{"old_entry":{"name":"k","#
        );
        assert_eq!(kept("nothing of the kind"), "nothing of the kind");
    }

    #[test]
    fn no_bytes_break_it() {
        for body in [
            &b"{\"content\":"[..],
            b"\xff{\"content\":\"\xfe\"}",
            b"{\"content\":\"\xff\"}",
            b"[[[[[[[[[[{\"content\":\"a\"}",
        ] {
            let kept = in_body(body.to_vec(), NAMES);
            assert!(kept.len() <= body.len() && !kept.ends_with(b"\"\xfe\"}"), "{kept:?}");
        }
    }
}
