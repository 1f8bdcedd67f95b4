//! The engine of several relays: a PostgreSQL that they share. Nothing outside this folder knows the driver.

mod accept;
mod base;
mod beat;
mod carry;
mod claim;
mod committer;

mod count;
mod counters;
mod delivery;
mod desk;
mod due;
mod failure;
mod floors;
mod handle;
mod health;
mod keeper;
mod lease;

mod numbers;
mod outbox;
mod room;
mod schema;
mod settle;
mod share;
mod slot;
mod standing;
mod tidy;
mod visit;

pub use beat::Replica;
pub(crate) use carry::Door;
pub use counters::Sharing;
pub(crate) use due::LEASE;
pub(crate) use handle::Postgres;
pub use mdss_relay_postgres::{Database, Durability};
pub use standing::Standing;
pub use visit::{Examined, NEWEST, examine, migrate, script};
