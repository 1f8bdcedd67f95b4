//! The outbox in the file: facts are numbered and counted in memory while a group writes them, and the counts are written at its end.

use std::cell::RefCell;

use rusqlite::{Connection, Row, params};

use super::column::{bytes, number};
use super::statement::Statement;
use crate::clock::Moment;
use crate::fact::gap;
use crate::outbox::{FULL, MOST_TAKEN_BYTES, OUTBOX_LIMIT, OutboxRow, OutboxSize, ROW_BYTES};

/// What a group changes of the outbox.
#[derive(Default)]
pub(super) struct Outbox(RefCell<Option<Standing>>);

#[derive(Clone)]
struct Standing {
    room: Option<u64>,
    last: i64,
    rows: i64,
    bytes: i64,
    lost: i64,
    from: i64,
    to: i64,
    changed: bool,
}

/// Where facts are written, and the statement that does it.
#[derive(Clone, Copy)]
pub(super) struct To<'s, 'd> {
    pub(super) db: &'d Connection,
    pub(super) fact: &'s Statement<'d>,
}

impl Standing {
    fn read(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT room, last, rows, bytes, lost, lost_from, lost_to FROM outbox_state";
        db.prepare_cached(sql)?.query_row([], |row| {
            Ok(Self {
                room: row.get::<_, Option<i64>>(0)?.map(|room| u64::try_from(room).unwrap_or(0)),
                last: number(row, 1)?,
                rows: number(row, 2)?,
                bytes: number(row, 3)?,
                lost: number(row, 4)?,
                from: number(row, 5)?,
                to: number(row, 6)?,
                changed: false,
            })
        })
    }

    fn has_room(&self, size: i64) -> bool {
        let limit = self.room.unwrap_or(OUTBOX_LIMIT);
        u64::try_from(self.bytes.saturating_add(size)).unwrap_or(0) <= limit
    }

    fn insert(&mut self, to: To<'_, '_>, at: Moment, body: &str) -> rusqlite::Result<()> {
        self.last += 1;
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + size(body.len()));
        let row = params![self.last, at.as_millis(), body];
        to.fact.with(to.db, |fact| fact.execute(row)).map(drop)
    }

    /// What there was no room for becomes a fact itself, if there is room for that.
    fn end_gap(&mut self, to: To<'_, '_>, at: Moment) -> rusqlite::Result<()> {
        let (first, last) = (Moment::from_millis(self.from), Moment::from_millis(self.to));
        let lost = u64::try_from(self.lost).unwrap_or(0);
        let gap = gap(at, first, last, Some(lost), FULL);
        if self.has_room(size(gap.len())) {
            self.insert(to, at, &gap)?;
            self.lost = 0;
        }
        Ok(())
    }
}

fn size(body: usize) -> i64 {
    i64::try_from(body as u64 + ROW_BYTES).unwrap_or(i64::MAX)
}

impl Outbox {
    fn with<T>(
        &self,
        db: &Connection,
        change: impl FnOnce(&mut Standing) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut standing = self.0.borrow_mut();
        let standing = match &mut *standing {
            Some(standing) => standing,
            none => none.insert(Standing::read(db)?),
        };
        standing.changed = true;
        change(standing)
    }

    /// Keeps a fact, or counts it if there is no room.
    pub(super) fn put(&self, to: To<'_, '_>, at: Moment, body: &str) -> rusqlite::Result<()> {
        self.with(to.db, |outbox| {
            if outbox.lost > 0 {
                outbox.end_gap(to, at)?;
            }
            if outbox.lost == 0 && outbox.has_room(size(body.len())) {
                return outbox.insert(to, at, body);
            }
            if outbox.lost == 0 {
                outbox.from = at.as_millis();
            }
            (outbox.lost, outbox.to) = (outbox.lost + 1, at.as_millis());
            Ok(())
        })
    }

    /// Deletes facts that the ledger has. They were taken in order, so in between the first and the last of them there are no others.
    pub(super) fn delete(&self, to: To<'_, '_>, ids: &[i64], now: Moment) -> rusqlite::Result<()> {
        self.with(to.db, |outbox| {
            if let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) {
                let sql =
                    "SELECT count(*), ifnull(sum(octet_length(body)), 0) FROM outbox WHERE id BETWEEN ?1 AND ?2";
                let sum = |row: &Row<'_>| Ok((number(row, 0)?, number(row, 1)?));
                let (rows, bytes) = to.db.prepare_cached(sql)?.query_row([first, last], sum)?;
                let sql = "DELETE FROM outbox WHERE id BETWEEN ?1 AND ?2";
                to.db.prepare_cached(sql)?.execute([first, last])?;
                outbox.rows -= rows;
                outbox.bytes -= bytes + rows * ROW_BYTES as i64;
            }
            if outbox.lost > 0 { outbox.end_gap(to, now) } else { Ok(()) }
        })
    }

    /// Writes facts that come from another spool, unless they are there. They keep their numbers, by which the ledger knows them if a step comes again;
    /// one whose number another fact has, as of two databases, gets a new one.
    #[cfg(feature = "postgres")]
    pub(super) fn adopt(&self, db: &Connection, facts: &[OutboxRow]) -> rusqlite::Result<()> {
        self.with(db, |outbox| {
            let mut insert = db.prepare_cached(
                "INSERT INTO outbox (id, at, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?;
            let mut there = db.prepare_cached("SELECT count(*) FROM outbox WHERE at = ?1 AND body = ?2")?;
            for fact in facts {
                let (at, body) = (fact.at.as_millis(), String::from_utf8_lossy(&fact.body));
                let mut written = insert.execute(params![fact.id, at, body])?;
                if written == 0 && there.query_row(params![at, body], |row| number(row, 0))? == 0 {
                    outbox.last += 1;
                    written = insert.execute(params![outbox.last, at, body])?;
                }
                if written > 0 {
                    (outbox.rows, outbox.bytes) = (outbox.rows + 1, outbox.bytes + size(body.len()));
                }
            }
            Ok(())
        })
    }

    /// Writes what the group has changed.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let Some(now) = self.0.take().filter(|standing| standing.changed) else { return Ok(()) };
        let sql = "UPDATE outbox_state SET last = ?1, rows = ?2, bytes = ?3, lost = ?4, lost_from = ?5, lost_to = ?6";
        let row = params![now.last, now.rows, now.bytes, now.lost, now.from, now.to];
        db.prepare_cached(sql)?.execute(row).map(drop)
    }
}

/// Whether somebody keeps a ledger.
pub(super) fn is_kept(db: &Connection) -> rusqlite::Result<bool> {
    Ok(Standing::read(db)?.room.is_some())
}

/// Says whether somebody keeps a ledger, and how much may wait for it.
pub(super) fn keep(db: &Connection, room: Option<u64>) -> rusqlite::Result<()> {
    let room = room.map(|room| i64::try_from(room).unwrap_or(i64::MAX));
    db.prepare_cached("UPDATE outbox_state SET room = ?1")?.execute([room]).map(drop)
}

/// The oldest facts, at most so many, and no more bytes than may be held in memory; one in any case.
pub(super) fn take(db: &Connection, most: usize) -> rusqlite::Result<Vec<OutboxRow>> {
    let mut query = db.prepare_cached("SELECT id, at, body FROM outbox ORDER BY id LIMIT ?1")?;
    let mut rows = query.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
    let (mut taken, mut held) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let body = bytes(row, 2)?.to_vec();
        held += body.len() as u64;
        if !taken.is_empty() && held > MOST_TAKEN_BYTES {
            break;
        }
        taken.push(OutboxRow { id: number(row, 0)?, at: Moment::from_millis(number(row, 1)?), body });
    }
    Ok(taken)
}

/// How much there is.
pub(super) fn size_of(db: &Connection, now: Moment) -> rusqlite::Result<OutboxSize> {
    let standing = Standing::read(db)?;
    let sql = "SELECT at FROM outbox ORDER BY id LIMIT 1";
    let mut oldest = db.prepare_cached(sql)?;
    let oldest = oldest.query_map([], |row| number(row, 0))?.next().transpose()?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(OutboxSize {
        limit: standing.room,
        rows: count(standing.rows),
        bytes: count(standing.bytes),
        age: oldest.map(|at| now.since(Moment::from_millis(at))).unwrap_or_default(),
        lost: count(standing.lost),
    })
}
