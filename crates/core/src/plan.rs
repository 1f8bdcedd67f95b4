//! What to do with each record of a delivery: everything that can be decided without waiting.
//!
//! `plan(settings, delivery)` is pure. The fixtures in `events/` test exactly this function.

use std::fmt;

use serde::Serialize;

use crate::condition::Comparisons;
use crate::delivery::Delivery;
use crate::dialect::{self, Dialect, Item, Message, Raw, Reading};
use crate::event::{
    Bucket, Change, Details, Kind, Notice, NoticeKind, ObjectEvent, ObjectKey, UnknownEvents,
};
use crate::failure::{Cause, Failure};
use crate::mdss::request::{StorageType, Submission};
use crate::route::{self, Candidate, Choice};
use crate::settings::Settings;
use crate::wire;

macro_rules! skip_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Why a record is not sent although nothing is wrong with it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SkipReason { $($(#[doc = $doc])+ $variant,)+ }

        impl SkipReason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable token.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

skip_reasons! {
    /// the object was removed; there is nothing to scan
    Removed = "removed";
    /// the event announces no new content
    NotContent = "not_content";
    /// the key ends in `/` and the event says that there is nothing in it: an empty folder of a console
    FolderMarker = "folder_marker";
    /// a route names the bucket, and none takes this object
    NotSelected = "not_selected";
    /// a provider's test message
    TestEvent = "test_event";
    /// a handshake, answered
    Handshake = "handshake";
    /// an empty request that asks whether somebody is there
    Probe = "probe";
    /// the same write was announced before; MDSS has it, or it is on disk
    Duplicate = "duplicate";
}

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
    /// Its own dialect's name; `None` if that could not be told.
    pub dialect: Option<&'static str>,
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
    /// Oddities that changed nothing but should be seen.
    pub warnings: Vec<String>,
    /// The queue message it came in.
    pub(crate) message: Option<usize>,
}

/// A mark longer than this is none: whoever remembers marks must know how much memory that takes.
const MOST_MARK_BYTES: usize = 4096;

/// What makes one write of one object another than all others: equal marks are the same event, told twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteMark(String);

impl WriteMark {
    /// The mark as text: a list in JSON, so that no two marks are written alike and a person can read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Planned {
    /// The mark of the write that a record announces; `None` if nothing in the record tells one write from the next.
    ///
    /// Sequencer, version id, event id and request id are such marks, and whatever a record has of them must be equal.
    /// An ETag is none: the same file uploaded again after a removal has the same one and must be scanned again. Nor is
    /// the version id `null`, which every write of an unversioned bucket shares (AWS, "Working with objects in a
    /// versioning-suspended bucket"). ETag, size and time never make two writes equal; where they differ they prove that the
    /// writes are two, whatever a store repeats of what an uploader's request may have brought. So they belong to the mark.
    /// The source is part of it, too, or whoever may post to a weak source could make an event of a strong one look like a
    /// repetition.
    pub fn write_mark(&self, source: Option<&str>) -> Option<WriteMark> {
        let (Some(Kind::Created), Some(bucket), Some(key)) = (self.kind, &self.bucket, &self.key) else {
            return None;
        };
        let details = &self.details;
        let version = details.version_id.as_deref().filter(|version| *version != "null");
        let marks = [
            details.sequencer.as_deref(),
            version,
            details.event_id.as_deref(),
            details.request_id.as_deref(),
        ];
        if marks.iter().all(|mark| mark.is_none_or(str::is_empty)) {
            return None;
        }
        let place = [source, details.namespace.as_deref(), Some(bucket.as_str()), Some(key.as_str())];
        let proofs = (details.etag.as_deref(), details.size, details.time.map(|time| time.as_nanosecond()));
        let text =
            serde_json::to_string(&(place, marks, proofs)).expect("texts and numbers always serialise");
        (text.len() <= MOST_MARK_BYTES).then_some(WriteMark(text))
    }
}

/// The answer a handshake wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// A URL that has to be visited before events flow.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The URL, under the provider's own host; it holds a token. Written as whoever checked it has understood it: the same
    /// text can mean different hosts to different readers (`https:\\host`, a tab in it), and this one cannot.
    pub url: String,
    /// The topic it belongs to, as the sender says.
    pub topic: String,
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// What will be done with a delivery.
#[derive(Debug, Default)]
pub struct Plan {
    /// The outermost envelope's name; `None` if it was not recognised.
    pub dialect: Option<&'static str>,
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
    /// The messages of a queue batch.
    pub(crate) messages: Option<Vec<Message>>,
}

impl Plan {
    /// The plan for a request that reached no source: one record that says why.
    pub fn refused(failure: Failure) -> Self {
        let item = Item::new("0".into(), None, Reading::failed(failure.cause, failure.detail));
        let record = planned(&Settings::default(), None, &Comparisons::default(), item);
        Self { records: vec![record], ..Self::default() }
    }

    /// Whether the outermost envelope is a batch of queue messages.
    pub fn is_queue(&self) -> bool {
        self.messages.is_some()
    }

    /// The messages that failed as planned, as the queue wants to hear it; `None` if this is no queue batch.
    pub fn queue_answer(&self) -> Option<serde_json::Value> {
        let failed = self.records.iter().filter(|r| matches!(r.decision, Decision::Fail(_)));
        queue_answer(self.messages.as_deref()?, failed.map(|r| r.message))
    }
}

/// The member that lists the failed messages in the answer to a queue batch.
pub const QUEUE_ANSWER: &str = "batchItemFailures";

/// The answer to a queue batch (AWS `lambda/latest/dg/services-sqs-errorhandling`, "Reporting batch item failures").
///
/// In a FIFO queue everything behind the first failure is reported too, so that the order holds. A failed record whose
/// message has no id gets an empty one, which Lambda reads as "the whole batch".
pub(crate) fn queue_answer(
    messages: &[Message],
    failed: impl Iterator<Item = Option<usize>>,
) -> Option<serde_json::Value> {
    let mut marked = vec![false; messages.len()];
    let mut all = false;
    for message in failed {
        match message.and_then(|m| marked.get_mut(m)) {
            Some(mark) => *mark = true,
            None => all = true,
        }
    }
    if let Some(first) = marked.iter().position(|m| *m)
        && messages.iter().any(|m| m.fifo)
    {
        marked[first..].fill(true);
    }
    let ids =
        messages.iter().zip(marked).filter(|(_, marked)| *marked).map(|(m, _)| m.id.as_deref().unwrap_or(""));
    let ids: Vec<_> = all.then_some("").into_iter().chain(ids).collect();
    #[derive(Serialize)]
    struct Identifier<'a> {
        #[serde(rename = "itemIdentifier")]
        id: &'a str,
    }
    let list: Vec<_> = ids.into_iter().map(|id| Identifier { id }).collect();
    Some(serde_json::json!({ QUEUE_ANSWER: list }))
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decides what becomes of every record of a delivery. Pure: no clock, no socket, no environment.
pub fn plan(settings: &Settings, delivery: &Delivery) -> Plan {
    // MinIO and RustFS test an address by an empty POST (older MinIO releases, `internal/event/target/webhook.go`).
    if delivery.body.is_empty()
        && delivery.method == "POST"
        && let Some(dialect @ (Dialect::Minio | Dialect::Rustfs)) = delivery.dialect
    {
        let notice = Notice { kind: NoticeKind::Probe, bucket: None, details: Details::default() };
        let item = Item::new("0".into(), Some(dialect), Reading::Notice(notice));
        let records = vec![planned(settings, None, &Comparisons::default(), item)];
        let source = delivery.source.clone();
        return Plan { dialect: Some(dialect.name()), records, source, ..Plan::default() };
    }
    let parsed = dialect::read(delivery, &settings.keys, route::look_into_records(&settings.routes));
    let (source, comparisons) = (delivery.source.as_deref(), Comparisons::default());
    let records = parsed.items.into_iter().map(|item| planned(settings, source, &comparisons, item));
    let records = records.collect();
    Plan {
        dialect: parsed.dialect,
        records,
        reply: parsed.reply,
        receipt: parsed.receipt,
        confirm: parsed.confirm,
        source: delivery.source.clone(),
        messages: parsed.messages,
    }
}

fn planned(settings: &Settings, source: Option<&str>, comparisons: &Comparisons, item: Item) -> Planned {
    let Item { path, message, dialect, provider, reading, mut warnings, raw } = item;
    let mut skip_detail = None;
    let (bucket, key, kind, details, decision) = match reading {
        Reading::Object(event) => {
            let unknown = event.change == Change::Unknown;
            let (kind, decision) = match (event.change, settings.unknown_events) {
                (Change::Unknown, UnknownEvents::Fail) => {
                    (Some(Kind::Other), Decision::Fail(unknown_event(&event.details)))
                }
                (Change::Created | Change::Unknown, UnknownEvents::Fail | UnknownEvents::Send)
                | (Change::Created, UnknownEvents::Skip) => {
                    if unknown {
                        warnings.push(format!("{}; taken as new content", not_known(&event.details)));
                    }
                    let name = event.details.event_name.as_deref().unwrap_or_default();
                    let folder =
                        event.key.is_folder_marker(event.details.size) && dialect::may_be_a_folder(name);
                    let decision = if folder {
                        Decision::Skip(SkipReason::FolderMarker)
                    } else {
                        let seen = Seen { source, provider, raw: raw.as_ref(), comparisons };
                        select(settings, &event, &seen, &mut skip_detail, &mut warnings)
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
            if settings.unknown_events != UnknownEvents::Skip =>
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
    Planned { item: path, dialect, bucket, key, kind, details, decision, skip_detail, warnings, message }
}

fn not_known(details: &Details) -> String {
    let name = wire::clip(details.event_name.as_deref().unwrap_or_default(), 100);
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
    provider: Option<Dialect>,
    raw: Option<&'s Raw>,
    comparisons: &'s Comparisons,
}

fn select(
    settings: &Settings,
    event: &ObjectEvent,
    seen: &Seen<'_>,
    skip_detail: &mut Option<String>,
    warnings: &mut Vec<String>,
) -> Decision {
    let Seen { source, provider, raw, comparisons } = *seen;
    let candidate = Candidate { event, provider, raw, comparisons };
    match route::choose(&settings.routes, source, &candidate) {
        Choice::To(route, doubt) => {
            warnings.extend(doubt);
            let storage_type = route.storage_type.unwrap_or_else(|| StorageType::usual(provider));
            Decision::Send(Submission::new(
                &route.storage_client_id,
                storage_type,
                &event.key,
                route.scan_id.as_deref(),
            ))
        }
        Choice::Unclear(failure) => Decision::Fail(failure),
        Choice::NotSelected(sentence) => {
            *skip_detail = Some(sentence);
            Decision::Skip(SkipReason::NotSelected)
        }
        Choice::Unmapped => {
            let bucket = wire::clip(event.bucket.as_str(), 100);
            let whence = source.map(|s| format!(" for source {s:?}")).unwrap_or_default();
            Decision::Fail(Failure::new(
                Cause::UnmappedBucket,
                format!(
                    "no route names bucket {bucket:?}{whence}; add a [[route]] for it, or one that excludes it"
                ),
            ))
        }
    }
}
