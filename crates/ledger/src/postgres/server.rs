//! The open ledger: connections that are used by one call at a time, and which chain is this process's.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mdss_relay_postgres::{Database, Fit, Line};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::schema::{TABLES, not_ready};
use crate::asked::{Rekey, Rekeyed, Remains};
use crate::chains::{Chain, Reach};
use crate::db::{Db, Fault, Session, args};
use crate::hash::hex;
use crate::keyfile::{self, KeyFile, random};
use crate::place::{Access, Options};
use crate::sql::{ChainRow, Ink, Pen, Places, succession};
use crate::trouble::{Trouble, TroubleKind};

/// Connections that are kept for the next call.
const KEPT: usize = 3;

/// A writer of whom nothing was heard for so long has left his chain to the next one; and how often he says that he is there.
const LEASE: &str = "2 minutes";
const BEAT: Duration = Duration::from_secs(20);

/// How often somebody who is at work looks whether the tables are still for this program, and how long the answer may take.
const LOOK: Duration = Duration::from_secs(1);
const LOOKING: Duration = Duration::from_secs(10);

/// How long it may take to remove dead rows.
const VACUUM: Duration = Duration::from_secs(60);

/// Says that a writer is there.
fn still_there() -> String {
    format!(
        "UPDATE writer SET until = clock_timestamp() + interval '{LEASE}' WHERE chain = ?1 AND holder = ?2"
    )
}

pub(crate) struct Server {
    database: Database,
    runtime: Handle,
    pub(crate) options: Options,
    /// `None` if it is open to be read and its key is not there.
    key: Option<KeyFile>,
    /// Who this process is, for the others.
    me: String,
    writer: Mutex<Writer>,
    lines: Mutex<Vec<Line>>,
    /// Whether the tables are still for this program, and when that was asked last.
    fit: Fit,
    looked: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Writer {
    own: Option<Chain>,
    places: Places,
    beaten: Option<Instant>,
}

impl Server {
    /// To be called in a thread that may wait, of a runtime.
    pub(crate) fn open(database: &Database, dir: Option<&Path>, options: Options) -> Result<Self, Trouble> {
        let mut me = [0; 16];
        random(&mut me)?;
        let mut server = Self {
            database: database.clone(),
            runtime: Handle::current(),
            key: None,
            me: hex(&me),
            writer: Mutex::default(),
            lines: Mutex::default(),
            fit: Fit::new(TABLES),
            looked: Mutex::default(),
            options,
        };
        match server.options.access {
            Access::Write => {
                let Some(dir) = dir else {
                    let detail =
                        "expected the directory of ledger.key: without the key nothing can be written";
                    return Err(Trouble::new(TroubleKind::Key, detail));
                };
                server.key = Some(server.key_of(dir)?);
                let own = server.take_chain(dir)?;
                server.writer().own = Some(own);
            }
            Access::Read => {
                // A ledger can be read without its key, except for hashed keys.
                server.key = dir.and_then(|dir| KeyFile::read(dir).ok().flatten());
                let chains = server.read(ChainRow::all)?;
                if chains.is_empty() {
                    return Err(server.absent());
                }
            }
        }
        Ok(server)
    }

    /// Replaces the key of the ledger of a database, in a directory that has it.
    pub(crate) fn rekey(
        database: &Database,
        dir: Option<&Path>,
        options: Options,
        asked: &Rekey,
    ) -> Result<Rekeyed, Trouble> {
        const DOING: &str = "replacing the key";
        let Some(dir) = dir else {
            return Err(Trouble::new(TroubleKind::Key, "expected the directory of ledger.key"));
        };
        let server = Self {
            database: database.clone(),
            runtime: Handle::current(),
            key: None,
            me: String::new(),
            writer: Mutex::default(),
            lines: Mutex::default(),
            fit: Fit::new(TABLES),
            looked: Mutex::default(),
            options: Options { access: Access::Write, ..options },
        };
        if !server.read(|db| db.is_there("SELECT 1 FROM chain LIMIT 1", &[]))? {
            return Err(server.absent());
        }
        crate::rekey::rekey(dir, asked, |old, new| {
            server.transaction(DOING, true, |session| {
                let db = Db::Server(session);
                db.lock_all()?;
                db.must_be_safe();
                for (of, _) in ChainRow::all(db)? {
                    db.lock(of)?;
                }
                // Such a relay would sign the new chain with the old key.
                let blind = "SELECT 1 FROM writer WHERE until > clock_timestamp() AND knows IS DISTINCT FROM holder";
                if db.is_there(blind, &[])? {
                    return Err(Fault::refused("a relay of an earlier version writes this ledger, and would go on with the old key: stop it, or bring it to this version, wait for two minutes, and give the command again"));
                }
                let made = crate::rekey::in_transaction(db, asked, &server.options, old, new)?;
                // Nobody has them any more, and relays of earlier versions may not come back.
                db.execute("DELETE FROM writer WHERE chain IN (SELECT chain FROM succession)", &[])?;
                db.execute("UPDATE meta SET oldest = 2 WHERE oldest < 2", &[])?;
                Ok(made)
            })
        })
    }

    fn absent(&self) -> Trouble {
        let detail = format!("{} has no ledger: no relay has begun one", self.database.place());
        Trouble::new(TroubleKind::Absent, detail)
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that is there; one is made for a ledger that is to be begun.
    fn key_of(&self, dir: &Path) -> Result<KeyFile, Trouble> {
        if let Some(key) = KeyFile::read(dir)? {
            return Ok(key);
        }
        let begun = self.read(|db| db.is_there("SELECT 1 FROM chain LIMIT 1", &[]))?;
        if begun {
            let detail = format!(
                "{}: no such file; it signs the checkpoints of the ledger in {}, and all relays on that database have the same one. Copy it from where the ledger was begun, or from a backup; if there is none, `mdss-relay ledger rekey --lost` gives the ledger a new one",
                dir.join(keyfile::FILE).display(),
                self.database.place()
            );
            return Err(Trouble::new(TroubleKind::Key, detail));
        }
        KeyFile::make(dir)
    }

    /// A chain of which no other writer was heard lately, or a new one.
    fn take_chain(&self, dir: &Path) -> Result<Chain, Trouble> {
        let key = self.key()?;
        let public = key.public();
        self.transaction("opening the ledger", true, |session| {
            let db = Db::Server(session);
            db.lock_all()?;
            if succession::signing_key(db)?.is_some_and(|signing| signing != public) {
                return Err(succession::another_key(&dir.join(keyfile::FILE).display().to_string()));
            }
            let free = "SELECT c.id FROM chain c LEFT JOIN writer w ON w.chain = c.id
                        WHERE (w.until IS NULL OR w.until < clock_timestamp() OR w.holder = ?1)
                        AND NOT EXISTS (SELECT 1 FROM succession s WHERE s.chain = c.id) ORDER BY w.holder = ?1 DESC NULLS LAST, c.id LIMIT 1";
            let me = args![&self.me];
            let chain = match db.first(free, me, |row| row.count(0))? {
                Some(id) => Chain(id),
                None => {
                    let id = db.number("SELECT coalesce(max(id) + 1, 0) FROM chain", &[])?;
                    let mut ledger = [0_u8; 16];
                    random(&mut ledger)?;
                    db.execute(
                        "INSERT INTO chain (id, ledger, created, public_key, base, writes) VALUES (?1, ?2, ?3, ?4, 0, 0)",
                        args![id, &ledger[..], self.options.clock.now(), &public[..]],
                    )?;
                    Chain(id)
                }
            };
            db.execute(
                &format!(
                    "INSERT INTO writer (chain, holder, until, knows) VALUES (?1, ?2, clock_timestamp() + interval '{LEASE}', ?2)
                     ON CONFLICT (chain) DO UPDATE SET holder = excluded.holder, until = excluded.until, knows = excluded.knows"
                ),
                args![chain.0, &self.me],
            )?;
            Ok(chain)
        })
    }

    /// The chain that this process writes.
    pub(crate) fn own(&self) -> Option<Chain> {
        self.writer().own
    }

    /// Says that this writer is there, so that no other takes his chain. One that was away for too long takes another.
    pub(crate) fn beat(&self) -> Result<(), Trouble> {
        let mut writer = self.writer();
        let Some(own) = writer.own else { return Ok(()) };
        if writer.beaten.is_some_and(|beaten| beaten.elapsed() < BEAT) {
            return Ok(());
        }
        let held = self.transaction("saying that the ledger is written", true, |session| {
            Db::Server(session).execute(&still_there(), args![own.0, &self.me])
        })?;
        if held == 0 {
            writer.places.clear();
            writer.own = Some(self.take_chain(Path::new(""))?);
        }
        writer.beaten = Some(Instant::now());
        Ok(())
    }

    /// Whether no writer of an earlier chain is there.
    pub(crate) fn leads(&self) -> Result<bool, Trouble> {
        let Some(own) = self.own() else { return Ok(false) };
        let before = "SELECT 1 FROM writer WHERE until > clock_timestamp() AND chain < ?1";
        Ok(!self.read(|db| db.is_there(before, args![own.0]))?)
    }

    /// Waits until a standby has whatever was written before, if there is one to wait for: by a change that changes nothing, because a transaction without one
    /// is not waited for.
    pub(crate) fn secure(&self) -> Result<(), Trouble> {
        let Some(own) = self.own() else { return Ok(()) };
        self.transaction("seeing to it that checkpoints are safe", true, |session| {
            let db = Db::Server(session);
            db.must_be_safe();
            db.execute("UPDATE chain SET base = base WHERE id = ?1", args![own.0]).map(drop)
        })
    }

    /// Leaves the chain to the next writer.
    pub(crate) fn close(&self) -> Result<(), Trouble> {
        let Some(own) = self.own() else { return Ok(()) };
        self.transaction("leaving the ledger", true, |session| {
            let sql = "DELETE FROM writer WHERE chain = ?1 AND holder = ?2";
            Db::Server(session).execute(sql, args![own.0, &self.me]).map(drop)
        })
    }

    fn key(&self) -> Result<&KeyFile, Trouble> {
        let refused = || Trouble::new(TroubleKind::Refused, "this ledger was opened to be read");
        self.key.as_ref().ok_or_else(refused)
    }

    /// A connection to tables that this program may work on.
    fn line(&self) -> Result<Line, Trouble> {
        loop {
            let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                // A new one is made as soon as the tables fit.
                Some(line) if line.client.is_closed() || self.fit.is_outdated() => {}
                Some(line) => {
                    self.look(&line)?;
                    return Ok(line);
                }
                None => break,
            }
        }
        let writes = self.options.access == Access::Write;
        self.runtime.block_on(async {
            let line = Line::connect(&self.database).await?;
            let ready = match writes {
                true => self.fit.ready(&line, self.database.migrates()).await,
                false => self.fit.look(&line).await.map(drop),
            };
            match ready {
                Ok(()) => Ok(line),
                Err(error) => Err(not_ready(error, "preparing the ledger")),
            }
        })
    }

    /// Looks whether the tables were made those of later relays meanwhile, if nobody has looked just now.
    fn look(&self, line: &Line) -> Result<(), Trouble> {
        const DOING: &str = "looking at the tables of the ledger";
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|looked| looked.elapsed() < LOOK) {
                return Ok(());
            }
            *looked = Some(Instant::now());
        }
        match self.runtime.block_on(async { timeout(LOOKING, self.fit.look(line)).await }) {
            Ok(seen) => seen.map(drop).map_err(|error| not_ready(error, DOING)),
            Err(_) => Err(Fault::Late(LOOKING).trouble(DOING)),
        }
    }

    /// Does some work in a transaction. If it fails nothing is kept of it.
    fn transaction<T>(
        &self,
        doing: &str,
        writes: bool,
        work: impl FnOnce(&Session) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let session = Session::begin(self.line()?, self.runtime.clone(), writes)
            .map_err(|fault| fault.trouble(doing))?;
        let (line, done) = match work(&session) {
            Ok(done) => match session.commit() {
                Ok(line) => (Some(line), Ok(done)),
                Err(fault) => (None, Err(fault.trouble(doing))),
            },
            Err(fault) => (session.roll_back(&fault), Err(fault.trouble(doing))),
        };
        if let Some(line) = line {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() < KEPT {
                lines.push(line);
            }
        }
        done
    }

    /// Does some work with the right to write.
    pub(crate) fn write<T>(
        &self,
        doing: &str,
        reach: Reach,
        work: impl FnOnce(&mut Pen<'_>) -> Result<T, Fault>,
    ) -> Result<T, Trouble> {
        let key = self.key()?;
        let mut writer = self.writer();
        let Some(own) = writer.own else {
            return Err(Trouble::new(TroubleKind::Refused, "this ledger was opened to be read"));
        };
        let heard = format!("{} AND until > clock_timestamp()", still_there());
        let mut lost = false;
        let places = &mut writer.places;
        let done = self.transaction(doing, true, |session| {
            let db = Db::Server(session);
            if reach == Reach::All {
                db.lock_all()?;
            }
            let ink = Ink {
                key,
                keys: self.options.keys,
                checkpoint_entries: self.options.checkpoint_entries,
                checkpoint_every: self.options.checkpoint_every,
                now: self.options.clock.now(),
            };
            let mut pen = Pen::take(db, own, places, ink)?;
            // By the server's clock: that of a machine that was paused has stood still.
            if reach == Reach::Heard && db.execute(&heard, args![own.0, &self.me])? == 0 {
                lost = true;
                let detail = "nothing was heard of this relay for two minutes: another one may have written what it had in hand, so that is taken from the outbox anew";
                return Err(Trouble::new(TroubleKind::Locked, detail).into());
            }
            let done = work(&mut pen)?;
            pen.put_down()?;
            Ok(done)
        });
        if done.is_err() {
            // Numbers of places may have been taken back.
            writer.places.clear();
        }
        if lost {
            writer.own = Some(self.take_chain(Path::new(""))?);
            writer.beaten = Some(Instant::now());
        }
        done
    }

    /// Reads one moment of the ledger, beside whoever writes.
    pub(crate) fn read<T>(&self, work: impl FnOnce(Db<'_>) -> Result<T, Fault>) -> Result<T, Trouble> {
        const DOING: &str = "reading the ledger";
        self.transaction(DOING, false, |session| {
            let db = Db::Server(session);
            if self.options.access == Access::Read
                && !db.is_there(
                    "SELECT 1 FROM pg_tables WHERE schemaname = 'mdss_relay_ledger' AND tablename = 'chain'",
                    &[],
                )?
            {
                return Err(self.absent().into());
            }
            work(db)
        })
    }

    /// What is kept of a key instead of it, if the key of the site is there.
    pub(crate) fn hashed(&self, key: &[u8]) -> Option<Vec<u8>> {
        Some(self.key.as_ref()?.hashed(key))
    }

    /// Removes the rows that erased keys were in, and what the statistics have of them. Their bytes stay in pages until those are used again.
    pub(crate) fn clear_away(&self, doing: &str) -> Result<Remains, Trouble> {
        let line = self.line()?;
        let sql = "VACUUM (ANALYZE) mdss_relay_ledger.entry, mdss_relay_ledger.result_raw";
        line.listen();
        let vacuum = async { tokio::time::timeout(VACUUM, line.client.batch_execute(sql)).await };
        match self.runtime.block_on(vacuum) {
            // A table that is another role's is passed over with a warning.
            Ok(Ok(())) if line.was_warned() => Ok(Remains::Rows),
            Ok(Ok(())) => Ok(Remains::Database),
            Ok(Err(error)) => Err(Fault::from(error).trouble(doing)),
            Err(_) => Ok(Remains::Rows),
        }
    }
}
