//! The place of a ledger that several relays share: tables in a PostgreSQL, a chain for each writer.

mod schema;
mod server;

pub use schema::{NEWEST, migrate, script, version};
pub(crate) use server::Server;
