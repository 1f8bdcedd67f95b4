#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use mdss_relay_function::{Answers, Deployable, Requests};
use mdss_relay_host::Stream;
use port_shim::AZURE_FUNCTIONS as PLATFORM;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let function = Deployable {
        name: "mdss-relay-azure-functions",
        about: "reports objects to MetaDefender Storage Security, as a custom handler of Azure Functions.",
        answers: Answers::AzureFunctions,
        requests: Requests::AT_THE_DOOR,
        // A line on stderr is an error to the host, whatever it says (Azure/azure-functions-host,
        // `src/WebJobs.Script/Workers/ProcessManagement/WorkerProcess.cs`, `UseStdErrorStreamForErrorsOnly`, true for custom handlers by default).
        stream: Stream::Stdout,
        stopped: PLATFORM.stopped,
    };
    let wrong = |variables: &mut Vec<_>| port_shim::mistakes(&PLATFORM, variables);
    function.run(wrong, |handler| port_shim::run(&PLATFORM, handler)).await
}
