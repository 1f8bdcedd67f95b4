//! What no row of the table knows: the sentences that say what was found, and what was expected.

use serde_json::value::RawValue;

use super::item::Parsed;
use super::rewrapped;
use super::table::{self, facts};
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::{json, line};

/// The sentence about an object that no row knows.
pub(super) fn unknown_object(text: &str, pin: Option<Dialect>) -> Parsed {
    let found = || format!("an object with {}", members(text));
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
        Err(e) => return not_json(text, &e),
    };
    let found = json::found(raw.get());
    let known = match found {
        "a string" => rewrapped::string(raw),
        _ => rewrapped::list(raw),
    };
    let detail = match known {
        Some(known) => format!("this is {known}"),
        None => format!("expected an event, which is an object, found {found}"),
    };
    Parsed::unreadable(Cause::UnknownDialect, detail)
}

pub(super) fn not_json(text: &str, error: &serde_json::Error) -> Parsed {
    match rewrapped::text(text) {
        Some(known) => Parsed::unreadable(Cause::UnknownDialect, format!("these are {known}")),
        None => Parsed::unreadable(Cause::Unreadable, format!("the body is not one JSON value: {error}")),
    }
}

/// The first few member names of an object, for the sentence "found an object with …".
fn members(text: &str) -> String {
    const SHOWN: usize = 6;
    let (mut shown, mut count) = (Vec::new(), 0);
    let read = json::each_member(text, |name, _| {
        count += 1;
        if count <= SHOWN {
            shown.push(format!("`{}`", line::clip(name, 40)));
        }
    });
    match (read, count) {
        (Err(_), _) => "unreadable members".into(),
        (Ok(()), 0) => "no members".into(),
        (Ok(()), _) => format!("{}{}", shown.join(", "), if count > SHOWN { ", …" } else { "" }),
    }
}
