//! How much there is of what: a row for each source, lane, state and reason, because counting a million items takes too long for a gauge.
//!
//! The triggers of the tables keep it for people who change rows with `sqlite3`. The relay's own connections do without them and write the
//! sums of a group at its end: with a trigger SQLite keeps, for every row that is written, a copy of each page that the row changes.

use std::cell::RefCell;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::column::{bytes, number};
use crate::item::ItemId;

/// Source, lane, state and reason, as they are in the file; nothing stands for no source and no reason.
type Kind<'k> = [&'k [u8]; 4];

/// What a group of requests changes of the tally.
#[derive(Default)]
pub(super) struct Tally(RefCell<Vec<Change>>);

struct Change {
    kind: [Vec<u8>; 4],
    items: i64,
    bytes: i64,
}

/// A text as it is in the file, UTF-8 or not.
struct Text<'t>(&'t [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

impl Tally {
    /// So many items more are of a kind, with so many bytes; fewer, if negative.
    pub(super) fn add(&self, kind: Kind<'_>, items: i64, bytes: i64) {
        let mut changes = self.0.borrow_mut();
        match changes.iter_mut().find(|change| change.kind.iter().eq(kind)) {
            Some(change) => {
                change.items += items;
                change.bytes = change.bytes.saturating_add(bytes);
            }
            None => changes.push(Change { kind: kind.map(<[u8]>::to_vec), items, bytes }),
        }
    }

    /// Changes an item, and its place in the tally with it.
    pub(super) fn moved(
        &self,
        db: &Connection,
        id: ItemId,
        change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<()> {
        self.count(db, id, -1)?;
        change(db)?;
        self.count(db, id, 1)
    }

    fn count(&self, db: &Connection, id: ItemId, items: i64) -> rusqlite::Result<()> {
        let sql = "SELECT source, lane, state, reason, bytes FROM item WHERE id = ?1";
        let add = |row: &Row<'_>| {
            self.add(kind(row)?, items, number(row, 4)?.saturating_mul(items));
            Ok(())
        };
        db.prepare_cached(sql)?.query_row([id.get()], add).optional().map(|_| ())
    }

    /// Writes the changes into the table. Before a commit, and before the table is read.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for Change { kind, items, bytes } in self.0.take() {
            if (items, bytes) == (0, 0) {
                continue;
            }
            let [source, lane, state, reason] = &kind;
            let row = params![Text(source), Text(lane), Text(state), Text(reason), items, bytes];
            let there = "UPDATE tally SET items = items + ?5, bytes = bytes + ?6
                         WHERE source = ?1 AND lane = ?2 AND state = ?3 AND reason = ?4";
            if db.prepare_cached(there)?.execute(row)? == 0 && items > 0 {
                db.prepare_cached("INSERT INTO tally VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(row)?;
            }
        }
        Ok(())
    }
}

/// What an item counts as: of a row that begins with its source, lane, state and reason.
pub(super) fn kind<'r>(row: &'r Row<'_>) -> rusqlite::Result<Kind<'r>> {
    Ok([bytes(row, 0)?, bytes(row, 1)?, bytes(row, 2)?, bytes(row, 3)?])
}
