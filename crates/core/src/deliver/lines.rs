//! The log line of one object, in one place: a report writes it, and so does whoever sends what was stored.
//!
//! Nothing is dropped without a line that says what and why, so a line has the same fields wherever it is written. The texts are an
//! interface as well: people and scripts search their logs for them.

use std::time::Duration;

use jiff::Timestamp;
use tracing::{error, info, warn};

use crate::model::event::Details;
use crate::model::failure::{Failure, FailureKind};
use crate::plain::fields;

/// What became of an object, or of a record that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// MDSS has it.
    Accepted,
    /// It is not sent, and nothing is wrong.
    Skipped,
    /// It was stored, and the settings have changed since: it is not sent.
    Unselected,
    /// It is on disk, to be sent; after this kind of failure, if there was one.
    Stored(Option<FailureKind>),
    /// It failed, and the sender has to repeat the event, if that helps.
    Failed(FailureKind),
    /// It failed and is on disk: the relay tries again by itself.
    Waiting,
    /// It failed and is on disk: an operator must act.
    Held,
    /// It failed and is on disk: it is not tried again by itself.
    Parked,
}

/// What the log says of one object. A field that is `None` is not in the line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'l> {
    /// What the log calls the delivery.
    pub invocation: &'l str,
    /// The record's path in it.
    pub item: &'l str,
    /// The record's dialect.
    pub dialect: Option<&'static str>,
    /// The bucket.
    pub bucket: Option<&'l str>,
    /// The object's key, decoded.
    pub key: Option<&'l str>,
    /// The event's name as sent.
    pub event_name: Option<&'l str>,
    /// The storage unit's id, or `unrouted`.
    pub lane: Option<&'l str>,
    /// Why it was skipped, or failed: a stable token.
    pub reason: Option<&'l str>,
    /// The sentence for it.
    pub detail: Option<&'l str>,
    /// The failure, if it is one.
    pub failure: Option<&'l Failure>,
    /// What MDSS calls the accepted object.
    pub correlation_id: Option<&'l str>,
    /// What an uploader chose freely, as one text of JSON.
    pub untrusted: Option<&'l str>,
    /// Requests to MDSS after the first one.
    pub resends: Option<u32>,
    /// How long it took.
    pub took: Option<Duration>,
    /// What there is to say of it because it was stored.
    pub stored: Option<Stored>,
    /// Which write it is: for the line of an accepted object.
    pub write: Write<'l>,
}

/// What the log says of an accepted object, so that a ledger can be made of the log. [`facts`](crate::facts) has the same names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Write<'l> {
    /// The HTTP source it came through.
    pub source: Option<&'l str>,
    /// What else its event says.
    pub details: Option<&'l Details>,
    /// When its delivery came.
    pub received: Option<Timestamp>,
    /// What brought it here, if no event did.
    pub origin: Option<&'static str>,
}

/// What the log says of an object that was stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stored {
    /// Its number in the spool.
    pub number: i64,
    /// Where it stands from now on.
    pub state: Option<&'static str>,
    /// How long it waits for its next attempt.
    pub pause: Option<Duration>,
    /// How long ago the event came.
    pub age: Option<Duration>,
}

impl Line<'_> {
    /// Writes the line.
    pub fn write(&self, became: Became) {
        let details = self.write.details;
        macro_rules! line {
            ($level:ident, $text:literal) => {
                $level!(
                    { fields::INVOCATION } = self.invocation,
                    { fields::ITEM } = self.item,
                    { fields::DIALECT } = self.dialect,
                    { fields::BUCKET } = self.bucket,
                    { fields::KEY } = self.key,
                    { fields::EVENT_TYPE } = self.event_name,
                    { fields::LANE } = self.lane,
                    { fields::REASON } = self.reason,
                    { fields::DETAIL } = self.detail,
                    { fields::CORRELATION_ID } = self.correlation_id,
                    { fields::ERROR_TYPE } = self.failure.map(|f| f.cause.name()),
                    { fields::FAILURE_KIND } = self.failure.map(|f| f.kind().name()),
                    { fields::UNTRUSTED } = self.untrusted,
                    { fields::RESEND_COUNT } = self.resends,
                    { fields::DURATION_MS } = self.took.map(millis),
                    { fields::SPOOL_ITEM } = self.stored.map(|stored| stored.number),
                    { fields::SPOOL_STATE } = self.stored.and_then(|stored| stored.state),
                    { fields::SPOOL_PAUSE_MS } = self.stored.and_then(|stored| stored.pause).map(millis),
                    { fields::SPOOL_AGE_MS } = self.stored.and_then(|stored| stored.age).map(millis),
                    { fields::SOURCE } = self.write.source,
                    { fields::NAMESPACE } = details.and_then(|d| d.namespace.as_deref()),
                    { fields::VERSION } = details.and_then(|d| d.version_id.as_deref()),
                    { fields::ETAG } = details.and_then(|d| d.etag.as_deref()),
                    { fields::OBJECT_SIZE_BYTES } = details.and_then(|d| d.size),
                    { fields::EVENT_TIME } = details.and_then(|d| d.time).map(display),
                    { fields::RECEIVED_TIME } = self.write.received.map(display),
                    { fields::ORIGIN } = self.write.origin,
                    $text
                )
            };
        }
        match became {
            Became::Accepted => line!(info, "object accepted by MDSS"),
            Became::Skipped => line!(info, "event skipped"),
            Became::Unselected => line!(info, "event skipped: the current settings no longer select it"),
            Became::Stored(None) => line!(info, "event is on disk, to be sent"),
            Became::Stored(Some(FailureKind::Transient)) => {
                line!(warn, "event is on disk, to be tried again")
            }
            Became::Stored(Some(FailureKind::Config)) => {
                line!(error, "event is on disk and held; an operator must act")
            }
            Became::Stored(Some(FailureKind::Permanent)) => {
                line!(error, "event cannot be used; it is on disk, parked")
            }
            Became::Failed(FailureKind::Transient) => {
                line!(warn, "object not yet accepted by MDSS; the sender is asked to repeat the event")
            }
            Became::Failed(FailureKind::Config) => {
                line!(error, "object not accepted by MDSS; an operator must act")
            }
            Became::Failed(FailureKind::Permanent) => line!(error, "event cannot be used"),
            Became::Waiting => line!(warn, "object not yet accepted by MDSS; the relay tries again"),
            Became::Held => {
                line!(error, "object not accepted by MDSS; an operator must act, and until then it is held")
            }
            Became::Parked => {
                line!(error, "event is parked, and not tried again until an operator retries it")
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
