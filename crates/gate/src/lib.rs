#![doc = include_str!("../README.md")]

mod authorization;
mod check;
mod head;
mod mistake;
mod parse;
mod policy;
mod secret;
mod verdict;

pub use head::{Head, Request};
pub use mistake::Mistake;
pub use policy::Policy;
pub use verdict::{Refusal, Status, Verdict};
