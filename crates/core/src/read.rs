//! Reading a delivery: which dialect it is, and what each of its records says.

mod around;
pub(crate) mod carried;
mod elements;
mod ending;
mod envelope;
pub(crate) mod event_name;
pub(crate) mod item;
mod kept;
mod key;
mod members;
#[expect(clippy::module_inception, reason = "the folder is named after what it does, and this file does it")]
pub(crate) mod read;
pub(crate) mod record;
mod row;
mod seen;
pub(crate) mod table;
mod unknown;
mod visit;
mod withheld;
