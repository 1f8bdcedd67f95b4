//! What is kept of results beside the chain: lessons, what was matched, and what still belongs to nobody.

use std::time::Duration;

use serde::Serialize;

use super::fits::{Sought, Units};
use crate::db::{Db, Fault, Param, Row, args};
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
pub(super) fn lessons(db: Db<'_>) -> Result<(Lessons, Units), Fault> {
    let (mut whole, mut units) = (Lessons::default(), Units::new());
    db.each("SELECT unit, body FROM lesson", &[], |row| {
        let (unit, body) = (row.text(0)?.unwrap_or_default(), row.text(1)?.unwrap_or_default());
        if unit == WHOLE {
            whole = serde_json::from_str(&body).unwrap_or_default();
        } else {
            units.insert(unit, serde_json::from_str(&body).unwrap_or_default());
        }
        Ok(true)
    })?;
    Ok((whole, units))
}

pub(super) fn put_lesson(db: Db<'_>, unit: &str, lesson: &impl Serialize) -> Result<(), Fault> {
    let body = serde_json::to_string(lesson).unwrap_or_default();
    let sql = "INSERT INTO lesson (unit, body) VALUES (?1, ?2) ON CONFLICT (unit) DO UPDATE SET body = excluded.body";
    db.execute(sql, args![unit, &body]).map(drop)
}

/// Whether it has come before.
pub(super) fn is_known(db: Db<'_>, digest: &Hash) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM result_seen WHERE digest = ?1 UNION ALL SELECT 1 FROM result_raw WHERE digest = ?1 LIMIT 1";
    db.is_there(sql, args![digest])
}

pub(super) fn put_seen(db: Db<'_>, digest: &Hash, at: Moment) -> Result<(), Fault> {
    let sql = "INSERT INTO result_seen (digest, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.execute(sql, args![digest, at]).map(drop)
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
    pub(super) fn insert(&self, db: Db<'_>) -> Result<(), Fault> {
        let sought = serde_json::to_string(self.sought).unwrap_or_default();
        let nul = |text: &str| if db.takes_nul() { text.to_owned() } else { text.replace('\0', "\u{fffd}") };
        let (path, file_id) = (self.path.map(nul), self.file_id.map(nul));
        db.execute(
            "INSERT INTO result_raw (at, source, path, file_id, why, body, digest, sought, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            args![
                self.heard,
                self.source,
                &path,
                Param::Packed(file_id.as_deref()),
                self.became.name(),
                self.body,
                &self.digest,
                &sought,
                self.due
            ],
        )
        .map(drop)
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

fn waiting(row: &Row<'_>) -> Result<Waiting, Fault> {
    Ok(Waiting {
        id: row.count(0)?,
        heard: Moment::from_millis(row.count(1)?),
        source: row.text(2)?.unwrap_or_default(),
        path: row.text(3)?,
        became: row.text(4)?.and_then(|name| Became::read(&name)).unwrap_or(Became::Unreadable),
        body: row.bytes(5)?.unwrap_or_default().to_vec(),
        digest: row.hash(6)?.unwrap_or_default(),
        sought: row.text(7)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        tries: u32::try_from(row.count(8)?).unwrap_or(0),
    })
}

/// Those that are due, the first ones first.
pub(super) fn due(db: Db<'_>, now: Moment) -> Result<Vec<Waiting>, Fault> {
    let sql = format!("SELECT {WAITING} FROM result_raw WHERE due <= ?1 ORDER BY due, id LIMIT ?2");
    db.all(&sql, args![now, MOST_AT_ONCE], waiting)
}

/// The newest ones of which it cannot be said whose they are.
pub(super) fn ambiguous(db: Db<'_>, most: usize) -> Result<Vec<Waiting>, Fault> {
    let sql = format!("SELECT {WAITING} FROM result_raw WHERE why = ?1 ORDER BY id DESC LIMIT ?2");
    db.all(&sql, args![Became::Ambiguous.name(), most], waiting)
}

/// When MDSS was last asked about a write.
pub(super) fn asked_last(db: Db<'_>, seq: u64) -> Result<Option<Moment>, Fault> {
    db.first("SELECT last FROM asked WHERE seq = ?1", args![seq], |row| {
        Ok(Moment::from_millis(row.count(0)?))
    })
}

/// What stands for a scan of which MDSS was asked, to the second: its notification may come afterwards.
fn scan(file_id: &str, ended: Moment) -> Hash {
    Hash::of(&[b"asked\0", file_id.as_bytes(), b"\0", &ended.as_millis().div_euclid(1000).to_be_bytes()])
}

/// Whether MDSS has told of this scan when it was asked.
pub(super) fn was_asked(db: Db<'_>, file_id: &str, ended: Moment) -> Result<bool, Fault> {
    is_known(db, &scan(file_id, ended))
}

/// Of a scan it is known whose it is: what was ambiguous about it was that, and so is what comes yet.
pub(super) fn known_now(db: Db<'_>, file_id: &str, ended: Moment, now: Moment) -> Result<(), Fault> {
    put_seen(db, &scan(file_id, ended), now)?;
    let sql = "SELECT id, digest FROM result_raw WHERE why = ?1 AND file_id = ?2";
    let name = Became::Ambiguous.name();
    let rows = db.all(sql, &[Param::from(name), Param::Packed(Some(file_id))], |row| {
        Ok((row.count(0)?, row.hash(1)?.unwrap_or_default()))
    })?;
    for (id, digest) in rows {
        remove(db, id)?;
        put_seen(db, &digest, now)?;
    }
    Ok(())
}

/// How long it waits after so many looks.
pub(super) fn pause(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(7)).min(MOST_PAUSE)
}

/// When it is looked at next; `None`: no more.
pub(super) fn next(heard: Moment, tries: u32, now: Moment) -> Option<Moment> {
    (now.since(heard) < PATIENCE).then(|| now.plus(pause(tries + 1)))
}

pub(super) fn put_off(db: Db<'_>, id: i64, due: Moment) -> Result<(), Fault> {
    let sql = "UPDATE result_raw SET due = ?2, tries = tries + 1, why = ?3 WHERE id = ?1";
    db.execute(sql, args![id, due, Became::Waiting.name()]).map(drop)
}

/// It is not looked at again by itself.
pub(super) fn rest(db: Db<'_>, id: i64, became: Became) -> Result<(), Fault> {
    let sql = "UPDATE result_raw SET due = NULL, why = ?2 WHERE id = ?1";
    db.execute(sql, args![id, became.name()]).map(drop)
}

pub(super) fn remove(db: Db<'_>, id: i64) -> Result<(), Fault> {
    db.execute("DELETE FROM result_raw WHERE id = ?1", args![id]).map(drop)
}

/// Something was learned: what could not be decided is looked at again.
pub(super) fn wake(db: Db<'_>, now: Moment) -> Result<(), Fault> {
    let sql = "UPDATE result_raw SET due = ?1 WHERE why IN ('ambiguous', 'unlearned') AND due IS NULL";
    db.execute(sql, args![now]).map(drop)
}

/// How many there are, by what became of them.
pub(super) fn counted(db: Db<'_>) -> Result<Vec<(Became, u64)>, Fault> {
    let mut all = Vec::new();
    db.each("SELECT why, count(*) FROM result_raw GROUP BY why", &[], |row| {
        if let Some(became) = row.text(0)?.and_then(|name| Became::read(&name)) {
            all.push((became, row.count(1)?.cast_unsigned()));
        }
        Ok(true)
    })?;
    Ok(all)
}

/// Removes what is too old, and the oldest of what is too much. Gives how many of the latter there were.
pub(super) fn prune(db: Db<'_>, now: Moment) -> Result<u64, Fault> {
    let old = now.minus(Duration::from_secs(RAW_DAYS * 24 * 3600));
    db.execute("DELETE FROM result_raw WHERE at < ?1", args![old])?;
    db.execute("DELETE FROM result_seen WHERE at < ?1", args![old])?;
    db.execute(
        "DELETE FROM result_seen WHERE at < (SELECT at FROM result_seen ORDER BY at DESC LIMIT 1 OFFSET ?1)",
        args![MOST_SEEN],
    )?;
    db.execute(
        "DELETE FROM asked WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.seq = asked.seq AND e.kind = 1 AND e.result_seq IS NULL)",
        &[],
    )?;
    let mut dropped = 0;
    for (whys, most) in [
        ("'foreign', 'unreadable', 'other'", MOST_FOREIGN),
        ("'ambiguous', 'unlearned', 'waiting'", MOST_PENDING),
    ] {
        let sql = format!(
            "DELETE FROM result_raw WHERE why IN ({whys}) AND id <= (SELECT id FROM result_raw WHERE why IN ({whys}) ORDER BY id DESC LIMIT 1 OFFSET ?1)"
        );
        dropped += db.execute(&sql, args![most])?;
    }
    Ok(dropped)
}
