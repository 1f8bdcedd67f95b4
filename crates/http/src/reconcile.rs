//! Comparisons that a server makes by itself: buckets with the ledger, again and again, one at a time, beside everything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mdss_relay_core::{SpoolPlace, fields};
use mdss_relay_ledger::{Ledger, Moment, Run, RunStart};
use mdss_relay_reconcile::{
    Alone, Counts, Door, Filed, Means, Outcome, Progress, Referee, Schedule, Trouble, compare,
};
use mdss_relay_spool::Spool;
use mdss_relay_stores::Store;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::compared::Compared;
use crate::configuration::InForce;
use crate::ledger::Book;
use crate::metrics::Counters;

/// How often it is looked whether a comparison is due.
const LOOK: Duration = Duration::from_secs(1);

/// How often the ledger is asked at least when the next one is due: others may write there.
const ASK: Duration = Duration::from_secs(10);

/// After a failure a bucket is compared again so much later, or when it is due.
const AGAIN: Duration = Duration::from_secs(300);

/// So often a relay says in a ledger that it shares with others that its comparison is under way.
const HEARD: Duration = Duration::from_secs(30);

/// After so long without a word of a comparison whoever made it has gone, and another relay goes on with it. A relay that starts may come before the others in their order
/// while one of them compares.
const GONE: Duration = Duration::from_secs(90);

/// What all comparisons share.
pub(crate) struct Comparing {
    pub(crate) spool: Spool,
    pub(crate) book: Option<Book>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) running: watch::Receiver<Arc<InForce>>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// When a bucket is looked at next.
struct Next {
    /// What its schedule asks, and how often: a configuration that says otherwise makes the moment void.
    asked: (RunStart, Duration),
    at: Instant,
}

impl Comparing {
    /// Compares what is due, until `stop` says so.
    pub(crate) async fn run(self) {
        let mut next: BTreeMap<(String, String), Next> = BTreeMap::new();
        while !*self.stop.borrow() {
            let configuration = self.running.borrow().clone();
            for schedule in &configuration.schedules {
                let name = (schedule.store.name.clone(), schedule.question.bucket.clone());
                let asked = (schedule.question.start(&schedule.store.name), schedule.every);
                let after = |pause| Next { asked: asked.clone(), at: Instant::now() + pause };
                let due = match next.get(&name).filter(|next| next.asked == asked) {
                    Some(next) => next.at <= Instant::now(),
                    None => match self.waits(schedule).await {
                        Some(wait) if wait > LOOK => {
                            next.insert(name.clone(), after(wait.min(ASK)));
                            false
                        }
                        Some(_) => true,
                        // The ledger is not open yet.
                        None => false,
                    },
                };
                if !due || *self.stop.borrow() {
                    continue;
                }
                let pause = match self.has_turn(schedule).await {
                    true if self.once(&configuration, schedule).await => schedule.every,
                    true => AGAIN.min(schedule.every),
                    false => self.waits(schedule).await.unwrap_or(LOOK).clamp(LOOK, ASK),
                };
                next.insert(name, after(pause));
            }
            sleep(LOOK).await;
        }
    }

    /// Whether it is this relay that compares: of several that share a ledger the first one does, and it may have been another one until now.
    async fn has_turn(&self, schedule: &Schedule) -> bool {
        let Some(ledger) = self.book.as_ref().and_then(Book::ledger) else { return true };
        ledger.leads().await.unwrap_or(false) && self.waits(schedule).await.is_none_or(|wait| wait <= LOOK)
    }

    /// How long until a bucket is due, by what the ledger says of the last time that this schedule has asked, here or in another relay; `None`: it does not say it yet.
    /// What others compare in the bucket, and what is compared in a bucket of the same name elsewhere, is none of its turns.
    async fn waits(&self, schedule: &Schedule) -> Option<Duration> {
        let Some(book) = &self.book else { return Some(Duration::ZERO) };
        let ledger = book.ledger()?;
        let start = schedule.question.start(&schedule.store.name);
        let last = ledger.last_run_of(&start).await.ok()?;
        self.recall(&ledger, &start, last.as_ref()).await;
        let Some(last) = last else { return Some(Duration::ZERO) };
        let since = |moment| Moment::from(Timestamp::now()).since(moment);
        Some(match last.end {
            Some(_) => schedule.every.saturating_sub(since(last.begun)),
            None if self.is_shared() => GONE.saturating_sub(since(last.updated)),
            None => Duration::ZERO,
        })
    }

    /// Counts what the ledger says of the last comparison that has come to its end, of which `last` is at most a later one: a restart finds nothing that was missing, and of relays with one ledger one
    /// compares for all.
    async fn recall(&self, ledger: &Ledger, start: &RunStart, last: Option<&Run>) {
        let complete = match last {
            None => return,
            Some(run) if run.end.is_some() => Some(run.clone()),
            // It cannot be read just now: the next look may say it.
            Some(_) => ledger.last_complete_run_of(start).await.ok().flatten(),
        };
        let Some(run) = complete else { return };
        // What nobody can read is not counted as nothing missing.
        if let Ok(filed) = serde_json::from_str::<Filed>(&run.report) {
            self.counters.recalled(&start.store, &start.bucket, compared(run.begun, &filed.counts));
        }
    }

    /// Whether other relays may have the same ledger.
    fn is_shared(&self) -> bool {
        let configuration = self.running.borrow();
        let spool = configuration.http.spool.as_ref();
        spool.is_some_and(|spool| matches!(spool.place, SpoolPlace::Database(_)))
    }

    /// Whether it was done: to its end, or until the server stops.
    async fn once(&self, configuration: &InForce, schedule: &Schedule) -> bool {
        let (store, bucket) = (&schedule.store.name, schedule.question.bucket.as_str());
        info!(
            { fields::BUCKET } = bucket,
            "bucket {bucket:?} of store {store:?} is compared with what was accepted"
        );
        match self.compare(configuration, schedule).await {
            Ok(outcome) if outcome.complete => {
                let found = compared(outcome.begun, &outcome.counts);
                self.counters.compared(store, bucket, Some(found));
                if let Some(why) = &outcome.not_asked {
                    warn!(
                        { fields::BUCKET } = bucket,
                        "MDSS's file API says nothing that is understood ({why}): what it was not asked about counts as missing"
                    );
                }
                tell(schedule, &outcome.counts);
                true
            }
            Ok(_) => {
                info!(
                    { fields::BUCKET } = bucket,
                    "the comparison of bucket {bucket:?} was interrupted; the next start goes on with it"
                );
                true
            }
            Err(trouble) => {
                self.counters.compared(store, bucket, None);
                error!(
                    { fields::BUCKET } = bucket,
                    { fields::ERROR } = %trouble,
                    "bucket {bucket:?} of store {store:?} could not be compared; it is tried again"
                );
                false
            }
        }
    }

    async fn compare(&self, configuration: &InForce, schedule: &Schedule) -> Result<Outcome, Trouble> {
        let spool = configuration.http.spool.as_ref();
        let _alone = match spool.map(|spool| &spool.place) {
            Some(SpoolPlace::Directory(dir)) => Some(Alone::take(dir)?),
            Some(SpoolPlace::Database(_)) | None => None,
        };
        let Some(kept) = &configuration.kept else {
            return Err(Trouble::Other("there is no spool".into()));
        };
        let settings = configuration.relay.settings();
        let sources = configuration.http.sources.iter();
        let source = sources.into_iter().find(|source| Some(&source.name) == schedule.store.source.as_ref());
        let means = Means {
            listing: Store::open(&schedule.store)?.list(&schedule.question.bucket, &schedule.question.prefix),
            store: &schedule.store,
            pinned: source.and_then(|source| source.dialect),
            rules: &settings.rules,
            ledger: self.book.as_ref().and_then(Book::ledger),
            door: Some(Door::within(kept.place.clone(), self.spool.clone())?),
            referee: match schedule.question.ask_mdss {
                true => Referee::of(settings, &configuration.http.file_api).ok().flatten(),
                false => None,
            },
        };
        let waits = std::sync::Mutex::new(false);
        let say = |progress: Progress<'_>| {
            let mut waiting = waits.lock().unwrap_or_else(|e| e.into_inner());
            if progress.waits.is_some() != *waiting {
                *waiting = progress.waits.is_some();
                let bucket = schedule.question.bucket.as_str();
                match progress.waits {
                    Some(why) => warn!(
                        { fields::BUCKET } = bucket,
                        { fields::DETAIL } = why,
                        "forwarding what is missing of bucket {bucket:?} waits, and goes on by itself"
                    ),
                    None => info!(
                        { fields::BUCKET } = bucket,
                        "forwarding what is missing of bucket {bucket:?} goes on"
                    ),
                }
            }
        };
        let shared = self.book.as_ref().and_then(Book::ledger).filter(|_| self.is_shared());
        // Whoever cannot write it does not write the end of it either, and then somebody else goes on.
        let start = schedule.question.start(&schedule.store.name);
        let heard = async |ledger: &Ledger| drop(ledger.run_heard(&start).await);
        if let Some(ledger) = &shared {
            // One that is gone on with was last heard of by whoever has left it.
            heard(ledger).await;
        }
        let mut compared = std::pin::pin!(compare(means, &schedule.question, self.stop.clone(), say));
        loop {
            tokio::select! {
                outcome = &mut compared => return outcome,
                () = sleep(HEARD) => {
                    if let Some(ledger) = &shared {
                        heard(ledger).await;
                    }
                }
            }
        }
    }
}

fn compared(begun: Moment, counts: &Counts) -> Compared {
    Compared {
        at: begun.as_millis() as f64 / 1000.0,
        listed: counts.listed,
        missing: counts.all_missing(),
        coverage: counts.coverage().map(|percent| percent / 100.0),
    }
}

/// The line at the end; an error if somebody has to look.
fn tell(schedule: &Schedule, counts: &Counts) {
    let (store, bucket) = (&schedule.store.name, schedule.question.bucket.as_str());
    let found = format!(
        "bucket {bucket:?} of store {store:?} was compared: {} listed, {} covered, {} by MDSS's own word ({}), {} missing, {} forwarded, {} in flight, {} undecidable, {} excluded",
        counts.listed,
        counts.covered,
        counts.by_mdss,
        counts.coverage_shown(),
        counts.all_missing(),
        counts.forwarded,
        counts.in_flight,
        counts.undecidable,
        counts.all_excluded()
    );
    match schedule.fail_under.and_then(|percent| counts.short_of(percent)) {
        Some(why) => error!({ fields::BUCKET } = bucket, "{found}: {why}"),
        None if counts.unknown() > 0 => {
            warn!({ fields::BUCKET } = bucket, "{found}; {} places could not be read", counts.unknown());
        }
        // Without a limit an empty store is no error, and still looks like one that is not there.
        None if counts.is_bare() && counts.gone.is_some() => {
            warn!(
                { fields::BUCKET } = bucket,
                "{found}; nothing was listed where accepted objects once were"
            );
        }
        None => info!({ fields::BUCKET } = bucket, "{found}"),
    }
}
