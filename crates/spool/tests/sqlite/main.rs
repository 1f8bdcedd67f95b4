//! What only a file on this machine can suffer: its disk, its pages, its names, and the clock it is written by. With real files and real
//! processes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it fails, and prints its seed"
)]

mod adverse;
mod child;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "the suite for engines uses the rest")]
mod common;
mod file;
mod files;
mod mapped;
mod moves;
mod outbox;
mod trouble;
mod worker;
