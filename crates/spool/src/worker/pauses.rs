//! Whether and how fast requests leave: the breakers of the endpoint and of each unit, and the pace. What came of one request decides
//! for the others.

use std::sync::Arc;
use std::time::Instant;

use mdss_relay_core::Failure;

use super::blame::{Blame, blame};
use super::lanes::Lanes;
use super::lines;
use super::ready::{Item, Ready};
use crate::breaker::{Breaker, Leave, Position};
use crate::item::ItemId;
use crate::meter::Meter;
use crate::pace::Pace;
use crate::ticket::Ticket;

/// What follows from the outcome of a request, for items that are not under way.
#[derive(Debug, Default)]
pub(super) struct Follows {
    /// Held items that are due now: of a lane, or of all.
    pub(super) release: Vec<Option<String>>,
    /// Items that are to be given back.
    pub(super) back: Vec<Ticket>,
}

/// Who may send, and when.
pub(super) struct Pauses {
    pub(super) lanes: Lanes,
    endpoint: Breaker,
    pace: Pace,
    meter: Arc<Meter>,
}

impl Pauses {
    /// At most `rate` requests a second.
    pub(super) fn new(rate: u32, meter: Arc<Meter>) -> Self {
        // The breakers of the worker before went with it.
        meter.no_breakers();
        Self { lanes: Lanes::default(), endpoint: Breaker::default(), pace: Pace::new(rate), meter }
    }

    /// How many requests the endpoint allows.
    pub(super) fn endpoint(&self, now: Instant) -> Leave {
        self.endpoint.leave(now)
    }

    /// The next item whose request is to be made now, if any may be.
    pub(super) fn next(&mut self, now: Instant) -> Option<Ready> {
        if self.pace.wait(now).is_some() || matches!(self.endpoint.leave(now), Leave::NoneBefore(_)) {
            return None;
        }
        let ready = self.lanes.next(now)?;
        self.endpoint.started(ready.item.id());
        self.pace.started(now);
        let lane = &ready.item.lane;
        if self.lanes.position(lane) == Some(Position::HalfOpen) {
            self.meter.breaker(lane, Position::HalfOpen);
        }
        if self.endpoint.position() == Position::HalfOpen {
            self.meter.breaker("", Position::HalfOpen);
        }
        Some(ready)
    }

    /// MDSS has accepted an object.
    pub(super) fn succeeded(&mut self, lane: &str, now: Instant) -> Follows {
        let mut follows = Follows::default();
        self.pace.succeeded(now);
        self.endpoint_succeeded(now, &mut follows);
        if self.lanes.succeeded(lane) {
            lines::unit_is_back(lane);
            self.meter.breaker(lane, Position::Closed);
            follows.release.push(Some(lane.to_owned()));
        }
        follows
    }

    /// A request has failed.
    pub(super) fn failed(&mut self, item: &Item, failure: &Failure, now: Instant) -> Follows {
        let mut follows = Follows::default();
        // Once the breaker is open it does the yielding; the pace would only be slow to begin with afterwards.
        if failure.throttled && self.endpoint.position() == Position::Closed {
            self.pace.pushed_back(item.id(), now);
        }
        match blame(failure.cause) {
            Blame::Endpoint => {
                if self.endpoint.failed(item.id(), failure.retry_after, now) {
                    lines::endpoint_pauses(failure);
                }
                self.meter.breaker("", self.endpoint.position());
                self.lane_failed(&item.lane, item.id(), failure, now, &mut follows);
            }
            // An answer about the unit is an answer: the endpoint works.
            Blame::Lane => {
                self.endpoint_succeeded(now, &mut follows);
                self.lane_failed(&item.lane, item.id(), failure, now, &mut follows);
            }
            Blame::Object => {
                self.endpoint_succeeded(now, &mut follows);
                self.lanes.ended(&item.lane, item.id());
            }
        }
        follows
    }

    fn endpoint_succeeded(&mut self, now: Instant, follows: &mut Follows) {
        if self.endpoint.succeeded() {
            lines::endpoint_is_back();
            self.meter.breaker("", Position::Closed);
            // They may have failed for no other reason.
            self.lanes.probe_soon(now);
            // What was held because of the endpoint is due.
            follows.release.push(None);
        }
    }

    fn lane_failed(
        &mut self,
        lane: &str,
        item: ItemId,
        failure: &Failure,
        now: Instant,
        follows: &mut Follows,
    ) {
        if let Some(back) = self.lanes.failed(lane, item, now) {
            follows.back.extend(back);
            lines::unit_pauses(lane, failure);
        }
        if let Some(position) = self.lanes.position(lane) {
            self.meter.breaker(lane, position);
        }
    }

    /// A breaker with nobody in front of it never learns that it may close, and would be an alarm for ever. Who comes next finds out.
    pub(super) fn nobody_waits(&mut self) {
        self.endpoint.forget();
        self.lanes.forget();
        self.meter.no_breakers();
    }

    /// When the next request may be made, as far as that is known.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let pace = self.pace.wait(now).filter(|_| self.lanes.queued() > 0);
        let endpoint = match self.endpoint.leave(now) {
            Leave::NoneBefore(then) => then,
            Leave::Any | Leave::One => None,
        };
        [pace, endpoint, self.lanes.wake(now)].into_iter().flatten().min()
    }
}
