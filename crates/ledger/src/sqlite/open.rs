//! Accepted writes without a result.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::look::places;
use super::row::{COLUMNS, Spots};
use crate::asked::{Filter, OpenUnit, Sure, Unscanned};
use crate::entry::Entry;
use crate::moment::Moment;
use crate::results::ASK_TIMES;

/// The oldest of them, and how many there are by unit. The index has nothing but writes without a result.
pub(super) fn unscanned(db: &Connection, filter: &Filter, now: Moment) -> Result<Unscanned, Fault> {
    let spots = Spots::read(db)?;
    let before = filter.older.map_or(Moment::from_millis(i64::MAX), |older| now.minus(older));
    let of_bucket = match &filter.bucket {
        Some(bucket) => Some(places(db, bucket)?),
        None => None,
    };
    let mut count = db.prepare_cached(
        "SELECT count(*), min(settled_time) FROM entry WHERE place = ?1 AND settled_time < ?2 AND kind = 1 AND result_seq IS NULL",
    )?;
    let mut oldest = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entry e WHERE place = ?1 AND settled_time < ?2 AND kind = 1 AND result_seq IS NULL ORDER BY settled_time LIMIT ?3"
    ))?;
    let mut asked = db.prepare_cached(
        "SELECT count(*) FROM asked a JOIN entry e ON e.seq = a.seq
         WHERE e.place = ?1 AND e.settled_time < ?2 AND e.kind = 1 AND e.result_seq IS NULL AND a.times >= ?3",
    )?;
    let mut settled: BTreeMap<Option<Arc<str>>, u64> = BTreeMap::new();
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let mut units: BTreeMap<Option<Arc<str>>, OpenUnit> = BTreeMap::new();
    let mut writes: Vec<Entry> = Vec::new();
    for (place, (spot, counted)) in &spots.0 {
        let unit = units.entry(spot.unit.clone()).or_insert_with(|| OpenUnit {
            unit: spot.unit.clone(),
            open: 0,
            oldest: Moment::from_millis(i64::MAX),
            results: 0,
            last_result: None,
            sure: Sure::NoResults,
        });
        // Of the unit as a whole: whether results come at all does not depend on what was asked for.
        unit.results = unit.results.saturating_add(u64::try_from(counted.results).unwrap_or(0));
        unit.last_result = unit.last_result.max(counted.last_result);
        let wanted = filter.unit.as_deref().is_none_or(|unit| spot.unit.as_deref() == Some(unit))
            && of_bucket.as_ref().is_none_or(|places| places.iter().any(|(id, _)| id == place));
        if !wanted {
            continue;
        }
        let (open, first): (i64, Option<i64>) =
            count.query_row(params![place, before.as_millis()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some(first) = first else { continue };
        unit.open += u64::try_from(open).unwrap_or(0);
        unit.oldest = unit.oldest.min(Moment::from_millis(first));
        let known: i64 = asked.query_row(params![place, before.as_millis(), ASK_TIMES], |row| row.get(0))?;
        *settled.entry(spot.unit.clone()).or_default() += known.cast_unsigned();
        let mut rows = oldest.query(params![place, before.as_millis(), limit])?;
        while let Some(row) = rows.next()? {
            writes.push(spots.entry(row)?.0);
        }
    }
    writes.sort_by_key(|entry| (entry.fact.settled_time, entry.seq));
    writes.truncate(filter.limit);
    let mut units: Vec<_> = units.into_values().filter(|unit| unit.open > 0).collect();
    for unit in &mut units {
        if settled.get(&unit.unit) == Some(&unit.open) {
            unit.sure = Sure::Asked;
        } else if unit.results > 0 {
            unit.sure = Sure::ToldOnly;
        }
    }
    units.sort_by_key(|unit| (unit.oldest, Reverse(unit.open)));
    Ok(Unscanned { writes, units })
}

/// Writes that were never scanned, for certain, and are the newest of their objects. A repetition of ours comes through another place, so all places of
/// the bucket are looked at.
pub(super) fn never_scanned(db: &Connection, filter: &Filter, now: Moment) -> Result<Vec<Entry>, Fault> {
    let spots = Spots::read(db)?;
    let before = filter.older.map_or(Moment::from_millis(i64::MAX), |older| now.minus(older));
    let of_bucket = match &filter.bucket {
        Some(bucket) => Some(places(db, bucket)?),
        None => None,
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM asked a JOIN entry e ON e.seq = a.seq JOIN place p ON p.id = e.place
         WHERE a.times >= ?1 AND e.kind = 1 AND e.result_seq IS NULL AND e.key IS NOT NULL AND e.settled_time < ?2
         AND NOT EXISTS (SELECT 1 FROM place q JOIN entry n ON n.place = q.id AND n.key = e.key
             WHERE q.bucket = p.bucket AND q.keys = p.keys AND (q.namespace IS p.namespace OR q.namespace IS NULL OR p.namespace IS NULL)
             AND n.kind = 1 AND n.seq > e.seq)
         ORDER BY e.settled_time, e.seq"
    ))?;
    let mut rows = statement.query(params![ASK_TIMES, before.as_millis()])?;
    let mut never = Vec::new();
    while never.len() < filter.limit {
        let Some(row) = rows.next()? else { break };
        let (entry, place) = spots.entry(row)?;
        let wanted = filter.unit.is_none() || filter.unit.as_deref() == entry.fact.unit.as_deref();
        if wanted && of_bucket.as_ref().is_none_or(|places| places.iter().any(|(id, _)| *id == place)) {
            never.push(entry);
        }
    }
    Ok(never)
}
