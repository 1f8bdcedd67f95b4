//! Conditions: the filter language of OCI Events rules, for the records of any dialect.
//!
//! Whoever runs on OCI has such conditions in the rules already, and bucket and prefix cannot say what they say. So the
//! language is Oracle's, not one more of our own: "Matching Events with Filters",
//! <https://docs.oracle.com/en-us/iaas/Content/Events/Concepts/filterevents.htm> (read 2026-09). Where that page is silent,
//! `docs/conditions.md` says what was chosen and why, and `condition/tests.rs` has a row for each rule and each choice.
//!
//! A condition sees the innermost JSON value that one record was read from. It walks over the text of that value once a
//! level and reads only the fields it names: what else stands there, however odd, neither costs nor breaks anything.

mod parse;
mod subject;
mod suggest;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::pattern::Pattern;
use crate::wire;

pub use subject::{Subject, subjects};
pub use suggest::suggest;

/// How deep a condition may be: nothing Oracle documents is deeper than five.
const MOST_LEVELS: usize = 32;

/// How large a condition may be, names and values together; the largest rule anybody showed has less than 2 KiB.
const MOST_BYTES: usize = 64 * 1024;

/// How deep an event is looked into, objects and arrays together. Strangers write it, and reading it recurses.
const MOST_EVENT_LEVELS: usize = 64;

/// How many values an event and a condition may be compared in, before nobody can tell. All the metadata that a store takes
/// with an object (64 KiB at the most, some thousands of pairs) against a list of a hundred names fits; a body of a few million elements would
/// keep a processor for minutes. An uploader chooses what is in an event, so whoever cannot tell takes the object.
const MOST_COMPARISONS: usize = 1_000_000;

/// The same for all records of a delivery and all conditions together: about a second of a processor.
const MOST_COMPARISONS_IN_ALL: usize = 4_000_000;

/// What comparing may still cost.
#[derive(Debug)]
pub(crate) struct Comparisons(Cell<usize>);

impl Default for Comparisons {
    fn default() -> Self {
        Self(Cell::new(MOST_COMPARISONS_IN_ALL))
    }
}

/// The member of a record that its uploader writes (JD Cloud's customised parameters).
const UNTRUSTED: &str = "callBackVar";

/// A condition: which records a route takes, beside what it says about keys.
///
/// ```
/// use mdss_relay_core::Condition;
/// let condition = Condition::from_json(r#"{"data": {"resourceName": ["in/*", "*.pdf"]}}"#).unwrap();
/// assert_eq!(condition.mismatch(r#"{"data": {"resourceName": "in/a.txt"}}"#), Ok(None));
///
/// let mismatch = condition.mismatch(r#"{"data": {"resourceName": "out/a.txt"}}"#).unwrap().unwrap();
/// assert_eq!(mismatch.to_string(), r#"data.resourceName is "out/a.txt", wanted ["in/*","*.pdf"]"#);
/// ```
#[derive(Clone, Debug)]
pub struct Condition {
    filter: Filter,
    warnings: Vec<String>,
}

/// The first field that decided that a condition does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its place: `data.resourceName`.
    pub field: String,
    /// What stands there, as one line of JSON; `None` if the field is absent.
    pub seen: Option<String>,
    /// What the condition wants there, as one line of JSON.
    pub wanted: String,
}

/// What a condition says of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Matches,
    Differs,
    /// Nobody can tell: there is more to compare than the limits allow; the sentence.
    TooMuch(String),
    /// Nobody can tell: two readers would understand two things; the sentence.
    Unclear(String),
}

/// Why nobody can tell.
#[derive(Debug)]
struct Unclear {
    detail: String,
    /// Because of the limits.
    too_much: bool,
}

impl Condition {
    /// Reads the text of a condition: a JSON object, or a JSON string that holds one, as rules are written in APIs.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn from_json(text: &str) -> Result<Self, Vec<crate::Mistake>> {
        parse::json("", text)
    }

    /// The same for a condition that stands at `place` of the settings.
    pub(crate) fn from_setting(place: &str, value: &toml::Value) -> Result<Self, Vec<crate::Mistake>> {
        let condition = match value {
            toml::Value::String(text) => parse::json(place, text),
            value => parse::toml(place, value),
        }?;
        if condition.filter.asks_about(UNTRUSTED) {
            let expected = "fields that the provider writes: whoever uploads an object chooses this one, so it may decide nothing";
            return Err(vec![crate::Mistake::found(place, UNTRUSTED, expected)]);
        }
        Ok(condition)
    }

    /// What is no mistake and hardly meant: fields that can never match.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The texts that are wanted of one field, with their stars; empty if the field is not asked about.
    pub(crate) fn texts_wanted(&self, path: &[&str]) -> Vec<&str> {
        let mut wants: Vec<&Want> = Vec::new();
        let mut filters = vec![&self.filter];
        for name in path {
            wants = filters
                .iter()
                .flat_map(|f| f.fields.iter())
                .filter(|(n, _)| n == name)
                .map(|(_, w)| w)
                .collect();
            wants = wants.into_iter().flat_map(Want::alternatives).collect();
            filters =
                wants.iter().filter_map(|w| if let Want::Fields(f) = w { Some(f) } else { None }).collect();
        }
        wants.into_iter().filter_map(Want::as_text).collect()
    }

    /// Whether a field is asked about, or anything in it.
    pub(crate) fn asks_at(&self, path: &[&str]) -> bool {
        let mut filters = vec![&self.filter];
        for (depth, name) in path.iter().enumerate() {
            let fields = filters.iter().flat_map(|f| f.fields.iter()).filter(|(n, _)| n == name);
            let wants: Vec<&Want> = fields.flat_map(|(_, w)| w.alternatives()).collect();
            if wants.is_empty() || depth + 1 == path.len() {
                return !wants.is_empty();
            }
            filters = wants
                .into_iter()
                .filter_map(|w| if let Want::Fields(f) = w { Some(f) } else { None })
                .collect();
        }
        true
    }

    /// The first field, in the order of the condition, that does not fit the event; `None` if all do.
    ///
    /// # Errors
    /// A sentence, if nobody can tell: the event is not a JSON object, or a field of the condition stands in it twice,
    /// which two readers would understand in two ways.
    pub fn mismatch(&self, event: &str) -> Result<Option<Mismatch>, String> {
        let event: &RawValue = serde_json::from_str(event).map_err(|e| format!("not one JSON value: {e}"))?;
        self.mismatch_raw(event)
    }

    fn mismatch_raw(&self, event: &RawValue) -> Result<Option<Mismatch>, String> {
        match self.test(event, &Comparisons::default()).map_err(|unclear| unclear.detail)? {
            None => Ok(None),
            Some((path, seen, wanted)) => Ok(Some(Mismatch {
                field: field(path),
                seen: seen.map(|raw| one_line(raw.get())),
                wanted: one_line(
                    &serde_json::to_string(wanted)
                        .expect("texts, numbers and string-keyed maps always serialise"),
                ),
            })),
        }
    }

    /// Whether the event matches, for whoever does not ask why not: sentences cost more than the answer.
    /// `left` is what the delivery it came in may still cost.
    pub(crate) fn verdict(&self, event: &RawValue, left: &Comparisons) -> Verdict {
        match self.test(event, left) {
            Ok(None) => Verdict::Matches,
            Ok(Some(_)) => Verdict::Differs,
            Err(Unclear { detail, too_much: true }) => Verdict::TooMuch(detail),
            Err(Unclear { detail, too_much: false }) => Verdict::Unclear(detail),
        }
    }

    /// The field that decided, what stands there, and what is wanted there.
    #[expect(
        clippy::type_complexity,
        reason = "the three parts of a mismatch, before anything is put together"
    )]
    fn test<'a>(
        &'a self,
        event: &'a RawValue,
        all: &Comparisons,
    ) -> Result<Option<(Vec<&'a str>, Option<&'a RawValue>, &'a Want)>, Unclear> {
        if !event.get().starts_with('{') {
            let detail = format!("expected an object, found {}", wire::found(event.get()));
            return Err(Unclear { detail, too_much: false });
        }
        let most = MOST_COMPARISONS.min(all.0.get());
        let left = Cell::new(most);
        let tested = self.filter.test(event, Limits { levels: MOST_EVENT_LEVELS, left: &left });
        all.0.set(all.0.get() - (most - left.get()));
        match tested {
            Ok(()) => Ok(None),
            Err(Miss { path, why: Why::Differs { seen, wanted } }) => Ok(Some((path, seen, wanted))),
            Err(Miss { path, why }) => {
                let place = field(path);
                let too_much = matches!(why, Why::TooDeep | Why::TooMuch);
                let detail = match why {
                    Why::Twice => format!("{place}: stands there twice, expected once"),
                    Why::TooDeep => {
                        format!("{place}: deeper than the {MOST_EVENT_LEVELS} levels that are looked into")
                    }
                    Why::TooMuch => format!("{place}: more than {most} comparisons"),
                    Why::Unreadable(e) => format!("{place}: {e}"),
                    Why::Differs { .. } => place,
                };
                Err(Unclear { detail, too_much })
            }
        }
    }
}

/// The condition as one line of JSON.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&serde_json::to_string(&self.filter).map_err(|_| fmt::Error)?))
    }
}

impl fmt::Display for Mismatch {
    /// For people: long values are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, seen, wanted } = self;
        let seen = seen.as_deref().map_or_else(|| "absent".into(), |seen| wire::clip(seen, 200));
        write!(f, "{field} is {seen}, wanted {}", wire::clip(wanted, 200))
    }
}

// === the parts of a condition ===

/// The fields of one level, in the order in which they were written.
#[derive(Clone, Debug, Default)]
struct Filter {
    fields: Vec<(String, Want)>,
    by_name: BTreeMap<Box<[u8]>, usize>,
}

/// What is wanted of one field.
#[derive(Clone, Debug)]
enum Want {
    /// A lone `*`: "matches all values for the associated attribute name, but not null".
    Any,
    Text(Pattern),
    Number(Number),
    Bool(bool),
    Null,
    /// "Arrays in filters match events if any of the values in the filter match a value in an event."
    OneOf(Vec<Want>),
    Fields(Filter),
}

impl Filter {
    fn new(fields: Vec<(String, Want)>) -> Self {
        let by_name = fields.iter().enumerate().map(|(i, (name, _))| (name.as_bytes().into(), i)).collect();
        Self { fields, by_name }
    }

    /// Whether a field of this name is asked about, at any level.
    fn asks_about(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, want)| field == name || want.asks_about(name))
    }
}

impl Want {
    fn text(text: &str) -> Self {
        if text == "*" { Self::Any } else { Self::Text(Pattern::new(text)) }
    }

    /// Each value of a list, or the one there is.
    fn alternatives(&self) -> Vec<&Self> {
        match self {
            Self::OneOf(list) => list.iter().flat_map(Self::alternatives).collect(),
            Self::Any | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null | Self::Fields(_) => {
                vec![self]
            }
        }
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(pattern) => Some(pattern.as_str()),
            Self::Any | Self::Number(_) | Self::Bool(_) | Self::Null | Self::OneOf(_) | Self::Fields(_) => {
                None
            }
        }
    }

    fn asks_about(&self, name: &str) -> bool {
        match self {
            Self::Fields(filter) => filter.asks_about(name),
            Self::OneOf(list) => list.iter().any(|want| want.asks_about(name)),
            Self::Any | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null => false,
        }
    }

    fn takes_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(list) => list.iter().any(Self::takes_any),
            Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null | Self::Fields(_) => false,
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, want) in &self.fields {
            map.serialize_entry(name, want)?;
        }
        map.end()
    }
}

impl Serialize for Want {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => "*".serialize(serializer),
            Self::Text(pattern) => pattern.as_str().serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Bool(flag) => flag.serialize(serializer),
            Self::Null => serializer.serialize_unit(),
            Self::OneOf(list) => list.serialize(serializer),
            Self::Fields(filter) => filter.serialize(serializer),
        }
    }
}

// === matching ===

/// Why a condition does not match, and where. The path is written while the recursion returns: innermost name first.
struct Miss<'a> {
    path: Vec<&'a str>,
    why: Why<'a>,
}

enum Why<'a> {
    Differs { seen: Option<&'a RawValue>, wanted: &'a Want },
    Twice,
    TooDeep,
    TooMuch,
    Unreadable(serde_json::Error),
}

/// What is left of the depth and of the comparisons.
#[derive(Clone, Copy)]
struct Limits<'l> {
    levels: usize,
    left: &'l Cell<usize>,
}

impl Limits<'_> {
    fn deeper(self) -> Self {
        Self { levels: self.levels.saturating_sub(1), ..self }
    }

    /// Pays for so many comparisons.
    fn pay<'a>(self, comparisons: usize) -> Result<(), Miss<'a>> {
        match self.left.get().checked_sub(comparisons) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(Why::TooMuch.here())
            }
        }
    }
}

impl<'a> Why<'a> {
    fn here(self) -> Miss<'a> {
        Miss { path: Vec::new(), why: self }
    }
}

impl Filter {
    /// Whether an object has all the fields, each as wanted.
    fn test<'a>(&'a self, object: &'a RawValue, limits: Limits<'_>) -> Result<(), Miss<'a>> {
        limits.pay(1)?;
        let mut reader = serde_json::Deserializer::from_str(object.get());
        let values = Fields(self).deserialize(&mut reader).map_err(|e| Why::Unreadable(e).here())?;
        for ((name, wanted), value) in self.fields.iter().zip(values) {
            let verdict = match value {
                Value::Absent => Err(Why::Differs { seen: None, wanted }.here()),
                Value::Once(value) => wanted.test(value, limits.deeper()),
                Value::Twice => Err(Why::Twice.here()),
            };
            verdict.map_err(|mut miss| {
                miss.path.push(name);
                miss
            })?;
        }
        Ok(())
    }
}

impl Want {
    fn test<'a>(&'a self, value: &'a RawValue, limits: Limits<'_>) -> Result<(), Miss<'a>> {
        let differs = || Err(Why::Differs { seen: Some(value), wanted: self }.here());
        if limits.levels == 0 {
            return Err(Why::TooDeep.here());
        }
        let json = value.get();
        // An array of the event is as good as any of its elements ("match a value in an event"), and it is not null.
        if json.starts_with('[') {
            if self.takes_any() {
                return Ok(());
            }
            return any_element(value, |element| self.test(element, limits.deeper())).unwrap_or_else(differs);
        }
        if json.starts_with('{') {
            return self.test_object(value, limits).unwrap_or_else(differs);
        }
        if self.takes(&Scalar::read(json), limits)? { Ok(()) } else { differs() }
    }

    /// `None` if no part of this is about objects.
    fn test_object<'a>(&'a self, value: &'a RawValue, limits: Limits<'_>) -> Option<Result<(), Miss<'a>>> {
        match self {
            Self::Any => Some(Ok(())),
            Self::Fields(filter) => Some(filter.test(value, limits)),
            Self::OneOf(list) => first(list.iter().filter_map(|want| match want {
                // What of an object in a list does not fit is not worth a place: the list is what was wanted.
                Self::Any | Self::Fields(_) | Self::OneOf(_) => want.test_object(value, limits),
                Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null => None,
            })),
            Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null => None,
        }
    }

    /// Whether a value that has no parts is wanted.
    fn takes<'a>(&self, value: &Scalar<'_>, limits: Limits<'_>) -> Result<bool, Miss<'a>> {
        limits.pay(1)?;
        Ok(match (self, value) {
            (Self::Any, value) => !matches!(value, Scalar::Null),
            (Self::Text(pattern), Scalar::Text(text)) => pattern.matches_bytes(text),
            (Self::Number(wanted), Scalar::Number(found)) => equal(wanted, found),
            (Self::Bool(wanted), Scalar::Bool(found)) => wanted == found,
            (Self::Null, Scalar::Null) => true,
            (Self::OneOf(list), value) => {
                for want in list {
                    if want.takes(value, limits)? {
                        return Ok(true);
                    }
                }
                false
            }
            (Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null | Self::Fields(_), _) => false,
        })
    }
}

/// A value without parts, read once for a whole list of what may be wanted of it.
enum Scalar<'a> {
    Text(Cow<'a, [u8]>),
    Number(Number),
    Bool(bool),
    Null,
    /// A number no machine holds.
    Odd,
}

impl<'a> Scalar<'a> {
    fn read(json: &'a str) -> Self {
        match json {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ if json.starts_with('"') => text(json).map_or(Self::Odd, Self::Text),
            _ => serde_json::from_str(json).map_or(Self::Odd, Self::Number),
        }
    }
}

/// The verdict of several chances: the one that fits, else the one that cannot be told, else none of them.
fn first<'a>(chances: impl IntoIterator<Item = Result<(), Miss<'a>>>) -> Option<Result<(), Miss<'a>>> {
    let mut unclear = None;
    for chance in chances {
        match chance {
            Ok(()) => return Some(Ok(())),
            Err(Miss { why: Why::Differs { .. }, .. }) => {}
            Err(miss) => unclear = unclear.or(Some(Err(miss))),
        }
    }
    unclear
}

/// The same for the elements of an array, one at a time: a few million of them fit into a body.
fn any_element<'a>(
    array: &'a RawValue,
    test: impl FnMut(&'a RawValue) -> Result<(), Miss<'a>>,
) -> Option<Result<(), Miss<'a>>> {
    struct Each<F>(F);
    impl<'a, F: FnMut(&'a RawValue) -> Result<(), Miss<'a>>> Visitor<'a> for Each<F> {
        type Value = Option<Result<(), Miss<'a>>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut verdict = None;
            while let Some(element) = list.next_element()? {
                if !matches!(verdict, Some(Ok(()))) {
                    verdict = first(verdict.into_iter().chain([(self.0)(element)]));
                }
            }
            Ok(verdict)
        }
    }
    serde_json::Deserializer::from_str(array.get()).deserialize_seq(Each(test)).ok().flatten()
}

/// 42 and 42.0 are one number. A fraction, or a number beyond 64 bits, is compared as a machine holds it.
fn equal(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

/// The bytes of a JSON string; `None` if it is none. Bytes, because a lone surrogate is no Unicode, and is still a text.
fn text(json: &str) -> Option<Cow<'_, [u8]>> {
    serde_json::from_str::<Bytes<'_>>(json).ok().map(|bytes| bytes.0)
}

struct Bytes<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(Cow::Owned(bytes.to_owned())))
            }
        }
        deserializer.deserialize_bytes(Borrow)
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Absent,
    Once(&'a RawValue),
    Twice,
}

/// Reads the fields a filter names out of an object, still raw, in the filter's order.
struct Fields<'f>(&'f Filter);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<Value<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![Value::Absent; self.0.fields.len()];
        while let Some(name) = map.next_key::<Bytes<'_>>()? {
            let Some(index) = self.0.by_name.get(&*name.0) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            values[*index] = match values[*index] {
                Value::Absent => Value::Once(value),
                Value::Once(_) | Value::Twice => Value::Twice,
            };
        }
        Ok(values)
    }
}

// === showing ===

/// A place as one writes it: `data.resourceName`.
fn field(innermost_first: Vec<&str>) -> String {
    innermost_first.into_iter().rev().fold(String::new(), |place, name| member(&place, name))
}

/// The place of a member of what stands at `place`. A name that could be taken for something else is quoted.
fn member(place: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-$*".contains(c));
    let dot = if place.is_empty() { "" } else { "." };
    if plain { format!("{place}{dot}{name}") } else { format!("{place}{dot}{name:?}") }
}

/// The same JSON on one line, and safe for a terminal: without white space between its parts, and with characters that
/// end lines or turn the writing direction as the escapes that mean the same.
fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        if wire::bends(c) { wire::escape(c, &mut line) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests;
