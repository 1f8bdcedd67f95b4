//! Who may have how much of the spool. It is one for all sources and all storage units, and what one of them leaves in it must not keep the
//! others out: whoever may write to one bucket would blind the relay for all of them.
//!
//! Two rules. What stays until somebody acts has no end, so it has a fixed share: a quarter of the limit for each source and each state, and half of it for
//! all of them. What will leave by itself may take what it needs, as long as three times as much is free for each quarter that it has: one source or unit
//! alone gets three quarters, two that do not stop get three sevenths each, and there is always something left for the next. (Such thresholds are usual
//! for the packets of many queues in one memory: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
//! Transactions on Networking 6, 1998.) Where there is only one source, or one unit, nobody is kept out, and it gets everything.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::sqlite::schema::{LANE_UNROUTED, State};

/// A source, or a unit, may have so many times what is free.
const TIMES_FREE: u64 = 3;

/// How many there are that the spool is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// Sources of events.
    pub sources: usize,
    /// Storage units that routes name.
    pub units: usize,
}

/// A share that is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    /// Whose: `held`, `parked`, `all`, `source` or `unit`.
    pub(crate) share: &'static str,
    /// The sentence.
    pub(crate) why: String,
}

/// What has been taken, in bytes, as one delivery goes on.
pub(crate) struct Shares<'d> {
    db: &'d Connection,
    source: &'d str,
    limit: u64,
    free: u64,
    parties: Parties,
    taken: HashMap<Share, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    /// What waits for somebody, of this source.
    Idle(State),
    /// The same, of everybody and in both states.
    AllIdle,
    Source,
    Unit(String),
}

impl<'d> Shares<'d> {
    /// The shares of a delivery of `source`, beside which `free` bytes are left of `limit`.
    pub(crate) fn new(db: &'d Connection, source: &'d str, parties: Parties, limit: u64, free: u64) -> Self {
        Self { db, source, limit, free, parties, taken: HashMap::new() }
    }

    /// Takes room for one item, if its shares have it.
    pub(crate) fn take(
        &mut self,
        state: State,
        lane: &str,
        bytes: u64,
    ) -> rusqlite::Result<Result<(), NoRoom>> {
        let mut wanted = Vec::new();
        if state == State::Waiting {
            if self.parties.units > 1 && lane != LANE_UNROUTED {
                wanted.push(Share::Unit(lane.to_owned()));
            }
        } else {
            wanted.extend([Share::Idle(state), Share::AllIdle]);
        }
        if self.parties.sources > 1 {
            wanted.push(Share::Source);
        }
        for share in &wanted {
            let there = self.taken(share)?;
            if there.saturating_add(bytes) > self.most(share) {
                return Ok(Err(self.no_room(share, there)));
            }
        }
        for share in wanted {
            *self.taken.entry(share).or_default() += bytes;
        }
        Ok(Ok(()))
    }

    fn most(&self, share: &Share) -> u64 {
        match share {
            Share::Idle(_) => self.limit / 4,
            Share::AllIdle => self.limit / 2,
            Share::Source | Share::Unit(_) => self.free.saturating_mul(TIMES_FREE),
        }
    }

    fn taken(&mut self, share: &Share) -> rusqlite::Result<u64> {
        if let Some(there) = self.taken.get(share) {
            return Ok(*there);
        }
        // By the plan, or by the worker: of what MDSS has refused an operator is told too, but it is tried again.
        const IDLE: &str = "(state = 'parked' OR state = 'held' AND lane = 'unrouted')";
        let sum = |which: String, value: &str| -> rusqlite::Result<u64> {
            // The first parameter need not be used.
            let sql = format!("SELECT ifnull(sum(bytes), 0) FROM tally WHERE ?1 = ?1 AND {which}");
            let sum = self.db.prepare_cached(&sql)?.query_row(params![value], |row| row.get::<_, i64>(0))?;
            Ok(u64::try_from(sum).unwrap_or(0))
        };
        let there = match share {
            Share::Idle(state) => {
                sum(format!("source = ?1 AND state = '{}' AND {IDLE}", state.name()), self.source)
            }
            Share::AllIdle => sum(IDLE.to_owned(), ""),
            Share::Source => sum("source = ?1".to_owned(), self.source),
            Share::Unit(lane) => sum("lane = ?1".to_owned(), lane),
        }?;
        self.taken.insert(share.clone(), there);
        Ok(there)
    }

    fn no_room(&self, share: &Share, there: u64) -> NoRoom {
        let (most, source, free) = (self.most(share), self.source, self.free);
        let (share, why) = match share {
            Share::Idle(state) => (
                state.name(),
                format!(
                    "it is not kept, because {there} bytes of source {source:?} are {state} and wait for somebody, expected at most a quarter of \
                     RELAY_SPOOL_LIMIT, {most}"
                ),
            ),
            Share::AllIdle => (
                "all",
                format!(
                    "it is not kept, because {there} bytes of all sources wait for somebody, expected at most half of RELAY_SPOOL_LIMIT, {most}"
                ),
            ),
            Share::Source => (
                "source",
                format!(
                    "source {source:?} has {there} bytes in the spool, expected at most {TIMES_FREE} times what is free, {free}: the rest is for the other sources"
                ),
            ),
            Share::Unit(lane) => (
                "unit",
                format!(
                    "storage unit {lane} has {there} bytes in the spool, expected at most {TIMES_FREE} times what is free, {free}: the rest is for the other units"
                ),
            ),
        };
        NoRoom { share, why }
    }
}
