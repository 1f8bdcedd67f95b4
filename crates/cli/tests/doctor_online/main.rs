//! `doctor` against the network, MDSS and a relay as they are on a bad day. The tests that begin with `d` and a number are the
//! statements that doctor is accepted by.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod bucket;
mod found;
mod healthy;
mod mdss;
mod relay;
#[path = "../tool/mod.rs"]
mod tool;
mod way;
