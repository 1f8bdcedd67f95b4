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

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The same body without the texts of these members. What cannot be read as JSON is cut off where the first such name stands.
pub(super) fn in_body(body: Vec<u8>, names: &[&str]) -> Vec<u8> {
    if names.is_empty() {
        return body;
    }
    // The same JSON byte by byte, for a reader that takes nothing but UTF-8: what is not ASCII stands in texts, or in front. Odd
    // bytes cost a record only where it names its object, and a kept body must be read as it was at first.
    let mut plain: Vec<u8> = body.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }).collect();
    if body.starts_with(BYTE_ORDER_MARK) {
        plain[..BYTE_ORDER_MARK.len()].fill(b' ');
    }
    match serde_json::from_slice(&plain) {
        Ok(raw) => without(&body, plain.as_ptr(), raw, names).unwrap_or(body),
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
    without(whole.as_bytes(), whole.as_ptr(), raw, names).and_then(|kept| String::from_utf8(kept).ok())
}

/// The same bytes with a sum in the place of each such text; `raw` is the JSON in them, and they begin where `begin` points to in it.
fn without(whole: &[u8], begin: *const u8, raw: &RawValue, names: &[&str]) -> Option<Vec<u8>> {
    let mut texts = Vec::new();
    find(raw, names, 0, &mut texts);
    if texts.is_empty() {
        return None;
    }
    let (mut kept, mut from) = (Vec::with_capacity(whole.len()), 0);
    for text in texts {
        let at = (text.as_ptr() as usize).checked_sub(begin as usize)?;
        let end = at + text.len();
        kept.extend_from_slice(whole.get(from..at)?);
        kept.push(b'"');
        kept.extend_from_slice(STANDARD.encode(digest(&SHA256, whole.get(at..end)?)).as_bytes());
        kept.push(b'"');
        from = end;
    }
    kept.extend_from_slice(whole.get(from..)?);
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
    fn odd_bytes_elsewhere_stay_and_cut_nothing_off() {
        let event = |content: &[u8]| {
            [b"\xef\xbb\xbf{\"odd\":\"\xff\",\"content\":\"", content, b"\",\"name\":\"\xc3\xa9\"}"].concat()
        };
        let kept = in_body(event(b"secret \xfe"), NAMES);
        assert_eq!(kept.len(), event(&[b'x'; 44]).len());
        assert!(kept.starts_with(b"\xef\xbb\xbf{\"odd\":\"\xff\"") && kept.ends_with(b"\"\xc3\xa9\"}"));
        assert_ne!(kept, in_body(event(b"secret \xfd"), NAMES), "what was different still is");
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
            assert!(kept.len() <= body.len() + 44 && !kept.contains(&0xfe), "{kept:?}");
        }
    }
}
