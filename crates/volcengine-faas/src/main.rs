#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, Deployable, Requests};
use mdss_relay_host::Stream;
use port_shim::VOLCENGINE_FAAS as PLATFORM;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = Deployable {
        name: "mdss-relay-volcengine-faas",
        about: "reports objects to MetaDefender Storage Security, as a native function of Volcengine's veFaaS.",
        answers: Answers::Destination,
        requests: Requests::NONE,
        stream: Stream::Stdout,
        stopped: PLATFORM.stopped,
    };
    let wrong = |variables: &mut Vec<_>| port_shim::mistakes(&PLATFORM, variables);
    function.run(wrong, |handler| port_shim::run(&PLATFORM, handler)).await
}
