//! JSON that has been read once, and is taken apart without being checked again.
//!
//! A record lies four levels deep in its delivery. As serde_json's `RawValue` each level is checked anew, from its begin to its
//! end, and that cost more than everything else that is done with an event. What is known to be JSON needs only its quotes and
//! brackets found.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A JSON string.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The text of one JSON value, without white space around it. Only a check makes one, or a larger one that it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked<'a>(&'a str);

impl<'a> Checked<'a> {
    /// # Errors
    /// It is not one JSON value.
    pub(crate) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&RawValue>(text).map(Self::of)
    }

    pub(crate) fn of(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }

    pub(crate) fn get(self) -> &'a str {
        self.0
    }

    /// What a string says; `None` if this is none, or its escapes form no Unicode text (a lone surrogate).
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        // A string without escapes is what stands between its quotes.
        match self.0.strip_prefix('"')?.strip_suffix('"') {
            Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
            _ => serde_json::from_str::<Text<'a>>(self.0).ok().map(|text| text.0),
        }
    }

    /// A copy of its own, for whoever keeps it.
    pub(crate) fn to_raw(self) -> Box<RawValue> {
        // It is JSON, so there is nothing else to be made of it.
        RawValue::from_string(self.0.to_owned()).unwrap_or_default()
    }

    /// The members of an object, in the order in which they stand there; of anything else there are none. A name that is not
    /// Unicode (a lone surrogate) is `None`.
    pub(crate) fn members(self) -> impl Iterator<Item = (Option<Cow<'a, str>>, Self)> {
        let mut parts = Parts::of(self, b'{');
        std::iter::from_fn(move || Some((parts.name()?, parts.next()?)))
    }

    /// The elements of an array; of anything else there are none.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        Parts::of(self, b'[')
    }
}

/// What stands in an array, or in an object: there names and values take turns.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn of(whole: Checked<'a>, bracket: u8) -> Self {
        let text = if whole.0.as_bytes().first() == Some(&bracket) { whole.0 } else { "" };
        Self { text, at: 1 }
    }

    /// Goes to where the next one begins, over white space, commas and colons. Gives its first byte.
    fn begin(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// What stands between here and there.
    fn until(&mut self, end: usize) -> Option<&'a str> {
        let part = self.text.get(self.at..end);
        self.at = end;
        part
    }

    /// The next one, which is a name.
    fn name(&mut self) -> Option<Option<Cow<'a, str>>> {
        if self.begin()? != b'"' {
            return None;
        }
        let (end, escaped) = end_of_string(self.text.as_bytes(), self.at + 1);
        let name = self.until(end)?;
        Some(match escaped {
            false => name.get(1..name.len() - 1).map(Cow::Borrowed),
            true => Checked(name).text(),
        })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Checked<'a>;

    fn next(&mut self) -> Option<Checked<'a>> {
        let (first, text) = (self.begin()?, self.text.as_bytes());
        let end = match first {
            b'"' => end_of_string(text, self.at + 1).0,
            b'{' | b'[' => end_of_nest(text, self.at + 1),
            b'}' | b']' => return None,
            _ => end_of_word(text, self.at),
        };
        self.until(end).map(Checked)
    }
}

/// Where a string ends, its quote included, of which this is the begin; and whether there are escapes in it.
fn end_of_string(text: &[u8], mut at: usize) -> (usize, bool) {
    const ONES: u64 = u64::MAX / 255;
    // The highest bit of each byte that is zero; of bytes above the first one others may be set, too.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let mut escaped = false;
    loop {
        // Eight bytes at a time: most names and values are not much longer.
        while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*eight);
            let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return (at + 1, escaped),
            // Whatever is escaped ends no string.
            Some(b'\\') => (at, escaped) = (at + 2, true),
            Some(_) => at += 1,
            None => return (text.len(), escaped),
        }
    }
}

/// The same for an object or an array.
fn end_of_nest(text: &[u8], mut at: usize) -> usize {
    let mut depth = 1_usize;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_string(text, at).0,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    at
}

/// The same for a number, `true`, `false` or `null`.
fn end_of_word(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at)
        && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'}' | b']')
    {
        at += 1;
    }
    at
}

/// What serde_json says of a text that could not be read as an object, in which each of these names may stand once.
pub(crate) fn complaint(text: &str, once: &[&'static str]) -> serde_json::Error {
    let mut reader = serde_json::Deserializer::from_str(text);
    match reader.deserialize_map(Once(once)).and_then(|()| reader.end()) {
        Err(complaint) => complaint,
        Ok(()) => Error::custom("not an object that can be read"),
    }
}

struct Once<'n>(&'n [&'static str]);

impl<'de> Visitor<'de> for Once<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut met = Vec::new();
        while let Some(name) = map.next_key::<Text<'_>>()? {
            if let Some(name) = self.0.iter().find(|known| **known == name.0) {
                if met.contains(name) {
                    return Err(A::Error::duplicate_field(name));
                }
                met.push(*name);
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts as serde_json finds them, each checked anew.
    fn by_serde(text: &str) -> (Vec<(Option<String>, String)>, Vec<String>) {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Option<String>, String)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<serde_bytes_of::Name>()? {
                    members.push((
                        String::from_utf8(name.0).ok(),
                        map.next_value::<&RawValue>()?.get().to_owned(),
                    ));
                }
                Ok(members)
            }
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let members = reader.deserialize_map(Members).and_then(|members| reader.end().map(|()| members));
        let elements = serde_json::from_str::<Vec<&RawValue>>(text);
        let elements = elements.unwrap_or_default().into_iter().map(|raw| raw.get().to_owned());
        (members.unwrap_or_default(), elements.collect())
    }

    mod serde_bytes_of {
        use serde::{Deserialize, Deserializer, de};

        /// A name as bytes: a lone surrogate becomes three that are not UTF-8.
        pub(super) struct Name(pub(super) Vec<u8>);

        impl<'de> Deserialize<'de> for Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl de::Visitor<'_> for Bytes {
                    type Value = Name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Name, E> {
                        Ok(Name(bytes.to_vec()))
                    }
                }
                deserializer.deserialize_bytes(Bytes)
            }
        }
    }

    fn by_us(text: &str) -> (Vec<(Option<String>, String)>, Vec<String>) {
        let Ok(json) = Checked::read(text) else { return Default::default() };
        let members = json.members().map(|(name, value)| (name.map(Cow::into_owned), value.get().to_owned()));
        (members.collect(), json.elements().map(|element| element.get().to_owned()).collect())
    }

    fn same(text: &str) {
        assert_eq!(by_us(text), by_serde(text), "{text}");
    }

    #[test]
    fn parts_are_found_as_serde_json_finds_them() {
        for text in [
            "{}",
            "[]",
            " [ ] ",
            "{ }",
            "7",
            "\"{\\\"a\\\":1}\"",
            "null",
            r#"{"a":1}"#,
            r#" { "a" : -1.5e+7 , "b" : [ ] , "c":{"d":"}"} } "#,
            r#"{"a":"\"","\"a":"\\","\\":"\\\"","":""}"#,
            r#"{"\ud800":1,"\u0061":2,"a\ud83d\ude00":3,"\udc00b":[4]}"#,
            "[1,2.5,-0,1E9,true,false,null,\"\",\"]\",[[],[{}]],{\"a\":[\"[\"]}]",
            "[\n1\t,\r2\n]",
            "[\"\u{e9}\u{1f600}\",\"\\u00e9\"]",
            "{",
            "{\"a\":}",
            "{\"a\":1}}",
            "{\"a\":1} [1]",
            "[1,]",
            "[1]]",
            "",
        ] {
            same(text);
        }
        same(&format!("[{}1{}]", "[".repeat(5000), "]".repeat(5000)));
        same(&format!("{{\"a\":{}1{}}}", "{\"b\":[".repeat(5000), "]}".repeat(5000)));
    }

    /// Whatever JSON there may be, with white space and escapes where they may stand.
    fn json() -> impl Strategy<Value = String> {
        let space = || "[ \t\n\r]{0,2}";
        let string = || r#""([a-z{}\[\],: é😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude00){0,12}""#;
        let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?";
        let leaf =
            prop_oneof![string(), number, Just("true".into()), Just("false".into()), Just("null".into())];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            let element = (space(), inner.clone(), space()).prop_map(|(a, b, c)| a + &b + &c);
            let member = (space(), string(), space(), space(), inner, space());
            let member = member.prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
            prop_oneof![
                prop::collection::vec(element, 0..6).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_json_comes_apart_as_with_serde_json(text in json()) {
            same(&text);
        }

        #[test]
        fn no_text_breaks_it(text in r#"[\[\]{}",:\\ua-f0-9 .é-]{0,40}"#) {
            same(&text);
        }
    }
}
