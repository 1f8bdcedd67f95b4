//! Rows of an outbox, single entries, results and checkpoints.

use rusqlite::{OptionalExtension, params};

use super::fault::Fault;
use super::pen::Pen;
use super::row::{ChainRow, checkpoints};
use crate::asked::{Appended, OutboxId, ScanResult};
use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::Kind;

/// So many rows of the outbox are remembered behind the last one. Whoever feeds the ledger deletes a row as soon as it is there, so what is handed in
/// twice is what was handed in last.
const REMEMBERED: i64 = 100_000;

/// Writes rows of an outbox. A row is known by its number and by what it says, because the numbers of an outbox begin anew when its file does.
pub(super) fn append(pen: &mut Pen<'_>, rows: &[(OutboxId, Fact)]) -> Result<Appended, Fault> {
    let mut appended = Appended { entries: 0, repeated: 0, head: 0, checkpoint: None };
    let tx = pen.tx;
    let mut known = tx.prepare_cached("SELECT digest FROM outbox WHERE id = ?1")?;
    let mut remember = tx.prepare_cached("INSERT OR REPLACE INTO outbox (id, digest) VALUES (?1, ?2)")?;
    let mut buffer = Vec::new();
    for (OutboxId(id), fact) in rows {
        not_our_own(fact)?;
        let digest = digest(&mut buffer, fact);
        let there: Option<i64> = known.query_row([id], |row| row.get(0)).optional()?;
        if there == Some(digest) {
            appended.repeated += 1;
            continue;
        }
        remember.execute(params![id, digest])?;
        pen.write(fact)?;
        appended.entries += 1;
    }
    if let Some((OutboxId(last), _)) = rows.last() {
        tx.prepare_cached("DELETE FROM outbox WHERE id < ?1 OR id > ?2")?
            .execute([last.saturating_sub(REMEMBERED), last.saturating_add(REMEMBERED)])?;
    }
    finish(pen, appended)
}

/// What a row says, as a number that two rows hardly share.
fn digest(buffer: &mut Vec<u8>, fact: &Fact) -> i64 {
    chain::canonical(buffer, fact, crate::kind::Keys::Clear, None);
    let hash = Hash::of(&[buffer, fact.kind.name().as_bytes(), fact.key.as_deref().unwrap_or_default()]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    i64::from_be_bytes(first)
}

fn finish(pen: &mut Pen<'_>, mut appended: Appended) -> Result<Appended, Fault> {
    appended.checkpoint = pen.checkpoint(false)?;
    appended.head = pen.seq();
    Ok(appended)
}

fn not_our_own(fact: &Fact) -> Result<(), Fault> {
    if fact.kind.is_our_own() {
        return Err(Fault::refused(format!(
            "an entry of the kind {} is written with what it is about",
            fact.kind
        )));
    }
    Ok(())
}

/// Writes one entry.
pub(super) fn record(pen: &mut Pen<'_>, fact: &Fact) -> Result<Appended, Fault> {
    not_our_own(fact)?;
    pen.write(fact)?;
    finish(pen, Appended { entries: 1, repeated: 0, head: 0, checkpoint: None })
}

/// Writes a result for each of its writes.
pub(super) fn result(pen: &mut Pen<'_>, result: &ScanResult) -> Result<Appended, Fault> {
    for about in &result.about {
        attribute(pen, *about, result)?;
    }
    let entries = result.about.len() as u64;
    finish(pen, Appended { entries, repeated: 0, head: 0, checkpoint: None })
}

/// Writes down that a result belongs to a write, and gives the number of that entry.
pub(super) fn attribute(pen: &mut Pen<'_>, about: u64, result: &ScanResult) -> Result<u64, Fault> {
    let found = pen
        .tx
        .prepare_cached("SELECT place, result_seq FROM entry WHERE seq = ?1 AND kind = ?2")?
        .query_row(params![about.cast_signed(), Kind::Accepted.number()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })
        .optional()?;
    let Some((place, before)) = found else {
        return Err(Fault::refused(format!("entry {about} is no accepted write")));
    };
    let fact = Fact {
        about: Some(about),
        file_id: result.file_id.clone(),
        result: result.result.clone(),
        file_state: result.file_state.clone(),
        scan_time: result.scan_time,
        confidence: result.confidence.clone(),
        ..Fact::new(Kind::Result, pen.now())
    };
    let seq = pen.write_with(&fact, before.map(i64::cast_unsigned))?;
    pen.tx
        .prepare_cached("UPDATE entry SET result_seq = ?2 WHERE seq = ?1")?
        .execute([about.cast_signed(), seq.cast_signed()])?;
    pen.count_result(place, before.is_none());
    Ok(seq)
}

/// Checkpoints that were not published.
pub(super) fn unpublished(db: &rusqlite::Connection) -> Result<Vec<Checkpoint>, Fault> {
    let Some(chain) = ChainRow::read(db)? else { return Ok(Vec::new()) };
    Ok(checkpoints(db, &chain.genesis, "published IS NULL", [])?)
}

/// Notes that those up to here were.
pub(super) fn published(pen: &mut Pen<'_>, seq: u64) -> Result<(), Fault> {
    pen.tx
        .prepare_cached("UPDATE checkpoint SET published = ?2 WHERE seq <= ?1 AND published IS NULL")?
        .execute([seq.cast_signed(), pen.now().as_millis()])?;
    Ok(())
}
