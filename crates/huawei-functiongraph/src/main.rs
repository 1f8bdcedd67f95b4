#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, Deployable, Requests};
use mdss_relay_host::Stream;
use poll_shim::HUAWEI_FUNCTIONGRAPH as RUNTIME;
use port_shim::HUAWEI_FUNCTIONGRAPH as IMAGE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = Deployable {
        name: "mdss-relay-huawei-functiongraph",
        about: "reports objects to MetaDefender Storage Security, as a function of Huawei Cloud's FunctionGraph.",
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
    let wrong = |variables: &mut Vec<_>| {
        // An image's function may get its settings in the same way.
        let mut wrong = port_shim::mistakes(&IMAGE, variables);
        if let Err(error) = RUNTIME.configured(variables) {
            wrong.extend_from_slice(error.mistakes());
        }
        wrong
    };
    function.run(wrong, |handler| port_shim::run(&IMAGE, handler)).await
}
