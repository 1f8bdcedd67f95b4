//! One item on its way through the worker.

use std::time::{Duration, Instant};

use mdss_relay_core::{Details, Dialect, Planned, Submission};

use crate::claim::Claimed;
use crate::clock::Moment;
use crate::item::{ItemId, State};
use crate::ticket::Ticket;

/// An item whose turn may come. Its body is not kept with it: hundreds wait here, and a body may have six megabytes.
pub(super) struct Ready {
    pub(super) item: Item,
    pub(super) object: Object,
    pub(super) submission: Submission,
}

/// What of a claimed item is needed after its plan.
pub(super) struct Item {
    pub(super) ticket: Ticket,
    pub(super) path: String,
    pub(super) lane: String,
    pub(super) state: State,
    pub(super) attempts: u32,
    pub(super) reason: Option<String>,
    /// What the log calls the delivery.
    pub(super) invocation: String,
    /// The source it came through.
    pub(super) source: Option<String>,
    pub(super) received: Moment,
    claimed: Instant,
    /// As of the claim.
    waited: Duration,
    age: Duration,
}

impl Item {
    pub(super) fn of(item: Claimed, claimed: Instant) -> Self {
        let Claimed { ticket, path, lane, state, attempts, waited, reason, delivery, known: _ } = item;
        let (invocation, source) = delivery
            .delivery
            .as_ref()
            .map_or_else(|_| Default::default(), |d| (d.id.clone(), d.source.clone()));
        let (received, age) = (delivery.received, delivery.age);
        Self {
            ticket,
            path,
            lane,
            state,
            attempts,
            reason,
            invocation,
            source,
            received,
            claimed,
            waited,
            age,
        }
    }

    pub(super) fn id(&self) -> ItemId {
        self.ticket.id()
    }

    /// How long ago it came.
    pub(super) fn age(&self) -> Duration {
        self.age + self.claimed.elapsed()
    }

    /// How long ago it came, or was last retried by hand.
    pub(super) fn waited(&self) -> Duration {
        self.waited + self.claimed.elapsed()
    }

    /// Whether an operator has had it tried again: its age counts from there. The moment of its receipt and the beginning of its age are not
    /// always taken from one look at a clock.
    pub(super) fn was_retried(&self) -> bool {
        self.age.saturating_sub(self.waited) > Duration::from_secs(1)
    }

    /// How long ago the object was stored, if the event says when; else how long ago the event came.
    pub(super) fn latency(&self, stored: Option<Moment>) -> Duration {
        stored.map_or(self.age(), |stored| self.received.plus(self.age()).since(stored))
    }
}

/// What the log and the ledger say of an object.
#[derive(Default)]
pub(super) struct Object {
    pub(super) dialect: Option<&'static str>,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// What the event says of the write. What is not shown is not there.
    pub(super) details: Details,
}

impl Object {
    pub(super) fn of(planned: &Planned) -> Self {
        Self {
            dialect: planned.dialect.map(Dialect::name),
            bucket: planned.bucket.as_ref().map(|b| b.as_str().to_owned()),
            key: planned.key.as_ref().map(|k| k.as_str().to_owned()),
            details: Details {
                namespace: planned.details.namespace.clone(),
                size: planned.details.size,
                etag: planned.details.etag.clone(),
                version_id: planned.details.version_id.clone(),
                event_name: planned.details.event_name.clone(),
                time: planned.details.time,
                ..Details::default()
            },
        }
    }

    /// When it was stored, if the event says so.
    pub(super) fn time(&self) -> Option<Moment> {
        self.details.time.map(|time| Moment::from_millis(time.as_millisecond()))
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use mdss_relay_core::{Decision, Delivery, Role, Settings, plan};
    use serde_json::json;

    use super::*;
    use crate::claim::{DeliveryId, Stored};
    use crate::ticket::Given;

    /// An item of a lane.
    pub(crate) fn ready(lane: &str, id: i64) -> Ready {
        // Simulations have thousands of them.
        static PLANS: Mutex<BTreeMap<String, Planned>> = Mutex::new(BTreeMap::new());
        let mut plans = PLANS.lock().unwrap();
        let planned = plans.entry(lane.to_owned()).or_insert_with(|| planned(lane));
        let Decision::Send(submission) = &planned.decision else { panic!("{planned:?}") };
        let stored = Stored {
            id: DeliveryId::new(0, id),
            received: Moment::from_millis(0),
            age: Duration::ZERO,
            delivery: Err(String::new()),
            items: 1,
        };
        let claimed = Claimed {
            ticket: Given::default().give(0, ItemId::new(id)),
            path: String::new(),
            lane: lane.into(),
            state: State::Waiting,
            attempts: 0,
            waited: Duration::ZERO,
            reason: None,
            delivery: Arc::new(stored),
            known: None,
        };
        let item = Item::of(claimed, Instant::now());
        Ready { item, object: Object::of(planned), submission: submission.clone() }
    }

    fn planned(lane: &str) -> Planned {
        let settings = Settings::read([("STORAGECLIENTID".into(), lane.into())], Role::Explain);
        let body = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } }] });
        let delivery = Delivery { body: body.to_string().into(), ..Delivery::default() };
        plan(&settings.finish().unwrap().rules, &delivery).records.remove(0)
    }
}
