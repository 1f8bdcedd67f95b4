//! A JSON object, as a signature or a key is described in one.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// The members of an object. One that stands there twice is an error: two readers would take different ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Members(BTreeMap<String, Value>);

impl Members {
    /// `None` if these bytes are no object, or not one alone, or a member stands in it twice, or it is nested so deep that no
    /// sender means it (128 levels, `serde_json`'s own limit).
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A member, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_alone_and_each_member_once() {
        for (text, expected) in [
            (&br#"{"a":"b","c":1}"#[..], true),
            (b" {} ", true),
            (br#"{"a":1,"a":1}"#, false),
            // The same name in another spelling.
            (br#"{"a":1,"\u0061":1}"#, false),
            (b"{} {}", false),
            (b"[]", false),
            (b"", false),
            (b"\xef\xbb\xbf{}", false),
            (b"{\"a\":\"\xff\"}", false),
            (br#"{"a":"\ud800"}"#, false),
            (br#"{"a":1e999}"#, false),
        ] {
            assert_eq!(Members::read(text).is_some(), expected, "{}", text.escape_ascii());
        }
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Members::read(deep(100).as_bytes()).is_some());
        assert!(Members::read(deep(2000).as_bytes()).is_none());
    }
}
