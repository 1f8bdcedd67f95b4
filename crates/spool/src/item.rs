//! One item of the spool: a record of a delivery that is to be sent, or held. No storage and no time of day in here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The lane of items that no route takes, and of those that cannot be read. No storage unit has this id: they are UUIDs.
pub const LANE_UNROUTED: &str = "unrouted";

/// An item's number; an engine never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(i64);

impl ItemId {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The item of that number, if there is one.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// To be sent, now or at a time that is set.
    Waiting,
    /// An operator must act; tried again all the same, slowly.
    Held,
    /// Not tried again until an operator says so.
    Parked,
}

impl State {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Waiting, Self::Held, Self::Parked];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    /// # Errors
    /// The list of the names.
    fn from_str(name: &str) -> Result<Self, String> {
        let state = Self::ALL.iter().find(|state| state.name() == name);
        state.copied().ok_or_else(|| "one of waiting, held, parked".to_owned())
    }
}

/// What an attempt, or a new plan, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// MDSS has accepted the object.
    Accepted,
    /// Today's settings do not want it sent.
    Skipped,
    /// Not yet: it is due again after a pause.
    Again {
        /// Waiting or held.
        state: State,
        /// For how long it is put off, from now by the engine's clock.
        pause: Duration,
        /// The failure's token.
        reason: &'static str,
        /// The sentence for it.
        detail: String,
        /// Whether a request was made.
        attempted: bool,
    },
    /// Not tried again by itself.
    Parked {
        /// The failure's token.
        reason: &'static str,
        /// The sentence for it.
        detail: String,
        /// Whether a request was made.
        attempted: bool,
    },
    /// Today's settings send it to this lane.
    Lane(String),
}
