//! Why the ledger could not do what it was asked. None of it stops a scan: whoever feeds the ledger keeps what it has, and comes again.

use std::fmt;

/// What kind of trouble, with a stable name for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// There is no ledger here.
    Absent,
    /// The disk takes no more: full, read-only, broken, or not there.
    Unwritable,
    /// Another process has held the file, or what is needed in the database, for too long.
    Locked,
    /// The database does not answer, or takes no writes just now.
    Unreachable,
    /// The file is no longer what it was. `set_aside` gives it another name, and then a new one can be begun.
    Damaged,
    /// The file was removed or replaced while it was open. It is opened again with the next call.
    Taken,
    /// The file is some other program's, or of a later version. It is left alone.
    Foreign,
    /// The file of keys is missing, cannot be read, or is that of another ledger.
    Key,
    /// The database refuses a row for what it is: it has no room for such a one, or no such character. Its neighbours may be written without it.
    Unfit,
    /// What was asked for cannot be done with this ledger, and the sentence says why.
    Refused,
    /// A statement failed that never should: a defect of the relay.
    Internal,
    /// The process is stopping.
    Stopped,
}

impl TroubleKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Absent,
        Self::Unwritable,
        Self::Locked,
        Self::Unreachable,
        Self::Damaged,
        Self::Taken,
        Self::Foreign,
        Self::Key,
        Self::Unfit,
        Self::Refused,
        Self::Internal,
        Self::Stopped,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "ledger_absent",
            Self::Unwritable => "ledger_unwritable",
            Self::Locked => "ledger_locked",
            Self::Unreachable => "ledger_unreachable",
            Self::Damaged => "ledger_damaged",
            Self::Taken => "ledger_taken",
            Self::Foreign => "ledger_foreign",
            Self::Key => "ledger_key",
            Self::Unfit => "ledger_unfit",
            Self::Refused => "ledger_refused",
            Self::Internal => "ledger_internal",
            Self::Stopped => "ledger_stopped",
        }
    }
}

/// Nothing was written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// The sentence: lower case, no full stop.
    pub detail: String,
}

impl Trouble {
    pub(crate) fn new(kind: TroubleKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(crate) fn stopped() -> Self {
        Self::new(TroubleKind::Stopped, "the process is stopping")
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl std::error::Error for Trouble {}
