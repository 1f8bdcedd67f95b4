//! What can go wrong on the calling side.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a call, an invocation or a wait gave no answer. An answer that says "failed" is not one of these.
#[derive(Debug)]
pub enum DriveError {
    /// The caller asked for something that cannot be done: a URL, header, address or signal that is none.
    Usage(String),
    /// The connection could not be made, or broke off before the answer was complete.
    Connection {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer is longer than what is read of one.
    TooLong {
        /// How much is read, in bytes.
        limit: usize,
    },
    /// No answer came in time. The function or server may still be at work.
    NoAnswer {
        /// How long it was waited for.
        after: Duration,
    },
    /// No function asked the Runtime API for an event in time.
    NoPoll {
        /// How long it was waited for.
        after: Duration,
    },
    /// The function reported that it cannot start (`/runtime/init/error`).
    InitError {
        /// Its name for the error.
        error_type: String,
        /// Its sentence.
        error_message: String,
    },
    /// A program could not be started, or a process not be signalled.
    Process {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A process ended before what was waited for happened.
    Ended {
        /// What was waited for.
        what: String,
        /// How it ended, if that is known already.
        status: Option<ExitStatus>,
        /// All that it printed.
        output: String,
    },
    /// A process did not do in time what was waited for.
    Waited {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// All that it has printed so far.
        output: String,
    },
    /// What was waited for did not happen.
    Never {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The path is too long for a Unix socket, or there is none that could be connected to.
    Socket {
        /// The path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl fmt::Display for DriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) => f.write_str(sentence),
            Self::Connection { what, .. } | Self::Process { what, .. } => f.write_str(what),
            Self::TooLong { limit } => write!(f, "the answer is longer than {limit} bytes"),
            Self::NoAnswer { after } => write!(f, "no answer within {after:?}"),
            Self::NoPoll { after } => write!(f, "no function asked for an event within {after:?}"),
            Self::InitError { error_type, error_message } => {
                write!(f, "the function cannot start: {error_type}: {error_message}")
            }
            Self::Ended { what, status: Some(status), output } => {
                write!(f, "the process ended ({status}) before {what}; it printed:\n{output}")
            }
            Self::Ended { what, status: None, output } => {
                write!(f, "the process closed its output before {what}; it printed:\n{output}")
            }
            Self::Waited { what, after, output } => {
                write!(f, "not within {after:?}: {what}; the process printed:\n{output}")
            }
            Self::Never { what, after } => write!(f, "not within {after:?}: {what}"),
            Self::Socket { path, .. } => write!(f, "cannot connect to the socket {}", path.display()),
        }
    }
}

impl Error for DriveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connection { source, .. } => Some(source.as_ref()),
            Self::Process { source, .. } | Self::Socket { source, .. } => Some(source),
            Self::Usage(_)
            | Self::TooLong { .. }
            | Self::NoAnswer { .. }
            | Self::NoPoll { .. }
            | Self::InitError { .. }
            | Self::Ended { .. }
            | Self::Waited { .. }
            | Self::Never { .. } => None,
        }
    }
}
