//! Whether and how fast requests leave: the breakers of the endpoint and of each unit, and the pace. What came of one request decides
//! for the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::{Blame, Cause, Failure};

use super::attempt::Patience;
use super::grants::{Changes, Grants};
use super::lanes::Lanes;
use super::lines;
use super::ready::{Item, Ready};
use crate::breaker::{Leave, Position};
use crate::grant::{Ask, Grant};
use crate::item::ItemId;
use crate::meter::Meter;
use crate::outage::{self, Outage, Return};
use crate::pace::Pace;
use crate::ticket::Ticket;

/// How often it is said that MDSS asks for less: a limit is found again and again.
const TELL_EVERY: Duration = Duration::from_secs(60);

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
    endpoint: Outage,
    pace: Pace,
    /// What the other relays of the same spool allow; `None`: there are none.
    grants: Option<Grants>,
    /// When it was last said that MDSS asks for less.
    told: Option<Instant>,
    meter: Arc<Meter>,
    /// The token of the last failure that was blamed on the endpoint (`""`) or on a lane.
    reasons: BTreeMap<String, &'static str>,
}

impl Pauses {
    /// At most `rate` requests a second, and `seats` at the same time; each for an item that is held for longer than `needed`.
    pub(super) fn new(rate: u32, seats: usize, needed: Option<Duration>, meter: Arc<Meter>) -> Self {
        // The breakers of the worker before went with it.
        meter.no_breakers();
        Self {
            lanes: Lanes::new(seats, needed),
            endpoint: Outage::new(seats),
            pace: Pace::new(rate),
            grants: needed.map(|_| Grants::new(rate)),
            told: None,
            meter,
            reasons: BTreeMap::new(),
        }
    }

    /// Writes down the present pace, for the gauge.
    pub(super) fn tell_pace(&self) {
        self.meter.pace(self.pace.rate());
    }

    /// Requests a second, now.
    pub(super) fn rate(&self) -> f64 {
        self.pace.rate()
    }

    /// How many requests the endpoint allows.
    pub(super) fn endpoint(&self, now: Instant) -> Leave {
        if self.is_left_to_others("") { Leave::NoneBefore(None) } else { self.endpoint.leave(now) }
    }

    /// What is to be asked of the other relays now, if anything.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Ask> {
        self.grants.as_ref()?;
        let open = self.told_open();
        let (queued, rate) = (self.lanes.queued(), self.pace.rate());
        self.grants.as_mut()?.ask(queued, rate, open, now)
    }

    /// The lanes that this relay finds out about.
    fn told_open(&self) -> Vec<(String, String)> {
        let open = self.open().into_iter().filter(|(lane, _)| !self.is_left_to_others(lane));
        open.map(|(lane, (_, reason))| (lane, reason.to_owned())).collect()
    }

    /// Whether another relay finds out about a lane, or about MDSS itself (`""`).
    pub(super) fn is_left_to_others(&self, lane: &str) -> bool {
        self.grants.as_ref().is_some_and(|grants| grants.is_elsewhere(lane))
    }

    /// The answer of the other relays, or none. Gives the items that are to be given back.
    pub(super) fn granted(&mut self, grant: Option<Grant>, now: Instant) -> Vec<Ticket> {
        let Some(grants) = &mut self.grants else { return Vec::new() };
        let (endpoint, lanes) = (&self.endpoint, &self.lanes);
        let open = |lane: &str| match lane {
            "" => endpoint.position() != Position::Closed,
            lane => lanes.position(lane).is_some_and(|position| position != Position::Closed),
        };
        let Changes { left, back, tried } = grants.answered(grant, open, now);
        for lane in tried {
            if lane.is_empty() {
                self.endpoint.doubt(now);
            } else {
                self.lanes.doubt(&lane, now);
            }
        }
        for lane in back {
            self.meter.breaker(&lane, Position::Closed);
            if lane.is_empty() {
                // Others wait for it as well, and it may have just started.
                self.endpoint.forget();
                self.pace.begin();
            } else {
                self.lanes.back_from_others(&lane);
            }
        }
        let mut tickets = Vec::new();
        for lane in left {
            self.meter.breaker(&lane, Position::Open);
            // Whoever finds out needs something to do so with.
            if lane.is_empty() {
                tickets.extend(self.lanes.give_up());
            } else {
                tickets.extend(self.lanes.leave_to_others(&lane));
            }
        }
        tickets
    }

    /// The items that a probe may not be before their time; `None`: none may be.
    pub(super) fn early(&mut self, now: Instant) -> Option<Vec<ItemId>> {
        self.endpoint.early(now)
    }

    /// The items that are not due although MDSS answers again: it has named a later time itself.
    pub(super) fn spared(&mut self, now: Instant) -> Arc<[ItemId]> {
        self.endpoint.spared(now).into()
    }

    /// The next item whose request is to be made now, if any may be, and how long that may take.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Ready, Patience)> {
        let probe = match self.endpoint(now) {
            Leave::NoneBefore(_) => return None,
            Leave::One => true,
            Leave::Any => false,
        };
        if self.pace.wait(now).is_some() || self.grants.as_ref().is_some_and(|grants| !grants.may(now)) {
            return None;
        }
        let ready = self.lanes.next(now, probe)?;
        if let Some(grants) = &mut self.grants {
            grants.take(now);
        }
        let most = self.endpoint.started(ready.item.id(), now);
        let patience = Patience { most, usual: self.endpoint.longest(), again: outage::FIRST };
        self.pace.started(now);
        let lane = &ready.item.lane;
        if self.lanes.position(lane) == Some(Position::HalfOpen) {
            self.meter.breaker(lane, Position::HalfOpen);
        }
        if self.endpoint.position() == Position::HalfOpen {
            self.meter.breaker("", Position::HalfOpen);
        }
        Some((ready, patience))
    }

    /// One of those under way is to be asked again.
    pub(super) fn started_again(&mut self, now: Instant) {
        self.endpoint.started_again(now);
    }

    /// MDSS has accepted an object.
    pub(super) fn succeeded(&mut self, item: &Item, took: Duration, now: Instant) -> Follows {
        let (mut follows, lane) = (Follows::default(), item.lane.as_str());
        self.lanes.done(lane, Some(took), now);
        self.pace.succeeded(took, now);
        self.endpoint_answered(item.id(), Some(took), now, &mut follows);
        if let Some(grants) = &mut self.grants {
            grants.passed(lane, now);
        }
        if self.lanes.succeeded(lane) {
            lines::unit_is_back(lane);
            self.meter.breaker(lane, Position::Closed);
            follows.release.push(Some(lane.to_owned()));
        }
        follows
    }

    /// A request has failed, after so long.
    pub(super) fn failed(&mut self, item: &Item, failure: &Failure, took: Duration, now: Instant) -> Follows {
        let mut follows = Follows::default();
        // How long a refusal takes says nothing of how long the work does.
        let slow = failure.cause == Cause::MdssTimeout;
        self.lanes.done(&item.lane, slow.then_some(took), now);
        // Once the breaker is open it does the yielding; the pace would only be slow to begin with afterwards.
        if failure.throttled && self.endpoint.position() == Position::Closed {
            let before = self.pace.rate();
            self.pace.pushed_back(item.id(), took, now);
            let told = self.told.is_some_and(|when| now.duration_since(when) < TELL_EVERY);
            if self.pace.rate() < before && !told {
                self.told = Some(now);
                lines::gives_way(failure, self.pace.rate());
            }
        }
        match failure.cause.blame() {
            Blame::Endpoint => {
                let closed = self.endpoint.position() == Position::Closed;
                if self.endpoint.failed(item.id(), item.attempts > 0, failure, now) {
                    lines::endpoint_pauses(failure);
                }
                let position = self.endpoint.position();
                if closed && position != Position::Closed && failure.throttled {
                    self.pace.stopped(now);
                }
                self.meter.breaker("", position);
                self.reasons.insert(String::new(), failure.cause.name());
                if failure.throttled && position != Position::Closed {
                    // Too much for all is none of the unit's.
                    self.lanes.ended(&item.lane, item.id());
                } else {
                    self.lane_failed(&item.lane, item.id(), failure, now, &mut follows);
                }
            }
            // An answer about the unit is an answer: the endpoint works.
            Blame::Lane => {
                self.endpoint_answered(item.id(), None, now, &mut follows);
                self.lane_failed(&item.lane, item.id(), failure, now, &mut follows);
            }
            Blame::Object => {
                self.endpoint_answered(item.id(), None, now, &mut follows);
                self.lanes.ended(&item.lane, item.id());
            }
        }
        follows
    }

    fn endpoint_answered(
        &mut self,
        item: ItemId,
        took: Option<Duration>,
        now: Instant,
        follows: &mut Follows,
    ) {
        if let Some(grants) = &mut self.grants {
            grants.passed("", now);
        }
        let known = self.endpoint.is_known();
        let Some(back) = self.endpoint.answered(item, took, now) else { return };
        // Others wait for it as well, and it may have just started.
        if back != Return::TooMuch {
            self.pace.begin();
        }
        if known {
            lines::endpoint_is_back();
        }
        if back != Return::Silence {
            self.meter.breaker("", Position::Closed);
            // They may have failed for no other reason.
            self.lanes.probe_soon(now);
            // What was put off because of the endpoint is due.
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
            self.reasons.insert(lane.to_owned(), failure.cause.name());
        }
    }

    /// The breakers that are not closed, and why not: by lane, the endpoint's is `""`.
    pub(super) fn open(&self) -> BTreeMap<String, (Position, &'static str)> {
        let open = |(name, reason): (&String, &&'static str)| {
            let position =
                if name.is_empty() { self.endpoint.position() } else { self.lanes.position(name)? };
            (position != Position::Closed).then(|| (name.clone(), (position, *reason)))
        };
        self.reasons.iter().filter_map(open).collect()
    }

    /// A breaker with nobody in front of it never learns that it may close, and would be an alarm for ever. Who comes next finds out.
    pub(super) fn nobody_waits(&mut self) {
        self.endpoint.forget();
        self.lanes.forget();
        self.reasons.clear();
        self.meter.no_breakers();
    }

    /// When the next request may be made, as far as that is known.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let queued = self.lanes.queued();
        let pace = self.pace.wait(now).filter(|_| queued > 0);
        let grants = self.grants.as_ref().and_then(|grants| grants.wake(queued, &self.told_open(), now));
        [pace, self.endpoint.wake(now), self.lanes.wake(now), grants].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use mdss_relay_core::Cause;

    use super::super::ready::testing::ready;
    use super::*;

    /// The lanes of which at most one may come.
    fn closed(lanes: &Lanes, now: Instant) -> HashMap<String, usize> {
        lanes.caps(512, now).into_iter().filter(|(_, cap)| *cap <= 1).collect()
    }

    const TOOK: Duration = Duration::from_millis(10);

    fn pauses() -> Pauses {
        Pauses::new(10_000, 16, None, Arc::default())
    }

    /// Five different objects of a lane fail; what follows from the last one.
    fn fail(pauses: &mut Pauses, lane: &str, cause: Cause, now: Instant) -> Follows {
        let failure = Failure::new(cause, "x");
        (1000..1005).map(|id| pauses.failed(&ready(lane, id).item, &failure, TOOK, now)).last().unwrap()
    }

    #[test]
    fn when_mdss_is_back_what_is_held_is_due_and_no_lane_waits_out_its_pause() {
        let (mut pauses, begin) = (pauses(), Instant::now());
        for (id, lane) in ["a", "a", "b"].iter().enumerate() {
            pauses.lanes.push(ready(lane, id as i64));
        }
        let follows = fail(&mut pauses, "a", Cause::MdssUnauthorized, begin);
        assert_eq!((follows.release, follows.back.len()), (vec![], 2));
        assert!(pauses.next(begin).is_none());
        fail(&mut pauses, "b", Cause::MdssUnauthorized, begin + Duration::from_millis(900));
        // The probe of the endpoint, and of the lane.
        let now = begin + Duration::from_secs(1);
        pauses.lanes.push(ready("a", 7));
        let (probe, _) = pauses.next(now).unwrap();
        assert_eq!(probe.item.id().get(), 7);
        assert_eq!(closed(&pauses.lanes, now), [("a".to_owned(), 0), ("b".to_owned(), 0)].into());
        let follows = pauses.succeeded(&probe.item, TOOK, now);
        assert_eq!(follows.release, [None, Some("a".to_owned())]);
        assert_eq!(closed(&pauses.lanes, now), [("b".to_owned(), 1)].into());
        assert_eq!(pauses.endpoint(now), Leave::Any);
    }

    #[test]
    fn an_answer_about_a_unit_or_an_object_says_that_the_endpoint_works() {
        for (cause, unit) in [(Cause::MdssNotEnabled, true), (Cause::MdssTooLarge, false)] {
            let (mut pauses, now) = (pauses(), Instant::now());
            pauses.lanes.push(ready("a", 1));
            pauses.lanes.push(ready("b", 2));
            let follows = fail(&mut pauses, "a", cause, now);
            assert_eq!((follows.back.len(), follows.release), (usize::from(unit), vec![]));
            assert_eq!(pauses.endpoint(now), Leave::Any);
            assert_eq!(pauses.lanes.is_closed("a", now), unit, "{}", cause.name());
            assert!(!pauses.lanes.is_closed("b", now));
            // Nothing is held because of the endpoint, unless it was closed before.
            fail(&mut pauses, "b", Cause::MdssUnreachable, now);
            assert!(pauses.next(now).is_none());
            let follows = pauses.failed(&ready("a", 9).item, &Failure::new(cause, "x"), TOOK, now);
            assert_eq!(follows.release, [None], "{}", cause.name());
        }
    }

    #[test]
    fn a_unit_that_is_back_releases_its_own_items_alone() {
        let (mut pauses, now) = (pauses(), Instant::now());
        pauses.lanes.push(ready("a", 1));
        fail(&mut pauses, "a", Cause::MdssNotEnabled, now);
        let good = ready("a", 7).item;
        assert_eq!(pauses.succeeded(&good, TOOK, now).release, [Some("a".to_owned())]);
        assert!(pauses.succeeded(&good, TOOK, now).release.is_empty());
        // Nothing is left of a closed lane in which nothing waits.
        fail(&mut pauses, "a", Cause::MdssNotEnabled, now);
        pauses.nobody_waits();
        assert_eq!((closed(&pauses.lanes, now).len(), pauses.wake(now)), (0, None));
    }
}
