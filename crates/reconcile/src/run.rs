//! A run: page by page through a bucket, each object judged once, and what is missing forwarded.

use std::collections::HashMap;
use std::time::Instant;

use jiff::Timestamp;
use mdss_relay_core::{Dialect, Rules, fields};
use mdss_relay_ledger::Verdict as Judged;
use mdss_relay_ledger::{BucketName, Ledger, Moment};
use mdss_relay_stores::{Cursor, Listed, Listing, Order, Page, StoreSettings, TroubleKind};
use tokio::sync::watch;

use crate::accepted::Accepted;
use crate::counts::{Counts, FIRST};
use crate::door::{Door, Holding};
use crate::fate::{Place, speaks};
use crate::file_api::Said;
use crate::forward::{Forwarded, Forwarder};
use crate::question::Question;
use crate::record::{Entered, Filed, Record, Resumed};
use crate::referee::Referee;
use crate::stop::asked;
use crate::trouble::Trouble;
use crate::verdict::{Asked, Fate, SKEW, Verdict, judge};

/// How often it is written down how far it has come, if nothing was forwarded meanwhile.
const NOTE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a run works with.
pub struct Means<'m> {
    /// The listing of the bucket.
    pub listing: Listing,
    /// The store that it is of.
    pub store: &'m StoreSettings,
    /// What its source is pinned to.
    pub pinned: Option<Dialect>,
    /// Today's routes.
    pub rules: &'m Rules,
    /// What was accepted; `None`: nobody knows.
    pub ledger: Option<Ledger>,
    /// The spool; `None`: there is none.
    pub door: Option<Door>,
    /// Whom to ask about what is missing, if that is wanted.
    pub referee: Option<Referee>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'p> {
    /// What was counted so far.
    pub counts: &'p Counts,
    /// Why nothing is forwarded just now.
    pub waits: Option<&'p str>,
    /// Where it went on, if it was broken off.
    pub resumed: Option<&'p Resumed>,
    /// Whether the store has listed in order so far.
    pub ordered: bool,
}

/// One of the first objects that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingObject {
    /// Its key.
    pub key: Vec<u8>,
    /// When it was last written, as the store says.
    pub modified: Option<Timestamp>,
    /// Whether an earlier write of it was accepted.
    pub newer: bool,
}

/// What a run has found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number in the ledger.
    pub number: Option<i64>,
    /// Whether it has come to the end; if not, the next one goes on.
    pub complete: bool,
    /// The counts, of the part before as well if it has gone on.
    pub counts: Counts,
    /// The first objects that are missing, of this part.
    pub first: Vec<MissingObject>,
    /// The run that it has gone on with; without a cursor it has begun again.
    pub resumed: Option<Resumed>,
    /// When it began.
    pub begun: Moment,
    /// Whether the store has listed in order.
    pub ordered: bool,
    /// Why MDSS was not asked any more: the rest of what is missing counts as missing.
    pub not_asked: Option<String>,
    /// How it stands in the chain.
    pub entered: Option<Entered>,
}

/// Compares a bucket with what was accepted. It ends early, and can be gone on with, as soon as `stop` says so.
///
/// # Errors
/// [`Trouble`]: what was counted and forwarded until then is written down.
pub async fn compare(
    means: Means<'_>,
    question: &Question,
    stop: watch::Receiver<bool>,
    tell: impl Fn(Progress<'_>) + Sync,
) -> Result<Outcome, Trouble> {
    let now = Moment::from(Timestamp::now());
    let (record, mut resumed) =
        Record::begin(means.ledger.as_ref(), &means.store.name, question, now).await?;
    let begun = resumed.as_ref().map_or(now, |resumed| resumed.begun);
    let run = match record.number() {
        Some(number) => number.to_string(),
        None => format!("{:x}", now.as_millis()),
    };
    let place = Place {
        source: means.store.source.clone(),
        bucket: question.bucket.clone(),
        namespace: means.store.namespace.clone().or_else(|| means.store.account.clone()),
        store: speaks(means.store, means.pinned),
        unit: question.route.as_ref().map(|(_, unit)| unit.clone()),
        run,
    };
    let of = place.of_source(means.rules);
    let mut run = Run {
        listing: means.listing,
        rules: means.rules,
        ledger: means.ledger,
        forwarder: means.door.map(|door| Forwarder::new(door, question.rate)),
        holding: Holding::new(&question.bucket, of),
        question,
        place,
        record,
        counts: Counts { gone: Some(0), ..Counts::default() },
        first: Vec::new(),
        referee: means.referee,
        forms: None,
        not_asked: None,
        ordered: true,
        again: false,
        noted: Instant::now(),
        stop,
        tell: &tell,
    };
    let cursor = resumed.as_ref().and_then(|resumed| resumed.cursor.clone());
    if let Some(resumed) = resumed.as_ref().filter(|resumed| resumed.cursor.is_some()) {
        run.counts = resumed.filed.counts.clone();
    }
    if let Some(forwarder) = run.forwarder.as_ref().filter(|_| run.ledger.is_some()) {
        run.counts.behind = forwarder.door().drained().await?;
    }
    let complete = run.pages(cursor, resumed.as_ref()).await?;
    if let Some(resumed) = resumed.as_mut().filter(|_| run.again) {
        resumed.cursor = None;
    }
    let entered = match complete {
        true => run.record.end(&Filed::new(&run.counts, run.ordered)).await?,
        false => None,
    };
    Ok(Outcome {
        number: run.record.number(),
        complete,
        counts: run.counts,
        first: run.first,
        not_asked: run.not_asked,
        begun,
        ordered: run.ordered,
        resumed,
        entered,
    })
}

struct Run<'r, T> {
    listing: Listing,
    rules: &'r Rules,
    ledger: Option<Ledger>,
    forwarder: Option<Forwarder>,
    holding: Holding,
    question: &'r Question,
    place: Place,
    record: Record,
    counts: Counts,
    first: Vec<MissingObject>,
    referee: Option<Referee>,
    /// The learned form of each unit's paths, once it was looked for.
    forms: Option<HashMap<String, String>>,
    not_asked: Option<String>,
    ordered: bool,
    /// Whether it has gone on somewhere at first, and has begun again then.
    again: bool,
    noted: Instant,
    stop: watch::Receiver<bool>,
    tell: &'r T,
}

impl<T: Fn(Progress<'_>) + Sync> Run<'_, T> {
    /// All pages from a cursor on; false if it was stopped before the end.
    async fn pages(
        &mut self,
        mut cursor: Option<Cursor>,
        resumed: Option<&Resumed>,
    ) -> Result<bool, Trouble> {
        let mut accepted = self.accepted(cursor.as_ref()).await?;
        self.say(None, resumed);
        loop {
            let mut stop = self.stop.clone();
            let page = tokio::select! {
                page = self.listing.page(cursor.as_ref()) => page,
                () = asked(&mut stop) => return self.stopped(cursor.as_ref()).await,
            };
            let page = match page {
                Ok(page) => page,
                // It was broken off, and the store lists in no order: what was listed before is not known any more.
                Err(trouble) if trouble.kind == TroubleKind::Unordered && cursor.is_some() => {
                    tracing::warn!(
                        { fields::BUCKET } = self.question.bucket.as_str(),
                        "the store lists in no order, so the run begins again from the start"
                    );
                    (cursor, self.ordered, self.again) = (None, false, true);
                    self.counts = Counts { gone: Some(0), ..Counts::default() };
                    self.first.clear();
                    accepted = self.accepted(None).await?;
                    accepted.look_up();
                    continue;
                }
                Err(trouble) => {
                    self.stopped(cursor.as_ref()).await?;
                    return Err(trouble.into());
                }
            };
            if self.listing.order() == Order::None {
                self.ordered = false;
                accepted.look_up();
            }
            let next = page.next.clone();
            let before = self.counts.clone();
            if self.page(page, &mut accepted, resumed).await? == Forwarded::Stopped {
                // The whole page comes again. What of it was forwarded is in the spool then, or was accepted, and would stand nowhere else as forwarded.
                let (forwarded, repeated) = (self.counts.forwarded, self.counts.repeated);
                let noted = Counts { forwarded, repeated, ..before };
                let now = std::mem::replace(&mut self.counts, noted);
                self.stopped(cursor.as_ref()).await?;
                self.counts = now;
                return Ok(false);
            }
            let Some(next) = next else { break };
            cursor = Some(next);
            if self.noted.elapsed() >= NOTE {
                self.note(cursor.as_ref()).await?;
            }
            self.say(None, resumed);
        }
        self.counts.gone = accepted.end().await?;
        Ok(true)
    }

    async fn accepted(&self, cursor: Option<&Cursor>) -> Result<Accepted, Trouble> {
        let bucket = BucketName {
            namespace: self.place.namespace.clone(),
            bucket: self.question.bucket.clone(),
            of: self.place.of_source(self.rules),
        };
        let (ledger, prefix) = (self.ledger.clone(), self.question.prefix.as_slice());
        Accepted::open(ledger, bucket, prefix, cursor.map(Cursor::last), self.counts.gone).await
    }

    async fn page(
        &mut self,
        page: Page,
        accepted: &mut Accepted,
        resumed: Option<&Resumed>,
    ) -> Result<Forwarded, Trouble> {
        let Page { objects, passed, .. } = page;
        passed.iter().for_each(|passed| self.counts.pass(&passed.why));
        // Before the ledger: what leaves the spool between the two is in the ledger then.
        if let Some(forwarder) = &self.forwarder {
            self.holding.read(forwarder.door()).await?;
        }
        let writes = accepted.of(&objects).await?;
        self.counts.gone = accepted.gone();
        let fates = self.place.fates(self.rules, &objects);
        let asked = Asked {
            now: Timestamp::now().into(),
            grace: self.question.grace,
            before: self.question.before.map(Moment::from),
        };
        let mut missing = Vec::new();
        for ((object, fate), writes) in objects.iter().zip(fates).zip(&writes) {
            let mut verdict = judge(object, &fate, writes, self.holding.of(&object.key), asked);
            if let Some(question) = self.question_about(object, &fate, verdict).await {
                if *self.stop.borrow() {
                    return Ok(Forwarded::Stopped);
                }
                if self.is_scanned(&question).await {
                    verdict = Verdict::ByMdss;
                }
            }
            self.counts.add(object, verdict);
            self.name_first(object, verdict);
            if let Some(unit) = self.unit_for(object, fate, verdict) {
                missing.push((object, unit));
            }
        }
        self.forward(missing, resumed).await
    }

    /// What to ask MDSS about an object that is missing; `None`: nothing.
    async fn question_about(
        &mut self,
        object: &Listed,
        fate: &Fate,
        verdict: Verdict,
    ) -> Option<mdss_relay_ledger::Question> {
        self.referee.as_ref()?;
        // Of one that is newer than what was told a scan may have begun with the older content.
        let (Verdict::Missing, Fate::Taken(unit)) = (verdict, fate) else {
            return None;
        };
        let (key, modified) = (std::str::from_utf8(&object.key).ok()?, object.modified?);
        if self.forms.is_none() {
            let known = match &self.ledger {
                Some(ledger) => ledger.the_loop().await.map(|known| known.units).unwrap_or_default(),
                None => Vec::new(),
            };
            let form = |unit: mdss_relay_ledger::LoopUnit| Some((unit.unit?.to_string(), unit.form?));
            self.forms = Some(known.into_iter().filter_map(form).collect());
        }
        Some(mdss_relay_ledger::Question {
            early: false,
            seq: 0,
            unit: Some(unit.as_str().into()),
            bucket: Some(self.question.bucket.as_str().into()),
            key: key.to_owned(),
            // A scan that has ended after it was last written has seen this content, whatever the clocks are apart.
            accepted: Moment::from(modified).plus(SKEW),
            form: self.forms.as_ref().and_then(|forms| forms.get(unit)).cloned(),
        })
    }

    /// Whether MDSS says that it has scanned it. Once it says nothing that is understood it is not asked any more.
    async fn is_scanned(&mut self, question: &mdss_relay_ledger::Question) -> bool {
        let Some(referee) = &self.referee else { return false };
        match referee.ask(question).await {
            // A scan that failed or was cancelled has judged nothing.
            Ok(Said::Scanned { verdict, .. }) => matches!(verdict, Judged::Allowed | Judged::Blocked),
            Ok(Said::UnderWay | Said::NotThere { .. } | Said::Unclear { .. }) => false,
            Err(why) => {
                (self.referee, self.not_asked) = (None, Some(why));
                false
            }
        }
    }

    fn name_first(&mut self, object: &Listed, verdict: Verdict) {
        if self.first.len() < FIRST && matches!(verdict, Verdict::Missing | Verdict::MissingNewer) {
            self.first.push(MissingObject {
                key: object.key.clone(),
                modified: object.modified,
                newer: verdict == Verdict::MissingNewer,
            });
        }
    }

    /// The unit that an object is to be forwarded to; `None`: it is not.
    fn unit_for(&mut self, object: &Listed, fate: Fate, verdict: Verdict) -> Option<String> {
        let unit = match (verdict, fate) {
            (Verdict::Missing | Verdict::MissingNewer, Fate::Taken(unit)) => unit,
            (Verdict::Undecidable, Fate::InDoubt(Some(unit))) if self.question.undecidable => unit,
            _ => return None,
        };
        if std::str::from_utf8(&object.key).is_err() {
            self.counts.unsendable += 1;
            return None;
        }
        self.question.forward.then_some(unit)
    }

    async fn forward(
        &mut self,
        missing: Vec<(&Listed, String)>,
        resumed: Option<&Resumed>,
    ) -> Result<Forwarded, Trouble> {
        if missing.is_empty() {
            return Ok(Forwarded::All);
        }
        let Some(forwarder) = &mut self.forwarder else {
            return Err(Trouble::Other("there is no spool to forward to".into()));
        };
        let (tell, ordered) = (self.tell, self.ordered);
        let say = |counts: &Counts, waits: Option<&str>| tell(Progress { counts, waits, resumed, ordered });
        let forwarded =
            forwarder.forward(&self.place, self.rules, missing, &mut self.counts, &mut self.stop, &say).await;
        // What was forwarded must not be forwarded again after a crash, and a page takes its time.
        self.noted = self.noted.checked_sub(NOTE).unwrap_or(self.noted);
        Ok(forwarded)
    }

    async fn note(&mut self, cursor: Option<&Cursor>) -> Result<(), Trouble> {
        self.noted = Instant::now();
        self.record.note(cursor, &Filed::new(&self.counts, self.ordered)).await
    }

    async fn stopped(&mut self, cursor: Option<&Cursor>) -> Result<bool, Trouble> {
        self.note(cursor).await?;
        Ok(false)
    }

    fn say(&self, waits: Option<&str>, resumed: Option<&Resumed>) {
        (self.tell)(Progress { counts: &self.counts, waits, resumed, ordered: self.ordered });
    }
}
