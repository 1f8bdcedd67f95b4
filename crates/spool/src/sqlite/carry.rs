//! Carrying events out of the file and into it, step by step: a step is one transaction.

use rusqlite::{OptionalExtension, Row, params};

use super::column::{bytes, maybe_shown, number, shown, state};
use super::leave::leave;
use super::settle::forget_done;
use super::turn::Turn;
use crate::clock::Moment;
use crate::item::ItemId;
use crate::parcel::{Carried, Parcel, Remembered, hashed};

/// Lets each item be found by its delivery, also those that are alone: before the first of [`parcels`].
pub(super) fn find(turn: &Turn<'_>) -> rusqlite::Result<()> {
    turn.db.execute("UPDATE item SET alone = 0 WHERE alone = 1", []).map(drop)
}

/// The next deliveries behind `after`, at most so many, and so many bytes of bodies or one.
pub(super) fn parcels(
    turn: &Turn<'_>,
    after: i64,
    most: usize,
    most_bytes: usize,
) -> rusqlite::Result<Vec<Parcel>> {
    let sql = "SELECT id, name, source, dialect, method, headers, body, received, checksum FROM delivery WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = turn.db.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let (mut parcels, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let id = number(row, 0)?;
        let parcel = Parcel {
            number: id,
            name: shown(row, 1)?,
            source: maybe_shown(row, 2)?,
            dialect: maybe_shown(row, 3)?,
            method: shown(row, 4)?,
            headers: shown(row, 5)?,
            body: bytes(row, 6)?.to_vec(),
            received: Moment::from_millis(number(row, 7)?),
            checksum: number(row, 8)?,
            items: items(turn, id)?,
        };
        size += parcel.body.len();
        parcels.push(parcel);
        if size >= most_bytes {
            break;
        }
    }
    Ok(parcels)
}

fn items(turn: &Turn<'_>, delivery: i64) -> rusqlite::Result<Vec<Carried>> {
    let sql = "SELECT id, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes, source
               FROM item WHERE delivery = ?1 AND alone = 0 ORDER BY id";
    let item = |row: &Row<'_>| {
        let mark = bytes(row, 11)?;
        Ok(Carried {
            number: number(row, 0)?,
            path: bytes(row, 1)?.to_vec(),
            lane: shown(row, 2)?,
            state: state(row, 3)?,
            attempts: i32::try_from(number(row, 4)?).unwrap_or(i32::MAX),
            since: Moment::from_millis(number(row, 5)?),
            not_before: Moment::from_millis(number(row, 6)?),
            reason: maybe_shown(row, 7)?,
            detail: maybe_shown(row, 8)?,
            bucket: maybe_shown(row, 9)?,
            key: maybe_shown(row, 10)?,
            mark: (!mark.is_empty()).then(|| mark.to_vec()),
            bytes: number(row, 12)?,
            source: shown(row, 13)?,
        })
    };
    turn.db.prepare_cached(sql)?.query_map([delivery], item)?.collect()
}

/// Deletes what has arrived elsewhere.
pub(super) fn gone(turn: &Turn<'_>, ids: &[i64]) -> rusqlite::Result<()> {
    ids.iter().try_for_each(|id| leave(turn, ItemId::new(*id), None).map(drop))
}

/// Writes deliveries that come from elsewhere, except items that are there or were accepted. Gives how many items were written.
pub(super) fn adopt(turn: &Turn<'_>, parcels: &[Parcel]) -> rusqlite::Result<usize> {
    let mut count = 0;
    for parcel in parcels {
        let mut new = Vec::new();
        for item in &parcel.items {
            let mark = item.mark.as_deref().map(String::from_utf8_lossy);
            let there = match &mark {
                Some(mark) => turn.knows(mark)?,
                None => false,
            };
            if !there {
                new.push((item, mark));
            }
        }
        if new.is_empty() {
            continue;
        }
        let sql = "INSERT INTO delivery (name, source, dialect, method, headers, body, received, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            parcel.name,
            parcel.source,
            parcel.dialect,
            parcel.method,
            parcel.headers,
            parcel.body,
            parcel.received.as_millis(),
            parcel.checksum
        ];
        let delivery = turn.db.prepare_cached(sql)?.insert(row)?;
        for (item, mark) in new {
            let sql = "INSERT INTO item (delivery, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes, source)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
            let row = params![
                delivery,
                String::from_utf8_lossy(&item.path),
                item.lane,
                item.state.name(),
                item.attempts,
                item.since.as_millis(),
                item.not_before.as_millis(),
                item.reason,
                item.detail,
                item.bucket,
                item.key,
                mark,
                item.bytes,
                item.source
            ];
            turn.db.prepare_cached(sql)?.execute(row)?;
            let reason = item.reason.as_deref().unwrap_or_default();
            let kind = [item.source.as_str(), &item.lane, item.state.name(), reason];
            turn.tally.add(kind.map(str::as_bytes), 1, item.bytes);
            count += 1;
        }
    }
    Ok(count)
}

/// Marks of what MDSS has accepted, behind `after`.
pub(super) fn marks(turn: &Turn<'_>, after: i64, most: usize) -> rusqlite::Result<Remembered> {
    let sql = "SELECT id, mark, at FROM done WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = turn.db.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Remembered::default();
    while let Some(row) = rows.next()? {
        found.last = Some(number(row, 0)?);
        found.marks.push(bytes(row, 1)?.to_vec());
        found.times.push(number(row, 2)?);
    }
    Ok(found)
}

/// Remembers what MDSS has accepted elsewhere, the oldest first, by the hashes of the marks.
pub(super) fn remember(turn: &Turn<'_>, marks: &[(Vec<u8>, Moment)]) -> rusqlite::Result<()> {
    for (mark, at) in marks {
        turn.statements.done.with(turn.db, |done| done.execute(params![hashed(mark), at.as_millis()]))?;
    }
    forget_done(turn.db)
}

/// Items whose delivery is missing, which nobody can carry.
pub(super) fn orphans(turn: &Turn<'_>) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM item WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.id = item.delivery)";
    let count = turn.db.prepare_cached(sql)?.query_row([], |row| number(row, 0)).optional()?;
    Ok(count.unwrap_or(0).max(0).unsigned_abs())
}
