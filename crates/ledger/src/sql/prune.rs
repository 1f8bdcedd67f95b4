//! Removes entries of long ago, from one checkpoint to the next, up to one that was published: what a stranger holds then stands for what is gone.

use std::time::Duration;

use super::pen::Pen;
use super::row::ChainRow;
use super::succession::checkpoints;
use crate::asked::{Limits, Pruned};
use crate::audit::pruned_digest;
use crate::chains::Chain;
use crate::db::{Fault, args};
use crate::fact::Fact;
use crate::kind::Kind;
use crate::moment::Moment;

/// Results that have matched nothing are kept for so long.
const RAW: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes the next piece of a chain: of the one whose piece is the oldest, if there are several.
pub(crate) fn step(pen: &mut Pen<'_>, limits: Limits) -> Result<Pruned, Fault> {
    let db = pen.db;
    db.execute("DELETE FROM result_raw WHERE at < ?1", args![pen.now().minus(RAW)])?;
    let full = match limits.bytes {
        Some(bytes) => db.used()? > bytes,
        None => false,
    };
    let mut pieces = Vec::new();
    let mut pruned = Pruned { base: pen.end(pen.own())?.base, ..Pruned::default() };
    for (of, chain) in ChainRow::all(db)? {
        let (first, last) = (db.number_of(of, chain.base), db.range(of).1);
        let sql = "SELECT c.seq, c.published IS NOT NULL, e.at FROM checkpoint c LEFT JOIN entry e ON e.seq = c.seq WHERE c.seq > ?1 AND c.seq <= ?2 ORDER BY c.seq LIMIT 1";
        let next =
            db.first(sql, args![first, last], |row| Ok((row.count(0)?, row.count(1)? != 0, row.number(2)?)))?;
        match next {
            Some((to, published, at)) => pieces.push((at.unwrap_or(i64::MAX), of, to, published)),
            // A ledger that is too large and has nothing that could go is waiting for a checkpoint to be published.
            None => pruned.unpublished |= full,
        }
    }
    pieces.sort_unstable();
    for (at, of, to, published) in pieces {
        // All of the piece is as old as its last entry, at least. What is behind the last checkpoint stays.
        let old = limits.age.is_some_and(|age| pen.now().minus(age) > Moment::from_millis(at));
        if !(full || old) {
            continue;
        }
        if published {
            return piece(pen, of, to, full);
        }
        pruned.unpublished = true;
    }
    Ok(pruned)
}

/// Removes everything of a chain up to there, and writes an entry about it.
fn piece(pen: &mut Pen<'_>, of: Chain, to: i64, full: bool) -> Result<Pruned, Fault> {
    let db = pen.db;
    // Nobody else writes into it from here on.
    let genesis = pen.end(of)?.genesis;
    let (first, _) = db.range(of);
    let counted = db.all(
        "SELECT place, count(*), count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 1 AND result_seq IS NULL)
         FROM entry WHERE seq BETWEEN ?1 AND ?2 GROUP BY place",
        args![first, to],
        |row| Ok((row.count(0)?, [row.count(1)?, row.count(2)?, row.count(3)?])),
    )?;
    let mut pruned = Pruned { base: db.seq_of(to), ..Pruned::default() };
    for (place, [entries, writes, open]) in counted {
        pruned.entries += entries.cast_unsigned();
        pruned.writes += writes.cast_unsigned();
        pruned.open += open.cast_unsigned();
        pen.count_removed(place, open);
    }
    db.execute("DELETE FROM entry WHERE seq BETWEEN ?1 AND ?2", args![first, to])?;
    db.execute("DELETE FROM run WHERE seq BETWEEN ?1 AND ?2", args![first, to])?;
    db.execute("UPDATE chain SET base = ?1 WHERE id = ?2", args![pruned.base, db.row_of(of)])?;
    let kept = checkpoints(db, &genesis, "seq BETWEEN ?1 AND ?2", args![first, to])?;
    pen.end(of)?.base = pruned.base;
    let fact = Fact {
        about: Some(pruned.base),
        count: Some(pruned.entries),
        reason: Some(if full { "bytes" } else { "age" }.to_owned()),
        digest: Some(pruned_digest(kept.iter())),
        ..Fact::new(Kind::Pruned, pen.now())
    };
    pen.write_into(of, &fact, None)?;
    pen.checkpoint(of, false)?;
    Ok(pruned)
}
