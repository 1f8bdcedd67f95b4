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
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};

use crate::plain::checked::{Checked, Text, complaint};
use crate::plain::line::clip;
use crate::plain::members::Object;

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
                $member_vis $member: Option<$crate::plain::checked::Checked<'a>>,
            )+
        }

        impl<'a> $crate::plain::members::Object<'a> for $object<'a> {
            const NAMES: &'static [&'static str] = &[$($name,)+];

            fn fill(&mut self, json: $crate::plain::checked::Checked<'a>) -> bool {
                const { assert!(Self::NAMES.len() <= $crate::plain::members::MOST) };
                $crate::plain::members::fill(json, Self::NAMES, &mut [$(&mut self.$member,)+])
            }
        }
    };
}
pub(crate) use members;

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
pub(crate) fn object<'a, T: Object<'a>>(json: Checked<'a>, place: impl Display) -> Result<T, String> {
    let mut object = T::default();
    match json.get().starts_with('{') && object.fill(json) {
        true => Ok(object),
        false => Err(not_read(json.get(), T::NAMES, &place)),
    }
}

/// The same for a text that nobody has read yet.
///
/// # Errors
/// As [`object`], or it is not one JSON value.
pub(crate) fn object_in<'a, T: Object<'a>>(text: &'a str, place: impl Display) -> Result<T, String> {
    let mut object = T::default();
    match Checked::read(text) {
        Ok(json) if json.get().starts_with('{') && object.fill(json) => Ok(object),
        _ => Err(not_read(text, T::NAMES, &place)),
    }
}

fn not_read(text: &str, names: &[&'static str], place: &dyn Display) -> String {
    if text.trim_start().starts_with('{') {
        format!("{place}: {}", complaint(text, names))
    } else {
        format!("{place}: expected an object, found {}", found(text))
    }
}

/// Reads an object that may be absent or of another type; then it has no members.
///
/// # Errors
/// A member of interest stands in it twice.
pub(crate) fn object_or_empty<'a, T: Object<'a>>(
    raw: Option<Checked<'a>>,
    place: impl Display,
) -> Result<T, String> {
    match raw {
        Some(raw) if raw.get().starts_with('{') => object(raw, place),
        _ => Ok(T::default()),
    }
}

/// Every member of an object, still raw, those that stand in it twice as well.
///
/// # Errors
/// It is not one JSON object.
pub(crate) fn each_member<'a>(
    text: &'a str,
    each: impl FnMut(&str, Checked<'a>),
) -> Result<(), serde_json::Error> {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str, Checked<'de>)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<Text<'_>>()? {
                (self.0)(&name.0, Checked::of(map.next_value()?));
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Each(each))?;
    reader.end()
}

/// One member of an object, still raw; `None` if it is none, has no such member, or has it twice.
pub(crate) fn member<'a>(raw: Checked<'a>, name: &str) -> Option<Checked<'a>> {
    let mut found = None;
    for (member, value) in raw.members() {
        if member? == name && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// The elements of an array, each still raw; `None` if it is no array.
///
/// At most `most` of them are kept, and the second member counts all: a few million elements fit into a body.
pub(crate) fn array(raw: Checked<'_>, most: usize) -> Option<(Vec<Checked<'_>>, usize)> {
    let mut elements = raw.get().starts_with('[').then(|| raw.elements())?;
    let kept: Vec<_> = elements.by_ref().take(most).collect();
    let all = kept.len() + elements.count();
    Some((kept, all))
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
pub(crate) fn string<'a>(raw: Option<Checked<'a>>) -> Result<Cow<'a, str>, NoText> {
    let Some(raw) = raw else { return Err(NoText::Absent) };
    if !raw.get().starts_with('"') {
        return Err(NoText::Type(found(raw.get())));
    }
    raw.text().ok_or(NoText::NotUnicode)
}

/// A member by which one event or request is told from the next: a text that is not empty. Anything else is none, and
/// nobody needs a warning about it.
pub(crate) fn mark(raw: Option<Checked<'_>>) -> Option<String> {
    string(raw).ok().filter(|mark| !mark.is_empty()).map(Cow::into_owned)
}

/// A member that ought to be a string and may be a number (versions and ETags are, here and there): its text, with
/// the empty string read as absent. Anything else is absent with a warning.
pub(crate) fn text(
    raw: Option<Checked<'_>>,
    place: impl Display,
    warnings: &mut Vec<String>,
) -> Option<String> {
    text_at(raw, &place, warnings)
}

// What is behind the generic functions is no generic one: each reader has places of its own type, and the work is the same.
fn text_at(raw: Option<Checked<'_>>, place: &dyn Display, warnings: &mut Vec<String>) -> Option<String> {
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
pub(crate) fn size(raw: Option<Checked<'_>>, place: impl Display, warnings: &mut Vec<String>) -> Option<u64> {
    size_at(raw, &place, warnings)
}

fn size_at(raw: Option<Checked<'_>>, place: &dyn Display, warnings: &mut Vec<String>) -> Option<u64> {
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
    raw: Option<Checked<'_>>,
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
    raw: Option<Checked<'_>>,
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
    raw: Option<Checked<'_>>,
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

    fn raw(json: &str) -> Checked<'_> {
        Checked::read(json).unwrap()
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
            assert_eq!(size(Some(raw(json)), "size", &mut warnings), want, "{json}");
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
            let json = format!("{text:?}");
            let time = time(Some(raw(&json)), "eventTime", &mut warnings);
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
            let time = unix_time(Some(raw(json)), per_second, "eventTime", &mut warnings);
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
            let value = (json != "null").then_some(raw(json));
            assert_eq!(etag(value, "eTag", &mut Vec::new()).as_deref(), want, "{json}");
        }
    }

    #[test]
    fn a_string_is_a_string() {
        assert_eq!(string(Some(raw(r#""\u00e9""#))).unwrap(), "é");
        assert_eq!(string(Some(raw(r#""\ud800""#))), Err(NoText::NotUnicode));
        assert_eq!(string(Some(raw("7"))), Err(NoText::Type("a number")));
        assert_eq!(string(None), Err(NoText::Absent));
    }
}
