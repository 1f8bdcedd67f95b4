//! Reading JSON that strangers wrote: one member at a time, so that one odd value costs only itself.
//!
//! A record is cut out of the delivery as raw text first and read afterwards. A number no machine can hold, a lone
//! surrogate or a nest of two thousand brackets in a member nobody asked for therefore harms nothing, and in a
//! member that matters it harms one record.

use std::borrow::Cow;
use std::fmt::{self, Display};

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::plain::line::clip;

/// Members of an object that are of interest, each still raw; `None` is "absent or null". Named, so that a member that
/// stands there twice is an error and not a choice; everything else is passed over unread.
macro_rules! members {
    ($(#[$meta:meta])* $vis:vis struct $object:ident {
        $($(#[$member_meta:meta])* $member_vis:vis $member:ident = $name:tt,)+
    }) => {
        $(#[$meta])*
        #[derive(Default)]
        $vis struct $object<'a> {
            $(
                $(#[$member_meta])*
                $member_vis $member: Option<&'a serde_json::value::RawValue>,
            )+
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $object<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const NAMES: &[&str] = &[$($name,)+];
                const { assert!(NAMES.len() <= $crate::plain::members::MOST) };
                let mut object = Self::default();
                $crate::plain::members::fill(deserializer, NAMES, &mut [$(&mut object.$member,)+])?;
                Ok(object)
            }
        }
    };
}
pub(crate) use members;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The JSON type of a value, with its article, for sentences.
pub(crate) fn found(raw: &str) -> &'static str {
    match raw.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) => "a number",
        None => "nothing",
    }
}

/// Reads the members of interest of an object.
///
/// # Errors
/// A sentence that begins with `place`: not an object, or a member of interest stands in it twice, which two readers
/// would understand in two ways.
pub(crate) fn object<'a, T: Deserialize<'a>>(raw: &'a str, place: impl Display) -> Result<T, String> {
    if !raw.trim_start().starts_with('{') {
        return Err(not_read(&place, &format_args!("expected an object, found {}", found(raw))));
    }
    serde_json::from_str(raw).map_err(|e| not_read(&place, &e))
}

fn not_read(place: &dyn Display, why: &dyn Display) -> String {
    format!("{place}: {why}")
}

/// Reads an object that may be absent or of another type; then it has no members.
///
/// # Errors
/// A member of interest stands in it twice.
pub(crate) fn object_or_empty<'a, T: Deserialize<'a> + Default>(
    raw: Option<&'a RawValue>,
    place: impl Display,
) -> Result<T, String> {
    match raw {
        Some(raw) if raw.get().starts_with('{') => object(raw.get(), place),
        _ => Ok(T::default()),
    }
}

/// Every member of an object, still raw, those that stand in it twice as well.
///
/// # Errors
/// It is not one JSON object.
pub(crate) fn each_member<'a>(
    text: &'a str,
    each: impl FnMut(&str, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<Text<'_>>()? {
                (self.0)(&name.0, map.next_value()?);
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Each(each))?;
    reader.end()
}

/// One member of an object, still raw; `None` if it is none, has no such member, or has it twice.
pub(crate) fn member<'a>(raw: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let (mut found, mut count) = (None, 0);
    let read = each_member(raw.get(), |member, value| {
        if member == name {
            (found, count) = (Some(value), count + 1);
        }
    });
    found.filter(|_| read.is_ok() && count == 1)
}

/// The elements of an array, each still raw; `None` if it is no array.
///
/// At most `most` of them are kept, and the second member counts all: a few million elements fit into a body.
pub(crate) fn array(raw: &RawValue, most: usize) -> Option<(Vec<&RawValue>, usize)> {
    struct Elements(usize);
    impl<'de> Visitor<'de> for Elements {
        type Value = (Vec<&'de RawValue>, usize);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < self.0
                && let Some(element) = list.next_element()?
            {
                kept.push(element);
            }
            let mut all = kept.len();
            while list.next_element::<IgnoredAny>()?.is_some() {
                all += 1;
            }
            Ok((kept, all))
        }
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Elements(most)).ok()
}

/// Why a member is no text.
#[derive(Debug, PartialEq)]
pub(crate) enum NoText {
    Absent,
    Type(&'static str),
    /// Escapes that form no Unicode character: a lone surrogate.
    NotUnicode,
}

impl NoText {
    /// What was found instead, for sentences.
    pub(crate) fn found(&self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::Type(found) => found,
            Self::NotUnicode => "one that is not Unicode",
        }
    }
}

/// A member that must be a string.
pub(crate) fn string<'a>(raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, NoText> {
    let Some(raw) = raw else { return Err(NoText::Absent) };
    if !raw.get().starts_with('"') {
        return Err(NoText::Type(found(raw.get())));
    }
    // Raw JSON has been read once: a string without escapes is what stands between its quotes.
    match raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Ok(Cow::Borrowed(text)),
        _ => serde_json::from_str::<Text<'a>>(raw.get()).map(|t| t.0).map_err(|_| NoText::NotUnicode),
    }
}

/// A member by which one event or request is told from the next: a text that is not empty. Anything else is none, and
/// nobody needs a warning about it.
pub(crate) fn mark(raw: Option<&RawValue>) -> Option<String> {
    string(raw).ok().filter(|mark| !mark.is_empty()).map(Cow::into_owned)
}

/// A member that ought to be a string and may be a number (versions and ETags are, here and there): its text, with
/// the empty string read as absent. Anything else is absent with a warning.
pub(crate) fn text(
    raw: Option<&RawValue>,
    place: impl Display,
    warnings: &mut Vec<String>,
) -> Option<String> {
    text_at(raw, &place, warnings)
}

// What is behind the generic functions is no generic one: each reader has places of its own type, and the work is the same.
fn text_at(raw: Option<&RawValue>, place: &dyn Display, warnings: &mut Vec<String>) -> Option<String> {
    match string(raw) {
        Ok(text) => (!text.is_empty()).then(|| text.into_owned()),
        Err(NoText::Absent) => None,
        Err(NoText::Type("a number")) => raw.map(|r| r.get().to_owned()),
        Err(NoText::Type(found)) => {
            warnings.push(format!("{place}: expected a string, found {found}; read as absent"));
            None
        }
        Err(NoText::NotUnicode) => {
            warnings.push(format!("{place}: the string is not Unicode (a lone surrogate); read as absent"));
            None
        }
    }
}

/// A size in bytes: an integer or decimal text from 0 to 2^63−1 (Ceph's documentation and JD's console show text).
/// Anything else is absent with a warning, because a wrong size is no reason to miss a scan.
pub(crate) fn size(raw: Option<&RawValue>, place: impl Display, warnings: &mut Vec<String>) -> Option<u64> {
    size_at(raw, &place, warnings)
}

fn size_at(raw: Option<&RawValue>, place: &dyn Display, warnings: &mut Vec<String>) -> Option<u64> {
    let raw = raw?;
    let digits = match string(Some(raw)) {
        Ok(text) if text.is_empty() => return None,
        Ok(text) => text,
        Err(_) => Cow::Borrowed(raw.get()),
    };
    let size = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten();
    if size.is_none() {
        let found = clip(raw.get(), 40);
        warnings.push(format!("{place}: expected a size from 0 to 2^63-1, found {found}; read as absent"));
    }
    size.and_then(|n| u64::try_from(n).ok())
}

/// A time: RFC 3339 (also with a space for the `T`, as older Ceph and ctyun write it) or RFC 1123 (JD Cloud).
/// Anything else is absent with a warning.
pub(crate) fn time(
    raw: Option<&RawValue>,
    place: impl Display,
    warnings: &mut Vec<String>,
) -> Option<Timestamp> {
    moment(&text(raw, &place, warnings)?, place, warnings)
}

/// The same for a text that stands in no member of its own.
pub(crate) fn moment(text: &str, place: impl Display, warnings: &mut Vec<String>) -> Option<Timestamp> {
    moment_at(text, &place, warnings)
}

fn moment_at(text: &str, place: &dyn Display, warnings: &mut Vec<String>) -> Option<Timestamp> {
    let time = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok());
    // RFC 3339 has years of four digits.
    let time = time.filter(|t| (0..=9999).contains(&t.to_zoned(TimeZone::UTC).year()));
    if time.is_none() {
        let found = clip(text, 60);
        warnings
            .push(format!("{place}: expected an RFC 3339 or RFC 1123 time, found {found:?}; read as absent"));
    }
    time
}

/// A time as a count since 1970, of which `per_second` make a second: 1, or 1000 for milliseconds. A number, or a text of
/// digits. Anything else is absent with a warning.
pub(crate) fn unix_time(
    raw: Option<&RawValue>,
    per_second: i64,
    place: impl Display,
    warnings: &mut Vec<String>,
) -> Option<Timestamp> {
    let raw = raw?;
    let digits = string(Some(raw)).unwrap_or(Cow::Borrowed(raw.get()));
    // RFC 3339 has years of four digits.
    let time = digits.parse::<i64>().ok().and_then(|n| {
        let nanoseconds = n.rem_euclid(per_second) * (1_000_000_000 / per_second);
        Timestamp::new(n.div_euclid(per_second), i32::try_from(nanoseconds).ok()?).ok()
    });
    let time = time.filter(|t| (0..=9999).contains(&t.to_zoned(TimeZone::UTC).year()));
    if time.is_none() {
        let found = clip(raw.get(), 40);
        warnings
            .push(format!("{place}: expected a time since 1970 as a number, found {found}; read as absent"));
    }
    time
}

/// An ETag without the quotes some producers put around it, and nothing else lost.
pub(crate) fn etag(
    raw: Option<&RawValue>,
    place: impl Display,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let text = text(raw, &place, warnings)?;
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(&text);
    (!bare.is_empty()).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn sizes() {
        for (json, want) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("\"1024\"", Some(1024)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("-1", None),
            ("1.0", None),
            ("1e3", None),
            ("1e400", None),
            ("\"\"", None),
            ("\" 1\"", None),
            ("\"+1\"", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
        ] {
            let mut warnings = Vec::new();
            assert_eq!(size(Some(&raw(json)), "size", &mut warnings), want, "{json}");
            assert_eq!(warnings.len(), usize::from(want.is_none() && json != "\"\""), "{json}: {warnings:?}");
        }
        assert_eq!(size(None, "size", &mut Vec::new()), None);
    }

    #[test]
    fn times() {
        for (text, want) in [
            ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"),
            ("2025-02-06T01:04:31.998Z", "2025-02-06T01:04:31.998Z"),
            ("2021-02-19 02:03:08.330496Z", "2021-02-19T02:03:08.330496Z"),
            ("2023-06-13T04:20:19+0200", "2023-06-13T02:20:19Z"),
            ("2023-06-13T04:20:19+02:00", "2023-06-13T02:20:19Z"),
            ("Mon, 06 Aug 2018 10:19:51 GMT", "2018-08-06T10:19:51Z"),
            // The weekday is wrong; the date says enough.
            ("Tue, 06 Aug 2018 10:19:51 GMT", "2018-08-06T10:19:51Z"),
            ("2018-08-06T10:19:51", ""),
            ("yesterday", ""),
            ("-000001-01-01T00:00:00Z", ""),
            ("1533550791", ""),
        ] {
            let mut warnings = Vec::new();
            let json = raw(&format!("{text:?}"));
            let time = time(Some(&json), "eventTime", &mut warnings);
            assert_eq!(time.map(|t| t.to_string()).unwrap_or_default(), want, "{text}");
            assert_eq!(warnings.is_empty(), !want.is_empty(), "{text}: {warnings:?}");
        }
    }

    #[test]
    fn times_since_1970() {
        for (json, per_second, want) in [
            ("1772612142", 1, "2026-03-04T08:15:42Z"),
            ("1772612142379", 1000, "2026-03-04T08:15:42.379Z"),
            ("\"1772612142379\"", 1000, "2026-03-04T08:15:42.379Z"),
            ("0", 1, "1970-01-01T00:00:00Z"),
            ("-1", 1000, "1969-12-31T23:59:59.999Z"),
            ("1772612142379", 1, ""),
            ("9223372036854775807", 1000, ""),
            ("-9223372036854775808", 1, ""),
            ("1e9", 1, ""),
            ("\"Unix timestamp\"", 1, ""),
            ("{}", 1, ""),
        ] {
            let mut warnings = Vec::new();
            let time = unix_time(Some(&raw(json)), per_second, "eventTime", &mut warnings);
            assert_eq!(time.map(|t| t.to_string()).unwrap_or_default(), want, "{json}");
            assert_eq!(warnings.is_empty(), !want.is_empty(), "{json}: {warnings:?}");
        }
        assert_eq!(unix_time(None, 1, "eventTime", &mut Vec::new()), None);
    }

    #[test]
    fn etags_lose_quotes_and_nothing_else() {
        for (json, want) in [
            (r#""\"0d73\"""#, Some("0d73")),
            (r#""0d73""#, Some("0d73")),
            (r#""W/\"0d73\"""#, Some("W/\"0d73\"")),
            (r#""\"0d73""#, Some("\"0d73")),
            (r#""\"\"""#, None),
            (r#""""#, None),
            ("null", None),
            ("12", Some("12")),
        ] {
            let owned = raw(json);
            let value = (json != "null").then_some(&*owned);
            assert_eq!(etag(value, "eTag", &mut Vec::new()).as_deref(), want, "{json}");
        }
    }

    #[test]
    fn a_string_is_a_string() {
        assert_eq!(string(Some(&raw(r#""\u00e9""#))).unwrap(), "é");
        assert_eq!(string(Some(&raw(r#""\ud800""#))), Err(NoText::NotUnicode));
        assert_eq!(string(Some(&raw("7"))), Err(NoText::Type("a number")));
        assert_eq!(string(None), Err(NoText::Absent));
    }
}
