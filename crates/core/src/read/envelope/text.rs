//! What somebody between a store and the relay has made of a delivery's text: a JSON string, base64, or a line among others.
//!
//! A queue's client writes texts as JSON strings or in base64 (Azure Storage queues, Alibaba Cloud's message service), and log
//! shippers put one JSON value on a line (`github.com/ndjson/ndjson-spec`). Whatever the text was, it is that again.

use std::borrow::Cow;

use crate::plain::checked::Checked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::plain::json;
use crate::read::row::{Called, Envelope, Holds, Inside, Letter, Opened, Opening, Read, Row, Sent};
use crate::read::seen::{Mark, Seen};

/// More lines than this are refused, as more records are.
const MOST_LINES: usize = 20_000;

/// A JSON string that holds JSON, or base64.
pub(in crate::read) const QUOTED: Row =
    row(&[Mark::Text(|text| trimmed(text).starts_with('"'))], open_quoted);

/// The base64 of JSON.
pub(in crate::read) const BASE64: Row = row(&[Mark::Text(is_base64)], open_base64);

/// JSON values, one a line.
pub(in crate::read) const LINES: Row = row(&[Mark::Text(is_lines)], open_lines);

/// What lies in it lies where it lay itself.
const fn row(marks: &'static [Mark], open: for<'a> fn(&Seen<'a>, &Opening<'a>) -> Opened<'a>) -> Row {
    Row {
        marks,
        under: |_| true,
        read: Read::Envelope(Envelope {
            open,
            inside: Inside::Unchanged,
            holds: Holds::AsPinned,
            called: Called::Inner,
        }),
        ..Row::BASE
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Whether a text begins as a JSON object or list does.
fn is_json(text: &str) -> bool {
    trimmed(text).starts_with(['{', '['])
}

/// Whether a text looks as if there were JSON in it, or in what it holds.
pub(in crate::read) fn may_hold_json(text: &str) -> bool {
    is_json(text) || trimmed(text).starts_with('"') || is_base64(text)
}

fn letter<'a>(text: Sent<'a>) -> Opened<'a> {
    let letter = Letter { id: None, place: String::new(), text: Ok(text), message: None, event: None };
    Opened::Letters { letters: vec![letter], receipt: None }
}

fn open_quoted<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let raw = Checked::read(seen.text).ok();
    match json::string(raw) {
        Ok(text) if is_json(&text) || is_base64(&text) => letter(Sent::Text(text)),
        _ => Opened::Pass,
    }
}

/// By its alphabet, and by what its first byte can be: a brace, a bracket, or a byte order mark.
pub(in crate::read) fn is_base64(text: &str) -> bool {
    let text = trimmed(text);
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.starts_with(['e', 'W', '7']) && text.len().is_multiple_of(4) && text.bytes().all(in_alphabet)
}

fn open_base64<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    match STANDARD.decode(trimmed(seen.text)) {
        Ok(bytes) if matches!(bytes.first(), Some(b'{' | b'[' | b'\xef')) => {
            letter(Sent::Bytes(Cow::Owned(bytes)))
        }
        _ => Opened::Pass,
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !trimmed(line).is_empty())
}

/// The first one is whole: so a text that is one broken JSON value is none. Whatever stands on the others costs it nothing.
pub(in crate::read) fn is_lines(text: &str) -> bool {
    let mut all = lines(text).map(|(_, line)| line);
    let whole = |line: &str| is_json(line) && Checked::read(line).is_ok();
    all.next().is_some_and(whole) && all.next().is_some()
}

fn open_lines<'a>(seen: &Seen<'a>, _: &Opening<'a>) -> Opened<'a> {
    let text = seen.text;
    if lines(text).count() > MOST_LINES {
        return Opened::Unreadable(format!("lines of JSON: expected at most {MOST_LINES} in one delivery"));
    }
    let letter = |(number, line): (usize, &'a str)| Letter {
        id: Some(None),
        place: format!("line {}", number + 1),
        text: Ok(Sent::Text(Cow::Borrowed(line))),
        message: None,
        event: None,
    };
    Opened::Letters { letters: lines(text).map(letter).collect(), receipt: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_one_broken_value() {
        for (text, want) in [
            ("{}\n{}", true),
            ("{}\r\n\n {}\n", true),
            ("[1]\n{}", true),
            // The first line is whole, so the second one alone is what is broken.
            ("{}\n{", true),
            ("{}\nx", true),
            ("{\n}", false),
            ("[\n{}\n]", false),
            ("{\n{}", false),
            ("{}", false),
            ("{}{}", false),
            ("", false),
        ] {
            assert_eq!(is_lines(text), want, "{text:?}");
        }
    }

    #[test]
    fn base64_is_told_by_its_first_byte() {
        for (text, want) in [
            ("e30=", true),
            (" e30=\n", true),
            ("W10=", true),
            ("77u/e30=", true),
            ("e30", false),
            ("e3_=", false),
            ("dGVzdA==", false),
            ("test notification", false),
            ("", false),
        ] {
            assert_eq!(is_base64(text), want, "{text:?}");
        }
    }
}
