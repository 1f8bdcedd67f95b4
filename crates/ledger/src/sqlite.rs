//! The engine of one machine: a file of SQLite.

mod handle;

pub(crate) use handle::Sqlite;
