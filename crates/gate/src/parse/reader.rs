//! Reads values out of tables, member by member, and keeps every mistake it meets.

use jiff::SignedDuration;
use mdss_relay_core::{Mistake, nearest};
use toml::{Table, Value};

use crate::secret;

/// Reads a file named in the settings: its path in, its text out, or why not (without the path, which is shown).
pub(crate) type Read<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

pub(super) struct Reader<'a> {
    read: Read<'a>,
    pub(super) mistakes: Vec<Mistake>,
    /// What is no mistake, but should be seen.
    pub(super) remarks: Vec<String>,
}

/// A secret's text, or a certificate's, and the place it came from.
pub(super) struct Found {
    pub(super) place: String,
    pub(super) text: String,
}

/// The most secrets, networks, URLs or topics one list may hold. The lists are written by hand.
const LONGEST_LIST: usize = 64;

impl<'a> Reader<'a> {
    pub(super) fn new(read: Read<'a>) -> Self {
        Self { read, mistakes: Vec::new(), remarks: Vec::new() }
    }

    pub(super) fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    pub(super) fn accepted<T>(&mut self, made: Result<T, &'static str>, place: &str) -> Option<T> {
        made.map_err(|expected| self.mistakes.push(Mistake::new(place, expected))).ok()
    }

    /// The same for a text that is no secret and is shown.
    pub(super) fn accepted_text<T>(
        &mut self,
        made: Result<T, &'static str>,
        place: &str,
        text: &str,
    ) -> Option<T> {
        made.map_err(|expected| self.mistakes.push(Mistake::found(place, text, expected))).ok()
    }

    /// The table of one check; members it does not know are mistakes.
    pub(super) fn table<'v>(&mut self, value: &'v Value, place: &str, known: &[&str]) -> Option<&'v Table> {
        let Value::Table(table) = value else {
            let expected = format!("a table with {}", known.join(", "));
            self.mistakes.push(Mistake::found(place, kind(value), expected));
            return None;
        };
        for name in table.keys().filter(|name| !known.contains(&name.as_str())) {
            self.mistakes.push(unknown(place, name, known));
        }
        Some(table)
    }

    /// A member that is a text and no secret. `Some(None)` if it is absent, `None` after a mistake.
    pub(super) fn text<'v>(&mut self, table: &'v Table, place: &str, name: &str) -> Option<Option<&'v str>> {
        match table.get(name) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(other) => {
                self.mistakes.push(Mistake::found(format!("{place}.{name}"), kind(other), "a text"));
                None
            }
        }
    }

    /// One of a few words; the first is meant where none is written.
    pub(super) fn word<T: Copy>(
        &mut self,
        table: &Table,
        place: &str,
        name: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let Some(text) = self.text(table, place, name)? else {
            return words.first().map(|(_, meaning)| *meaning);
        };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let expected = words.join(" or ");
            self.mistakes.push(Mistake::found(format!("{place}.{name}"), text, expected));
        }
        found
    }

    /// `true` or `false`; false where nothing is written.
    pub(super) fn flag(&mut self, table: &Table, place: &str, name: &str) -> Option<bool> {
        match table.get(name) {
            None => Some(false),
            Some(Value::Boolean(flag)) => Some(*flag),
            Some(other) => {
                let mistake = Mistake::found(format!("{place}.{name}"), kind(other), "true or false");
                self.mistakes.push(mistake);
                None
            }
        }
    }

    /// The date window, or its default.
    pub(super) fn window(
        &mut self,
        table: &Table,
        place: &str,
        default: SignedDuration,
    ) -> Option<SignedDuration> {
        const LEAST: SignedDuration = SignedDuration::from_mins(1);
        const MOST: SignedDuration = SignedDuration::from_hours(24);
        let name = "date_window";
        let Some(text) = self.text(table, place, name)? else { return Some(default) };
        let window = text.parse().ok().filter(|window| (LEAST..=MOST).contains(window));
        if window.is_none() {
            let expected = "a duration from 1m to 24h with its unit, such as 15m";
            self.mistakes.push(Mistake::found(format!("{place}.{name}"), text, expected));
        }
        window
    }

    /// A list of texts that is not empty, each made into something by `make`, which is given the text and its place and
    /// tells its own mistakes. After one, the rest of the list is read nevertheless, to find them all.
    pub(super) fn list<T>(
        &mut self,
        value: &Value,
        place: &str,
        mut make: impl FnMut(&mut Self, &str, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let list = match value {
            Value::Array(list) if !list.is_empty() && list.len() <= LONGEST_LIST => list,
            other => {
                let seen = match other {
                    Value::Array(list) if list.is_empty() => "an empty list".to_owned(),
                    Value::Array(list) => format!("a list of {}", list.len()),
                    other => kind(other).to_owned(),
                };
                let expected = format!("a list of 1 to {LONGEST_LIST} texts");
                self.mistakes.push(Mistake::found(place, &seen, expected));
                return None;
            }
        };
        let mut made = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let Value::String(text) = value else {
                self.mistakes.push(Mistake::found(place, kind(value), "a text"));
                continue;
            };
            made.extend(make(self, text, &place));
        }
        Some(made)
    }

    /// The one of several members that is there. None or more than one of them is a mistake.
    pub(super) fn one_of<'v, 'n>(
        &mut self,
        table: &'v Table,
        place: &str,
        names: &[&'n str],
    ) -> Option<(&'n str, &'v Value)> {
        let mut found = names.iter().filter_map(|name| Some((*name, table.get(*name)?)));
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one),
            (one, two) => {
                let seen = match (one, two) {
                    (None, _) if names.len() == 2 => "neither".to_owned(),
                    (None, _) => "none of them".to_owned(),
                    (Some(_), _) if names.len() == 2 => "both".to_owned(),
                    (Some((one, _)), two) => format!("{one} and {}", two.map_or("", |(two, _)| two)),
                };
                let expected = format!("either {}", names.join(" or "));
                self.mistakes.push(Mistake::found(place, &seen, expected));
                None
            }
        }
    }

    /// The secret `name`, written out or in the file named by `<name>_file`; exactly one of the two.
    pub(super) fn secret(&mut self, table: &Table, place: &str, name: &str) -> Option<Found> {
        let found = self.text_or_file(table, place, name)?;
        self.plain(found)
    }

    /// A secret that is written as one should be.
    pub(super) fn plain(&mut self, found: Found) -> Option<Found> {
        self.accepted(secret::plain(&found.text), &found.place).map(|()| found)
    }

    /// The same for a text of any kind.
    pub(super) fn text_or_file(&mut self, table: &Table, place: &str, name: &str) -> Option<Found> {
        let file_name = format!("{name}_file");
        let (member, value) = self.one_of(table, place, &[name, &file_name])?;
        self.secret_in(value, format!("{place}.{member}"), member != name)
    }

    /// A secret, written out or, if `is_file`, in the file that is named there.
    pub(super) fn secret_in(&mut self, value: &Value, place: String, is_file: bool) -> Option<Found> {
        let Value::String(text) = value else {
            let expected = if is_file { "the path of a file" } else { "a text" };
            self.mistakes.push(Mistake::found(place, kind(value), expected));
            return None;
        };
        if !is_file {
            return Some(Found { place, text: text.clone() });
        }
        let text = self.file(text, &place)?;
        Some(Found { place, text })
    }

    /// The text of a file, without newlines at its end.
    pub(super) fn file(&mut self, path: &str, place: &str) -> Option<String> {
        match (self.read)(path) {
            Ok(read) => Some(read.trim_end_matches(['\r', '\n']).to_owned()),
            Err(why) => {
                // A token pasted where its file's name belongs must not be printed either.
                self.mistakes.push(Mistake::path(
                    place,
                    path,
                    format!("the path of a file that can be read ({why})"),
                ));
                None
            }
        }
    }
}

/// A name that nobody knows, with the one that is most like it.
pub(super) fn unknown(place: &str, name: &str, known: &[&str]) -> Mistake {
    let nearest = nearest(name, known.iter().copied());
    let meant = nearest.map(|nearest| format!("; is {nearest} meant?")).unwrap_or_default();
    let expected = format!("one of {}{meant}", known.join(", "));
    Mistake::found(format!("{place}.{name}"), name, expected)
}

/// What kind of value stands there, instead of the value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(table) if table.is_empty() => "an empty table",
        Value::Table(_) => "a table",
    }
}
