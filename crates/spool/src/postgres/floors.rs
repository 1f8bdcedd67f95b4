//! Where the claims of a lane look, and which lanes there are.
//!
//! What was claimed keeps its place in the index, and what was settled leaves it behind until the table is vacuumed, which a long transaction holds up;
//! each claim would read past all of it. So the oldest are looked for from a little below the last of those of the claim before, and the newest above and
//! below those that were taken; but now and then everywhere, because what was committed late, as its standby was, stands below or in between, and so does
//! what somebody had whose lease has ended. A claim that brings all there is reads on until nothing is left: such claims, which are most, begin at a floor
//! as well, but look everywhere five times a second, and before they say that there is nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::due::Lane;

/// For how long it is not looked everywhere, while there is more than a claim takes.
const HOLDS: Duration = Duration::from_secs(10);

/// The same while a claim brings all there is: so long waits at most what is elsewhere while claims bring anything at all.
const HOLDS_SHORT: Duration = Duration::from_millis(200);

/// As far below the last of the oldest items of a claim the next one begins: what was accepted at the same time may have been committed a little later.
const BELOW: Duration = Duration::from_millis(100);

/// For how long the lanes are those that were found, while there is more in each than a claim takes. So long a new lane waits for its share at most.
const LANES: Duration = Duration::from_millis(200);

/// The same while a claim brings all there is in one of them.
const LANES_SHORT: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Floors {
    lanes: HashMap<String, Known>,
    /// Since when, and on which connection.
    since: Option<(Instant, u64)>,
    /// The lanes that were found, and when.
    found: Option<(Instant, Vec<Lane>)>,
    /// Whether a claim since then has brought less than it was asked for.
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
    /// Forgets them, if they are old or the connection is another one.
    pub(super) fn look(&mut self, made: u64) {
        let holds = if self.short { HOLDS_SHORT } else { HOLDS };
        if self.since.is_none_or(|(when, of)| of != made || when.elapsed() >= holds) {
            self.forget();
            self.since = Some((Instant::now(), made));
        }
    }

    pub(super) fn forget(&mut self) {
        self.lanes.clear();
        self.found = None;
        self.short = false;
    }

    /// Whether there is anything that a claim would not look at.
    pub(super) fn know(&self) -> bool {
        !self.lanes.is_empty() || self.found.is_some()
    }

    pub(super) fn of(&self, lane: &str) -> Known {
        self.lanes.get(lane).copied().unwrap_or(NOTHING)
    }

    /// What a claim has brought of a lane that has more.
    pub(super) fn learn(&mut self, lane: &str, brought: Option<Brought>) {
        let found = brought.and_then(|brought| Some((brought.reached.checked_sub(BELOW)?, brought.young)));
        let Some((floor, young)) = found else {
            self.lanes.remove(lane);
            return;
        };
        let before = self.of(lane).taken;
        // What has come meanwhile may have been too much for one claim: then the rest of it is below.
        let taken = young.map(|(top, bottom)| (before.map_or(top, |(above, _)| above.max(top)), bottom));
        self.lanes.insert(lane.to_owned(), Known { floor, taken: taken.or(before), short: false });
    }

    /// A claim has brought all that there is of a lane: when the last of it was due, if there was any.
    pub(super) fn learn_all(&mut self, lane: &str, reached: Option<SystemTime>) {
        let before = self.of(lane).floor;
        let floor =
            reached.and_then(|reached| reached.checked_sub(BELOW)).map_or(before, |floor| floor.max(before));
        self.lanes.insert(lane.to_owned(), Known { floor, taken: None, short: true });
        self.short = true;
    }

    /// The lanes that were found a moment ago, with what has passed of the time until the next item comes due. Of what was put off meanwhile they
    /// know nothing, which matters if a claim brings all there is: then it is to be looked again when they are no longer known.
    pub(super) fn lanes(&self) -> Option<Vec<Lane>> {
        let (when, lanes) = self.found.as_ref()?;
        let (passed, holds) = (when.elapsed(), if self.short { LANES_SHORT } else { LANES });
        let left = holds.checked_sub(passed).filter(|left| !left.is_zero())?;
        let lane = |Lane { name, next }: &Lane| Lane {
            name: name.clone(),
            next: Some(next.map_or(left, |next| next.saturating_sub(passed).min(left))),
        };
        Some(lanes.iter().map(lane).collect())
    }

    /// Remembers lanes that were found now.
    pub(super) fn found(&mut self, lanes: &[Lane]) {
        self.found = Some((Instant::now(), lanes.to_vec()));
    }
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
        std::thread::sleep(HOLDS_SHORT);
        floors.look(1);
        assert_eq!(floors.of("a"), NOTHING);
        // Where there is more than a claim takes it holds for longer.
        floors.learn("a", Some(Brought { reached: now, young: None }));
        std::thread::sleep(HOLDS_SHORT);
        floors.look(1);
        assert_eq!(floors.of("a"), Known { floor: now - BELOW, taken: None, short: false });
    }

    #[test]
    fn lanes_are_remembered_for_a_moment() {
        let mut floors = Floors::default();
        assert!(floors.lanes().is_none());
        let of = |name: &str, next| Lane { name: name.into(), next };
        let found =
            [of("a", None), of("b", Some(Duration::from_secs(5))), of("c", Some(Duration::from_millis(40)))];
        floors.found(&found);
        std::thread::sleep(Duration::from_millis(20));
        let known = floors.lanes().unwrap();
        let next: Vec<_> = known.iter().map(|lane| lane.next.unwrap()).collect();
        let (left, soon) = (LANES - Duration::from_millis(20), Duration::from_millis(20));
        assert!(known[1].name == "b" && next[0] <= left && next[1] <= left && next[2] <= soon, "{known:?}");
        floors.learn_all("a", None);
        assert!(
            floors
                .lanes()
                .is_none_or(|known| known[0].next.unwrap() <= LANES_SHORT - Duration::from_millis(20))
        );
        std::thread::sleep(LANES_SHORT);
        assert!(floors.lanes().is_none(), "a claim has brought all there is");
        floors.forget();
        floors.found(&found);
        std::thread::sleep(LANES);
        assert!(floors.lanes().is_none());
    }
}
