//! What MDSS is asked about, and what it has said: accepted writes for which no result came in time.

use rusqlite::{Connection, OptionalExtension, params};

use super::append::attribute;
use super::fault::Fault;
use super::kept;
use super::pen::Pen;
use super::row::{Spots, bytes};
use crate::asked::ScanResult;
use crate::kind::Keys;
use crate::matching::Confidence;
use crate::moment::Moment;
use crate::results::{ASK_AGAIN, ASK_TIMES, Found, Question};

/// So many are asked about in one round.
const MOST: usize = 1000;

/// The writes that are to be asked about, the oldest first.
pub(super) fn questions(db: &Connection, now: Moment) -> Result<Vec<Question>, Fault> {
    let (_, lessons) = kept::lessons(db)?;
    let mut all = Vec::new();
    let mut open = db.prepare_cached(
        "SELECT e.seq, e.key, e.settled_time FROM entry e LEFT JOIN asked a ON a.seq = e.seq
         WHERE e.place = ?1 AND e.kind = 1 AND e.result_seq IS NULL AND e.settled_time < ?2 AND (a.seq IS NULL OR (a.times < ?3 AND a.last <= ?4))
         ORDER BY e.settled_time LIMIT ?5",
    )?;
    for (place, (spot, counted)) in &Spots::read(db)?.0 {
        if spot.keys != Keys::Clear || counted.open <= 0 {
            continue;
        }
        let known = lessons.get(spot.unit.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        let before = now.minus(known.unconfirmed_after().0).as_millis();
        let again = now.minus(ASK_AGAIN).as_millis();
        let mut rows = open.query(params![place, before, ASK_TIMES, again, MOST as i64])?;
        while let Some(row) = rows.next()? {
            let Some(key) = bytes(row, 1)?.and_then(|key| std::str::from_utf8(key).ok()) else { continue };
            all.push(Question {
                seq: row.get::<_, i64>(0)?.cast_unsigned(),
                unit: spot.unit.clone(),
                bucket: spot.bucket.clone(),
                key: key.to_owned(),
                accepted: Moment::from_millis(row.get(2)?),
                form: known.form().map(ToString::to_string),
            });
        }
    }
    all.sort_by_key(|question| (question.accepted, question.seq));
    all.truncate(MOST);
    Ok(all)
}

/// Writes down what MDSS has said. `true`: it is settled now that this write was never scanned.
pub(super) fn answered(pen: &mut Pen<'_>, seq: u64, found: Option<&Found>) -> Result<bool, Fault> {
    let open = "SELECT 1 FROM entry WHERE seq = ?1 AND kind = 1 AND result_seq IS NULL";
    if pen.tx.prepare_cached(open)?.query_row([seq.cast_signed()], |_| Ok(())).optional()?.is_none() {
        // A notification was faster.
        return Ok(false);
    }
    if let Some(found) = found {
        let result = ScanResult {
            about: vec![seq],
            file_id: found.file_id.clone(),
            result: Some(found.verdict.name().to_owned()),
            file_state: None,
            scan_time: Some(found.at),
            confidence: Some(Confidence::Asked.name().to_owned()),
        };
        attribute(pen, seq, &result)?;
        pen.tx.prepare_cached("DELETE FROM asked WHERE seq = ?1")?.execute([seq.cast_signed()])?;
        return Ok(false);
    }
    let times: i64 = pen
        .tx
        .prepare_cached(
            "INSERT INTO asked (seq, times, last) VALUES (?1, 1, ?2) ON CONFLICT (seq) DO UPDATE SET times = times + 1, last = ?2 RETURNING times",
        )?
        .query_row(params![seq.cast_signed(), pen.now().as_millis()], |row| row.get(0))?;
    Ok(times == i64::from(ASK_TIMES))
}
