//! What is read about single objects, and where a chain ends.

use std::collections::VecDeque;

use super::row::{COLUMNS, ChainRow, Spots};
use super::succession;
use crate::asked::{BucketName, MOST_WRITES, ObjectWrites, Shown, Told};
use crate::chain;
use crate::chains::Chain;
use crate::db::{Db, Fault, Row, args};
use crate::entry::{Entry, Head};
use crate::kind::{Keys, Origin};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// The places of a bucket, and how each keeps its keys.
pub(crate) fn places(db: Db<'_>, bucket: &BucketName) -> Result<Vec<(i64, Keys)>, Fault> {
    // An event that does not say its namespace may be of any.
    let sql = "SELECT id, keys, source, unit FROM place WHERE bucket = ?1 AND (?2 IS NULL OR namespace IS NULL OR namespace = ?2)";
    let mut places = Vec::new();
    db.each(sql, args![&bucket.bucket, &bucket.namespace], |row| {
        let (source, unit) = (row.text(2)?, row.text(3)?);
        // Another store may have a bucket of this name.
        if bucket.of.as_ref().is_none_or(|of| of.has(source.as_deref(), unit.as_deref())) {
            places.push((row.count(0)?, Keys::from_number(row.count(1)?).unwrap_or_default()));
        }
        Ok(true)
    })?;
    Ok(places)
}

/// A key as each place would have it.
pub(crate) struct Sought<'k> {
    pub(crate) clear: &'k [u8],
    /// `None` without the key of the site.
    pub(crate) hashed: Option<Vec<u8>>,
}

impl Sought<'_> {
    /// # Errors
    /// Keys were hashed there, and the key of the site is not at hand.
    pub(crate) fn kept_as(&self, keys: Keys) -> Result<Option<&[u8]>, Fault> {
        match (keys, &self.hashed) {
            (Keys::Clear, _) => Ok(Some(self.clear)),
            (Keys::Hashed, Some(hashed)) => Ok(Some(hashed)),
            (Keys::Off, _) => Ok(None),
            (Keys::Hashed, None) => {
                let detail = "the keys of this bucket are hashed, and ledger.key, which they were hashed with, cannot be read";
                Err(Trouble::new(TroubleKind::Key, detail).into())
            }
        }
    }
}

/// One entry by its number.
pub(super) fn entry(db: Db<'_>, spots: &Spots, number: i64) -> Result<Option<Entry>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM entry e WHERE seq = ?1");
    db.first(&sql, args![number], |row| Ok(spots.entry(db, row)?.0))
}

/// Everything about one object.
pub(crate) fn show(db: Db<'_>, bucket: &BucketName, sought: &Sought<'_>) -> Result<Vec<Shown>, Fault> {
    let spots = Spots::read(db)?;
    let mut shown = Vec::new();
    let is_it = db.key_is("key", "?2");
    let sql =
        format!("SELECT {COLUMNS} FROM entry e WHERE place = ?1 AND {is_it} ORDER BY seq DESC LIMIT ?3");
    for (place, keys) in places(db, bucket)? {
        let Some(key) = sought.kept_as(keys)? else { continue };
        db.each(&sql, args![place, key, MOST_WRITES], |row| {
            shown.push(Shown { entry: spots.entry(db, row)?.0, result: None });
            Ok(true)
        })?;
    }
    shown.sort_by_key(|shown| {
        // Numbers of several chains have no order among each other.
        let at = if db.has_chains() { shown.entry.at } else { Moment::default() };
        (at, shown.entry.number)
    });
    shown.drain(..shown.len().saturating_sub(MOST_WRITES));
    for shown in &mut shown {
        if let Some(seq) = shown.entry.result_seq {
            let of = db.chain_of(shown.entry.number.cast_signed());
            shown.result = entry(db, &spots, db.number_of(of, seq))?;
        }
    }
    Ok(shown)
}

const TOLD: &str = "e.version, e.etag, e.event_time, e.settled_time, e.origin, e.seq, e.key";

fn told(row: &Row<'_>) -> Result<Told, Fault> {
    Ok(Told {
        version: row.text(0)?,
        etag: row.text(1)?,
        event_time: row.number(2)?.map(Moment::from_millis),
        accepted_time: Moment::from_millis(row.count(3)?),
        origin: row.number(4)?.and_then(Origin::from_number),
    })
}

/// The newest writes of one object, from several places.
struct Newest {
    /// What they are sorted by: numbers of several chains have no order among each other.
    chains: bool,
    writes: Vec<((i64, i64), Told)>,
}

impl Newest {
    fn new(db: Db<'_>) -> Self {
        Self { chains: db.has_chains(), writes: Vec::new() }
    }

    fn add(&mut self, number: i64, told: Told) {
        let at = if self.chains { told.accepted_time.as_millis() } else { 0 };
        self.writes.push(((at, number), told));
        // Of one place they come in their order; of several they are sorted in the end.
        if self.writes.len() > 2 * MOST_WRITES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.writes.sort_unstable_by_key(|(order, _)| *order);
        self.writes.drain(..self.writes.len().saturating_sub(MOST_WRITES));
    }

    fn done(mut self) -> Vec<Told> {
        self.cut();
        self.writes.into_iter().map(|(_, told)| told).collect()
    }
}

/// Writes of a place that are read at once.
const PIECE: usize = 1000;

/// A write: its object's key, its number, what is told of it.
type Next = (Vec<u8>, i64, Told);

/// The writes of one place in the order of keys, a piece at a time.
struct Source {
    place: i64,
    /// What was read last, and whether there may be more behind it.
    last: (Vec<u8>, i64),
    more: bool,
    piece: VecDeque<Next>,
}

impl Source {
    /// The next write, which stays the next one.
    fn peek(&mut self, db: Db<'_>, most: usize) -> Result<Option<&Next>, Fault> {
        if self.piece.is_empty() && self.more {
            let (from, order) = (db.key_from("key", "?2"), db.key_order());
            let sql = format!(
                "SELECT {TOLD} FROM entry e WHERE place = ?1 AND {from} AND (key > ?2 OR seq > ?3) AND key IS NOT NULL AND kind = 1
                 ORDER BY {order}, seq LIMIT ?4"
            );
            let (key, number) = &self.last;
            let most = most.clamp(1, PIECE);
            self.piece = db
                .all(&sql, args![self.place, key, *number, most], |row| {
                    Ok((row.bytes(6)?.unwrap_or_default().to_vec(), row.count(5)?, told(row)?))
                })?
                .into();
            self.more = self.piece.len() == most;
        }
        Ok(self.piece.front())
    }

    fn take(&mut self) -> Option<Next> {
        let taken = self.piece.pop_front()?;
        self.last = (taken.0.clone(), taken.1);
        Some(taken)
    }
}

/// The next objects of a bucket in the order of their keys. Every place has an order of its own, so they are merged.
pub(crate) fn writes_from(
    db: Db<'_>,
    bucket: &BucketName,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<ObjectWrites>, Fault> {
    let places = places(db, bucket)?.into_iter().filter(|(_, keys)| *keys == Keys::Clear);
    // No key is empty, so all of them come after the empty one; and no write of the key itself comes after it.
    let last = (after.unwrap_or_default().to_vec(), i64::MAX);
    let mut sources: Vec<_> = places
        .map(|(place, _)| Source { place, last: last.clone(), more: true, piece: Default::default() })
        .collect();
    db.reads_pages()?;
    let mut objects = Vec::new();
    while objects.len() < limit {
        let most = limit - objects.len();
        let mut next: Option<Vec<u8>> = None;
        for source in &mut sources {
            if let Some((key, _, _)) = source.peek(db, most)?
                && next.as_ref().is_none_or(|next| key < next)
            {
                next = Some(key.clone());
            }
        }
        let Some(key) = next else { break };
        let mut newest = Newest::new(db);
        for source in &mut sources {
            while source.peek(db, most)?.is_some_and(|(of, _, _)| *of == key) {
                let Some((_, number, told)) = source.take() else { break };
                newest.add(number, told);
            }
        }
        objects.push(ObjectWrites { key, writes: newest.done() });
    }
    Ok(objects)
}

/// The writes of these objects.
pub(crate) fn writes_of(
    db: Db<'_>,
    bucket: &BucketName,
    sought: &[Sought<'_>],
) -> Result<Vec<ObjectWrites>, Fault> {
    let places = places(db, bucket)?;
    let is_it = db.key_is("key", "?2");
    let sql = format!(
        "SELECT {TOLD} FROM entry e WHERE place = ?1 AND {is_it} AND kind = 1 ORDER BY seq DESC LIMIT ?3"
    );
    let mut objects = Vec::with_capacity(sought.len());
    for sought in sought {
        let mut newest = Newest::new(db);
        for (place, keys) in &places {
            let Some(key) = sought.kept_as(*keys)? else { continue };
            db.each(&sql, args![*place, key, MOST_WRITES], |row| {
                newest.add(row.count(5)?, told(row)?);
                Ok(true)
            })?;
        }
        objects.push(ObjectWrites { key: sought.clear.to_vec(), writes: newest.done() });
    }
    Ok(objects)
}

/// The chains, in the order in which they were begun.
pub(crate) fn chains(db: Db<'_>) -> Result<Vec<crate::entry::LedgerId>, Fault> {
    Ok(ChainRow::all(db)?.into_iter().map(|(_, chain)| chain.genesis.ledger).collect())
}

/// The public half of the key that signs now.
pub(crate) fn signing_key(db: Db<'_>) -> Result<Option<[u8; 32]>, Fault> {
    succession::signing_key(db)
}

/// The chain of a name; without one, this one, or the first. Of a file the one that is written.
pub(crate) fn named(
    db: Db<'_>,
    name: Option<crate::entry::LedgerId>,
    own: Option<Chain>,
) -> Result<Chain, Fault> {
    let Some(name) = name else {
        let written = if db.has_chains() { None } else { ChainRow::all(db)?.last().map(|(of, _)| *of) };
        return Ok(own.or(written).unwrap_or(Chain::FIRST));
    };
    let found = ChainRow::all(db)?.into_iter().find(|(_, chain)| chain.genesis.ledger == name);
    found.map(|(of, _)| of).ok_or_else(|| Fault::refused(format!("the ledger has no chain {name}")))
}

/// Where a chain ends.
pub(crate) fn head(db: Db<'_>, of: Chain) -> Result<Head, Fault> {
    let Some(chain) = ChainRow::read(db, of)? else {
        return Err(Trouble::new(TroubleKind::Damaged, "the ledger has lost the row of its chain").into());
    };
    let (from, to) = db.range(of);
    let sql = "SELECT seq, at, hash FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT 1";
    let last = db.first(sql, args![from, to], |row| {
        Ok((db.seq_of(row.count(0)?), row.count(1)?, row.hash(2)?.unwrap_or_default()))
    })?;
    let (seq, at, hash) =
        last.unwrap_or((chain.base, chain.genesis.created.as_millis(), chain::genesis(&chain.genesis)));
    let last = |condition: &str| -> Result<Option<(u64, Moment)>, Fault> {
        let sql = format!(
            "SELECT seq, at FROM checkpoint WHERE seq BETWEEN ?1 AND ?2 AND {condition} ORDER BY seq DESC LIMIT 1"
        );
        db.first(&sql, args![from, to], |row| {
            Ok((db.seq_of(row.count(0)?), Moment::from_millis(row.count(1)?)))
        })
    };
    let open = db.number(
        "SELECT CAST(coalesce(sum(open), 0) AS bigint) FROM place WHERE id BETWEEN ?1 AND ?2",
        args![from, to],
    )?;
    Ok(Head {
        genesis: chain.genesis,
        seq,
        at: Moment::from_millis(at),
        hash,
        base: chain.base,
        writes: chain.writes,
        open: u64::try_from(open).unwrap_or(0),
        bytes: db.used()?,
        checkpoint: last("TRUE")?,
        published: last("published IS NOT NULL")?,
    })
}
