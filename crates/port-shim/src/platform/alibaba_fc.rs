//! A custom runtime or custom container of Alibaba Cloud's Function Compute.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Calls, Form, Port, Profile, Time};

/// A custom runtime or custom container of Alibaba Cloud's Function Compute.
pub static ALIBABA_FC: Profile = Profile {
    caller: "Function Compute",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &["FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"], without: Some(9000) },
    ready: None,
    calls: Calls::Path("/invoke"),
    request_id: &["x-fc-request-id"],
    time: Time::Unsaid,
    turns: Turns::One,
    body_limit: 8 * 1024 * 1024,
    form: Form::Bare,
    stopped: 0,
};
