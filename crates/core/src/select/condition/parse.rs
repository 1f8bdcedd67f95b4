//! Reading a condition, from JSON or from the settings' TOML, with every mistake in it found at once.
//!
//! Both are first read into a [`Node`], which, unlike serde_json's `Value`, still knows that a name was written twice,
//! and in which order.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::filter::{Filter, MOST_BYTES, MOST_LEVELS, Want, member};
use super::verdict::Condition;
use crate::plain::line;
use crate::plain::mistake::Mistake;

const FIELDS: &str = "an object of fields, such as {\"eventType\":\"com.oraclecloud.objectstorage.*object\"}";
const VALUE: &str = "a text, a number, true, false, null, a list of these, or an object of fields";

/// Operators of Amazon EventBridge's patterns ("Comparison operators for use in event patterns in Amazon EventBridge",
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>), and what says the same
/// here, if anything does. There they stand as `{"prefix": …}` in a list.
///
/// By Oracle's rules such an object is a nested filter, for an event whose value has a field named `prefix`; so it would
/// be a condition that never matches, and objects would stay unscanned because of a borrowed word. Oracle's page says
/// nothing of objects in lists, so refusing these few refuses nothing that is documented. Outside of lists a nested
/// filter is documented, a field may be called `prefix`, and there is only a warning.
const FOREIGN: &[(&str, &str)] = &[
    ("prefix", "a text with a star at its end, such as \"in/*\""),
    ("suffix", "a text with a star at its start, such as \"*.pdf\""),
    ("wildcard", "the text alone, stars and all"),
    ("equals-ignore-case", "each spelling as a text of its own, because case counts"),
    (
        "anything-but",
        "what is wanted; there is no negation, but a route has exclude_prefix and exclude_suffix",
    ),
    ("numeric", "each number, because they are compared for equality only"),
    ("exists", "\"*\", which is any value but null; nothing asks for absence"),
    ("cidr", "a text with a star, such as \"10.0.*\""),
];

const FOREIGN_SYNTAX: &str = "this is EventBridge's syntax, not OCI's";

/// The member of a record that its uploader writes (JD Cloud's customised parameters).
const UNTRUSTED: &str = "callBackVar";

impl Condition {
    /// Reads the text of a condition: a JSON object, or a JSON string that holds one, as rules are written in APIs.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn from_json(text: &str) -> Result<Self, Vec<Mistake>> {
        json("", text)
    }

    /// The same for a condition that stands at `place` of the settings.
    pub(crate) fn from_setting(place: &str, value: &toml::Value) -> Result<Self, Vec<Mistake>> {
        let condition = match value {
            toml::Value::String(text) => json(place, text),
            value => toml(place, value),
        }?;
        if condition.filter.asks_about(UNTRUSTED) {
            let expected =
                "fields that the provider writes; the uploader chooses this one, so no condition may use it";
            return Err(vec![Mistake::found(place, UNTRUSTED, expected)]);
        }
        Ok(condition)
    }
}

enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
    /// What TOML has and JSON has not.
    Odd(&'static str),
}

impl Node {
    fn found(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
            Self::Odd(what) => what,
        }
    }
}

/// A condition in JSON. The API of Oracle has it as a string that holds JSON, so a string is looked into, once.
fn json(place: &str, text: &str) -> Result<Condition, Vec<Mistake>> {
    match node(place, text)? {
        Node::Text(inner) => condition(place, node(place, &inner)?),
        node => condition(place, node),
    }
}

fn node(place: &str, text: &str) -> Result<Node, Vec<Mistake>> {
    let mistake = |expected: String| vec![Mistake::new(name(place), expected)];
    if text.len() > MOST_BYTES {
        return Err(mistake(format!("at most {MOST_BYTES} bytes, found {}", text.len())));
    }
    serde_json::from_str(text).map_err(|e| mistake(format!("{FIELDS}, found what is not JSON: {e}")))
}

/// A condition in TOML.
fn toml(place: &str, value: &toml::Value) -> Result<Condition, Vec<Mistake>> {
    condition(place, Node::from(value))
}

fn condition(place: &str, node: Node) -> Result<Condition, Vec<Mistake>> {
    let mut reader = Reader { left: MOST_BYTES, mistakes: Vec::new(), warnings: Vec::new() };
    let filter = match node {
        Node::Object(fields) => reader.filter(place, fields, MOST_LEVELS),
        other => {
            let expected = format!("{FIELDS}, found {}", other.found());
            return Err(vec![Mistake::new(name(place), expected)]);
        }
    };
    if reader.mistakes.is_empty() {
        Ok(Condition { filter, warnings: reader.warnings })
    } else {
        Err(reader.mistakes)
    }
}

/// What the condition as a whole is called.
fn name(place: &str) -> &str {
    if place.is_empty() { "condition" } else { place }
}

struct Reader {
    /// How many more bytes the condition may have.
    left: usize,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl Reader {
    fn mistake(&mut self, place: &str, expected: impl Into<String>) {
        self.mistakes.push(Mistake::new(name(place), expected));
    }

    /// Whether there is room for so many bytes more. What does not fit is a mistake, once.
    fn room(&mut self, place: &str, bytes: usize) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(bytes + 1);
        if self.left == 0 {
            self.mistake(place, format!("the end of the condition: it may have {MOST_BYTES} bytes"));
        }
        self.left > 0
    }

    fn filter(&mut self, place: &str, fields: Vec<(String, Node)>, levels: usize) -> Filter {
        if levels == 0 {
            self.mistake(place, format!("a value: a condition may be {MOST_LEVELS} levels deep"));
            return Filter::default();
        }
        let mut read: Vec<(String, Want)> = Vec::with_capacity(fields.len());
        let mut names = std::collections::BTreeSet::new();
        for (name, node) in fields {
            let place = member(place, &line::clip(&name, 80));
            if !self.room(&place, name.len()) {
                break;
            }
            if !names.insert(name.clone()) {
                self.mistake(&place, "each name once, found it twice");
                continue;
            }
            if name == "$or" {
                let expected =
                    format!("a field's name; {FOREIGN_SYNTAX}, a list or a second route says the same");
                self.mistakes.push(Mistake::found(place, &name, expected));
                continue;
            }
            if name.contains('*') {
                self.warnings.push(format!(
                    "{place}: a star in a name is no wildcard; it wants a field of just this name"
                ));
            }
            let want = self.want(&place, node, levels);
            read.push((name, want));
        }
        Filter::new(read)
    }

    fn want(&mut self, place: &str, node: Node, levels: usize) -> Want {
        match node {
            Node::Array(list) => {
                if list.is_empty() {
                    self.warnings.push(format!("{place}: an empty list matches nothing"));
                }
                let mut wants = Vec::with_capacity(list.len());
                for (index, node) in list.into_iter().enumerate() {
                    let place = format!("{place}[{index}]");
                    if !self.room(&place, 0) {
                        break;
                    }
                    if let Some((operator, instead)) = foreign(&node) {
                        let expected = format!("{instead}; {FOREIGN_SYNTAX}");
                        self.mistakes.push(Mistake::found(place, operator, expected));
                    } else if matches!(node, Node::Array(_)) {
                        self.mistake(&place, "a value, found an array in an array");
                    } else if let Some(want) = self.one(&place, node, levels) {
                        wants.push(want);
                    } else {
                        break;
                    }
                }
                Want::OneOf(wants)
            }
            node => {
                if let Some((operator, _)) = foreign(&node) {
                    self.warnings.push(format!(
                        "{place}: wants a field named {operator:?} inside this one; if an operator is meant, {FOREIGN_SYNTAX}"
                    ));
                }
                self.one(place, node, levels).unwrap_or(Want::Null)
            }
        }
    }

    /// A value that is no list. `None`: the condition is full.
    fn one(&mut self, place: &str, node: Node, levels: usize) -> Option<Want> {
        let bytes = if let Node::Text(text) = &node { text.len() } else { 0 };
        if !self.room(place, bytes) {
            return None;
        }
        Some(match node {
            Node::Null => Want::Null,
            Node::Bool(flag) => Want::Bool(flag),
            Node::Number(number) => Want::Number(number),
            Node::Text(text) => Want::text(&text),
            Node::Object(fields) => Want::Fields(self.filter(place, fields, levels - 1)),
            Node::Array(_) | Node::Odd(_) => {
                self.mistake(place, format!("{VALUE}; found {}", node.found()));
                Want::Null
            }
        })
    }
}

/// The operator of EventBridge that an object is, by its looks.
fn foreign(node: &Node) -> Option<(&'static str, &'static str)> {
    let Node::Object(fields) = node else { return None };
    let [(name, _)] = fields.as_slice() else { return None };
    FOREIGN.iter().find(|(operator, _)| operator == name).copied()
}

impl From<&toml::Value> for Node {
    fn from(value: &toml::Value) -> Self {
        match value {
            toml::Value::String(text) => Self::Text(text.clone()),
            toml::Value::Integer(number) => Self::Number((*number).into()),
            toml::Value::Float(number) => {
                Number::from_f64(*number).map_or(Self::Odd("a number that is not finite"), Self::Number)
            }
            toml::Value::Boolean(flag) => Self::Bool(*flag),
            toml::Value::Datetime(_) => Self::Odd("a date; JSON has only texts, so put it in quotes"),
            toml::Value::Array(list) => Self::Array(list.iter().map(Self::from).collect()),
            toml::Value::Table(table) => {
                Self::Object(table.iter().map(|(name, value)| (name.clone(), Self::from(value))).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
                Ok(Node::Bool(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Node, E> {
                Number::from_f64(number).map(Node::Number).ok_or_else(|| E::custom("number out of range"))
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(node) = seq.next_element()? {
                    list.push(node);
                }
                Ok(Node::Array(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Node::Object(fields))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
