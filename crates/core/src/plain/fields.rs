//! The names of log fields, in one list. They follow the OpenTelemetry conventions (`faas.*`, `http.*`, `error.type`);
//! our own begin with `mdss.`.

/// What the platform, or the HTTP server, calls the delivery.
pub const INVOCATION: &str = "faas.invocation_id";
/// The bucket.
pub const BUCKET: &str = "faas.document.collection";
/// The object's key, decoded.
pub const KEY: &str = "faas.document.name";
/// The event's name as sent.
pub const EVENT_TYPE: &str = "cloudevents.event_type";
/// The record's path in its delivery.
pub const ITEM: &str = "mdss.item";
/// The record's dialect.
pub const DIALECT: &str = "mdss.dialect";
/// A stable token: why a record was skipped, or failed.
pub const REASON: &str = "mdss.reason";
/// The sentence for it.
pub const DETAIL: &str = "mdss.detail";
/// How many records share a line.
pub const MORE: &str = "mdss.more";
/// The objects they name, as a text of JSON: a list of pairs of bucket and key.
pub const OBJECTS: &str = "mdss.objects";
/// What MDSS calls the accepted object.
pub const CORRELATION_ID: &str = "mdss.correlation_id";
/// What an uploader chose freely, as one text of JSON.
pub const UNTRUSTED: &str = "mdss.untrusted";
/// `transient`, `config` or `permanent`.
pub const FAILURE_KIND: &str = "mdss.failure_kind";
/// The failure's stable token.
pub const ERROR_TYPE: &str = "error.type";
/// Attempts after the first.
pub const RESEND_COUNT: &str = "http.request.resend_count";
/// How long it took.
pub const DURATION_MS: &str = "duration_ms";
/// The storage unit an object is for, or `unrouted`.
pub const LANE: &str = "mdss.lane";
