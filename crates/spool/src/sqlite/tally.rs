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

    /// Changes an item, and its place in the tally with it. Gives whether it was there.
    pub(super) fn moved(
        &self,
        db: &Connection,
        id: ItemId,
        change: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<bool> {
        self.count(db, id, -1)?;
        let changed = change(db)?;
        self.count(db, id, 1)?;
        Ok(changed > 0)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mdss_relay_core::{Delivery, Settings};

    use super::super::accept::accept;
    use super::super::desk::{self, Change};
    use super::super::settle::settle;
    use super::super::testing::{counted, file, tally};
    use super::super::turn::Turn;
    use super::*;
    use crate::clock::Moment;
    use crate::intake::{Intake, Sender};
    use crate::item::{Outcome, State};
    use crate::shares::{Limits, Parties};
    use crate::stock::Filter;

    const RECORD: &str = r#"{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"KEY"}}}"#;

    fn intake(n: usize, records: usize) -> Intake {
        let records: Vec<_> = (0..records).map(|r| RECORD.replace("KEY", &format!("{n}-{r}"))).collect();
        let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let source = Some(format!("s{}", n % 3));
        let delivery = Delivery { body: body.into_bytes(), source, ..Delivery::default() };
        let plan = mdss_relay_core::plan(&Settings::default().rules, &delivery);
        Intake::new(delivery, &plan, Sender::Proven)
    }

    fn outcome(n: usize) -> Outcome {
        let (reason, detail, attempted) = ("unavailable", String::new(), true);
        match n % 6 {
            0 => Outcome::Skipped,
            1 => Outcome::Again { state: State::Waiting, pause: Duration::ZERO, reason, detail, attempted },
            2 => Outcome::Again { state: State::Held, pause: Duration::MAX, reason, detail, attempted },
            3 => Outcome::Parked { reason, detail, attempted },
            4 => Outcome::Lane(format!("lane {}", n % 4)),
            _ => Outcome::Accepted,
        }
    }

    fn ids(db: &Connection) -> Vec<ItemId> {
        let mut query = db.prepare("SELECT id FROM item ORDER BY id").unwrap();
        query.query_map([], |row| row.get(0).map(ItemId::new)).unwrap().map(Result::unwrap).collect()
    }

    /// What the triggers do for others, in every way in which an item comes, changes and leaves; several in one group.
    #[test]
    fn whatever_a_group_does_the_tally_says_what_is_there() {
        let (_dir, mut db) = file();
        let limits = Limits { bytes: 1 << 30, parties: Parties { sources: 3, units: 4 } };
        let (now, mut random) = (Moment::from_millis(0), 1_usize);
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut most = 0;
        for round in 0..80 {
            let there = ids(&db);
            let group = db.transaction().unwrap();
            let turn = Turn::new(&group, 0);
            for step in 0..3 {
                accept(&turn, &intake(round * 3 + step, 1 + next(4)), limits, now).unwrap();
            }
            // Some are named twice, and are gone the second time.
            let some: Vec<_> = (0..next(12)).filter_map(|_| there.get(next(there.len().max(1)))).collect();
            let outcomes: Vec<_> = some.iter().map(|id| (**id, outcome(next(6)))).collect();
            settle(&turn, outcomes.iter().map(|(id, outcome)| (*id, outcome, None)), now).unwrap();
            if let (Some(id), true) = (there.get(next(there.len().max(1))), next(4) == 0) {
                let filter = Filter { ids: vec![*id], ..Filter::default() };
                let change = if next(2) == 0 { Change::Retry } else { Change::Purge };
                desk::change(&turn, &filter, None, change, None, now).unwrap();
            }
            turn.tally.write(&group).unwrap();
            drop(turn);
            group.commit().unwrap();
            assert_eq!(tally(&db), counted(&db), "round {round}");
            let lost = "SELECT count(*) FROM delivery WHERE id NOT IN (SELECT delivery FROM item)";
            assert_eq!(db.query_row(lost, [], |row| row.get::<_, i64>(0)), Ok(0), "round {round}");
            most = most.max(tally(&db).len());
        }
        assert!(most > 12, "{most} kinds: nothing was moved");
        for id in ids(&db) {
            let turn = Turn::new(&db, 0);
            settle(&turn, [(id, &Outcome::Accepted, None)].into_iter(), now).unwrap();
            turn.tally.write(&db).unwrap();
        }
        assert_eq!(tally(&db), []);
        let left: i64 = db.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}
