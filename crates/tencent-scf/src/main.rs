#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, Deployable, Requests};
use mdss_relay_host::Stream;
use poll_shim::TENCENT_SCF as RUNTIME;
use port_shim::TENCENT_SCF as IMAGE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = Deployable {
        name: "mdss-relay-tencent-scf",
        about: "reports objects to MetaDefender Storage Security, as a function of Tencent Cloud's Serverless Cloud Function (SCF).",
        answers: Answers::Destination,
        requests: Requests::NONE,
        stream: Stream::Stdout,
        stopped: IMAGE.stopped,
    };
    // **Inference:** no page lists an image's variables. Should they name the runtime API, whoever runs the image says that it has a port.
    if poll_shim::is_here(&RUNTIME) && !port_shim::is_told_where() {
        let wrong = |variables: &mut Vec<_>| poll_shim::mistakes(&RUNTIME, variables);
        return function.run(wrong, |handler| poll_shim::run(&RUNTIME, handler)).await;
    }
    let wrong = |variables: &mut Vec<_>| port_shim::mistakes(&IMAGE, variables);
    function.run(wrong, |handler| port_shim::run(&IMAGE, handler)).await
}
