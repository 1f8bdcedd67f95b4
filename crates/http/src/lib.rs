#![doc = include_str!("../README.md")]

mod admit;
mod bench;
mod body;
mod budget;
mod configuration;
mod connection;
mod fetch;
mod keeping;
mod metrics;
mod patience;
mod refusals;
mod reply;
mod seats;
mod server;

pub use configuration::{Configuration, Reading};
pub use metrics::METRICS;
pub use server::{listen, reload, serve};
