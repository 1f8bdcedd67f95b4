//! An event function of Huawei Cloud's FunctionGraph, from an image.

use std::net::Ipv4Addr;

use http::Method;
use shim::Turns;

use crate::profile::{Body, Calls, Hook, Port, Profile, Signs, Time, Wrapping, not_found_or_failed};

/// An event function of Huawei Cloud's FunctionGraph, from an image.
///
/// Contract: Huawei Cloud, "Developing functions with a container image"
/// (<https://support.huaweicloud.com/intl/en-us/usermanual-functiongraph/functiongraph_01_1047.html>). The process runs as user 1003.
pub static HUAWEI_FUNCTIONGRAPH: Profile = Profile {
    caller: "FunctionGraph",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &[], without: Some(8000) },
    // Everything is initialised before the port is open.
    hooks: &[Hook { methods: &[Method::POST], path: "/init", mark: None, line: None }],
    calls: Calls::Path { path: "/invoke", control: None },
    served: "POST /invoke",
    request_id: &["x-cff-request-id"],
    // **Inference:** documented for custom runtimes (functiongraph_01_0406); no page lists an image's variables.
    time: Time::Seconds { variable: "RUNTIME_TIMEOUT" },
    // A function may be given several calls at once, one by default ("Concurrent requests per instance").
    turns: Turns::AtOnce(64),
    // Of a call ("Quotas").
    body_limit: 6 * 1024 * 1024,
    body: Body::Bare,
    // The page asks for this object; its sample answers a plain text.
    answer: Wrapping::Reply,
    // **Inference:** no page says what a failure is.
    signs: Signs { failure: not_found_or_failed, status: None, error: None },
    lines: None,
    stopped: 0,
};
