//! Removes entries of long ago, from one checkpoint to the next, up to one that was published: what a stranger holds then stands for what is gone.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::fault::Fault;
use super::file::File;
use super::look::used;
use super::pen::Pen;
use super::row::checkpoints;
use crate::asked::{Limits, Pruned};
use crate::audit::pruned_digest;
use crate::fact::Fact;
use crate::kind::Kind;
use crate::trouble::Trouble;

/// Steps of one call, so that a call has an end and whoever appends has its turn.
const STEPS: usize = 100;

/// Results that have matched nothing are kept for so long.
const RAW: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn prune(file: &File, limits: Limits) -> Result<Pruned, Trouble> {
    const DOING: &str = "removing old entries";
    let mut pruned = Pruned::default();
    for _ in 0..STEPS {
        let step = file.write(DOING, |pen| step(pen, limits))?;
        pruned.base = step.base;
        pruned.unpublished = step.unpublished;
        if step.entries == 0 {
            return Ok(pruned);
        }
        pruned.entries += step.entries;
        pruned.writes += step.writes;
        pruned.open += step.open;
    }
    pruned.more = true;
    Ok(pruned)
}

/// Removes everything up to the next checkpoint, if it is due, and writes an entry about it.
fn step(pen: &mut Pen<'_>, limits: Limits) -> Result<Pruned, Fault> {
    let now = pen.now();
    pen.tx.prepare_cached("DELETE FROM result_raw WHERE at < ?1")?.execute([now.minus(RAW).as_millis()])?;
    let mut pruned = Pruned { base: pen.base, ..Pruned::default() };
    let next = pen
        .tx
        .prepare_cached(
            "SELECT c.seq, c.published IS NOT NULL, e.at FROM checkpoint c LEFT JOIN entry e ON e.seq = c.seq WHERE c.seq > ?1 ORDER BY c.seq LIMIT 1",
        )?
        .query_row([pen.base.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, Option<i64>>(2)?))
        })
        .optional()?;
    // All of the piece is as old as its last entry, at least. What is behind the last checkpoint stays.
    let old = |at: i64| limits.age.is_some_and(|age| now.minus(age).as_millis() > at);
    let full = match limits.bytes {
        Some(bytes) => used(pen.tx)? > bytes,
        None => false,
    };
    let (to, published) = match next {
        Some((to, published, at)) if full || at.is_some_and(old) => (to, published),
        // A ledger that is too large and has nothing that could go is waiting for a checkpoint to be published.
        Some(_) => return Ok(pruned),
        None => return Ok(Pruned { unpublished: full, ..pruned }),
    };
    if !published {
        return Ok(Pruned { unpublished: true, ..pruned });
    }
    let mut counted = pen.tx.prepare_cached(
        "SELECT place, count(*), count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 1 AND result_seq IS NULL)
         FROM entry WHERE seq <= ?1 GROUP BY place",
    )?;
    let mut rows = counted.query([to])?;
    let mut removed = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |column| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(column)?.cast_unsigned()) };
        pruned.entries += number(1)?;
        pruned.writes += number(2)?;
        pruned.open += number(3)?;
        removed.push((row.get::<_, i64>(0)?, row.get::<_, i64>(3)?));
    }
    for (place, open) in removed {
        pen.count_removed(place, open);
    }
    pen.tx.prepare_cached("DELETE FROM entry WHERE seq <= ?1")?.execute([to])?;
    pen.tx.prepare_cached("DELETE FROM run WHERE seq <= ?1")?.execute([to])?;
    pen.tx.prepare_cached("UPDATE chain SET base = ?1")?.execute([to])?;
    let kept = checkpoints(pen.tx, pen.genesis(), "seq <= ?1", params![to])?;
    pen.base = to.cast_unsigned();
    pen.write(&Fact {
        about: Some(pen.base),
        count: Some(pruned.entries),
        reason: Some(if full { "bytes" } else { "age" }.to_owned()),
        digest: Some(pruned_digest(kept.iter())),
        ..Fact::new(Kind::Pruned, now)
    })?;
    pen.checkpoint(false)?;
    pruned.base = pen.base;
    Ok(pruned)
}
