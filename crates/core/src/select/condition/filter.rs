//! The parts of a condition: filters, and what is wanted of each field.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Number;

use crate::plain::pattern::Pattern;

/// How deep a condition may be: nothing Oracle documents is deeper than five.
pub(super) const MOST_LEVELS: usize = 32;

/// How large a condition may be, names and values together; the largest rule anybody showed has less than 2 KiB.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// The fields of one level, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) fields: Vec<(String, Want)>,
    pub(super) by_name: BTreeMap<Box<[u8]>, usize>,
}

/// What is wanted of one field.
#[derive(Clone, Debug)]
pub(super) enum Want {
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
    pub(super) fn new(fields: Vec<(String, Want)>) -> Self {
        let by_name = fields.iter().enumerate().map(|(i, (name, _))| (name.as_bytes().into(), i)).collect();
        Self { fields, by_name }
    }

    /// Whether a field of this name is asked about, at any level.
    pub(super) fn asks_about(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, want)| field == name || want.asks_about(name))
    }
}

impl Want {
    pub(super) fn text(text: &str) -> Self {
        if text == "*" { Self::Any } else { Self::Text(Pattern::new(text)) }
    }

    /// Each value of a list, or the one there is.
    pub(super) fn alternatives(&self) -> Vec<&Self> {
        match self {
            Self::OneOf(list) => list.iter().flat_map(Self::alternatives).collect(),
            Self::Any | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null | Self::Fields(_) => {
                vec![self]
            }
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(pattern) => Some(pattern.as_str()),
            Self::Any | Self::Number(_) | Self::Bool(_) | Self::Null | Self::OneOf(_) | Self::Fields(_) => {
                None
            }
        }
    }

    pub(super) fn asks_about(&self, name: &str) -> bool {
        match self {
            Self::Fields(filter) => filter.asks_about(name),
            Self::OneOf(list) => list.iter().any(|want| want.asks_about(name)),
            Self::Any | Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null => false,
        }
    }

    pub(super) fn takes_any(&self) -> bool {
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

/// The place of a member of what stands at `place`. A name that could be taken for something else is quoted.
pub(super) fn member(place: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-$*".contains(c));
    let dot = if place.is_empty() { "" } else { "." };
    if plain { format!("{place}{dot}{name}") } else { format!("{place}{dot}{name:?}") }
}
