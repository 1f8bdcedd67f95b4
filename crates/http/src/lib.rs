#![doc = include_str!("../README.md")]

mod admit;
mod bench;
mod body;
mod budget;
mod configuration;
mod connection;
mod door;
mod fetch;
mod keeping;
mod metrics;
mod patience;
mod proxies;
mod refusals;
mod reply;
mod seats;
mod server;

pub use configuration::{Configuration, Reading};
pub use door::{Doors, Knock, Knocker, Source};
pub use metrics::METRICS;
pub use proxies::Proxies;
pub use server::{listen, reload, serve};
