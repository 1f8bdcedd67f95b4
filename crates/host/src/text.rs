//! The log line as a person reads it at a terminal: `time LEVEL message  name=value …`.
//!
//! It is made from the JSON line, so both have the same facts, and no line can be had in one form alone. Nothing in it moves a
//! terminal's cursor but what stands here: every character of a value that could is escaped.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::escape::{bends, escaped};

/// Makes of a JSON line what is written in its place.
pub type Shown = fn(&[u8]) -> Vec<u8>;

/// Where the fields begin, if the message is not longer.
const MESSAGE: usize = 48;

/// Milliseconds are enough for a reader: `2026-11-21T18:57:00.123`.
const TIME: usize = 23;

/// Writes lines for people, with colours or without.
pub fn text(colours: bool) -> Shown {
    if colours { |line| shown(line, true) } else { |line| shown(line, false) }
}

/// A line's members in their order.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line of the log")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

fn shown(line: &[u8], colours: bool) -> Vec<u8> {
    // What is no line of ours is not ours to change.
    let Ok(Members(members)) = serde_json::from_slice(line) else { return line.to_vec() };
    let paint = |text: &str, colour: &str| {
        if colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let (mut time, mut level, mut message, mut fields) =
        (String::new(), String::new(), String::new(), String::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("timestamp", Value::String(text)) => time = harmless(text.get(..TIME).unwrap_or(&text)),
            ("level", Value::String(text)) => level = harmless(&text),
            ("message", Value::String(text)) => message = harmless(&text),
            // The module that wrote it, which is for those who have the source.
            ("target", _) => {}
            (name, value) => {
                fields.push(' ');
                fields.push_str(&paint(&format!("{}=", harmless(name)), "2"));
                fields.push_str(&word(value));
            }
        }
    }
    let colour = match level.as_str() {
        "ERROR" => "1;31",
        "WARN" => "33",
        "INFO" => "32",
        _ => "34",
    };
    let level = paint(&format!("{level:<5}"), colour);
    let message = if fields.is_empty() { message } else { format!("{message:<MESSAGE$}") };
    format!("{} {level} {message}{fields}\n", paint(&format!("{time}Z"), "2")).into_bytes()
}

/// A value that ends where a reader thinks it does: quoted, if it has a space, a quote or a `=` in it.
fn word(value: Value) -> String {
    let text = match value {
        Value::String(text) if is_bare(&text) => text,
        Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        other => other.to_string(),
    };
    harmless(&text)
}

fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '\\'))
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if bends(c) { escaped(c) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-11-21T18:57:00.123456Z","level":"WARN","message":"refused","client.address":"10.0.0.1",
        "faas.document.name":"a b\u001b[2J\r\n\u009b1m\u202e\"=é","n":7,"none":null,"whole":true,"empty":"","target":"mdss_relay_http","spans":[{"name":"call"}]}"#;

    fn of(line: &str, colours: bool) -> String {
        String::from_utf8(text(colours)(line.as_bytes())).unwrap()
    }

    #[test]
    fn a_line_for_people() {
        assert_eq!(
            of(LINE, false),
            concat!(
                "2026-11-21T18:57:00.123Z WARN  refused                                          client.address=10.0.0.1 ",
                r#"faas.document.name="a b\u001b[2J\u000d\u000a\u009b1m\u202e\"=é" n=7 none=null whole=true empty="" "#,
                "spans=[{\"name\":\"call\"}]\n"
            )
        );
        let short =
            r#"{"timestamp":"2026-11-21T18:57:00.123456Z","level":"INFO","message":"stopped","target":"t"}"#;
        assert_eq!(of(short, false), "2026-11-21T18:57:00.123Z INFO  stopped\n");
        assert_eq!(of("no line\n", false), "no line\n");
    }

    #[test]
    fn colours_are_the_only_controls_in_a_line() {
        let coloured = of(LINE, true);
        assert!(coloured.contains("\u{1b}[33mWARN \u{1b}[0m"), "{coloured:?}");
        let ours = ["\u{1b}[2m", "\u{1b}[33m", "\u{1b}[0m"];
        let plain = ours.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, of(LINE, false));
        assert!(!plain.trim_end_matches('\n').contains(bends), "{plain:?}");
    }
}
