//! How the objects of [`json::members!`](crate::plain::json) are read: by one function for all of them. Derived, it would be the same
//! code once for each of some sixty objects, and the function has a budget for its size.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most names of one object: each has a bit.
pub(crate) const MOST: usize = 64;

/// Puts each member of an object that is named in `names` into the slot of the same index; `null` is left out.
///
/// # Errors
/// It is no object, or a name stands in it twice.
pub(crate) fn fill<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
    names: &'static [&'static str],
    slots: &mut [&mut Option<&'a RawValue>],
) -> Result<(), D::Error> {
    deserializer.deserialize_map(Members { names, slots })
}

struct Members<'s, 't, 'a> {
    names: &'static [&'static str],
    slots: &'s mut [&'t mut Option<&'a RawValue>],
}

impl<'de: 'a, 'a> Visitor<'de> for Members<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // One bit for each name: a member that is `null` fills no slot and must not stand there twice either.
        let mut seen: u64 = 0;
        while let Some(index) = map.next_key_seed(Index(self.names))? {
            let Some((index, name, slot)) =
                index.and_then(|i| Some((i, self.names.get(i)?, self.slots.get_mut(i)?)))
            else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen & (1 << index) != 0 {
                return Err(A::Error::duplicate_field(name));
            }
            seen |= 1 << index;
            **slot = map.next_value()?;
        }
        Ok(())
    }
}

/// Where a name stands in the list.
struct Index(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Index {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Index {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|&known| known == name))
    }
}

#[cfg(test)]
mod tests {
    use crate::plain::json;

    json::members! {
        #[derive(Debug)]
        struct Pair {
            one = "one",
            two = "t w o",
        }
    }

    fn read(text: &str) -> Result<(Option<&str>, Option<&str>), String> {
        let pair = json::object::<Pair<'_>>(text, "here")?;
        Ok((pair.one.map(|raw| raw.get()), pair.two.map(|raw| raw.get())))
    }

    #[test]
    fn members_are_found_by_name_whatever_stands_beside_them() {
        assert_eq!(
            read(r#"{"x": [1, {"one": 2}], "t w o": {"a": "b"}, "\u006fne": 1e999}"#),
            Ok((Some("1e999"), Some(r#"{"a": "b"}"#)))
        );
        assert_eq!(read(r#"{"One": 1, "one": null}"#), Ok((None, None)));
        assert_eq!(read("{}"), Ok((None, None)));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_an_error_and_others_may() {
        assert!(
            read(r#"{"one": 1, "one": 1}"#).unwrap_err().starts_with("here: duplicate field `one` at line 1")
        );
        assert!(read(r#"{"t w o": null, "t w o": 2}"#).unwrap_err().contains("duplicate field `t w o`"));
        assert_eq!(read(r#"{"x": 1, "x": 2, "one": 3}"#), Ok((Some("3"), None)));
    }
}
