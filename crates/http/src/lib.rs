#![doc = include_str!("../README.md")]

mod accept;
mod arrived;
mod body;
mod budget;
mod calls;
mod checked;
mod compared;
mod configuration;
mod connection;
mod keeping;
mod ledger;
mod listeners;
mod metrics;
mod outage;
mod pages;
mod reconcile;
mod referee;
mod refusals;
mod rejections;
mod reload;
mod repeat_delay;
mod request;
mod resend;
mod response;
mod results;
mod serve;
mod slots;
mod start_line;
mod state;

pub use configuration::{Configuration, ReadConfiguration};
pub use listeners::Listeners;
pub use metrics::METRICS;
pub use serve::Server;
