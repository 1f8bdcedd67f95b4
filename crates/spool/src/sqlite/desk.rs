//! What an operator and the gauges see of the file, and what an operator changes in it.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::column::{maybe_shown, number, shown, state};
use super::delivery;
use super::due::lanes;
use super::leave::leave;
use super::outbox;
use super::room::Room;
use super::turn::Turn;
use crate::clock::Moment;
use crate::fact::ByHand;
use crate::item::{ItemId, State};
use crate::stock::{Batch, Depth, Entry, Filter, Shown, Stock};

/// Items that one step of a bulk change has at most: the relay never waits for long.
const BATCH: usize = 500;

/// Everything that is kept, counted.
pub(super) fn stock(db: &Connection, now: Moment) -> rusqlite::Result<Stock> {
    let sql = "SELECT lane, state, reason, sum(items), sum(bytes) FROM tally GROUP BY 1, 2, 3 HAVING sum(items) > 0 ORDER BY 1, 2, 3";
    let count = |row: &Row<'_>, n| number(row, n).map(|n| u64::try_from(n).unwrap_or(0));
    let depth = |row: &Row<'_>| {
        let state = state(row, 1)?;
        Ok(Depth {
            lane: shown(row, 0)?,
            state,
            reason: shown(row, 2)?,
            items: count(row, 3)?,
            bytes: count(row, 4)?,
        })
    };
    let depths = db.prepare_cached(sql)?.query_map([], depth)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let (mut oldest, mut oldest_waiting) = (Vec::new(), Vec::new());
    for lane in lanes(db)? {
        // The second condition on the state is the index's own: without it SQLite does not use it.
        let sql = "SELECT since FROM item WHERE lane = ?1 AND state = ?2 AND state <> 'parked' ORDER BY since LIMIT 1";
        let since = |state: State| {
            let found = db.prepare_cached(sql)?.query_row(params![lane, state.name()], |row| number(row, 0));
            found.optional().map(|since| since.map(Moment::from_millis))
        };
        let (waiting, held) = (since(State::Waiting)?, since(State::Held)?);
        oldest_waiting.extend(waiting.map(|since| (lane.shown(), since)));
        oldest.extend(waiting.into_iter().chain(held).min().map(|since| (lane.shown(), since)));
    }
    Ok(Stock {
        depths,
        oldest,
        oldest_waiting,
        used_bytes: Room::of(db)?.used,
        leased: None,
        at: now,
        age: Duration::ZERO,
    })
}

/// The items that fit, by number, behind `after`, at most `most`.
pub(super) fn list(
    db: &Connection,
    filter: &Filter,
    after: Option<ItemId>,
    most: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let mut sql = String::from(
        "SELECT item.id, state, lane, bucket, key, attempts, reason, detail, ifnull(received, since), not_before, delivery.source, name, path, bytes
         FROM item LEFT JOIN delivery ON delivery.id = item.delivery WHERE item.id > ?",
    );
    let mut values: Vec<Value> = vec![after.map_or(0, ItemId::get).into()];
    for (column, value) in [
        ("state", filter.state.map(|s| s.name().to_owned())),
        ("lane", filter.lane.clone()),
        ("bucket", filter.bucket.clone()),
        ("reason", filter.reason.clone()),
    ] {
        if let Some(value) = value {
            sql += &format!(" AND {column} = ?");
            values.push(value.into());
        }
    }
    if let Some(moment) = filter.received_before {
        sql += " AND ifnull(received, since) <= ?";
        values.push(moment.as_millis().into());
    }
    if !filter.ids.is_empty() {
        sql += &format!(" AND item.id IN ({})", vec!["?"; filter.ids.len()].join(", "));
        values.extend(filter.ids.iter().map(|id| Value::from(id.get())));
    }
    sql += " ORDER BY item.id LIMIT ?";
    values.push((most as i64).into());
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            id: ItemId::new(row.get(0)?),
            state: state(row, 1)?,
            lane: shown(row, 2)?,
            bucket: maybe_shown(row, 3)?,
            key: maybe_shown(row, 4)?,
            attempts: u32::try_from(number(row, 5)?).unwrap_or(u32::MAX),
            reason: maybe_shown(row, 6)?,
            detail: maybe_shown(row, 7)?,
            received: Moment::from_millis(number(row, 8)?),
            not_before: Moment::from_millis(number(row, 9)?),
            source: maybe_shown(row, 10)?,
            name: shown(row, 11)?,
            path: shown(row, 12)?,
            bytes: u64::try_from(number(row, 13)?).unwrap_or(0),
        })
    };
    db.prepare(&sql)?.query_map(params_from_iter(values), entry)?.collect()
}

/// One item and the delivery it came in; `None` if there is no such item.
pub(super) fn show(db: &Connection, id: ItemId) -> rusqlite::Result<Option<Shown>> {
    let filter = Filter { ids: vec![id], ..Filter::default() };
    let Some(entry) = list(db, &filter, None, 1)?.pop() else { return Ok(None) };
    Ok(delivery::of(db, id)?.map(|delivery| Shown { entry, delivery }))
}

/// What a bulk change does to each of its items.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It is due, whatever its state; its age counts from here.
    Retry,
    /// It is deleted.
    Purge,
}

/// One step of a bulk change, from behind `after` on. `hand` is told to the ledger, if there is one.
pub(super) fn change(
    turn: &Turn<'_>,
    filter: &Filter,
    after: Option<ItemId>,
    change: Change,
    hand: Option<&ByHand>,
    now: Moment,
) -> rusqlite::Result<Batch> {
    let entries = list(turn.db, filter, after, BATCH)?;
    for entry in &entries {
        let id = entry.id;
        match change {
            Change::Retry => {
                let sql = "UPDATE item SET state = 'waiting', not_before = ?2, since = ?2 WHERE id = ?1";
                turn.tally.moved(turn.db, id, |db| {
                    db.prepare_cached(sql)?.execute(params![id.get(), now.as_millis()])
                })?;
            }
            Change::Purge => _ = leave(turn, id, None)?,
        }
    }
    if let Some(hand) = hand
        && !entries.is_empty()
        && outbox::is_kept(turn.db)?
    {
        turn.tell(now, &hand.json(entries.len(), now))?;
    }
    let next = entries.last().filter(|_| entries.len() == BATCH).map(|entry| entry.id);
    Ok(Batch { entries, busy: Vec::new(), next })
}
