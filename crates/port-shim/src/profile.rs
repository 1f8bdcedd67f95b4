//! What there is to know of a platform: one field a question. The answers stand in `platform/`, one file for each platform, each fact
//! with its source; nothing else in this crate knows a platform by name.
//!
//! A further platform is a file there, and a variant here where its answer to a question is a new one; the compiler then asks
//! wherever that matters.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::{Method, StatusCode};
use shim::{Refusal, Turns};

/// How a platform runs a function behind a port.
#[derive(Debug)]
pub struct Profile {
    /// Who calls, for sentences: "expected …, which NAME sets".
    pub(crate) caller: &'static str,
    /// The address that is listened on.
    pub(crate) address: Ipv4Addr,
    /// The port that is listened on.
    pub(crate) port: Port,
    /// Requests that are answered at once, by 200, whatever the handler is doing.
    pub(crate) hooks: &'static [Hook],
    /// Which other request is a call.
    pub(crate) calls: Calls,
    /// What a call is, for those who send something else, to be read before "is served".
    pub(crate) served: &'static str,
    /// The headers with the platform's id of a call; the first one that is there counts.
    pub(crate) request_id: &'static [&'static str],
    /// How long a call may take.
    pub(crate) time: Time,
    /// How many calls run at once.
    pub(crate) turns: Turns,
    /// The largest body that is taken, in bytes.
    pub(crate) body_limit: usize,
    /// What the event is of a call's body.
    pub(crate) body: Body,
    /// What the body of an answer is.
    pub(crate) answer: Wrapping,
    /// What else tells a success from a failure.
    pub(crate) signs: Signs,
    /// The lines that the platform wants on stdout around everything that it asks for.
    pub(crate) lines: Option<Lines>,
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

/// A request that the handler does not see.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) methods: &'static [Method],
    pub(crate) path: &'static str,
    /// A header that it has, and its value.
    pub(crate) mark: Option<(&'static str, &'static str)>,
    /// Its name in the platform's lines; without one it leaves no line.
    pub(crate) line: Option<&'static str>,
}

/// Which request is a call. It is a `POST` everywhere.
#[derive(Debug)]
pub(crate) enum Calls {
    /// To `/NAME` of a function. The folder that the variable names has a folder of that name for each, with this file in it; where it has
    /// none, or the variable is not set, any name is a function's.
    Functions { root: &'static str, file: &'static str },
    /// To this path. If the platform says in a header to which of its own paths a request belongs, that has to be this one, too.
    Path { path: &'static str, control: Option<&'static str> },
    /// To any path: a header says what it is.
    Marked(Marks),
}

/// The headers that tell an event from everything else.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The header that says what a request is.
    pub(crate) kind: &'static str,
    /// Its value for an event.
    pub(crate) event: &'static str,
    /// Its value for a request of somebody else.
    pub(crate) request: &'static str,
    /// The header, and its value, of the platform's own requests.
    pub(crate) internal: (&'static str, &'static str),
}

/// How long a call may take, from the moment it came.
#[derive(Debug)]
pub(crate) enum Time {
    /// The platform does not say.
    Unsaid,
    /// As long as a variable says (`hh:mm:ss` or `d.hh:mm:ss`; `-1`: without end), whose name counts in any case; else this long.
    Span { variable: &'static str, without: Duration },
    /// A variable has a number of seconds. Anything else in it says nothing.
    Seconds { variable: &'static str },
    /// A header of the call has a number. Anything else in it says nothing.
    Header { name: &'static str, read: fn(u64) -> Duration },
}

/// What the event is of a call's body.
#[derive(Debug)]
pub(crate) enum Body {
    /// The body itself: [`bare`](crate::bare).
    Bare,
    /// What the Functions host wraps: [`custom_handler`](crate::custom_handler).
    CustomHandler,
    /// The data of a CloudEvent whose attributes are headers: [`cloudevent`](crate::cloudevent). With one of these headers, the
    /// body is several of them: [`batch`](crate::batch).
    CloudEvent { batch: &'static [&'static str] },
}

/// What the body of an answer is.
#[derive(Debug)]
pub(crate) enum Wrapping {
    /// The response itself.
    Bare,
    /// What the Functions host expects: [`custom_handler`](crate::custom_handler).
    CustomHandler,
    /// An HTTP response as an object, in a success and in a failure.
    Reply,
}

/// What tells a success from a failure, beside the body.
#[derive(Debug)]
pub(crate) struct Signs {
    /// The status of a failure, made of the one that would say best what has failed, and of the refusal, without which the handler itself
    /// has failed.
    pub(crate) failure: fn(StatusCode, Option<&Refusal>) -> StatusCode,
    /// The header that repeats the status.
    pub(crate) status: Option<&'static str>,
    /// The headers that say of a failure what it is.
    pub(crate) error: Option<Errors>,
}

/// The headers that say of a failure what it is, and of each call how long it took.
#[derive(Debug)]
pub(crate) struct Errors {
    /// The header with the platform's name of a failure.
    pub(crate) code: &'static str,
    /// That name; without a refusal the handler itself has failed.
    pub(crate) name: fn(Option<&Refusal>) -> &'static str,
    /// The header with a sentence.
    pub(crate) message: &'static str,
    /// The header with the time of a call in milliseconds.
    pub(crate) duration: &'static str,
}

/// The platform's own lines: `WHO WHAT Start RequestId: ID`, `WHO WHAT End RequestId: ID`.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) who: &'static str,
    /// What a call is called.
    pub(crate) call: &'static str,
    /// What follows the id at the end of what has failed.
    pub(crate) failed: &'static str,
}

/// 404 for what is no call, 500 for a call that failed: a platform that has no word for more.
pub(crate) fn not_found_or_failed(status: StatusCode, _: Option<&Refusal>) -> StatusCode {
    if status == StatusCode::NOT_FOUND { status } else { StatusCode::INTERNAL_SERVER_ERROR }
}
