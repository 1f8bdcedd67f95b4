//! Reads the whole file for an audit.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::look::head;
use super::row::{COLUMNS, Spots, checkpoints};
use super::runs;
use crate::asked::{Verified, Verify};
use crate::audit::{Audit, Kept};
use crate::hash::Hash;
use crate::kind::Kind;

/// Faults about results that are looked for, at most.
const MOST: i64 = 100;

pub(super) fn verify(db: &Connection, verify: Verify) -> Result<Verified, Fault> {
    let head = head(db)?;
    let spots = Spots::read(db)?;
    let from = match verify.from {
        Some(from @ 2..) => {
            let before: Option<[u8; 32]> = db
                .prepare_cached("SELECT hash FROM entry WHERE seq = ?1")?
                .query_row([(from - 1).cast_signed()], |row| row.get(0))
                .optional()?;
            let Some(before) = before else {
                return Err(Fault::refused(format!("there is no entry {} to begin behind", from - 1)));
            };
            Some((from, Hash(before)))
        }
        _ => None,
    };
    let base = head.base;
    let begin = from.map_or(i64::MIN, |(from, _)| from.cast_signed());
    let kept = Kept {
        checkpoints: checkpoints(db, &head.genesis, "TRUE", [])?,
        runs: runs::ended(db)?,
        foreign: verify.checkpoints,
        from,
        head,
    };
    let mut audit = Audit::begin(kept);
    let mut open: HashMap<i64, i64> = HashMap::new();
    let mut used: HashSet<i64> = HashSet::new();
    let mut statement = db.prepare(&format!("SELECT {COLUMNS} FROM entry e WHERE seq >= ?1 ORDER BY seq"))?;
    let mut rows = statement.query([begin])?;
    while let Some(row) = rows.next()? {
        let (entry, place) = spots.entry(row)?;
        if row.get::<_, i64>(0)? <= base.cast_signed() {
            audit.found(entry.seq, "this entry stands before the beginning of the ledger: it was put in");
            continue;
        }
        if entry.fact.kind == Kind::Accepted && entry.result_seq.is_none() {
            *open.entry(place).or_default() += 1;
        }
        used.insert(place);
        audit.entry(&entry);
    }
    if !audit.results_fit() {
        results(db, base, &mut audit)?;
    }
    if from.is_none() {
        for (id, (_, counted)) in &spots.0 {
            let counts = open.get(id).copied().unwrap_or(0);
            if counts != counted.open {
                let what = format!(
                    "place {id} counts {} writes without a result, and there are {counts}: the row was changed",
                    counted.open
                );
                audit.found(0, what);
            } else if base == 0 && !used.contains(id) {
                audit.found(0, format!("place {id} belongs to no entry: it was put in"));
            }
        }
    }
    Ok(audit.end())
}

/// Which results and what leads to them do not go together.
fn results(db: &Connection, base: u64, audit: &mut Audit) -> Result<(), Fault> {
    let mut found = 0;
    for (sql, what) in [
        (
            "SELECT x.seq FROM entry x WHERE x.result_seq IS NOT NULL AND x.seq > ?2 AND NOT EXISTS (SELECT 1 FROM entry y WHERE y.seq = x.result_seq AND y.kind = 2
                 AND y.about = CASE x.kind WHEN 2 THEN x.about ELSE x.seq END) ORDER BY x.seq LIMIT ?1",
            "it has a result that is not about it: the row was changed",
        ),
        (
            "SELECT y.about FROM entry y LEFT JOIN entry x ON x.seq = y.about WHERE y.kind = 2 AND y.about > ?2
                 AND (x.seq IS NULL OR x.kind <> 1 OR x.result_seq IS NULL OR x.result_seq < y.seq) ORDER BY y.about LIMIT ?1",
            "there is a result about it that it does not have: the row was changed",
        ),
    ] {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([MOST, base.cast_signed()])?;
        while let Some(row) = rows.next()? {
            audit.found(row.get::<_, i64>(0)?.cast_unsigned(), what);
            found += 1;
        }
    }
    if found == 0 {
        audit.found(0, "results and the writes that they are about do not go together");
    }
    Ok(())
}
