//! Reads the whole file for an audit.

use std::collections::{HashMap, HashSet};

use super::look::head;
use super::row::{COLUMNS, ChainRow, Spots};
use super::succession::checkpoints;
use super::{runs, succession};
use crate::asked::{Verified, Verify};
use crate::audit::{Audit, Kept};
use crate::chains::Chain;
use crate::db::{Db, Fault, args};
use crate::kind::Kind;

/// Faults about results that are looked for, at most.
const MOST: i64 = 100;

/// Of a chain's checkpoints those from a number on, and the newest.
const NEWEST: &str = "seq BETWEEN ?1 AND ?2 AND (seq >= ?3 OR seq = (SELECT max(seq) FROM checkpoint WHERE seq BETWEEN ?1 AND ?2))";

/// Audits one chain.
pub(crate) fn verify(db: Db<'_>, of: Chain, verify: Verify) -> Result<Verified, Fault> {
    let head = head(db, of)?;
    let spots = Spots::read(db)?;
    let (first, last) = db.range(of);
    // The beginning of a chain needs none before it.
    let last_ones = verify.last.map(|most| head.seq.saturating_sub(most).saturating_add(1));
    let begin_at = verify.from.or(last_ones.filter(|from| *from > head.base.saturating_add(1)));
    let mut missing = None;
    let from = match begin_at {
        Some(from @ 2..) => {
            let sql = "SELECT hash FROM entry WHERE seq = ?1";
            let before =
                db.first(sql, args![db.number_of(of, from - 1)], |row| Ok(row.hash(0)?.unwrap_or_default()))?;
            if before.is_none() && verify.last.is_none() {
                return Err(Fault::refused(format!("there is no entry {} to begin behind", from - 1)));
            }
            missing = before.is_none().then_some(from - 1);
            Some((from, before.unwrap_or_default()))
        }
        _ => None,
    };
    let bounded = verify.last.is_some() && from.is_some();
    let base = head.base;
    let begin = from.map_or(first, |(from, _)| db.number_of(of, from));
    let kept = Kept {
        keys: succession::keys_of(db, &succession::all(db)?, of)?,
        checkpoints: match bounded {
            true => checkpoints(db, &head.genesis, NEWEST, args![first, last, begin])?,
            false => checkpoints(db, &head.genesis, "seq BETWEEN ?1 AND ?2", args![first, last])?,
        },
        runs: runs::ended(db, of, if bounded { begin } else { first })?,
        foreign: verify.checkpoints,
        from,
        bounded,
        head,
    };
    let mut audit = Audit::begin(kept);
    if let Some(missing) = missing {
        audit.found(missing, format!("entry {missing} is missing"));
    }
    let mut open: HashMap<i64, i64> = HashMap::new();
    let mut used: HashSet<i64> = HashSet::new();
    let before = db.number_of(of, base);
    let sql = format!("SELECT {COLUMNS} FROM entry e WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
    db.each(&sql, args![begin, last], |row| {
        let (entry, place) = spots.entry(db, row)?;
        if row.count(0)? <= before {
            audit.found(entry.seq, "this entry stands before the beginning of the ledger: it was put in");
            return Ok(true);
        }
        if entry.fact.kind == Kind::Accepted && entry.result_seq.is_none() {
            *open.entry(place).or_default() += 1;
        }
        used.insert(place);
        audit.entry(&entry);
        Ok(true)
    })?;
    if !audit.results_fit() && bounded {
        audit.found(
            0,
            "results and the writes that they are about do not go together: verify the whole chain",
        );
    } else if !audit.results_fit() {
        results(db, of, base, &mut audit)?;
    }
    for (seq, what) in succession::faults(db, of, base, from.map_or(0, |(from, _)| from))? {
        audit.found(seq, what);
    }
    if from.is_none() {
        for (id, (_, counted)) in spots.0.iter().filter(|(id, _)| (first..=last).contains(*id)) {
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
        if of == Chain::FIRST {
            strays(db, &mut audit)?;
        }
    }
    Ok(audit.end())
}

/// What belongs to no chain, where there may be several: a chain that is gone, or rows that were put in.
fn strays(db: Db<'_>, audit: &mut Audit) -> Result<(), Fault> {
    let chains: Vec<i64> = ChainRow::all(db)?.into_iter().map(|(of, _)| of.0).collect();
    let last = chains.last().copied().unwrap_or(0);
    for gone in (0..last).filter(|of| !chains.contains(of)) {
        // People count from one.
        audit.found(0, format!("chain number {} of this ledger is gone", gone + 1));
    }
    for table in ["entry", "checkpoint"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE seq > ?1");
        let rows = db.number(&sql, args![db.range(Chain(last)).1])?;
        if rows > 0 {
            audit.found(0, format!("{rows} rows of the table {table} belong to no chain of this ledger"));
        }
    }
    Ok(())
}

/// Which results and what leads to them do not go together.
fn results(db: Db<'_>, of: Chain, base: u64, audit: &mut Audit) -> Result<(), Fault> {
    let mut found = 0;
    for (sql, what) in [
        (
            "SELECT x.seq FROM entry x WHERE x.result_seq IS NOT NULL AND x.seq > ?2 AND x.seq <= ?3 AND NOT EXISTS (SELECT 1 FROM entry y WHERE y.seq = x.result_seq AND y.kind = 2
                 AND y.about = CASE x.kind WHEN 2 THEN x.about ELSE x.seq END) ORDER BY x.seq LIMIT ?1",
            "it has a result that is not about it: the row was changed",
        ),
        (
            "SELECT y.about FROM entry y LEFT JOIN entry x ON x.seq = y.about WHERE y.kind = 2 AND y.about > ?2 AND y.about <= ?3
                 AND (x.seq IS NULL OR x.kind <> 1 OR x.result_seq IS NULL OR x.result_seq < y.seq) ORDER BY y.about LIMIT ?1",
            "there is a result about it that it does not have: the row was changed",
        ),
    ] {
        let args = args![MOST, db.number_of(of, base), db.range(of).1];
        for seq in db.all(sql, args, |row| Ok(db.seq_of(row.count(0)?)))? {
            audit.found(seq, what);
            found += 1;
        }
    }
    if found == 0 {
        audit.found(0, "results and the writes that they are about do not go together");
    }
    Ok(())
}
