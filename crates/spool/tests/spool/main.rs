//! The spool with real files, real processes and, where something is sent, a stand-in for MDSS on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod accept;
mod adverse;
mod child;
mod common;
mod trouble;
mod worker;
