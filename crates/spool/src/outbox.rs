//! The outbox: facts that are on their way from the spool to the ledger. They are written in the transaction that settles an item, and stay until
//! whoever keeps the ledger has them: at no moment is an item gone, and in neither of the two.
//!
//! It has a limit of its own. Beyond it facts are counted, and the count is itself a fact once there is room: a ledger that cannot be
//! written stops nothing.

use std::fmt;

use std::time::Duration;

use crate::clock::Moment;

/// Bytes of facts that are kept for a ledger that cannot be written: about half a million of them.
pub const OUTBOX_LIMIT: u64 = 256 << 20;

/// What a row takes beside its body, about.
pub(crate) const ROW_BYTES: u64 = 32;

/// Bytes of bodies that are taken at once, about: they are held in memory.
pub(crate) const MOST_TAKEN_BYTES: u64 = 4 << 20;

/// The reason of a gap of facts for which there was no room.
pub(crate) const FULL: &str = "outbox_full";

/// The reason of a gap of facts that were in a file that was damaged.
pub(crate) const DAMAGED: &str = "spool_damaged";

/// A fact that waits for the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number: no other fact of this spool ever has it, nor one of a file before.
    pub id: i64,
    /// When it was written, by the engine's clock.
    pub at: Moment,
    /// JSON, see [`mdss_relay_core::facts`].
    pub body: Vec<u8>,
}

impl fmt::Debug for OutboxRow {
    /// Without what it says: it names an object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, at, body } = self;
        write!(f, "OutboxRow {{ id: {id}, at: {at:?}, {} bytes }}", body.len())
    }
}

/// How much waits for the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxSize {
    /// Bytes that may wait; `None`: nobody keeps a ledger, so nothing is written.
    pub limit: Option<u64>,
    /// Facts.
    pub rows: u64,
    /// Bytes, about.
    pub bytes: u64,
    /// How long the oldest of them has been waiting.
    pub age: Duration,
    /// Facts that there was no room for, and that no gap tells of yet.
    pub lost: u64,
}

impl OutboxSize {
    /// Whether more may wait: within its limit, or within [`OUTBOX_LIMIT`] while nobody has said one.
    pub fn has_room(&self) -> bool {
        self.bytes < self.limit.unwrap_or(OUTBOX_LIMIT)
    }
}
