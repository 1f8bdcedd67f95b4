//! What no handshake may be: a body that names objects. A header alone decides that a request is a mere handshake, and a
//! wrong header must not make events vanish.

use std::fmt;

use crate::plain::text::Text;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Members by which events are told.
const TELLING: [&str; 4] = ["Records", "cloudEventsVersion", "detail-type", "TopicArn"];

/// Whether a body has a member by which events are told. Fails closed: a member that stands there twice counts as one, and
/// in what is no JSON object the name alone does.
pub(super) fn names_objects(body: &[u8]) -> bool {
    let text = Text::of(body).text;
    match serde_json::from_str::<Names>(&text) {
        Ok(names) => names.0,
        Err(_) => TELLING.iter().any(|name| text.contains(&format!("\"{name}\""))),
    }
}

struct Names(bool);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut found = false;
                while let Some(name) = map.next_key::<String>()? {
                    found |= TELLING.contains(&name.as_str());
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Names(found))
            }
        }
        deserializer.deserialize_map(Look)
    }
}
