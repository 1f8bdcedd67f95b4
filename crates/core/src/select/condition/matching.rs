//! Matching: whether an event has all the fields, each as wanted, within limits.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::filter::{Filter, Want};

/// How deep an event is looked into, objects and arrays together. Strangers write it, and reading it recurses.
pub(super) const MOST_EVENT_LEVELS: usize = 64;

/// Why a condition does not match, and where. The path is written while the recursion returns: innermost name first.
pub(super) struct Miss<'a> {
    pub(super) path: Vec<&'a str>,
    pub(super) why: Why<'a>,
}

pub(super) enum Why<'a> {
    Differs {
        seen: Option<&'a RawValue>,
        wanted: &'a Want,
    },
    /// What was looked at does not say it, and the event might.
    Unsaid,
    Twice,
    TooDeep,
    TooMuch,
    Unreadable(serde_json::Error),
}

/// What is left of the depth and of the comparisons.
#[derive(Clone, Copy)]
pub(super) struct Limits<'l> {
    pub(super) levels: usize,
    pub(super) left: &'l Cell<usize>,
    /// Whether what is looked at says less than the event would: a field that it lacks may be in the event.
    pub(super) partial: bool,
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
    pub(super) fn test<'a>(&'a self, object: &'a RawValue, limits: Limits<'_>) -> Result<(), Miss<'a>> {
        limits.pay(1)?;
        let mut reader = serde_json::Deserializer::from_str(object.get());
        let values = Fields(self).deserialize(&mut reader).map_err(|e| Why::Unreadable(e).here())?;
        let mut unsaid = Ok(());
        for ((name, wanted), value) in self.fields.iter().zip(values) {
            let verdict = match value {
                Value::Absent if limits.partial => Err(Why::Unsaid.here()),
                Value::Absent => Err(Why::Differs { seen: None, wanted }.here()),
                Value::Once(value) => wanted.test(value, limits.deeper()),
                Value::Twice => Err(Why::Twice.here()),
            };
            match verdict {
                Ok(()) => {}
                Err(mut miss) => {
                    miss.path.push(name);
                    // A field behind it may be against it for sure.
                    match miss.why {
                        Why::Unsaid => unsaid = unsaid.and(Err(miss)),
                        _ => return Err(miss),
                    }
                }
            }
        }
        unsaid
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
