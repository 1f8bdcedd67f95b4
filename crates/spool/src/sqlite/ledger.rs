//! What is done to the file: each function is one or a few statements on a connection, without a thought about threads,
//! transactions or time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mdss_relay_core::{Delivery, Dialect};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params, params_from_iter};

use crate::clock::Moment;
use crate::intake::{Intake, NewItem};
use crate::shares::{NoRoom, Parties, Shares};
use crate::sqlite::column::{Cell, bytes, exact, maybe_shown, number, shown};
use crate::sqlite::room::Room;
use crate::sqlite::schema::State;
use crate::trouble::Trouble;

/// Marks of accepted writes that are remembered: about 30 MB of file. Senders repeat within minutes, MinIO and RustFS after a
/// restart of theirs; a hundred thousand is a busy day.
const MOST_DONE: i64 = 100_000;

/// Bytes of bodies that one claim brings into memory, the first delivery aside.
const MOST_CLAIMED_BYTES: usize = 2 << 20;

/// What an item's rows and index entries take of the disk beside the body. The triggers count with it (`2.sql`).
const ROW_BYTES: u64 = 512;

/// Every nth place of a claim is for what came due last: oldest first, and yet the new does not wait for the whole backlog.
const NEWEST_SHARE: usize = 4;

/// What came due last, of which a probe is the one that was tried least.
const PROBES: usize = 100;

const OLDEST: &str = "not_before, id";
const NEWEST: &str = "not_before DESC, id DESC";

/// An item's number in the file; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(i64);

impl ItemId {
    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The item of that number, if there is one.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }
}

/// What became of one item of an intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Stored,
    Duplicate,
    NoRoom(NoRoom),
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the file in use, about.
    pub(crate) bytes: u64,
    /// How many there are who share them.
    pub(crate) parties: Parties,
}

/// Either the database's word or our own.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Ours(Trouble),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// CRC-32 of headers and body. SQLite's pages have no checksums, and a flipped bit in a key would name another object.
fn checksum(headers: &[u8], body: &[u8]) -> i64 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(headers);
    sum.update(&[0]);
    sum.update(body);
    i64::from(sum.finalize())
}

/// Writes a delivery and its items, but for those that are there already and those for which there is no room.
pub(crate) fn accept(db: &Connection, intake: &Intake, limits: Limits) -> Result<Vec<Written>, Fault> {
    let size = (intake.headers.len() + intake.body.len()) as u64;
    let room = Room::of(db)?;
    room.takes(size, limits.bytes).map_err(Fault::Ours)?;
    let free = room.left(limits.bytes).saturating_sub(size);
    let mut shares = Shares::new(db, intake.whose(), limits.parties, limits.bytes, free);
    let share = size / intake.items.len().max(1) as u64;
    // What stays until somebody acts keeps the whole body, also when its neighbours have gone.
    let mut staying = size;
    let mut known = db.prepare_cached(
        "SELECT 1 FROM item WHERE mark = ?1 UNION ALL SELECT 1 FROM done WHERE mark = ?1 LIMIT 1",
    )?;
    let mut marks = HashSet::new();
    let mut written = Vec::with_capacity(intake.items.len());
    for item in &intake.items {
        if let Some(mark) = &item.mark
            && (marks.contains(mark) || known.exists([mark])?)
        {
            written.push(Written::Duplicate);
            continue;
        }
        let bytes = if item.state == State::Waiting { share } else { staying };
        if let Err(full) = shares.take(item.state, &item.lane, bytes + ROW_BYTES)? {
            written.push(Written::NoRoom(full));
            continue;
        }
        if item.state != State::Waiting {
            staying = 0;
        }
        if intake.items.len() > 1 {
            marks.extend(item.mark.as_ref());
        }
        written.push(Written::Stored);
    }
    let stored: Vec<_> =
        intake.items.iter().zip(&written).filter(|(_, w)| **w == Written::Stored).map(|(i, _)| i).collect();
    insert(db, intake, &stored, size)?;
    Ok(written)
}

/// Each has an equal part of the body; if one stays until somebody acts, it has it all.
fn insert(db: &Connection, intake: &Intake, items: &[&NewItem], size: u64) -> rusqlite::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let delivery = insert_delivery(db, intake)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO item (delivery, path, lane, state, since, not_before, reason, detail, bucket, key, mark, bytes, source)
         VALUES (:delivery, :path, :lane, :state, :since, :not_before, :reason, :detail, :bucket, :key, :mark, :bytes, :source)",
    )?;
    let heir = items.iter().position(|item| item.state != State::Waiting);
    for (n, item) in items.iter().enumerate() {
        let part = match heir {
            Some(heir) if heir == n => size,
            Some(_) => 0,
            None => size / items.len() as u64,
        };
        insert.execute(named_params! {
            ":delivery": delivery,
            ":path": item.path,
            ":lane": item.lane,
            ":state": item.state.name(),
            ":since": intake.received.as_millis(),
            ":not_before": item.not_before.as_millis(),
            ":reason": item.reason,
            ":detail": item.detail,
            ":bucket": item.bucket,
            ":key": item.key,
            ":mark": item.mark,
            ":bytes": i64::try_from(part + ROW_BYTES).unwrap_or(i64::MAX),
            ":source": intake.whose(),
        })?;
    }
    Ok(())
}

fn insert_delivery(db: &Connection, intake: &Intake) -> rusqlite::Result<i64> {
    let mut insert = db.prepare_cached(
        "INSERT INTO delivery (name, source, dialect, method, headers, body, received, checksum)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.insert(params![
        intake.name,
        intake.source,
        intake.dialect,
        intake.method,
        intake.headers,
        intake.body,
        intake.received.as_millis(),
        checksum(intake.headers.as_bytes(), &intake.body),
    ])
}

/// A stored delivery, read back.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) number: i64,
    pub(crate) received: Moment,
    /// As the adapter handed it over, without the headers nobody reads; or why it is no longer that.
    pub(crate) delivery: Result<Delivery, String>,
    /// How many items wait for it still.
    pub(crate) items: usize,
}

impl Stored {
    /// For an item that cannot be used: whoever has it to send reads why.
    fn unusable(number: i64, received: Moment, why: String) -> Self {
        Self { number, received, delivery: Err(why), items: 1 }
    }
}

/// One item that may be tried now.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: ItemId,
    pub(crate) path: String,
    pub(crate) lane: String,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) since: Moment,
    pub(crate) reason: Option<String>,
    pub(crate) delivery: Arc<Stored>,
}

/// What a claim found.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) items: Vec<Claimed>,
    /// When the next item of the lanes that were asked for comes due.
    pub(crate) next: Option<Moment>,
    /// More is due than bodies may be in memory at once.
    pub(crate) cut: bool,
    /// Nothing is there, due or not, in any lane.
    pub(crate) empty: bool,
}

/// What a claim asks for.
pub(crate) struct Want {
    pub(crate) now: Moment,
    /// Items, all lanes together, at most.
    pub(crate) most: usize,
    /// Lanes that may have fewer than the others: 0 while their breaker is open.
    pub(crate) lanes: HashMap<String, usize>,
    /// Items under way: they are in the file as they were before.
    pub(crate) busy: HashSet<ItemId>,
    /// Which lane comes first this time; any number.
    pub(crate) turn: usize,
}

/// The items that may be tried now: from each lane the oldest that are due, and every fourth place for the newest.
pub(crate) fn claim(db: &Connection, want: &Want) -> rusqlite::Result<Claims> {
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
    'lanes: for lane in lanes {
        let most = share.min(cap(&lane)).min(want.most - claims.items.len());
        if most == 0 {
            break;
        }
        let probe = want.most == 1 || cap(&lane) == 1;
        let next = next_due(db, &lane, want.now)?;
        claims.next = [claims.next, next].into_iter().flatten().min();
        for row in due(db, &lane, want, most, probe)? {
            let number: i64 = row.delivery;
            let delivery = match (&row.path, deliveries.get(&number)) {
                (Err(why), _) => Arc::new(Stored::unusable(number, row.since, why.clone())),
                (Ok(_), Some(known)) => Arc::clone(known),
                (Ok(_), None) => {
                    let stored = stored(db, number)?;
                    let stored = stored.unwrap_or_else(|| Stored::unusable(number, row.since, lost(number)));
                    let stored = Arc::new(stored);
                    bytes += stored.delivery.as_ref().map_or(0, |d| d.body.len());
                    if !deliveries.is_empty() && bytes > MOST_CLAIMED_BYTES {
                        claims.cut = true;
                        break 'lanes;
                    }
                    deliveries.insert(number, Arc::clone(&stored));
                    stored
                }
            };
            claims.items.push(Claimed {
                id: row.id,
                path: row.path.unwrap_or_default(),
                lane: lane.shown(),
                state: row.state,
                attempts: row.attempts,
                since: row.since,
                reason: row.reason,
                delivery,
            });
        }
    }
    Ok(claims)
}

/// Lanes that have anything to be tried. Asked of the index that finds their items, a step a lane: a lane that the tally had lost would
/// stand still, and nothing would say so.
fn lanes(db: &Connection) -> rusqlite::Result<Vec<Cell>> {
    let sql = "WITH RECURSIVE found (lane) AS (
                   SELECT min(lane) FROM item WHERE state <> 'parked'
                   UNION ALL
                   SELECT (SELECT min(lane) FROM item WHERE state <> 'parked' AND lane > found.lane)
                   FROM found WHERE lane IS NOT NULL
               )
               SELECT lane FROM found WHERE lane IS NOT NULL";
    db.prepare_cached(sql)?.query_map([], |row| Cell::read(row, 0))?.collect()
}

fn next_due(db: &Connection, lane: &Cell, now: Moment) -> rusqlite::Result<Option<Moment>> {
    let sql = "SELECT not_before FROM item WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2
               ORDER BY not_before LIMIT 1";
    let next =
        db.prepare_cached(sql)?.query_row(params![lane, now.as_millis()], |row| number(row, 0)).optional()?;
    Ok(next.map(Moment::from_millis))
}

struct Due {
    id: ItemId,
    delivery: i64,
    path: Result<String, String>,
    state: State,
    attempts: u32,
    since: Moment,
    reason: Option<String>,
}

fn due(db: &Connection, lane: &Cell, want: &Want, most: usize, probe: bool) -> rusqlite::Result<Vec<Due>> {
    let mut ids = Vec::new();
    if probe {
        // It should say whether anything passes, and not meet the same poison over and over while what would pass waits behind it.
        take_due(db, lane, want, NEWEST, PROBES, &mut ids)?;
        let sql = "SELECT id FROM item WHERE id IN (SELECT value FROM json_each(?1))
                   ORDER BY attempts, not_before DESC, id DESC LIMIT 1";
        let candidates = numbers(&ids.iter().map(|id| id.0).collect::<Vec<_>>());
        let least = db.prepare_cached(sql)?.query_row([candidates], |row| row.get(0)).optional()?;
        ids = least.map(ItemId).into_iter().collect();
    } else {
        // With the turn in it, a claim of one place is every fourth time one for the newest.
        let newest = (most + want.turn % NEWEST_SHARE) / NEWEST_SHARE;
        take_due(db, lane, want, OLDEST, most - newest, &mut ids)?;
        if ids.len() == most - newest {
            take_due(db, lane, want, NEWEST, newest, &mut ids)?;
        }
    }
    let sql = "SELECT id, delivery, path, state, attempts, since, reason FROM item WHERE id = ?1";
    let mut row = db.prepare_cached(sql)?;
    // An operator may have purged one since.
    ids.into_iter().filter_map(|id| row.query_row([id.0], due_row).optional().transpose()).collect()
}

/// Only numbers: most rows that are met here are under way, and looking at an entry of an index is cheaper than reading them.
fn take_due(
    db: &Connection,
    lane: &Cell,
    want: &Want,
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
    // Those under way may stand in front of all others, so as many more are asked for.
    let limit = (most + want.busy.len() + known.len()) as i64;
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query(params![lane, want.now.as_millis(), limit])?;
    let end = found.len() + most;
    while found.len() < end
        && let Some(row) = rows.next()?
    {
        let id = ItemId(row.get(0)?);
        if !want.busy.contains(&id) && !known.contains(&id) {
            found.push(id);
        }
    }
    Ok(())
}

fn due_row(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        id: ItemId(row.get(0)?),
        delivery: number(row, 1)?,
        path: exact(row, 2, "the item's path in its delivery")?.map(Option::unwrap_or_default),
        state: state(row, 3)?,
        attempts: u32::try_from(number(row, 4)?).unwrap_or(u32::MAX),
        since: Moment::from_millis(number(row, 5)?),
        reason: maybe_shown(row, 6)?,
    })
}

/// The column's constraint lets no other word in; a damaged page might.
fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    Ok(shown(row, column)?.parse().unwrap_or(State::Waiting))
}

/// Why an item without its delivery cannot be used.
fn lost(number: i64) -> String {
    format!("delivery {number} of this item is not there, so the file was changed behind the relay")
}

/// A delivery, by its number.
pub(crate) fn stored(db: &Connection, id: i64) -> rusqlite::Result<Option<Stored>> {
    let sql = "SELECT name, source, dialect, method, headers, body, received, checksum,
               (SELECT count(*) FROM item WHERE delivery = ?1) FROM delivery WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let delivery = if checksum(bytes(row, 4)?, bytes(row, 5)?) == number(row, 7)? {
            delivery(row)?
        } else {
            Err(format!("delivery {id}: its checksum does not fit, so the file was changed behind the relay"))
        };
        Ok(Stored {
            number: id,
            received: Moment::from_millis(number(row, 6)?),
            delivery,
            items: usize::try_from(number(row, 8)?).unwrap_or(0),
        })
    };
    db.prepare_cached(sql)?.query_row([id], read).optional()
}

/// What the plan depends on must be as it was written; the name is for the log alone.
fn delivery(row: &Row<'_>) -> rusqlite::Result<Result<Delivery, String>> {
    let id = shown(row, 0)?;
    let source = exact(row, 1, "the source of the stored delivery")?;
    let dialect = exact(row, 2, "the dialect of the stored delivery")?;
    let method = exact(row, 3, "the method of the stored delivery")?;
    let (headers, body) = (bytes(row, 4)?, bytes(row, 5)?.to_vec());
    let parsed = || {
        let dialect = dialect?.map(|name| name.parse::<Dialect>()).transpose();
        let dialect =
            dialect.map_err(|expected| format!("the dialect of the stored delivery: expected {expected}"))?;
        let headers = serde_json::from_slice(headers)
            .map_err(|e| format!("the headers of the stored delivery: expected a list of pairs: {e}"))?;
        Ok(Delivery { source: source?, dialect, method: method?.unwrap_or_default(), headers, body, id })
    };
    Ok(parsed())
}

/// What an attempt, or a new plan, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// MDSS has it.
    Accepted,
    /// Today's settings do not want it sent.
    Skipped,
    /// Not yet.
    Again { state: State, not_before: Moment, reason: &'static str, detail: String, attempted: bool },
    /// Not by itself any more.
    Parked { reason: &'static str, detail: String, attempted: bool },
    /// Today's settings send it elsewhere.
    Lane(String),
}

/// Writes down what came of items. One that is gone meanwhile (purged by hand) stays gone.
pub(crate) fn settle<'a>(
    db: &Connection,
    outcomes: impl Iterator<Item = (ItemId, &'a Verdict)>,
    now: Moment,
) -> rusqlite::Result<()> {
    const AGAIN: &str =
        "UPDATE item SET state = ?2, not_before = ?3, reason = ?4, detail = ?5, attempts = attempts + ?6
                         WHERE id = ?1";
    let (mut accepted, mut gone) = (Vec::new(), Vec::new());
    for (id, verdict) in outcomes {
        match verdict {
            Verdict::Accepted => accepted.push(id.0),
            Verdict::Skipped => gone.push(id.0),
            Verdict::Again { state, not_before, reason, detail, attempted } => {
                let row = params![id.0, state.name(), not_before.as_millis(), reason, detail, attempted];
                db.prepare_cached(AGAIN)?.execute(row)?;
            }
            Verdict::Parked { reason, detail, attempted } => {
                let row = params![id.0, State::Parked.name(), now.as_millis(), reason, detail, attempted];
                db.prepare_cached(AGAIN)?.execute(row)?;
            }
            Verdict::Lane(lane) => {
                db.prepare_cached(
                    "UPDATE item SET lane = ?2, state = 'waiting', not_before = ?3, reason = NULL, detail = NULL WHERE id = ?1",
                )?
                .execute(params![id.0, lane, now.as_millis()])?;
            }
        }
    }
    if !accepted.is_empty() {
        // In the same transaction: from here on a repetition is one.
        let sql = "INSERT INTO done (mark, at) SELECT mark, ?2 FROM item
                   WHERE id IN (SELECT value FROM json_each(?1)) AND mark IS NOT NULL ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute(params![numbers(&accepted), now.as_millis()])?;
        forget_done(db)?;
    }
    gone.append(&mut accepted);
    if !gone.is_empty() {
        // One statement for all: of each page that it changes SQLite keeps a copy, and neighbours share their pages.
        let sql = "DELETE FROM item WHERE id IN (SELECT value FROM json_each(?1))";
        db.prepare_cached(sql)?.execute([numbers(&gone)])?;
    }
    Ok(())
}

/// As `json_each` reads them: a statement has a fixed number of parameters.
fn numbers(numbers: &[i64]) -> String {
    serde_json::Value::from(numbers).to_string()
}

/// Forgets the oldest marks beyond the hundred thousand.
fn forget_done(db: &Connection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM done WHERE id <= (SELECT max(id) FROM done) - ?1";
    db.prepare_cached(sql)?.execute([MOST_DONE])?;
    Ok(())
}

/// Makes held items due, of all lanes or of one, at most `most`; gives how many.
pub(crate) fn release(
    db: &Connection,
    lane: Option<&str>,
    now: Moment,
    most: usize,
) -> rusqlite::Result<usize> {
    let sql = "UPDATE item SET not_before = ?1 WHERE id IN (SELECT id FROM item
               WHERE state = 'held' AND not_before > ?1 AND (?2 IS NULL OR lane = ?2) LIMIT ?3)";
    db.prepare_cached(sql)?.execute(params![now.as_millis(), lane, most as i64])
}

/// Makes due what would wait longer than anything ever does: the clock was ahead when it was written down. At most `most`;
/// gives how many.
pub(crate) fn mend(db: &Connection, beyond: Moment, now: Moment, most: usize) -> rusqlite::Result<usize> {
    let mut mended = 0;
    for lane in lanes(db)? {
        let sql = "UPDATE item SET not_before = ?3 WHERE id IN (SELECT id FROM item
                   WHERE lane = ?1 AND state <> 'parked' AND not_before > ?2 LIMIT ?4)";
        let row = params![lane, beyond.as_millis(), now.as_millis(), (most - mended) as i64];
        mended += db.prepare_cached(sql)?.execute(row)?;
    }
    Ok(mended)
}

/// Writes the row that is there to be written.
pub(crate) fn probe(db: &Connection, limits: Limits, now: Moment) -> Result<(), Fault> {
    let sql = "INSERT INTO probe VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = excluded.at";
    db.prepare_cached(sql)?.execute([now.as_millis()])?;
    Room::of(db)?.takes(0, limits.bytes).map_err(Fault::Ours)
}

/// How much of one lane stands in one state for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Storage unit, or `unrouted`.
    pub lane: String,
    /// Where the items stand.
    pub state: State,
    /// The last failure's token; empty if there was none.
    pub reason: String,
    /// Items.
    pub items: u64,
    /// Bytes of the deliveries, about.
    pub bytes: u64,
}

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// By lane, state and reason; only what there is.
    pub depths: Vec<Depth>,
    /// Since when the oldest item of each lane waits or is held.
    pub oldest: Vec<(String, Moment)>,
    /// Bytes of the file in use.
    pub used_bytes: u64,
}

pub(crate) fn stock(db: &Connection) -> rusqlite::Result<Stock> {
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
    let mut oldest = Vec::new();
    for lane in lanes(db)? {
        let sql = "SELECT since FROM item WHERE lane = ?1 AND state <> 'parked' ORDER BY since LIMIT 1";
        let since = db.prepare_cached(sql)?.query_row([&lane], |row| number(row, 0)).optional()?;
        oldest.extend(since.map(|since| (lane.shown(), Moment::from_millis(since))));
    }
    Ok(Stock { depths, oldest, used_bytes: Room::of(db)?.used })
}

/// Which items an operator means. Everything that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub state: Option<State>,
    /// The lane.
    pub lane: Option<String>,
    /// The bucket.
    pub bucket: Option<String>,
    /// The token of the last failure.
    pub reason: Option<String>,
    /// Received at this moment or before.
    pub received_before: Option<Moment>,
    /// These numbers and no others; empty: all.
    pub ids: Vec<ItemId>,
}

/// One item, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: ItemId,
    /// Where it stands.
    pub state: State,
    /// Storage unit, or `unrouted`.
    pub lane: String,
    /// The bucket, if the record could be read so far.
    pub bucket: Option<String>,
    /// The object's key, decoded, if the record could be read so far.
    pub key: Option<String>,
    /// Requests made to MDSS.
    pub attempts: u32,
    /// The last failure's token.
    pub reason: Option<String>,
    /// The sentence for it.
    pub detail: Option<String>,
    /// When the delivery came.
    pub received: Moment,
    /// When it is tried next; of a parked one, when it was parked.
    pub not_before: Moment,
    /// The source it came through.
    pub source: Option<String>,
    /// What the log calls the delivery.
    pub name: String,
    /// The record's path in the delivery.
    pub path: String,
    /// Its share of the delivery's bytes.
    pub bytes: u64,
}

/// The items that fit, by number, behind `after`, at most `most`.
pub(crate) fn list(
    db: &Connection,
    filter: &Filter,
    after: ItemId,
    most: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let mut sql = String::from(
        "SELECT item.id, state, lane, bucket, key, attempts, reason, detail, ifnull(received, since), not_before, delivery.source, name, path, bytes
         FROM item LEFT JOIN delivery ON delivery.id = item.delivery WHERE item.id > ?",
    );
    let mut values: Vec<Value> = vec![after.0.into()];
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
        values.extend(filter.ids.iter().map(|id| Value::from(id.0)));
    }
    sql += " ORDER BY item.id LIMIT ?";
    values.push((most as i64).into());
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            id: ItemId(row.get(0)?),
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

/// The delivery an item came in.
pub(crate) fn delivery_of(db: &Connection, id: ItemId) -> rusqlite::Result<Option<Result<Delivery, String>>> {
    let sql = "SELECT delivery FROM item WHERE id = ?1";
    let found = db.prepare_cached(sql)?.query_row([id.0], |row| number(row, 0)).optional()?;
    Ok(match found {
        Some(number) => Some(stored(db, number)?.map_or_else(|| Err(lost(number)), |stored| stored.delivery)),
        None => None,
    })
}

/// Makes an item due, whatever its state; its age counts from here. False if it is gone.
pub(crate) fn retry(db: &Connection, id: ItemId, now: Moment) -> rusqlite::Result<bool> {
    let sql = "UPDATE item SET state = 'waiting', not_before = ?2, since = ?2 WHERE id = ?1";
    Ok(db.prepare_cached(sql)?.execute(params![id.0, now.as_millis()])? > 0)
}

/// Deletes an item. False if it was gone.
pub(crate) fn purge(db: &Connection, id: ItemId) -> rusqlite::Result<bool> {
    Ok(db.prepare_cached("DELETE FROM item WHERE id = ?1")?.execute([id.0])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::NewItem;

    const LIMITS: Limits = Limits { bytes: 1 << 30, parties: Parties { sources: 1, units: 1 } };

    fn file() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        crate::sqlite::thread::create(&dir.path().join("spool.db")).unwrap();
        let mut db = crate::sqlite::thread::connect(&dir.path().join("spool.db")).unwrap();
        crate::sqlite::schema::migrate(&mut db).unwrap();
        (dir, db)
    }

    /// A delivery of so many items for a lane, one due every millisecond.
    fn fill(db: &Connection, lane: &str, count: i64, body: usize) -> Result<Vec<Written>, Fault> {
        let item = |n: i64| NewItem {
            record: 0,
            path: n.to_string(),
            lane: lane.into(),
            state: State::Waiting,
            not_before: Moment::from_millis(n),
            reason: None,
            detail: None,
            bucket: None,
            key: None,
            mark: None,
        };
        let intake = Intake {
            name: String::new(),
            source: None,
            dialect: None,
            method: String::new(),
            headers: "[]".into(),
            body: vec![b' '; body],
            received: Moment::from_millis(0),
            items: (0..count).map(item).collect(),
        };
        let group = db.unchecked_transaction()?;
        let written = accept(&group, &intake, LIMITS)?;
        group.commit()?;
        Ok(written)
    }

    fn want(most: usize, turn: usize) -> Want {
        let now = Moment::from_millis(1_000_000);
        Want { now, most, lanes: HashMap::new(), busy: HashSet::new(), turn }
    }

    /// The claimed items of a lane, by their paths.
    fn of(claims: &Claims, lane: &str) -> Vec<i64> {
        claims.items.iter().filter(|c| c.lane == lane).map(|c| c.path.parse().unwrap()).collect()
    }

    #[test]
    fn a_long_lane_leaves_the_others_their_share() {
        let (_dir, db) = file();
        fill(&db, "a", 1000, 2).unwrap();
        fill(&db, "b", 2, 2).unwrap();
        fill(&db, "c", 100, 2).unwrap();
        for turn in 0..7 {
            let claims = claim(&db, &want(12, turn)).unwrap();
            assert_eq!(
                (of(&claims, "a").len(), of(&claims, "b").len(), of(&claims, "c").len()),
                (4, 2, 4),
                "{turn}"
            );
        }
        // With fewer places than lanes the lanes take turns.
        let mut seen: Vec<_> =
            (0..3).flat_map(|turn| claim(&db, &want(1, turn)).unwrap().items).map(|c| c.lane).collect();
        seen.sort();
        assert_eq!(seen, ["a", "b", "c"]);
        let closed = Want { lanes: HashMap::from([("a".into(), 0), ("c".into(), 1)]), ..want(12, 0) };
        let claims = claim(&db, &closed).unwrap();
        assert_eq!((of(&claims, "a").len(), of(&claims, "b").len(), of(&claims, "c").len()), (0, 2, 1));
    }

    #[test]
    fn the_oldest_come_first_and_the_newest_do_not_wait_for_all_of_them() {
        let (_dir, db) = file();
        fill(&db, "a", 1000, 2).unwrap();
        assert_eq!(of(&claim(&db, &want(8, 0)).unwrap(), "a"), [0, 1, 2, 3, 4, 5, 999, 998]);
        // A lane's one place among others.
        fill(&db, "b", 2, 2).unwrap();
        let single = |turn| of(&claim(&db, &want(2, turn)).unwrap(), "a");
        assert_eq!((0..8).flat_map(single).collect::<Vec<_>>(), [0, 0, 0, 999, 0, 0, 0, 999]);
        db.execute("DELETE FROM item WHERE lane = 'b'", []).unwrap();
        // A probe is the one that was tried least, of those that came due last.
        let probe = || of(&claim(&db, &want(1, 0)).unwrap(), "a");
        let closed = Want { lanes: HashMap::from([("a".into(), 1)]), ..want(8, 0) };
        assert_eq!((probe(), of(&claim(&db, &closed).unwrap(), "a")), (vec![999], vec![999]));
        db.execute("UPDATE item SET attempts = 3 WHERE CAST(path AS INTEGER) NOT IN (5, 950)", []).unwrap();
        assert_eq!(probe(), [950]);
        db.execute("UPDATE item SET attempts = 4 WHERE CAST(path AS INTEGER) > 920", []).unwrap();
        assert_eq!(probe(), [920]);
        db.execute("UPDATE item SET attempts = 0", []).unwrap();
        // What is under way is passed over, at both ends.
        let all = claim(&db, &want(8, 0)).unwrap();
        let busy = all.items.iter().map(|c| c.id).collect();
        assert_eq!(
            of(&claim(&db, &Want { busy, ..want(8, 0) }).unwrap(), "a"),
            [6, 7, 8, 9, 10, 11, 997, 996]
        );
        // What is not due is not claimed, and its time is known.
        let early = Want { now: Moment::from_millis(3), ..want(8, 0) };
        let claims = claim(&db, &early).unwrap();
        assert_eq!((of(&claims, "a"), claims.next), (vec![0, 1, 2, 3], Some(Moment::from_millis(4))));
    }

    #[test]
    fn a_claim_brings_a_few_megabytes_into_memory_at_most() {
        for (body, want_items) in [(10, 5), (900_000, 2), (1_500_000, 1), (6_000_000, 1)] {
            let (_dir, db) = file();
            for _ in 0..5 {
                fill(&db, "a", 1, body).unwrap();
            }
            let claims = claim(&db, &want(8, 0)).unwrap();
            assert_eq!(
                (claims.items.len(), claims.cut, claims.empty),
                (want_items, want_items < 5, false),
                "{body}"
            );
            db.execute("UPDATE item SET state = 'parked'", []).unwrap();
            assert!(claim(&db, &want(8, 0)).unwrap().empty, "{body}");
        }
    }

    #[test]
    fn marks_are_forgotten_beyond_their_number() {
        let (_dir, db) = file();
        db.execute("INSERT INTO done (id, mark, at) VALUES (1, 'first', 0), (?1, 'last', 0)", [MOST_DONE])
            .unwrap();
        let count = || db.query_row("SELECT count(*) FROM done", [], |row| row.get::<_, i64>(0)).unwrap();
        forget_done(&db).unwrap();
        assert_eq!(count(), 2);
        db.execute("INSERT INTO done (mark, at) VALUES ('one more', 0)", []).unwrap();
        forget_done(&db).unwrap();
        assert_eq!(count(), 2);
    }

    #[test]
    fn a_file_that_may_not_grow_is_a_full_disk() {
        let (_dir, db) = file();
        db.pragma_update(None, "max_page_count", 40).unwrap();
        let fault = loop {
            if let Err(fault) = fill(&db, "a", 1, 5000) {
                break fault;
            }
        };
        let Fault::Sql(error) = fault else { panic!("{fault:?}") };
        assert_eq!(Trouble::of(&error, "x").kind, crate::TroubleKind::Unwritable);
    }

    #[test]
    fn a_commit_is_synced() {
        let (_dir, db) = file();
        let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (2, 1));
    }
}
