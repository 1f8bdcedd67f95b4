//! A row as an entry. It is read whatever it holds: a value that somebody has put there must make the chain fail to fit, not the reader.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chains::Chain;
use crate::db::{Db, Fault, Row, args};
use crate::entry::{Entry, Genesis, LedgerId};
use crate::fact::Fact;
use crate::kind::{Keys, Kind, Origin};
use crate::moment::Moment;

/// The columns that [`Rows::entry`] reads, in its order.
pub(super) const COLUMNS: &str = "e.seq, e.at, e.kind, e.hash, e.place, e.key, e.salt, e.commitment, e.version, e.etag, e.size, e.event_time, \
     e.received_time, e.settled_time, e.attempts, e.correlation_id, e.origin, e.actor, e.count, e.reason, e.about, e.file_id, e.result, \
     e.file_state, e.scan_time, e.confidence, e.digest, e.detail, e.result_seq, e.forgotten_by";

/// What many entries have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
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
    /// Those of all chains.
    pub(super) fn read(db: Db<'_>) -> Result<Self, Fault> {
        let sql = "SELECT id, source, dialect, bucket, namespace, unit, keys, open, results, last_result FROM place";
        let mut spots = HashMap::new();
        db.each(sql, &[], |row| {
            let name = |column| -> Result<_, Fault> { Ok(row.text(column)?.map(Arc::from)) };
            // What something else has written has no place that is known.
            let Some(keys) = row.number(6)?.and_then(Keys::from_number) else { return Ok(true) };
            let spot = Spot {
                source: name(1)?,
                dialect: name(2)?,
                bucket: name(3)?,
                namespace: name(4)?,
                unit: name(5)?,
                keys,
            };
            let counted = Counted {
                open: row.count(7)?,
                results: row.count(8)?,
                last_result: row.number(9)?.map(Moment::from_millis),
            };
            spots.insert(row.count(0)?, (spot, counted));
            Ok(true)
        })?;
        Ok(Self(spots))
    }

    /// Reads a row that begins with [`COLUMNS`]. The second value is the number of its place.
    pub(super) fn entry(&self, db: Db<'_>, row: &Row<'_>) -> Result<(Entry, i64), Fault> {
        let place = row.count(4)?;
        let spot = self.0.get(&place).map(|(spot, _)| spot);
        let kind = row.number(2)?.and_then(Kind::from_number);
        let moment = |column| -> Result<_, Fault> { Ok(row.number(column)?.map(Moment::from_millis)) };
        let unsigned = |column| -> Result<_, Fault> { Ok(row.number(column)?.map(i64::cast_unsigned)) };
        let local = |column| -> Result<_, Fault> { Ok(row.number(column)?.map(|number| db.seq_of(number))) };
        let number = row.count(0)?;
        let origin = row.number(16)?;
        let fact = Fact {
            kind: kind.unwrap_or_default(),
            source: spot.and_then(|s| s.source.clone()),
            dialect: spot.and_then(|s| s.dialect.clone()),
            bucket: spot.and_then(|s| s.bucket.clone()),
            namespace: spot.and_then(|s| s.namespace.clone()),
            unit: spot.and_then(|s| s.unit.clone()),
            key: row.bytes(5)?.map(<[u8]>::to_vec),
            version: row.text(8)?,
            etag: row.text(9)?,
            size: unsigned(10)?,
            event_time: moment(11)?,
            received_time: moment(12)?,
            settled_time: moment(13)?,
            attempts: unsigned(14)?,
            correlation_id: row.text(15)?,
            origin: origin.and_then(Origin::from_number),
            actor: row.text(17)?,
            count: unsigned(18)?,
            reason: row.text(19)?,
            about: local(20)?,
            file_id: row.text(21)?,
            result: row.text(22)?,
            file_state: row.text(23)?,
            scan_time: moment(24)?,
            confidence: row.text(25)?,
            digest: row.hash(26)?,
            detail: row.text(27)?,
        };
        let entry = Entry {
            seq: db.seq_of(number),
            number: number.cast_unsigned(),
            at: moment(1)?.unwrap_or_default(),
            known: kind.is_some() && spot.is_some() && origin.is_some() == fact.origin.is_some(),
            fact,
            keys: spot.map(|s| s.keys).unwrap_or_default(),
            salt: row.bytes(6)?.and_then(|salt| salt.try_into().ok()),
            commitment: row.hash(7)?,
            hash: row.hash(3)?.unwrap_or_default(),
            result_seq: local(28)?,
            forgotten_by: local(29)?,
        };
        Ok((entry, place))
    }
}

/// The chain's beginning and its numbers.
pub(crate) struct ChainRow {
    pub(crate) genesis: Genesis,
    pub(crate) base: u64,
    pub(crate) writes: u64,
}

const CHAIN: &str = "ledger, created, public_key, base, writes";

fn chain(row: &Row<'_>) -> Result<ChainRow, Fault> {
    Ok(ChainRow {
        genesis: Genesis {
            ledger: LedgerId(row.bytes(0)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()),
            created: Moment::from_millis(row.count(1)?),
            public_key: row.bytes(2)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default(),
        },
        base: row.count(3)?.cast_unsigned(),
        writes: row.count(4)?.cast_unsigned(),
    })
}

impl ChainRow {
    /// `None` in a ledger that was just made.
    pub(crate) fn read(db: Db<'_>, of: Chain) -> Result<Option<Self>, Fault> {
        db.first(&format!("SELECT {CHAIN} FROM chain WHERE id = ?1"), args![db.row_of(of)], chain)
    }

    /// Those of all chains, in the order in which they were begun.
    pub(crate) fn all(db: Db<'_>) -> Result<Vec<(Chain, Self)>, Fault> {
        db.all(&format!("SELECT {CHAIN}, id FROM chain ORDER BY id"), &[], |row| {
            let of = Chain(row.count(5)? - db.row_of(Chain::FIRST));
            Ok((of, chain(row)?))
        })
    }
}
