//! The engine of one machine: a file, and one thread that owns it. Nothing outside this folder knows rusqlite.

mod accept;
#[cfg(feature = "postgres")]
mod carry;
mod checkpoint;
mod claim;
mod column;
mod connect;
mod delivery;
mod desk;
mod due;
mod file;
mod glance;
mod handle;
mod health;
mod leave;
mod names;
mod outbox;
mod room;
mod salvage;
mod schema;
mod settle;
mod statement;
mod tally;
#[cfg(test)]
mod testing;
mod thread;
mod trouble;
mod turn;
mod visits;

pub use glance::Glance;
pub(crate) use handle::Sqlite;
