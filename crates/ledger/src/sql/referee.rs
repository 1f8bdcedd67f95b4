//! What MDSS is asked about, and what it has said: accepted writes for which no result came in time.

use std::time::Duration;

use super::append::attribute;
use super::fits::{Search, Units};
use super::kept;
use super::pen::Pen;
use super::row::Spots;
use crate::asked::ScanResult;
use crate::db::{Db, Fault, args};
use crate::kind::Keys;
use crate::lessons::UnitLessons;
use crate::matching::Confidence;
use crate::moment::Moment;
use crate::notice::Notice;
use crate::results::{ASK_AGAIN, ASK_TIMES, Found, Question};

/// So many are asked about in one round.
const MOST: usize = 1000;

/// Of these so many at most because a result is ambiguous, by the newest of such results.
const MOST_EARLY: usize = 50;
const MOST_RESULTS: usize = 200;

/// The shortest time between two early questions about a write.
const EARLY: Duration = Duration::from_secs(15);

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
        let known = known(&lessons, spot.unit.as_deref());
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
                    early: false,
                });
            }
            Ok(true)
        })?;
    }
    all.sort_by_key(|question| (question.accepted, question.seq));
    all.truncate(MOST);
    let mut early = ambiguous(db, now, &lessons)?;
    early.sort_by_key(|question| (question.accepted, question.seq));
    early.retain(|question| all.iter().all(|other| other.seq != question.seq));
    // Somebody else's result may be held up by these.
    early.append(&mut all);
    Ok(early)
}

fn known(lessons: &Units, unit: Option<&str>) -> UnitLessons {
    lessons.get(unit.unwrap_or_default()).cloned().unwrap_or_default()
}

/// The oldest open write of each unit that a result may be about of which it cannot be said whose it is: MDSS can name the unit. They are due at once, then after
/// as long as the result has waited so far, and after an hour each time at last; when one was asked about is known after a restart.
fn ambiguous(db: Db<'_>, now: Moment, lessons: &Units) -> Result<Vec<Question>, Fault> {
    let spots = Spots::read(db)?;
    let mut all: Vec<Question> = Vec::new();
    for row in kept::ambiguous(db, MOST_RESULTS)? {
        let Ok(notice) = Notice::read(&row.body) else { continue };
        let scanned = notice.moment(row.heard);
        let search = Search { db, spots: &spots, units: lessons, scanned };
        for found in search.all(&row.sought, None)? {
            let Some(write) =
                found.fit.oldest(scanned).filter(|write| all.iter().all(|one| one.seq != write.seq))
            else {
                continue;
            };
            let (seq, last) = (write.seq, kept::asked_last(db, write.seq)?);
            let pause = |last: Moment| last.since(row.heard).clamp(EARLY, ASK_AGAIN);
            if last.is_some_and(|last| last >= row.heard && now.since(last) < pause(last)) {
                continue;
            }
            let key = db.first("SELECT place, key FROM entry WHERE seq = ?1", args![seq], |row| {
                let clear = spots.0.get(&row.count(0)?).is_some_and(|(spot, _)| spot.keys == Keys::Clear);
                let key = row.bytes(1)?.and_then(|key| std::str::from_utf8(key).ok()).map(str::to_owned);
                Ok(key.filter(|_| clear))
            })?;
            let Some(key) = key.flatten() else { continue };
            all.push(Question {
                seq,
                unit: found.fit.unit.clone(),
                bucket: found.bucket.clone(),
                key,
                accepted: write.accepted,
                form: known(lessons, found.fit.unit.as_deref()).form().map(ToString::to_string),
                early: true,
            });
            if all.len() == MOST_EARLY {
                return Ok(all);
            }
        }
    }
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
        // The notification of this scan was nobody's: now it is known whose.
        if let Some(file) = &found.file_id {
            kept::known_now(pen.db, file, found.at, pen.now())?;
        }
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
