//! Reads a piece of the file for an export.

use std::io::Write;

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::look::head;
use super::row::{COLUMNS, Spots, checkpoints};
use crate::asked::{Export, Format};
use crate::chain;
use crate::entry::Entry;
use crate::export::{Manifest, Printer, Tally};
use crate::hash::Hash;
use crate::trouble::{Trouble, TroubleKind};

/// Reads it twice: what stands in front has a digest over all that follows.
pub(super) fn export(
    db: &Connection,
    export: &Export,
    out: Box<dyn Write + Send>,
) -> Result<Manifest, Fault> {
    let head = head(db)?;
    let spots = Spots::read(db)?;
    let number = |sql: &str, at: i64| -> rusqlite::Result<Option<i64>> {
        db.prepare(sql)?.query_row([at], |row| row.get(0)).optional()
    };
    // Times of entries need not rise: a clock may have been set back. The piece has no gaps all the same.
    let first = match export.from {
        Some(from) => number("SELECT seq FROM entry WHERE at >= ?1 ORDER BY seq LIMIT 1", from.as_millis())?
            .unwrap_or(i64::MAX),
        None => head.base.cast_signed().saturating_add(1),
    };
    let last = match export.until {
        Some(until) => {
            number("SELECT seq FROM entry WHERE at < ?1 ORDER BY seq DESC LIMIT 1", until.as_millis())?
                .unwrap_or(0)
        }
        None => head.seq.cast_signed(),
    };
    let base = head.base.cast_signed();
    let before: Option<[u8; 32]> = if first > base.saturating_add(1) {
        db.prepare("SELECT hash FROM entry WHERE seq < ?1 ORDER BY seq DESC LIMIT 1")?
            .query_row([first], |row| row.get(0))
            .optional()?
    } else if base > 0 {
        db.prepare("SELECT hash FROM checkpoint WHERE seq = ?1")?
            .query_row([base], |row| row.get(0))
            .optional()?
    } else {
        None
    };
    let previous = before.map_or_else(|| chain::genesis(&head.genesis), Hash);
    let each = |work: &mut dyn FnMut(&Entry) -> std::io::Result<()>| -> Result<(), Fault> {
        let sql = format!("SELECT {COLUMNS} FROM entry e WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query([first, last])?;
        while let Some(row) = rows.next()? {
            work(&spots.entry(row)?.0).map_err(unwritable)?;
        }
        Ok(())
    };
    let mut tally = Tally::new(&head.genesis, previous);
    each(&mut |entry| {
        tally.entry(entry);
        Ok(())
    })?;
    let signed = checkpoints(db, &head.genesis, "seq BETWEEN ?1 AND ?2", params![first, last])?;
    let manifest = tally.manifest(head.genesis, (export.from, export.until), previous, signed);
    let mut printer = Printer::begin(out, export.format == Format::Csv, &manifest).map_err(unwritable)?;
    each(&mut |entry| printer.entry(entry))?;
    printer.end().map_err(unwritable)?;
    Ok(manifest)
}

fn unwritable(error: std::io::Error) -> Fault {
    Trouble::new(TroubleKind::Unwritable, format!("writing the export: {error}")).into()
}
