//! An event function from an image, of Tencent Cloud's SCF.

use std::net::Ipv4Addr;

use shim::Turns;

use crate::profile::{Calls, Form, Port, Profile, Time};

/// An event function from an image, of Tencent Cloud's SCF.
pub static TENCENT_SCF: Profile = Profile {
    caller: "SCF",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &[], without: Some(9000) },
    ready: None,
    calls: Calls::Path("/event-invoke"),
    request_id: &["x-scf-request-id"],
    time: Time::Unsaid,
    turns: Turns::One,
    body_limit: 8 * 1024 * 1024,
    form: Form::Bare,
    stopped: 0,
};
