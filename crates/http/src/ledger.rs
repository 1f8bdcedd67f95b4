//! The ledger of a server: facts go from the spool's outbox into the chain, a batch at a time, and leave the outbox only then. A crash in between
//! hands the same facts in again, which the ledger knows by their numbers.
//!
//! A ledger that cannot be written stops nothing else: facts wait in the outbox, which has a limit of its own, and what it cannot hold is
//! counted and told to the ledger as a gap when that works again.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mdss_relay_core::{LedgerKeys, LedgerSettings, fields};
use mdss_relay_ledger::{
    Appended, Checkpoint, Clock as _, Fact, Hash, Keys, Kind, Ledger, Limits, Options, OutboxId, Place,
    SystemClock, Trouble, TroubleKind, Unreadable,
};
use mdss_relay_spool::{self as spool, Clock as _, Jumps, OUTBOX_LIMIT, OutboxRow, OutboxSize, Spool};
use ring::digest::{SHA256, digest};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};
use tracing::{Level, enabled, error, info, warn};

use crate::configuration::InForce;

/// Facts that are taken at once.
const BATCH: usize = 4096;

/// From one pass to the next, at least: a pass costs the disk of the ledger a sync, and that of the spool another one.
const PAUSE: Duration = Duration::from_millis(250);

/// And the longer the last one took, as many times: what gathers is written in fewer transactions.
const REST: u32 = 25;

/// At most, so that nothing waits for longer than about a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked for facts of which nothing was heard: an operator, or another relay, has written them.
const LOOK: Duration = Duration::from_secs(1);

/// After a failure the ledger is tried again so much later, doubling up to a limit.
const AGAIN: Duration = Duration::from_secs(1);
const MOST_AGAIN: Duration = Duration::from_secs(30);

/// How often it is said that the ledger cannot be written.
const SAY: Duration = Duration::from_secs(60);

/// How often it is looked how much there is, for the metrics.
const MEASURE: Duration = Duration::from_secs(5);

/// How often a checkpoint is made when nothing else makes one, and old entries are removed.
const CHECKPOINT: Duration = Duration::from_secs(3600);
const PRUNE: Duration = Duration::from_secs(600);

/// Pieces of old entries that are removed in one pass.
const PIECES: usize = 100;

/// How long the last pass of a process may take. What is in the outbox then stays there for the next start.
const LAST: Duration = Duration::from_secs(2);

/// Why facts are missing that nobody can count.
const LEDGER_DAMAGED: &str = "ledger_damaged";
const SPOOL_REPLACED: &str = "spool_replaced";
const UNREADABLE: &str = "unreadable";

/// What others have of the ledger while it is fed: a handle, and how it stands. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Standing>>);

#[derive(Default)]
struct Standing {
    ledger: Option<Ledger>,
    seen: Seen,
}

/// How the ledger stands, for the metrics. What was never read is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) healthy: bool,
    pub(crate) entries: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) unscanned: Option<u64>,
    pub(crate) outbox: Option<OutboxSize>,
    /// Gaps that this process has written into the chain.
    pub(crate) gaps: u64,
}

impl Book {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    pub(crate) fn seen(&self) -> Seen {
        self.standing().seen
    }

    /// The ledger itself, while it can be written.
    pub(crate) fn ledger(&self) -> Option<Ledger> {
        self.standing().ledger.clone()
    }
}

/// Feeds the ledger until `stop` says so.
pub(crate) async fn feed(
    spool: Spool,
    settings: LedgerSettings,
    place: Place,
    book: Book,
    mut running: watch::Receiver<Arc<InForce>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pump = Pump::new(spool, settings, place, book);
    let begin = running.borrow_and_update().clone();
    pump.settings_are(&begin, "start");
    while !*stop.borrow() {
        let fed = AssertUnwindSafe(pump.run(&mut running, &mut stop)).catch_unwind().await;
        if fed.is_err() {
            // The panic's own line says where. What was under way is in the outbox and comes again.
            error!("feeding the ledger failed in an unforeseen way and goes on; please report it");
            sleep(Duration::from_secs(1)).await;
        }
    }
    if pump.failing.is_none() {
        let _ = timeout(LAST, pump.pass()).await;
    }
    if let Some(ledger) = pump.held {
        let _ = timeout(LAST, ledger.close()).await;
    }
}

/// Tells the spool that nobody keeps a ledger: then an operator's changes are not kept for one.
pub(crate) async fn without(spool: Spool) {
    while spool.engine().outbox_keep(None).await.is_err() {
        sleep(MOST_AGAIN).await;
    }
}

/// Why a pass has ended before its time.
enum Halt {
    /// The ledger's trouble.
    Ledger(Trouble),
    /// The spool's, which the spool has said already.
    Spool,
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        Self::Ledger(trouble)
    }
}

impl From<spool::Trouble> for Halt {
    fn from(_: spool::Trouble) -> Self {
        Self::Spool
    }
}

/// Since when the ledger cannot be written.
struct Failing {
    since: Instant,
    /// The same by the wall's clock.
    from: mdss_relay_ledger::Moment,
    said: Instant,
    tries: u32,
    next: Instant,
}

struct Pump {
    spool: Spool,
    settings: LedgerSettings,
    place: Place,
    book: Book,
    /// Kept beyond a trouble that does not concern it, because in a database another one would be another writer, with another chain.
    held: Option<Ledger>,
    /// Entries of the chains that other relays write.
    elsewhere: u64,
    /// What is no fact of the spool, and not in the chain yet.
    pending: VecDeque<Fact>,
    jumps: Jumps,
    failing: Option<Failing>,
    /// The spool knows that there is a ledger; when that was last seen.
    kept: Option<mdss_relay_ledger::Moment>,
    /// Facts may be in the outbox.
    more: bool,
    measured: Option<Instant>,
    signed: Instant,
    pruned: Option<Instant>,
}

impl Pump {
    fn new(spool: Spool, settings: LedgerSettings, place: Place, book: Book) -> Self {
        Self {
            spool,
            settings,
            place,
            book,
            held: None,
            elsewhere: 0,
            pending: VecDeque::new(),
            jumps: Jumps::default(),
            failing: None,
            kept: None,
            more: true,
            measured: None,
            signed: Instant::now(),
            pruned: None,
        }
    }

    async fn run(&mut self, running: &mut watch::Receiver<Arc<InForce>>, stop: &mut watch::Receiver<bool>) {
        let mut next = Instant::now();
        while !*stop.borrow() {
            let spool = self.spool.clone();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                Ok(()) = running.changed() => {
                    let newer = running.borrow_and_update().clone();
                    self.settings_are(&newer, "reload");
                }
                () = spool.settled() => self.more = true,
                () = sleep(LOOK) => self.more = true,
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep_until(next.into()) => {}
            }
            let begin = Instant::now();
            self.watch_the_clock(spool::SystemClock.now(), Instant::now());
            if self.failing.as_ref().is_none_or(|failing| Instant::now() >= failing.next) {
                match self.pass().await {
                    Ok(()) => self.works().await,
                    Err(Halt::Spool) => {}
                    Err(Halt::Ledger(trouble)) => self.fails(trouble).await,
                }
            }
            next = Instant::now() + pause_after(begin.elapsed());
        }
    }

    /// Everything that is to be done now.
    async fn pass(&mut self) -> Result<(), Halt> {
        self.keep().await?;
        let ledger = self.open().await?;
        while let Some(fact) = self.pending.front() {
            let is_gap = fact.kind == Kind::Gap;
            let appended = ledger.record(fact.clone()).await?;
            self.pending.pop_front();
            self.wrote(&ledger, appended, u64::from(is_gap)).await?;
        }
        let begun = spool::SystemClock.now();
        while std::mem::take(&mut self.more) {
            ledger.beat().await?;
            let rows = self.spool.engine().outbox_take(BATCH).await?;
            // What has come since is for the next pass: while events come, a pass for each handful of them would never end. A full batch has more behind
            // it, whatever the clock says that wrote it.
            self.more = rows.len() == BATCH || rows.last().is_some_and(|last| last.at < begun);
            if !rows.is_empty() {
                self.batch(&ledger, rows).await?;
            }
        }
        self.tend(&ledger).await
    }

    /// Facts go into the chain, and then out of the outbox.
    async fn batch(&mut self, ledger: &Ledger, rows: Vec<OutboxRow>) -> Result<(), Halt> {
        let ids = rows.iter().map(|row| row.id).collect();
        // Thousands of them take milliseconds, for which this thread would answer nobody.
        let read = move || rows.iter().map(|row| (OutboxId(row.id), fact(row))).collect::<Vec<_>>();
        // Not read, they stay where they are: the process ends, or a defect has said so itself.
        let Ok(facts) = tokio::task::spawn_blocking(read).await else { return Err(Halt::Spool) };
        let gaps = facts.iter().filter(|(_, fact)| fact.kind == Kind::Gap).count() as u64;
        let appended = ledger.append(facts).await?;
        for (OutboxId(id), why) in &appended.unfit {
            error!(
                { fields::ERROR_TYPE } = TroubleKind::Unfit.name(),
                "fact {id} of the outbox cannot be kept, and the ledger has a gap for it: {why}"
            );
        }
        let gaps = gaps + appended.unfit.len() as u64;
        self.wrote(ledger, appended, gaps).await?;
        Ok(self.spool.engine().outbox_drop(ids).await?)
    }

    /// Something is in the chain; a checkpoint that came of it is published.
    async fn wrote(&mut self, ledger: &Ledger, appended: Appended, gaps: u64) -> Result<(), Trouble> {
        {
            let mut standing = self.book.standing();
            standing.seen.gaps += gaps;
            standing.seen.entries = Some(self.elsewhere + appended.head);
        }
        match appended.checkpoint {
            Some(checkpoint) => self.publish(ledger, &checkpoint).await,
            None => Ok(()),
        }
    }

    /// A checkpoint proves something only if it is somewhere else as well: in the log, and wherever that goes.
    async fn publish(&mut self, ledger: &Ledger, checkpoint: &Checkpoint) -> Result<(), Trouble> {
        let seq = checkpoint.seq;
        if enabled!(Level::INFO) {
            info!({ fields::CHECKPOINT } = %checkpoint, "the ledger is signed up to entry {seq}");
        } else {
            // Whoever wants to see errors alone needs this one all the same.
            error!({ fields::CHECKPOINT } = %checkpoint, "the ledger is signed up to entry {seq}");
        }
        self.signed = Instant::now();
        ledger.published(checkpoint).await
    }

    /// What is due now and then: a checkpoint, the end of old entries, numbers.
    async fn tend(&mut self, ledger: &Ledger) -> Result<(), Halt> {
        if self.signed.elapsed() >= CHECKPOINT {
            self.signed = Instant::now();
            if let Some(checkpoint) = ledger.checkpoint().await? {
                self.publish(ledger, &checkpoint).await?;
            }
        }
        if self.pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNE) {
            self.pruned = Some(Instant::now());
            self.prune(ledger).await?;
        }
        if self.measured.is_none_or(|measured| measured.elapsed() >= MEASURE) {
            self.measured = Some(Instant::now());
            self.measure(ledger).await?;
        }
        Ok(())
    }

    async fn prune(&self, ledger: &Ledger) -> Result<(), Trouble> {
        const DAY: Duration = Duration::from_secs(86_400);
        let age = DAY.checked_mul(self.settings.days);
        let limits = Limits { age, bytes: Some(self.settings.limit) };
        let (mut entries, mut open) = (0, 0);
        for _ in 0..PIECES {
            let pruned = ledger.prune(limits).await?;
            (entries, open) = (entries + pruned.entries, open + pruned.open);
            if !pruned.more {
                break;
            }
        }
        if entries > 0 {
            info!(
                { fields::LEDGER_ENTRIES } = entries,
                "old entries of the ledger were removed, as RELAY_LEDGER_DAYS and RELAY_LEDGER_LIMIT say; of {open} of them no result was known"
            );
        }
        Ok(())
    }

    async fn measure(&mut self, ledger: &Ledger) -> Result<(), Halt> {
        self.look_at_outbox().await?;
        // What was signed because of a result, or for a relay that has gone.
        for checkpoint in ledger.unpublished().await? {
            self.publish(ledger, &checkpoint).await?;
        }
        let own = ledger.head().await?;
        let (mut entries, mut open) = (0, 0);
        for chain in ledger.chains().await? {
            let head = ledger.head_of(chain).await?;
            (entries, open) = (entries + head.seq, open + head.open);
        }
        self.elsewhere = entries.saturating_sub(own.seq);
        let mut standing = self.book.standing();
        standing.seen.entries = Some(entries);
        standing.seen.bytes = Some(own.bytes);
        standing.seen.unscanned = Some(open);
        Ok(())
    }

    async fn look_at_outbox(&mut self) -> Result<OutboxSize, spool::Trouble> {
        let size = self.spool.engine().outbox_size().await?;
        self.book.standing().seen.outbox = Some(size);
        if size.limit.is_none()
            && let Some(kept) = self.kept.take()
        {
            // It was told that there is a ledger, and has forgotten it: it is another file.
            let detail = json!({ "from": kept.to_string(), "to": SystemClock.now().to_string() });
            self.pending.push_back(Fact { detail: Some(detail.to_string()), ..gap(SPOOL_REPLACED) });
        } else if size.lost > 0 && size.has_room() {
            // There is room for what tells of them, whatever else comes in.
            self.spool.engine().outbox_drop(Vec::new()).await?;
            self.more = true;
        }
        Ok(size)
    }

    /// Sees to it that the spool knows of the ledger.
    async fn keep(&mut self) -> Result<(), spool::Trouble> {
        if self.kept.is_none() {
            self.spool.engine().outbox_keep(Some(OUTBOX_LIMIT)).await?;
        }
        self.kept = Some(SystemClock.now());
        Ok(())
    }

    async fn open(&mut self) -> Result<Ledger, Trouble> {
        if let Some(ledger) = self.book.ledger() {
            return Ok(ledger);
        }
        let keys = match self.settings.keys {
            LedgerKeys::Clear => Keys::Clear,
            LedgerKeys::Hashed => Keys::Hashed,
            LedgerKeys::Off => Keys::Off,
        };
        let ledger = match &self.held {
            Some(held) => held.clone(),
            None => Ledger::open(&self.place, Options { keys, ..Options::default() }).await?,
        };
        self.held = Some(ledger.clone());
        for checkpoint in ledger.unpublished().await? {
            self.publish(&ledger, &checkpoint).await?;
        }
        self.book.standing().ledger = Some(ledger.clone());
        Ok(ledger)
    }

    /// The ledger cannot be written, or it has just been found damaged.
    async fn fails(&mut self, trouble: Trouble) {
        let now = Instant::now();
        self.more = true;
        {
            let mut standing = self.book.standing();
            standing.seen.healthy = false;
            standing.ledger = None;
        }
        if self.must_be_opened_anew(trouble.kind)
            && let Some(held) = self.held.take()
        {
            // Whoever comes next, this relay itself among others, takes its chain at once.
            let _ = timeout(LAST, held.close()).await;
        }
        let size = self.look_at_outbox().await.unwrap_or_default();
        let first = self.failing.is_none();
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: now,
            from: SystemClock.now(),
            said: now,
            tries: 0,
            next: now,
        });
        failing.next = now + AGAIN.saturating_mul(1 << failing.tries.min(10)).min(MOST_AGAIN);
        failing.tries += 1;
        if first || failing.said.elapsed() >= SAY {
            failing.said = now;
            error!(
                { fields::ERROR_TYPE } = trouble.kind.name(),
                { fields::OUTBOX_ROWS } = size.rows,
                { fields::OUTBOX_LOST } = size.lost,
                "the ledger cannot be written since {}; objects are sent all the same, and what it has to know waits: {} facts, and {} for which there was no room; {}",
                failing.from,
                size.rows,
                size.lost,
                trouble.detail
            );
        }
        if trouble.kind == TroubleKind::Damaged {
            self.set_aside().await;
        }
    }

    /// Whatever is wrong with a file may be over when it is opened again. To a database there is a new connection anyway, which looks at the tables.
    fn must_be_opened_anew(&self, kind: TroubleKind) -> bool {
        use TroubleKind::{Absent, Damaged, Key};
        matches!(self.place, Place::Directory(_)) || matches!(kind, Absent | Damaged | Key)
    }

    /// A damaged ledger is kept as it is, for whoever can read more of it, and a new one is begun.
    async fn set_aside(&mut self) {
        // A damaged database is a matter of its standby and its backups.
        let Place::Directory(dir) = self.place.clone() else { return };
        match tokio::task::spawn_blocking(move || Ledger::set_aside(&dir)).await {
            Ok(Ok(aside)) => {
                error!(
                    { fields::ERROR_TYPE } = TroubleKind::Damaged.name(),
                    { fields::LEDGER_ASIDE } = %aside.display(),
                    "the ledger was damaged and was set aside; a new one begins, with a gap for what the old one had"
                );
                self.pending.push_front(gap(LEDGER_DAMAGED));
                if let Some(failing) = &mut self.failing {
                    failing.next = Instant::now();
                }
            }
            Ok(Err(trouble)) => warn!("the damaged ledger cannot be set aside: {}", trouble.detail),
            Err(_) => {}
        }
    }

    async fn works(&mut self) {
        if let Some(failing) = self.failing.take() {
            let size = self.look_at_outbox().await.unwrap_or_default();
            info!(
                { fields::OUTBOX_ROWS } = size.rows,
                { fields::OUTBOX_LOST } = size.lost,
                "the ledger is written again, after {} s; everything that waited in the outbox is in it",
                failing.since.elapsed().as_secs()
            );
        }
        self.book.standing().seen.healthy = true;
    }

    /// Which settings hold from here on.
    fn settings_are(&mut self, running: &InForce, why: &str) {
        let settings = running.relay.settings();
        // Nothing that may be secret is shown by these.
        let text = format!(
            "{} {:?} {:?} {:?}",
            env!("CARGO_PKG_VERSION"),
            settings.rules,
            settings.mdss,
            running.http
        );
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let detail = json!({ "version": env!("CARGO_PKG_VERSION") }).to_string();
        self.pending.push_back(Fact {
            reason: Some(why.to_owned()),
            digest: Some(Hash(hash)),
            detail: Some(detail),
            ..Fact::new(Kind::Settings, SystemClock.now())
        });
    }

    /// What an entry says of time is what the wall's clock said, so its jumps are entries as well.
    fn watch_the_clock(&mut self, wall: spool::Moment, now: Instant) {
        if let Some(jump) = self.jumps.look(wall, now) {
            let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let detail = json!({ "behind_ms": millis(jump.behind), "ahead_ms": millis(jump.ahead) });
            self.pending.push_back(Fact {
                detail: Some(detail.to_string()),
                ..Fact::new(Kind::ClockJump, SystemClock.now())
            });
        }
    }
}

/// How long the outbox gathers behind a pass that took so long.
fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(REST).clamp(PAUSE, LONGEST_PAUSE)
}

/// What a row says. Of one that cannot be read a gap, by the row's own number and time: handed in once more it is the same one.
fn fact(row: &OutboxRow) -> Fact {
    let why = match Fact::read(&row.body) {
        Ok(fact) => return fact,
        Err(Unreadable::Bad(why)) => why,
        Err(Unreadable::Other) => "it is no fact".to_owned(),
    };
    error!("fact {} of the outbox cannot be read, and the ledger gets a gap for it: {why}", row.id);
    let at = mdss_relay_ledger::Moment::from_millis(row.at.as_millis());
    let reason = Some(UNREADABLE.to_owned());
    Fact { reason, count: Some(1), ..Fact::new(Kind::Gap, at) }
}

/// Something is missing here, and nobody knows how much.
fn gap(why: &str) -> Fact {
    Fact { reason: Some(why.to_owned()), ..Fact::new(Kind::Gap, SystemClock.now()) }
}

#[cfg(test)]
mod tests;
