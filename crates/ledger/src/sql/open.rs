//! Accepted writes without a result.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::kept;
use super::look::places;
use super::row::{COLUMNS, ChainRow, Spots};
use crate::asked::{Filter, OpenUnit, Sure, Unscanned};
use crate::db::{Db, Fault, args};
use crate::entry::Entry;
use crate::moment::Moment;
use crate::results::ASK_TIMES;

/// The oldest of them, and how many there are by unit. The index has nothing but writes without a result.
pub(crate) fn unscanned(db: Db<'_>, filter: &Filter, now: Moment) -> Result<Unscanned, Fault> {
    let spots = Spots::read(db)?;
    let before = filter.older.map_or(Moment::from_millis(i64::MAX), |older| now.minus(older));
    let of_bucket = match &filter.bucket {
        Some(bucket) => Some(places(db, bucket)?),
        None => None,
    };
    let count = "SELECT count(*), min(settled_time) FROM entry WHERE place = ?1 AND settled_time < ?2 AND kind = 1 AND result_seq IS NULL";
    let oldest = format!(
        "SELECT {COLUMNS} FROM entry e WHERE place = ?1 AND settled_time < ?2 AND kind = 1 AND result_seq IS NULL ORDER BY settled_time LIMIT ?3"
    );
    let asked = "SELECT count(*) FROM asked a JOIN entry e ON e.seq = a.seq
         WHERE e.place = ?1 AND e.settled_time < ?2 AND e.kind = 1 AND e.result_seq IS NULL AND a.times >= ?3";
    let mut settled: BTreeMap<Option<Arc<str>>, u64> = BTreeMap::new();
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
        let counts = db.first(count, args![*place, before], |row| Ok((row.count(0)?, row.number(1)?)))?;
        let Some((open, Some(first))) = counts else { continue };
        unit.open += u64::try_from(open).unwrap_or(0);
        unit.oldest = unit.oldest.min(Moment::from_millis(first));
        let known = db.number(asked, args![*place, before, ASK_TIMES])?;
        *settled.entry(spot.unit.clone()).or_default() += known.cast_unsigned();
        db.each(&oldest, args![*place, before, filter.limit], |row| {
            writes.push(spots.entry(db, row)?.0);
            Ok(true)
        })?;
    }
    writes.sort_by_key(|entry| (entry.fact.settled_time, entry.number));
    writes.truncate(filter.limit);
    let mut units: Vec<_> = units.into_values().filter(|unit| unit.open > 0).collect();
    // The notification is one for the whole installation.
    let (whole, _) = kept::lessons(db)?;
    let written = ChainRow::all(db)?.iter().map(|(_, chain)| chain.writes).sum();
    let blocked_only = whole.hears_of_blocked_alone(written);
    for unit in &mut units {
        if settled.get(&unit.unit) == Some(&unit.open) {
            unit.sure = Sure::Asked;
        } else if unit.results > 0 {
            unit.sure = if blocked_only { Sure::BlockedOnly } else { Sure::ToldOnly };
        }
    }
    units.sort_by_key(|unit| (unit.oldest, Reverse(unit.open)));
    Ok(Unscanned { writes, units })
}

/// Writes that were never scanned, for certain, and are the newest of their objects. A repetition of ours comes through another place, so all places of
/// the bucket are looked at; but what came through another source and went to another unit is of another store, whose bucket only has the same name.
pub(crate) fn never_scanned(db: Db<'_>, filter: &Filter, now: Moment) -> Result<Vec<Entry>, Fault> {
    let spots = Spots::read(db)?;
    let before = filter.older.map_or(Moment::from_millis(i64::MAX), |older| now.minus(older));
    let of_bucket = match &filter.bucket {
        Some(bucket) => Some(places(db, bucket)?),
        None => None,
    };
    // Numbers of several chains have no order among each other.
    let newer = match db.has_chains() {
        true => "(n.settled_time > e.settled_time OR n.settled_time = e.settled_time AND n.seq > e.seq)",
        false => "n.seq > e.seq",
    };
    let same = db.key_is("n.key", "e.key");
    let sql = format!(
        "SELECT {COLUMNS} FROM asked a JOIN entry e ON e.seq = a.seq JOIN place p ON p.id = e.place
         WHERE a.times >= ?1 AND e.kind = 1 AND e.result_seq IS NULL AND e.key IS NOT NULL AND e.settled_time < ?2
         AND NOT EXISTS (SELECT 1 FROM place q JOIN entry n ON n.place = q.id AND {same}
             WHERE q.bucket = p.bucket AND q.keys = p.keys
             AND (q.namespace IS NOT DISTINCT FROM p.namespace OR q.namespace IS NULL OR p.namespace IS NULL)
             AND (q.source IS NOT DISTINCT FROM p.source OR q.unit IS NOT DISTINCT FROM p.unit) AND n.kind = 1 AND {newer})
         ORDER BY e.settled_time, e.seq"
    );
    let mut never = Vec::new();
    db.each(&sql, args![ASK_TIMES, before], |row| {
        let (entry, place) = spots.entry(db, row)?;
        let wanted = filter.unit.is_none() || filter.unit.as_deref() == entry.fact.unit.as_deref();
        let here = of_bucket.as_ref().is_none_or(|places| places.iter().any(|(id, _)| *id == place));
        if wanted && here && never.len() < filter.limit {
            never.push(entry);
        }
        Ok(never.len() < filter.limit)
    })?;
    Ok(never)
}
