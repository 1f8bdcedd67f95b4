//! Where a ledger is, and how it is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::kind::Keys;
use crate::moment::{Clock, SystemClock};

/// Where a ledger is.
#[derive(Clone, Debug)]
pub enum Place {
    /// `ledger.db` and `ledger.key` in a directory of this machine.
    Directory(PathBuf),
    /// Tables in a database that several relays share, a chain for each. `ledger.key` is in a directory that each of them has; without one it can be read.
    #[cfg(feature = "postgres")]
    Database {
        /// The database.
        database: mdss_relay_postgres::Database,
        /// The directory of `ledger.key`.
        key: Option<PathBuf>,
    },
}

/// What a ledger is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// To write into it; it is begun if there is none.
    #[default]
    Write,
    /// To read it. It must be there; its key need not be.
    Read,
}

/// How a ledger is opened.
#[derive(Clone)]
pub struct Options {
    /// What for.
    pub access: Access,
    /// How keys are kept from now on.
    pub keys: Keys,
    /// A checkpoint is made after so many entries,
    pub checkpoint_entries: u64,
    /// or after so long, if there is anything new.
    pub checkpoint_every: Duration,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::Write,
            keys: Keys::Clear,
            checkpoint_entries: 10_000,
            checkpoint_every: Duration::from_secs(3600),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Options {
    /// To read.
    pub fn reading() -> Self {
        Self { access: Access::Read, ..Self::default() }
    }
}
