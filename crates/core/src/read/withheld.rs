//! What of a body nobody may keep: a filer puts the content of small files into its events, and the keys of encrypted ones.
//!
//! Whoever keeps a delivery keeps the SHA-256 of such a text in its place, so that the body is still the same JSON, and what was
//! equal still is: a reader that compares two of them says the same of both bodies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde_json::value::RawValue;

use super::table::facts;
use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::plain::json;

/// Members deeper than this hold nothing of the kind; an encrypted chunk's key is in the fifth.
const DEEPEST: usize = 8;

/// Elements of one list that are looked at: all there can be in a body.
const MOST_ELEMENTS: usize = usize::MAX;

impl Delivery {
    /// The body as whoever keeps the delivery may keep it, if it is of this dialect. What cannot be read as JSON is cut off where the first
    /// name of such a member stands.
    pub fn body_to_keep(&mut self, dialect: Option<Dialect>) -> Vec<u8> {
        let body = std::mem::take(&mut self.body);
        match dialect.or(self.dialect).map(|dialect| facts(dialect).withheld) {
            Some(names) if !names.is_empty() => without(body, names),
            _ => body,
        }
    }
}

fn without(body: Vec<u8>, names: &[&str]) -> Vec<u8> {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(&body) else { return cut(body, names) };
    let mut texts = Vec::new();
    find(raw, names, 0, &mut texts);
    if texts.is_empty() {
        return body;
    }
    let mut kept = Vec::with_capacity(body.len());
    let mut from = 0;
    for text in texts {
        // Each is a part of the body.
        let at = (text.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        kept.extend_from_slice(&body[from..at]);
        kept.push(b'"');
        kept.extend_from_slice(STANDARD.encode(digest(&SHA256, text.as_bytes())).as_bytes());
        kept.push(b'"');
        from = at + text.len();
    }
    kept.extend_from_slice(&body[from..]);
    kept
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

    fn kept(body: &str, dialect: Option<Dialect>) -> String {
        let mut delivery = Delivery::from_function(body, "");
        String::from_utf8(delivery.body_to_keep(dialect)).unwrap()
    }

    #[test]
    fn a_digest_stands_for_what_may_not_be_kept() {
        let kept = kept(EVENT, Some(Dialect::SeaweedFs));
        assert!(!kept.contains("c2VjcmV0") && !kept.contains("a2V5"), "{kept}");
        let value: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let content = |entry: &str| value["message"][entry]["content"].as_str().unwrap().to_owned();
        assert_eq!(content("old_entry"), content("new_entry"));
        assert_eq!((content("new_entry").len(), value["key"].as_str()), (44, Some("/buckets/b/k")));
        assert_eq!(value["message"]["new_entry"]["chunks"][1], 7);
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        for (body, dialect) in [
            (EVENT, Some(Dialect::Minio)),
            (EVENT, None),
            (r#"{"message":{"new_entry":{"content":""}}}"#, Some(Dialect::SeaweedFs)),
            ("[]", Some(Dialect::SeaweedFs)),
            ("7", Some(Dialect::SeaweedFs)),
            ("", Some(Dialect::SeaweedFs)),
        ] {
            assert_eq!(kept(body, dialect), body);
        }
    }

    #[test]
    fn what_is_no_json_ends_before_it() {
        let torn = &EVENT[..EVENT.len() - 3];
        assert_eq!(
            kept(torn, Some(Dialect::SeaweedFs)),
            r#"{"event_type":"update","key":"/buckets/b/k","message":{"old_entry":{"name":"k","#
        );
        assert_eq!(kept("nothing of the kind", Some(Dialect::SeaweedFs)), "nothing of the kind");
    }

    #[test]
    fn no_bytes_break_it() {
        for body in [
            &b"{\"content\":"[..],
            b"\xff{\"content\":\"\xfe\"}",
            b"{\"content\":\"\xff\"}",
            b"[[[[[[[[[[{\"content\":\"a\"}",
        ] {
            let mut delivery =
                Delivery { body: body.to_vec(), dialect: Some(Dialect::SeaweedFs), ..Delivery::default() };
            let kept = delivery.body_to_keep(None);
            assert!(kept.len() <= body.len());
        }
    }
}
