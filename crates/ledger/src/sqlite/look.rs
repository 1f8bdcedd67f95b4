//! What is read about single objects, and where the chain ends.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::row::{COLUMNS, ChainRow, Spots, bytes, number, text};
use crate::asked::{BucketName, MOST_WRITES, ObjectWrites, Shown, Told};
use crate::chain;
use crate::entry::{Entry, Head};
use crate::hash::Hash;
use crate::kind::{Keys, Origin};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// The places of a bucket, and how each keeps its keys.
pub(super) fn places(db: &Connection, bucket: &BucketName) -> rusqlite::Result<Vec<(i64, Keys)>> {
    // An event that does not say its namespace may be of any.
    let mut statement = db.prepare_cached(
        "SELECT id, keys FROM place WHERE bucket = ?1 AND (?2 IS NULL OR namespace IS NULL OR namespace = ?2)",
    )?;
    let rows = statement.query_map(params![bucket.bucket, bucket.namespace], |row| {
        Ok((row.get(0)?, Keys::from_number(row.get(1)?).unwrap_or_default()))
    })?;
    rows.collect()
}

/// A key as each place would have it.
pub(super) struct Sought<'k> {
    pub(super) clear: &'k [u8],
    /// `None` without the key of the site.
    pub(super) hashed: Option<Vec<u8>>,
}

impl Sought<'_> {
    /// # Errors
    /// Keys were hashed there, and the key of the site is not at hand.
    pub(super) fn kept_as(&self, keys: Keys) -> Result<Option<&[u8]>, Fault> {
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
pub(super) fn entry(db: &Connection, spots: &Spots, seq: u64) -> rusqlite::Result<Option<Entry>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM entry e WHERE seq = ?1"))?
        .query_row([seq.cast_signed()], |row| Ok(spots.entry(row)?.0))
        .optional()
}

/// Everything about one object.
pub(super) fn show(db: &Connection, bucket: &BucketName, sought: &Sought<'_>) -> Result<Vec<Shown>, Fault> {
    let spots = Spots::read(db)?;
    let mut shown = Vec::new();
    let mut of_key = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entry e WHERE place = ?1 AND key = ?2 ORDER BY seq DESC LIMIT ?3"
    ))?;
    for (place, keys) in places(db, bucket)? {
        let Some(key) = sought.kept_as(keys)? else { continue };
        let mut rows = of_key.query(params![place, key, MOST_WRITES as i64])?;
        while let Some(row) = rows.next()? {
            shown.push(Shown { entry: spots.entry(row)?.0, result: None });
        }
    }
    shown.sort_by_key(|shown| shown.entry.seq);
    shown.drain(..shown.len().saturating_sub(MOST_WRITES));
    for shown in &mut shown {
        if let Some(seq) = shown.entry.result_seq {
            shown.result = entry(db, &spots, seq)?;
        }
    }
    Ok(shown)
}

const TOLD: &str = "e.version, e.etag, e.event_time, e.settled_time, e.origin, e.seq, e.key";

fn told(row: &rusqlite::Row<'_>) -> rusqlite::Result<Told> {
    Ok(Told {
        version: text(row, 0)?,
        etag: text(row, 1)?,
        event_time: number(row, 2)?.map(Moment::from_millis),
        accepted_time: Moment::from_millis(number(row, 3)?.unwrap_or(0)),
        origin: number(row, 4)?.and_then(Origin::from_number),
    })
}

/// The newest writes of one object, from several places.
#[derive(Default)]
struct Newest(Vec<(i64, Told)>);

impl Newest {
    fn add(&mut self, seq: i64, told: Told) {
        self.0.push((seq, told));
        // Of one place they come in their order; of several they are sorted in the end.
        if self.0.len() > 2 * MOST_WRITES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.0.sort_unstable_by_key(|(seq, _)| *seq);
        self.0.drain(..self.0.len().saturating_sub(MOST_WRITES));
    }

    fn done(mut self) -> Vec<Told> {
        self.cut();
        self.0.into_iter().map(|(_, told)| told).collect()
    }
}

/// The next objects of a bucket in the order of their keys. Every place has an order of its own, so they are merged.
pub(super) fn writes_from(
    db: &Connection,
    bucket: &BucketName,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<ObjectWrites>, Fault> {
    let sql = format!(
        "SELECT {TOLD} FROM entry e WHERE place = ?1 AND key > ?2 AND key IS NOT NULL AND kind = 1 ORDER BY key, seq"
    );
    let places = places(db, bucket)?.into_iter().filter(|(_, keys)| *keys == Keys::Clear);
    let mut statements = Vec::new();
    for (place, _) in places {
        statements.push((place, db.prepare(&sql)?));
    }
    let mut sources = Vec::new();
    for (place, statement) in &mut statements {
        // No key is empty, so all of them come after the empty one.
        let mut rows = statement.query(params![*place, after.unwrap_or_default()])?;
        let first = step(&mut rows)?;
        sources.push((rows, first));
    }
    let mut objects = Vec::new();
    while objects.len() < limit {
        let Some(key) = sources.iter().filter_map(|(_, next)| Some(&next.as_ref()?.0)).min().cloned() else {
            break;
        };
        let mut newest = Newest::default();
        for (rows, next) in &mut sources {
            while let Some((_, seq, told)) = next.take_if(|(of, _, _)| *of == key) {
                newest.add(seq, told);
                *next = step(rows)?;
            }
        }
        objects.push(ObjectWrites { key, writes: newest.done() });
    }
    Ok(objects)
}

/// The next write of a place: its object's key, its number, what is told of it.
fn step(rows: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Option<(Vec<u8>, i64, Told)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((bytes(row, 6)?.unwrap_or_default().to_vec(), row.get(5)?, told(row)?)))
}

/// The writes of these objects.
pub(super) fn writes_of(
    db: &Connection,
    bucket: &BucketName,
    sought: &[Sought<'_>],
) -> Result<Vec<ObjectWrites>, Fault> {
    let places = places(db, bucket)?;
    let mut of_key = db.prepare_cached(&format!(
        "SELECT {TOLD} FROM entry e WHERE place = ?1 AND key = ?2 AND kind = 1 ORDER BY seq DESC LIMIT ?3"
    ))?;
    let mut objects = Vec::with_capacity(sought.len());
    for sought in sought {
        let mut newest = Newest::default();
        for (place, keys) in &places {
            let Some(key) = sought.kept_as(*keys)? else { continue };
            let mut rows = of_key.query(params![place, key, MOST_WRITES as i64])?;
            while let Some(row) = rows.next()? {
                newest.add(row.get(5)?, told(row)?);
            }
        }
        objects.push(ObjectWrites { key: sought.clear.to_vec(), writes: newest.done() });
    }
    Ok(objects)
}

/// Where the chain ends.
pub(super) fn head(db: &Connection) -> Result<Head, Fault> {
    let Some(chain) = ChainRow::read(db)? else {
        return Err(Trouble::new(TroubleKind::Damaged, "the ledger has lost the row of its chain").into());
    };
    let last = db
        .prepare_cached("SELECT seq, at, hash FROM entry ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| {
            let hash = bytes(row, 2)?.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
            Ok((row.get::<_, i64>(0)?, row.get(1)?, Hash(hash)))
        })
        .optional()?;
    let (seq, at, hash) = last.unwrap_or((
        chain.base.cast_signed(),
        chain.genesis.created.as_millis(),
        chain::genesis(&chain.genesis),
    ));
    let last = |condition: &str| -> rusqlite::Result<Option<(u64, Moment)>> {
        let sql = format!("SELECT seq, at FROM checkpoint WHERE {condition} ORDER BY seq DESC LIMIT 1");
        db.prepare_cached(&sql)?
            .query_row([], |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), Moment::from_millis(row.get(1)?)))
            })
            .optional()
    };
    let open: i64 =
        db.prepare_cached("SELECT coalesce(sum(open), 0) FROM place")?.query_row([], |row| row.get(0))?;
    Ok(Head {
        genesis: chain.genesis,
        seq: seq.cast_unsigned(),
        at: Moment::from_millis(at),
        hash,
        base: chain.base,
        writes: chain.writes,
        open: u64::try_from(open).unwrap_or(0),
        bytes: used(db)?,
        checkpoint: last("TRUE")?,
        published: last("published IS NOT NULL")?,
    })
}

/// Bytes of the file that are in use.
pub(super) fn used(db: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0))
}
