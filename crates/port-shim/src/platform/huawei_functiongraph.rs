//! An event function from an image, of Huawei Cloud's FunctionGraph.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Calls, Form, Port, Profile, Time};

/// An event function from an image, of Huawei Cloud's FunctionGraph.
pub static HUAWEI_FUNCTIONGRAPH: Profile = Profile {
    caller: "FunctionGraph",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &[], without: Some(8000) },
    ready: None,
    calls: Calls::Path("/invoke"),
    request_id: &["x-cff-request-id"],
    time: Time::Unsaid,
    turns: Turns::One,
    body_limit: 8 * 1024 * 1024,
    form: Form::Bare,
    stopped: 0,
};
