//! The log line, written once: every value goes straight into the bytes that leave the process.
//!
//! `tracing_subscriber::fmt` with `json` writes the same line but for some characters that it leaves raw (a test compares the two), and takes four times as long:
//! through three layers of writers that each check the text again, with the fields of a span parsed out of the JSON they
//! were kept as. A line is written in every call of a function, and was a seventh of all it did.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::Serialize;
use serde_json::ser::Formatter;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::escape::{bends, escaped};

/// Room for a line that tells of an object with names of usual length.
const USUAL_LINE: usize = 1000;

/// Microseconds, as many digits in every line.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Makes lines and hands them, each whole, to a function.
pub(crate) struct Lines<W>(pub(crate) W);

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = SpanFields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Vec::with_capacity(USUAL_LINE);
        line.extend_from_slice(br#"{"timestamp":""#);
        // A vector takes whatever it is given.
        let _ = TIME.print_timestamp(&Timestamp::now(), &mut line);
        line.extend_from_slice(br#"","level":""#);
        line.extend_from_slice(event.metadata().level().as_str().as_bytes());
        line.push(b'"');
        event.record(&mut Members(&mut line));
        member(&mut line, "target", event.metadata().target());
        if let Some(spans) = context.event_scope(event) {
            line.extend_from_slice(br#","spans":["#);
            for (index, span) in spans.from_root().enumerate() {
                line.extend_from_slice(if index == 0 { b"{" } else { b",{" });
                if let Some(fields) = span.extensions().get::<SpanFields>() {
                    for (name, value) in &fields.0 {
                        json(&mut line, name);
                        line.push(b':');
                        line.extend_from_slice(value);
                        line.push(b',');
                    }
                }
                line.extend_from_slice(br#""name":"#);
                json(&mut line, span.name());
                line.push(b'}');
            }
            line.push(b']');
        }
        line.extend_from_slice(b"}\n");
        (self.0)(&line);
    }
}

/// A line that does not come by way of `tracing`.
pub(crate) fn own(level: &str, message: &str, target: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LINE);
    line.extend_from_slice(br#"{"timestamp":""#);
    let _ = TIME.print_timestamp(&Timestamp::now(), &mut line);
    line.push(b'"');
    member(&mut line, "level", level);
    member(&mut line, "message", message);
    member(&mut line, "target", target);
    line.extend_from_slice(b"}\n");
    line
}

/// The fields of a span, each as the JSON it will be in a line: by name, the last word on each.
#[derive(Default)]
struct SpanFields(BTreeMap<&'static str, Vec<u8>>);

impl Values for SpanFields {
    fn value(&mut self, name: &'static str, value: impl Serialize) {
        let text = self.0.entry(name).or_default();
        text.clear();
        json(text, value);
    }

    fn text(&mut self, name: &'static str, value: &str) {
        let into = self.0.entry(name).or_default();
        into.clear();
        text(into, value);
    }
}

/// The fields of an event, written behind what the line has already.
struct Members<'l>(&'l mut Vec<u8>);

impl Values for Members<'_> {
    fn value(&mut self, name: &'static str, value: impl Serialize) {
        behind(self.0, name);
        json(self.0, value);
    }

    fn text(&mut self, name: &'static str, value: &str) {
        member(self.0, name, value);
    }
}

fn member(line: &mut Vec<u8>, name: &str, value: &str) {
    behind(line, name);
    text(line, value);
}

/// The name of one more member, behind what the line has already.
fn behind(line: &mut Vec<u8>, name: &str) {
    line.push(b',');
    text(line, name);
    line.push(b':');
}

/// A text. Most need no escape: that is looked at for many bytes at once, and then they are copied.
fn text(line: &mut Vec<u8>, value: &str) {
    let needs_escape = |met, b: u8| met | !(0x20..=0x7e).contains(&b) | (b == b'"') | (b == b'\\');
    if value.bytes().fold(false, needs_escape) {
        return json(line, value);
    }
    line.push(b'"');
    line.extend_from_slice(value.as_bytes());
    line.push(b'"');
}

fn json(line: &mut Vec<u8>, value: impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(line, OneLine);
    value.serialize(&mut serializer).expect("texts and numbers always serialise, and a vector takes them");
}

/// Compact JSON, in which nothing stands raw that a terminal would act on: JSON itself leaves DEL, the controls from U+0080 on and
/// turns of the writing direction as they are.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = fragment;
        // The bytes with which they begin in UTF-8; most text has none of these. No early end: that way many are looked at at once.
        if fragment.bytes().fold(false, |met, b| met | (b == 0x7f) | (b == 0xc2) | (b == 0xe2)) {
            while let Some((at, c)) = plain.char_indices().find(|(_, c)| bends(*c)) {
                let (before, rest) = plain.split_at(at);
                writer.write_all(before.as_bytes())?;
                writer.write_all(escaped(c).as_bytes())?;
                plain = &rest[c.len_utf8()..];
            }
        }
        writer.write_all(plain.as_bytes())
    }
}

/// What is done with the value of a field. `tracing` has a method for each type; what JSON has no type for is its text.
trait Values {
    fn value(&mut self, name: &'static str, value: impl Serialize);
    fn text(&mut self, name: &'static str, value: &str);
}

macro_rules! visit {
    ($($target:ty),+) => { $(
        impl Visit for $target {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.text(field.name(), value);
            }

            fn record_u64(&mut self, field: &Field, value: u64) {
                self.value(field.name(), value);
            }

            fn record_i64(&mut self, field: &Field, value: i64) {
                self.value(field.name(), value);
            }

            fn record_f64(&mut self, field: &Field, value: f64) {
                self.value(field.name(), value);
            }

            fn record_bool(&mut self, field: &Field, value: bool) {
                self.value(field.name(), value);
            }

            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                let mut text = String::new();
                // A `Debug` or `Display` that gives up half-way has said that much.
                let _ = write!(text, "{value:?}");
                self.value(field.name(), text);
            }
        }
    )+ };
}

visit!(SpanFields, Members<'_>);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span, trace, warn};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Kept {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    /// A line but for its time: two layers do not look at the clock in the same microsecond.
    fn untimed(line: &str) -> &str {
        let (time, rest) = line.strip_prefix(r#"{"timestamp":""#).unwrap().split_once('"').unwrap();
        assert_eq!(time.len(), "2026-11-21T18:57:00.123456Z".len(), "{line}");
        time.parse::<Timestamp>().unwrap();
        rest
    }

    /// `tracing_subscriber` escapes what JSON must, which is not all that a terminal acts on.
    #[test]
    fn the_line_is_the_one_that_tracing_subscriber_writes_but_for_what_bends_a_terminal() {
        let (ours, theirs) = (Kept::default(), Kept::default());
        let keep = ours.clone();
        let reference = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(theirs.clone());
        let both = tracing_subscriber::registry()
            .with(reference)
            .with(Lines(move |line: &[u8]| keep.0.lock().unwrap().extend_from_slice(line)));
        tracing::subscriber::with_default(both, || {
            let odd = "a\r\nb\u{1b}[31m\u{2028}\u{0}\"\\é\u{7f}\u{9b}2J\u{a0}â\u{202e}fdp\u{2067}😀";
            info!("no fields");
            error!(text = odd, "{odd}");
            warn!(a = 1, b = -1, c = 1.5, d = true, e = ?odd, f = %odd, "types");
            debug!(nan = f64::NAN, infinite = f64::INFINITY, most = u64::MAX, least = i64::MIN);
            trace!(wide = u128::MAX, wider = i128::MIN, none = None::<&str>, some = Some("x"), unit = ?());
            let failure = std::io::Error::other(odd);
            warn!(error = &failure as &dyn std::error::Error, "errors");
            info!(target: "another\"target", { "error.type" = "x", "odd \"name" = 1 }, "names");
            let outer = info_span!("outer", z = 1, id = %odd, late = tracing::field::Empty);
            let _outer = outer.enter();
            info!("in one span");
            let inner = info_span!("in\"ner");
            let _inner = inner.enter();
            info!(name = "n", "in two spans");
            outer.record("late", "said");
            outer.record("id", 7);
            info!("after more was said");
        });
        let (ours, theirs) = (ours.lines(), theirs.lines());
        assert_eq!(ours.len(), 10);
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let escape = |c: char| if bends(c) { escaped(c) } else { c.to_string() };
            assert_eq!(untimed(ours), untimed(theirs).chars().map(escape).collect::<String>());
            assert!(!ours.contains(bends), "{ours}");
            serde_json::from_str::<serde_json::Value>(ours).unwrap();
        }
    }

    #[test]
    fn an_event_shows_the_spans_it_belongs_to() {
        let kept = Kept::default();
        let keep = kept.clone();
        let lines = tracing_subscriber::registry()
            .with(Lines(move |line: &[u8]| keep.0.lock().unwrap().extend_from_slice(line)));
        tracing::subscriber::with_default(lines, || {
            let other = info_span!("other");
            let _entered = info_span!("entered").entered();
            info!(parent: &other, "of another span");
            info!(parent: None, "of none");
        });
        let lines = kept.lines();
        assert!(lines[0].ends_with(r#","spans":[{"name":"other"}]}"#), "{lines:?}");
        assert!(!lines[1].contains("spans"), "{lines:?}");
    }

    #[test]
    fn a_value_that_breaks_off_costs_only_itself() {
        struct Broken;
        impl Debug for Broken {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("half")?;
                Err(std::fmt::Error)
            }
        }
        let kept = Kept::default();
        let keep = kept.clone();
        let lines = tracing_subscriber::registry()
            .with(Lines(move |line: &[u8]| keep.0.lock().unwrap().extend_from_slice(line)));
        tracing::subscriber::with_default(lines, || info!(broken = ?Broken, whole = 1, "shown"));
        let line: serde_json::Value = serde_json::from_str(&kept.lines()[0]).unwrap();
        assert_eq!((&line["broken"], &line["whole"]), (&"half".into(), &1.into()), "{line}");
    }
}
