//! Comparisons of a bucket with the ledger: how far one has come, and how it ended.

use super::pen::Pen;
use crate::asked::{Run, RunEnd, RunId, RunStart};
use crate::chain::run_digest;
use crate::chains::Chain;
use crate::db::{Db, Fault, Param, Row, args};
use crate::fact::Fact;
use crate::kind::{Keys, Kind};
use crate::moment::Moment;

/// Those that were asked the same, of the same store: a schedule's are the schedule's, and a person's are any person's. Whoever compares something else in the bucket has
/// nothing to do with them.
fn alike(start: &RunStart) -> (String, [Param<'_>; 4]) {
    let by = if start.is_scheduled() { "=" } else { "<>" };
    let condition = format!(
        "store = ?1 AND bucket = ?2 AND route IS NOT DISTINCT FROM ?3 AND question = ?4 AND actor {by} '{}'",
        RunStart::SCHEDULE
    );
    let RunStart { store, bucket, route, question, .. } = start;
    (condition, [store.into(), bucket.into(), route.into(), question.into()])
}

/// Begins one. No earlier one that was asked the same can be gone on with any more, so it loses its place, which is a key; so does one of the bucket that is too old for that.
pub(crate) fn begin(pen: &mut Pen<'_>, start: &RunStart) -> Result<RunId, Fault> {
    let (same, args) = alike(start);
    let sql = format!(
        "UPDATE run SET cursor = NULL WHERE cursor IS NOT NULL AND bucket = ?2 AND (updated < ?5 OR ({same}))"
    );
    let [store, bucket, route, question] = args;
    let old = pen.now().minus(Run::STALE);
    pen.db.execute(&sql, &[store, bucket, route, question, old.into()])?;
    let RunStart { actor, store, bucket, route, question } = start;
    let sql = "INSERT INTO run (actor, store, bucket, route, question, begun, updated, report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, '{}') RETURNING id";
    Ok(RunId(pen.db.number(sql, args![actor, store, bucket, route, question, pen.now()])?))
}

/// Forgets how far all runs of a bucket have come: a cursor is the key that was listed last. Whoever goes on with one begins anew.
pub(super) fn lose_places(pen: &mut Pen<'_>, bucket: &str) -> Result<(), Fault> {
    pen.db
        .execute("UPDATE run SET cursor = NULL WHERE bucket = ?1 AND cursor IS NOT NULL", args![bucket])
        .map(drop)
}

/// Notes how far one has come. Where keys are not kept as they are, the place, which is one, is not kept either.
pub(crate) fn checkpoint(
    pen: &mut Pen<'_>,
    run: RunId,
    cursor: Option<&str>,
    report: &str,
) -> Result<(), Fault> {
    let cursor = cursor.filter(|_| pen.keys() == Keys::Clear);
    let sql = "UPDATE run SET cursor = ?2, report = ?3, updated = ?4 WHERE id = ?1 AND state IS NULL";
    let changed = pen.db.execute(sql, args![run.0, cursor, report, pen.now()])?;
    if changed == 1 { Ok(()) } else { Err(Fault::refused(format!("run {} is not under way", run.0))) }
}

/// Says that the last one that was asked so is still under way, if it has not ended.
pub(crate) fn heard(pen: &mut Pen<'_>, start: &RunStart) -> Result<(), Fault> {
    let (same, [store, bucket, route, question]) = alike(start);
    let sql = format!(
        "UPDATE run SET updated = ?5 WHERE id = (SELECT max(id) FROM run WHERE {same}) AND state IS NULL"
    );
    pen.db.execute(&sql, &[store, bucket, route, question, pen.now().into()]).map(drop)
}

pub(crate) fn end(pen: &mut Pen<'_>, run: RunId, state: &str, report: &str) -> Result<RunEnd, Fault> {
    let db = pen.db;
    let Some(mut run) = read(db, "id = ?1 AND state IS NULL", args![run.0])? else {
        return Err(Fault::refused(format!("run {} is not under way", run.0)));
    };
    run.report = report.to_owned();
    let digest = run_digest(&run, state);
    let seq = pen.write(&Fact {
        source: Some(run.start.store.as_str().into()),
        bucket: Some(run.start.bucket.as_str().into()),
        actor: Some(run.start.actor.clone()),
        reason: Some(state.to_owned()),
        digest: Some(digest),
        detail: Some(report.to_owned()),
        ..Fact::new(Kind::Run, pen.now())
    })?;
    db.execute(
        "UPDATE run SET cursor = NULL, report = ?2, state = ?3, ended = ?4, updated = ?4, seq = ?5 WHERE id = ?1",
        args![run.id.0, report, state, pen.now(), db.number_of(pen.own(), seq)],
    )?;
    Ok(RunEnd { state: state.to_owned(), ended: pen.now(), seq, digest })
}

/// The last one, of a bucket if one is named.
pub(crate) fn last(db: Db<'_>, bucket: Option<&str>) -> Result<Option<Run>, Fault> {
    read(db, "?1 IS NULL OR bucket = ?1", args![bucket])
}

/// The last one that was asked so.
pub(crate) fn last_of(db: Db<'_>, start: &RunStart) -> Result<Option<Run>, Fault> {
    let (same, args) = alike(start);
    read(db, &same, &args)
}

/// The last one that was asked so and has come to its end.
pub(crate) fn last_complete(db: Db<'_>, start: &RunStart) -> Result<Option<Run>, Fault> {
    let (same, args) = alike(start);
    read(db, &format!("{same} AND state = 'complete'"), &args)
}

/// All that have ended with an entry of this chain from this number on, in the order of those. What has none is put in by hand: it counts for the first
/// chain.
pub(super) fn ended(db: Db<'_>, of: Chain, from: i64) -> Result<Vec<Run>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run WHERE state IS NOT NULL AND coalesce(seq, 0) BETWEEN ?1 AND ?2 ORDER BY seq"
    );
    db.all(&sql, args![from, db.range(of).1], |row| run(db, row))
}

const COLUMNS: &str =
    "id, actor, store, bucket, route, question, begun, updated, cursor, report, state, ended, seq";

fn read(db: Db<'_>, condition: &str, args: &[Param<'_>]) -> Result<Option<Run>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE {condition} ORDER BY id DESC LIMIT 1");
    db.first(&sql, args, |row| run(db, row))
}

fn run(db: Db<'_>, row: &Row<'_>) -> Result<Run, Fault> {
    let text = |column| -> Result<String, Fault> { Ok(row.text(column)?.unwrap_or_default()) };
    let moment = |column| -> Result<Moment, Fault> { Ok(Moment::from_millis(row.count(column)?)) };
    let mut found = Run {
        id: RunId(row.count(0)?),
        start: RunStart {
            actor: text(1)?,
            store: text(2)?,
            bucket: text(3)?,
            route: row.text(4)?,
            question: text(5)?,
        },
        begun: moment(6)?,
        updated: moment(7)?,
        cursor: row.text(8)?,
        report: text(9)?,
        end: None,
    };
    if let Some(state) = row.text(10)? {
        let digest = run_digest(&found, &state);
        found.end = Some(RunEnd { ended: moment(11)?, seq: db.seq_of(row.count(12)?), digest, state });
    }
    Ok(found)
}
