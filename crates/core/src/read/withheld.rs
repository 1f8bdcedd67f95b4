//! What of a body nobody may keep or show: a filer puts the content of small files into its events, and the keys of encrypted
//! ones; a store writes the headers of the upload into its records, and with them what the uploader has signed it with.
//!
//! Whoever keeps a delivery keeps the SHA-256 of such a text in its place, in whatever the event came wrapped, so
//! that the body is still the same JSON, and what was equal still is: a reader that compares two of them says the same of both
//! bodies.

use std::ops::Range;

use crate::plain::checked::Checked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::plain::json;
use crate::read::envelope::text as wrapped;

/// Members deeper than this hold nothing of the kind; an encrypted chunk's key is in the fifth.
const DEEPEST: usize = 8;

/// Elements of one list that are looked at: all there can be in a body.
const MOST_ELEMENTS: usize = usize::MAX;

/// A part of a text, and what stands in its place; `None`: the sum of its bytes.
type Edit = (Range<usize>, Option<String>);

/// The same body without the texts of these members, in whatever it is wrapped: a text in a text, base64, lines of JSON. What cannot
/// be read as any of these is cut off where the first such name stands.
pub(super) fn in_body(body: Vec<u8>, names: &[&str]) -> Vec<u8> {
    if names.is_empty() {
        return body;
    }
    let found = match str::from_utf8(&body) {
        Ok(text) => edits(text, names),
        // Byte for byte as long, so that what is found here stands there.
        Err(_) => edits(&masked(&body), names),
    };
    match found {
        Some(edits) if edits.is_empty() => body,
        Some(edits) => edited(&body, edits),
        None => cut(body, names),
    }
}

/// Bytes as a text of the same length.
fn masked(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

fn edited(body: &[u8], edits: Vec<Edit>) -> Vec<u8> {
    let (mut kept, mut from) = (Vec::with_capacity(body.len()), 0);
    for (range, text) in edits {
        kept.extend(body.get(from..range.start).unwrap_or_default());
        let sum = || {
            let part = body.get(range.clone()).unwrap_or_default();
            format!("\"{}\"", STANDARD.encode(digest(&SHA256, part)))
        };
        kept.extend(text.unwrap_or_else(sum).bytes());
        from = range.end;
    }
    kept.extend(body.get(from..).unwrap_or_default());
    kept
}

/// What is to be changed in a text, in the order in which it stands there; `None` if it cannot be read.
fn edits(text: &str, names: &[&str]) -> Option<Vec<Edit>> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text).trim_matches([' ', '\t', '\n', '\r']);
    let at = place(text, bare)?;
    if let Ok(raw) = Checked::read(bare) {
        let mut edits = Vec::new();
        find(raw, names, 0, &mut |part, new| {
            edits.extend(place(text, part).map(|at| (at..at + part.len(), new)));
        });
        return Some(edits);
    }
    if wrapped::is_base64(bare)
        && let Ok(bytes) = STANDARD.decode(bare)
    {
        let kept = in_body(bytes.clone(), names);
        let edit = (kept != bytes).then(|| (at..at + bare.len(), Some(STANDARD.encode(kept))));
        return Some(edit.into_iter().collect());
    }
    if !wrapped::is_lines(bare) {
        return None;
    }
    let mut all = Vec::new();
    for line in bare.lines() {
        let at = place(text, line)?;
        match edits(line, names) {
            Some(edits) => all.extend(edits.into_iter().map(|(r, new)| (r.start + at..r.end + at, new))),
            // A torn line costs no other one anything.
            None => {
                let kept = cut(line.as_bytes().to_vec(), names).len();
                all.push((at + kept..at + line.len(), Some(String::new())));
            }
        }
    }
    Some(all)
}

/// Where a part of a text begins.
fn place(whole: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)
}

/// The same for what is JSON; `None` if it holds no such text.
pub(super) fn in_json(raw: Checked<'_>, names: &[&str]) -> Option<String> {
    let whole = raw.get();
    // A name may be written with escapes.
    if !whole.contains('\\') && !names.iter().any(|name| whole.contains(name)) {
        return None;
    }
    let edits = edits(whole, names).filter(|edits| !edits.is_empty())?;
    String::from_utf8(edited(whole.as_bytes(), edits)).ok()
}

/// The texts of these members, in the order in which they stand, and what to keep instead.
fn find<'a>(raw: Checked<'a>, names: &[&str], depth: usize, found: &mut dyn FnMut(&'a str, Option<String>)) {
    if depth > DEEPEST {
        return;
    }
    let text = raw.get();
    if text.starts_with('[') {
        let elements = json::array(raw, MOST_ELEMENTS).map(|(elements, _)| elements);
        elements.into_iter().flatten().for_each(|element| find(element, names, depth + 1, found));
    } else if text.starts_with('{') {
        // Only what is no JSON could fail here.
        let _ = json::each_member(text, |name, value| match names.contains(&name) {
            true if value.get() != "\"\"" => found(value.get(), None),
            true => {}
            false => find(value, names, depth + 1, found),
        });
    } else if text.starts_with('"')
        && let Ok(inner) = json::string(Some(raw))
        && wrapped::may_hold_json(&inner)
    {
        // A message in a message.
        let kept = in_body(inner.as_bytes().to_vec(), names);
        if kept != inner.as_bytes()
            && let Ok(kept) = serde_json::to_string(&String::from_utf8_lossy(&kept))
        {
            found(text, Some(kept));
        }
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
            let raw = Checked::read(body).unwrap();
            let kept = in_json(raw, &["requestHeaders"]).unwrap();
            assert!(!kept.contains("q-sign") && Checked::read(&kept).is_ok(), "{kept}");
        }
        let deep = format!("{}{{\"content\":1}}{}", "[".repeat(100_000), "]".repeat(100_000));
        let _ = in_json(Checked::read(&deep).unwrap(), NAMES);
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
            // A digest may stand there.
            assert!(kept.len() <= body.len() + 44, "{kept:?}");
            assert!(!kept.ends_with(b"\"\xfe\"}") && !kept.ends_with(b"\"\xff\"}"), "{kept:?}");
        }
    }
}
