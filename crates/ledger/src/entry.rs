//! An entry of the chain: what happened, and what makes it one.

use std::fmt;

use crate::fact::Fact;
use crate::hash::{Hash, from_hex, hex};
use crate::kind::Keys;
use crate::moment::Moment;

/// The name of one chain: sixteen random bytes, shown as 32 hexadecimal digits. Each writer has a chain of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LedgerId(pub [u8; 16]);

impl LedgerId {
    /// Reads 32 hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What is random about the key of one entry.
pub type Salt = [u8; 16];

/// An entry as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 on, without gaps.
    pub seq: u64,
    /// What names it among the entries of all chains, where a ledger has several. With one chain it is its number.
    pub number: u64,
    /// When it was written into the chain.
    pub at: Moment,
    /// Whether this version knows its kind, its origin and its place. If not, something else has put it in.
    pub known: bool,
    /// What it says.
    pub fact: Fact,
    /// How its key was kept, if it has one: `fact.key` is the key, its HMAC, or nothing.
    pub keys: Keys,
    /// What is random about its key; erased together with it.
    pub salt: Option<Salt>,
    /// What is left of a key that was erased.
    pub commitment: Option<Hash>,
    /// The hash of this entry, over it and the one before.
    pub hash: Hash,
    /// The number of the newest result about it; no part of its hash, but each result is an entry.
    pub result_seq: Option<u64>,
    /// The number of the entry that says who has erased its key; no part of its hash.
    pub forgotten_by: Option<u64>,
}

/// Where a chain begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Its name.
    pub ledger: LedgerId,
    /// When it was begun.
    pub created: Moment,
    /// The public half of the Ed25519 key that signs its checkpoints.
    pub public_key: [u8; 32],
}

/// Where a chain ends now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where it began.
    pub genesis: Genesis,
    /// The number of its last entry; 0 if there is none.
    pub seq: u64,
    /// When that was written.
    pub at: Moment,
    /// The hash of it.
    pub hash: Hash,
    /// The number of the last entry that was removed because of its age; 0 if none was.
    pub base: u64,
    /// Accepted writes since the beginning, also those that were removed.
    pub writes: u64,
    /// Accepted writes that no result is known of.
    pub open: u64,
    /// Bytes that are in use, without free pages.
    pub bytes: u64,
    /// The number of the last entry that a checkpoint has signed, and when.
    pub checkpoint: Option<(u64, Moment)>,
    /// The same of the last one that was published.
    pub published: Option<(u64, Moment)>,
}
