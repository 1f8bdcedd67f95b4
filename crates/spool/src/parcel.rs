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

/// What a mark in a file begins with if it came from a database, which has nothing but its SHA-256. No text of a mark begins so: they are JSON.
const HASHED: &str = "sha256 ";

/// All marks of a file that [`hashed`] has made: not below the first, and below the second.
pub(crate) const ALL_HASHED: [&str; 2] = [HASHED, "sha256!"];

/// A mark as a database has it: the SHA-256 of its text, which a file may have in place of the text.
pub(crate) fn hash(mark: &[u8]) -> Vec<u8> {
    unhashed(mark).unwrap_or_else(|| digest(&SHA256, mark).as_ref().to_vec())
}

/// A mark as a file has it of which only the SHA-256 is known.
pub(crate) fn hashed(hash: &[u8]) -> String {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{HASHED}{digits}")
}

fn unhashed(mark: &[u8]) -> Option<Vec<u8>> {
    let digits = mark.strip_prefix(HASHED.as_bytes()).filter(|digits| digits.len() == 64)?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

/// Marks of what MDSS has accepted, each with its time in milliseconds since 1970, and the number of the last one; `None`: there are no more.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) marks: Vec<Vec<u8>>,
    pub(crate) times: Vec<i64>,
    pub(crate) last: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_came_from_a_database_goes_back_as_it_was() {
        let known = hash(b"[[null,\"b\"]]");
        let text = hashed(&known);
        assert!(text.as_str() >= ALL_HASHED[0] && text.as_str() < ALL_HASHED[1], "{text}");
        assert_eq!((known.len(), hash(text.as_bytes())), (32, known));
        for other in ["sha256 ", "sha256 00", "[[null]]"] {
            assert_eq!(hash(other.as_bytes()), digest(&SHA256, other.as_bytes()).as_ref(), "{other}");
        }
    }
}
