//! What no row of the table knows: the sentences that say what was found, and what was expected.

use crate::plain::checked::Checked;

use super::carried::is_http_request;
use super::item::Parsed;
use super::members;
use super::table::{self, facts};
use crate::model::dialect::Dialect;
use crate::model::failure::Cause;
use crate::plain::json;

/// An HTTP request in an event, where none is let in.
const HTTP_REQUEST: &str = "an HTTP request that a function URL, a gateway or a load balancer has handed on";

/// The sentence about an object that no row knows. `is_event` says that it is what a function was called with.
pub(super) fn unknown_object(text: &str, pin: Option<Dialect>, is_event: bool) -> Parsed {
    let is_request = is_http_request(text);
    // Its body may be an event, and somebody has to decide who may post: once he does, the same bytes are read.
    if is_request && is_event {
        let detail = format!(
            "this is {HTTP_REQUEST}: expected a [[source]] in the configuration of a function that lets requests in (on OCI that is mdss-relay-oci-gateway-fn), \
             which says who may post to which path"
        );
        return Parsed::unreadable(Cause::NoSource, detail);
    }
    let found = || if is_request { HTTP_REQUEST.to_owned() } else { members::of(text) };
    let Some(pin) = pin else {
        let detail = match is_request {
            true => format!("this is {HTTP_REQUEST}: expected the request itself, or its `body` alone"),
            false => format!("no known dialect: expected {}, found {}", table::expected(), found()),
        };
        return Parsed::unreadable(Cause::UnknownDialect, detail);
    };
    let detail = match facts(pin).looks_like {
        "" => format!("expected an event of {pin} with a list of `Records`, found {}", found()),
        looks_like => format!("expected {looks_like} ({pin}), found {}", found()),
    };
    Parsed::unreadable(Cause::Unreadable, detail)
}

/// The same for whatever is no object.
pub(super) fn unknown(text: &str) -> Parsed {
    let raw: Checked<'_> = match Checked::read(text) {
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
