//! One element of a list such as `[[route]]`, walked by hand, so that every mistake in it is found at once and named by its place.

use std::fmt;

use crate::plain::mistake::{Mistake, nearest};

/// One element of a list of tables as plain data: another crate reads it with [`Entry`], and adds the mistakes in it.
#[derive(Clone, Default)]
pub struct Element {
    /// Its place: `store[0]`.
    pub place: String,
    /// What stands there.
    pub table: toml::Table,
}

impl fmt::Debug for Element {
    /// Somebody may have written a secret where a path belongs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element").field("place", &self.place).finish_non_exhaustive()
    }
}

/// One element of a list of tables, while it is read.
pub struct Entry<'m> {
    /// Its place: `route[0]`.
    pub place: String,
    /// What stands there.
    pub table: toml::Table,
    /// Where its mistakes go.
    pub mistakes: &'m mut Vec<Mistake>,
}

impl Entry<'_> {
    /// A mistake for each member that is none of the known ones.
    pub fn check_names(&mut self, known: &[&str]) {
        for name in self.table.keys().filter(|n| !known.contains(&n.as_str())) {
            self.mistakes.push(unknown(&format!("{}.{name}", self.place), name, known));
        }
    }

    /// A mistake in a member, with what stands there.
    #[cold]
    pub fn mistake(&mut self, member: &str, found: &str, expected: &str) {
        self.mistakes.push(Mistake::found(format!("{}.{member}", self.place), found, expected));
    }

    /// What a reader makes of the text of a member.
    pub fn read<T>(
        &mut self,
        member: &str,
        text: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        read(text).map_err(|expected| self.mistake(member, text, &expected)).ok()
    }

    /// The text of a member, if there is one.
    pub fn text(&mut self, member: &str) -> Option<String> {
        match self.table.get(member)? {
            toml::Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            toml::Value::String(_) => {
                self.mistake(member, "", "a text that is not empty");
                None
            }
            other => {
                let found = other.type_str();
                self.mistake(member, found, "a text");
                None
            }
        }
    }

    /// The text of a member that must be there.
    pub fn required(&mut self, member: &str, expected: &str) -> Option<String> {
        if !self.table.contains_key(member) {
            self.mistakes.push(Mistake::new(format!("{}.{member}", self.place), expected));
        }
        self.text(member)
    }

    /// Yes or no, if the member is there.
    pub fn flag(&mut self, member: &str) -> Option<bool> {
        match self.table.get(member)? {
            toml::Value::Boolean(flag) => Some(*flag),
            other => {
                let found = other.type_str();
                self.mistake(member, found, "true or false, without quotes");
                None
            }
        }
    }

    /// A number, if the member is there.
    pub fn number(&mut self, member: &str, bounds: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let number = match self.table.get(member)? {
            toml::Value::Integer(number) => Some(*number as f64),
            toml::Value::Float(number) => Some(*number),
            _ => None,
        };
        let fitting = number.filter(|number| bounds.contains(number));
        if fitting.is_none() {
            let found = number.map_or_else(|| self.table[member].type_str().to_owned(), |n| n.to_string());
            let expected = format!("a number from {} to {}, without quotes", bounds.start(), bounds.end());
            self.mistake(member, &found, &expected);
        }
        fitting
    }

    /// A text or a list of texts. An empty one would take, or exclude, everything.
    pub fn list(&mut self, member: &str) -> Vec<String> {
        const EXPECTED: &str = "a text or a list of texts, none of them empty";
        let texts = match self.table.get(member) {
            None => return Vec::new(),
            Some(toml::Value::String(text)) => vec![Some(text.clone())],
            Some(toml::Value::Array(list)) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            Some(_) => vec![None],
        };
        let good: Option<Vec<String>> = texts.into_iter().map(|t| t.filter(|t| !t.is_empty())).collect();
        good.unwrap_or_else(|| {
            self.mistakes.push(Mistake::new(format!("{}.{member}", self.place), EXPECTED));
            Vec::new()
        })
    }
}

/// A name that is none of the known ones.
pub(super) fn unknown(place: &str, name: &str, known: &[&str]) -> Mistake {
    let hint = match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("a known name; is {nearest} meant?"),
        None => format!("a known name: one of {}", known.join(", ")),
    };
    Mistake::new(place, hint)
}
