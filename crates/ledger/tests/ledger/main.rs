//! A ledger in a directory, from outside. The numbers in the names are those of the statements in docs/ledger.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod append;
mod carry;
mod common;
mod erase;
mod oracle;
mod read;
mod results;
mod trouble;
mod verify;
