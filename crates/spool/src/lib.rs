#![doc = include_str!("../README.md")]

mod breaker;
mod clock;
mod column;
mod desk;
mod files;
mod intake;
mod ledger;
mod meter;
mod pace;
mod room;
mod salvage;
mod schedule;
mod schema;
mod shares;
mod spool;
mod store;
mod trouble;
mod worker;

pub use breaker::Position;
pub use clock::{Clock, Moment, SystemClock};
pub use desk::{Batch, Desk, Shown};
pub use intake::Sender;
pub use ledger::{Depth, Entry, Filter, ItemId, Stock};
pub use meter::{Counts, Histogram, LATENCY_BOUNDS, Snapshot};
pub use schema::{LANE_UNROUTED, State};
pub use shares::Parties;
pub use spool::{Keeping, Spool};
pub use store::Config;
pub use trouble::{Trouble, TroubleKind};
pub use worker::{Policy, Worker};
