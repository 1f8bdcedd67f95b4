//! What is kept of results beside the chain: lessons, what was matched, and what still belongs to nobody.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::fits::{Sought, Units};
use super::pack::Packed;
use super::row::{bytes, text};
use crate::hash::Hash;
use crate::lessons::Lessons;
use crate::moment::Moment;
use crate::results::{Became, RAW_DAYS};

/// The unit under which the lessons of the whole installation stand.
pub(super) const WHOLE: &str = "";

/// So much is kept of a body that is not understood, bytes.
pub(super) const MOST_BODY: usize = 4096;

/// A result that fits nothing is looked at again for so long: the write that it is about is on its way into the ledger.
const PATIENCE: Duration = Duration::from_secs(600);

/// The longest pause between two looks.
const MOST_PAUSE: Duration = Duration::from_secs(120);

/// So many are looked at again at once.
const MOST_AT_ONCE: i64 = 200;

/// The newest that are kept of what is nobody's or not understood: a scan of a whole storage tells of everything in it.
const MOST_FOREIGN: i64 = 20_000;

/// The newest that are kept of what may yet be somebody's.
const MOST_PENDING: i64 = 100_000;

/// The newest matched results that are remembered, so that they are known when they come again.
const MOST_SEEN: i64 = 1_000_000;

/// Every lesson there is. One that cannot be read was written by somebody else, and is learned anew.
pub(super) fn lessons(db: &Connection) -> rusqlite::Result<(Lessons, Units)> {
    let mut statement = db.prepare_cached("SELECT unit, body FROM lesson")?;
    let mut rows = statement.query([])?;
    let (mut whole, mut units) = (Lessons::default(), Units::new());
    while let Some(row) = rows.next()? {
        let (unit, body): (String, String) = (row.get(0)?, row.get(1)?);
        if unit == WHOLE {
            whole = serde_json::from_str(&body).unwrap_or_default();
        } else {
            units.insert(unit, serde_json::from_str(&body).unwrap_or_default());
        }
    }
    Ok((whole, units))
}

pub(super) fn put_lesson(db: &Connection, unit: &str, lesson: &impl Serialize) -> rusqlite::Result<()> {
    let body = serde_json::to_string(lesson).unwrap_or_default();
    db.prepare_cached("INSERT OR REPLACE INTO lesson (unit, body) VALUES (?1, ?2)")?
        .execute([unit, &body])?;
    Ok(())
}

/// Whether it has come before.
pub(super) fn is_known(db: &Connection, digest: &Hash) -> rusqlite::Result<bool> {
    for sql in ["SELECT 1 FROM result_seen WHERE digest = ?1", "SELECT 1 FROM result_raw WHERE digest = ?1"] {
        if db.prepare_cached(sql)?.query_row([digest.0], |_| Ok(())).optional()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn put_seen(db: &Connection, digest: &Hash, at: Moment) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO result_seen (digest, at) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![digest.0, at.as_millis()])?;
    Ok(())
}

/// A result that is kept for later.
pub(super) struct Raw<'r> {
    pub(super) heard: Moment,
    pub(super) source: &'r str,
    pub(super) path: Option<&'r str>,
    pub(super) file_id: Option<&'r str>,
    pub(super) became: Became,
    pub(super) body: &'r [u8],
    pub(super) digest: Hash,
    pub(super) sought: &'r [Sought],
    pub(super) due: Option<Moment>,
}

impl Raw<'_> {
    pub(super) fn insert(&self, db: &Connection) -> rusqlite::Result<()> {
        let sought = serde_json::to_string(self.sought).unwrap_or_default();
        db.prepare_cached(
            "INSERT INTO result_raw (at, source, path, file_id, why, body, digest, sought, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            self.heard.as_millis(),
            self.source,
            self.path,
            Packed(self.file_id),
            self.became.name(),
            self.body,
            self.digest.0,
            sought,
            self.due.map(Moment::as_millis)
        ])?;
        Ok(())
    }
}

/// A result that is to be looked at again.
pub(super) struct Waiting {
    pub(super) id: i64,
    pub(super) heard: Moment,
    pub(super) source: String,
    pub(super) path: Option<String>,
    pub(super) became: Became,
    pub(super) body: Vec<u8>,
    pub(super) digest: Hash,
    pub(super) sought: Vec<Sought>,
    pub(super) tries: u32,
}

const WAITING: &str = "id, at, source, path, why, body, digest, sought, tries";

fn waiting(row: &rusqlite::Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        id: row.get(0)?,
        heard: Moment::from_millis(row.get(1)?),
        source: text(row, 2)?.unwrap_or_default(),
        path: text(row, 3)?,
        became: text(row, 4)?.and_then(|name| Became::read(&name)).unwrap_or(Became::Unreadable),
        body: bytes(row, 5)?.unwrap_or_default().to_vec(),
        digest: Hash(bytes(row, 6)?.and_then(|digest| digest.try_into().ok()).unwrap_or_default()),
        sought: text(row, 7)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        tries: row.get(8)?,
    })
}

/// Those that are due, the first ones first.
pub(super) fn due(db: &Connection, now: Moment) -> rusqlite::Result<Vec<Waiting>> {
    let sql = format!("SELECT {WAITING} FROM result_raw WHERE due <= ?1 ORDER BY due, id LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_map([now.as_millis(), MOST_AT_ONCE], waiting)?.collect()
}

/// How long it waits after so many looks.
pub(super) fn pause(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(7)).min(MOST_PAUSE)
}

/// When it is looked at next; `None`: no more.
pub(super) fn next(heard: Moment, tries: u32, now: Moment) -> Option<Moment> {
    (now.since(heard) < PATIENCE).then(|| now.plus(pause(tries + 1)))
}

pub(super) fn put_off(db: &Connection, id: i64, due: Moment) -> rusqlite::Result<()> {
    let sql = "UPDATE result_raw SET due = ?2, tries = tries + 1, why = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id, due.as_millis(), Became::Waiting.name()])?;
    Ok(())
}

/// It is not looked at again by itself.
pub(super) fn rest(db: &Connection, id: i64, became: Became) -> rusqlite::Result<()> {
    let sql = "UPDATE result_raw SET due = NULL, why = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![id, became.name()])?;
    Ok(())
}

pub(super) fn remove(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM result_raw WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Something was learned: what could not be decided is looked at again.
pub(super) fn wake(db: &Connection, now: Moment) -> rusqlite::Result<()> {
    let sql = "UPDATE result_raw SET due = ?1 WHERE why IN ('ambiguous', 'unlearned') AND due IS NULL";
    db.prepare_cached(sql)?.execute([now.as_millis()])?;
    Ok(())
}

/// How many there are, by what became of them.
pub(super) fn counted(db: &Connection) -> rusqlite::Result<Vec<(Became, u64)>> {
    let mut statement = db.prepare_cached("SELECT why, count(*) FROM result_raw GROUP BY why")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(became) = text(row, 0)?.and_then(|name| Became::read(&name)) {
            all.push((became, row.get::<_, i64>(1)?.cast_unsigned()));
        }
    }
    Ok(all)
}

/// Removes what is too old, and the oldest of what is too much. Gives how many of the latter there were.
pub(super) fn prune(db: &Connection, now: Moment) -> rusqlite::Result<u64> {
    let old = now.minus(Duration::from_secs(RAW_DAYS * 24 * 3600)).as_millis();
    db.prepare_cached("DELETE FROM result_raw WHERE at < ?1")?.execute([old])?;
    db.prepare_cached("DELETE FROM result_seen WHERE at < ?1")?.execute([old])?;
    db.prepare_cached(
        "DELETE FROM result_seen WHERE at < (SELECT at FROM result_seen ORDER BY at DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([MOST_SEEN])?;
    db.prepare_cached(
        "DELETE FROM asked WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.seq = asked.seq AND e.kind = 1 AND e.result_seq IS NULL)",
    )?
    .execute([])?;
    let mut dropped = 0;
    for (whys, most) in [
        ("'foreign', 'unreadable', 'other'", MOST_FOREIGN),
        ("'ambiguous', 'unlearned', 'waiting'", MOST_PENDING),
    ] {
        let sql = format!(
            "DELETE FROM result_raw WHERE why IN ({whys}) AND id <= (SELECT id FROM result_raw WHERE why IN ({whys}) ORDER BY id DESC LIMIT 1 OFFSET ?1)"
        );
        dropped += db.prepare_cached(&sql)?.execute([most])? as u64;
    }
    Ok(dropped)
}
