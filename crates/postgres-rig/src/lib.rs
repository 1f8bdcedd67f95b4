#![doc = include_str!("../README.md")]

mod binaries;
mod error;
mod folder;
mod process;
mod server;
mod shared;
mod sql;
mod template;
mod watch;

pub use binaries::Binaries;
pub use error::RigError;
pub use server::{Server, Setup, free_port};
pub use shared::{binaries, shared};
pub use sql::{ask, client};
