#![doc = include_str!("../README.md")]

mod body;
mod budget;
mod desk;
mod mistakes;
mod refusal;
mod serve;
mod signals;
mod unwind;
mod wire;
mod work;

pub use body::{Ending, drain};
pub use budget::Budget;
pub use desk::{Desk, Prepared};
pub use mistakes::{SettingsError, given};
pub use refusal::{DEADLINE, Refusal, failure_body};
pub use serve::{Limits, Serving, accept, connection, serve};
pub use signals::Signals;
pub use work::{Outcome, Turns};
