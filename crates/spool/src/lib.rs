#![doc = include_str!("../README.md")]

mod breaker;
mod clock;
mod desk;
mod intake;
mod meter;
mod pace;
mod schedule;
mod shares;
mod spool;
mod sqlite;
mod trouble;
mod worker;

pub use breaker::Position;
pub use clock::{Clock, Moment, SystemClock};
pub use desk::{Batch, Desk, Shown};
pub use intake::Sender;
pub use meter::{Counts, Histogram, LATENCY_BOUNDS, Snapshot};
pub use shares::Parties;
pub use spool::{Keeping, Spool};
pub use sqlite::ledger::{Depth, Entry, Filter, ItemId, Stock};
pub use sqlite::schema::{LANE_UNROUTED, State};
pub use sqlite::thread::Config;
pub use trouble::{Trouble, TroubleKind};
pub use worker::{Policy, Worker};
