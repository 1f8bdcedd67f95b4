#![doc = include_str!("../README.md")]

mod admit;
mod body;
mod door;
mod fetch;
mod proxies;
mod reply;
mod server;

pub use door::{Doors, Knock, Knocker, Source};
pub use proxies::Proxies;
pub use server::{listen, serve};
