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
/// The item's number in the spool.
pub const SPOOL_ITEM: &str = "mdss.spool.item";
/// The item's state from now on.
pub const SPOOL_STATE: &str = "mdss.spool.state";
/// How long the item waits for its next attempt.
pub const SPOOL_PAUSE_MS: &str = "mdss.spool.pause_ms";
/// The time since the event's receipt; in the line about a unit, that of its oldest event.
pub const SPOOL_AGE_MS: &str = "mdss.spool.age_ms";
/// How many items of the unit wait.
pub const SPOOL_WAITING: &str = "mdss.spool.waiting";
/// How many items of the unit are held.
pub const SPOOL_HELD: &str = "mdss.spool.held";
/// The spool's directory.
pub const SPOOL_DIR: &str = "spool.dir";
/// The file that the line is about.
pub const SPOOL_FILE: &str = "spool.file";
/// The name that the file has been given.
pub const SPOOL_ASIDE: &str = "spool.aside";
/// Deliveries that were saved.
pub const SPOOL_DELIVERIES: &str = "spool.deliveries";
/// Items that were saved.
pub const SPOOL_ITEMS: &str = "spool.items";
/// Items that were lost and made again from the bodies of their deliveries.
pub const SPOOL_ITEMS_MADE_AGAIN: &str = "spool.items_made_again";
/// Deliveries that have lost their items and cannot be planned.
pub const SPOOL_WITHOUT_ITEMS: &str = "spool.without_items";
/// Whether everything could be saved.
pub const SPOOL_WHOLE: &str = "spool.whole";
/// The version of the spool's tables that was found.
pub const FROM: &str = "from";
/// The version that they have now.
pub const TO: &str = "to";
/// How far the clock was set back.
pub const BEHIND_MS: &str = "behind_ms";
/// How far the clock was set ahead.
pub const AHEAD_MS: &str = "ahead_ms";
