//! The store: one thread that owns the file, and a handle that everybody else has.
//!
//! A commit costs a sync of the disk, and a disk makes a hundred or a few thousand of those a second. So the thread takes
//! everything that waits, does it in one transaction, syncs once and then answers all: while one group is being
//! synced, the next one gathers by itself. Nobody is answered before the sync, and a group of one waits for nobody.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mdss_relay_core::fields;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use crate::clock::{Clock, Moment};
use crate::intake::Intake;
use crate::shares::Parties;
use crate::sqlite::ledger::{self, Claims, Fault, ItemId, Limits, Stock, Verdict, Want, Written};
use crate::sqlite::names::{Files, Loss, TAILS, plain};
use crate::sqlite::salvage::{checkpoint, clear, give_up, resume, salvage, take_over};
use crate::sqlite::schema;
use crate::trouble::{Trouble, TroubleKind};

/// The file's name in the data directory.
pub(crate) const FILE: &str = "spool.db";

/// Held by the one relay that works on a directory. `flock`: it ends with the process, however that ends.
const LOCK: &str = "relay.lock";

/// How long a statement waits for another process, the command line's mostly, before the sender is asked to come again.
pub(crate) const BUSY: Duration = Duration::from_secs(2);

/// Requests that wait for the thread; further ones wait in their own tasks.
const QUEUE: usize = 1024;

/// Requests that share a transaction, at most: the first of them waits for the last.
const GROUP: usize = 512;

/// A trouble that lasts is said again this often.
const REPEAT: Duration = Duration::from_secs(60);

/// Where the spool is and how much it may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Bytes that may be in use in the file, about; above that nothing is taken.
    pub limit: u64,
}

impl Config {
    pub(crate) fn limits(&self, parties: Parties) -> Limits {
        Limits { bytes: self.limit, parties }
    }
}

/// The handle. Cheap to clone; when the last one is gone, the thread ends.
#[derive(Clone)]
pub(crate) struct Store {
    orders: mpsc::Sender<Order>,
}

enum Order {
    /// Shares a transaction with others, and is answered after its commit.
    Write(Box<dyn Job>),
    /// Comes after the commit: what is read must not be taken back.
    Read(Box<dyn Job>),
}

trait Job: Send {
    fn run(&mut self, db: &Connection, epoch: u64) -> Result<(), Fault>;
    fn answer(self: Box<Self>, outcome: Result<(), Trouble>);
    /// Nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
}

struct Task<T, F> {
    work: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Trouble>>,
}

impl<T: Send, F: FnMut(&Connection, u64) -> Result<T, Fault> + Send> Job for Task<T, F> {
    fn run(&mut self, db: &Connection, epoch: u64) -> Result<(), Fault> {
        self.result = Some((self.work)(db, epoch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), Trouble>) {
        let Self { result, reply, .. } = *self;
        let _ = reply.send(outcome.and_then(|()| result.ok_or_else(Trouble::stopped)));
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// What came of an item, and which file it was claimed from.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) id: ItemId,
    pub(crate) epoch: u64,
    pub(crate) verdict: Verdict,
}

impl Store {
    /// Starts the thread. It opens the file at once and, if that cannot be done, again with every request.
    pub(crate) fn start(config: Config, clock: Arc<dyn Clock>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("spool".into()).spawn(move || {
            let mut keeper = Keeper::new(config, clock);
            let opened = keeper.open().map(|_| ());
            keeper.said(opened);
            keeper.serve(queue);
        })?;
        Ok((Self { orders }, thread))
    }

    async fn ask<T: Send + 'static>(
        &self,
        order: fn(Box<dyn Job>) -> Order,
        work: impl FnMut(&Connection, u64) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        let task = Task { work, result: None, reply };
        self.orders.send(order(Box::new(task))).await.map_err(|_| Trouble::stopped())?;
        answer.await.map_err(|_| Trouble::stopped())?
    }

    /// Writes a delivery; it is on disk when this returns.
    pub(crate) async fn accept(
        &self,
        intake: Intake,
        limits: Limits,
    ) -> Result<(Intake, Vec<Written>), Trouble> {
        let mut intake = Some(intake);
        self.ask(Order::Write, move |db, _| {
            // A job runs once.
            let intake = intake.take().ok_or_else(|| Fault::Ours(Trouble::stopped()))?;
            let written = ledger::accept(db, &intake, limits)?;
            Ok((intake, written))
        })
        .await
    }

    /// The items that may be tried now. Nothing is written: who is at work is known to the worker, and if it dies, the items
    /// are as they were.
    pub(crate) async fn claim(&self, want: Want) -> Result<(Claims, u64), Trouble> {
        self.ask(Order::Read, move |db, epoch| Ok((ledger::claim(db, &want)?, epoch))).await
    }

    /// Writes down what came of items.
    pub(crate) async fn settle(&self, settlements: Arc<[Settlement]>, now: Moment) -> Result<(), Trouble> {
        self.ask(Order::Write, move |db, epoch| {
            // Numbers begin anew with a new file.
            let ours = settlements.iter().filter(|s| s.epoch == epoch);
            Ok(ledger::settle(db, ours.map(|s| (s.id, &s.verdict)), now)?)
        })
        .await
    }

    /// Makes held items due, of all lanes or of one, at most `most`; gives how many.
    pub(crate) async fn release(
        &self,
        lane: Option<String>,
        now: Moment,
        most: usize,
    ) -> Result<usize, Trouble> {
        self.ask(Order::Write, move |db, _| Ok(ledger::release(db, lane.as_deref(), now, most)?)).await
    }

    /// Makes due what a wrong clock has put beyond `beyond`, at most `most`; gives how many.
    pub(crate) async fn mend(&self, beyond: Moment, now: Moment, most: usize) -> Result<usize, Trouble> {
        self.ask(Order::Write, move |db, _| Ok(ledger::mend(db, beyond, now, most)?)).await
    }

    /// What is in the file.
    pub(crate) async fn stock(&self) -> Result<Stock, Trouble> {
        self.ask(Order::Read, |db, _| Ok(ledger::stock(db)?)).await
    }

    /// Writes, to see whether writing works.
    pub(crate) async fn probe(&self, limits: Limits, now: Moment) -> Result<(), Trouble> {
        self.ask(Order::Write, move |db, _| ledger::probe(db, limits, now)).await
    }
}

/// The thread's side.
struct Keeper {
    config: Config,
    clock: Arc<dyn Clock>,
    /// The lock, and which file it is.
    lock: Option<(File, (u64, u64))>,
    open: Option<Opened>,
    epoch: u64,
    /// The file that was open last.
    inode: Option<(u64, u64)>,
    /// Set while a damaged file is there that has not been replaced.
    damaged: Option<Trouble>,
    /// The trouble that was last said, and when.
    trouble: Option<(Trouble, Instant)>,
    /// The same, of reading a file that is open.
    reading: Option<(Trouble, Instant)>,
    /// When it was last said that the limit is reached.
    full: Option<Instant>,
}

struct Opened {
    db: Connection,
    /// Dropped after the connection.
    files: Files,
    /// Whether there was nothing in it.
    fresh: bool,
}

impl Keeper {
    fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            clock,
            lock: None,
            open: None,
            epoch: 0,
            inode: None,
            damaged: None,
            trouble: None,
            reading: None,
            full: None,
        }
    }

    fn serve(&mut self, mut queue: mpsc::Receiver<Order>) {
        while let Some(first) = queue.blocking_recv() {
            let (mut writes, mut reads) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(order) = next {
                match order {
                    // A sender that has given up comes again.
                    Order::Write(job) | Order::Read(job) if job.abandoned() => drop(job),
                    Order::Write(job) => writes.push(job),
                    Order::Read(job) => reads.push(job),
                }
                next = if writes.len() < GROUP { queue.try_recv().ok() } else { None };
            }
            if !writes.is_empty() {
                self.write(writes);
            }
            for job in reads {
                self.read(job);
            }
        }
        // The last connection that closes puts everything into the one file.
        if let Err(trouble) = self.close() {
            self.said(Err(trouble));
        }
    }

    fn write(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = self.group(&mut jobs);
        match outcome {
            Ok(outcomes) => {
                self.said(Ok(()));
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    if let Err(trouble) = &outcome {
                        self.refused(trouble);
                    }
                    job.answer(outcome);
                }
            }
            Err(trouble) => {
                for job in jobs {
                    job.answer(Err(trouble.clone()));
                }
                self.failed(trouble);
            }
        }
    }

    /// Everything in one transaction. A job that fails is taken back alone, if SQLite lets it be.
    fn group(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), Trouble>>, Trouble> {
        self.open()?;
        let (epoch, Some(opened)) = (self.epoch, &mut self.open) else { return Err(Trouble::stopped()) };
        let trouble = |e: rusqlite::Error| Trouble::of(&e, "writing to the spool");
        let mut outcomes = Vec::with_capacity(jobs.len());
        let mut group =
            opened.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        for job in jobs {
            let part = group.savepoint().map_err(trouble)?;
            let outcome = match job.run(&part, epoch) {
                Ok(()) => part.commit().map_err(trouble),
                Err(fault) => {
                    // An error of the disk ends the transaction as a whole (<https://www.sqlite.org/lang_transaction.html>,
                    // 3.1); then nothing of the group is kept.
                    if part.is_autocommit() {
                        return Err(match fault {
                            Fault::Sql(e) => trouble(e),
                            Fault::Ours(trouble) => trouble,
                        });
                    }
                    drop(part);
                    Err(match fault {
                        Fault::Sql(e) => trouble(e),
                        Fault::Ours(trouble) => trouble,
                    })
                }
            };
            // Whatever is wrong with the disk is wrong for everybody in the group.
            if let Err(trouble) = &outcome
                && !matches!(trouble.kind, TroubleKind::Full | TroubleKind::Internal)
            {
                return Err(trouble.clone());
            }
            outcomes.push(outcome);
        }
        group.commit().map_err(trouble)?;
        // What is in a log without a name is with nobody tomorrow.
        if let Err(loss) = opened.files.check() {
            let trouble = Trouble::new(TroubleKind::Taken, loss.what.clone());
            return Err(self.rescue(&loss).err().unwrap_or(trouble));
        }
        Ok(outcomes)
    }

    fn read(&mut self, mut job: Box<dyn Job>) {
        if let Err(trouble) = self.open() {
            job.answer(Err(trouble.clone()));
            return self.failed(trouble);
        }
        let (epoch, Some(opened)) = (self.epoch, &self.open) else { return };
        let outcome = job.run(&opened.db, epoch).map_err(|fault| match fault {
            Fault::Sql(e) => Trouble::of(&e, "reading the spool"),
            Fault::Ours(trouble) => trouble,
        });
        job.answer(outcome.clone());
        if let Err(trouble) = &outcome {
            self.distrust(trouble);
        }
        self.said_of_reading(outcome);
    }

    fn failed(&mut self, trouble: Trouble) {
        self.distrust(&trouble);
        self.said(Err(trouble));
    }

    /// What follows from a trouble with the file itself: it is opened anew, or set aside.
    fn distrust(&mut self, trouble: &Trouble) {
        let damaged = trouble.kind == TroubleKind::Damaged;
        match trouble.kind {
            TroubleKind::Unwritable | TroubleKind::Damaged => {
                match self.open.as_mut().map(|o| o.files.check()) {
                    // That is what is wrong with it, and what the next request mends.
                    Some(Err(_)) => {}
                    Some(Ok(())) | None => {
                        self.open = None;
                        self.damaged = damaged.then(|| trouble.clone()).or(self.damaged.take());
                    }
                }
            }
            // The next request tries once more to save what only the open file has.
            TroubleKind::Taken
            | TroubleKind::Full
            | TroubleKind::Locked
            | TroubleKind::Foreign
            | TroubleKind::Internal
            | TroubleKind::Stopped => {}
        }
    }

    /// A line for a job that failed alone; the limit is said once a minute.
    fn refused(&mut self, trouble: &Trouble) {
        if trouble.kind == TroubleKind::Full {
            if self.full.is_some_and(|when| when.elapsed() < REPEAT) {
                return;
            }
            self.full = Some(Instant::now());
        }
        error!(
            { fields::ERROR_TYPE } = trouble.kind.name(),
            spool.dir = %self.config.dir.display(),
            "an event was not taken; its sender is asked to come again: {}", trouble.detail
        );
    }

    /// A line when trouble begins, changes or lasts, and one when it is over.
    fn said(&mut self, outcome: Result<(), Trouble>) {
        if news(&outcome, &mut self.trouble) {
            match outcome {
                Ok(()) => info!(spool.dir = %self.config.dir.display(), "the spool can be written again"),
                Err(new) => error!(
                    { fields::ERROR_TYPE } = new.kind.name(),
                    spool.dir = %self.config.dir.display(),
                    "the spool takes nothing; senders are asked to come again: {}", new.detail
                ),
            }
        }
    }

    /// The same, for what cannot be read although the file is open: senders need not hear of it.
    fn said_of_reading(&mut self, outcome: Result<(), Trouble>) {
        if news(&outcome, &mut self.reading) {
            match outcome {
                Ok(()) => info!(spool.dir = %self.config.dir.display(), "the spool can be read again"),
                Err(new) => error!(
                    { fields::ERROR_TYPE } = new.kind.name(),
                    spool.dir = %self.config.dir.display(),
                    "the spool cannot be read; what is in it is not sent until it can: {}", new.detail
                ),
            }
        }
    }

    fn open(&mut self) -> Result<(&Opened, u64), Trouble> {
        let path = self.config.dir.join(FILE);
        self.watch()?;
        if self.open.is_none() {
            if let Some(why) = &self.damaged {
                salvage(&path, &why.detail, self.clock.now())?;
                self.damaged = None;
            }
            let opened = match open(&path, self.clock.now()) {
                Err(why) if why.kind == TroubleKind::Damaged => {
                    salvage(&path, &why.detail, self.clock.now())?;
                    open(&path, self.clock.now())
                }
                opened => opened,
            };
            let opened = opened?;
            // Numbers go on in the same file and begin anew in another.
            if opened.fresh || self.inode != Some(opened.files.inode()) {
                self.epoch += 1;
                self.inode = Some(opened.files.inode());
            }
            self.open = Some(opened);
        }
        let opened = self.open.as_ref().ok_or_else(Trouble::stopped)?;
        Ok((opened, self.epoch))
    }

    /// Whether what is open is what the names lead to, and nobody else works there. Otherwise it is closed, and nothing that was
    /// acknowledged goes with it.
    fn watch(&mut self) -> Result<(), Trouble> {
        let loss = self.open.as_mut().and_then(|opened| opened.files.check().err());
        // Another relay must not be let in by a lock that its name no longer leads to.
        if let Err(trouble) = self.lock() {
            // What only the open file has waits there for a place.
            if loss.is_none() {
                self.open = None;
            }
            return Err(trouble);
        }
        loss.map_or(Ok(()), |loss| self.rescue(&loss))
    }

    /// Closes the file; a last chance for what only the open file has.
    fn close(&mut self) -> Result<(), Trouble> {
        let watched = self.watch();
        if let Some(opened) = self.open.take()
            && watched.is_err()
        {
            // It must not delete what has its names by now.
            give_up(&opened.db);
        }
        watched
    }

    /// Saves what the open file has when something was done to the files: into the file itself, if it and its log are whole and
    /// the file has a name; row by row into a new one otherwise. Then nothing is open.
    ///
    /// # Errors
    /// If it cannot be saved now: it stays open, and the next request tries again.
    fn rescue(&mut self, loss: &Loss) -> Result<(), Trouble> {
        let (path, now) = (self.config.dir.join(FILE), self.clock.now());
        let not_saved = |e: &dyn std::fmt::Display| {
            let detail = format!("{}; what is in it cannot be saved yet: {e}", loss.what);
            Trouble::new(TroubleKind::Taken, detail)
        };
        let Some(opened) = &self.open else { return Ok(()) };
        opened.files.mend(loss).map_err(|e| not_saved(&e))?;
        let into_itself = loss.whole && loss.linked && checkpoint(&opened.db).is_ok();
        if !into_itself {
            take_over(&path, &opened.db, &loss.what, now).map_err(|e| not_saved(&e))?;
        }
        if into_itself {
            // While it is open: until they are in order, nothing may be opened by these names.
            clear(&path, loss, now).map_err(|e| not_saved(&e))?;
            error!(
                { fields::ERROR_TYPE } = TroubleKind::Taken.name(),
                spool.dir = %self.config.dir.display(),
                "{}; what had been acknowledged was put into the file itself, wherever that is by now", loss.what
            );
        }
        give_up(&opened.db);
        self.open = None;
        Ok(())
    }

    /// Two relays on one directory would send everything twice. A lock is worth what its name leads to: a directory, or the lock alone,
    /// may have been taken away and made anew.
    fn lock(&mut self) -> Result<(), Trouble> {
        let dir = &self.config.dir;
        let path = dir.join(LOCK);
        if let Some((_, held)) = &self.lock
            && inode(&path).ok() == Some(*held)
        {
            return Ok(());
        }
        self.lock = None;
        let no_dir =
            |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", dir.display()));
        match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
            Ok(()) => {}
            Err(e) => return Err(no_dir(e)),
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file =
            file.map_err(|e| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display())))?;
        let locked = file.metadata().map_err(no_dir)?;
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some((file, (locked.dev(), locked.ino())));
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let detail = format!("another relay works on {}", dir.display());
                Err(Trouble::new(TroubleKind::Locked, detail))
            }
            Err(std::fs::TryLockError::Error(e)) => Err(no_dir(e)),
        }
    }
}

/// Whether an outcome is to be said, after what was said last: trouble that is new or lasts, and its end.
fn news(outcome: &Result<(), Trouble>, last: &mut Option<(Trouble, Instant)>) -> bool {
    match (outcome, &last) {
        (Ok(()), None) => false,
        (Ok(()), Some(_)) => {
            *last = None;
            true
        }
        (Err(new), Some((old, when))) if new.kind == old.kind && when.elapsed() < REPEAT => false,
        (Err(new), _) => {
            *last = Some((new.clone(), Instant::now()));
            true
        }
    }
}

pub(crate) fn with_tail(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    name.into()
}

/// Which file a name leads to.
fn inode(path: &Path) -> std::io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Opens the file, makes it ours, and brings it to today's version.
fn open(path: &Path, now: Moment) -> Result<Opened, Trouble> {
    let place = |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
    for tail in TAILS {
        plain(&with_tail(path, tail))?;
    }
    let file = resume(path, now).and_then(|()| create(path)).map_err(place)?;
    let opening = |e: rusqlite::Error| Trouble::of(&e, &format!("opening {}", path.display()));
    let mut db = connect(path).map_err(opening)?;
    db.pragma_update(None, "journal_mode", "wal").map_err(opening)?;
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(opening)?;
    if mode != "wal" {
        let detail = format!("{}: expected the journal mode wal, found {mode}", path.display());
        return Err(Trouble::new(TroubleKind::Unwritable, detail));
    }
    let fresh = schema::migrate(&mut db)?;
    let mut files = Files::hold(path, file)?;
    files.check().map_err(|loss| Trouble::new(TroubleKind::Taken, loss.what))?;
    Ok(Opened { db, files, fresh })
}

/// Makes a file that nobody else may read, if there is none. SQLite gives its log the mode of the file, and would make the
/// file itself 0644 (<https://www.sqlite.org/tempfiles.html>).
pub(crate) fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// A connection as everybody wants it, the command line too.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    // In WAL mode FULL syncs the log at every commit; NORMAL would lose the last commits with the power
    // (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // 8 MB, whatever the file's size: memory stays flat.
    db.pragma_update(None, "cache_size", -8000)?;
    // 16 MB of log before it is put into the file: that costs two syncs and a write for every page, however often it was changed.
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    // After a flood the log shrinks again.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // What a statement or a savepoint may have to take back is kept in memory; in a temporary file every settled row wrote every page
    // that it touched a second time (<https://www.sqlite.org/tempfiles.html>, 2.5, statement journals, and 3, temp_store).
    db.pragma_update(None, "temp_store", "memory")?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn job(outcome: fn(&Connection) -> rusqlite::Result<()>) -> Box<dyn Job> {
        let (reply, answer) = oneshot::channel::<Result<(), Trouble>>();
        drop(answer);
        Box::new(Task { work: move |db: &Connection, _| Ok(outcome(db)?), result: None, reply })
    }

    #[test]
    fn what_cannot_be_read_is_not_said_to_senders() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut keeper = Keeper::new(Config { dir: data.clone(), limit: 1 << 30 }, Arc::new(SystemClock));
        let said = |keeper: &Keeper| {
            let kind = |said: &Option<(Trouble, Instant)>| said.as_ref().map(|(trouble, _)| trouble.kind);
            (kind(&keeper.trouble), kind(&keeper.reading))
        };
        std::fs::write(&data, "in the way").unwrap();
        keeper.read(job(|_| Ok(())));
        assert_eq!(said(&keeper), (Some(TroubleKind::Unwritable), None), "then nothing is taken either");
        std::fs::remove_file(&data).unwrap();
        keeper.write(vec![job(|_| Ok(()))]);
        assert_eq!(said(&keeper), (None, None));
        keeper.read(job(|db| db.query_row("SELECT x FROM nowhere", [], |_| Ok(()))));
        assert_eq!(said(&keeper), (None, Some(TroubleKind::Internal)));
        keeper.write(vec![job(|_| Ok(()))]);
        assert_eq!(said(&keeper), (None, Some(TroubleKind::Internal)), "writing proves nothing about it");
        keeper.read(job(|_| Ok(())));
        assert_eq!(said(&keeper), (None, None));
    }
}
