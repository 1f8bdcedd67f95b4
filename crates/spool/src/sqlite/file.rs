//! The file of a relay: who may work on it, when it is opened and closed, and what becomes of it when something was done to it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::fields;
use rusqlite::Connection;
use tracing::error;

use super::checkpoint::Checkpoints;
use super::connect::{FILE, TAILS, connect, create, ours, with_tail};
use super::names::{Loss, Names, plain};
use super::salvage::{checkpoint, clear, give_up, resume, salvage, take_over};
use super::schema;
use super::trouble::trouble;
use crate::clock::{Clock, Moment};
use crate::trouble::{Trouble, TroubleKind};

/// Held by the one relay that works on a directory. `flock`: it ends with the process, however that ends.
const LOCK: &str = "relay.lock";

/// How often the lock is asked for again, and after how long.
const LOOKS: usize = 2;
const LOOK: Duration = Duration::from_millis(10);

/// The file, open or not.
pub(super) struct Held {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    /// The lock, and which file it is.
    lock: Option<(File, (u64, u64))>,
    open: Option<Opened>,
    /// How many files there have been: numbers begin anew in each.
    epoch: u64,
    /// The file that was open last.
    inode: Option<(u64, u64)>,
    /// Set while a damaged file is there that has not been replaced.
    damaged: Option<Trouble>,
}

pub(super) struct Opened {
    /// Dropped before the connection, which is the last one that closes.
    pub(super) checkpoints: Checkpoints,
    pub(super) db: Connection,
    /// Dropped after the connection.
    pub(super) names: Names,
    /// Whether there was nothing in it.
    fresh: bool,
}

impl Held {
    pub(super) fn new(dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { dir, clock, lock: None, open: None, epoch: 0, inode: None, damaged: None }
    }

    /// The open file, and which one it is.
    ///
    /// # Errors
    /// Why there is none; the next call tries again.
    pub(super) fn open(&mut self) -> Result<(&mut Opened, u64), Trouble> {
        let path = self.dir.join(FILE);
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
            if opened.fresh || self.inode != Some(opened.names.inode()) {
                self.epoch += 1;
                self.inode = Some(opened.names.inode());
            }
            self.open = Some(opened);
        }
        let opened = self.open.as_mut().ok_or_else(Trouble::stopped)?;
        Ok((opened, self.epoch))
    }

    /// What follows from a trouble with the file itself: it is opened anew, or set aside.
    pub(super) fn distrust(&mut self, trouble: &Trouble) {
        let damaged = trouble.kind == TroubleKind::Damaged;
        match trouble.kind {
            TroubleKind::Unwritable | TroubleKind::Damaged => {
                match self.open.as_mut().map(|o| o.names.check()) {
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
            | TroubleKind::Unreachable
            | TroubleKind::Unsafe
            | TroubleKind::Internal
            | TroubleKind::Stopped => {}
        }
    }

    /// Whether what is open is what the names lead to, and nobody else works there. Otherwise it is closed, and nothing that was
    /// acknowledged goes with it.
    fn watch(&mut self) -> Result<(), Trouble> {
        let loss = self.open.as_mut().and_then(|opened| opened.names.check().err());
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
    pub(super) fn close(&mut self) -> Result<(), Trouble> {
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
    pub(super) fn rescue(&mut self, loss: &Loss) -> Result<(), Trouble> {
        let (path, now) = (self.dir.join(FILE), self.clock.now());
        let not_saved = |e: &dyn std::fmt::Display| {
            let detail = format!("{}; the acknowledged events in it cannot be saved yet: {e}", loss.what);
            Trouble::new(TroubleKind::Taken, detail)
        };
        let Some(opened) = &self.open else { return Ok(()) };
        opened.names.mend(loss).map_err(|e| not_saved(&e))?;
        let into_itself = loss.whole && loss.linked && checkpoint(&opened.db).is_ok();
        if !into_itself {
            take_over(&path, &opened.db, &loss.what, now).map_err(|e| not_saved(&e))?;
        }
        if into_itself {
            // While it is open: until they are in order, nothing may be opened by these names.
            clear(&path, loss, now).map_err(|e| not_saved(&e))?;
            error!(
                { fields::ERROR_TYPE } = TroubleKind::Taken.name(),
                { fields::SPOOL_DIR } = %self.dir.display(),
                "{}; every acknowledged event was saved in the database file itself, wherever that file is now", loss.what
            );
        }
        give_up(&opened.db);
        self.open = None;
        Ok(())
    }

    /// Two relays on one directory would send everything twice. A lock is worth what its name leads to: a directory, or the lock alone,
    /// may have been taken away and made anew.
    fn lock(&mut self) -> Result<(), Trouble> {
        let dir = &self.dir;
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
        match take(&file) {
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

/// Takes the lock. Whoever looks whether a relay works here ([`is_held`]) has it for a moment, so it is asked for more than once.
fn take(file: &File) -> Result<(), std::fs::TryLockError> {
    for _ in 0..LOOKS {
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            answer => return answer,
        }
    }
    file.try_lock()
}

/// Whether a relay works on a directory now. A file that cannot be opened is held by nobody.
pub(super) fn is_held(dir: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock));
    File::open(dir.join(LOCK)).is_ok_and(held)
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
    let opening = |e: rusqlite::Error| trouble(&e, &format!("opening {}", path.display()));
    let mut db = connect(path).map_err(opening)?;
    db.pragma_update(None, "journal_mode", "wal").map_err(opening)?;
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(opening)?;
    if mode != "wal" {
        let detail = format!("{}: expected the journal mode wal, found {mode}", path.display());
        return Err(Trouble::new(TroubleKind::Unwritable, detail));
    }
    let fresh = schema::migrate(&mut db)?;
    ours(&db).map_err(opening)?;
    // Before the names are looked at: what it has opened by them is what they lead to.
    let checkpoints = Checkpoints::start(path, &mut db).map_err(opening)?;
    let mut names = Names::hold(path, file)?;
    names.check().map_err(|loss| Trouble::new(TroubleKind::Taken, loss.what))?;
    Ok(Opened { checkpoints, db, names, fresh })
}
