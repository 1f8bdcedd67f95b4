//! Reads a piece of the file for an export.

use std::io::Write;

use super::look::head;
use super::row::{COLUMNS, Spots};
use super::succession;
use super::succession::checkpoints;
use crate::asked::{Export, Format};
use crate::chain;
use crate::chains::Chain;
use crate::db::{Db, Fault, args};
use crate::entry::Entry;
use crate::export::{Manifest, Printer, Tally};
use crate::trouble::{Trouble, TroubleKind};

/// Reads it twice: what stands in front has a digest over all that follows.
pub(crate) fn export(
    db: Db<'_>,
    of: Chain,
    export: &Export,
    out: Box<dyn Write + Send>,
) -> Result<Manifest, Fault> {
    let head = head(db, of)?;
    let spots = Spots::read(db)?;
    let (begin, end) = db.range(of);
    // Times of entries need not rise: a clock may have been set back. The piece has no gaps all the same.
    let first = match export.from {
        Some(from) => {
            let sql = "SELECT seq FROM entry WHERE at >= ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT 1";
            db.first(sql, args![from, begin, end], |row| row.count(0))?.unwrap_or(end)
        }
        None => db.number_of(of, head.base.saturating_add(1)),
    };
    let last = match export.until {
        Some(until) => {
            let sql =
                "SELECT seq FROM entry WHERE at < ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq DESC LIMIT 1";
            db.first(sql, args![until, begin, end], |row| row.count(0))?.unwrap_or(begin)
        }
        None => db.number_of(of, head.seq),
    };
    let base = db.number_of(of, head.base);
    let hash = |row: &crate::db::Row<'_>| Ok(row.hash(0)?.unwrap_or_default());
    let before = if first > base.saturating_add(1) {
        let sql = "SELECT hash FROM entry WHERE seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT 1";
        db.first(sql, args![first, begin], hash)?
    } else if head.base > 0 {
        db.first("SELECT hash FROM checkpoint WHERE seq = ?1", args![base], hash)?
    } else {
        None
    };
    let previous = before.unwrap_or_else(|| chain::genesis(&head.genesis));
    let each = |work: &mut dyn FnMut(&Entry) -> std::io::Result<()>| -> Result<(), Fault> {
        let sql = format!("SELECT {COLUMNS} FROM entry e WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
        db.each(&sql, args![first, last], |row| {
            work(&spots.entry(db, row)?.0).map_err(unwritable)?;
            Ok(true)
        })
    };
    let mut tally = Tally::new(&head.genesis, previous);
    each(&mut |entry| {
        tally.entry(entry);
        Ok(())
    })?;
    let signed = checkpoints(db, &head.genesis, "seq BETWEEN ?1 AND ?2", args![first, last])?;
    let manifest = tally.manifest(
        (head.genesis, succession::keys_of(db, &succession::all(db)?, of)?),
        (export.from, export.until),
        previous,
        signed,
    );
    let mut printer = Printer::begin(out, export.format == Format::Csv, &manifest).map_err(unwritable)?;
    each(&mut |entry| printer.entry(entry))?;
    printer.end().map_err(unwritable)?;
    Ok(manifest)
}

fn unwritable(error: std::io::Error) -> Fault {
    Trouble::new(TroubleKind::Unwritable, format!("writing the export: {error}")).into()
}
