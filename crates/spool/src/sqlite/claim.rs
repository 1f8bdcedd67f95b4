//! Which items may be tried now. Nothing is written: what is given out is known to this process, and if it dies, the items are as they
//! were.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mdss_relay_core::Delivery;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{Cell, exact, maybe_shown, number, numbers, state};
use super::delivery::{Found, lost, stored};
use super::due::lanes;
use crate::claim::{Claimed, Claims, DeliveryId, Stored, Want};
use crate::clock::Moment;
use crate::item::{ItemId, State};
use crate::known::{Accepted, Memory};
use crate::ticket::Given;

/// Bytes of bodies that one claim brings into memory, the first delivery aside.
const MOST_CLAIMED_BYTES: usize = 2 << 20;

/// Every nth place of a claim is for what came due last: oldest first, and yet the new does not wait for the whole backlog.
const NEWEST_SHARE: usize = 4;

/// What came due last, of which a probe is the one that was tried least.
const PROBES: usize = 100;

const OLDEST: &str = "not_before, id";
const NEWEST: &str = "not_before DESC, id DESC";

/// What a claim goes by, beside what is wanted.
pub(super) struct At<'g> {
    pub(super) now: Moment,
    pub(super) epoch: u64,
    pub(super) given: &'g Given,
    /// Plans that need not be made again.
    pub(super) memory: Option<&'g RefCell<Memory>>,
}

impl At<'_> {
    /// What is known of a delivery and need not be read.
    fn known(&self, want: &Want, delivery: i64) -> Option<Accepted> {
        self.memory?.borrow_mut().take(self.epoch, delivery, want.rules?, self.now)
    }
}

/// The items that may be tried now: from each lane the oldest that are due, and every fourth place for the newest.
pub(super) fn claim(db: &Connection, want: &Want, at: &At<'_>) -> rusqlite::Result<Claims> {
    let mut busy = at.given.of(at.epoch);
    busy.extend(want.early.iter().flatten());
    let cap = |lane: &Cell| want.lanes.get(&lane.shown()).copied().unwrap_or(usize::MAX);
    let mut lanes = lanes(db)?;
    let empty = lanes.is_empty();
    lanes.retain(|lane| cap(lane) > 0);
    if !lanes.is_empty() {
        let turn = want.turn % lanes.len();
        lanes.rotate_left(turn);
    }
    let share = want.most.div_ceil(lanes.len().max(1));
    let mut claims = Claims { empty, ..Claims::default() };
    let mut deliveries = HashMap::new();
    let mut bytes = 0;
    let turns = lanes.iter().map(|lane| (lane, When::Due));
    let early = lanes.iter().filter(|_| want.early.is_some()).map(|lane| (lane, When::Early));
    'lanes: for (lane, when) in turns.chain(early) {
        if when == When::Early && !claims.items.is_empty() {
            break;
        }
        let most = share.min(cap(lane)).min(want.most - claims.items.len());
        if most == 0 {
            break;
        }
        let probe = want.most == 1 || cap(lane) == 1;
        let next = next_due(db, lane, at.now)?.map(|next| next.since(at.now));
        claims.next = [claims.next, next].into_iter().flatten().min();
        let due = Due { most, turn: want.turn, now: at.now, busy: &busy };
        let rows = match when {
            When::Due => due_of(db, lane, &due, probe)?,
            When::Early => candidates(db, least_tried(db, &early_of(db, lane, &due)?)?.as_slice())?,
        };
        if rows.len() >= most {
            claims.more.push(lane.shown());
        }
        for row in rows {
            let number: i64 = row.delivery;
            let mut known = None;
            let delivery = match (&row.path, deliveries.get(&number)) {
                (Err(why), _) => Arc::new(read(number, Err(why.clone()), &row, at)),
                (Ok(_), Some(known)) => Arc::clone(known),
                (Ok(_), None) => match at.known(want, number) {
                    Some(accepted) => {
                        let (id, source) = (accepted.known.name.clone(), accepted.known.source.clone());
                        let delivery = Delivery { id, source, ..Delivery::default() };
                        let found = Found { received: accepted.received, delivery: Ok(delivery), items: 1 };
                        known = Some(accepted.known);
                        Arc::new(read(number, Ok(found), &row, at))
                    }
                    None => {
                        let found = stored(db, number)?.ok_or_else(|| lost(number));
                        let stored = Arc::new(read(number, found, &row, at));
                        bytes += stored.delivery.as_ref().map_or(0, |d| d.body.len());
                        if !deliveries.is_empty() && bytes > MOST_CLAIMED_BYTES {
                            claims.cut = true;
                            break 'lanes;
                        }
                        deliveries.insert(number, Arc::clone(&stored));
                        stored
                    }
                },
            };
            claims.items.push(Claimed {
                ticket: at.given.give(at.epoch, row.id),
                path: row.path.unwrap_or_default(),
                lane: lane.shown(),
                state: row.state,
                attempts: row.attempts,
                waited: at.now.since(row.since),
                reason: row.reason,
                delivery,
                known,
            });
        }
    }
    Ok(claims)
}

/// For an item that cannot be used there is the sentence why: whoever has it to send reads that.
fn read(number: i64, found: Result<Found, String>, row: &Candidate, at: &At<'_>) -> Stored {
    let (received, delivery, items) = match found {
        Ok(found) => (found.received, found.delivery, if row.alone { 1 } else { found.items }),
        Err(why) => (row.since, Err(why), 1),
    };
    Stored { id: DeliveryId::new(at.epoch, number), received, age: at.now.since(received), delivery, items }
}

fn next_due(db: &Connection, lane: &Cell, now: Moment) -> rusqlite::Result<Option<Moment>> {
    let sql = "SELECT not_before FROM item WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2
               ORDER BY not_before LIMIT 1";
    let next =
        db.prepare_cached(sql)?.query_row(params![lane, now.as_millis()], |row| number(row, 0)).optional()?;
    Ok(next.map(Moment::from_millis))
}

/// Which items of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Those whose time has come.
    Due,
    /// Those that are put off.
    Early,
}

/// What is asked of one lane.
struct Due<'c> {
    most: usize,
    turn: usize,
    now: Moment,
    /// Items that are given out.
    busy: &'c HashSet<ItemId>,
}

struct Candidate {
    id: ItemId,
    delivery: i64,
    path: Result<String, String>,
    state: State,
    attempts: u32,
    since: Moment,
    reason: Option<String>,
    /// Whether its delivery never had another item.
    alone: bool,
}

fn due_of(db: &Connection, lane: &Cell, want: &Due<'_>, probe: bool) -> rusqlite::Result<Vec<Candidate>> {
    let most = want.most;
    let mut ids = Vec::new();
    if probe {
        // It should say whether anything passes, and not meet the same poison over and over while what would pass waits behind it.
        take_due(db, lane, want, NEWEST, PROBES, &mut ids)?;
        ids = least_tried(db, &ids)?;
    } else {
        // With the turn in it, a claim of one place is every fourth time one for the newest.
        let newest = (most + want.turn % NEWEST_SHARE) / NEWEST_SHARE;
        take_due(db, lane, want, OLDEST, most - newest, &mut ids)?;
        if ids.len() == most - newest {
            take_due(db, lane, want, NEWEST, newest, &mut ids)?;
        }
    }
    candidates(db, &ids)
}

/// The items that come due next, of those that only MDSS has put off. What is held waits for an operator.
fn early_of(db: &Connection, lane: &Cell, want: &Due<'_>) -> rusqlite::Result<Vec<ItemId>> {
    let sql =
        "SELECT id FROM item WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2 AND state = 'waiting'
               ORDER BY not_before, id LIMIT ?3";
    let limit = (PROBES + want.busy.len()) as i64;
    let mut query = db.prepare_cached(sql)?;
    let ids =
        query.query_map(params![lane, want.now.as_millis(), limit], |row| row.get(0).map(ItemId::new))?;
    ids.filter(|id| id.as_ref().map_or(true, |id| !want.busy.contains(id))).take(PROBES).collect()
}

/// Of these the one that was tried least, if there is any.
fn least_tried(db: &Connection, ids: &[ItemId]) -> rusqlite::Result<Vec<ItemId>> {
    let sql = "SELECT id FROM item WHERE id IN (SELECT value FROM json_each(?1))
               ORDER BY attempts, not_before DESC, id DESC LIMIT 1";
    let candidates = numbers(&ids.iter().map(|id| id.get()).collect::<Vec<_>>());
    let least = db.prepare_cached(sql)?.query_row([candidates], |row| row.get(0)).optional()?;
    Ok(least.map(ItemId::new).into_iter().collect())
}

fn candidates(db: &Connection, ids: &[ItemId]) -> rusqlite::Result<Vec<Candidate>> {
    let sql = "SELECT id, delivery, path, state, attempts, since, reason, alone FROM item WHERE id = ?1";
    let mut row = db.prepare_cached(sql)?;
    // An operator may have purged one since.
    ids.iter().filter_map(|id| row.query_row([id.get()], candidate).optional().transpose()).collect()
}

/// Only numbers: most rows that are met here are given out, and looking at an entry of an index is cheaper than reading them.
fn take_due(
    db: &Connection,
    lane: &Cell,
    want: &Due<'_>,
    order: &str,
    most: usize,
    found: &mut Vec<ItemId>,
) -> rusqlite::Result<()> {
    if most == 0 {
        return Ok(());
    }
    let known: HashSet<ItemId> = found.iter().copied().collect();
    let sql = format!(
        "SELECT id FROM item WHERE lane = ?1 AND state <> 'parked' AND not_before <= ?2 ORDER BY {order} LIMIT ?3"
    );
    // Those given out may stand in front of all others, so as many more are asked for.
    let limit = (most + want.busy.len() + known.len()) as i64;
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query(params![lane, want.now.as_millis(), limit])?;
    let end = found.len() + most;
    while found.len() < end
        && let Some(row) = rows.next()?
    {
        let id = ItemId::new(row.get(0)?);
        if !want.busy.contains(&id) && !known.contains(&id) {
            found.push(id);
        }
    }
    Ok(())
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        id: ItemId::new(row.get(0)?),
        delivery: number(row, 1)?,
        path: exact(row, 2, "the item's path in its delivery")?.map(Option::unwrap_or_default),
        state: state(row, 3)?,
        attempts: u32::try_from(number(row, 4)?).unwrap_or(u32::MAX),
        since: Moment::from_millis(number(row, 5)?),
        reason: maybe_shown(row, 6)?,
        alone: number(row, 7)? == 1,
    })
}
