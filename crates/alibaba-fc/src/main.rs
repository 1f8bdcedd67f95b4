#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, Deployable, Requests};
use mdss_relay_host::Stream;
use port_shim::ALIBABA_FC as PLATFORM;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = Deployable {
        name: "mdss-relay-alibaba-fc",
        about: "reports objects to MetaDefender Storage Security, as a function of Alibaba Cloud's Function Compute.",
        answers: Answers::Destination,
        requests: Requests::NONE,
        // The platform reads the log of a call from there, between its own lines.
        stream: Stream::Stdout,
        stopped: PLATFORM.stopped,
    };
    let wrong = |variables: &mut Vec<_>| port_shim::mistakes(&PLATFORM, variables);
    function.run(wrong, |handler| port_shim::run(&PLATFORM, handler)).await
}
