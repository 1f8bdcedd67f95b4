//! The stand-in over real sockets: its contract, each fault, TLS, and the program as a process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows both inside #[test] functions only"
)]

mod client;
mod contract;
mod faults;
mod notifications;
mod program;
mod tls;
