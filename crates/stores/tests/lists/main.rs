//! Listings of real stores, of emulators and of stand-ins, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod azurite;
mod bucket;
mod circles;
mod common;
#[path = "../emulator/mod.rs"]
mod emulator;
mod fake_gcs;
mod faults;
mod moto;
mod oci;
mod s3;
mod server;
mod tree;
