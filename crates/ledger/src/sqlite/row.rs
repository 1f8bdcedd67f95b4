//! A row of the file as an entry. It is read whatever it holds: a value that somebody has put there must make the chain fail to fit, not the reader.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::pack::unpack;
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, Genesis, LedgerId};
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::{Keys, Kind, Origin};
use crate::moment::Moment;

/// The columns that [`Rows::entry`] reads, in its order.
pub(super) const COLUMNS: &str = "e.seq, e.at, e.kind, e.hash, e.place, e.key, e.salt, e.commitment, e.version, e.etag, e.size, e.event_time, \
     e.received_time, e.settled_time, e.attempts, e.correlation_id, e.origin, e.actor, e.count, e.reason, e.about, e.file_id, e.result, \
     e.file_state, e.scan_time, e.confidence, e.digest, e.detail, e.result_seq, e.forgotten_by";

/// What many entries have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) source: Option<Arc<str>>,
    pub(super) dialect: Option<Arc<str>>,
    pub(super) bucket: Option<Arc<str>>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) unit: Option<Arc<str>>,
    pub(super) keys: Keys,
}

/// What is counted of a spot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) open: i64,
    pub(super) results: i64,
    pub(super) last_result: Option<Moment>,
}

/// All spots by their numbers.
pub(super) struct Spots(pub(super) HashMap<i64, (Spot, Counted)>);

impl Spots {
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut statement = db.prepare_cached(
            "SELECT id, source, dialect, bucket, namespace, unit, keys, open, results, last_result FROM place",
        )?;
        let mut rows = statement.query([])?;
        let mut spots = HashMap::new();
        while let Some(row) = rows.next()? {
            let name = |column| -> rusqlite::Result<_> { Ok(text(row, column)?.map(Arc::from)) };
            let spot = Spot {
                source: name(1)?,
                dialect: name(2)?,
                bucket: name(3)?,
                namespace: name(4)?,
                unit: name(5)?,
                keys: match number(row, 6)?.and_then(Keys::from_number) {
                    Some(keys) => keys,
                    // Something else has written it: its entries have no place that is known.
                    None => continue,
                },
            };
            let counted = Counted {
                open: number(row, 7)?.unwrap_or(0),
                results: number(row, 8)?.unwrap_or(0),
                last_result: number(row, 9)?.map(Moment::from_millis),
            };
            spots.insert(row.get(0)?, (spot, counted));
        }
        Ok(Self(spots))
    }

    /// Reads a row that begins with [`COLUMNS`]. The second value is the number of its place.
    pub(super) fn entry(&self, row: &Row<'_>) -> rusqlite::Result<(Entry, i64)> {
        let place = number(row, 4)?.unwrap_or(0);
        let spot = self.0.get(&place).map(|(spot, _)| spot);
        let kind = number(row, 2)?.and_then(Kind::from_number);
        let moment = |column| -> rusqlite::Result<_> { Ok(number(row, column)?.map(Moment::from_millis)) };
        let unsigned = |column| -> rusqlite::Result<_> { Ok(number(row, column)?.map(i64::cast_unsigned)) };
        let origin = number(row, 16)?;
        let fact = Fact {
            kind: kind.unwrap_or_default(),
            source: spot.and_then(|s| s.source.clone()),
            dialect: spot.and_then(|s| s.dialect.clone()),
            bucket: spot.and_then(|s| s.bucket.clone()),
            namespace: spot.and_then(|s| s.namespace.clone()),
            unit: spot.and_then(|s| s.unit.clone()),
            key: bytes(row, 5)?.map(<[u8]>::to_vec),
            version: text(row, 8)?,
            etag: text(row, 9)?,
            size: unsigned(10)?,
            event_time: moment(11)?,
            received_time: moment(12)?,
            settled_time: moment(13)?,
            attempts: unsigned(14)?,
            correlation_id: text(row, 15)?,
            origin: origin.and_then(Origin::from_number),
            actor: text(row, 17)?,
            count: unsigned(18)?,
            reason: text(row, 19)?,
            about: unsigned(20)?,
            file_id: text(row, 21)?,
            result: text(row, 22)?,
            file_state: text(row, 23)?,
            scan_time: moment(24)?,
            confidence: text(row, 25)?,
            digest: hash(row, 26)?,
            detail: text(row, 27)?,
        };
        let entry = Entry {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            at: moment(1)?.unwrap_or_default(),
            known: kind.is_some() && spot.is_some() && origin.is_some() == fact.origin.is_some(),
            fact,
            keys: spot.map(|s| s.keys).unwrap_or_default(),
            salt: bytes(row, 6)?.and_then(|salt| salt.try_into().ok()),
            commitment: hash(row, 7)?,
            hash: hash(row, 3)?.unwrap_or_default(),
            result_seq: unsigned(28)?,
            forgotten_by: unsigned(29)?,
        };
        Ok((entry, place))
    }
}

/// A number; `None` for anything else.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    })
}

/// The bytes of a text or a blob; `None` for anything else.
pub(super) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r [u8]>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => None,
    })
}

/// A text; of a blob the text that it is short for. What is not UTF-8 is replaced, so that it does not fit.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(unpack(bytes)),
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(format!("number {number}")),
        ValueRef::Real(number) => Some(format!("number {number}")),
    })
}

/// Thirty-two bytes. Anything else but NULL is a hash that fits nothing.
fn hash(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Hash>> {
    Ok(bytes(row, column)?.map(|bytes| Hash(bytes.try_into().unwrap_or_default())))
}

/// The chain's beginning and its numbers.
pub(super) struct ChainRow {
    pub(super) genesis: Genesis,
    pub(super) base: u64,
    pub(super) writes: u64,
}

impl ChainRow {
    /// `None` in a file that was just made.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        let mut statement =
            db.prepare_cached("SELECT ledger, created, public_key, base, writes FROM chain")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let ledger = bytes(row, 0)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        Ok(Some(Self {
            genesis: Genesis {
                ledger: LedgerId(ledger),
                created: Moment::from_millis(row.get(1)?),
                public_key: bytes(row, 2)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
            },
            base: row.get::<_, i64>(3)?.cast_unsigned(),
            writes: row.get::<_, i64>(4)?.cast_unsigned(),
        }))
    }
}

/// Checkpoints that a condition holds for, in the order of the chain.
pub(super) fn checkpoints(
    db: &Connection,
    genesis: &Genesis,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Checkpoint>> {
    let sql =
        format!("SELECT seq, at, writes, hash, signature FROM checkpoint WHERE {condition} ORDER BY seq");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Checkpoint {
            ledger: genesis.ledger,
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            at: Moment::from_millis(row.get(1)?),
            writes: row.get::<_, i64>(2)?.cast_unsigned(),
            hash: hash(row, 3)?.unwrap_or_default(),
            public_key: genesis.public_key,
            signature: bytes(row, 4)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 64]),
        });
    }
    Ok(found)
}
