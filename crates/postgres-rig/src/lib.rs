#![doc = include_str!("../README.md")]

mod binaries;
mod clock;
mod disk;
mod error;
mod folder;
mod pooler;
mod process;
mod proxy;
mod server;
mod shared;
mod sql;
mod standby;
mod template;
mod watch;

pub use binaries::Binaries;
pub use clock::{jumping_clock, wrong_clock};
pub use disk::SmallDisk;
pub use error::RigError;
pub use pooler::Pooler;
pub use proxy::{Line, Proxy};
pub use server::{Server, Setup, free_port};
pub use shared::{binaries, shared};
pub use sql::{ask, client};
