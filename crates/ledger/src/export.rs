//! An export: a piece of the chain for people who do not have the ledger.

use crate::checkpoint::Checkpoint;
use crate::entry::Genesis;
use crate::hash::Hash;
use crate::moment::Moment;

/// What stands at the front of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Where the chain began.
    pub genesis: Genesis,
    /// The first and the last entry; `None` if there is none in the period.
    pub range: Option<(u64, u64)>,
    /// The period that was asked for.
    pub period: (Option<Moment>, Option<Moment>),
    /// Entries.
    pub entries: u64,
    /// Those of them that are accepted writes.
    pub writes: u64,
    /// The hash of the entry before the first.
    pub previous: Hash,
    /// The hash of the last.
    pub last: Hash,
    /// Over all columns of all entries, the same for each form.
    pub digest: Hash,
    /// The checkpoints that lie in the range.
    pub checkpoints: Vec<Checkpoint>,
}
