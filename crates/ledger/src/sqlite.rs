//! The engine of one machine: a file of SQLite.

mod append;
mod connect;
mod export;
mod fault;
mod file;
mod forget;
mod glance;
mod handle;
mod import;
mod look;
mod open;
mod pack;
mod pen;
mod prune;
mod row;
mod runs;
mod schema;
mod verify;

pub(crate) use handle::Sqlite;
