//! The engine of several relays: a PostgreSQL that they share. Nothing outside this folder knows the driver.

mod base;
mod config;
mod failure;
mod handle;
mod line;
mod schema;
mod slot;
mod standing;

pub use config::{Database, Durability};
pub(crate) use handle::Postgres;
pub use standing::Standing;
