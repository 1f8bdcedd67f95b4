//! The report: what happened to every record of a delivery. It is every adapter's body, whatever the status.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tracing::{error, info, warn};

use crate::deliver::lines::{Became, Line, Write};
use crate::model::dialect::Dialect;
use crate::model::failure::{Cause, Failure, FailureKind};
use crate::plain::fields;
use crate::plan::plan::{Decision, Plan, Planned};
use crate::plan::queue::failed_messages;
use crate::plan::skip::SkipReason;

/// Records listed in the JSON of a report: as many as a usual batch has, and few enough for a person.
const MOST_LISTED: usize = 300;

/// Bytes of them, about.
const MOST_LISTED_BYTES: usize = 256 * 1024;

/// Of a longer report: records that failed, listed beside the counts.
const MOST_FAILED: usize = 100;

/// Lines about records of one delivery that were skipped, or failed, for the same reason.
const MOST_ALIKE: usize = 100;

/// Names of objects in one line, in bytes, about.
const MOST_NAMES_BYTES: usize = 8 * 1024;

/// The worst that happened, which decides what the sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every record was accepted, or skipped with a reason.
    Done,
    /// The same bytes may succeed later.
    Transient,
    /// An operator must act.
    Config,
    /// These bytes never will.
    Permanent,
    /// The gate did not let the sender in.
    Refused,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultKind {
    /// MDSS has it.
    Accepted,
    /// It is on disk; MDSS will have it.
    Spooled,
    /// Not sent, and nothing is wrong.
    Skipped,
    /// Not sent, or not accepted.
    Failed,
}

impl ResultKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Spooled => "spooled",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// What was kept on disk of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Nothing, because there is no room for it: the sentence.
    NoRoom(String),
    /// It is there, and will be sent, or held until somebody has acted.
    Spooled,
    /// Nothing, because the same write is there already, or MDSS has it.
    Duplicate,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Its path in the delivery.
    pub item: String,
    /// Its dialect's name.
    pub dialect: Option<&'static str>,
    /// The bucket's name.
    pub bucket: Option<String>,
    /// The object's name, decoded.
    pub key: Option<String>,
    /// What happened.
    pub result: ResultKind,
    /// A stable token: a [`SkipReason`] or a [`Cause`](crate::Cause).
    pub reason: Option<&'static str>,
    /// The sentence for it.
    pub detail: Option<String>,
    /// What MDSS calls the accepted object.
    pub correlation_id: Option<String>,
    /// Requests made to MDSS.
    pub attempts: u32,
    /// Milliseconds from the start of the delivery's work to this record's end.
    pub ms: u64,
    /// What an uploader chose freely (JD Cloud's `callBackVar`): shown where there is some, never trusted.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub untrusted: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    failure: Option<Failure>,
    #[serde(skip)]
    message: Option<usize>,
    /// Its line was written of late, and is left out.
    #[serde(skip)]
    pub(crate) quiet: bool,
}

impl Record {
    /// Whether it can never be used and nothing of it was kept, so that its line is all there is of it.
    pub fn is_unusable(&self) -> bool {
        let kind = self.failure.as_ref().map(Failure::kind);
        self.result == ResultKind::Failed && kind == Some(FailureKind::Permanent)
    }

    fn became(&self) -> Became {
        let kind = self.failure.as_ref().map(Failure::kind);
        match self.result {
            ResultKind::Accepted => Became::Accepted,
            ResultKind::Skipped => Became::Skipped,
            ResultKind::Spooled => Became::Stored(kind),
            // None fails without a failure.
            ResultKind::Failed => Became::Failed(kind.unwrap_or(FailureKind::Permanent)),
        }
    }

    /// About as many bytes as it has in JSON.
    fn bytes(&self) -> usize {
        let texts = [Some(&self.item), self.bucket.as_ref(), self.key.as_ref(), self.detail.as_ref()];
        let untrusted = if self.untrusted.is_empty() { 0 } else { text(&self.untrusted).len() };
        200 + texts.into_iter().flatten().map(String::len).sum::<usize>() + untrusted
    }

    fn of(planned: &Planned, result: ResultKind) -> Self {
        Self {
            item: planned.item.clone(),
            dialect: planned.dialect.map(Dialect::name),
            bucket: planned.bucket.as_ref().map(|b| b.as_str().to_owned()),
            key: planned.key.as_ref().map(|k| k.as_str().to_owned()),
            result,
            reason: None,
            detail: None,
            correlation_id: None,
            attempts: 0,
            ms: 0,
            untrusted: planned.details.untrusted.clone(),
            failure: None,
            message: planned.message,
            quiet: false,
        }
    }

    pub(crate) fn accepted(planned: &Planned, correlation_id: &str, attempts: u32, took: Duration) -> Self {
        let correlation_id = Some(correlation_id.to_owned());
        Self { correlation_id, attempts, ms: ms(took), ..Self::of(planned, ResultKind::Accepted) }
    }

    pub(crate) fn skipped(planned: &Planned, reason: SkipReason) -> Self {
        let detail = planned.skip_detail.clone();
        Self { reason: Some(reason.name()), detail, ..Self::of(planned, ResultKind::Skipped) }
    }

    /// The result of this record, for another record of the same write.
    pub(crate) fn again(&self, planned: &Planned) -> Self {
        match &self.failure {
            Some(failure) => {
                Self { ms: self.ms, ..Self::failed(planned, failure.clone(), 0, Duration::ZERO) }
            }
            None => Self::of(planned, self.result),
        }
    }

    pub(crate) fn failed(planned: &Planned, failure: Failure, attempts: u32, took: Duration) -> Self {
        Self {
            reason: Some(failure.cause.name()),
            detail: Some(failure.detail.clone()),
            failure: Some(failure),
            attempts,
            ms: ms(took),
            ..Self::of(planned, ResultKind::Failed)
        }
    }
}

fn ms(took: Duration) -> u64 {
    took.as_millis().try_into().unwrap_or(u64::MAX)
}

/// What happened to a delivery.
#[derive(Clone, Debug)]
pub struct Report {
    /// The worst of the records.
    pub outcome: Outcome,
    /// One entry a record, in the order of the delivery.
    pub records: Vec<Record>,
}

impl Report {
    /// Order of badness: transient, config, permanent, done.
    pub(crate) fn new(records: Vec<Record>) -> Self {
        let outcome = match worst(&records).map(Failure::kind) {
            None => Outcome::Done,
            Some(FailureKind::Transient) => Outcome::Transient,
            Some(FailureKind::Config) => Outcome::Config,
            Some(FailureKind::Permanent) => Outcome::Permanent,
        };
        Self { outcome, records }
    }

    /// The report for a delivery that was put on disk, `kept` saying for each record of the plan what was. What could succeed later and was not
    /// kept decides what the sender hears, whatever was kept beside it: of that record nothing would be left, and of the others a repetition
    /// is one. Records that never will succeed do not, beside what was kept: repeating brings nothing. Writes the lines, too; `id` names
    /// the delivery there.
    pub fn kept(plan: &Plan, kept: &[Kept], took: Duration, id: &str) -> Self {
        let records = plan.records.iter().zip(kept).map(|(planned, kept)| match (kept, &planned.decision) {
            (_, Decision::Skip(reason)) => Record::skipped(planned, *reason),
            (Kept::Duplicate, _) => Record::skipped(planned, SkipReason::Duplicate),
            (Kept::Spooled, Decision::Send(_)) => {
                Record { ms: ms(took), ..Record::of(planned, ResultKind::Spooled) }
            }
            (Kept::Spooled, Decision::Fail(failure)) => {
                let failed = Record::failed(planned, failure.clone(), 0, took);
                Record { result: ResultKind::Spooled, ..failed }
            }
            (Kept::Nothing, Decision::Fail(failure)) => Record::failed(planned, failure.clone(), 0, took),
            (Kept::NoRoom(why), Decision::Fail(failure)) => {
                let detail = format!("{}; {why}", failure.detail);
                Record::failed(planned, Failure { detail, ..failure.clone() }, 0, took)
            }
            (Kept::NoRoom(why), Decision::Send(_)) => {
                Record::failed(planned, Failure::new(Cause::SpoolUnavailable, why.clone()), 0, took)
            }
            (Kept::Nothing, Decision::Send(_)) => {
                let failure = Failure::new(Cause::Internal, "the record was neither sent nor kept");
                Record::failed(planned, failure, 0, took)
            }
        });
        let mut report = Self::new(records.collect());
        let any = kept.iter().any(|kept| matches!(kept, Kept::Spooled | Kept::Duplicate));
        if any && report.outcome == Outcome::Permanent {
            report.outcome = Outcome::Done;
        }
        report.log(plan, id, None);
        report
    }

    /// The report for a delivery that failed as a whole.
    pub fn failed(failure: Failure) -> Self {
        let plan = Plan::refused(failure.clone());
        Self::new(
            plan.records.iter().map(|r| Record::failed(r, failure.clone(), 0, Duration::ZERO)).collect(),
        )
    }

    /// The report for a sender the gate did not let in: it says nothing more.
    pub fn refused() -> Self {
        Self { outcome: Outcome::Refused, records: Vec::new() }
    }

    /// The first of the worst failures.
    pub fn worst(&self) -> Option<&Failure> {
        worst(&self.records)
    }

    /// The longest MDSS asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.records.iter().filter_map(|r| r.failure.as_ref()?.retry_after).max()
    }

    /// The ids of the messages that a queue must deliver again; `None` if the plan was no queue batch. An empty id is the whole
    /// batch.
    pub fn failed_messages<'p>(&self, plan: &'p Plan) -> Option<Vec<&'p str>> {
        let failed = self.records.iter().filter(|r| r.result == ResultKind::Failed);
        Some(failed_messages(plan.messages.as_deref()?, failed.map(|r| r.message)))
    }

    /// Compact JSON of what it serialises as.
    pub fn json(&self) -> String {
        text(self)
    }

    /// One line a record, and one a warning: nothing is dropped without a line that says what and why. Of records that were not
    /// taken the first hundred of a kind have a line of their own; further ones share lines that say how many they are and
    /// which objects they name, so that a small body does not become a large log. `received`: when the delivery came, for the lines of
    /// accepted objects.
    pub(crate) fn log(&self, plan: &Plan, delivery: &str, received: Option<Timestamp>) {
        if plan.records.is_empty() {
            info!(
                { fields::INVOCATION } = delivery,
                { fields::DIALECT } = plan.dialect.map(Dialect::name),
                "a delivery without records: nothing to do"
            );
        }
        let mut warnings = 0;
        let mut alike: BTreeMap<Kind<'_>, Alike> = BTreeMap::new();
        for (planned, record) in plan.records.iter().zip(&self.records).filter(|(_, record)| !record.quiet) {
            for warning in &planned.warnings {
                warnings += 1;
                if warnings <= MOST_ALIKE {
                    warn!({ fields::INVOCATION } = delivery, { fields::ITEM } = record.item, "{warning}");
                }
            }
            if matches!(record.result, ResultKind::Failed | ResultKind::Skipped) {
                let kind = (record.result.name(), record.reason);
                let alike = alike.entry(kind).or_default();
                alike.count += 1;
                if alike.count > MOST_ALIKE {
                    alike.add(record, kind, delivery);
                    continue;
                }
            }
            let untrusted = (!record.untrusted.is_empty()).then(|| text(&record.untrusted));
            let (mut lane, mut write) = (None, Write::default());
            if let (ResultKind::Accepted, Decision::Send(submission)) = (record.result, &planned.decision) {
                lane = Some(submission.storage_client_id());
                write = Write {
                    source: plan.source.as_deref(),
                    details: Some(&planned.details),
                    received,
                    ..Write::default()
                };
            }
            let line = Line {
                lane,
                write,
                invocation: delivery,
                item: &record.item,
                dialect: record.dialect,
                bucket: record.bucket.as_deref(),
                key: record.key.as_deref(),
                event_name: planned.details.event_name.as_deref(),
                reason: record.reason,
                detail: record.detail.as_deref(),
                failure: record.failure.as_ref(),
                correlation_id: record.correlation_id.as_deref(),
                untrusted: untrusted.as_deref(),
                resends: Some(record.attempts.saturating_sub(1)),
                took: Some(Duration::from_millis(record.ms)),
                ..Line::default()
            };
            line.write(record.became());
        }
        for (kind, alike) in alike {
            alike.tell(kind, delivery);
        }
        if let Some(more) = warnings.checked_sub(MOST_ALIKE).filter(|more| *more > 0) {
            warn!(
                { fields::INVOCATION } = delivery,
                "and {more} more warnings about records of this delivery"
            );
        }
    }
}

impl Serialize for Report {
    /// Of a report with more than 300 records, or 256 KiB, the number of records of each result, and the first that
    /// failed: a sender pays two bytes for a record, and the text of this is held until it is read.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outcome = self.outcome;
        if let Some(records) = listed(&self.records, MOST_LISTED, MOST_LISTED_BYTES)
            && records.len() == self.records.len()
        {
            return Listing { outcome, counts: None, records }.serialize(serializer);
        }
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.result.name()).or_default() += 1;
        }
        let failed = self.records.iter().filter(|r| r.result == ResultKind::Failed);
        let records = listed(failed, MOST_FAILED, MOST_LISTED_BYTES / 2).unwrap_or_default();
        Listing { outcome, counts: Some(counts), records }.serialize(serializer)
    }
}

/// A result and its reason.
type Kind<'r> = (&'static str, Option<&'r str>);

/// Records of one kind that share lines.
#[derive(Default)]
struct Alike {
    count: usize,
    /// Those not yet told, the objects among them by name.
    untold: usize,
    names: String,
}

impl Alike {
    fn add(&mut self, record: &Record, kind: Kind<'_>, delivery: &str) {
        self.untold += 1;
        if let Some(bucket) = &record.bucket {
            let name = (bucket, record.key.as_deref().unwrap_or_default());
            let comma = if self.names.is_empty() { "" } else { "," };
            self.names.push_str(&format!("{comma}{}", text(&name)));
        }
        if self.names.len() >= MOST_NAMES_BYTES {
            std::mem::take(self).tell(kind, delivery);
            self.count = MOST_ALIKE + 1;
        }
    }

    fn tell(self, (result, reason): Kind<'_>, delivery: &str) {
        if self.untold == 0 {
            return;
        }
        let names = (!self.names.is_empty()).then(|| format!("[{}]", self.names));
        macro_rules! line {
            ($level:ident, $text:literal) => {
                $level!(
                    { fields::INVOCATION } = delivery,
                    { fields::REASON } = reason,
                    { fields::MORE } = self.untold,
                    { fields::OBJECTS } = names,
                    $text
                )
            };
        }
        if result == ResultKind::Skipped.name() {
            line!(info, "more events of this delivery were skipped for the same reason")
        } else {
            line!(error, "more records of this delivery failed for the same reason")
        }
    }
}

#[derive(Serialize)]
struct Listing<'r> {
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<BTreeMap<&'static str, usize>>,
    records: Vec<&'r Record>,
}

/// As many of the records as fit; `None` if the first one does not.
fn listed<'r>(
    records: impl IntoIterator<Item = &'r Record>,
    most: usize,
    most_bytes: usize,
) -> Option<Vec<&'r Record>> {
    let mut bytes = 0;
    let mut listed = Vec::new();
    for record in records.into_iter().take(most) {
        bytes += record.bytes();
        if bytes > most_bytes {
            return (!listed.is_empty()).then_some(listed);
        }
        listed.push(record);
    }
    Some(listed)
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialise")
}

fn worst(records: &[Record]) -> Option<&Failure> {
    let failed = records.iter().filter(|r| r.result == ResultKind::Failed);
    // `min_by_key` keeps the first of equals.
    failed.filter_map(|r| r.failure.as_ref()).min_by_key(|f| match f.kind() {
        FailureKind::Transient => 0,
        FailureKind::Config => 1,
        FailureKind::Permanent => 2,
    })
}
