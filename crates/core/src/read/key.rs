//! Reading a key: the one place where a key is decoded.

use std::fmt::Display;

use serde_json::value::RawValue;

use crate::model::dialect::KeyEncoding;
use crate::model::event::{KeyError, ObjectKey};
use crate::model::failure::{Cause, Failure};
use crate::plain::json::NoText;
use crate::plain::{json, line};

/// Decodes the key at `place`. `encoding` sees the text as it stands on the wire, and says how it was written.
///
/// # Errors
/// [`Cause::MissingKey`] if there is none, [`Cause::InvalidKey`] if it is no Unicode text once decoded.
pub(super) fn read(
    raw: Option<&RawValue>,
    place: impl Display,
    encoding: impl FnOnce(&str) -> KeyEncoding,
) -> Result<ObjectKey, Failure> {
    let missing = |found: &str| {
        Failure::new(Cause::MissingKey, format!("{place}: expected the name of an object, found {found}"))
    };
    let text = match json::string(raw) {
        Ok(text) => text,
        Err(NoText::Absent) => return Err(missing("none")),
        Err(NoText::Type(found)) => return Err(missing(found)),
        Err(NoText::NotUnicode) => {
            let detail = format!("{place}: the string is not Unicode (a lone surrogate)");
            return Err(Failure::new(Cause::InvalidKey, detail));
        }
    };
    let key = match encoding(&text) {
        KeyEncoding::Form => ObjectKey::from_form_encoded(&text),
        KeyEncoding::Percent => ObjectKey::from_percent_encoded(&text),
        KeyEncoding::Verbatim => ObjectKey::from_verbatim(&text),
    };
    key.map_err(|e| match e {
        KeyError::Empty => missing("an empty string"),
        KeyError::NotUtf8 => {
            let seen = line::clip(&text, 80);
            Failure::new(Cause::InvalidKey, format!("{place}: expected UTF-8 once decoded, found {seen:?}"))
        }
    })
}
