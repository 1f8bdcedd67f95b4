//! A native function of Volcengine's veFaaS.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Calls, Form, Port, Profile, Time};

/// A native function of Volcengine's veFaaS.
pub static VOLCENGINE_FAAS: Profile = Profile {
    caller: "veFaaS",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &["_FAAS_RUNTIME_PORT"], without: Some(8000) },
    ready: None,
    calls: Calls::Path("/"),
    request_id: &["x-faas-request-id"],
    time: Time::Unsaid,
    turns: Turns::One,
    body_limit: 8 * 1024 * 1024,
    form: Form::Bare,
    stopped: 0,
};
