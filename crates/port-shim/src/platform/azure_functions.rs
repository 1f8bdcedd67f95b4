//! A custom handler of Azure Functions.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::Method;
use shim::Turns;

use crate::profile::{Body, Calls, Hook, Port, Profile, Signs, Time, Wrapping};

/// A custom handler of Azure Functions: a program that the Functions host starts beside itself and calls for each event.
///
/// Contract: <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>; what the host does about it:
/// Azure/azure-functions-host, `src/WebJobs.Script/Workers`, the files named below.
pub static AZURE_FUNCTIONS: Profile = Profile {
    caller: "the Azure Functions host",
    // `http://127.0.0.1:PORT` is what it calls (`WorkerConstants.cs`, `HostName`), and nobody else should be able to.
    address: Ipv4Addr::LOCALHOST,
    // `Http/HttpWorkerConstants.cs`; the second one is the older name of the first.
    port: Port { variables: &["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"], without: None },
    // Asked every 25 ms until there is any answer, and later as a ping (`Http/DefaultHttpWorkerService.cs`, `IsWorkerReady`, `PingAsync`).
    hooks: &[Hook { methods: &[Method::GET, Method::HEAD], path: "/", mark: None, line: None }],
    // The name is the folder's and not a route's (the same file, `ProcessDefaultInvocationRequest`). `Http/HttpWorkerProcess.cs` sets the variable.
    calls: Calls::Functions { root: "FUNCTIONS_APP_ROOT_PATH", file: "function.json" },
    served: "POST to the name of a function of this app",
    request_id: &["x-azure-functions-invocationid"],
    // The host does not say its `functionTimeout`. It ends the process when one call takes longer, and with it all others. A minute is
    // what the `host.json` in `deploy/azure` says, and less than any plan's default
    // (<https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout>). Who sets another one by this application setting
    // (the same page, "Override host.json values") sets it for the host and for us: the host hands its environment on.
    time: Time::Span { variable: "AzureFunctionsJobHost__functionTimeout", without: Duration::from_secs(60) },
    // The host calls for several messages of a queue at once (`batchSize` 32 at most, and half as many again), and for each event of an Event
    // Grid delivery. If one call waited for another, a slow receiver would make the last ones exceed `functionTimeout`.
    turns: Turns::AtOnce(64),
    // An event has at most 1 MB, and a batch as well (<https://learn.microsoft.com/azure/event-grid/quotas-limits>); encoded twice, a quotation
    // mark of it is four bytes.
    body_limit: 8 * 1024 * 1024,
    body: Body::CustomHandler,
    answer: Wrapping::CustomHandler,
    // Any status except 2xx is a failed call; which one is for people (`Http/DefaultHttpWorkerService.cs`, `ProcessDefaultInvocationRequest`).
    signs: Signs { failure: |status, _| status, status: None, error: None },
    lines: None,
    // After 0 the host starts no process again and every later call fails; 200 is "restart me" and counted as no crash; after any other one it starts a
    // new process, until the third within half an hour (`WorkerProcess.cs`, `OnProcessExited`; `Http/HttpFunctionInvocationDispatcher.cs`).
    // A signal comes from somebody else than the host, which kills.
    stopped: 200,
};
