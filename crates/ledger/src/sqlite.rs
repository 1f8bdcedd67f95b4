//! The place of a ledger on one machine: a file of SQLite.

mod connect;
mod file;
mod glance;
mod schema;

pub(crate) use file::File;
pub(crate) use glance::{glance, set_aside};
