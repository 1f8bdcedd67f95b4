//! Reads in the log of a relay that keeps no ledger.

use std::io::{BufRead, Read};

use super::look::{Sought, places};
use super::pen::Pen;
use crate::asked::{BucketName, Import, Imported};
use crate::checkpoint::Checkpoint;
use crate::db::{Fault, Param};
use crate::fact::{Fact, MOST_LINE_BYTES, Unreadable};
use crate::kind::{Kind, Origin};
use crate::trouble::{Trouble, TroubleKind};

/// Lines that share a transaction.
const BATCH: usize = 2000;

/// Bad lines that are kept in words.
const MOST_BAD: usize = 100;

/// Reads in all lines; `write` does some work in a transaction.
pub(crate) fn import(
    import: &Import,
    mut lines: Box<dyn BufRead + Send>,
    mut write: impl FnMut(&mut Work<'_>) -> Result<Written, Trouble>,
) -> Result<Imported, Trouble> {
    let mut imported = Imported::default();
    let mut line = Vec::new();
    loop {
        let mut facts = Vec::new();
        let mut ended = false;
        while facts.len() < BATCH {
            if !next(&mut lines, &mut line)? {
                ended = true;
                break;
            }
            imported.lines += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                imported.others += 1;
                continue;
            }
            match Fact::read(&line) {
                // A row of an outbox that somebody has copied is no line of a log: only accepted objects are taken from those.
                Ok(fact) if fact.kind == Kind::Accepted => {
                    facts.push(Fact { origin: Some(Origin::Log), ..fact });
                }
                Ok(_) | Err(Unreadable::Other) => imported.others += 1,
                Err(Unreadable::Bad(what)) => {
                    imported.bad += 1;
                    if imported.first_bad.len() < MOST_BAD {
                        imported.first_bad.push((imported.lines, what));
                    }
                }
            }
        }
        let before = imported.entries;
        let (new, repeated, checkpoint) = write(&mut |pen| {
            let (mut new, mut repeated) = (0, 0);
            for fact in &facts {
                if is_there(pen, fact)? {
                    repeated += 1;
                } else {
                    pen.write(fact)?;
                    new += 1;
                }
            }
            // Who has put these entries in, by hand.
            if ended && before + new > 0 {
                pen.write(&Fact {
                    actor: Some(import.actor.clone()),
                    count: Some(before + new),
                    reason: Some(import.name.clone()),
                    ..Fact::new(Kind::Imported, pen.now())
                })?;
            }
            Ok((new, repeated, pen.checkpoints_due()?))
        })?;
        imported.entries += new;
        imported.repeated += repeated;
        imported.checkpoint = checkpoint.or(imported.checkpoint);
        if ended {
            return Ok(imported);
        }
    }
}

/// Work in a transaction: entries that are new, those that were there, and a checkpoint that was due.
pub(crate) type Work<'w> = dyn FnMut(&mut Pen<'_>) -> Result<Written, Fault> + 'w;
pub(crate) type Written = (u64, u64, Option<Checkpoint>);

/// Reads the next line; false at the end. Of one that is too long a little more is kept, so that it is found to be, and the rest passed over.
fn next(lines: &mut Box<dyn BufRead + Send>, line: &mut Vec<u8>) -> Result<bool, Trouble> {
    let unreadable =
        |e: std::io::Error| Trouble::new(TroubleKind::Refused, format!("the lines cannot be read: {e}"));
    line.clear();
    let most = MOST_LINE_BYTES as u64 + 2;
    if lines.take(most).read_until(b'\n', line).map_err(unreadable)? == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') {
        lines.skip_until(b'\n').map_err(unreadable)?;
    }
    Ok(true)
}

/// Whether the same acceptance is there: of the same object, by the same name that MDSS has given it; without a name, at the same time. A relay that
/// keeps a ledger writes the same line, and its log is read in without harm.
fn is_there(pen: &mut Pen<'_>, fact: &Fact) -> Result<bool, Fault> {
    let (Some(bucket), Some(key)) = (&fact.bucket, &fact.key) else { return Ok(false) };
    let namespace = fact.namespace.as_deref().map(str::to_owned);
    let bucket = BucketName { namespace, ..BucketName::new(&**bucket) };
    let sought = Sought { clear: key, hashed: Some(pen.key().hashed(key)) };
    for (place, keys) in places(pen.db, &bucket)? {
        let Some(key) = sought.kept_as(keys)? else { continue };
        let is_it = pen.db.key_is("key", "?2");
        let sql = format!(
            "SELECT 1 FROM entry WHERE place = ?1 AND {is_it} AND kind = 1 AND correlation_id IS NOT DISTINCT FROM ?3
             AND (correlation_id IS NOT NULL OR settled_time = ?4) LIMIT 1"
        );
        let id = Param::Packed(fact.correlation_id.as_deref());
        if pen.db.is_there(&sql, &[place.into(), key.into(), id, fact.settled_time.into()])? {
            return Ok(true);
        }
    }
    Ok(false)
}
