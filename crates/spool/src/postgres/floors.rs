//! Where the claims of a lane begin.
//!
//! Where a long transaction keeps dead rows, each claim would read them all. So a claim begins a little below the oldest item of the one before it;
//! but now and then at the beginning, because what was committed late, as its standby was, stands below.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// For how long the beginning of a lane is not looked at.
const HOLDS: Duration = Duration::from_secs(10);

/// As far below the oldest item of the last claim the next one begins.
const BELOW: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Floors {
    lanes: HashMap<String, SystemTime>,
    /// Since when, and on which connection.
    since: Option<(Instant, u64)>,
}

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
    }

    pub(super) fn of(&self, lane: &str) -> SystemTime {
        self.lanes.get(lane).copied().unwrap_or(UNIX_EPOCH)
    }

    /// The oldest item that a claim has brought of a lane; `None`, if it has brought fewer than it was asked for: something may stand below.
    pub(super) fn learn(&mut self, lane: &str, oldest: Option<SystemTime>) {
        match oldest.and_then(|oldest| oldest.checked_sub(BELOW)) {
            Some(floor) => _ = self.lanes.insert(lane.to_owned(), floor),
            None => _ = self.lanes.remove(lane),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_for_its_connection_and_until_a_claim_comes_back_short() {
        let (mut floors, now) = (Floors::default(), SystemTime::now());
        floors.look(1);
        floors.learn("a", Some(now));
        floors.look(1);
        assert_eq!((floors.of("a"), floors.of("b")), (now - BELOW, UNIX_EPOCH));
        floors.learn("a", None);
        assert_eq!(floors.of("a"), UNIX_EPOCH);
        floors.learn("a", Some(now));
        floors.look(2);
        assert_eq!(floors.of("a"), UNIX_EPOCH, "another connection");
    }
}
