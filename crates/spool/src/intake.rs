//! What is written down of a delivery: decided before anything is written, by the plan and by who has sent it.

use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::{Decision, Delivery, Dialect, FailureKind, Kept, Plan, Planned, facts};

use crate::clock::Moment;
use crate::fact::Fact;
use crate::item::{LANE_UNROUTED, State};
use crate::known::Known;
use crate::schedule::HELD_BY_PLAN;
use crate::shares::NoRoom;

/// Whether the gate knows who has sent a delivery. It decides what becomes of records that can never be used: what a
/// known sender sends is kept for the operator to look at, what anybody may send would only fill the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It has proven who it is.
    Proven,
    /// `auth = "none"`: anybody who reaches the port.
    Anyone,
}

/// One row to be.
#[derive(Debug)]
pub(crate) struct NewItem {
    /// Which record of the plan.
    pub(crate) record: usize,
    pub(crate) path: String,
    pub(crate) lane: String,
    pub(crate) state: State,
    /// For how long it is put off.
    pub(crate) pause: Duration,
    pub(crate) reason: Option<&'static str>,
    pub(crate) detail: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) mark: Option<String>,
    /// What the ledger is told of it, if it is parked and somebody keeps one.
    pub(crate) fact: Option<String>,
}

/// What became of one item of an intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is kept.
    Stored,
    /// It is not kept, because the same write is there, or MDSS has it.
    Duplicate,
    /// It is not kept, because a share is used up.
    NoRoom(NoRoom),
}

/// A delivery on its way to the disk. It has no `Debug`: headers and body are a stranger's.
pub struct Intake {
    pub(crate) name: String,
    pub(crate) source: Option<String>,
    /// The dialect the source was pinned to when the delivery came. What was recognised is not pinned: a batch may hold
    /// records of several producers, and each is recognised again by its own marks.
    pub(crate) dialect: Option<&'static str>,
    pub(crate) method: String,
    /// A list of pairs in JSON.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    pub(crate) items: Vec<NewItem>,
    /// What is to be remembered of its plan.
    pub(crate) known: Option<Arc<Known>>,
}

impl Intake {
    /// How many items it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing of it is to be kept.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whose share it takes; what came through no source shares one.
    pub(crate) fn whose(&self) -> &str {
        self.source.as_deref().unwrap_or_default()
    }

    /// What became of each record of the plan, by what became of the items.
    pub(crate) fn kept(&self, plan: &Plan, written: Vec<Written>) -> Vec<Kept> {
        let mut kept = vec![Kept::Nothing; plan.records.len()];
        for (item, written) in self.items.iter().zip(written) {
            kept[item.record] = match written {
                Written::Stored => Kept::Spooled,
                Written::Duplicate => Kept::Duplicate,
                Written::NoRoom(NoRoom { why, .. }) => Kept::NoRoom(why),
            };
        }
        kept
    }

    /// The same intake, which tells the ledger of what is parked from the beginning: nothing will ever come of that.
    #[must_use]
    pub(crate) fn told(mut self, plan: &Plan, now: Moment) -> Self {
        let source = self.source.as_deref();
        for item in self.items.iter_mut().filter(|item| item.state == State::Parked) {
            let planned = &plan.records[item.record];
            let fact = Fact {
                kind: facts::PARKED,
                at: now,
                source,
                dialect: planned.dialect.map(Dialect::name),
                bucket: item.bucket.as_deref(),
                key: item.key.as_deref(),
                details: &planned.details,
                received: Some(now),
                resends: None,
                lane: &item.lane,
                correlation: None,
                origin: None,
                reason: item.reason,
            };
            item.fact = Some(fact.json());
        }
        self
    }

    /// What is to be kept of a delivery.
    pub fn new(mut delivery: Delivery, plan: &Plan, sender: Sender) -> Self {
        let body = delivery
            .body_to_keep(plan.records.iter().filter_map(|record| record.dialect).chain(plan.dialect));
        let source = delivery.source.as_deref();
        let items = plan.records.iter().enumerate().filter_map(|(n, r)| item(n, r, source, sender)).collect();
        Self {
            headers: serde_json::to_string(&delivery.headers_to_keep()).expect("texts always serialise"),
            name: delivery.id,
            source: delivery.source,
            dialect: delivery.dialect.map(|d| d.name()),
            method: delivery.method,
            body,
            items,
            known: None,
        }
    }

    /// The same, and its plan is remembered if it has one item.
    #[must_use]
    pub(crate) fn remembered(self, plan: &Plan) -> Self {
        let known = match self.items[..] {
            [NewItem { record, .. }] => {
                Known::of(plan, record, &self.name, self.source.as_deref(), &self.body)
            }
            _ => None,
        };
        Self { known: known.map(Arc::new), ..self }
    }
}

fn item(record: usize, planned: &Planned, source: Option<&str>, sender: Sender) -> Option<NewItem> {
    let (lane, failure) = match &planned.decision {
        Decision::Skip(_) => return None,
        Decision::Send(submission) => (submission.storage_client_id(), None),
        Decision::Fail(failure) => (LANE_UNROUTED, Some(failure)),
    };
    let (state, pause) = match failure.map(|f| f.kind()) {
        None | Some(FailureKind::Transient) => (State::Waiting, Duration::ZERO),
        // No request was made, and the same plan comes to the same end: the next start is what may change it.
        Some(FailureKind::Config) => (State::Held, HELD_BY_PLAN),
        Some(FailureKind::Permanent) if sender == Sender::Proven => (State::Parked, Duration::ZERO),
        Some(FailureKind::Permanent) => return None,
    };
    Some(NewItem {
        record,
        path: planned.item.clone(),
        lane: lane.to_owned(),
        state,
        pause,
        reason: failure.map(|f| f.cause.name()),
        detail: failure.map(|f| f.detail.clone()),
        bucket: planned.bucket.as_ref().map(|b| b.as_str().to_owned()),
        key: planned.key.as_ref().map(|k| k.as_str().to_owned()),
        mark: planned.write_mark(source).map(|m| m.as_str().to_owned()),
        fact: None,
    })
}
