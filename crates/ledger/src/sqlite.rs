//! The engine of one machine: a file of SQLite.

mod append;
mod connect;
mod fault;
mod file;
mod glance;
mod handle;
mod look;
mod open;
mod pack;
mod pen;
mod row;
mod runs;
mod schema;
mod verify;

pub(crate) use handle::Sqlite;
