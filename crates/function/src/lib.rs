#![doc = include_str!("../README.md")]

mod deployable;
mod door;
mod handler;
mod reply;
mod start;

pub use deployable::Deployable;
pub use handler::Handler;
pub use reply::{Answers, Reply};
pub use start::{Requests, start, start_with_requests};
