//! Comparisons of a bucket with the ledger: how far one has come, and how it ended.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;
use super::pen::Pen;
use super::row::number;
use crate::asked::{Run, RunEnd, RunId, RunStart};
use crate::chain::run_digest;
use crate::fact::Fact;
use crate::kind::Kind;
use crate::moment::Moment;

pub(super) fn begin(pen: &mut Pen<'_>, start: &RunStart) -> Result<RunId, Fault> {
    let RunStart { actor, store, bucket, route, question } = start;
    let id = pen
        .tx
        .prepare_cached(
            "INSERT INTO run (actor, store, bucket, route, question, begun, updated, report) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, '{}')",
        )?
        .insert(params![actor, store, bucket, route, question, pen.now().as_millis()])?;
    Ok(RunId(id))
}

pub(super) fn checkpoint(
    pen: &mut Pen<'_>,
    run: RunId,
    cursor: Option<&str>,
    report: &str,
) -> Result<(), Fault> {
    let changed = pen
        .tx
        .prepare_cached(
            "UPDATE run SET cursor = ?2, report = ?3, updated = ?4 WHERE id = ?1 AND state IS NULL",
        )?
        .execute(params![run.0, cursor, report, pen.now().as_millis()])?;
    if changed == 1 { Ok(()) } else { Err(Fault::refused(format!("run {} is not under way", run.0))) }
}

pub(super) fn end(pen: &mut Pen<'_>, run: RunId, state: &str, report: &str) -> Result<RunEnd, Fault> {
    let found = read(pen.tx, "id = ?1 AND state IS NULL", params![run.0])?;
    let Some(mut run) = found else {
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
    pen.tx
        .prepare_cached(
            "UPDATE run SET report = ?2, state = ?3, ended = ?4, updated = ?4, seq = ?5 WHERE id = ?1",
        )?
        .execute(params![run.id.0, report, state, pen.now().as_millis(), seq.cast_signed()])?;
    Ok(RunEnd { state: state.to_owned(), ended: pen.now(), seq, digest })
}

/// The last one, of a bucket if one is named.
pub(super) fn last(db: &Connection, bucket: Option<&str>) -> Result<Option<Run>, Fault> {
    Ok(read(db, "?1 IS NULL OR bucket = ?1", params![bucket])?)
}

/// All that have ended, in the order of their entries.
pub(super) fn ended(db: &Connection) -> rusqlite::Result<Vec<Run>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE state IS NOT NULL ORDER BY seq"))?;
    statement.query_map([], run)?.collect()
}

const COLUMNS: &str =
    "id, actor, store, bucket, route, question, begun, updated, cursor, report, state, ended, seq";

fn read(
    db: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Option<Run>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM run WHERE {condition} ORDER BY id DESC LIMIT 1"))?
        .query_row(parameters, run)
        .optional()
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let mut found = Run {
        id: RunId(row.get(0)?),
        start: RunStart {
            actor: row.get(1)?,
            store: row.get(2)?,
            bucket: row.get(3)?,
            route: row.get(4)?,
            question: row.get(5)?,
        },
        begun: Moment::from_millis(row.get(6)?),
        updated: Moment::from_millis(row.get(7)?),
        cursor: row.get(8)?,
        report: row.get(9)?,
        end: None,
    };
    if let Some(state) = row.get::<_, Option<String>>(10)? {
        let digest = run_digest(&found, &state);
        found.end = Some(RunEnd {
            ended: Moment::from_millis(number(row, 11)?.unwrap_or(0)),
            seq: number(row, 12)?.unwrap_or(0).cast_unsigned(),
            digest,
            state,
        });
    }
    Ok(found)
}
