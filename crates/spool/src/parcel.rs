//! What is carried from one engine to another: deliveries as they were stored, with those of their items that are still there.

use ring::digest::{SHA256, digest};

use crate::clock::Moment;
use crate::item::State;

/// A delivery on its way. It has no `Debug`: headers and body are a stranger's.
pub(crate) struct Parcel {
    /// Its number where it comes from.
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) source: Option<String>,
    pub(crate) dialect: Option<String>,
    pub(crate) method: String,
    /// As they were written: the checksum is of these bytes.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    pub(crate) received: Moment,
    pub(crate) checksum: i64,
    pub(crate) items: Vec<Carried>,
}

/// An item on its way.
#[derive(Debug)]
pub(crate) struct Carried {
    /// Its number where it comes from.
    pub(crate) number: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) lane: String,
    pub(crate) state: State,
    pub(crate) attempts: i32,
    pub(crate) since: Moment,
    pub(crate) not_before: Moment,
    pub(crate) reason: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    /// As the engine has it: a text in a file, its SHA-256 in a database.
    pub(crate) mark: Option<Vec<u8>>,
    pub(crate) bytes: i64,
    /// Whose share it takes; empty: of no source.
    pub(crate) source: String,
}

/// The mark of an item that has none: a step that was interrupted and is repeated must find what it has carried already. Nothing else has such a
/// mark, because a delivery's name is its own.
pub(crate) fn mark_on_the_way(parcel: &Parcel, item: &Carried) -> String {
    let path = String::from_utf8_lossy(&item.path);
    format!("moved {} {} {} {path}", parcel.name, parcel.received.as_millis(), item.number)
}

/// A mark as a database has it.
pub(crate) fn hash(mark: &[u8]) -> Vec<u8> {
    digest(&SHA256, mark).as_ref().to_vec()
}

/// Marks of what MDSS has accepted, each with its time in milliseconds since 1970, and the number of the last one; `None`: there are no more.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) marks: Vec<Vec<u8>>,
    pub(crate) times: Vec<i64>,
    pub(crate) last: Option<i64>,
}
