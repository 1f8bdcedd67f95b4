//! Reading a key: the one place where a key is decoded.

use std::fmt::Display;

use crate::plain::checked::Checked;

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
    raw: Option<Checked<'_>>,
    place: impl Display,
    encoding: impl FnOnce(&str) -> KeyEncoding,
) -> Result<ObjectKey, Failure> {
    let text = match json::string(raw) {
        Ok(text) => text,
        Err(NoText::Absent) => return Err(missing(place, "none")),
        Err(NoText::Type(found)) => return Err(missing(place, found)),
        Err(NoText::NotUnicode) => {
            let detail = format!("{place}: the string is not Unicode (a lone surrogate)");
            return Err(Failure::new(Cause::InvalidKey, detail));
        }
    };
    decode(&text, &place, encoding(&text))
}

/// The same for a key that is already a text: a part of another member, or one without what its producer puts in front.
///
/// # Errors
/// [`Cause::MissingKey`] if it is empty, [`Cause::InvalidKey`] if it is no Unicode text once decoded.
pub(super) fn decode(text: &str, place: impl Display, encoding: KeyEncoding) -> Result<ObjectKey, Failure> {
    let key = match encoding {
        KeyEncoding::Form => ObjectKey::from_form_encoded(text),
        KeyEncoding::Percent => ObjectKey::from_percent_encoded(text),
        KeyEncoding::Verbatim => ObjectKey::from_verbatim(text),
    };
    key.map_err(|e| match e {
        KeyError::Empty => missing(place, "an empty string"),
        KeyError::NotUtf8 => {
            let seen = line::clip(text, 80);
            Failure::new(Cause::InvalidKey, format!("{place}: expected UTF-8 once decoded, found {seen:?}"))
        }
    })
}

/// The failure of a record that names no object.
pub(super) fn missing(place: impl Display, found: &str) -> Failure {
    Failure::new(Cause::MissingKey, format!("{place}: expected the name of an object, found {found}"))
}
