//! The closed loop as it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kept;
use super::row::{ChainRow, Spots};
use crate::db::{Db, Fault, args};
use crate::moment::Moment;
use crate::results::{ASK_TIMES, Loop, LoopUnit};

/// What is known, and how many writes have waited for too long.
pub(crate) fn the_loop(db: Db<'_>, now: Moment) -> Result<Loop, Fault> {
    let (whole, lessons) = kept::lessons(db)?;
    let writes = ChainRow::all(db)?.iter().map(|(_, chain)| chain.writes).sum();
    let mut units: BTreeMap<Option<Arc<str>>, LoopUnit> = BTreeMap::new();
    let late = "SELECT count(*) FROM entry WHERE place = ?1 AND kind = 1 AND result_seq IS NULL AND settled_time < ?2";
    let never = "SELECT count(*) FROM asked a JOIN entry e ON e.seq = a.seq WHERE a.times >= ?2 AND e.place = ?1 AND e.result_seq IS NULL";
    for (place, (spot, counted)) in &Spots::read(db)?.0 {
        if spot.bucket.is_none() {
            continue;
        }
        let known = lessons.get(spot.unit.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        let (after, learned) = known.unconfirmed_after();
        let unit = units.entry(spot.unit.clone()).or_insert_with(|| LoopUnit {
            unit: spot.unit.clone(),
            form: known.form().map(ToString::to_string),
            open: 0,
            unconfirmed: 0,
            never: 0,
            after,
            learned,
            results: 0,
            results_took: known.results.histogram(),
            scans_took: known.scans.histogram(),
        });
        unit.open += u64::try_from(counted.open).unwrap_or(0);
        unit.results += u64::try_from(counted.results).unwrap_or(0);
        if counted.open > 0 {
            unit.unconfirmed += db.number(late, args![*place, now.minus(after)])?.cast_unsigned();
            unit.never += db.number(never, args![*place, ASK_TIMES])?.cast_unsigned();
        }
    }
    Ok(Loop {
        counts: whole.counts,
        last: whole.last.map(Moment::from_millis),
        ids: whole.ids,
        blocked_only: whole.blocked_only(writes),
        tells_all: whole.tells_all(),
        since: whole.since(writes),
        writes,
        kept: kept::counted(db)?,
        units: units.into_values().collect(),
    })
}
