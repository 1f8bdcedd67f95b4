//! Counting what there is: by one relay for all of them, rarely where it takes long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::base::Base;
use super::delivery::{moment, seconds};
use super::failure::Fault;
use super::room::{Heap, is_fresh, state};
use super::slot::Held;
use crate::clock::Moment;
use crate::item::State;
use crate::stock::{Depth, Stock};
use mdss_relay_postgres::Line;

/// How long a count may take: a million items take a seventh of a second.
const DEADLINE: Duration = Duration::from_secs(60);

/// Who counts holds this lock until the end of its transaction.
const LOCK: i64 = 0x4d44_5353;

/// A count, when it was made and how long it took.
pub(super) struct Counted {
    pub(super) heaps: Vec<Heap>,
    at: Moment,
    age: Duration,
    took: Duration,
}

/// Counts everything now, for this relay.
///
/// # Errors
/// If it cannot be read.
pub(super) async fn count(base: &Base) -> Result<Counted, Fault> {
    let mut held = base.look.take().await?;
    count_on(base, &mut held).await
}

pub(super) async fn count_on(base: &Base, held: &mut Held<'_>) -> Result<Counted, Fault> {
    let begun = Instant::now();
    base.room.begin();
    let (heaps, at, took) = held.ask_within(DEADLINE, async |line| heaps(line).await).await?;
    base.room.counted(heaps.clone(), begun, took);
    Ok(Counted { heaps, at, age: begun.elapsed(), took })
}

/// What there is, at which time, and how long the server took.
async fn heaps(line: &Line) -> Result<(Vec<Heap>, Moment, Duration), Fault> {
    let sql = "SELECT source, lane, state, coalesce(reason, ''), count(*), sum(bytes)::int8, min(since), now(), 0::float8,
                      count(*) FILTER (WHERE leased > now()) FROM mdss_relay.item GROUP BY 1, 2, 3, 4
               UNION ALL SELECT '', '', -1::int2, '', 0, 0, now(), now(),
                                extract(epoch FROM clock_timestamp() - statement_timestamp())::float8, 0";
    let rows = line.client.query_typed(sql, &[]).await?;
    let (mut heaps, mut at, mut took) = (Vec::new(), Moment::from_millis(0), Duration::ZERO);
    for row in &rows {
        at = moment(row.try_get(7)?);
        took = took.max(seconds(row.try_get(8)?));
        let state: i16 = row.try_get(2)?;
        // One row is there for the time alone.
        if state >= 0 {
            heaps.push(Heap {
                source: row.try_get(0)?,
                lane: row.try_get(1)?,
                state,
                reason: row.try_get(3)?,
                items: u64::try_from(row.try_get::<_, i64>(4)?).unwrap_or(0),
                bytes: u64::try_from(row.try_get::<_, i64>(5)?).unwrap_or(0),
                oldest: moment(row.try_get(6)?).as_millis(),
                leased: u64::try_from(row.try_get::<_, i64>(9)?).unwrap_or(0),
            });
        }
    }
    Ok((heaps, at, took))
}

/// What there is, as somebody has counted it for all relays, or counted now.
///
/// # Errors
/// If it can neither be read nor counted.
pub(super) async fn stock(base: &Base) -> Result<Stock, Fault> {
    let mut held = base.look.take().await?;
    let shared = held.ask(async |line| shared(line).await).await?;
    if let Some(counted) = shared.filter(|counted| is_fresh(counted.age, counted.took)) {
        return Ok(of(counted));
    }
    let counted = count_on(base, &mut held).await?;
    // Others need not count then. If that cannot be written, they do.
    let _ = held.ask(async |line| share(line, &counted).await).await;
    Ok(of(counted))
}

/// What there is now, whatever it costs to count.
///
/// # Errors
/// If it cannot be counted.
pub(super) async fn afresh(base: &Base) -> Result<Stock, Fault> {
    Ok(of(count(base).await?))
}

/// The last count that anybody has made for all.
async fn shared(line: &Line) -> Result<Option<Counted>, Fault> {
    let sql = "SELECT at, extract(epoch FROM clock_timestamp() - at)::float8, extract(epoch FROM took)::float8, counted FROM mdss_relay.stock";
    let Some(row) = line.client.query_typed_opt(sql, &[]).await? else { return Ok(None) };
    let counted: &str = row.try_get(3)?;
    // A later relay may write it otherwise; then this one counts itself.
    let Ok(heaps) = serde_json::from_str(counted) else { return Ok(None) };
    Ok(Some(Counted {
        heaps,
        at: moment(row.try_get(0)?),
        age: seconds(row.try_get(1)?),
        took: seconds(row.try_get(2)?),
    }))
}

async fn share(line: &Line, counted: &Counted) -> Result<(), Fault> {
    // Numbers and texts are always JSON.
    let text = serde_json::to_string(&counted.heaps).unwrap_or_default();
    let sql = "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true), pg_try_advisory_xact_lock($3) AS ours)
               INSERT INTO mdss_relay.stock (at, took, counted) SELECT clock_timestamp(), $1 * interval '1 second', $2 FROM setting WHERE ours
               ON CONFLICT (one) DO UPDATE SET at = excluded.at, took = excluded.took, counted = excluded.counted";
    let took = counted.took.as_secs_f64();
    line.client
        .execute_typed(sql, &[(&took, Type::FLOAT8), (&text, Type::TEXT), (&LOCK, Type::INT8)])
        .await?;
    Ok(())
}

fn of(counted: Counted) -> Stock {
    let mut depths: BTreeMap<(String, State, String), (u64, u64)> = BTreeMap::new();
    let (mut oldest, mut waiting) = (BTreeMap::<String, Moment>::new(), BTreeMap::<String, Moment>::new());
    let (mut used, mut leased) = (0, 0);
    for heap in counted.heaps {
        let (state, since) = (state(heap.state), Moment::from_millis(heap.oldest));
        let older = |of: &mut BTreeMap<String, Moment>| {
            let oldest = of.entry(heap.lane.clone()).or_insert(since);
            *oldest = since.min(*oldest);
        };
        match state {
            State::Waiting => {
                older(&mut waiting);
                older(&mut oldest);
            }
            State::Held => older(&mut oldest),
            State::Parked => {}
        }
        used += heap.bytes;
        leased += heap.leased;
        let depth = depths.entry((heap.lane, state, heap.reason)).or_default();
        *depth = (depth.0 + heap.items, depth.1 + heap.bytes);
    }
    let depth = |((lane, state, reason), (items, bytes))| Depth { lane, state, reason, items, bytes };
    Stock {
        depths: depths.into_iter().map(depth).collect(),
        oldest: oldest.into_iter().collect(),
        oldest_waiting: waiting.into_iter().collect(),
        used_bytes: used,
        leased: Some(leased),
        at: counted.at,
        age: counted.age,
    }
}
