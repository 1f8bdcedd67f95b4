//! Statements that a group runs for each of its events: found in the connection's cache once a group, because to hash their text costs as much
//! as a small one takes to run.

use std::cell::RefCell;

use rusqlite::{CachedStatement, Connection};

/// One of them.
pub(super) struct Statement<'d> {
    sql: &'static str,
    prepared: RefCell<Option<CachedStatement<'d>>>,
}

impl<'d> Statement<'d> {
    pub(super) const fn new(sql: &'static str) -> Self {
        Self { sql, prepared: RefCell::new(None) }
    }

    /// Does something with it. Its rows must not outlive that.
    pub(super) fn with<T>(
        &self,
        db: &'d Connection,
        run: impl FnOnce(&mut CachedStatement<'d>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut prepared = self.prepared.borrow_mut();
        match &mut *prepared {
            Some(statement) => run(statement),
            None => run(prepared.insert(db.prepare_cached(self.sql)?)),
        }
    }
}

/// Those of accepting and settling.
pub(super) struct Statements<'d> {
    /// Whether a mark is known.
    pub(super) known: Statement<'d>,
    /// A new delivery.
    pub(super) delivery: Statement<'d>,
    /// A new item.
    pub(super) item: Statement<'d>,
    /// What an item counts as, its delivery, its mark, and whether it is alone.
    pub(super) counted: Statement<'d>,
    /// The mark of an item that MDSS has accepted.
    pub(super) done: Statement<'d>,
    /// An item that leaves.
    pub(super) leaves: Statement<'d>,
    /// Another item of a delivery that had several.
    pub(super) heir: Statement<'d>,
    /// A delivery that goes with its last item.
    pub(super) ends: Statement<'d>,
    /// A fact for the ledger.
    pub(super) fact: Statement<'d>,
}

impl Statements<'_> {
    pub(super) const fn new() -> Self {
        Self {
            known: Statement::new(
                "SELECT 1 FROM item WHERE mark = ?1 UNION ALL SELECT 1 FROM done WHERE mark = ?1 LIMIT 1",
            ),
            delivery: Statement::new(
                "INSERT INTO delivery (name, source, dialect, method, headers, body, received, checksum)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ),
            item: Statement::new(
                "INSERT INTO item (delivery, path, lane, state, since, not_before, reason, detail, bucket, key, mark, bytes, source, alone)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ),
            counted: Statement::new(
                "SELECT source, lane, state, reason, bytes, delivery, mark, alone FROM item WHERE id = ?1",
            ),
            done: Statement::new("INSERT INTO done (mark, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING"),
            leaves: Statement::new("DELETE FROM item WHERE id = ?1"),
            heir: Statement::new(
                "SELECT source, lane, state, reason, id FROM item WHERE delivery = ?1 AND alone = 0 LIMIT 1",
            ),
            ends: Statement::new("DELETE FROM delivery WHERE id = ?1"),
            fact: Statement::new("INSERT INTO outbox (id, at, body) VALUES (?1, ?2, ?3)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, without_tables_of_its_own};
    use super::*;

    #[test]
    fn none_makes_a_table_of_its_own() {
        let (_dir, db) = file();
        let Statements { known, delivery, item, counted, done, leaves, heir, ends, fact } = Statements::new();
        for statement in [known, delivery, item, counted, done, leaves, heir, ends, fact] {
            without_tables_of_its_own(&db, statement.sql);
        }
    }
}
