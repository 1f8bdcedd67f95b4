#![doc = include_str!("../README.md")]

mod answer;
mod error;
mod fn_client;
mod http_poster;
mod id;
mod process;
mod runtime_api;

pub use answer::Answer;
pub use error::DriveError;
pub use fn_client::FnClient;
pub use http_poster::HttpPoster;
pub use process::{Process, Program};
pub use runtime_api::{Fault, Invocation, Outcome, RuntimeApi};
