//! `[[store]]`, checked.

mod members;
mod read;
mod store;

pub use members::{MEMBERS, Member};
pub(crate) use read::BUCKET;
pub(crate) use store::Credentials;
pub use store::{Plus, StoreSettings, Style};
