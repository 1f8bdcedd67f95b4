//! What to do with each record of a delivery: everything that can be decided without waiting.
//!
//! `plan(rules, delivery)` is pure. The fixtures in `events/` test exactly this function.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::mdss::request::Submission;
use crate::model::delivery::Delivery;
use crate::model::dialect::Dialect;
use crate::model::event::{
    Bucket, Change, Details, Kind, Notice, NoticeKind, ObjectEvent, ObjectKey, UnknownEvents,
};
use crate::model::failure::{Cause, Failure};
use crate::model::raw::Raw;
use crate::model::unit::StorageType;
use crate::plain::line;
use crate::plan::queue::{failed_messages, queue_answer};
use crate::plan::skip::SkipReason;
use crate::read::item::{Confirmation, Item, QueueMessage, Reading, Reply};
use crate::read::table::facts;
use crate::read::{event_name, read};
use crate::select::condition::Comparisons;
use crate::select::route;
use crate::select::route::{Candidate, Choice};
use crate::select::rules::Rules;

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It goes to MDSS.
    Send(Submission),
    /// It does not, and nothing is wrong.
    Skip(SkipReason),
    /// It cannot.
    Fail(Failure),
}

/// One record, read and decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Its path in the delivery, unique there: an index, or a message id and an index (`messageId/0`).
    pub item: String,
    /// Its own dialect; `None` if that could not be told.
    pub dialect: Option<Dialect>,
    /// Where the object lives.
    pub bucket: Option<Bucket>,
    /// Its name, decoded.
    pub key: Option<ObjectKey>,
    /// What happened; `None` if the record could not be read.
    pub kind: Option<Kind>,
    /// What else the record says.
    pub details: Details,
    /// What becomes of it.
    pub decision: Decision,
    /// Why it is skipped, where there is more to say than the reason does.
    pub skip_detail: Option<String>,
    /// Whether it is sent because nobody can tell if its route takes it: a listing does not say what the route asks, or there is
    /// more to compare than the limits allow.
    pub in_doubt: bool,
    /// Oddities that changed nothing but should be seen.
    pub warnings: Vec<String>,
    /// The queue message it came in.
    pub(crate) message: Option<usize>,
}

/// Which rules a plan was made by: those of one relay, for as long as they are in force. No two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesInForce(u64);

impl RulesInForce {
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// What will be done with a delivery.
#[derive(Debug, Default)]
pub struct Plan {
    /// The outermost envelope's dialect; `None` if it was not recognised.
    pub dialect: Option<Dialect>,
    /// One entry a record, in the order of the delivery.
    pub records: Vec<Planned>,
    /// What a handshake wants to hear.
    pub reply: Option<Reply>,
    /// What the sender's client library wants to hear instead of a report, once everything is done.
    pub receipt: Option<Reply>,
    /// What a subscription wants visited. A plan only names it.
    pub confirm: Option<Confirmation>,
    /// The source the delivery came through; `None` on functions.
    pub source: Option<String>,
    /// By which rules it was made; `None`: by some that are in force nowhere.
    pub by: Option<RulesInForce>,
    /// The messages of a queue batch.
    pub(crate) messages: Option<Vec<QueueMessage>>,
}

impl Plan {
    /// The plan for a request that reached no source: one record that says why.
    pub fn refused(failure: Failure) -> Self {
        let item = Item::new("0".into(), None, Reading::failed(failure.cause, failure.detail));
        let record = planned(&Rules::default(), None, &Comparisons::default(), item);
        Self { records: vec![record], ..Self::default() }
    }

    /// Whether the outermost envelope is a batch of queue messages.
    pub fn is_queue(&self) -> bool {
        self.messages.is_some()
    }

    /// The messages that failed as planned, as the queue wants to hear it; `None` if this is no queue batch.
    pub fn queue_answer(&self) -> Option<serde_json::Value> {
        let failed = self.records.iter().filter(|r| matches!(r.decision, Decision::Fail(_)));
        Some(queue_answer(&failed_messages(self.messages.as_deref()?, failed.map(|r| r.message))))
    }
}

/// Decides what becomes of every record of a delivery. Pure: no clock, no socket, no environment.
pub fn plan(rules: &Rules, delivery: &Delivery) -> Plan {
    // Some senders test an address by an empty POST.
    if delivery.body.is_empty()
        && delivery.method == "POST"
        && let Some(dialect) = delivery.dialect.filter(|dialect| facts(*dialect).probes)
    {
        let notice = Notice { kind: NoticeKind::Probe, bucket: None, details: Details::default() };
        let item = Item::new("0".into(), Some(dialect), Reading::Notice(notice));
        let records = vec![planned(rules, None, &Comparisons::default(), item)];
        let source = delivery.source.clone();
        return Plan { dialect: Some(dialect), records, source, ..Plan::default() };
    }
    let parsed = read::read(delivery, &rules.keys, route::look_into_records(&rules.routes));
    let (source, comparisons) = (delivery.source.as_deref(), Comparisons::default());
    let records = parsed.items.into_iter().map(|item| planned(rules, source, &comparisons, item));
    let records = records.collect();
    Plan {
        dialect: parsed.dialect,
        records,
        reply: parsed.reply,
        receipt: parsed.receipt,
        confirm: parsed.confirm,
        source: delivery.source.clone(),
        by: None,
        messages: parsed.messages,
    }
}

fn planned(rules: &Rules, source: Option<&str>, comparisons: &Comparisons, item: Item) -> Planned {
    let Item { path, message, dialect, reading, mut warnings, raw } = item;
    let (mut skip_detail, mut in_doubt) = (None, false);
    let (bucket, key, kind, details, decision) = match reading {
        Reading::Object(event) => {
            let unknown = event.change == Change::Unknown;
            let (kind, decision) = match (event.change, rules.unknown_events) {
                (Change::Unknown, UnknownEvents::Fail) => {
                    (Some(Kind::Other), Decision::Fail(unknown_event(&event.details)))
                }
                (
                    Change::Created | Change::Listed | Change::Unknown,
                    UnknownEvents::Fail | UnknownEvents::Send,
                )
                | (Change::Created | Change::Listed, UnknownEvents::Skip) => {
                    if unknown {
                        warnings.push(format!("{}; taken as new content", not_known(&event.details)));
                    }
                    let name = event.details.event_name.as_deref().unwrap_or_default();
                    let folder =
                        event.key.is_folder_marker(event.details.size) && event_name::may_be_a_folder(name);
                    let decision = if folder {
                        Decision::Skip(SkipReason::FolderMarker)
                    } else {
                        let seen = Seen { source, dialect, raw: raw.as_ref(), comparisons };
                        let (decision, doubt) = select(rules, &event, &seen, &mut skip_detail);
                        in_doubt = doubt.is_some();
                        warnings.extend(doubt);
                        decision
                    };
                    (Some(Kind::Created), decision)
                }
                (Change::Unknown, UnknownEvents::Skip) => {
                    skip_detail =
                        Some(format!("{}; RELAY_UNKNOWN_EVENTS is skip", not_known(&event.details)));
                    (Some(Kind::Other), Decision::Skip(SkipReason::NotContent))
                }
                (Change::Removed, _) => (Some(Kind::Removed), Decision::Skip(SkipReason::Removed)),
                (Change::Other, _) => (Some(Kind::Other), Decision::Skip(SkipReason::NotContent)),
            };
            (Some(event.bucket), Some(event.key), kind, event.details, decision)
        }
        // Which object it speaks of cannot be told, so there is nothing to send.
        Reading::Notice(Notice { kind: NoticeKind::Unknown, bucket, details })
            if rules.unknown_events != UnknownEvents::Skip =>
        {
            let decision = Decision::Fail(unknown_event(&details));
            (bucket, None, Some(Kind::Other), details, decision)
        }
        Reading::Notice(notice) => {
            let (kind, reason) = match notice.kind {
                NoticeKind::Test => (Kind::Test, SkipReason::TestEvent),
                NoticeKind::Handshake => (Kind::Handshake, SkipReason::Handshake),
                NoticeKind::Probe => (Kind::Handshake, SkipReason::Probe),
                NoticeKind::Bucket => (Kind::Other, SkipReason::NotContent),
                NoticeKind::Unknown => {
                    skip_detail =
                        Some(format!("{}; RELAY_UNKNOWN_EVENTS is skip", not_known(&notice.details)));
                    (Kind::Other, SkipReason::NotContent)
                }
            };
            (notice.bucket, None, Some(kind), notice.details, Decision::Skip(reason))
        }
        Reading::Unreadable { bucket, details, failure } => {
            (bucket, None, None, *details, Decision::Fail(failure))
        }
    };
    Planned {
        item: path,
        dialect,
        bucket,
        key,
        kind,
        details,
        decision,
        skip_detail,
        in_doubt,
        warnings,
        message,
    }
}

fn not_known(details: &Details) -> String {
    let name = line::clip(details.event_name.as_deref().unwrap_or_default(), 100);
    format!("{name:?} is an event that this version does not know")
}

fn unknown_event(details: &Details) -> Failure {
    let detail = format!(
        "{}, so it may announce new content; RELAY_UNKNOWN_EVENTS=send scans the object of such events, skip passes over \
         them; before send, make sure that nothing the scanner does to an object fires the event, or each scan brings the next one",
        not_known(details)
    );
    Failure::new(Cause::UnknownEvent, detail)
}

/// What routes look at beside the event.
struct Seen<'s> {
    source: Option<&'s str>,
    dialect: Option<Dialect>,
    raw: Option<&'s Raw>,
    comparisons: &'s Comparisons,
}

/// What becomes of a new object, and the sentence if it was in doubt whether its route takes it.
fn select(
    rules: &Rules,
    event: &ObjectEvent,
    seen: &Seen<'_>,
    skip_detail: &mut Option<String>,
) -> (Decision, Option<String>) {
    let Seen { source, dialect, raw, comparisons } = *seen;
    let candidate = Candidate { event, raw, comparisons };
    let decision = match route::choose(&rules.routes, source, &candidate) {
        Choice::To(route, doubt) => {
            let store = event.details.store.or(dialect);
            let usual = || store.map_or(StorageType::S3Compatible, Dialect::usual_storage_type);
            let storage_type = route.storage_type.unwrap_or_else(usual);
            let submission = Submission::new(
                &route.storage_client_id,
                storage_type,
                &route.object_name.of(&event.bucket, &event.key),
                route.scan_id.as_deref(),
            );
            return (Decision::Send(submission), doubt);
        }
        Choice::Unclear(failure) => Decision::Fail(failure),
        Choice::NotSelected(sentence) => {
            *skip_detail = Some(sentence);
            Decision::Skip(SkipReason::NotSelected)
        }
        Choice::Unmapped => {
            let bucket = line::clip(event.bucket.as_str(), 100);
            let whence = source.map(|s| format!(" for source {s:?}")).unwrap_or_default();
            Decision::Fail(Failure::new(
                Cause::UnmappedBucket,
                format!(
                    "no route names bucket {bucket:?}{whence}; add a [[route]] for it, or one that excludes it"
                ),
            ))
        }
    };
    (decision, None)
}
