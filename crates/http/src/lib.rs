#![doc = include_str!("../README.md")]

mod admit;
mod answers;
mod arrived;
mod body;
mod budget;
mod configuration;
mod connection;
mod fetch;
mod keeping;
mod metrics;
mod pages;
mod patience;
mod refusals;
mod rejections;
mod reload;
mod request;
mod seats;
mod serve;
mod state;

pub use configuration::{Configuration, ReadConfiguration};
pub use metrics::METRICS;
pub use serve::{Server, listen};
