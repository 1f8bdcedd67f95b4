//! Keeping a delivery: what there is room for, what is a repetition, and the rows of the rest.

use std::collections::HashSet;

use rusqlite::params;

use super::delivery;
use super::trouble::Fault;
use super::turn::Turn;
use crate::clock::Moment;
use crate::intake::{Intake, NewItem, Written};
use crate::item::State;
use crate::shares::{Limits, Share, Shares};

/// What an item's rows and index entries take of the disk beside the body. The triggers know it, too (`2.sql`).
pub(super) const ROW_BYTES: u64 = 512;

/// Writes a delivery and its items, except those that are there already and those for which there is no room.
pub(super) fn accept(
    turn: &Turn<'_>,
    intake: &Intake,
    limits: Limits,
    now: Moment,
) -> Result<Vec<Written>, Fault> {
    let size = (intake.headers.len() + intake.body.len()) as u64;
    let room = turn.room()?;
    room.takes(size, limits.bytes).map_err(Fault::Ours)?;
    let free = room.left(limits.bytes).saturating_sub(size);
    let mut shares = Shares::new(intake.whose(), limits, free);
    let share = size / intake.items.len().max(1) as u64;
    // What stays until somebody acts keeps the whole body, also when its neighbours have gone.
    let mut staying = size;
    let mut marks = HashSet::new();
    let mut written = Vec::with_capacity(intake.items.len());
    for item in &intake.items {
        if let Some(mark) = &item.mark
            && (marks.contains(mark) || turn.knows(mark)?)
        {
            written.push(Written::Duplicate);
            continue;
        }
        let bytes = if item.state == State::Waiting { share } else { staying };
        if let Err(full) = shares
            .take(item.state, &item.lane, bytes + ROW_BYTES, |share| taken(turn, share, intake.whose()))?
        {
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
    insert(turn, intake, &stored, size, now)?;
    if !stored.is_empty() {
        turn.take(size + stored.len() as u64 * ROW_BYTES);
    }
    Ok(written)
}

/// Each has an equal part of the body; if one stays until somebody acts, it has it all.
fn insert(
    turn: &Turn<'_>,
    intake: &Intake,
    items: &[&NewItem],
    size: u64,
    now: Moment,
) -> rusqlite::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let delivery = delivery::insert(turn, intake, now)?;
    if let Some(known) = &intake.known {
        turn.accepted(delivery, now, known);
    }
    let heir = items.iter().position(|item| item.state != State::Waiting);
    for (n, item) in items.iter().enumerate() {
        let part = match heir {
            Some(heir) if heir == n => size,
            Some(_) => 0,
            None => size / items.len() as u64,
        };
        let bytes = i64::try_from(part + ROW_BYTES).unwrap_or(i64::MAX);
        let row = params![
            delivery,
            item.path,
            item.lane,
            item.state.name(),
            now.as_millis(),
            now.plus(item.pause).as_millis(),
            item.reason,
            item.detail,
            item.bucket,
            item.key,
            item.mark,
            bytes,
            intake.whose(),
            items.len() == 1,
        ];
        turn.statements.item.with(turn.db, |item| item.execute(row))?;
        let kind = [intake.whose(), &item.lane, item.state.name(), item.reason.unwrap_or_default()];
        turn.tally.add(kind.map(str::as_bytes), 1, bytes);
        if let Some(fact) = &item.fact {
            turn.tell(now, fact)?;
        }
    }
    Ok(())
}

/// How many bytes there are of a share.
fn taken(turn: &Turn<'_>, share: &Share, source: &str) -> rusqlite::Result<u64> {
    turn.tally.write(turn.db)?;
    const IDLE: &str = "(state = 'parked' OR state = 'held' AND lane = 'unrouted')";
    let sum = |which: String, value: &str| -> rusqlite::Result<u64> {
        // The first parameter need not be used.
        let sql = format!("SELECT ifnull(sum(bytes), 0) FROM tally WHERE ?1 = ?1 AND {which}");
        let sum = turn.db.prepare_cached(&sql)?.query_row(params![value], |row| row.get::<_, i64>(0))?;
        Ok(u64::try_from(sum).unwrap_or(0))
    };
    match share {
        Share::Idle(state) => sum(format!("source = ?1 AND state = '{}' AND {IDLE}", state.name()), source),
        Share::AllIdle => sum(IDLE.to_owned(), ""),
        Share::Source => sum("source = ?1".to_owned(), source),
        Share::Unit(lane) => sum("lane = ?1".to_owned(), lane),
    }
}

/// Writes the row that is there to be written.
pub(super) fn probe(turn: &Turn<'_>, limits: Limits, now: Moment) -> Result<(), Fault> {
    let sql = "INSERT INTO probe VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = excluded.at";
    turn.db.prepare_cached(sql)?.execute([now.as_millis()])?;
    turn.room()?.takes(0, limits.bytes).map_err(Fault::Ours)
}

#[cfg(test)]
mod tests {
    use mdss_relay_core::{Delivery, Settings};

    use super::super::testing::file;
    use super::super::trouble::trouble;
    use super::*;
    use crate::intake::Sender;
    use crate::shares::Parties;
    use crate::trouble::TroubleKind;

    /// The room is looked up once; else a burst would all see the same room.
    #[test]
    fn what_a_group_has_taken_is_counted_for_the_next_of_it() {
        let (_dir, db) = file();
        let intake = |n: u8| {
            let delivery = Delivery { body: vec![n; 5000], ..Delivery::default() };
            let plan = mdss_relay_core::plan(&Settings::default().rules, &delivery);
            Intake::new(delivery, &plan, Sender::Proven)
        };
        let group = db.unchecked_transaction().unwrap();
        let turn = Turn::new(&group, 0);
        let before = turn.room().unwrap().used;
        let limits = Limits { bytes: 1 << 30, parties: Parties { sources: 1, units: 1 } };
        for n in [b'x', b'y'] {
            assert_eq!(accept(&turn, &intake(n), limits, Moment::from_millis(0)).unwrap(), [Written::Stored]);
        }
        let taken = turn.room().unwrap().used - before;
        assert!(taken >= 2 * (5000 + ROW_BYTES), "{taken}");
        let full = Limits { bytes: before + taken, ..limits };
        let third = accept(&turn, &intake(b'z'), full, Moment::from_millis(0));
        assert!(matches!(third, Err(Fault::Ours(trouble)) if trouble.kind == TroubleKind::Full));
    }

    #[test]
    fn a_file_that_may_not_grow_is_a_full_disk() {
        let (_dir, db) = file();
        db.pragma_update(None, "max_page_count", 40).unwrap();
        let limits = Limits { bytes: 1 << 30, parties: Parties { sources: 1, units: 1 } };
        let error = loop {
            // Nobody can read it, so it is kept whole.
            let delivery = Delivery { body: vec![b' '; 5000], ..Delivery::default() };
            let plan = mdss_relay_core::plan(&Settings::default().rules, &delivery);
            let intake = Intake::new(delivery, &plan, Sender::Proven);
            assert_eq!(intake.len(), 1);
            let group = db.unchecked_transaction().unwrap();
            let kept = accept(&Turn::new(&group, 0), &intake, limits, Moment::from_millis(0));
            match kept {
                Ok(_) => group.commit().unwrap(),
                Err(Fault::Sql(error)) => break error,
                Err(fault) => panic!("{fault:?}"),
            }
        };
        assert_eq!(trouble(&error, "x").kind, TroubleKind::Unwritable);
    }
}
