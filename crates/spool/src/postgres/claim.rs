//! Which items may be tried now. Who takes one moves it into the future, by the clock of the database: if nobody is heard of it until then, it is
//! due again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::base::Base;
use super::delivery::{lost, moment, stored};
use super::due::{LEASE, Lane, lanes};
use super::failure::Fault;
use super::floors::Floors;
use super::lease::give_back;
use super::room::state;
use super::slot::Held;
use crate::claim::{Claimed, Claims, DeliveryId, Stored, Want};
use crate::clock::since_boot;
use crate::item::ItemId;
use crate::ticket::{Leased, Ticket};
use mdss_relay_postgres::{Line, Parameter};

/// Bytes of bodies that one claim brings into memory, the first delivery aside.
const MOST_CLAIMED_BYTES: i64 = 2 << 20;

/// Every nth place of a claim is for what came due last: oldest first, and yet the new does not wait for the whole backlog.
const NEWEST_SHARE: usize = 4;

/// What is due: the oldest, the newest, and of a lane that is probed the one that was tried least of a hundred. Only what nobody holds just now.
const DUE: &str = "
 old AS MATERIALIZED (SELECT l.place, d.* FROM lanes l, LATERAL (
     SELECT id, not_before, delivery FROM mdss_relay.item
     WHERE item.lane = l.lane AND state <> 2 AND not_before <= now() AND not_before >= l.floor
     ORDER BY not_before, id LIMIT l.old FOR UPDATE SKIP LOCKED) d),
 young AS MATERIALIZED (SELECT l.place, d.* FROM lanes l, LATERAL (
     SELECT id, not_before, delivery FROM mdss_relay.item
     WHERE item.lane = l.lane AND state <> 2 AND not_before <= now()
     ORDER BY not_before DESC, id DESC LIMIT l.young FOR UPDATE SKIP LOCKED) d),
 probes AS MATERIALIZED (SELECT l.place, d.* FROM lanes l, LATERAL (
     SELECT id, not_before, delivery FROM mdss_relay.item
     WHERE item.id = ANY (ARRAY(SELECT i.id FROM mdss_relay.item i WHERE i.lane = l.lane AND i.state <> 2 AND i.not_before <= now()
                                ORDER BY i.not_before DESC, i.id DESC LIMIT 100))
       AND state <> 2 AND not_before <= now()
     ORDER BY attempts, not_before DESC, id DESC LIMIT l.probe FOR UPDATE SKIP LOCKED) d),
 found AS (SELECT place, 0 AS part, not_before, id, delivery FROM old
           UNION ALL SELECT place, 1, not_before, id, delivery FROM young
           UNION ALL SELECT place, 2, not_before, id, delivery FROM probes),";

/// What is put off, for a probe of MDSS itself: of a hundred the one that was tried least. What is held waits for an operator.
const EARLY: &str = "
 found AS (SELECT l.place, 0 AS part, d.* FROM lanes l, LATERAL (
     SELECT not_before, id, delivery FROM mdss_relay.item
     WHERE item.id = ANY (ARRAY(SELECT i.id FROM mdss_relay.item i
                                WHERE i.lane = l.lane AND i.state = 0 AND i.not_before > now() AND i.claim IS NULL AND NOT i.id = ANY ($7)
                                ORDER BY i.not_before, i.id LIMIT 100))
       AND state = 0 AND claim IS NULL
     ORDER BY attempts, not_before DESC, id DESC LIMIT l.probe FOR UPDATE SKIP LOCKED) d),";

/// Of those found, the ones whose bodies fit into memory are taken, in the order in which they were found.
const TAKE: &str = "
 once AS (SELECT DISTINCT ON (id) place, part, not_before, id, delivery FROM found ORDER BY id, part),
 ranked AS (SELECT o.*, coalesce(octet_length(d.body), 0) AS size, coalesce(d.items, 1) = 1 AS alone, row_number() OVER (ORDER BY o.place, o.part,
                CASE WHEN o.part = 0 THEN o.not_before END, CASE WHEN o.part = 0 THEN o.id END, o.not_before DESC, o.id DESC) AS rank
            FROM once o LEFT JOIN mdss_relay.delivery d ON d.id = o.delivery),
 sized AS (SELECT r.*, CASE WHEN rank = min(rank) OVER (PARTITION BY delivery) THEN size ELSE 0 END AS new FROM ranked r WHERE rank <= $9),
 summed AS MATERIALIZED (SELECT s.*, sum(new) OVER (ORDER BY rank) AS bytes, first_value(delivery) OVER (ORDER BY rank) AS first FROM sized s),
 taken AS (UPDATE mdss_relay.item SET claim = ticket.n, not_before = now() + $6 * interval '1 second' FROM ticket
           WHERE item.id = ANY (ARRAY(SELECT id FROM summed WHERE bytes <= $5 OR delivery = first))
           RETURNING item.id, item.token, item.claim, item.delivery, item.path, item.lane, item.state, item.attempts,
                     extract(epoch FROM now() - item.since)::float8 AS waited, item.since, item.reason)
SELECT t.id, t.token, t.claim, t.delivery, t.path, t.lane, t.state, t.attempts, t.waited, t.since, t.reason, s.not_before, (SELECT count(*) FROM summed), s.alone
FROM taken t JOIN summed s ON s.id = t.id ORDER BY s.rank";

/// What is asked of one lane.
#[derive(Debug)]
struct Asked {
    lane: String,
    old: usize,
    young: usize,
    probe: usize,
}

impl Asked {
    fn most(&self) -> usize {
        self.old + self.young + self.probe
    }
}

/// How many of each lane: its share, as far as it may have it. With fewer places than lanes they take turns.
fn asked(mut lanes: Vec<Lane>, want: &Want) -> Vec<Asked> {
    let cap = |lane: &str| want.lanes.get(lane).copied().unwrap_or(usize::MAX);
    lanes.retain(|lane| cap(&lane.name) > 0);
    if !lanes.is_empty() {
        let turn = want.turn % lanes.len();
        lanes.rotate_left(turn);
    }
    let share = want.most.div_ceil(lanes.len().max(1));
    let mut asked = Vec::new();
    for Lane { name, .. } in lanes {
        // All together are cut at what is wanted, so that a lane in which nothing is due takes no other's place.
        let most = share.min(cap(&name));
        asked.push(if want.most == 1 || cap(&name) == 1 {
            // It should say whether anything passes, and not meet the same poison over and over while what would pass waits behind it.
            Asked { lane: name, old: 0, young: 0, probe: 1 }
        } else {
            // With the turn in it, a claim of one place is every fourth time one for the newest.
            let young = (most + want.turn % NEWEST_SHARE) / NEWEST_SHARE;
            Asked { lane: name, old: most - young, young, probe: 0 }
        });
    }
    asked
}

/// The items that may be tried now: from each lane the oldest that are due, and every fourth place for the newest.
///
/// # Errors
/// If they cannot be claimed; what was claimed all the same comes back when its lease ends.
pub(super) async fn claim(base: &Base, held: &mut Held<'_>, want: &Want) -> Result<Claims, Fault> {
    let mut floors = base.floors.lock().await;
    floors.look(held.made());
    give_back(base, held, &mut floors).await?;
    let found = held.ask(async |line| lanes(line).await).await?;
    let next =
        found.iter().filter(|lane| want.lanes.get(&lane.name) != Some(&0)).filter_map(|lane| lane.next).min();
    let mut claims = Claims { empty: found.is_empty(), next, ..Claims::default() };
    let asked = asked(found, want);
    if asked.is_empty() || want.most == 0 {
        return Ok(claims);
    }
    let begin = since_boot();
    let lease = want.lease.unwrap_or(LEASE);
    let of = Of { asked: &asked, early: None, most: want.most, lease };
    let mut taken = held.ask(async |line| take(line, &of, &floors).await).await?;
    if taken.items.is_empty()
        && let Some(spared) = &want.early
    {
        let probe = |asked: &Asked| Asked { lane: asked.lane.clone(), old: 0, young: 0, probe: 1 };
        let probes: Vec<_> = asked.iter().map(probe).collect();
        let of = Of { asked: &probes, early: Some(spared), most: 1, lease };
        taken = held.ask(async |line| take(line, &of, &floors).await).await?;
    }
    let found = taken.found;
    let mut items: Vec<_> = taken.items.into_iter().map(|taken| item(base, taken, begin)).collect();
    claims.cut = items.len() < found;
    for asked in &asked {
        let of = || items.iter().filter(|item| item.claimed.lane == asked.lane);
        let full = of().count() >= asked.most();
        let oldest = of().map(|item| item.due).min().filter(|_| full && asked.old > 0);
        floors.learn(&asked.lane, oldest);
        if full {
            claims.more.push(asked.lane.clone());
        }
    }
    // Whatever goes wrong from here on, the tickets go with it, and their items are given back.
    deliver(held, &mut items).await?;
    claims.items = items.into_iter().map(|item| item.claimed).collect();
    Ok(claims)
}

/// An item that was given out.
struct Item {
    claimed: Claimed,
    /// When it was due.
    due: SystemTime,
    /// Its path can be read; otherwise what stands in place of its delivery says why not.
    readable: bool,
}

/// One row that was taken.
struct Taken {
    of: Leased,
    path: Result<String, String>,
    lane: String,
    state: i16,
    attempts: i32,
    waited: Duration,
    since: SystemTime,
    reason: Option<String>,
}

#[derive(Default)]
struct Found {
    items: Vec<Taken>,
    /// How many were found, with those that were left because of their bodies.
    found: usize,
}

/// What one statement is to take.
struct Of<'a> {
    asked: &'a [Asked],
    /// What is put off, but not these; otherwise what is due.
    early: Option<&'a [ItemId]>,
    most: usize,
    lease: Duration,
}

async fn take(line: &Line, of: &Of<'_>, floors: &Floors) -> Result<Found, Fault> {
    let Of { asked, early, most, lease } = *of;
    let sql = format!(
        "WITH ticket AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true), nextval('mdss_relay.claims') AS n),
         lanes AS MATERIALIZED (SELECT l.* FROM ticket, unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $8::timestamptz[])
                                WITH ORDINALITY AS l (lane, old, young, probe, floor, place)),{}{TAKE}",
        if early.is_some() { EARLY } else { DUE }
    );
    let count = |of: fn(&Asked) -> usize| -> Vec<i64> {
        asked.iter().map(|asked| i64::try_from(of(asked)).unwrap_or(i64::MAX)).collect()
    };
    let names: Vec<&str> = asked.iter().map(|asked| asked.lane.as_str()).collect();
    let (old, young, probe) = (count(|a| a.old), count(|a| a.young), count(|a| a.probe));
    let spared: Vec<i64> = early.iter().flat_map(|ids| ids.iter()).map(|id| id.get()).collect();
    let floors: Vec<SystemTime> = asked.iter().map(|asked| floors.of(&asked.lane)).collect();
    let seconds = lease.as_secs_f64();
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let parameters: [Parameter<'_>; 9] = [
        (&names, Type::TEXT_ARRAY),
        (&old, Type::INT8_ARRAY),
        (&young, Type::INT8_ARRAY),
        (&probe, Type::INT8_ARRAY),
        (&MOST_CLAIMED_BYTES, Type::INT8),
        (&seconds, Type::FLOAT8),
        (&spared, Type::INT8_ARRAY),
        (&floors, Type::TIMESTAMPTZ_ARRAY),
        (&most, Type::INT8),
    ];
    let rows = line.client.query_typed(&sql, &parameters).await?;
    let found = rows.first().map(|row| row.try_get::<_, i64>(12)).transpose()?.unwrap_or(0);
    let items = rows.iter().map(|row| taken(row, lease)).collect::<Result<_, _>>()?;
    Ok(Found { items, found: usize::try_from(found).unwrap_or(0) })
}

fn taken(row: &Row, length: Duration) -> Result<Taken, tokio_postgres::Error> {
    let path: &[u8] = row.try_get(4)?;
    let broken = || {
        let shown = String::from_utf8_lossy(path);
        format!(
            "the item's path in its delivery: expected UTF-8, found {shown:?}; something other than the relay has changed the tables"
        )
    };
    Ok(Taken {
        of: Leased {
            id: ItemId::new(row.try_get(0)?),
            token: row.try_get(1)?,
            claim: row.try_get(2)?,
            delivery: row.try_get(3)?,
            alone: row.try_get(13)?,
            due: row.try_get(11)?,
            length,
        },
        path: std::str::from_utf8(path).map(str::to_owned).map_err(|_| broken()),
        lane: row.try_get(5)?,
        state: row.try_get(6)?,
        attempts: row.try_get(7)?,
        waited: super::delivery::seconds(row.try_get(8)?),
        since: row.try_get(9)?,
        reason: row.try_get(10)?,
    })
}

/// An item with its ticket. Its delivery is read later.
fn item(base: &Base, taken: Taken, begin: Duration) -> Item {
    let (due, readable) = (taken.of.due, taken.path.is_ok());
    let unread = taken.path.as_ref().err().cloned().unwrap_or_else(|| lost(taken.of.delivery));
    let delivery = Stored {
        id: DeliveryId::new(0, taken.of.delivery),
        received: moment(taken.since),
        age: taken.waited,
        delivery: Err(unread),
        items: 1,
    };
    let claimed = Claimed {
        known: None,
        ticket: Ticket::leased(taken.of, begin, base.back.clone()),
        path: taken.path.unwrap_or_default(),
        lane: taken.lane,
        state: state(taken.state),
        attempts: u32::try_from(taken.attempts).unwrap_or(0),
        waited: taken.waited,
        reason: taken.reason,
        delivery: Arc::new(delivery),
    };
    Item { claimed, due, readable }
}

/// Reads the deliveries of what was claimed, each once.
async fn deliver(held: &mut Held<'_>, items: &mut [Item]) -> Result<(), Fault> {
    let number = |item: &Item| item.claimed.ticket.lease().map_or(0, |lease| lease.delivery);
    let mut ids: Vec<i64> = items.iter().map(number).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let found = held.ask(async |line| stored(line, &ids).await).await?;
    let stored = |(id, found): (i64, super::delivery::Found)| {
        let super::delivery::Found { received, age, delivery, items } = found;
        (id, Arc::new(Stored { id: DeliveryId::new(0, id), received, age, delivery, items }))
    };
    let deliveries: HashMap<i64, Arc<Stored>> = found.into_iter().map(stored).collect();
    for item in items.iter_mut().filter(|item| item.readable) {
        if let Some(delivery) = deliveries.get(&number(item)) {
            item.claimed.delivery = Arc::clone(delivery);
        }
    }
    Ok(())
}
