#![doc = include_str!("../README.md")]

mod breaker;
mod claim;
mod clock;
mod desk;
mod engine;
mod fact;
mod grant;
mod health;
mod intake;
mod item;
mod jump;
mod known;
mod meter;
mod outage;
mod outbox;
mod pace;
#[cfg(feature = "postgres")]
mod parcel;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod relocate;
mod said;
mod schedule;
mod shares;
mod spool;
mod sqlite;
mod stock;
mod ticket;
mod trouble;
mod window;
mod worker;

pub use breaker::Position;
pub use clock::{Clock, Moment, SystemClock};
pub use desk::Desk;
pub use engine::{Config, Glance, Place, StoreThread};
pub use health::{Away, Flow, Health, Noted, Pause};
pub use intake::Sender;
pub use item::{ItemId, LANE_UNROUTED, State};
pub use jump::{Jump, Jumps};
pub use meter::{Counts, Histogram, LATENCY_BOUNDS, Snapshot};
pub use outbox::{OUTBOX_LIMIT, OutboxRow, OutboxSize};
#[cfg(feature = "postgres")]
pub use postgres::{Database, Durability, Examined, Replica, Sharing, Standing};
#[cfg(feature = "postgres")]
pub use relocate::{Moved, move_to_database, move_to_directory};
pub use shares::Parties;
pub use spool::Spool;
pub use stock::{Batch, Depth, Entry, Filter, Shown, Stock};
pub use trouble::{Trouble, TroubleKind};
pub use worker::{Pacing, Worker};

/// What an operator does with the tables of a database.
#[cfg(feature = "postgres")]
pub mod tables {
    pub use crate::postgres::{NEWEST, examine, migrate, script};
}

/// The seam between the hand-off and the engine that keeps it. Only tests of engines need it from outside: everybody else has [`Spool`], [`Worker`] and
/// [`Desk`].
pub mod seam {
    pub use crate::claim::{Claimed, Claims, DeliveryId, Settled, Settlement, Stored, Want};
    pub use crate::engine::Engine;
    pub use crate::grant::{Ask, Grant};
    pub use crate::intake::{Intake, Written};
    pub use crate::item::Outcome;
    pub use crate::known::Known;
    pub use crate::shares::{Limits, NoRoom};
    pub use crate::ticket::{Hold, Ticket};
}
