//! Which items may be tried now. Who takes one has it until a time of the database's clock: if nobody is heard of it until then, it may be taken again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::base::Base;
use super::delivery::{found, lost, moment};
use super::due::{LEASE, Lane, lanes};
use super::failure::Fault;
use super::floors::{Brought, Floors};
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

/// What is due, and what is put off: the statements are in the database (`7.sql`), so that a session keeps their plans.
const DUE: &str = "SELECT * FROM mdss_relay.claim_due($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const EARLY: &str = "SELECT * FROM mdss_relay.claim_early($1, $2, $3)";

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

    /// Where all of it was, by when each was due: the oldest come first, then the newest.
    fn brought(&self, due: &[SystemTime]) -> Option<Brought> {
        let (old, young) = due.split_at_checked(self.old)?;
        let reached = *old.iter().max()?;
        let span = young.iter().max().zip(young.iter().min());
        Some(Brought { reached, young: span.map(|(newest, oldest)| (*newest, *oldest)) })
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
    let is_asked = |lane: &str| want.lanes.get(lane) != Some(&0);
    let known = floors.lanes();
    let is_all = known.is_none() && floors.hide_nothing_of(is_asked);
    let found = match known {
        Some(found) => found,
        None => look(held, &mut floors).await?,
    };
    let early = want.early.as_deref();
    let mut claims = claim_of(base, held, want, &mut floors, found, early.filter(|_| is_all)).await?;
    if is_all {
        return Ok(claims);
    }
    if claims.items.is_empty() {
        floors.forget_of(is_asked);
        let found = look(held, &mut floors).await?;
        return claim_of(base, held, want, &mut floors, found, early).await;
    }
    // What was not looked at may be due already.
    claims.next = [claims.next, floors.left()].into_iter().flatten().min();
    Ok(claims)
}

/// The lanes as they are now.
async fn look(held: &mut Held<'_>, floors: &mut Floors) -> Result<Vec<Lane>, Fault> {
    let found = held.ask(async |line| lanes(line).await).await?;
    floors.found(&found);
    Ok(found)
}

/// After what time the next item of the lanes that are asked for comes due.
fn next(found: &[Lane], want: &Want) -> Option<Duration> {
    found.iter().filter(|lane| want.lanes.get(&lane.name) != Some(&0)).filter_map(|lane| lane.next).min()
}

/// The same of these lanes; if nothing is due, one of what is put off, but not of `early`.
async fn claim_of(
    base: &Base,
    held: &mut Held<'_>,
    want: &Want,
    floors: &mut Floors,
    found: Vec<Lane>,
    early: Option<&[ItemId]>,
) -> Result<Claims, Fault> {
    let next = next(&found, want);
    let mut claims = Claims { empty: found.is_empty(), next, ..Claims::default() };
    let mut asked = asked(found, want);
    for asked in asked.iter_mut().filter(|asked| floors.of(&asked.lane).short) {
        asked.old += std::mem::take(&mut asked.young);
    }
    if asked.is_empty() || want.most == 0 {
        return Ok(claims);
    }
    let begin = since_boot();
    let lease = want.lease.unwrap_or(LEASE);
    let of = Of { asked: &asked, early: None, most: want.most, lease };
    let mut taken = held.ask(async |line| take(line, &of, floors).await).await?;
    if taken.items.is_empty()
        && let Some(spared) = early
    {
        let probe = |asked: &Asked| Asked { lane: asked.lane.clone(), old: 0, young: 0, probe: 1 };
        let probes: Vec<_> = asked.iter().map(probe).collect();
        let of = Of { asked: &probes, early: Some(spared), most: 1, lease };
        taken = held.ask(async |line| take(line, &of, floors).await).await?;
    }
    let Found { items, deliveries, found } = taken;
    let items: Vec<_> = items.into_iter().map(|taken| item(base, taken, &deliveries, begin)).collect();
    claims.cut = items.len() < found;
    // The last of several lanes may have had no place left.
    let is_full = found >= want.most;
    for asked in &asked {
        let due: Vec<SystemTime> =
            items.iter().filter(|item| item.claimed.lane == asked.lane).map(|item| item.due).collect();
        if due.len() >= asked.most() {
            floors.learn(&asked.lane, asked.brought(&due));
            claims.more.push(asked.lane.clone());
        } else if claims.cut || is_full {
            floors.learn(&asked.lane, None);
        } else {
            floors.learn_all(&asked.lane, due.iter().max().copied());
        }
    }
    claims.items = items.into_iter().map(|item| item.claimed).collect();
    Ok(claims)
}

/// An item that was given out.
struct Item {
    claimed: Claimed,
    /// When it was due.
    due: SystemTime,
}

/// One row that was taken.
struct Taken {
    of: Leased,
    due: SystemTime,
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
    deliveries: HashMap<i64, Arc<Stored>>,
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
    let count = |of: fn(&Asked) -> usize| -> Vec<i64> {
        asked.iter().map(|asked| i64::try_from(of(asked)).unwrap_or(i64::MAX)).collect()
    };
    let names: Vec<&str> = asked.iter().map(|asked| asked.lane.as_str()).collect();
    let seconds = lease.as_secs_f64();
    let rows = if let Some(spared) = early {
        let spared: Vec<i64> = spared.iter().map(|id| id.get()).collect();
        let parameters: [Parameter<'_>; 3] =
            [(&names, Type::TEXT_ARRAY), (&spared, Type::INT8_ARRAY), (&seconds, Type::FLOAT8)];
        line.client.query_typed(EARLY, &parameters).await?
    } else {
        let (old, young, probe) = (count(|a| a.old), count(|a| a.young), count(|a| a.probe));
        let known: Vec<_> = asked.iter().map(|asked| floors.of(&asked.lane)).collect();
        let floors: Vec<SystemTime> = known.iter().map(|known| known.floor).collect();
        let (above, below): (Vec<_>, Vec<_>) = known.iter().map(|known| known.taken.unzip()).unzip();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let parameters: [Parameter<'_>; 10] = [
            (&names, Type::TEXT_ARRAY),
            (&old, Type::INT8_ARRAY),
            (&young, Type::INT8_ARRAY),
            (&probe, Type::INT8_ARRAY),
            (&floors, Type::TIMESTAMPTZ_ARRAY),
            (&above, Type::TIMESTAMPTZ_ARRAY),
            (&below, Type::TIMESTAMPTZ_ARRAY),
            (&most, Type::INT8),
            (&MOST_CLAIMED_BYTES, Type::INT8),
            (&seconds, Type::FLOAT8),
        ];
        line.client.query_typed(DUE, &parameters).await?
    };
    let found = rows.first().map(|row| row.try_get::<_, i64>(12)).transpose()?.unwrap_or(0);
    let items = rows.iter().map(|row| taken(row, lease)).collect::<Result<_, _>>()?;
    let deliveries = rows.iter().filter_map(|row| delivery(row).transpose()).collect::<Result<_, _>>()?;
    Ok(Found { items, deliveries, found: usize::try_from(found).unwrap_or(0) })
}

/// Where the columns of the delivery begin in `mdss_relay.claimed` (`6.sql`).
const AT: usize = 14;

/// The delivery of an item, with the first item of each.
fn delivery(row: &Row) -> Result<Option<(i64, Arc<Stored>)>, tokio_postgres::Error> {
    if row.try_get::<_, Option<&str>>(AT)?.is_none() {
        return Ok(None);
    }
    let id = row.try_get(3)?;
    let super::delivery::Found { received, age, delivery, items } = found(id, row, AT)?;
    Ok(Some((id, Arc::new(Stored { id: DeliveryId::new(0, id), received, age, delivery, items }))))
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
            length,
        },
        due: row.try_get(11)?,
        path: std::str::from_utf8(path).map(str::to_owned).map_err(|_| broken()),
        lane: row.try_get(5)?,
        state: row.try_get(6)?,
        attempts: row.try_get(7)?,
        waited: super::delivery::seconds(row.try_get(8)?),
        since: row.try_get(9)?,
        reason: row.try_get(10)?,
    })
}

/// An item with its ticket. Of one whose path cannot be read, or without a delivery, what stands in place of that says why.
fn item(base: &Base, taken: Taken, deliveries: &HashMap<i64, Arc<Stored>>, begin: Duration) -> Item {
    let due = taken.due;
    let unread = |why: String| {
        Arc::new(Stored {
            id: DeliveryId::new(0, taken.of.delivery),
            received: moment(taken.since),
            age: taken.waited,
            delivery: Err(why),
            items: 1,
        })
    };
    let (path, delivery) = match taken.path {
        Ok(path) => {
            let found = deliveries.get(&taken.of.delivery).cloned();
            (path, found.unwrap_or_else(|| unread(lost(taken.of.delivery))))
        }
        Err(why) => (String::new(), unread(why)),
    };
    let claimed = Claimed {
        known: None,
        ticket: Ticket::leased(taken.of, begin, base.back.clone()),
        path,
        lane: taken.lane,
        state: state(taken.state),
        attempts: u32::try_from(taken.attempts).unwrap_or(0),
        waited: taken.waited,
        reason: taken.reason,
        delivery,
    };
    Item { claimed, due }
}
