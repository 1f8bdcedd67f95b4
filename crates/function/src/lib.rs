#![doc = include_str!("../README.md")]

mod handler;
mod reply;
mod start;

pub use handler::{Handler, handler};
pub use reply::Answers;
pub use start::start;
