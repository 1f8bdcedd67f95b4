//! What SQLite's errors mean for the spool.

use rusqlite::ErrorCode;

use crate::trouble::{Trouble, TroubleKind};

/// Either the database's error or our own refusal.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Ours(Trouble),
}

impl Fault {
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
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TroubleKind::Damaged,
        _ => TroubleKind::Internal,
    };
    // rusqlite's text may hold the statement, never its values.
    Trouble::new(kind, format!("{doing}: {error}"))
}
