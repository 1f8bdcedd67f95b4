//! Where the claims of a lane look, and which lanes there are.
//!
//! What was claimed keeps its place in the index, and what was settled leaves it behind until the table is vacuumed, which a long transaction holds up;
//! each claim would read past all of it. So the oldest are looked for from a little below the last of those of the claim before, and the newest above and
//! below those that were taken; but now and then everywhere, because what was committed late, as its standby was, stands below or in between, and so does
//! what somebody had whose lease has ended.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::due::Lane;

/// For how long it is not looked everywhere.
const HOLDS: Duration = Duration::from_secs(10);

/// As far below the last of the oldest items of a claim the next one begins: what was accepted at the same time may have been committed a little later.
const BELOW: Duration = Duration::from_millis(100);

/// For how long the lanes are those that were found, while there is more in each than a claim takes. So long a new lane waits for its share at most.
const LANES: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Floors {
    lanes: HashMap<String, Known>,
    /// Since when, and on which connection.
    since: Option<(Instant, u64)>,
    /// The lanes that were found, and when.
    found: Option<(Instant, Vec<Lane>)>,
}

/// Where a claim of a lane looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The oldest are not below.
    pub(super) floor: SystemTime,
    /// The newest that were taken are not above the first nor below the second.
    pub(super) taken: Option<(SystemTime, SystemTime)>,
}

/// What a claim has brought of a lane.
#[derive(Clone, Copy)]
pub(super) struct Brought {
    /// When the last of its oldest items was due: all before it are given out.
    pub(super) reached: SystemTime,
    /// The newest and the oldest of those that were looked for from the end.
    pub(super) young: Option<(SystemTime, SystemTime)>,
}

const NOTHING: Known = Known { floor: UNIX_EPOCH, taken: None };

impl Floors {
    /// Forgets them, if they are old or the connection is another one.
    pub(super) fn look(&mut self, made: u64) {
        if self.since.is_none_or(|(when, of)| of != made || when.elapsed() >= HOLDS) {
            self.forget();
            self.since = Some((Instant::now(), made));
        }
    }

    pub(super) fn forget(&mut self) {
        self.lanes.clear();
        self.found = None;
    }

    pub(super) fn of(&self, lane: &str) -> Known {
        self.lanes.get(lane).copied().unwrap_or(NOTHING)
    }

    /// What a claim has brought of a lane; `None`, if that is less than it was asked for: something may stand elsewhere.
    pub(super) fn learn(&mut self, lane: &str, brought: Option<Brought>) {
        let found = brought.and_then(|brought| Some((brought.reached.checked_sub(BELOW)?, brought.young)));
        let Some((floor, young)) = found else {
            self.lanes.remove(lane);
            return;
        };
        let before = self.of(lane).taken;
        // What has come meanwhile may have been too much for one claim: then the rest of it is below.
        let taken = young.map(|(top, bottom)| (before.map_or(top, |(above, _)| above.max(top)), bottom));
        self.lanes.insert(lane.to_owned(), Known { floor, taken: taken.or(before) });
    }

    /// The lanes that were found a moment ago, with what has passed of the time until the next item comes due.
    pub(super) fn lanes(&self) -> Option<Vec<Lane>> {
        let (when, lanes) = self.found.as_ref().filter(|(when, _)| when.elapsed() < LANES)?;
        let passed = when.elapsed();
        let lane = |Lane { name, next }: &Lane| Lane {
            name: name.clone(),
            next: next.map(|next| next.saturating_sub(passed)),
        };
        Some(lanes.iter().map(lane).collect())
    }

    /// Remembers lanes that were found now.
    pub(super) fn found(&mut self, lanes: &[Lane]) {
        self.found = Some((Instant::now(), lanes.to_vec()));
    }

    /// They are to be looked for anew.
    pub(super) fn lose_lanes(&mut self) {
        self.found = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_for_its_connection_and_until_a_claim_comes_back_short() {
        let (mut floors, now) = (Floors::default(), SystemTime::now());
        floors.look(1);
        floors.learn("a", Some(Brought { reached: now, young: None }));
        floors.look(1);
        assert_eq!((floors.of("a"), floors.of("b")), (Known { floor: now - BELOW, taken: None }, NOTHING));
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
    fn lanes_are_remembered_for_a_moment() {
        let mut floors = Floors::default();
        assert!(floors.lanes().is_none());
        let lane = Lane { name: "a".into(), next: Some(Duration::from_secs(5)) };
        floors.found(&[lane]);
        std::thread::sleep(Duration::from_millis(20));
        let known = floors.lanes().unwrap();
        let next = known[0].next.unwrap();
        assert!(known[0].name == "a" && next <= Duration::from_millis(4980), "{known:?}");
        std::thread::sleep(LANES);
        assert!(floors.lanes().is_none());
    }
}
