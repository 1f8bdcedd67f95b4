//! The engine of one machine: a file, and one thread that owns it. Nothing outside this folder knows rusqlite.

pub(crate) mod column;
pub(crate) mod ledger;
pub(crate) mod names;
pub(crate) mod room;
pub(crate) mod salvage;
pub(crate) mod schema;
pub(crate) mod thread;
