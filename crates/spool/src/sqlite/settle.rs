//! Writing down what came of items, in the transaction that takes them away.

use rusqlite::{Connection, ToSql, params};

use super::leave::leave;
use super::turn::Turn;
use crate::clock::Moment;
use crate::item::{ItemId, Outcome, State};

/// Marks of accepted writes that are remembered: about 30 MB of file. Senders repeat within minutes, MinIO and RustFS after a
/// restart of theirs; a hundred thousand is a busy day.
pub(super) const MOST_DONE: i64 = 100_000;

/// Writes down what came of items, each with its fact for the ledger, if there is one. One that is gone meanwhile (purged by hand) stays gone,
/// and its fact was not one.
pub(super) fn settle<'a>(
    turn: &Turn<'_>,
    outcomes: impl Iterator<Item = (ItemId, &'a Outcome, Option<&'a str>)>,
    now: Moment,
) -> rusqlite::Result<()> {
    const AGAIN: &str =
        "UPDATE item SET state = ?2, not_before = ?3, reason = ?4, detail = ?5, attempts = attempts + ?6
                         WHERE id = ?1";
    const LANE: &str = "UPDATE item SET lane = ?2, state = 'waiting', not_before = ?3, reason = NULL, detail = NULL WHERE id = ?1";
    let moved = |id: ItemId, sql: &str, row: &[&dyn ToSql]| {
        turn.tally.moved(turn.db, id, |db| db.prepare_cached(sql)?.execute(row))
    };
    let mut remembered = false;
    for (id, outcome, fact) in outcomes {
        let number = id.get();
        let was_there = match outcome {
            Outcome::Accepted => {
                remembered = true;
                leave(turn, id, Some(now))?
            }
            Outcome::Skipped => leave(turn, id, None)?,
            Outcome::Again { state, pause, reason, detail, attempted } => {
                let at = now.plus(*pause).as_millis();
                moved(id, AGAIN, params![number, state.name(), at, reason, detail, attempted])?
            }
            Outcome::Parked { reason, detail, attempted } => {
                let (parked, at) = (State::Parked.name(), now.as_millis());
                moved(id, AGAIN, params![number, parked, at, reason, detail, attempted])?
            }
            Outcome::Lane(lane) => moved(id, LANE, params![number, lane, now.as_millis()])?,
        };
        if let Some(fact) = fact.filter(|_| was_there) {
            turn.tell(now, fact)?;
        }
    }
    if remembered {
        forget_done(turn.db)?;
    }
    Ok(())
}

/// Forgets the oldest marks beyond the hundred thousand.
pub(super) fn forget_done(db: &Connection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM done WHERE id <= (SELECT max(id) FROM done) - ?1";
    db.prepare_cached(sql)?.execute([MOST_DONE])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::file;
    use super::*;

    fn marks(db: &Connection) -> Vec<i64> {
        let mut query = db.prepare("SELECT id FROM done ORDER BY id").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn marks_are_forgotten_beyond_their_number() {
        let (_dir, db) = file();
        db.execute("INSERT INTO done (id, mark, at) VALUES (1, 'first', 0), (?1, 'last', 0)", [MOST_DONE])
            .unwrap();
        forget_done(&db).unwrap();
        assert_eq!(marks(&db), [1, MOST_DONE]);
        db.execute("INSERT INTO done (mark, at) VALUES ('one more', 0)", []).unwrap();
        forget_done(&db).unwrap();
        assert_eq!(marks(&db), [MOST_DONE, MOST_DONE + 1]);
    }

    /// Else they would grow with every event.
    #[test]
    fn an_accepted_item_leaves_its_mark_and_takes_the_oldest_away() {
        let (_dir, db) = file();
        db.execute("INSERT INTO done (id, mark, at) VALUES (1, 'first', 0), (?1, 'last', 0)", [MOST_DONE])
            .unwrap();
        db.execute_batch(
            "INSERT INTO delivery VALUES (1, '', NULL, NULL, '', '[]', x'', 0, 0);
             INSERT INTO item (delivery, path, lane, state, since, not_before, mark, bytes) VALUES (1, '0', 'a', 'waiting', 0, 0, 'new', 0)",
        )
        .unwrap();
        settle(
            &Turn::new(&db, 0),
            [(ItemId::new(1), &Outcome::Accepted, None)].into_iter(),
            Moment::from_millis(1),
        )
        .unwrap();
        assert_eq!(marks(&db), [MOST_DONE, MOST_DONE + 1]);
    }
}
