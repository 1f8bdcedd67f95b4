//! Reads in the log of a relay that keeps no ledger.

use std::io::{BufRead, Read};

use rusqlite::{OptionalExtension, params};

use super::fault::Fault;
use super::file::File;
use super::look::{Sought, places};
use super::pack::Packed;
use super::pen::Pen;
use crate::asked::{BucketName, Import, Imported};
use crate::fact::{Fact, MOST_LINE_BYTES, Unreadable};
use crate::kind::{Keys, Kind, Origin};
use crate::moment::Moment;
use crate::trouble::{Trouble, TroubleKind};

/// Lines that share a transaction.
const BATCH: usize = 2000;

/// Bad lines that are kept in words.
const MOST_BAD: usize = 100;

pub(super) fn import(
    file: &File,
    import: &Import,
    mut lines: Box<dyn BufRead + Send>,
) -> Result<Imported, Trouble> {
    const DOING: &str = "reading in a log";
    if file.options.keys == Keys::Off {
        let detail = "keys are not kept, so a line that was read in before could not be told from a new one";
        return Err(Trouble::new(TroubleKind::Refused, detail));
    }
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
        let (new, repeated, checkpoint) = file.write(DOING, |pen| {
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
            if ended && imported.entries + new > 0 {
                pen.write(&Fact {
                    actor: Some(import.actor.clone()),
                    count: Some(imported.entries + new),
                    reason: Some(import.name.clone()),
                    ..Fact::new(Kind::Imported, pen.now())
                })?;
            }
            Ok((new, repeated, pen.checkpoint(false)?))
        })?;
        imported.entries += new;
        imported.repeated += repeated;
        imported.checkpoint = checkpoint.or(imported.checkpoint);
        if ended {
            return Ok(imported);
        }
    }
}

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
    let bucket =
        BucketName { namespace: fact.namespace.as_deref().map(str::to_owned), bucket: bucket.to_string() };
    let sought = Sought { clear: key, hashed: Some(pen.key().hashed(key)) };
    for (place, keys) in places(pen.tx, &bucket)? {
        let Some(key) = sought.kept_as(keys)? else { continue };
        let found: Option<i64> = pen
            .tx
            .prepare_cached(
                "SELECT 1 FROM entry WHERE place = ?1 AND key = ?2 AND kind = 1 AND correlation_id IS ?3 AND (correlation_id IS NOT NULL OR settled_time = ?4) LIMIT 1",
            )?
            .query_row(
                params![
                    place,
                    key,
                    Packed(fact.correlation_id.as_deref()),
                    fact.settled_time.map(Moment::as_millis)
                ],
                |row| row.get(0),
            )
            .optional()?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
