#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, start_with_requests};
use mdss_relay_host::{Exit, Stream};
use port_shim::{AZURE_FUNCTIONS as PLATFORM, Environment};

const NAME: &str = "mdss-relay-azure-functions";
const ABOUT: &str =
    "reports objects to MetaDefender Storage Security, as a custom handler of Azure Functions.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let stream = match PLATFORM.logs {
        port_shim::Stream::Stdout => Stream::Stdout,
        port_shim::Stream::Stderr => Stream::Stderr,
    };
    let missing = |variables: &[_]| {
        let read = Environment::from_vars(&PLATFORM, variables.iter().cloned());
        read.err().map(|error| error.mistakes().to_vec()).unwrap_or_default()
    };
    let (handler, _logs) = match start_with_requests(NAME, ABOUT, Answers::AzureFunctions, stream, missing) {
        Ok(started) => started,
        Err(exit) => return exit.into(),
    };
    match tokio::spawn(port_shim::run(&PLATFORM, handler)).await {
        Ok(Ok(())) => ExitCode::from(PLATFORM.stopped),
        Ok(Err(error)) => {
            tracing::error!(%error, "the function cannot be served");
            Exit::Failed.into()
        }
        // A panic; its line has been written.
        Err(_) => Exit::Failed.into(),
    }
}
