//! `reconcile` as an operator uses it: beside a relay that runs, with a store and an MDSS.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod counted;
#[path = "../../../stores/tests/emulator/mod.rs"]
mod emulator;
mod forwarded;
mod large;
mod moto;
mod resent;
mod resumed;
#[path = "../../../reconcile/tests/stand_in/mod.rs"]
mod s3;
mod sources;
mod world;
mod yielding;
