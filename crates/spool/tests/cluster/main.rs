//! What only an engine of several relays has to do: two of them at once, a server that fails in every way it can, and a standby.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod around;
mod backup;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "the other tests need the rest of it")]
mod common;
mod pace;
mod relays;
mod standby;
mod states;
mod store;
