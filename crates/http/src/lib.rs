#![doc = include_str!("../README.md")]

mod body;
mod confirm;
mod door;
mod reply;
mod server;

pub use door::{Doors, Knock, Source};
pub use server::{listen, serve};
