//! The platforms, as facts: one constant each, one field a question. Nothing else in this crate knows a platform by name.
//!
//! A further platform is a constant here, and a variant where its answer to a question is a new one; the compiler then asks
//! wherever that matters. Alibaba's Function Compute, Tencent's and Huawei's image functions and Volcengine's veFaaS have a fixed
//! path (or any) where this one has names of functions, the bare event as body, a fixed port where no variable names one, headers in
//! place of the variable for the time limit, and statuses of their own for failures.

use std::net::Ipv4Addr;
use std::time::Duration;

use shim::Turns;

/// How a platform runs a function behind a port.
#[derive(Debug)]
pub struct Profile {
    /// Who calls, for sentences: "expected …, which NAME sets".
    pub(crate) caller: &'static str,
    /// The address that is listened on.
    pub(crate) address: Ipv4Addr,
    /// The variables that name the port; the first one that is set counts.
    pub(crate) port: &'static [&'static str],
    /// The path of `GET` and `HEAD` by which the platform looks whether the process is ready. It is answered at once, by 200 and
    /// without a line, whatever the handler is doing.
    pub(crate) ready: &'static str,
    /// Which `POST` is a call.
    pub(crate) calls: Calls,
    /// The header with the platform's id of a call.
    pub(crate) request_id: &'static str,
    /// How long a call may take.
    pub(crate) time: Time,
    /// How many calls run at once.
    pub(crate) turns: Turns,
    /// The largest body that is taken, in bytes.
    pub(crate) body_limit: usize,
    /// What a body is, and what an answer is.
    pub(crate) form: Form,
    /// Where the process is to write its log. The program around [`run`](crate::run) does so.
    pub logs: Stream,
    /// The exit status with which the process is to end when it was asked to stop and has: when [`run`](crate::run) gives `Ok`.
    /// After an error the program chooses any other than 0 and this one.
    pub stopped: u8,
}

/// Which `POST` is a call.
#[derive(Debug)]
pub(crate) enum Calls {
    /// `/NAME` of a function. The folder that the variable names has a folder of that name for each, with this file in it; where it has
    /// none, or the variable is not set, any name is a function's.
    Functions { root: &'static str, file: &'static str },
}

/// How long a call may take, from the moment it came.
#[derive(Debug)]
pub(crate) enum Time {
    /// As long as a variable says (`hh:mm:ss` or `d.hh:mm:ss`; `-1`: without end), whose name counts in any case; else this long.
    Variable { name: &'static str, without: Duration },
}

/// What a body is, and what an answer is.
#[derive(Debug)]
pub(crate) enum Form {
    /// The Functions host's: [`custom_handler`](crate::custom_handler).
    CustomHandler,
}

/// Where a process writes its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A custom handler of Azure Functions: a program that the Functions host starts beside itself and calls for each event.
///
/// Contract: <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>; what the host does about it:
/// Azure/azure-functions-host, `src/WebJobs.Script/Workers`, the files named below.
pub static AZURE_FUNCTIONS: Profile = Profile {
    caller: "the Azure Functions host",
    // `http://127.0.0.1:PORT` is what it calls (`WorkerConstants.cs`, `HostName`), and nobody else should be able to.
    address: Ipv4Addr::LOCALHOST,
    // `Http/HttpWorkerConstants.cs`; the second one is the older name of the first.
    port: &["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"],
    // Asked every 25 ms until there is any answer, and later as a ping (`Http/DefaultHttpWorkerService.cs`, `IsWorkerReady`, `PingAsync`).
    ready: "/",
    // The name is the folder's and not a route's (the same file, `ProcessDefaultInvocationRequest`). `Http/HttpWorkerProcess.cs` sets the variable.
    calls: Calls::Functions { root: "FUNCTIONS_APP_ROOT_PATH", file: "function.json" },
    request_id: "x-azure-functions-invocationid",
    // The host does not say its `functionTimeout`. It ends the process when one call takes longer, and with it all others. A minute is
    // what the `host.json` in `deploy/azure` says, and less than any plan's default
    // (<https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout>). Who sets another one by this application setting
    // (the same page, "Override host.json values") sets it for the host and for us: the host hands its environment on.
    time: Time::Variable { name: "AzureFunctionsJobHost__functionTimeout", without: Duration::from_secs(60) },
    // The host calls for several messages of a queue at once (`batchSize` 32 at most, and half as many again), and for each event of an Event
    // Grid delivery. If one call waited for another, a slow receiver would make the last ones exceed `functionTimeout`.
    turns: Turns::AtOnce(64),
    // An event has at most 1 MB, and a batch as well (<https://learn.microsoft.com/azure/event-grid/quotas-limits>); encoded twice, a quotation
    // mark of it is four bytes.
    body_limit: 8 * 1024 * 1024,
    form: Form::CustomHandler,
    // A line on stderr is an error to the host, whatever it says (`ProcessManagement/WorkerProcess.cs`, `UseStdErrorStreamForErrorsOnly`, which is true
    // for custom handlers by default).
    logs: Stream::Stdout,
    // After 0 the host starts no process again and every later call fails; 200 is "restart me" and counted as no crash; after any other one it starts a
    // new process, until the third within half an hour (`WorkerProcess.cs`, `OnProcessExited`; `Http/HttpFunctionInvocationDispatcher.cs`).
    // A signal comes from somebody else than the host, which kills.
    stopped: 200,
};
