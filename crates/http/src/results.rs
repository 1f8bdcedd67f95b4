//! Results of MDSS: what is posted to a source of results goes into the ledger, several at a time, and is answered when it is synced. What it says
//! to an operator is said here: a line for each result that is somebody's, and for those that are nobody's one a minute.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mdss_relay_core::fields;
use mdss_relay_ledger::{Became, Ledger, Loop, MENU, Posted, Swept, Taken, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use crate::ledger::Book;

/// The largest result that is taken, bytes: a notification has less than one thousand.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// Results that wait to be written; with more, their senders wait.
const MOST_WAITING: usize = 256;

/// How long a ledger is waited for that cannot be written, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(50);

/// What waited is looked at again so often.
const SWEEP: Duration = Duration::from_secs(1);

/// The loop as a whole is looked at so often.
const VIEW: Duration = Duration::from_secs(10);

/// Lines of one kind are so far apart.
const SAY: Duration = Duration::from_secs(60);

/// What goes on being wrong is said again so much later.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Without any result after so many accepted writes, nobody seems to send any.
const SILENT: u64 = 100;

struct Job {
    posted: Posted,
    answer: oneshot::Sender<Result<Became, String>>,
}

/// Where results are handed in, and what is known of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Results {
    jobs: mpsc::Sender<Job>,
    seen: Arc<Mutex<Seen>>,
}

/// What there is to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// By source, and what became of them, since this process started.
    pub(crate) came: BTreeMap<(String, &'static str), u64>,
    /// The loop when it was last looked at; `None` before that.
    pub(crate) state: Option<Loop>,
}

impl Results {
    /// A desk for these sources, and what has to be given to [`keep`].
    pub(crate) fn new<'n>(sources: impl Iterator<Item = &'n str>) -> (Self, Desk) {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let results = Self { jobs, seen: Arc::default() };
        // An alert sees a counter grow only if it was there before.
        for source in sources {
            for became in [Became::Matched, Became::Unreadable] {
                locked(&results.seen).came.insert((source.to_owned(), became.name()), 0);
            }
        }
        (results.clone(), Desk { waiting, seen: results.seen })
    }

    /// Hands a body in and waits until it is synced.
    ///
    /// # Errors
    /// Why it is not: a sentence.
    pub(crate) async fn take(&self, source: &str, body: Vec<u8>) -> Result<(), String> {
        let gone = || "the ledger does not take results just now".to_owned();
        let (answer, answered) = oneshot::channel();
        let posted = Posted { source: source.to_owned(), body };
        self.jobs.send(Job { posted, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map(|_| ())
    }

    /// What is known now.
    pub(crate) fn seen(&self) -> Seen {
        locked(&self.seen).clone()
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The other side of [`Results`].
pub(crate) struct Desk {
    waiting: mpsc::Receiver<Job>,
    seen: Arc<Mutex<Seen>>,
}

/// Writes results down for as long as somebody may hand one in. `expected` says whether there are sources of results at all.
pub(crate) async fn keep(mut desk: Desk, book: Book, expected: impl Fn() -> bool + Send) {
    let mut said = Said::default();
    loop {
        let kept = AssertUnwindSafe(desk.run(&book, &expected, &mut said)).catch_unwind().await;
        if kept.is_ok() {
            return;
        }
        // The panic's own line says where. Who waited for an answer has none, and hears 503.
        error!("taking results failed in an unforeseen way and goes on; please report it");
        sleep(SWEEP).await;
    }
}

impl Desk {
    async fn run(&mut self, book: &Book, expected: &(impl Fn() -> bool + Send), said: &mut Said) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut viewed: Option<Instant> = None;
        loop {
            tokio::select! {
                job = self.waiting.recv() => {
                    let Some(job) = job else { return };
                    self.write(book, job, said).await;
                }
                _ = sweep.tick() => {
                    let Some(ledger) = book.ledger() else { continue };
                    // What the ledger has to say about trouble it says when it is fed.
                    if let Ok(swept) = ledger.sweep().await {
                        said.swept(&swept);
                    }
                    if viewed.is_none_or(|viewed| viewed.elapsed() >= VIEW) {
                        viewed = Some(Instant::now());
                        self.look(&ledger, expected(), said).await;
                    }
                }
            }
        }
    }

    async fn write(&mut self, book: &Book, first: Job, said: &mut Said) {
        let (mut posted, mut answers) = (vec![first.posted], vec![first.answer]);
        while posted.len() < MOST_WAITING {
            let Ok(job) = self.waiting.try_recv() else { break };
            posted.push(job.posted);
            answers.push(job.answer);
        }
        let sources: Vec<_> = posted.iter().map(|posted| posted.source.clone()).collect();
        match receive(book, posted).await {
            Ok(taken) => {
                for ((taken, source), answer) in taken.iter().zip(&sources).zip(answers) {
                    *locked(&self.seen).came.entry((source.clone(), taken.became.name())).or_default() += 1;
                    said.taken(source, taken);
                    let _ = answer.send(Ok(taken.became));
                }
            }
            Err(why) => {
                for answer in answers {
                    let _ = answer.send(Err(why.clone()));
                }
            }
        }
    }

    async fn look(&mut self, ledger: &Ledger, expected: bool, said: &mut Said) {
        if let Ok(mut state) = ledger.the_loop().await {
            if expected && state.since.is_none() && ledger.expect_results().await.is_ok() {
                state.since = Some(0);
            }
            if expected {
                said.state(&state);
            }
            locked(&self.seen).state = Some(state);
        }
    }
}

/// Writes results down. MDSS sends none again, so a ledger that is just being opened, or has a short trouble, is waited for.
async fn receive(book: &Book, posted: Vec<Posted>) -> Result<Vec<Taken>, String> {
    let begun = Instant::now();
    loop {
        let taken = match book.ledger() {
            Some(ledger) => ledger.receive(posted.clone()).await.map_err(|trouble| trouble.to_string()),
            None => Err("the ledger cannot be written just now".to_owned()),
        };
        if taken.is_ok() || begun.elapsed() >= PATIENCE {
            return taken;
        }
        sleep(RETRY).await;
    }
}

/// When something was said last, so that it is not said too often.
#[derive(Default)]
struct Said {
    /// By the kind of line: when, and how many were left out since.
    lines: BTreeMap<&'static str, (Option<Instant>, u64)>,
    blocked_only: Option<Instant>,
    silent: Option<Instant>,
    /// By unit: when it was said that writes are unconfirmed.
    unconfirmed: BTreeMap<String, Instant>,
}

impl Said {
    /// How many like it were left out, if a line is due.
    fn due(&mut self, kind: &'static str) -> Option<u64> {
        let (last, left_out) = self.lines.entry(kind).or_default();
        if last.is_some_and(|last| last.elapsed() < SAY) {
            *left_out += 1;
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(left_out))
    }

    fn taken(&mut self, source: &str, taken: &Taken) {
        for sentence in &taken.learned {
            info!({ fields::SOURCE } = source, { fields::LANE } = taken.unit.as_deref(), "{sentence}");
        }
        match taken.became {
            Became::Matched | Became::Again => line(source, taken),
            Became::Ambiguous => {
                if let Some(repeats) = self.due("ambiguous") {
                    warn!(
                        { fields::SOURCE } = source,
                        { fields::FILE_PATH } = taken.path,
                        { fields::FILE_ID } = taken.file_id,
                        { fields::REPEATS } = (repeats > 0).then_some(repeats),
                        "a result fits objects of several units, and MDSS does not say whose it is: it is kept, and those objects stay without a result"
                    );
                }
            }
            Became::Unreadable => {
                if let Some(repeats) = self.due("unreadable") {
                    warn!(
                        { fields::SOURCE } = source,
                        { fields::REPEATS } = (repeats > 0).then_some(repeats),
                        "a result is not understood, and is kept as it came: {}",
                        taken.why.as_deref().unwrap_or_default()
                    );
                }
            }
            Became::Unlearned => {
                if let Some(repeats) = self.due("unlearned") {
                    info!(
                        { fields::SOURCE } = source,
                        { fields::FILE_PATH } = taken.path,
                        { fields::REPEATS } = (repeats > 0).then_some(repeats),
                        "a result would fit in a form of the path that is not known to be right yet: it is kept until that has fitted 20 times in a row"
                    );
                }
            }
            Became::Repeated | Became::Waiting | Became::Foreign | Became::Other => {}
        }
    }

    fn swept(&mut self, swept: &Swept) {
        for taken in &swept.taken {
            self.taken("-", taken);
        }
        if swept.foreign > 0
            && let Some(repeats) = self.due("foreign")
        {
            let results = swept.foreign + repeats;
            info!(
                "{results} results or more are about files that this relay has not forwarded: they are kept for 30 days, and counted"
            );
        }
        if swept.dropped > 0
            && let Some(repeats) = self.due("dropped")
        {
            let results = swept.dropped + repeats;
            warn!("{results} kept results or more, the oldest ones, were removed because there are too many");
        }
    }

    /// What is wrong with the loop as a whole.
    fn state(&mut self, state: &Loop) {
        let again = |said: &mut Option<Instant>, wrong: bool| {
            let due = wrong && said.is_none_or(|said| said.elapsed() >= AGAIN);
            *said = if due { Some(Instant::now()) } else { said.filter(|_| wrong) };
            due
        };
        if again(&mut self.blocked_only, state.blocked_only) {
            warn!(
                "only results of blocked files have come while MDSS accepted {} objects: with \"blocked only\" nobody can tell a file that was allowed from one that was \
                 never scanned. Choose all scanned files, {MENU}",
                state.since.unwrap_or_default()
            );
        }
        let silent = state.last.is_none() && state.writes >= SILENT;
        if again(&mut self.silent, silent) {
            warn!(
                "MDSS has accepted {} objects, and no result has ever come: whether they were scanned is not known. Its notification is off, or cannot reach the relay, or \
                 tells of blocked files only and none was blocked. Choose all scanned files, {MENU}; a destination that MDSS cannot reach is on its Audit page",
                state.writes
            );
        }
        for unit in &state.units {
            let name = unit.unit.as_deref().unwrap_or("-");
            let was = self.unconfirmed.get(name).copied();
            let minutes = unit.after.as_secs() / 60;
            if unit.unconfirmed > 0 && was.is_none_or(|was| was.elapsed() >= AGAIN) {
                self.unconfirmed.insert(name.to_owned(), Instant::now());
                warn!(
                    { fields::LANE } = name,
                    { fields::UNCONFIRMED } = unit.unconfirmed,
                    "for {} objects that MDSS has accepted no result was received within {minutes} minutes: `mdss-relay ledger unscanned` lists them. It is no proof that \
                     they were not scanned, because results are sent once and can be lost",
                    unit.unconfirmed
                );
            } else if unit.unconfirmed == 0 && was.is_some() {
                self.unconfirmed.remove(name);
                info!(
                    { fields::LANE } = name,
                    { fields::UNCONFIRMED } = 0,
                    "every object of this unit that was accepted more than {minutes} minutes ago has a result again"
                );
            }
        }
    }
}

/// The line of a result that is somebody's.
fn line(source: &str, taken: &Taken) {
    let verdict = taken.verdict.unwrap_or(Verdict::Unknown);
    let again = if taken.became == Became::Again { ", scanned once more" } else { "" };
    macro_rules! write {
        ($level:ident) => {
            $level!(
                { fields::SOURCE } = source,
                { fields::BUCKET } = taken.bucket.as_deref(),
                { fields::LANE } = taken.unit.as_deref(),
                { fields::FILE_PATH } = taken.path,
                { fields::FILE_ID } = taken.file_id,
                { fields::FILE_STATE } = taken.state,
                { fields::RESULT } = verdict.name(),
                { fields::CONFIDENCE } = taken.confidence.map(|confidence| confidence.name()),
                { fields::WRITES } = taken.about.len(),
                "scanned: {}{again}",
                verdict.name()
            )
        };
    }
    match verdict {
        Verdict::Allowed => write!(info),
        Verdict::Blocked | Verdict::Failed | Verdict::Unknown => write!(warn),
    }
}
