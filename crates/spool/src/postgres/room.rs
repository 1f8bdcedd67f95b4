//! How much is kept, and of whom: the last count of all items, and what this relay has stored since.
//!
//! A counter that each commit would change serialises the commits of all relays. So the items are counted, rarely where they are many, and what
//! other relays store between two counts is not known: the limits are exact for one relay, and for several as far as they have taken in since.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::item::{LANE_UNROUTED, State};
use crate::shares::Share;

/// What a row and its index entries take of the disk beside the body.
pub(super) const ROW_BYTES: u64 = 512;

/// A count that took this long at most is made afresh whenever it matters.
const CHEAP: Duration = Duration::from_millis(20);

/// Otherwise counting has a hundredth of the time; and it is never older than this, if anybody can count.
const PART: u32 = 100;
pub(super) const OLD: Duration = Duration::from_secs(15);

/// Whether a count of that age, which took so long, is fresh enough.
pub(super) fn is_fresh(age: Duration, took: Duration) -> bool {
    took > CHEAP && age < took.saturating_mul(PART).min(OLD)
}

/// All items of one source and lane, in one state for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Heap {
    pub(super) source: String,
    pub(super) lane: String,
    /// As in the table.
    pub(super) state: i16,
    pub(super) reason: String,
    pub(super) items: u64,
    pub(super) bytes: u64,
    /// When the oldest came, or was retried by hand, in milliseconds since 1970.
    pub(super) oldest: i64,
    /// Those that some relay holds under a lease; 0 in a count that an older relay has made.
    pub(super) leased: u64,
}

/// What there is.
#[derive(Default)]
pub(super) struct Room(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The last count, when it was begun, and how long it took.
    counted: Option<(Vec<Heap>, Instant, Duration)>,
    /// Stored by this relay since then, in bytes: by source, lane and state.
    since: HashMap<(String, String, i16), u64>,
    /// The same before a count that is under way, which may or may not see it.
    before: HashMap<(String, String, i16), u64>,
}

/// What was seen at one moment.
pub(super) struct Seen {
    heaps: HashMap<(String, String, i16), u64>,
}

impl Room {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether it was counted, and freshly enough to refuse somebody for it.
    pub(super) fn is_fresh(&self) -> bool {
        self.known().counted.as_ref().is_some_and(|(_, when, took)| is_fresh(when.elapsed(), *took))
    }

    /// Whether it was counted at all. What this relay has stored since then is known in any case.
    pub(super) fn is_known(&self) -> bool {
        self.known().counted.is_some()
    }

    /// How old the last count is; `None`: there is none.
    pub(super) fn age(&self) -> Option<Duration> {
        self.known().counted.as_ref().map(|(_, when, _)| when.elapsed())
    }

    /// A count begins.
    pub(super) fn begin(&self) {
        let mut known = self.known();
        let since = std::mem::take(&mut known.since);
        for (whose, bytes) in since {
            *known.before.entry(whose).or_default() += bytes;
        }
    }

    /// It has ended.
    pub(super) fn counted(&self, heaps: Vec<Heap>, begun: Instant, took: Duration) {
        let mut known = self.known();
        known.counted = Some((heaps, begun, took));
        known.before.clear();
    }

    /// This relay has stored something.
    pub(super) fn stored(&self, source: &str, lane: &str, state: State, bytes: u64) {
        *self.known().since.entry((source.to_owned(), lane.to_owned(), number(state))).or_default() += bytes;
    }

    pub(super) fn seen(&self) -> Seen {
        let known = self.known();
        let mut heaps: HashMap<_, u64> = HashMap::new();
        let counted = known.counted.iter().flat_map(|(heaps, ..)| heaps);
        for heap in counted {
            *heaps.entry((heap.source.clone(), heap.lane.clone(), heap.state)).or_default() += heap.bytes;
        }
        for (whose, bytes) in known.since.iter().chain(&known.before) {
            *heaps.entry(whose.clone()).or_default() += bytes;
        }
        Seen { heaps }
    }
}

impl Seen {
    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.heaps.values().sum()
    }

    /// How many bytes there are of a share.
    pub(super) fn of(&self, share: &Share, source: &str) -> u64 {
        let idle = |lane: &str, state: i16| state == 2 || (state == 1 && lane == LANE_UNROUTED);
        let sum = |fits: &dyn Fn(&str, &str, i16) -> bool| {
            self.heaps.iter().filter(|((s, l, t), _)| fits(s, l, *t)).map(|(_, bytes)| bytes).sum()
        };
        match share {
            Share::Idle(state) => sum(&|s, l, t| s == source && t == number(*state) && idle(l, t)),
            Share::AllIdle => sum(&|_, l, t| idle(l, t)),
            Share::Source => sum(&|s, _, _| s == source),
            Share::Unit(lane) => sum(&|_, l, _| l == lane),
        }
    }

    /// What else a group is going to store.
    pub(super) fn add(&mut self, source: &str, lane: &str, state: State, bytes: u64) {
        *self.heaps.entry((source.to_owned(), lane.to_owned(), number(state))).or_default() += bytes;
    }
}

/// A state as it is in the table.
pub(super) fn number(state: State) -> i16 {
    match state {
        State::Waiting => 0,
        State::Held => 1,
        State::Parked => 2,
    }
}

/// The state of a number; nothing else is in the table.
pub(super) fn state(number: i16) -> State {
    match number {
        1 => State::Held,
        2 => State::Parked,
        _ => State::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_during_a_count_is_not_forgotten() {
        let room = Room::default();
        room.stored("s", "a", State::Waiting, 10);
        room.begin();
        room.stored("s", "a", State::Waiting, 5);
        assert_eq!(room.seen().used(), 15);
        let heap = Heap { source: "s".into(), lane: "a".into(), bytes: 10, ..Heap::default() };
        room.counted(vec![heap], Instant::now(), Duration::ZERO);
        assert_eq!(room.seen().used(), 15);
    }

    #[test]
    fn a_share_is_of_its_own() {
        let room = Room::default();
        for (source, lane, state, bytes) in [
            ("s", "a", State::Waiting, 1),
            ("s", "a", State::Held, 10),
            ("s", LANE_UNROUTED, State::Held, 100),
            ("t", "a", State::Parked, 1000),
        ] {
            room.stored(source, lane, state, bytes);
        }
        let seen = room.seen();
        for (share, source, want) in [
            (Share::Idle(State::Held), "s", 100),
            (Share::Idle(State::Parked), "s", 0),
            (Share::AllIdle, "s", 1100),
            (Share::Source, "s", 111),
            (Share::Unit("a".into()), "s", 1011),
        ] {
            assert_eq!(seen.of(&share, source), want, "{share:?}");
        }
    }

    #[test]
    fn counting_has_a_hundredth_of_the_time() {
        let ms = Duration::from_millis;
        for (age, took, fresh) in [
            (0, 20, false),
            (0, 21, true),
            (2099, 21, true),
            (2101, 21, false),
            (14_999, 9000, true),
            (15_000, 9000, false),
        ] {
            assert_eq!(is_fresh(ms(age), ms(took)), fresh, "{age} {took}");
        }
    }
}
