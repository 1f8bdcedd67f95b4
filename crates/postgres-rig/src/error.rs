//! What can go wrong with the rig itself.

use std::error::Error;
use std::fmt;

/// Why a server, or what stands around it, is not there. Each is one line, and the server's own words follow it.
#[derive(Debug)]
pub enum RigError {
    /// A program is not installed; the sentence says how it gets there.
    Missing(String),
    /// A program ended with a failure, or did not do in time what was waited for.
    Failed {
        /// What was being done.
        what: String,
        /// What it printed, or the end of its log.
        said: String,
    },
    /// A file, a process or a socket.
    System {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A statement, or the connection for it.
    Sql {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: tokio_postgres::Error,
    },
}

impl RigError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |source| Self::System { what, source }
    }

    pub(crate) fn sql(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let what = what.into();
        |source| Self::Sql { what, source }
    }
}

impl fmt::Display for RigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(sentence) => f.write_str(sentence),
            Self::Failed { what, said } if said.is_empty() => f.write_str(what),
            Self::Failed { what, said } => write!(f, "{what}; it printed:\n{said}"),
            Self::System { what, .. } | Self::Sql { what, .. } => f.write_str(what),
        }
    }
}

impl Error for RigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            Self::Sql { source, .. } => Some(source),
            Self::Missing(_) | Self::Failed { .. } => None,
        }
    }
}
