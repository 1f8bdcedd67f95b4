//! A container of Yandex Serverless Containers, called by a trigger.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Body, Calls, Port, Profile, Signs, Time, Wrapping, not_found_or_failed};

/// A container of Yandex Serverless Containers, called by a trigger.
///
/// Contract: yandex-cloud/docs, `en/serverless-containers/concepts/{invoke,runtime,container}.md` and `trigger/os-trigger.md`. A
/// response must not have `Transfer-Encoding`, `Via` or `Proxy-Authenticate`, which is so here on every platform: an answer has a length.
/// After SIGTERM the process has 50 ms.
pub static YANDEX_CONTAINERS: Profile = Profile {
    caller: "Serverless Containers",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &["PORT"], without: None },
    hooks: &[],
    // The address of the container, unless the trigger has a path.
    calls: Calls::Path { path: "/", control: None },
    served: "POST /",
    // **Inference:** headers of Yandex's API gateways. No page says that a trigger sets one.
    request_id: &["x-request-id", "x-trace-id"],
    time: Time::Unsaid,
    // A container has one call at a time by default, and `concurrency` of them at most.
    turns: Turns::AtOnce(64),
    // Requests have 3.5 MB at most ("Quotas and limits").
    body_limit: 4 * 1024 * 1024,
    body: Body::Bare,
    answer: Wrapping::Bare,
    // **Inference:** a trigger calls again unless the container "ended successfully", which no page puts into statuses.
    signs: Signs { failure: not_found_or_failed, status: None, error: None },
    lines: None,
    stopped: 0,
};
