//! Who may have how much of the spool. It is one for all sources and all storage units, and what one of them leaves in it must not keep the
//! others out: whoever may write to one bucket would blind the relay for all of them.
//!
//! Two rules. What stays until somebody acts has no end, so it has a fixed share: a quarter of the limit for each source and each state, and half of it for
//! all of them. What will leave by itself may take what it needs, as long as three times as much is free for each quarter that it has: one source or unit
//! alone gets three quarters, two that do not stop get three sevenths each, and there is always something left for the next. (Such thresholds are usual
//! for the packets of many queues in one memory: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
//! Transactions on Networking 6, 1998.) Where there is only one source, or one unit, nobody is kept out, and it gets everything.

use std::collections::HashMap;

use crate::item::{LANE_UNROUTED, State};

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

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in use, about.
    pub bytes: u64,
    /// How many there are who share them.
    pub parties: Parties,
}

/// A share that is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Whose: `held`, `parked`, `all`, `source` or `unit`.
    pub share: &'static str,
    /// The sentence.
    pub why: String,
}

/// What has been taken, in bytes, as one delivery goes on.
pub(crate) struct Shares<'d> {
    source: &'d str,
    limits: Limits,
    free: u64,
    taken: HashMap<Share, u64>,
}

/// What a share is of. An engine counts how many bytes there are of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Share {
    /// What stays until an operator acts, of this source and in this state: parked, or held by the plan. What MDSS has refused is held in the
    /// lane of a unit; an operator hears of it too, but it is tried again.
    Idle(State),
    /// The same, of every source and in both states.
    AllIdle,
    /// Everything of this source.
    Source,
    /// Everything for this unit.
    Unit(String),
}

impl<'d> Shares<'d> {
    /// The shares of a delivery of `source`, beside which `free` bytes are left.
    pub(crate) fn new(source: &'d str, limits: Limits, free: u64) -> Self {
        Self { source, limits, free, taken: HashMap::new() }
    }

    /// Takes room for one item, if its shares have it; `there` counts what the engine has of a share.
    pub(crate) fn take<E>(
        &mut self,
        state: State,
        lane: &str,
        bytes: u64,
        there: impl Fn(&Share) -> Result<u64, E>,
    ) -> Result<Result<(), NoRoom>, E> {
        let mut wanted = Vec::new();
        if state == State::Waiting {
            if self.limits.parties.units > 1 && lane != LANE_UNROUTED {
                wanted.push(Share::Unit(lane.to_owned()));
            }
        } else {
            wanted.extend([Share::Idle(state), Share::AllIdle]);
        }
        if self.limits.parties.sources > 1 {
            wanted.push(Share::Source);
        }
        for share in &wanted {
            let taken = match self.taken.get(share) {
                Some(taken) => *taken,
                None => there(share)?,
            };
            self.taken.insert(share.clone(), taken);
            if taken.saturating_add(bytes) > self.most(share) {
                return Ok(Err(self.no_room(share, taken)));
            }
        }
        for share in wanted {
            *self.taken.entry(share).or_default() += bytes;
        }
        Ok(Ok(()))
    }

    fn most(&self, share: &Share) -> u64 {
        match share {
            Share::Idle(_) => self.limits.bytes / 4,
            Share::AllIdle => self.limits.bytes / 2,
            Share::Source | Share::Unit(_) => self.free.saturating_mul(TIMES_FREE),
        }
    }

    fn no_room(&self, share: &Share, there: u64) -> NoRoom {
        let (most, source, free) = (self.most(share), self.source, self.free);
        let (share, why) = match share {
            Share::Idle(state) => (
                state.name(),
                format!(
                    "the record is not stored, because {there} bytes of source {source:?} are {state} until an operator acts, and its share is a quarter \
                     of RELAY_SPOOL_LIMIT, {most} bytes"
                ),
            ),
            Share::AllIdle => (
                "all",
                format!(
                    "the record is not stored, because {there} bytes of all sources are held or parked until an operator acts, and their share is half of RELAY_SPOOL_LIMIT, {most} bytes"
                ),
            ),
            Share::Source => (
                "source",
                format!(
                    "the record is not stored, because source {source:?} has {there} bytes in the spool, and its share is {TIMES_FREE} times the {free} bytes that are free; the rest is for the other sources"
                ),
            ),
            Share::Unit(lane) => (
                "unit",
                format!(
                    "the record is not stored, because storage unit {lane} has {there} bytes in the spool, and its share is {TIMES_FREE} times the {free} bytes that are free; the rest is for the other units"
                ),
            ),
        };
        NoRoom { share, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many items of a size, of a spool with so much of each share; whose share refused the last one.
    fn take(
        parties: Parties,
        state: State,
        lane: &str,
        there: u64,
        items: &[u64],
    ) -> Result<(), &'static str> {
        let limits = Limits { bytes: 400, parties };
        let mut shares = Shares::new("s", limits, 100);
        for bytes in items {
            let taken = shares.take(state, lane, *bytes, |_| Ok::<_, ()>(there));
            taken.unwrap().map_err(|full| full.share)?;
        }
        Ok(())
    }

    #[test]
    fn a_share_takes_what_fits_to_the_byte() {
        let (one, two) = (Parties { sources: 1, units: 1 }, Parties { sources: 2, units: 2 });
        for (parties, state, lane, there, items, want) in [
            // A quarter of 400 for each state of a source, half of it for all.
            (one, State::Held, LANE_UNROUTED, 0, &[100][..], Ok(())),
            (one, State::Held, LANE_UNROUTED, 0, &[101], Err("held")),
            (one, State::Parked, "a", 99, &[1], Ok(())),
            (one, State::Parked, "a", 99, &[2], Err("parked")),
            // What one delivery brings adds up.
            (one, State::Held, LANE_UNROUTED, 0, &[50, 50], Ok(())),
            (one, State::Held, LANE_UNROUTED, 0, &[50, 50, 1], Err("held")),
            (one, State::Parked, "a", 40, &[30, 30, 1], Err("parked")),
            // Three times of the 100 that are free, once there are several.
            (two, State::Waiting, "a", 0, &[300], Ok(())),
            (two, State::Waiting, "a", 0, &[301], Err("unit")),
            (two, State::Waiting, "a", 100, &[100, 100], Ok(())),
            (two, State::Waiting, "a", 100, &[100, 100, 1], Err("unit")),
            (two, State::Waiting, LANE_UNROUTED, 0, &[301], Err("source")),
            (one, State::Waiting, "a", 1 << 40, &[1 << 40], Ok(())),
        ] {
            assert_eq!(
                take(parties, state, lane, there, items),
                want,
                "{parties:?} {state} {lane} {there} {items:?}"
            );
        }
    }
}
