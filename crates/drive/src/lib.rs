#![doc = include_str!("../README.md")]

mod answer;
mod error;
mod fn_client;
mod function_port;
mod functions_host;
mod http_poster;
mod id;
mod process;
#[cfg(feature = "signer")]
mod pushes;
mod runtime_api;
mod server;
#[cfg(feature = "signer")]
mod signer;
#[cfg(feature = "signer")]
mod token_signer;
mod tools;
mod until;

pub use answer::Answer;
pub use error::DriveError;
pub use fn_client::FnClient;
pub use function_port::{FunctionPort, PortAnswer, PortPlatform};
pub use functions_host::{Fate, FunctionsHost, Invoked, Triggered, request};
pub use http_poster::HttpPoster;
pub use process::{Process, Program};
#[cfg(feature = "signer")]
pub use pushes::Headers;
pub use runtime_api::{Fault, Invocation, Outcome, Runtime, RuntimeApi, Then};
pub use server::{Server, address_in};
#[cfg(feature = "signer")]
pub use signer::Signer;
#[cfg(feature = "signer")]
pub use token_signer::TokenSigner;
pub use tools::{available, binary};
pub use until::until;
