//! Why the spool could not do what it was asked. For the sender all of it means "later"; the sentence is for the operator.

use std::fmt;

/// What kind of trouble, with a stable name for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// The spool has reached its own limit.
    Full,
    /// The disk takes no more: full, read-only, broken, or not there.
    Unwritable,
    /// Somebody else holds the file, or the directory.
    Locked,
    /// The file is no longer what it was; it is set aside and a new one begun.
    Damaged,
    /// One of its files was taken away, replaced or cut under the relay. What was acknowledged is saved first.
    Taken,
    /// The file is some other program's, or of a later version. It is left alone.
    Foreign,
    /// The database cannot be reached, or takes no writes just now.
    Unreachable,
    /// The database may not have stored it as safely as was asked for.
    Unsafe,
    /// A statement failed that never should: a defect of the relay.
    Internal,
    /// The relay is stopping.
    Stopped,
}

impl TroubleKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Full,
        Self::Unwritable,
        Self::Locked,
        Self::Damaged,
        Self::Taken,
        Self::Foreign,
        Self::Unreachable,
        Self::Unsafe,
        Self::Internal,
        Self::Stopped,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "spool_full",
            Self::Unwritable => "spool_unwritable",
            Self::Locked => "spool_locked",
            Self::Damaged => "spool_damaged",
            Self::Taken => "spool_taken",
            Self::Foreign => "spool_foreign",
            Self::Unreachable => "spool_unreachable",
            Self::Unsafe => "spool_unsafe",
            Self::Internal => "spool_internal",
            Self::Stopped => "spool_stopped",
        }
    }
}

/// Nothing was stored, and why. An adapter answers 503: the sender keeps the event and comes again.
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
        Self::new(TroubleKind::Stopped, "the spool is stopping")
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::new(TroubleKind::Unwritable, error.to_string())
    }
}
