//! What can be seen of a thing without reading it: the members by which dialects are told apart, each still raw.
//!
//! One pass over the text finds them for everybody, and hands the reader its own members with them, so that a record is
//! walked over once. A member that stands in a thing twice is an error and not a choice, for whoever asks about it: two
//! readers would understand two things. Nobody else is hurt by it.

use std::cell::Cell;

use super::around::Around;
use crate::plain::checked::{Checked, complaint};
use crate::plain::json;

/// Names of members that are looked for in one place: as many as a mask has bits.
const MOST_NAMES: usize = 128;

/// Slots of the table that finds a name, a power of two well above [`MOST_NAMES`].
const SLOTS: usize = 512;

/// The names that are looked for, found without comparing with each.
pub(super) struct Names {
    names: Vec<&'static str>,
    /// Index into `names` plus one, by [`hash`]; where that is taken, in the next free slot.
    slots: [u8; SLOTS],
}

impl Names {
    pub(super) fn new(all: impl Iterator<Item = &'static str>) -> Self {
        let mut names = Self { names: Vec::new(), slots: [0; SLOTS] };
        all.for_each(|name| names.add(name));
        names
    }

    fn add(&mut self, name: &'static str) {
        if self.index(name).is_some() {
            return;
        }
        let index = self.names.len();
        assert!(index < MOST_NAMES, "the table of dialects names more members than there is room for");
        self.names.push(name);
        let mut slot = hash(name);
        while self.slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = u8::try_from(index + 1).unwrap_or(u8::MAX);
    }

    fn index(&self, name: &str) -> Option<usize> {
        let mut slot = hash(name);
        loop {
            let index = usize::from(self.slots[slot]).checked_sub(1)?;
            if self.names[index] == name {
                return Some(index);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

/// From the length and three bytes: enough to tell names of members apart.
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return 0 };
    let middle = bytes[bytes.len() / 2];
    (bytes.len() * 37 + usize::from(*first) * 7 + usize::from(middle) * 11 + usize::from(*last) * 3) % SLOTS
}

/// A thing, seen.
pub(super) struct Seen<'a> {
    /// As it was sent.
    pub(super) text: &'a str,
    names: Option<&'static Names>,
    members: Vec<Checked<'a>>,
    /// By the index of a name, which of the members it is, plus one.
    places: [u8; MOST_NAMES],
    /// Which members of interest it has, and which of them are more than `null`.
    met: u128,
    present: u128,
    /// Members that stand in it more than once, and those of them that somebody has asked about.
    twice: u128,
    torn: Cell<u128>,
    /// The elements, if it is an array; of a very long one the first.
    pub(super) elements: Vec<Checked<'a>>,
    /// How many there are.
    pub(super) count: usize,
}

impl<'a> Seen<'a> {
    /// A thing of which only the text counts.
    pub(super) fn text(text: &'a str) -> Self {
        let (members, places) = (Vec::new(), [0; MOST_NAMES]);
        let (elements, torn) = (Vec::new(), Cell::default());
        Self { text, names: None, members, places, met: 0, present: 0, twice: 0, torn, elements, count: 0 }
    }

    /// The members of an object that nobody has read yet.
    ///
    /// # Errors
    /// It is not one JSON object.
    pub(super) fn object(text: &'a str, names: &'static Names) -> Result<Self, serde_json::Error> {
        let mut seen = Self::text(text).with(names);
        // In the pass that checks it: whatever is sent is read once less.
        json::each_member(text, |name, value| seen.take(name, value))?;
        Ok(seen)
    }

    /// The same of one that was read.
    ///
    /// # Errors
    /// The name of a member is not Unicode.
    pub(super) fn element(json: Checked<'a>, names: &'static Names) -> Result<Self, serde_json::Error> {
        let mut seen = Self::text(json.get()).with(names);
        let is_object = json.get().starts_with('{');
        let all_named = json.members().all(|(name, value)| {
            name.is_some_and(|name| {
                seen.take(&name, value);
                true
            })
        });
        if is_object && all_named { Ok(seen) } else { Err(complaint(json.get(), &[])) }
    }

    fn with(mut self, names: &'static Names) -> Self {
        self.names = Some(names);
        self.members.reserve(16);
        self
    }

    /// Takes a member in, if it is of interest. Of one that stands there twice the first one counts; whoever asks is told.
    fn take(&mut self, name: &str, value: Checked<'a>) {
        let Some(index) = self.names.and_then(|names| names.index(name)) else { return };
        let bit = 1 << index;
        if self.met & bit != 0 {
            self.twice |= bit;
            return;
        }
        self.met |= bit;
        if value.get() != "null" {
            self.members.push(value);
            self.present |= bit;
            self.places[index] = u8::try_from(self.members.len()).unwrap_or_default();
        }
    }

    /// An array's elements, at most `most` of them; `None` if it is no array.
    pub(super) fn array(raw: Checked<'a>, most: usize) -> Option<Self> {
        let (elements, count) = json::array(raw, most)?;
        Some(Self { elements, count, ..Self::text(raw.get()) })
    }

    /// A member; `None` is "absent or null".
    pub(super) fn get(&self, name: &str) -> Option<Checked<'a>> {
        self.member(self.names?.index(name)?)
    }

    fn member(&self, index: usize) -> Option<Checked<'a>> {
        self.members.get(usize::from(self.places[index]).checked_sub(1)?).copied()
    }

    /// The same for a mark, which is in doubt where it stands there twice.
    fn mark(&self, name: &str) -> Option<Checked<'a>> {
        let index = self.names?.index(name)?;
        if self.twice != 0 {
            self.torn.set(self.torn.get() | self.twice & 1 << index);
        }
        self.member(index)
    }

    /// Whether it has all of these members.
    pub(super) fn has(&self, members: u128) -> bool {
        self.present & members == members
    }

    /// Whether anybody has asked about a member that stands in it twice.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.get() != 0
    }

    /// Looks whether any of these members stands here twice, or any that a mark has asked about.
    ///
    /// # Errors
    /// The sentence about it, without the place.
    pub(super) fn once(&self, members: &[&str]) -> Result<(), serde_json::Error> {
        let Some(names) = self.names.filter(|_| self.twice != 0) else { return Ok(()) };
        let asked = members.iter().filter_map(|name| names.index(name));
        let asked = asked.fold(0, |mask, index| mask | self.twice & 1 << index) | self.torn.get();
        if asked == 0 {
            return Ok(());
        }
        let asked = (0..MOST_NAMES).filter(|index| asked & 1 << index != 0);
        let asked: Vec<_> = asked.filter_map(|index| names.names.get(index).copied()).collect();
        // Once more, to say where.
        Err(complaint(self.text, &asked))
    }
}

/// A member of an object; `None` is "absent or null", and one that stands there twice.
fn member<'a>(raw: Checked<'a>, name: &str) -> Option<Checked<'a>> {
    json::member(raw, name).filter(|member| member.get() != "null")
}

/// What a member's value must be.
#[derive(Clone, Copy)]
pub(super) enum Test {
    /// There, whatever it is.
    There,
    /// Absent, or null.
    Absent,
    /// Anything but a text.
    NoText,
    /// Exactly this text.
    Is(&'static str),
    /// This text in any letter case.
    IsLike(&'static str),
    /// A text that begins so.
    Begins(&'static str),
    /// A text that begins so in any letter case.
    BeginsLike(&'static str),
    /// A text that ends so in any letter case.
    EndsLike(&'static str),
    /// An object.
    Object,
    /// An object that has this member.
    Has(&'static str, &'static Test),
}

impl Test {
    pub(super) fn holds(self, raw: Option<Checked<'_>>) -> bool {
        let text = |holds: &dyn Fn(&str) -> bool| json::string(raw).is_ok_and(|text| holds(&text));
        match self {
            Self::There => raw.is_some(),
            Self::Absent => raw.is_none(),
            Self::NoText => json::string(raw).is_err(),
            Self::Is(_) | Self::IsLike(_) | Self::Begins(_) | Self::BeginsLike(_) | Self::EndsLike(_) => {
                text(&|text| self.holds_text(text))
            }
            Self::Object => raw.is_some_and(|raw| raw.get().starts_with('{')),
            Self::Has(name, test) => raw.is_some_and(|raw| test.holds(member(raw, name))),
        }
    }

    /// The same for a text, such as a header's value.
    fn holds_text(self, text: &str) -> bool {
        match self {
            Self::There => true,
            Self::Is(wanted) => text == wanted,
            Self::IsLike(wanted) => text.eq_ignore_ascii_case(wanted),
            Self::Begins(wanted) => text.starts_with(wanted),
            Self::BeginsLike(wanted) => {
                text.get(..wanted.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(wanted))
            }
            Self::EndsLike(wanted) => {
                let begin = text.len().checked_sub(wanted.len());
                begin.and_then(|at| text.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(wanted))
            }
            Self::Absent | Self::NoText | Self::Object | Self::Has(..) => false,
        }
    }
}

/// By what a thing is recognised.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// A header of the request. Its value stays with the gate, unless the dialect's facts say that it is read.
    Header(&'static str, Test),
    /// Members of an object, all of them. The first is the one by which nothing else is mistaken for it.
    Members(&'static [(&'static str, Test)]),
    /// A list that has an object with all of these members among its elements.
    Elements(&'static [(&'static str, Test)]),
    /// A text, by a test of its own: a form, or a JSON string.
    Text(fn(&str) -> bool),
    /// The `type` of the CloudEvent whose data it is, if that is an object.
    Type(Test),
    /// The CloudEvent that a text stands in, which is neither JSON of a list nor JSON of a text, has such a type.
    TypeOfText(Test),
    /// An OPTIONS by which a sender asks whether it may post, with a header that has one of these values, in any letter case.
    Options(&'static str, &'static [&'static str]),
    /// Any JSON object.
    AnyObject,
}

impl Mark {
    /// Whether a thing has this mark.
    pub(super) fn fits(&self, seen: &Seen<'_>, around: Around<'_>) -> bool {
        match self {
            Self::Options(name, values) => {
                let value = around.request.filter(|r| r.method == "OPTIONS").and_then(|r| r.header(name));
                value.is_some_and(|value| values.iter().any(|known| known.eq_ignore_ascii_case(value)))
            }
            Self::Type(test) => {
                seen.names.is_some() && around.event.is_some_and(|event| test.holds_text(&event.kind))
            }
            Self::TypeOfText(test) => {
                let text = seen.names.is_none() && !seen.text.trim_start().starts_with(['[', '"']);
                text && around.event.is_some_and(|event| test.holds_text(&event.kind))
            }
            Self::Header(name, test) => {
                around.request.and_then(|r| r.header(name)).is_some_and(|value| test.holds_text(value))
            }
            Self::Members(members) => members.iter().all(|(name, test)| test.holds(seen.mark(name))),
            Self::Elements(members) => seen.elements.iter().any(|element| {
                element.get().starts_with('{')
                    && members.iter().all(|(name, test)| test.holds(member(*element, name)))
            }),
            Self::Text(test) => seen.names.is_none() && test(seen.text),
            Self::AnyObject => seen.names.is_some(),
        }
    }

    /// The members without which it cannot fit, by the indices of their names: most marks are ruled out by them at once.
    pub(super) fn needs(&self, names: &Names) -> u128 {
        let Self::Members(members) = self else { return 0 };
        let needed = members.iter().filter(|(_, test)| !matches!(test, Test::Absent | Test::NoText));
        needed.filter_map(|(name, _)| names.index(name)).fold(0, |mask, index| mask | 1 << index)
    }

    /// The members of an object that it looks at.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let members: &[(&str, Test)] = if let Self::Members(members) = self { members } else { &[] };
        members.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> &'static Names {
        Box::leak(Box::new(Names::new(["a", "b", "message", "own", "a"].into_iter())))
    }

    #[test]
    fn members_are_found_and_whoever_asks_about_one_that_stands_there_twice_hears_it() {
        let text = r#"{"x":1,"own":[1],"a":null,"own":2,"b":"t","message":{"deep":{"er":7}}}"#;
        let seen = Seen::object(text, names()).unwrap();
        assert_eq!(seen.get("b").map(Checked::get), Some("\"t\""));
        assert_eq!((seen.get("a").is_none(), seen.get("x").is_none()), (true, true));
        let deep = |name| Test::Has("deep", Box::leak(Box::new(Test::Has(name, &Test::There))));
        assert!(deep("er").holds(seen.get("message")) && !deep("none").holds(seen.get("message")));
        assert!(seen.once(&["a", "b"]).is_ok());
        assert!(
            seen.once(&["own"])
                .unwrap_err()
                .to_string()
                .starts_with("duplicate field `own` at line 1 column ")
        );
        let twice = Seen::object(r#"{"a":1,"a":2}"#, names()).unwrap();
        assert!(twice.once(&["b"]).is_ok());
        let mark = Mark::Members(&[("a", Test::There)]);
        assert!(mark.fits(&twice, Around::default()));
        assert_eq!(twice.once(&["b"]).unwrap_err().to_string(), "duplicate field `a` at line 1 column 10");
    }

    #[test]
    fn tests_of_a_value() {
        let text = r#"{"a":"aws:S3","b":[{"own":1},2],"message":{}}"#;
        let seen = Seen::object(text, names()).unwrap();
        for (name, test, want) in [
            ("a", Test::There, true),
            ("own", Test::There, false),
            ("own", Test::Absent, true),
            ("a", Test::Absent, false),
            ("a", Test::NoText, false),
            ("b", Test::NoText, true),
            ("own", Test::NoText, true),
            ("a", Test::Is("aws:S3"), true),
            ("a", Test::Is("aws:s3"), false),
            ("a", Test::IsLike("AWS:s3"), true),
            ("b", Test::IsLike("aws:s3"), false),
            ("a", Test::Begins("aws:"), true),
            ("a", Test::Begins("AWS:"), false),
            ("a", Test::BeginsLike("AWS:"), true),
            ("a", Test::BeginsLike("aws:s3:more"), false),
            ("a", Test::EndsLike(":s3"), true),
            ("a", Test::EndsLike("minio:s3"), false),
            ("message", Test::Object, true),
            ("a", Test::Object, false),
        ] {
            assert_eq!(test.holds(seen.get(name)), want, "{name}");
        }
    }
}
