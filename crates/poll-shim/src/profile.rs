//! The platforms, as facts: one constant each, one field a question. Nothing else in this crate knows a platform by name.

use std::time::Duration;

/// How a platform lets a function ask for its events.
#[derive(Debug)]
pub struct Profile {
    /// Who sets the variables, for sentences: "expected …, which NAME sets".
    pub(crate) platform: &'static str,
    /// Where the platform's server is.
    pub(crate) address: Address,
    /// The path to which a function posts, once, that it has started; `None` where the first question says so.
    pub(crate) ready: Option<&'static str>,
    /// The path at which the next event is asked for. The answer comes when there is one.
    pub(crate) next: &'static str,
    /// The header with the platform's id of a call.
    pub(crate) request_id: &'static str,
    /// Which call an answer is about.
    pub(crate) answers: Answers,
    /// How long a call may take, from the moment its event came.
    pub(crate) time: Time,
    /// The pause after an answer without an event, where the platform says how long it is; where it does not, pauses grow.
    pub(crate) pause: Option<Duration>,
    /// The largest event, in bytes.
    pub(crate) body_limit: usize,
    /// The variable with what the operator has configured, as a JSON object of texts.
    pub(crate) configured: Option<&'static str>,
}

/// Where the platform's server is.
#[derive(Debug)]
pub(crate) enum Address {
    /// One variable has host and port.
    HostAndPort(&'static str),
    /// Two variables have one each.
    Apart { host: &'static str, port: &'static str },
}

/// Which call an answer is about.
#[derive(Debug)]
pub(crate) enum Answers {
    /// The one whose event was handed out last: a path has no id. An event without an id can be answered.
    Last { response: &'static str, error: &'static str },
    /// The one whose id stands behind this path. An event without an id cannot be answered, and is not taken.
    ById { response: &'static str, error: &'static str },
}

/// How long a call may take.
#[derive(Debug)]
pub(crate) enum Time {
    /// As many milliseconds as this header of the event says.
    Header(&'static str),
    /// As many seconds as this variable says.
    Variable(&'static str),
}

/// The longest time limit that is believed: three days, the longest that Huawei grants (259200 s,
/// <https://support.huaweicloud.com/intl/en-us/usermanual-functiongraph/functiongraph_01_1862.html>). Tencent grants one.
pub(crate) const LONGEST: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A custom runtime of Tencent Cloud's Serverless Cloud Function (SCF): an event function whose `Runtime` is `CustomRuntime`.
///
/// Contract: <https://cloud.tencent.com/document/product/583/47274>. Its samples are shell scripts that ask with `curl`, on a new connection each time.
pub static TENCENT_SCF: Profile = Profile {
    platform: "Tencent SCF",
    address: Address::Apart { host: "SCF_RUNTIME_API", port: "SCF_RUNTIME_API_PORT" },
    ready: Some("/runtime/init/ready"),
    next: "/runtime/invocation/next",
    request_id: "request_id",
    answers: Answers::Last { response: "/runtime/invocation/response", error: "/runtime/invocation/error" },
    time: Time::Header("time_limit_in_ms"),
    pause: None,
    // 6 MB for a synchronous call; an asynchronous one has 128 KB (<https://cloud.tencent.com/document/product/583/11637>).
    body_limit: 6 * 1024 * 1024,
    configured: None,
};

/// A custom runtime of Huawei Cloud's FunctionGraph: an event function whose runtime is `Custom`.
///
/// Contract: <https://support.huaweicloud.com/intl/en-us/usermanual-functiongraph/functiongraph_01_0406.html>; the same in English and in source
/// in opentelekomcloud-docs/function-graph.
pub static HUAWEI_FUNCTIONGRAPH: Profile = Profile {
    platform: "Huawei FunctionGraph",
    address: Address::HostAndPort("RUNTIME_API_ADDR"),
    ready: None,
    next: "/v1/runtime/invocation/request",
    request_id: "x-cff-request-id",
    answers: Answers::ById {
        response: "/v1/runtime/invocation/response/",
        error: "/v1/runtime/invocation/error/",
    },
    time: Time::Variable("RUNTIME_TIMEOUT"),
    // "If the status is not 200, wait 50 ms and ask again" is what the page's sample does.
    pause: Some(Duration::from_millis(50)),
    // 6 MB a call (<https://support.huaweicloud.com/intl/en-us/productdesc-functiongraph/functiongraph_01_0150.html>).
    body_limit: 6 * 1024 * 1024,
    // The configured variables are also there under their own names. Whether encrypted ones are is not documented.
    configured: Some("RUNTIME_USERDATA"),
};
