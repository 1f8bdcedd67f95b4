//! The parameters an uploader may add to JD Cloud's events: shown, never trusted.

use serde_json::value::RawValue;

use crate::plain::json;

json::members! {
    struct CallBackVar {
        vars = "callBackVars",
    }
}

/// They came in a URL, so they are short; what is not is not shown.
const MOST_UNTRUSTED_BYTES: usize = 16 * 1024;

/// The values of `x-oss-callback-*` URL parameters of the upload: chosen by whoever uploads.
pub(in crate::read) fn untrusted(raw: Option<&RawValue>) -> serde_json::Map<String, serde_json::Value> {
    json::object_or_empty::<CallBackVar<'_>>(raw, "callBackVar")
        .ok()
        .and_then(|c| c.vars)
        .filter(|vars| vars.get().len() <= MOST_UNTRUSTED_BYTES)
        .and_then(|vars| serde_json::from_str(vars.get()).ok())
        .unwrap_or_default()
}
