//! The open file: one connection that writes, and some that read, each used by one call at a time.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, TransactionBehavior, params};

use super::connect::{FILE, connect, create, inode};
use super::schema;
use crate::asked::{Rekey, Rekeyed};
use crate::chains::Chain;
use crate::db::{Db, Fault, trouble};
use crate::keyfile::{self, KeyFile, random};
use crate::place::{Access, Options};
use crate::sql::{ChainRow, Ink, Pen, Places, succession};
use crate::trouble::{Trouble, TroubleKind};

/// Which file it is; `None` if there is none.
type Inode = Option<(u64, u64)>;

const DOING: &str = "replacing the key";

/// Connections that are kept for the next reader.
const READERS: usize = 2;

pub(crate) struct File {
    path: PathBuf,
    pub(crate) options: Options,
    /// `None` if it is open to be read and its key is not there.
    key: Option<KeyFile>,
    writer: Mutex<Option<Writer>>,
    readers: Mutex<Vec<(Connection, Inode)>>,
}

struct Writer {
    db: Connection,
    inode: Inode,
    places: Places,
    /// The chain that is written: the last one.
    own: Chain,
}

impl File {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Self, Trouble> {
        let path = dir.join(FILE);
        let mut file =
            Self { key: None, options, writer: Mutex::new(None), readers: Mutex::new(Vec::new()), path };
        match file.options.access {
            Access::Write => {
                file.key = Some(file.begin(dir)?);
                let writer = file.writer()?;
                *file.writer.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(writer);
            }
            Access::Read => {
                // A ledger can be read without its key, except for hashed keys.
                file.key = KeyFile::read(dir).ok().flatten();
                file.read(|_| Ok(()))?;
            }
        }
        Ok(file)
    }

    /// The key of the ledger that is there, or of one that is to be begun.
    fn begin(&self, dir: &Path) -> Result<KeyFile, Trouble> {
        let there = std::fs::metadata(&self.path).is_ok_and(|found| found.len() > 0);
        match KeyFile::read(dir)? {
            Some(key) => Ok(key),
            None if !there => {
                create(&self.path)?;
                KeyFile::make(dir)
            }
            None => {
                // A file that was just made, and not yet begun, has nothing that could have been signed.
                let db = connect(&self.path)?;
                let begun = schema::check(&db)? > 0
                    && ChainRow::read(Db::File(&db), Chain::FIRST).is_ok_and(|chain| chain.is_some());
                if !begun {
                    return KeyFile::make(dir);
                }
                let detail = format!(
                    "{}: no such file; it signs the checkpoints of the ledger beside it. Put it back from a backup; if there is none, `mdss-relay ledger rekey --lost` gives the ledger a new one",
                    dir.join(keyfile::FILE).display()
                );
                Err(Trouble::new(TroubleKind::Key, detail))
            }
        }
    }

    /// Opens the file to write into it, and begins its chain if it has none.
    fn writer(&self) -> Result<Writer, Trouble> {
        let Some(key) = &self.key else {
            return Err(Trouble::new(TroubleKind::Refused, "this ledger was opened to be read"));
        };
        create(&self.path)?;
        let mut db = connect(&self.path)?;
        schema::migrate(&mut db)?;
        let opening = |e: rusqlite::Error| trouble(&e, "opening the ledger");
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
        let fault = |fault: Fault| fault.trouble("opening the ledger");
        let last = ChainRow::all(Db::File(&tx)).map_err(fault)?.pop();
        let own = last.as_ref().map_or(Chain::FIRST, |(of, _)| *of);
        match last {
            Some((_, chain)) if chain.genesis.public_key == key.public() => {}
            Some(_) => return Err(fault(succession::another_key("ledger.key"))),
            None => {
                let mut ledger = [0_u8; 16];
                random(&mut ledger)?;
                tx.execute(
                    "INSERT INTO chain (id, ledger, created, public_key, base, writes) VALUES (1, ?1, ?2, ?3, 0, 0)",
                    params![ledger, self.options.clock.now().as_millis(), key.public()],
                )
                .map_err(opening)?;
            }
        }
        tx.commit().map_err(opening)?;
        Ok(Writer { inode: inode(&self.path), db, places: Places::new(), own })
    }

    /// Does some work in one transaction with one sync. If it fails nothing is kept of it.
    pub(crate) fn write<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&mut Pen<'_>) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let mut held = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut writer = match held.take() {
            Some(writer) if writer.inode == inode(&self.path) => writer,
            Some(_) => return Err(self.taken()),
            None => self.writer()?,
        };
        match self.transaction(&mut writer, work) {
            // What is in a file without a name is with nobody tomorrow.
            Ok(_) if writer.inode != inode(&self.path) => Err(self.taken()),
            Ok(done) => {
                *held = Some(writer);
                Ok(done)
            }
            Err(fault) => {
                let trouble = fault.trouble(doing);
                // Numbers of places may have been taken back.
                writer.places.clear();
                if matches!(trouble.kind, TroubleKind::Refused | TroubleKind::Locked) {
                    *held = Some(writer);
                }
                Err(trouble)
            }
        }
    }

    fn transaction<T>(
        &self,
        writer: &mut Writer,
        work: impl FnOnce(&mut Pen<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(key) = &self.key else {
            return Err(Fault::refused("this ledger was opened to be read"));
        };
        let Writer { db, places, own, .. } = writer;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ink = Ink {
            key,
            keys: self.options.keys,
            checkpoint_entries: self.options.checkpoint_entries,
            checkpoint_every: self.options.checkpoint_every,
            now: self.options.clock.now(),
        };
        let mut pen = Pen::take(Db::File(&tx), *own, places, ink)?;
        let done = work(&mut pen)?;
        pen.put_down()?;
        tx.commit()?;
        Ok(done)
    }

    /// Replaces the key of the ledger of a directory.
    pub(crate) fn rekey(dir: &Path, options: &Options, rekey: &Rekey) -> Result<Rekeyed, Trouble> {
        let path = dir.join(FILE);
        if inode(&path).is_none() {
            return Err(Trouble::new(TroubleKind::Absent, format!("{}: no such file", path.display())));
        }
        let mut db = connect(&path)?;
        schema::migrate(&mut db)?;
        let opening = |e: rusqlite::Error| trouble(&e, DOING);
        let fault = |fault: Fault| fault.trouble(DOING);
        crate::rekey::rekey(dir, rekey, |old, new| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
            let made =
                crate::rekey::in_transaction(Db::File(&tx), rekey, options, old, new).map_err(fault)?;
            tx.commit().map_err(opening)?;
            Ok(made)
        })
    }

    fn taken(&self) -> Trouble {
        let detail = format!("{} was removed or replaced while it was open", self.path.display());
        Trouble::new(TroubleKind::Taken, detail)
    }

    /// Puts the log into the file and cuts it to nothing: it has pages of before. False if somebody reads.
    pub(crate) fn empty_log(&self, doing: &str) -> Result<bool, Trouble> {
        self.with_writer(doing, |db| {
            let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            Ok(busy == 0)
        })
    }

    /// Works with the connection that writes, outside of a transaction.
    fn with_writer<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let mut held = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let writer = match held.take() {
            Some(writer) => writer,
            None => self.writer()?,
        };
        let done = work(&writer.db).map_err(|fault| fault.trouble(doing));
        *held = Some(writer);
        done
    }

    /// Reads one moment of the file, beside whoever writes.
    pub(crate) fn read<T>(&self, work: impl FnOnce(Db<'_>) -> Result<T, Fault>) -> Result<T, Trouble> {
        const DOING: &str = "reading the ledger";
        let kept = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let now = inode(&self.path);
        let db = match kept {
            Some((db, inode)) if inode == now => db,
            _ => {
                if now.is_none() {
                    let detail = format!("{}: no such file", self.path.display());
                    return Err(Trouble::new(TroubleKind::Absent, detail));
                }
                let db = connect(&self.path)?;
                if schema::check(&db)? == 0 {
                    let detail = format!("{} is empty", self.path.display());
                    return Err(Trouble::new(TroubleKind::Absent, detail));
                }
                db
            }
        };
        let done = (|| {
            // Dropped without a commit: there is nothing to keep.
            let tx = db.unchecked_transaction()?;
            work(Db::File(&tx))
        })();
        match done {
            Ok(done) => {
                let mut readers = self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if readers.len() < READERS {
                    readers.push((db, now));
                }
                Ok(done)
            }
            Err(fault) => Err(fault.trouble(DOING)),
        }
    }

    /// What is kept of a key instead of it, if the key of the site is there.
    pub(crate) fn hashed(&self, key: &[u8]) -> Option<Vec<u8>> {
        Some(self.key.as_ref()?.hashed(key))
    }
}
