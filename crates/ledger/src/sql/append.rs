//! Rows of an outbox, single entries, results and checkpoints.

use super::pen::Pen;
use super::row::ChainRow;
use super::succession::checkpoints;
use crate::asked::{Appended, OutboxId, ScanResult};
use crate::chain;
use crate::checkpoint::Checkpoint;
use crate::db::{Db, Fault, args};
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::Kind;

/// So many rows of the outbox are remembered behind the last one. Whoever feeds the ledger deletes a row as soon as it is there, so what is handed in
/// twice is what was handed in last.
const REMEMBERED: i64 = 100_000;

/// Why there is a gap where the outbox had a row.
const UNFIT: &str = "unfit";

/// Writes rows of an outbox. A row is known by its number and by what it says, because the numbers of an outbox begin anew when its file does.
pub(crate) fn append(pen: &mut Pen<'_>, rows: &[(OutboxId, Fact)]) -> Result<Appended, Fault> {
    let mut appended = Appended::default();
    let mut buffer = Vec::new();
    let mut marks = Vec::with_capacity(rows.len());
    for (OutboxId(id), fact) in rows {
        not_our_own(fact)?;
        marks.push((*id, digest(&mut buffer, fact)));
    }
    for ((_, fact), new) in rows.iter().zip(pen.db.remember(&marks)?) {
        if new {
            pen.write(fact)?;
            appended.entries += 1;
        } else {
            appended.repeated += 1;
        }
    }
    if let (Some((OutboxId(first), _)), Some((OutboxId(last), _))) = (rows.first(), rows.last()) {
        pen.db.forget_rows(*first, *last, REMEMBERED)?;
    }
    finish(pen, appended)
}

/// What stands in the chain for a row that the database refuses for what it is: a gap with the row's own number and time, so that it is the same one when
/// the row is handed in once more.
pub(crate) fn gap(OutboxId(id): OutboxId, fact: &Fact) -> Fact {
    let at = fact.settled_time.unwrap_or_default();
    Fact {
        reason: Some(UNFIT.to_owned()),
        count: Some(1),
        detail: Some(format!("{{\"row\":{id}}}")),
        ..Fact::new(Kind::Gap, at)
    }
}

/// What a row says, as a number that two rows hardly share.
fn digest(buffer: &mut Vec<u8>, fact: &Fact) -> i64 {
    chain::canonical(buffer, fact, crate::kind::Keys::Clear, None);
    let hash = Hash::of(&[buffer, fact.kind.name().as_bytes(), fact.key.as_deref().unwrap_or_default()]);
    first_eight(&hash)
}

fn first_eight(hash: &Hash) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash.0[..8]);
    i64::from_be_bytes(first)
}

fn finish(pen: &mut Pen<'_>, mut appended: Appended) -> Result<Appended, Fault> {
    appended.checkpoint = pen.checkpoints_due()?;
    appended.head = pen.seq()?;
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

/// Writes one entry. Whoever does not know whether it was written hands the same one in again, at once: it is remembered by what it says and where, among rows of
/// an outbox, which have other numbers.
pub(crate) fn record(pen: &mut Pen<'_>, fact: &Fact) -> Result<Appended, Fault> {
    not_our_own(fact)?;
    // It stands in no outbox that a standby would have.
    pen.db.must_be_safe();
    let ledger = pen.end(pen.own())?.genesis.ledger;
    let said = digest(&mut Vec::new(), fact);
    let mark = first_eight(&Hash::of(&[&ledger.0, &said.to_be_bytes()])) | i64::MIN;
    if pen.db.remember_alone(mark, said)? {
        pen.write(fact)?;
        finish(pen, Appended { entries: 1, ..Appended::default() })
    } else {
        finish(pen, Appended { repeated: 1, ..Appended::default() })
    }
}

/// Writes a result for each of its writes.
pub(crate) fn result(pen: &mut Pen<'_>, result: &ScanResult) -> Result<Appended, Fault> {
    for about in &result.about {
        attribute(pen, *about, result)?;
    }
    let entries = result.about.len() as u64;
    finish(pen, Appended { entries, ..Appended::default() })
}

/// Writes down that a result belongs to a write, into the chain of that: nobody else can say later that it was there, or was not.
pub(super) fn attribute(pen: &mut Pen<'_>, about: u64, result: &ScanResult) -> Result<(), Fault> {
    let (db, number) = (pen.db, about.cast_signed());
    let sql = "SELECT place, result_seq FROM entry WHERE seq = ?1 AND kind = ?2";
    let found =
        db.first(sql, args![number, Kind::Accepted.number()], |row| Ok((row.count(0)?, row.number(1)?)))?;
    let Some((place, before)) = found else {
        return Err(Fault::refused(format!("entry {about} is no accepted write")));
    };
    let of = db.chain_of(number);
    let fact = Fact {
        about: Some(db.seq_of(number)),
        file_id: result.file_id.clone(),
        result: result.result.clone(),
        file_state: result.file_state.clone(),
        scan_time: result.scan_time,
        confidence: result.confidence.clone(),
        detail: result.detail.clone(),
        ..Fact::new(Kind::Result, pen.now())
    };
    let seq = pen.write_into(of, &fact, before)?;
    db.execute("UPDATE entry SET result_seq = ?2 WHERE seq = ?1", args![number, db.number_of(of, seq)])?;
    pen.count_result(place, before.is_none());
    Ok(())
}

/// Signs every chain that has something new, and gives the checkpoint of the writer's own.
pub(crate) fn sign(pen: &mut Pen<'_>) -> Result<Option<Checkpoint>, Fault> {
    let mut own = None;
    for (of, _) in ChainRow::all(pen.db)? {
        let made = pen.checkpoint(of, true)?;
        if of == pen.own() {
            own = made;
        }
    }
    Ok(own)
}

/// Checkpoints that were not published, chain by chain.
pub(crate) fn unpublished(db: Db<'_>) -> Result<Vec<Checkpoint>, Fault> {
    let mut all = Vec::new();
    for (of, chain) in ChainRow::all(db)? {
        let (first, last) = db.range(of);
        let condition = "published IS NULL AND seq BETWEEN ?1 AND ?2";
        all.extend(checkpoints(db, &chain.genesis, condition, args![first, last])?);
    }
    Ok(all)
}

/// Notes that those of its chain up to this one were.
pub(crate) fn published(pen: &mut Pen<'_>, checkpoint: &Checkpoint) -> Result<(), Fault> {
    let db = pen.db;
    for (of, chain) in ChainRow::all(db)? {
        if chain.genesis.ledger == checkpoint.ledger {
            let (first, last) = (db.range(of).0, db.number_of(of, checkpoint.seq));
            db.execute(
                "UPDATE checkpoint SET published = ?3 WHERE seq BETWEEN ?1 AND ?2 AND published IS NULL",
                args![first, last, pen.now()],
            )?;
        }
    }
    Ok(())
}
