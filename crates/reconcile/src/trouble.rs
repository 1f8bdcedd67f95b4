//! Why a run cannot go on.

use std::fmt;

/// Why a run cannot go on. What was counted and forwarded until then stays, and the next run goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The store does not answer as it should.
    Store(mdss_relay_stores::Trouble),
    /// The ledger cannot be read or written.
    Ledger(mdss_relay_ledger::Trouble),
    /// The spool cannot be read or written.
    Spool(mdss_relay_spool::Trouble),
    /// Something else: lower case, no full stop.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(trouble) => trouble.fmt(f),
            Self::Ledger(trouble) => write!(f, "the ledger: {trouble}"),
            Self::Spool(trouble) => write!(f, "the spool: {trouble}"),
            Self::Other(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<mdss_relay_stores::Trouble> for Trouble {
    fn from(trouble: mdss_relay_stores::Trouble) -> Self {
        Self::Store(trouble)
    }
}

impl From<mdss_relay_ledger::Trouble> for Trouble {
    fn from(trouble: mdss_relay_ledger::Trouble) -> Self {
        Self::Ledger(trouble)
    }
}

impl From<mdss_relay_spool::Trouble> for Trouble {
    fn from(trouble: mdss_relay_spool::Trouble) -> Self {
        Self::Spool(trouble)
    }
}
