//! Why [`run`](crate::run) came to an end that nobody asked for.

use std::fmt;
use std::io;

use lambda_runtime::Diagnostic;
use shim::SettingsError;

/// Why the function could not be served, or not any longer.
///
/// No failure of a single call is in here: those are answered, and the process lives on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The environment is not one to serve in. Nothing was opened; starting again will not help.
    Settings(SettingsError),
    /// The operating system refused something needed to serve at all.
    Io {
        /// What was tried, to be read after "cannot".
        action: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The handler's `poll_ready` failed, after which a `tower::Service` must not be used again
    /// (tower-service, `Service::poll_ready`). The call that met it was answered as a failure.
    Handler(Diagnostic),
    /// A second signal came before the calls in flight were answered.
    Interrupted,
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Handler(diagnostic)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Io { action, source } => write!(f, "cannot {action}: {source}"),
            Self::Handler(diagnostic) => {
                write!(f, "the handler is no longer ready ({})", diagnostic.error_type)
            }
            Self::Interrupted => f.write_str("a second signal came before the calls in flight were answered"),
        }
    }
}

impl std::error::Error for Error {}
