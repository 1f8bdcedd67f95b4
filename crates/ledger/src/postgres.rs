//! The place of a ledger that several relays share: tables in a PostgreSQL, a chain for each writer.

mod examine;
mod schema;
mod server;

pub use examine::{Examined, examine};
pub use schema::{NEWEST, migrate, script, version};
pub(crate) use server::Server;
