//! An event function of Alibaba Cloud's Function Compute, in a custom runtime or a custom container.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::{Method, StatusCode};
use shim::Turns;

use crate::profile::{Body, Calls, Hook, Lines, Port, Profile, Signs, Time, Wrapping};

/// An event function of Alibaba Cloud's Function Compute, in a custom runtime or a custom container.
///
/// Contract: Alibaba Cloud, "Custom runtime: specification details"
/// (<https://www.alibabacloud.com/help/en/fc/user-guide/specification-details>) and "Event functions" of custom runtimes; the same
/// from inside: the runtimes that Alibaba publishes (aliyun/fc-runtime-go-sdk, `fc/`).
pub static ALIBABA_FC: Profile = Profile {
    caller: "Function Compute",
    // A server on 127.0.0.1 is not found: `FunctionNotStarted` ("Custom runtime: principles").
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &["FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"], without: Some(9000) },
    hooks: &[
        // Consoles and health checks ask for it (`healthCheckConfig`); it is no event.
        Hook { methods: &[Method::GET, Method::HEAD], path: "/", mark: None, line: None },
        // Only if the function has these hooks. There is nothing to do: everything that can be done before the first call is done
        // before the port is open, and nothing is left undone after an answer.
        Hook { methods: &[Method::POST], path: "/initialize", mark: None, line: Some("Initialize") },
        Hook { methods: &[Method::GET], path: "/pre-freeze", mark: None, line: Some("PreFreeze") },
        Hook { methods: &[Method::GET], path: "/pre-stop", mark: None, line: Some("PreStop") },
    ],
    // A request of an HTTP trigger can have the path of an event, and says `/http-invoke` in the header, which no caller can set.
    calls: Calls::Path { path: "/invoke", control: Some("x-fc-control-path") },
    served: "POST /invoke by Function Compute itself, with an event,",
    request_id: &["x-fc-request-id"],
    // There is no header with a deadline.
    time: Time::Header { name: "x-fc-function-timeout", read: Duration::from_secs },
    // `instanceConcurrency`, 1 by default, may be up to 200.
    turns: Turns::AtOnce(200),
    // Of a synchronous call; an asynchronous one, which is what triggers make, has 128 KB ("Limits").
    body_limit: 32 * 1024 * 1024,
    // "application/octet-stream" whatever it is.
    body: Body::Bare,
    answer: Wrapping::Bare,
    // Without this header a call has succeeded whatever its status is, and its event is gone.
    signs: Signs { failure: |_, _| StatusCode::NOT_FOUND, status: Some("x-fc-status"), error: None },
    // The log of a call is found by these lines. The name behind an error: `fc/function.go` of the runtime above.
    lines: Some(Lines { who: "FC", call: "Invoke", failed: ", Error: Unhandled function error" }),
    stopped: 0,
};
