//! What MDSS is asked about, and what it has said: accepted writes for which no result came in time.

use super::append::attribute;
use super::kept;
use super::pen::Pen;
use super::row::Spots;
use crate::asked::ScanResult;
use crate::db::{Db, Fault, args};
use crate::kind::Keys;
use crate::matching::Confidence;
use crate::moment::Moment;
use crate::results::{ASK_AGAIN, ASK_TIMES, Found, Question};

/// So many are asked about in one round.
const MOST: usize = 1000;

/// The writes that are to be asked about, the oldest first.
pub(crate) fn questions(db: Db<'_>, now: Moment) -> Result<Vec<Question>, Fault> {
    let (_, lessons) = kept::lessons(db)?;
    let mut all = Vec::new();
    let open = "SELECT e.seq, e.key, e.settled_time FROM entry e LEFT JOIN asked a ON a.seq = e.seq
         WHERE e.place = ?1 AND e.kind = 1 AND e.result_seq IS NULL AND e.settled_time < ?2 AND (a.seq IS NULL OR (a.times < ?3 AND a.last <= ?4))
         ORDER BY e.settled_time LIMIT ?5";
    for (place, (spot, counted)) in &Spots::read(db)?.0 {
        if spot.keys != Keys::Clear || counted.open <= 0 {
            continue;
        }
        let known = lessons.get(spot.unit.as_deref().unwrap_or_default()).cloned().unwrap_or_default();
        let (before, again) = (now.minus(known.unconfirmed_after().0), now.minus(ASK_AGAIN));
        db.each(open, args![*place, before, ASK_TIMES, again, MOST], |row| {
            if let Some(key) = row.bytes(1)?.and_then(|key| std::str::from_utf8(key).ok()) {
                all.push(Question {
                    seq: row.count(0)?.cast_unsigned(),
                    unit: spot.unit.clone(),
                    bucket: spot.bucket.clone(),
                    key: key.to_owned(),
                    accepted: Moment::from_millis(row.count(2)?),
                    form: known.form().map(ToString::to_string),
                });
            }
            Ok(true)
        })?;
    }
    all.sort_by_key(|question| (question.accepted, question.seq));
    all.truncate(MOST);
    Ok(all)
}

/// Writes down what MDSS has said. `true`: it is settled now that this write was never scanned.
pub(crate) fn answered(pen: &mut Pen<'_>, seq: u64, found: Option<&Found>) -> Result<bool, Fault> {
    let open = "SELECT 1 FROM entry WHERE seq = ?1 AND kind = 1 AND result_seq IS NULL";
    if !pen.db.is_there(open, args![seq])? {
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
            detail: None,
        };
        attribute(pen, seq, &result)?;
        pen.db.execute("DELETE FROM asked WHERE seq = ?1", args![seq])?;
        return Ok(false);
    }
    // Two relays that have asked at once have asked once.
    let now = pen.now();
    let times = pen.db.number(
        "INSERT INTO asked AS a (seq, times, last) VALUES (?1, 1, ?2) ON CONFLICT (seq) DO UPDATE SET times = a.times + 1, last = ?2 WHERE a.last <= ?3
         RETURNING times",
        args![seq, now, now.minus(ASK_AGAIN)],
    )?;
    Ok(times == i64::from(ASK_TIMES))
}

/// MDSS has said nothing that settles it: it is asked again in an hour, after everybody else.
pub(crate) fn put_off(pen: &mut Pen<'_>, seq: u64) -> Result<(), Fault> {
    let now = pen.now();
    let sql = "INSERT INTO asked (seq, times, last) SELECT seq, 0, ?2 FROM entry WHERE seq = ?1 AND kind = 1 AND result_seq IS NULL
               ON CONFLICT (seq) DO UPDATE SET last = excluded.last";
    pen.db.execute(sql, args![seq, now])?;
    Ok(())
}
