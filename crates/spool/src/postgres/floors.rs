//! Where the claims of a lane look, and which lanes there are.
//!
//! What was claimed keeps its place in the index, and what was settled leaves it behind until the table is vacuumed, which a long transaction holds up;
//! each claim would read past all of it. So the oldest are looked for from a little below the last of those of the claim before, and the newest above and
//! below those that were taken; but now and then everywhere, because what was committed late, as its standby was, stands below or in between, and so does
//! what somebody had whose lease has ended. A claim that brings all there is of a lane reads on until nothing is left: such claims, which are most, begin
//! at a floor as well, but look everywhere five times a second. Nobody is told that there is nothing before it has been looked for everywhere.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::due::Lane;

/// For how long a lane is not looked through everywhere, while there is more in it than a claim takes.
const HOLDS: Duration = Duration::from_secs(10);

/// The same while a claim brings all there is.
const HOLDS_SHORT: Duration = Duration::from_millis(200);

/// As far below the last of the oldest items of a claim the next one begins: what was accepted at the same time may have been committed a little later.
const BELOW: Duration = Duration::from_millis(100);

/// For how long the lanes are those that were found, while there is more in each than a claim takes. So long a new lane waits for its share at most.
const LANES: Duration = Duration::from_millis(200);

/// The same while a claim brings all there is in one of them.
const LANES_SHORT: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Floors {
    /// The connection that all of it is about.
    made: u64,
    /// What is known of a lane, and since when it was not looked through everywhere.
    lanes: HashMap<String, (Known, Instant)>,
    /// The lanes that were found, and when.
    found: Option<(Instant, Vec<Lane>)>,
    /// Whether a claim since then has brought all there was of one.
    short: bool,
}

/// Where a claim of a lane looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The oldest are not below.
    pub(super) floor: SystemTime,
    /// The newest that were taken are not above the first nor below the second.
    pub(super) taken: Option<(SystemTime, SystemTime)>,
    /// Whether the last claim brought all there was: the newest need no places of their own.
    pub(super) short: bool,
}

/// What a claim has brought of a lane.
#[derive(Clone, Copy)]
pub(super) struct Brought {
    /// When the last of its oldest items was due: all before it are given out.
    pub(super) reached: SystemTime,
    /// The newest and the oldest of those that were looked for from the end.
    pub(super) young: Option<(SystemTime, SystemTime)>,
}

const NOTHING: Known = Known { floor: UNIX_EPOCH, taken: None, short: false };

impl Floors {
    /// Forgets what is old, and everything if the connection is another one.
    pub(super) fn look(&mut self, made: u64) {
        if made != self.made {
            self.forget();
            self.made = made;
        }
        self.lanes.retain(|_, (known, since)| !left(known, *since).is_zero());
        if self.lanes_left().is_some_and(|left| left.is_zero()) {
            self.found = None;
        }
    }

    pub(super) fn forget(&mut self) {
        self.lanes.clear();
        self.found = None;
    }

    /// Forgets which lanes there are, and everything of some of them.
    pub(super) fn forget_of(&mut self, which: impl Fn(&str) -> bool) {
        self.lanes.retain(|lane, _| !which(lane));
        self.found = None;
    }

    pub(super) fn of(&self, lane: &str) -> Known {
        self.lanes.get(lane).map_or(NOTHING, |(known, _)| *known)
    }

    /// Whether everything of such lanes is looked at.
    pub(super) fn hide_nothing_of(&self, which: impl Fn(&str) -> bool) -> bool {
        !self.lanes.keys().any(|lane| which(lane))
    }

    /// After what time something is to be forgotten.
    pub(super) fn left(&self) -> Option<Duration> {
        let floors = self.lanes.values().map(|(known, since)| left(known, *since));
        floors.chain(self.lanes_left()).min()
    }

    fn lanes_left(&self) -> Option<Duration> {
        let holds = if self.short { LANES_SHORT } else { LANES };
        self.found.as_ref().map(|(when, _)| holds.saturating_sub(when.elapsed()))
    }

    /// What a claim has brought of a lane that has more; `None`: of one that may have more, nobody knows where.
    pub(super) fn learn(&mut self, lane: &str, brought: Option<Brought>) {
        let found = brought.and_then(|brought| Some((brought.reached.checked_sub(BELOW)?, brought.young)));
        let Some((floor, young)) = found else {
            self.lanes.remove(lane);
            return;
        };
        let before = self.of(lane).taken;
        // What has come meanwhile may have been too much for one claim: then the rest of it is below.
        let taken = young.map(|(top, bottom)| (before.map_or(top, |(above, _)| above.max(top)), bottom));
        self.know(lane, Known { floor, taken: taken.or(before), short: false });
    }

    /// A claim has brought all that there is of a lane: when the last of it was due, if there was any.
    pub(super) fn learn_all(&mut self, lane: &str, reached: Option<SystemTime>) {
        let before = self.of(lane).floor;
        let floor =
            reached.and_then(|reached| reached.checked_sub(BELOW)).map_or(before, |floor| floor.max(before));
        self.know(lane, Known { floor, taken: None, short: true });
        self.short = true;
    }

    fn know(&mut self, lane: &str, known: Known) {
        let since = self.lanes.get(lane).map_or_else(Instant::now, |(_, since)| *since);
        self.lanes.insert(lane.to_owned(), (known, since));
    }

    /// The lanes that were found a moment ago, with what has passed of the time until the next item comes due.
    pub(super) fn lanes(&self) -> Option<Vec<Lane>> {
        let (when, lanes) = self.found.as_ref()?;
        let passed = when.elapsed();
        let lane = |Lane { name, next }: &Lane| Lane {
            name: name.clone(),
            next: next.map(|next| next.saturating_sub(passed)),
        };
        Some(lanes.iter().map(lane).collect())
    }

    /// Remembers lanes that were found now.
    pub(super) fn found(&mut self, lanes: &[Lane]) {
        (self.found, self.short) = (Some((Instant::now(), lanes.to_vec())), false);
    }
}

/// For how long it is still known.
fn left(known: &Known, since: Instant) -> Duration {
    let holds = if known.short { HOLDS_SHORT } else { HOLDS };
    holds.saturating_sub(since.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_for_its_connection() {
        let (mut floors, now) = (Floors::default(), SystemTime::now());
        floors.look(1);
        floors.learn("a", Some(Brought { reached: now, young: None }));
        floors.look(1);
        assert_eq!(
            (floors.of("a"), floors.of("b")),
            (Known { floor: now - BELOW, taken: None, short: false }, NOTHING)
        );
        assert!(!floors.hide_nothing_of(|_| true) && floors.hide_nothing_of(|lane| lane != "a"));
        floors.learn("a", None);
        assert_eq!(floors.of("a"), NOTHING);
        floors.learn("a", Some(Brought { reached: now, young: None }));
        floors.look(2);
        assert_eq!(floors.of("a"), NOTHING, "another connection");
    }

    #[test]
    fn the_newest_are_looked_for_around_those_that_were_taken() {
        let (mut floors, now) = (Floors::default(), SystemTime::now());
        let at = |second| now + Duration::from_secs(second);
        let mut taken = |young| {
            floors.learn("a", Some(Brought { reached: now, young }));
            floors.of("a").taken
        };
        assert_eq!(taken(Some((at(90), at(80)))), Some((at(90), at(80))));
        // Nothing has come meanwhile.
        assert_eq!(taken(Some((at(79), at(70)))), Some((at(90), at(70))));
        assert_eq!(taken(None), Some((at(90), at(70))), "a claim of the oldest alone");
        assert_eq!(taken(Some((at(95), at(65)))), Some((at(95), at(65))));
        // Much has come, and some of it was left.
        assert_eq!(taken(Some((at(120), at(110)))), Some((at(120), at(110))));
    }

    #[test]
    fn the_floor_of_claims_that_bring_all_there_is_rises_and_holds_for_a_moment() {
        let (mut floors, now) = (Floors::default(), SystemTime::now());
        let later = now + Duration::from_secs(1);
        floors.look(1);
        floors.learn_all("a", None);
        assert_eq!(floors.of("a"), Known { short: true, ..NOTHING });
        for (reached, floor) in [(Some(now), now), (Some(later), later), (Some(now), later), (None, later)] {
            floors.learn_all("a", reached);
            assert_eq!(floors.of("a"), Known { floor: floor - BELOW, taken: None, short: true });
        }
        floors.look(1);
        assert_eq!(floors.of("a").floor, later - BELOW);
        // Where there is more than a claim takes it holds for longer.
        floors.learn("b", Some(Brought { reached: now, young: None }));
        assert!(floors.left().is_some_and(|left| left <= HOLDS_SHORT));
        std::thread::sleep(HOLDS_SHORT);
        floors.look(1);
        assert_eq!(
            (floors.of("a"), floors.of("b")),
            (NOTHING, Known { floor: now - BELOW, taken: None, short: false })
        );
        // What has been hidden for so long is to be looked for as soon as a claim brings all the rest.
        assert!(floors.left().is_some_and(|left| left > HOLDS_SHORT));
        floors.learn_all("b", None);
        assert_eq!(floors.left(), Some(Duration::ZERO));
        floors.look(1);
        assert_eq!((floors.of("b"), floors.left()), (NOTHING, None));
    }

    #[test]
    fn lanes_are_remembered_for_a_moment() {
        let mut floors = Floors::default();
        assert!(floors.lanes().is_none());
        let found = [Lane { name: "a".into(), next: Some(Duration::from_secs(5)) }];
        floors.found(&found);
        std::thread::sleep(Duration::from_millis(20));
        let known = floors.lanes().unwrap();
        let next = known[0].next.unwrap();
        assert!(known[0].name == "a" && next <= Duration::from_millis(4980), "{known:?}");
        assert!(floors.left().is_some_and(|left| left <= LANES - Duration::from_millis(20)));
        std::thread::sleep(LANES_SHORT);
        floors.look(0);
        assert!(floors.lanes().is_some());
        floors.learn_all("a", None);
        floors.look(0);
        assert!(floors.lanes().is_none(), "a claim has brought all there is");
        floors.found(&found);
        std::thread::sleep(LANES);
        floors.look(0);
        assert!(floors.lanes().is_none());
        floors.found(&found);
        floors.learn("a", Some(Brought { reached: SystemTime::now(), young: None }));
        floors.forget_of(|lane| lane == "b");
        assert!(floors.lanes().is_none() && floors.of("a") != NOTHING);
        floors.forget_of(|lane| lane == "a");
        assert_eq!(floors.of("a"), NOTHING);
    }
}
