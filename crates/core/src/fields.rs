//! The names of log fields, in one list. They follow the OpenTelemetry conventions (`faas.*`, `http.*`, `error.type`);
//! our own begin with `mdss.`.

pub(crate) const INVOCATION: &str = "faas.invocation_id";
pub(crate) const BUCKET: &str = "faas.document.collection";
pub(crate) const KEY: &str = "faas.document.name";
pub(crate) const EVENT_TYPE: &str = "cloudevents.event_type";
pub(crate) const ITEM: &str = "mdss.item";
pub(crate) const DIALECT: &str = "mdss.dialect";
pub(crate) const REASON: &str = "mdss.reason";
pub(crate) const DETAIL: &str = "mdss.detail";
pub(crate) const CORRELATION_ID: &str = "mdss.correlation_id";
/// What an uploader chose freely, as one text of JSON.
pub(crate) const UNTRUSTED: &str = "mdss.untrusted";
pub(crate) const FAILURE_KIND: &str = "mdss.failure_kind";
pub(crate) const ERROR_TYPE: &str = "error.type";
pub(crate) const RESEND_COUNT: &str = "http.request.resend_count";
pub(crate) const DURATION_MS: &str = "duration_ms";
