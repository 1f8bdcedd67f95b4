//! The parameters an uploader may add to an event: shown, never trusted.

use crate::plain::checked::Checked;

use crate::plain::json;

json::members! {
    struct CallBackVar {
        vars = "callBackVars",
    }
}

/// They came in a URL, so they are short; what is not is not shown.
const MOST_UNTRUSTED_BYTES: usize = 16 * 1024;

/// The values of `x-oss-callback-*` URL parameters of an upload to JD Cloud: chosen by whoever uploads.
pub(in crate::read) fn untrusted(raw: Option<Checked<'_>>) -> serde_json::Map<String, serde_json::Value> {
    variables(json::object_or_empty::<CallBackVar<'_>>(raw, "callBackVar").ok().and_then(|c| c.vars))
}

/// The same as a plain object: `xVars` of Alibaba Cloud and Volcengine.
pub(in crate::read) fn variables(raw: Option<Checked<'_>>) -> serde_json::Map<String, serde_json::Value> {
    raw.filter(|vars| vars.get().len() <= MOST_UNTRUSTED_BYTES)
        .and_then(|vars| serde_json::from_str(vars.get()).ok())
        .unwrap_or_default()
}
