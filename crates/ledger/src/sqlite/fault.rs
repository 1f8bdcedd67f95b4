//! What SQLite's errors mean for the ledger.

use rusqlite::ErrorCode;

use crate::trouble::{Trouble, TroubleKind};

/// Either the database's error or our own refusal.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Ours(Trouble),
}

impl Fault {
    pub(super) fn refused(detail: impl Into<String>) -> Self {
        Self::Ours(Trouble::new(TroubleKind::Refused, detail))
    }

    /// As everybody else knows it.
    pub(super) fn trouble(self, doing: &str) -> Trouble {
        match self {
            Self::Sql(error) => trouble(&error, doing),
            Self::Ours(trouble) => trouble,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Ours(trouble)
    }
}

/// What an error of SQLite means for us. Decided by its code, never by its text
/// (<https://www.sqlite.org/rescode.html>, read 2026-11).
pub(super) fn trouble(error: &rusqlite::Error, doing: &str) -> Trouble {
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
