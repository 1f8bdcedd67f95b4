//! A container of Yandex Serverless Containers.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Calls, Form, Port, Profile, Time};

/// A container of Yandex Serverless Containers.
pub static YANDEX_CONTAINERS: Profile = Profile {
    caller: "Serverless Containers",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &["PORT"], without: None },
    ready: None,
    calls: Calls::Path("/"),
    request_id: &["x-request-id", "x-trace-id"],
    time: Time::Unsaid,
    turns: Turns::One,
    body_limit: 8 * 1024 * 1024,
    form: Form::Bare,
    stopped: 0,
};
