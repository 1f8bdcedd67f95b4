//! What becomes of a claimed item: its delivery is planned anew, with today's settings, so that a mended configuration heals what is held. Where the plan is
//! still known and the settings are the same, that is what counts.

use std::collections::HashMap;
use std::sync::Arc;

use mdss_relay_core::{
    Cause, Decision, Failure, FailureKind, Panicked, Planned, Relay, SkipReason, Submission, offload,
};

use super::ready::{Item, Object};
use crate::claim::{Claimed, DeliveryId, Stored};
use crate::item::LANE_UNROUTED;
use crate::known::Known;

/// The plan of a delivery.
pub(super) enum Plans {
    /// By the paths of its records.
    Made(Arc<HashMap<String, Planned>>),
    /// Of its only one, as it was made when it came.
    Known(Arc<Known>),
}

impl Plans {
    fn of(&self, path: &str) -> Option<&Planned> {
        match self {
            Self::Made(plans) => plans.get(path),
            Self::Known(known) => Some(&known.planned).filter(|planned| planned.item == path),
        }
    }
}

/// Plans deliveries.
pub(super) struct Planner {
    relay: Arc<Relay>,
    /// The plan of the last delivery with several items.
    last: Option<(DeliveryId, Arc<HashMap<String, Planned>>)>,
}

impl Planner {
    pub(super) fn new(relay: Arc<Relay>) -> Self {
        Self { relay, last: None }
    }

    /// The plan of what an item came in.
    ///
    /// # Errors
    /// If it is no longer what was written, or cannot be planned. It will be no better the next time.
    pub(super) async fn plans(&mut self, claimed: &Claimed) -> Result<Plans, Failure> {
        if let Some(known) = &claimed.known {
            return Ok(Plans::Known(Arc::clone(known)));
        }
        let stored = &claimed.delivery;
        let body = match &stored.delivery {
            Ok(delivery) => delivery.body.len(),
            Err(why) => return Err(Failure::new(Cause::Internal, why.clone())),
        };
        if let Some((of, plans)) = &self.last
            && *of == stored.id
        {
            return Ok(Plans::Made(Arc::clone(plans)));
        }
        let (relay, read) = (Arc::clone(&self.relay), Arc::clone(stored));
        // After a panic the worker would begin anew, and with the same item.
        let plans =
            offload(body, move || plan(&relay, &read)).await.map_err(|Panicked| defect("the plan"))?;
        let plans = Arc::new(plans);
        if stored.items > 1 {
            self.last = Some((stored.id, Arc::clone(&plans)));
        }
        Ok(Plans::Made(plans))
    }
}

fn plan(relay: &Relay, stored: &Stored) -> HashMap<String, Planned> {
    let records = stored.delivery.as_ref().map(|d| relay.plan(d).records).unwrap_or_default();
    records.into_iter().map(|planned| (planned.item.clone(), planned)).collect()
}

/// What today's settings make of an item.
pub(super) enum Sorted {
    /// It is sent.
    Send(Submission),
    /// It is not wanted any more.
    Skip(SkipReason),
    /// It belongs into this lane, and is claimed again from there.
    Lane(String),
    /// No attempt is made, and none makes sense before the settings change.
    Hold(Failure),
    /// No attempt is made, and none will ever make sense.
    Park(Failure),
}

/// Sorts an item by the plan of its delivery.
pub(super) fn sort(item: &Item, plans: &Plans) -> (Object, Sorted) {
    let Some(planned) = plans.of(&item.path) else {
        let detail = format!("the stored delivery no longer has a record {:?}", item.path);
        return (Object::default(), Sorted::Hold(Failure::new(Cause::Internal, detail)));
    };
    let lane = match &planned.decision {
        Decision::Skip(reason) => return (Object::of(planned), Sorted::Skip(*reason)),
        Decision::Send(submission) => submission.storage_client_id(),
        Decision::Fail(_) => LANE_UNROUTED,
    };
    let sorted = match &planned.decision {
        _ if item.lane != lane => Sorted::Lane(lane.to_owned()),
        Decision::Send(submission) => Sorted::Send(submission.clone()),
        Decision::Fail(failure) if failure.kind() == FailureKind::Permanent => Sorted::Park(failure.clone()),
        Decision::Fail(failure) => Sorted::Hold(failure.clone()),
        Decision::Skip(reason) => Sorted::Skip(*reason),
    };
    (Object::of(planned), sorted)
}

/// What is left of a panic; its own line says where.
pub(super) fn defect(what: &str) -> Failure {
    Failure::new(Cause::Internal, format!("{what} panicked, which is a defect; please report it"))
}
