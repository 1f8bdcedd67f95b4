//! The engine of one machine: a file of SQLite.

mod append;
mod connect;
mod export;
mod fault;
mod file;
mod fits;
mod forget;
mod glance;
mod handle;
mod import;
mod kept;
mod look;
mod open;
mod pack;
mod pen;
mod prune;
mod referee;
mod results;
mod row;
mod runs;
mod schema;
mod verify;
mod view;

pub(crate) use handle::Sqlite;
