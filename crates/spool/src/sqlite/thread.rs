//! The thread that works on the file, and the orders it is given.
//!
//! A commit costs a sync of the disk, and a disk makes a hundred or a few thousand of those a second. So the thread takes
//! everything that waits, does it in one transaction, syncs once and then answers all: while one group is being
//! synced, the next one gathers by itself. Nobody is answered before the sync, and a group of one waits for nobody.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mdss_relay_core::fields;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::connect::{FILE, connect, ours};
use super::due::release;
use super::file::Held;
use super::schema;
use super::trouble::{Fault, trouble};
use super::turn::Turn;
use crate::clock::Clock;
use crate::jump::Jumps;
use crate::known::{Accepted, Memory, Room};
use crate::said::{Said, Where};
use crate::trouble::{Trouble, TroubleKind};

/// Requests that wait for the thread; further ones wait in their own tasks.
const QUEUE: usize = 1024;

/// Requests that share a transaction, at most: the first of them waits for the last.
const GROUP: usize = 512;

/// With so many in a group others are on their way, mostly those that were answered last. What comes within the time shares their sync, which
/// costs the processor as much as writing a dozen events.
const CROWD: usize = 8;
const GATHER: Duration = Duration::from_micros(500);

/// Rows that are made due in one transaction after the clock has jumped.
const STEP: usize = 1000;

/// The handle. Cheap to clone; when the last one is gone, the thread ends.
#[derive(Clone)]
pub(super) struct Orders(mpsc::Sender<Order>);

pub(super) enum Order {
    /// Shares a transaction with others, and is answered after its commit.
    Write(Box<dyn Job>),
    /// Comes after the commit: what is read must not be taken back.
    Read(Box<dyn Job>),
}

pub(super) trait Job: Send {
    /// Does the work. It is done again if that was taken back for somebody else's sake.
    fn run(&mut self, turn: &Turn<'_>) -> Result<(), Fault>;
    fn answer(self: Box<Self>, outcome: Result<(), Trouble>);
    /// Nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
}

struct Task<T, F> {
    work: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Trouble>>,
}

impl<T: Send, F: FnMut(&Turn<'_>) -> Result<T, Fault> + Send> Job for Task<T, F> {
    fn run(&mut self, turn: &Turn<'_>) -> Result<(), Fault> {
        self.result = Some((self.work)(turn)?);
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

impl Orders {
    /// Starts the thread of a relay. It opens the file at once and, if that cannot be done, again with every order.
    pub(super) fn work(
        dir: PathBuf,
        clock: Arc<dyn Clock>,
        room: Room,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("spool".into()).spawn(move || {
            let mut keeper = Keeper::new(dir, clock, room);
            let opened = keeper.file.open().map(|_| ());
            keeper.said.writing(opened);
            keeper.serve(queue);
        })?;
        Ok((Self(orders), thread))
    }

    /// Starts a thread that looks at a file from outside, while a relay works on it or when none does: without the relay's lock, and it mends
    /// nothing.
    pub(super) fn visit(dir: &Path) -> Result<(Self, JoinHandle<()>), Trouble> {
        let path = dir.join(FILE);
        let found = match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => None,
            Ok(_) => Some("something that is no file".to_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some("no such file".to_owned()),
            Err(e) => Some(e.to_string()),
        };
        if let Some(found) = found {
            let detail = format!("{}: expected a spool, found {found}", path.display());
            return Err(Trouble::new(TroubleKind::Unwritable, detail));
        }
        let mut db = connect(&path).map_err(|e| trouble(&e, &format!("opening {}", path.display())))?;
        schema::migrate(&mut db)?;
        ours(&db).map_err(|e| trouble(&e, &format!("opening {}", path.display())))?;
        let (orders, mut queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("spool-desk".into()).spawn(move || {
            while let Some(order) = queue.blocking_recv() {
                match order {
                    Order::Read(job) => drop(read(&db, 0, job, None)),
                    Order::Write(job) => {
                        let mut jobs = [job];
                        let outcome =
                            group(&mut db, 0, &mut jobs).map(|(mut outcomes, _)| outcomes.remove(0));
                        let [job] = jobs;
                        job.answer(outcome.and_then(|outcome| outcome));
                    }
                }
            }
        })?;
        Ok((Self(orders), thread))
    }

    /// Gives an order and waits for its answer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        order: fn(Box<dyn Job>) -> Order,
        work: impl FnMut(&Turn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (reply, answer) = oneshot::channel();
        let task = Task { work, result: None, reply };
        self.0.send(order(Box::new(task))).await.map_err(|_| Trouble::stopped())?;
        answer.await.map_err(|_| Trouble::stopped())?
    }
}

const WRITING: &str = "writing to the spool";

fn writing(error: rusqlite::Error) -> Trouble {
    trouble(&error, WRITING)
}

/// What became of each job, and what may be remembered of them all.
type Done = (Vec<Result<(), Trouble>>, Vec<Accepted>);

/// Does everything in one transaction. A job that fails is taken back alone, if SQLite lets it be.
fn group(db: &mut Connection, epoch: u64, jobs: &mut [Box<dyn Job>]) -> Result<Done, Trouble> {
    // Mostly none fails. To be able to take one back, SQLite keeps a copy of each page that each of them changes.
    let group = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(writing)?;
    let turn = Turn::new(&group, epoch);
    if jobs.iter_mut().all(|job| job.run(&turn).is_ok()) && turn.end().is_ok() {
        let accepted = turn.to_remember();
        drop(turn);
        group.commit().map_err(writing)?;
        return Ok((vec![Ok(()); jobs.len()], accepted));
    }
    drop(turn);
    drop(group);
    // Of these nothing is remembered: it is read again.
    Ok((each_by_itself(db, epoch, jobs)?, Vec::new()))
}

/// The same, when one is known to fail.
fn each_by_itself(
    db: &mut Connection,
    epoch: u64,
    jobs: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), Trouble>>, Trouble> {
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut group = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(writing)?;
    for job in jobs {
        let part = group.savepoint().map_err(writing)?;
        let turn = Turn::new(&part, epoch);
        let outcome = job.run(&turn).and_then(|()| turn.end());
        drop(turn);
        let outcome = match outcome {
            Ok(()) => part.commit().map_err(writing),
            Err(fault) => {
                // An error of the disk ends the transaction as a whole (<https://www.sqlite.org/lang_transaction.html>,
                // 3.1); then nothing of the group is kept.
                let ended = part.is_autocommit();
                let trouble = fault.trouble(WRITING);
                if ended {
                    return Err(trouble);
                }
                drop(part);
                Err(trouble)
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
    group.commit().map_err(writing)?;
    Ok(outcomes)
}

/// In one transaction: each statement by itself would take and give back the file's locks. It ends by being dropped, because there is nothing to keep.
fn read(
    db: &Connection,
    epoch: u64,
    mut job: Box<dyn Job>,
    memory: Option<&RefCell<Memory>>,
) -> Result<(), Trouble> {
    let moment = db.unchecked_transaction().map_err(Fault::from);
    let outcome = moment.and_then(|moment| job.run(&Turn::new(&moment, epoch).knowing(memory)));
    let outcome = outcome.map_err(|fault| fault.trouble("reading the spool"));
    job.answer(outcome.clone());
    outcome
}

/// The thread of a relay.
struct Keeper {
    file: Held,
    said: Said,
    clock: Arc<dyn Clock>,
    jumps: Jumps,
    /// Whether everything is to be made due, because the clock has jumped, and what is left of that.
    jumped: bool,
    memory: RefCell<Memory>,
}

impl Keeper {
    fn new(dir: PathBuf, clock: Arc<dyn Clock>, room: Room) -> Self {
        let (file, said) = (Held::new(dir.clone(), Arc::clone(&clock)), Said::new(Where::Directory(dir)));
        Self {
            file,
            said,
            clock,
            jumps: Jumps::default(),
            jumped: false,
            memory: RefCell::new(Memory::new(room)),
        }
    }

    fn serve(&mut self, mut queue: mpsc::Receiver<Order>) {
        let mut crowded = false;
        while let Some(first) = queue.blocking_recv() {
            if crowded {
                thread::sleep(GATHER);
            }
            self.watch_the_clock();
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
                crowded = (CROWD..GROUP).contains(&writes.len());
                self.write(writes);
            }
            for job in reads {
                self.read(job);
            }
            while self.jumped && queue.is_empty() && !queue.is_closed() && self.make_due() {}
        }
        // The last connection that closes puts everything into the one file.
        if let Err(trouble) = self.file.close() {
            self.said.writing(Err(trouble));
        }
    }

    /// What was put off to a moment may be a year away once the clock has jumped. So everything is due then.
    fn watch_the_clock(&mut self) {
        if let Some(jump) = self.jumps.look(self.clock.now(), self.clock.instant()) {
            warn!(
                { fields::BEHIND_MS } = millis(jump.behind),
                { fields::AHEAD_MS } = millis(jump.ahead),
                "the system clock has jumped, so every stored event is due now"
            );
            self.jumped = true;
        }
        if self.jumped {
            self.make_due();
        }
    }

    /// Makes the next of them due, beside everything else that there is to do. False if that cannot be done now.
    fn make_due(&mut self) -> bool {
        let now = self.clock.now();
        let Ok((opened, _)) = self.file.open() else { return false };
        match release(&opened.db, None, &[], now, STEP) {
            Ok(STEP..) => true,
            Ok(_) => {
                self.jumped = false;
                true
            }
            Err(_) => false,
        }
    }

    fn write(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = self.group(&mut jobs);
        match outcome {
            Ok(outcomes) => {
                self.said.writing(Ok(()));
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    if let Err(trouble) = &outcome {
                        self.said.refused(trouble);
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

    fn group(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Result<(), Trouble>>, Trouble> {
        let (opened, epoch) = self.file.open()?;
        let (outcomes, accepted) = group(&mut opened.db, epoch, jobs)?;
        // What is in a log without a name is with nobody tomorrow.
        if let Err(loss) = opened.names.check() {
            let trouble = Trouble::new(TroubleKind::Taken, loss.what.clone());
            return Err(self.file.rescue(&loss).err().unwrap_or(trouble));
        }
        opened.checkpoints.committed();
        self.memory.get_mut().remember(epoch, accepted, self.clock.now());
        Ok(outcomes)
    }

    fn read(&mut self, job: Box<dyn Job>) {
        let (opened, epoch) = match self.file.open() {
            Ok(opened) => opened,
            Err(trouble) => {
                job.answer(Err(trouble.clone()));
                return self.failed(trouble);
            }
        };
        let outcome = read(&opened.db, epoch, job, Some(&self.memory));
        if let Err(trouble) = &outcome {
            self.file.distrust(trouble);
        }
        self.said.reading(outcome);
    }

    fn failed(&mut self, trouble: Trouble) {
        self.file.distrust(&trouble);
        self.said.writing(Err(trouble));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn job(outcome: fn(&Connection) -> rusqlite::Result<()>) -> Box<dyn Job> {
        let (reply, answer) = oneshot::channel::<Result<(), Trouble>>();
        drop(answer);
        Box::new(Task { work: move |turn: &Turn<'_>| Ok(outcome(turn.db)?), result: None, reply })
    }

    /// What was written before the failure was known is written once.
    #[test]
    fn of_a_group_only_the_job_that_fails_is_taken_back() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x)").unwrap();
        let write = || job(|db| db.execute("INSERT INTO t VALUES (1)", []).map(drop));
        let fail = job(|db| {
            db.execute("INSERT INTO t VALUES (2)", [])?;
            db.execute("INSERT INTO nowhere VALUES (1)", []).map(drop)
        });
        let (outcomes, _) = group(&mut db, 0, &mut [write(), fail, write()]).unwrap();
        let kinds: Vec<_> =
            outcomes.into_iter().map(|outcome| outcome.err().map(|trouble| trouble.kind)).collect();
        assert_eq!(kinds, [None, Some(TroubleKind::Internal), None]);
        let rows: String = db.query_row("SELECT group_concat(x) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, "1,1");
    }

    #[test]
    fn what_cannot_be_read_is_not_said_to_senders() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut keeper = Keeper::new(data.clone(), Arc::new(SystemClock), Room::default());
        let said = |keeper: &Keeper| keeper.said.kinds();
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
