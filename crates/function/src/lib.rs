#![doc = include_str!("../README.md")]

mod door;
mod handler;
mod reply;
mod start;

pub use handler::Handler;
pub use reply::{Answers, Reply};
pub use start::{start, start_with_requests};
