//! Takes results: each is attributed to its writes, or kept for later, in one transaction.

use std::collections::HashSet;

use serde_json::json;

use super::append::attribute;
use super::fits::{Found, Search, Sought, Units, sought};
use super::kept;
use super::pen::Pen;
use super::row::{ChainRow, Spots};
use crate::asked::ScanResult;
use crate::db::{Fault, Param};
use crate::fact::Fact;
use crate::hash::Hash;
use crate::kind::{Keys, Kind};
use crate::lessons::{Learned, Lessons};
use crate::matching::{Confidence, Decision, Write, by_id, by_path};
use crate::moment::Moment;
use crate::notice::{NotUsed, Notice};
use crate::results::{Became, Posted, Swept, Taken};

/// What was learned so far, during one transaction.
struct Class {
    whole: Lessons,
    units: Units,
    changed: HashSet<String>,
    spots: Spots,
    /// Accepted writes of all chains.
    writes: u64,
}

impl Class {
    fn read(pen: &Pen<'_>) -> Result<Self, Fault> {
        let (whole, units) = kept::lessons(pen.db)?;
        let writes = ChainRow::all(pen.db)?.iter().map(|(_, chain)| chain.writes).sum();
        Ok(Self { whole, units, changed: HashSet::new(), spots: Spots::read(pen.db)?, writes })
    }

    fn put_down(&self, pen: &Pen<'_>) -> Result<(), Fault> {
        kept::put_lesson(pen.db, kept::WHOLE, &self.whole)?;
        for unit in &self.changed {
            if let Some(lessons) = self.units.get(unit) {
                kept::put_lesson(pen.db, unit, lessons)?;
            }
        }
        Ok(())
    }
}

/// A result on its way.
struct Case<'c> {
    notice: &'c Notice,
    /// When it was heard of.
    heard: Moment,
    sought: Vec<Sought>,
    /// Its path, if it may be known.
    path: Option<&'c str>,
    source: &'c str,
}

/// Takes what was posted.
pub(crate) fn receive(pen: &mut Pen<'_>, posted: &[Posted]) -> Result<Vec<Taken>, Fault> {
    let mut class = Class::read(pen)?;
    let mut all = Vec::with_capacity(posted.len());
    for posted in posted {
        all.push(take(pen, &mut class, posted)?);
    }
    class.put_down(pen)?;
    // Whoever publishes asks for it.
    pen.checkpoints_due()?;
    Ok(all)
}

fn nothing(became: Became) -> Taken {
    Taken {
        became,
        about: Vec::new(),
        bucket: None,
        unit: None,
        path: None,
        file_id: None,
        verdict: None,
        state: None,
        confidence: None,
        why: None,
        learned: Vec::new(),
    }
}

fn take(pen: &mut Pen<'_>, class: &mut Class, posted: &Posted) -> Result<Taken, Fault> {
    let notice = match Notice::read(&posted.body) {
        Ok(notice) => notice,
        Err(not_used) => return unused(pen, class, posted, not_used),
    };
    let asked = match (&notice.file_id, notice.scanned) {
        (Some(file), Some(ended)) => kept::was_asked(pen.db, file, ended)?,
        _ => false,
    };
    if asked || kept::is_known(pen.db, &notice.digest)? {
        class.whole.counts.repeated += 1;
        return Ok(Taken {
            file_id: notice.file_id,
            verdict: Some(notice.verdict),
            ..nothing(Became::Repeated)
        });
    }
    let heard = pen.now();
    let blocked = notice.verdict == crate::notice::Verdict::Blocked;
    class.whole.came(blocked, class.writes, heard);
    let keys = pen.keys();
    let case = Case {
        notice: &notice,
        heard,
        sought: sought(&notice.path, &class.units, pen.key(), keys),
        path: (keys == Keys::Clear).then_some(notice.path.as_str()),
        source: &posted.source,
    };
    let taken = settle(pen, class, &case)?;
    match taken.became {
        Became::Matched | Became::Again => kept::put_seen(pen.db, &notice.digest, heard)?,
        Became::Ambiguous | Became::Unlearned | Became::Waiting => {
            class.whole.counts.ambiguous += u64::from(taken.became == Became::Ambiguous);
            let due = (taken.became == Became::Waiting).then(|| heard.plus(kept::pause(0)));
            let raw = kept::Raw {
                heard,
                source: case.source,
                path: case.path,
                file_id: notice.file_id.as_deref(),
                became: taken.became,
                body: &notice.kept(keys == Keys::Clear),
                digest: notice.digest,
                sought: &case.sought,
                due,
            };
            raw.insert(pen.db)?;
        }
        Became::Repeated | Became::Foreign | Became::Other | Became::Unreadable => {}
    }
    Ok(taken)
}

/// What is not a result of a file is kept as it is, up to a length, if keys may be kept.
fn unused(pen: &mut Pen<'_>, class: &mut Class, posted: &Posted, not_used: NotUsed) -> Result<Taken, Fault> {
    let (became, why) = match not_used {
        NotUsed::Other => (Became::Other, None),
        NotUsed::Unreadable(why) => (Became::Unreadable, Some(why)),
    };
    let digest = Hash::of(&[&posted.body]);
    if kept::is_known(pen.db, &digest)? {
        class.whole.counts.repeated += 1;
        return Ok(Taken { why, ..nothing(Became::Repeated) });
    }
    match became {
        Became::Other => class.whole.counts.other += 1,
        _ => class.whole.counts.unreadable += 1,
    }
    // A key may stand in it.
    let most = if pen.keys() == Keys::Clear { kept::MOST_BODY } else { 0 };
    let raw = kept::Raw {
        heard: pen.now(),
        source: &posted.source,
        path: None,
        file_id: None,
        became,
        body: &posted.body[..posted.body.len().min(most)],
        digest,
        sought: &[],
        due: None,
    };
    raw.insert(pen.db)?;
    Ok(Taken { why, ..nothing(became) })
}

/// Finds out whose it is, and attributes it.
fn settle(pen: &mut Pen<'_>, class: &mut Class, case: &Case<'_>) -> Result<Taken, Fault> {
    let notice = case.notice;
    let scanned = notice.moment(case.heard);
    let mut taken = Taken {
        path: case.path.map(str::to_owned),
        file_id: notice.file_id.clone(),
        verdict: Some(notice.verdict),
        state: notice.state.clone(),
        ..nothing(Became::Waiting)
    };
    let ids = class.whole.ids == Some(true) && notice.file_id.is_some();
    if ids && let Some((found, writes)) = of_id(pen, class, notice, scanned)? {
        close(pen, class, case, &found, &writes, Confidence::Id, &mut taken)?;
        return Ok(taken);
    }
    let search = Search { db: pen.db, spots: &class.spots, units: &class.units, scanned };
    let found = search.all(&case.sought, case.path)?;
    // The write that MDSS has given the id for may have its result already: then it was scanned again, whatever else has this path and waits.
    if ids && let Some((fit, write)) = closed_of_id(&found, notice) {
        record(pen, case, &[write], Confidence::Id, &found[fit], &mut taken)?;
        taken.became = Became::Again;
        class.whole.counts.again += 1;
        return Ok(taken);
    }
    let fits: Vec<_> = found.iter().map(|found| found.fit.clone()).collect();
    match by_path(&fits, scanned) {
        // That only this object waits says little where an id could have said that it is this one, and has not.
        Decision::Closes { confidence: Confidence::PathShared, .. } if ids => {
            taken.became = Became::Ambiguous;
        }
        Decision::Closes { fit, writes, confidence } => {
            learn_form(pen, class, &found[fit], &mut taken)?;
            close(pen, class, case, &found[fit], &writes, confidence, &mut taken)?;
        }
        Decision::Again { fit, write, confidence } => {
            record(pen, case, &[write], confidence, &found[fit], &mut taken)?;
            taken.became = Became::Again;
            class.whole.counts.again += 1;
        }
        Decision::Unlearned { fit } => {
            learn_form(pen, class, &found[fit], &mut taken)?;
            if taken.learned.is_empty() {
                taken.became = Became::Unlearned;
            } else {
                // Now it is known to be right.
                let mut fit = found[fit].clone();
                fit.fit.trusted = true;
                if let Decision::Closes { writes, confidence, .. } =
                    by_path(std::slice::from_ref(&fit.fit), scanned)
                {
                    close(pen, class, case, &fit, &writes, confidence, &mut taken)?;
                }
            }
        }
        Decision::Ambiguous => taken.became = Became::Ambiguous,
        Decision::Nothing => {}
    }
    if !taken.learned.is_empty() {
        kept::wake(pen.db, pen.now())?;
    }
    Ok(taken)
}

/// The open write that MDSS has given this id for, with all of its object's that are closed by it.
fn of_id(
    pen: &Pen<'_>,
    class: &Class,
    notice: &Notice,
    scanned: Moment,
) -> Result<Option<(Found, Vec<u64>)>, Fault> {
    let Some(id) = notice.file_id.as_deref() else { return Ok(None) };
    let sql = "SELECT seq FROM entry WHERE correlation_id = ?1 AND kind = 1 AND result_seq IS NULL";
    let seq = pen.db.first(sql, &[Param::Packed(Some(id))], |row| Ok(row.count(0)?.cast_unsigned()))?;
    let Some(seq) = seq else { return Ok(None) };
    let search = Search { db: pen.db, spots: &class.spots, units: &class.units, scanned };
    Ok(search.of(seq)?.map(|found| {
        let mut writes = by_id(&found.fit, seq);
        if writes.is_empty() {
            writes.push(seq);
        }
        (found, writes)
    }))
}

/// The newest write among these that MDSS has given this id for.
fn closed_of_id(found: &[Found], notice: &Notice) -> Option<(usize, u64)> {
    let id = notice.file_id.as_ref()?;
    let all = found.iter().enumerate().flat_map(|(at, found)| {
        let its = |write: &&Write| found.correlations.get(&write.seq) == Some(id);
        found.fit.writes.iter().filter(its).map(move |write| (write.accepted, at, write.seq))
    });
    all.max().map(|(_, at, write)| (at, write))
}

/// A result has fitted in a form: that may be the one that makes it known.
fn learn_form(pen: &mut Pen<'_>, class: &mut Class, found: &Found, taken: &mut Taken) -> Result<(), Fault> {
    let unit = found.fit.unit.as_deref().unwrap_or_default().to_owned();
    class.changed.insert(unit.clone());
    let learned = class.units.entry(unit).or_default().fitted(&found.fit.form);
    if let Some(learned) = learned {
        learned_now(pen, Some(found), &learned, taken)?;
    }
    Ok(())
}

/// Closes writes, and learns how long it took.
fn close(
    pen: &mut Pen<'_>,
    class: &mut Class,
    case: &Case<'_>,
    found: &Found,
    writes: &[u64],
    confidence: Confidence,
    taken: &mut Taken,
) -> Result<(), Fault> {
    record(pen, case, writes, confidence, found, taken)?;
    taken.became = Became::Matched;
    class.whole.counts.matched += 1;
    let (heard, scanned) = (case.heard, case.notice.moment(case.heard));
    let unit = found.fit.unit.as_deref().unwrap_or_default().to_owned();
    class.changed.insert(unit.clone());
    let lessons = class.units.entry(unit).or_default();
    let open: Vec<_> = found.fit.writes.iter().filter(|write| write.open).collect();
    let first = found.fit.writes.iter().find(|write| writes.first() == Some(&write.seq));
    if let Some(first) = first {
        lessons.results.add(heard.since(first.accepted));
        // Of several it is not certain which one the scan has seen.
        if open.len() == 1 && case.notice.scanned.is_some() {
            lessons.scans.add(scanned.since(first.accepted));
        }
    }
    // Of several writes one scan cannot say which id is its own.
    if confidence == Confidence::Path
        && open.len() == 1
        && let Some(id) = &case.notice.file_id
        && let Some(correlation) = writes.first().and_then(|write| found.correlations.get(write))
        && let Some(learned) = class.whole.pair(correlation == id)
    {
        learned_now(pen, None, &learned, taken)?;
    }
    Ok(())
}

fn record(
    pen: &mut Pen<'_>,
    case: &Case<'_>,
    writes: &[u64],
    confidence: Confidence,
    found: &Found,
    taken: &mut Taken,
) -> Result<(), Fault> {
    let notice = case.notice;
    let result = ScanResult {
        about: Vec::new(),
        file_id: notice.file_id.clone(),
        result: Some(notice.verdict.name().to_owned()),
        file_state: notice.state.clone(),
        scan_time: notice.scanned,
        confidence: Some(confidence.name().to_owned()),
        detail: notice.detail.clone(),
    };
    for write in writes {
        attribute(pen, *write, &result)?;
    }
    taken.about = writes.to_vec();
    taken.confidence = Some(confidence);
    (taken.bucket, taken.unit) = (found.bucket.clone(), found.fit.unit.clone());
    Ok(())
}

/// What was learned changes how later results are understood, so it stands in the chain.
fn learned_now(
    pen: &mut Pen<'_>,
    found: Option<&Found>,
    learned: &Learned,
    taken: &mut Taken,
) -> Result<(), Fault> {
    let (reason, detail, sentence) = match learned {
        Learned::Form(form) => (
            "results_form",
            json!({ "form": form.to_string() }),
            format!(
                "the paths in MDSS's results for unit {} have the form {form}: it has fitted 20 times in a row",
                found.and_then(|found| found.fit.unit.as_deref()).unwrap_or("-")
            ),
        ),
        Learned::Ids(equal) => (
            "results_ids",
            json!({ "equal": equal }),
            format!(
                "FileId in MDSS's results {} the correlationId of the submission: the first hundred pairs say so",
                if *equal { "is" } else { "is not always" }
            ),
        ),
    };
    pen.write(&Fact {
        unit: found.and_then(|found| found.fit.unit.clone()),
        bucket: found.and_then(|found| found.bucket.clone()),
        reason: Some(reason.to_owned()),
        detail: Some(detail.to_string()),
        ..Fact::new(Kind::Settings, pen.now())
    })?;
    taken.learned.push(sentence);
    Ok(())
}

/// Writes down from which accepted write on results are waited for, if nobody has yet.
pub(crate) fn expect(pen: &mut Pen<'_>) -> Result<(), Fault> {
    let mut class = Class::read(pen)?;
    if class.whole.expects(class.writes) { class.put_down(pen) } else { Ok(()) }
}

/// Looks again at what has waited, and removes what is too old or too much.
pub(crate) fn sweep(pen: &mut Pen<'_>) -> Result<Swept, Fault> {
    let now = pen.now();
    let mut swept = Swept::default();
    let due = kept::due(pen.db, now)?;
    if !due.is_empty() {
        let mut class = Class::read(pen)?;
        for row in due {
            again(pen, &mut class, &row, &mut swept)?;
        }
        class.put_down(pen)?;
    }
    let (mut whole, _) = kept::lessons(pen.db)?;
    if whole.prunes(now) {
        swept.dropped = kept::prune(pen.db, now)?;
        whole.counts.dropped += swept.dropped;
        kept::put_lesson(pen.db, kept::WHOLE, &whole)?;
    }
    Ok(swept)
}

fn again(pen: &mut Pen<'_>, class: &mut Class, row: &kept::Waiting, swept: &mut Swept) -> Result<(), Fault> {
    let Ok(notice) = Notice::read(&row.body) else {
        // It was put in by somebody else.
        return kept::rest(pen.db, row.id, Became::Unreadable);
    };
    let known = row.path.is_some();
    let sought = match &row.path {
        // Folders may have been learned meanwhile.
        Some(path) => sought(path, &class.units, pen.key(), pen.keys()),
        None => row.sought.clone(),
    };
    let case = Case {
        notice: &Notice { digest: row.digest, ..notice },
        heard: row.heard,
        sought,
        path: row.path.as_deref(),
        source: &row.source,
    };
    let mut taken = settle(pen, class, &case)?;
    taken.path = taken.path.filter(|_| known);
    match taken.became {
        Became::Matched | Became::Again => {
            kept::remove(pen.db, row.id)?;
            kept::put_seen(pen.db, &row.digest, row.heard)?;
            swept.taken.push(taken);
        }
        Became::Waiting => match kept::next(row.heard, row.tries, pen.now()) {
            Some(due) => kept::put_off(pen.db, row.id, due)?,
            None => {
                kept::rest(pen.db, row.id, Became::Foreign)?;
                class.whole.counts.foreign += 1;
                swept.foreign += 1;
            }
        },
        became => {
            if became == Became::Ambiguous && row.became != Became::Ambiguous {
                class.whole.counts.ambiguous += 1;
                swept.taken.push(taken);
            }
            kept::rest(pen.db, row.id, became)?;
        }
    }
    Ok(())
}
