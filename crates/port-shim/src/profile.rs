//! What there is to know of a platform: one field a question. The answers stand in `platform/`, one file for each platform, each fact
//! with its source; nothing else in this crate knows a platform by name.
//!
//! A further platform is a file there, and a variant here where its answer to a question is a new one; the compiler then asks
//! wherever that matters.

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
    /// The port that is listened on.
    pub(crate) port: Port,
    /// The path of `GET` and `HEAD` by which the platform looks whether the process is ready. It is answered at once, by 200 and
    /// without a line, whatever the handler is doing.
    pub(crate) ready: Option<&'static str>,
    /// Which `POST` is a call.
    pub(crate) calls: Calls,
    /// The headers with the platform's id of a call; the first one that is there counts.
    pub(crate) request_id: &'static [&'static str],
    /// How long a call may take.
    pub(crate) time: Time,
    /// How many calls run at once.
    pub(crate) turns: Turns,
    /// The largest body that is taken, in bytes.
    pub(crate) body_limit: usize,
    /// What a body is, and what an answer is.
    pub(crate) form: Form,
    /// The exit status with which the process is to end when it was asked to stop and has: when [`run`](crate::run) gives `Ok`.
    /// After an error the program chooses any other than 0 and this one.
    pub stopped: u8,
}

/// The port that is listened on.
#[derive(Debug)]
pub(crate) struct Port {
    /// The variables that name it; the first one that is set counts.
    pub(crate) variables: &'static [&'static str],
    /// The port if none is set; `None`: the platform always sets one.
    pub(crate) without: Option<u16>,
}

/// Which `POST` is a call.
#[derive(Debug)]
pub(crate) enum Calls {
    /// This path.
    Path(&'static str),
    /// `/NAME` of a function. The folder that the variable names has a folder of that name for each, with this file in it; where it has
    /// none, or the variable is not set, any name is a function's.
    Functions { root: &'static str, file: &'static str },
}

/// How long a call may take, from the moment it came.
#[derive(Debug)]
pub(crate) enum Time {
    /// The platform does not say.
    Unsaid,
    /// As long as a variable says (`hh:mm:ss` or `d.hh:mm:ss`; `-1`: without end), whose name counts in any case; else this long.
    Variable { name: &'static str, without: Duration },
}

/// What a body is, and what an answer is.
#[derive(Debug)]
pub(crate) enum Form {
    /// The event itself; the response itself.
    Bare,
    /// The Functions host's: [`custom_handler`](crate::custom_handler).
    CustomHandler,
}
