//! What no row of the table knows: the sentences that say what was found, and what was expected.

use serde_json::value::RawValue;

use super::item::Parsed;
use super::members;
use super::rewrapped;
use super::table::{self, facts};
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::json;

/// The sentence about an object that no row knows.
pub(super) fn unknown_object(text: &str, pin: Option<Dialect>) -> Parsed {
    let found = || members::of(text);
    let known = rewrapped::object(text);
    let Some(pin) = pin else {
        let detail = match known {
            Some(known) => format!("this is {known}"),
            None => format!("no known dialect: expected {}, found {}", table::expected(), found()),
        };
        return Parsed::unreadable(Cause::UnknownDialect, detail);
    };
    let detail = match facts(pin).looks_like {
        "" => {
            let found = known.map_or_else(found, str::to_owned);
            format!("expected an event of {pin} with a list of `Records`, found {found}")
        }
        looks_like => format!("expected {looks_like} ({pin}), found {}", found()),
    };
    Parsed::unreadable(Cause::Unreadable, detail)
}

/// The same for whatever is no object.
pub(super) fn unknown(text: &str) -> Parsed {
    let raw: &RawValue = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(e) => return not_json(&e),
    };
    let detail = format!("expected an event, which is an object, found {}", json::found(raw.get()));
    Parsed::unreadable(Cause::UnknownDialect, detail)
}

/// The same for what is not one JSON value.
pub(super) fn not_json(error: &serde_json::Error) -> Parsed {
    Parsed::unreadable(Cause::Unreadable, format!("the body is not one JSON value: {error}"))
}
