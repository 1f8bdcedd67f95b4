//! The lanes of the worker: whose turn it is. A lane is a storage unit; what waits for one must not keep another waiting.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::ready::Ready;
use crate::breaker::{Breaker, Leave, Position};
use crate::item::ItemId;
use crate::ticket::{Hold, Ticket};
use crate::window::Window;

struct Lane {
    queue: VecDeque<Ready>,
    breaker: Breaker,
    /// Requests under way, and how many may be.
    under_way: usize,
    window: Window,
    /// Whether the last claim has left some behind.
    more: bool,
    /// Another relay finds out about it.
    elsewhere: bool,
}

impl Lane {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            breaker: Breaker::default(),
            under_way: 0,
            window: Window::new(),
            more: false,
            elsewhere: false,
        }
    }

    fn leave(&self, now: Instant) -> Leave {
        if self.elsewhere { Leave::NoneBefore(None) } else { self.breaker.leave(now) }
    }

    fn is_closed(&self, now: Instant) -> bool {
        matches!(self.leave(now), Leave::NoneBefore(_))
    }
}

/// The lanes by name, and which one had the last turn.
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    last: String,
    /// How many requests may be under way, and how many are.
    seats: usize,
    under_way: usize,
    /// Items in all the queues.
    queued: usize,
    /// For how long an item must be held for its request to be made, where that has an end.
    needed: Option<Duration>,
}

impl Lanes {
    /// Lanes that share so many requests under way, each for an item that is held for longer than `needed`.
    pub(super) fn new(seats: usize, needed: Option<Duration>) -> Self {
        Self { lanes: BTreeMap::new(), last: String::new(), seats, under_way: 0, queued: 0, needed }
    }

    /// How many more requests a lane may have than are free for the others: alone it has three quarters of them, of two that are slow each has
    /// three sevenths, and the next one always finds a seat. So do probes, if nothing comes back any more.
    const SHARE: usize = 3;

    /// Whether a seat is free for a lane that has so many.
    fn has_seat(&self, lane: &Lane) -> bool {
        let free = self.seats.saturating_sub(self.under_way);
        lane.under_way < lane.window.seats().min(Self::SHARE * free)
    }

    /// A request has come back, with an answer that took so long to come.
    pub(super) fn done(&mut self, name: &str, took: Option<Duration>, now: Instant) {
        if let Some(lane) = self.lanes.get_mut(name) {
            if let Some(took) = took {
                lane.window.came_back(took, self.under_way.min(lane.under_way), self.seats, now);
            }
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Items that wait for their turn.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    pub(super) fn push(&mut self, ready: Ready) {
        self.queued += 1;
        self.lanes.entry(ready.item.lane.clone()).or_insert_with(Lane::new).queue.push_back(ready);
    }

    /// Lanes of which a claim may bring fewer than of the others, and how many. What waits for its turn is shared like the seats, of which
    /// there are so many: what one lane leaves standing must not keep the others from being claimed.
    pub(super) fn caps(&self, ahead: usize, now: Instant) -> HashMap<String, usize> {
        let free = ahead.saturating_sub(self.queued);
        let cap = |(name, lane): (&String, &Lane)| {
            let cap = match lane.leave(now) {
                // As many as leave a third of that free.
                Leave::Any => (Self::SHARE * free).saturating_sub(lane.queue.len()) / (Self::SHARE + 1),
                Leave::One => usize::from(lane.queue.is_empty()),
                Leave::NoneBefore(_) => 0,
            };
            (name.clone(), cap)
        };
        self.lanes.iter().map(cap).collect()
    }

    /// Whether a lane that could send has less than a quarter of its share of what may wait for a turn; of all lanes, or of those that are known to
    /// have more.
    pub(super) fn is_hungry(&self, ahead: usize, all: bool, now: Instant) -> bool {
        let share = Self::SHARE * ahead.saturating_sub(self.queued);
        let is_hungry =
            |lane: &Lane| (all || lane.more) && 4 * lane.queue.len() < share && !lane.is_closed(now);
        (all && self.lanes.is_empty()) || self.lanes.values().any(is_hungry)
    }

    /// So many are claimed of each lane. Those of which none is may have some all the same, if any may: `all`.
    pub(super) fn asked(&mut self, caps: &HashMap<String, usize>, all: bool) {
        for (name, lane) in &mut self.lanes {
            lane.more = caps.get(name) == Some(&0) && (lane.more || all);
        }
    }

    /// Which lanes have more than a claim has brought.
    pub(super) fn have_more(&mut self, names: &[String]) {
        for name in names {
            self.lanes.entry(name.clone()).or_insert_with(Lane::new).more = true;
        }
    }

    /// Whether no request may be made for a lane now.
    pub(super) fn is_closed(&self, name: &str, now: Instant) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.is_closed(now))
    }

    /// The next item, lane by lane in turn, so that a full one keeps nobody waiting. Its request is to be made. As a `probe` of MDSS itself, any
    /// item will do, as long as there is a seat at all.
    pub(super) fn next(&mut self, now: Instant, probe: bool) -> Option<Ready> {
        self.let_go();
        if self.under_way >= self.seats {
            return None;
        }
        let is_ready =
            |lane: &Lane| !lane.queue.is_empty() && (probe || (!lane.is_closed(now) && self.has_seat(lane)));
        let behind = (Bound::Excluded(self.last.as_str()), Bound::Unbounded);
        let behind = self.lanes.range::<str, _>(behind).find(|(_, lane)| is_ready(lane));
        let (name, _) = behind.or_else(|| self.lanes.iter().find(|(_, lane)| is_ready(lane)))?;
        if *name != self.last {
            self.last.clone_from(name);
        }
        let lane = self.lanes.get_mut(&self.last)?;
        let ready = lane.queue.pop_front()?;
        self.queued -= 1;
        lane.breaker.started(ready.item.id());
        lane.under_way += 1;
        self.under_way += 1;
        Some(ready)
    }

    /// Gives back what waits in front of its lane and is not held for long enough any more: somebody else may be given it before its answer is here.
    fn let_go(&mut self) {
        let Some(needed) = self.needed else { return };
        for lane in self.lanes.values_mut() {
            while lane.queue.front().is_some_and(|ready| !ready.item.ticket.lasts(needed)) {
                lane.queue.pop_front();
                self.queued -= 1;
            }
        }
    }

    /// What waits and is to be held for longer.
    pub(super) fn to_renew(&self) -> Vec<Hold> {
        let queues = self.lanes.values().flat_map(|lane| &lane.queue);
        queues.filter_map(|ready| ready.item.ticket.to_renew()).collect()
    }

    /// How a lane's breaker stands.
    pub(super) fn position(&self, name: &str) -> Option<Position> {
        self.lanes.get(name).map(|lane| lane.breaker.position())
    }

    /// A request succeeded. True if that has closed the lane's breaker.
    pub(super) fn succeeded(&mut self, name: &str) -> bool {
        self.lanes.get_mut(name).is_some_and(|lane| lane.breaker.succeeded())
    }

    /// A request failed in a way that may be the whole lane's. If that has opened its breaker, these items are to be given back: what waits in
    /// front of a closed door must not keep the other lanes from being claimed.
    pub(super) fn failed(&mut self, name: &str, item: ItemId, now: Instant) -> Option<Vec<Ticket>> {
        let lane = self.lanes.get_mut(name)?;
        let opened = lane.breaker.failed(item, now);
        opened.then(|| Self::empty(&mut self.queued, lane))
    }

    fn empty(queued: &mut usize, lane: &mut Lane) -> Vec<Ticket> {
        *queued -= lane.queue.len();
        lane.queue.drain(..).map(|ready| ready.item.ticket).collect()
    }

    /// Another relay finds out about a lane: what waits in front of it is to be given back.
    pub(super) fn leave_to_others(&mut self, name: &str) -> Vec<Ticket> {
        let lane = self.lanes.entry(name.to_owned()).or_insert_with(Lane::new);
        lane.elsewhere = true;
        Self::empty(&mut self.queued, lane)
    }

    /// Another relay finds out about MDSS itself: everything that waits is to be given back.
    pub(super) fn give_up(&mut self) -> Vec<Ticket> {
        let queued = &mut self.queued;
        self.lanes.values_mut().flat_map(|lane| Self::empty(queued, lane)).collect()
    }

    /// Another relay has found out that its unit accepts objects again, or is heard of no more.
    pub(super) fn back_from_others(&mut self, name: &str) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.elsewhere = false;
            lane.breaker.succeeded();
        }
    }

    /// One request of a lane is to show whether another relay is right.
    pub(super) fn doubt(&mut self, name: &str, now: Instant) {
        let lane = self.lanes.entry(name.to_owned()).or_insert_with(Lane::new);
        lane.elsewhere = false;
        lane.breaker.doubt(now);
    }

    /// A request ended without saying anything about its lane.
    pub(super) fn ended(&mut self, name: &str, item: ItemId) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.breaker.ended(item);
        }
    }

    /// There is reason to hope for every lane: the next probe need not wait.
    pub(super) fn probe_soon(&mut self, now: Instant) {
        self.lanes.values_mut().for_each(|lane| lane.breaker.probe_soon(now));
    }

    /// Nothing waits in any lane, and nothing is under way.
    pub(super) fn forget(&mut self) {
        self.lanes.clear();
        (self.under_way, self.queued) = (0, 0);
    }

    /// When the first closed lane may be probed.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let open = |lane: &Lane| match lane.leave(now) {
            Leave::NoneBefore(then) => then,
            Leave::Any | Leave::One => None,
        };
        self.lanes.values().filter_map(open).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ready::testing::ready;
    use super::*;

    /// The lanes of which at most one may come.
    fn closed(lanes: &Lanes, now: Instant) -> HashMap<String, usize> {
        lanes.caps(512, now).into_iter().filter(|(_, cap)| *cap <= 1).collect()
    }

    /// So many items of a lane.
    fn fill(lanes: &mut Lanes, lane: &str, ids: std::ops::Range<i64>) {
        ids.for_each(|id| lanes.push(ready(lane, id)));
    }

    /// The lanes of the next so many items.
    fn turns(lanes: &mut Lanes, now: Instant, count: usize) -> String {
        (0..count).map_while(|_| lanes.next(now, false)).map(|ready| ready.item.lane).collect()
    }

    fn close(lanes: &mut Lanes, lane: &str, now: Instant) {
        for id in 1000..1005 {
            lanes.failed(lane, ItemId::new(id), now);
        }
        assert!(lanes.is_closed(lane, now));
    }

    #[test]
    fn lanes_take_turns_and_a_full_one_keeps_nobody_waiting() {
        let (mut lanes, now) = (Lanes::new(1000, None), Instant::now());
        for (lane, ids) in [("a", 0..4), ("b", 10..12), ("c", 20..23)] {
            fill(&mut lanes, lane, ids);
        }
        assert_eq!(turns(&mut lanes, now, 100), "abcabcaca");
        assert_eq!(lanes.queued(), 0);
    }

    /// A lane that cannot go keeps neither its place nor that of the next one.
    #[test]
    fn a_lane_that_is_empty_or_closed_is_passed_over() {
        let (mut lanes, now) = (Lanes::new(1000, None), Instant::now());
        for (lane, ids) in [("a", 0..3), ("b", 10..11), ("c", 20..23), ("d", 30..33)] {
            fill(&mut lanes, lane, ids);
        }
        assert_eq!(turns(&mut lanes, now, 2), "ab");
        // `b` is empty by now, and `d` is closed, with what waits in it given back.
        close(&mut lanes, "d", now);
        fill(&mut lanes, "d", 40..43);
        assert_eq!(turns(&mut lanes, now, 100), "cacac");
        assert_eq!(lanes.queued(), 3);
        // A probe passes, one only.
        let later = now + Duration::from_secs(1);
        assert_eq!(turns(&mut lanes, later, 100), "d");
        assert_eq!(lanes.position("d"), Some(Position::HalfOpen));
    }

    #[test]
    fn a_closed_lane_is_not_claimed_and_gives_back_what_it_had() {
        let (mut lanes, now) = (Lanes::new(1000, None), Instant::now());
        fill(&mut lanes, "a", 0..3);
        fill(&mut lanes, "b", 10..13);
        for id in 1000..1004 {
            assert!(lanes.failed("a", ItemId::new(id), now).is_none());
        }
        let back = lanes.failed("a", ItemId::new(1004), now).unwrap();
        assert_eq!(back.iter().map(|ticket| ticket.id().get()).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((lanes.queued(), closed(&lanes, now)), (3, [("a".to_owned(), 0)].into()));
        let then = lanes.wake(now).unwrap();
        assert_eq!(
            (then - now, closed(&lanes, then)),
            (Duration::from_secs(1), [("a".to_owned(), 1)].into())
        );
        // The endpoint is back: nobody waits out a pause that was its own.
        close(&mut lanes, "b", now);
        lanes.probe_soon(now);
        assert_eq!(closed(&lanes, now), [("a".to_owned(), 1), ("b".to_owned(), 1)].into());
    }

    /// Else a lane with a backlog would stand still until the next look, once its queue has run empty.
    #[test]
    fn a_lane_of_which_none_was_claimed_may_have_more_all_the_same() {
        let (mut lanes, now) = (Lanes::new(16, None), Instant::now());
        fill(&mut lanes, "a", 0..40);
        lanes.have_more(&["a".to_owned()]);
        let caps = lanes.caps(41, now);
        assert_eq!(caps["a"], 0, "there is no room");
        lanes.asked(&caps, false);
        lanes.have_more(&[]);
        turns(&mut lanes, now, 10);
        assert!(!lanes.is_hungry(41, false, now));
        lanes.lanes.get_mut("a").unwrap().queue.clear();
        lanes.queued = 0;
        assert!(lanes.is_hungry(41, false, now));
        lanes.asked(&lanes.caps(41, now), false);
        assert!(!lanes.is_hungry(41, false, now), "it has given all that it had");
    }
}
