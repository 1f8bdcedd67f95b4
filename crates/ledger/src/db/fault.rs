//! What the errors of the databases mean for the ledger.

use rusqlite::ErrorCode;

use crate::trouble::{Trouble, TroubleKind};

/// Either the database's error or our own refusal.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    /// The server's, or the way to it.
    #[cfg(feature = "postgres")]
    Server(tokio_postgres::Error),
    /// The server has not answered in time.
    #[cfg(feature = "postgres")]
    Late(std::time::Duration),
    Ours(Trouble),
}

impl Fault {
    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self::Ours(Trouble::new(TroubleKind::Refused, detail))
    }

    /// As everybody else knows it.
    pub(crate) fn trouble(self, doing: &str) -> Trouble {
        match self {
            Self::Sql(error) => trouble(&error, doing),
            #[cfg(feature = "postgres")]
            Self::Server(error) => {
                use mdss_relay_postgres::{Fate, Kind};
                let meaning = mdss_relay_postgres::meaning(&error);
                let kind = match (meaning.fate, meaning.kind) {
                    (Fate::Smaller, kind) if kind != Kind::Locked => TroubleKind::Unfit,
                    (_, kind) => kind.into(),
                };
                Trouble::new(kind, format!("{doing}: {}", mdss_relay_postgres::text(&error)))
            }
            #[cfg(feature = "postgres")]
            Self::Late(after) => {
                let detail = format!("{doing}: the database gave no answer within {} s", after.as_secs());
                Trouble::new(TroubleKind::Unreachable, detail)
            }
            Self::Ours(trouble) => trouble,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

#[cfg(feature = "postgres")]
impl From<mdss_relay_postgres::Kind> for TroubleKind {
    fn from(kind: mdss_relay_postgres::Kind) -> Self {
        use mdss_relay_postgres::Kind;
        match kind {
            Kind::Unreachable => Self::Unreachable,
            Kind::Unwritable => Self::Unwritable,
            Kind::Locked => Self::Locked,
            Kind::Foreign => Self::Foreign,
            Kind::Damaged => Self::Damaged,
            Kind::Internal => Self::Internal,
        }
    }
}

#[cfg(feature = "postgres")]
impl From<mdss_relay_postgres::Failing> for Trouble {
    fn from(failing: mdss_relay_postgres::Failing) -> Self {
        Self::new(failing.kind.into(), failing.detail)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Ours(trouble)
    }
}

/// What an error of SQLite means for us. Decided by its code, never by its text
/// (<https://www.sqlite.org/rescode.html>, read 2026-11).
pub(crate) fn trouble(error: &rusqlite::Error, doing: &str) -> Trouble {
    let kind = match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::OutOfMemory,
        ) => TroubleKind::Unwritable,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            TroubleKind::Locked
        }
        // A row that is there twice in a column that has each once was put in by hand, or a page is damaged.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
            TroubleKind::Damaged
        }
        _ => TroubleKind::Internal,
    };
    // rusqlite's text may hold the statement, never its values.
    Trouble::new(kind, format!("{doing}: {error}"))
}
