//! Rows about the ledger: whatever breaks between the spool and the ledger, or in the ledger's own place, each object that MDSS has accepted stands
//! in the chain, not more often than MDSS was told; and a row that was edited by hand is named.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drive::HttpPoster;
use mdss_relay_ledger::Place;
use rusqlite::Connection;
use tokio::time::sleep;

use super::Stage;
use crate::fault::Fault;
use crate::kept::{Judged, faults, intact, judge, named, reading, written};
use crate::relay::DATA;

/// The directory of the ledger, beside the data directory.
pub(super) const LEDGER: &str = "ledger";

/// Bytes of the small disk that a ledger is given.
pub(super) const SMALL: u64 = 32 << 20;

/// How long a file may take to be there, and to be free.
const LIMIT: Duration = Duration::from_secs(60);

/// Ways to edit a row.
const EDITS: [&str; 4] = [
    "UPDATE entry SET settled_time = ifnull(settled_time, 0) + 1 WHERE seq = ?1",
    "DELETE FROM entry WHERE seq = ?1",
    "UPDATE entry SET hash = zeroblob(32) WHERE seq = ?1",
    "UPDATE entry SET attempts = 77, correlation_id = 'another' WHERE seq = ?1",
];

impl Stage {
    fn ledger_dir(&self) -> PathBuf {
        self.dir.path().join(LEDGER)
    }

    /// Holds the ledger back, so that facts wait in the outbox, and kills the relay over it; one time in two only after the ledger has them, while
    /// the outbox cannot let go of them.
    pub(super) async fn kill_between(&mut self) -> Result<(), String> {
        self.relay.ours()?.up().await?;
        let ledger = hold(self.ledger_dir().join("ledger.db")).await?;
        self.pause(100..700).await;
        let spool = match self.rng.bool() {
            true => Some(hold(self.dir.path().join(DATA).join("spool.db")).await?),
            false => None,
        };
        if spool.is_some() {
            drop(ledger);
            self.pause(20..500).await;
        }
        let relay = self.relay.ours()?;
        relay.kill();
        drop(spool);
        relay.start()
    }

    /// The ledger's disk is full, and then it is not.
    pub(super) async fn fill_the_ledger(&mut self) -> Result<(), String> {
        self.relay.ours()?.up().await?;
        let inside = self.inside()?;
        let begin = Instant::now();
        while !inside.join("ledger.db").exists() {
            if begin.elapsed() > LIMIT {
                return Err("the ledger was not begun".into());
            }
            sleep(Duration::from_millis(10)).await;
        }
        let filler = inside.join("filler");
        let said = complaints(&self.relay.ours()?.output());
        fill(&filler).map_err(|e| format!("{}: {e}", filler.display()))?;
        let begin = Instant::now();
        while complaints(&self.relay.ours()?.output()) == said {
            if begin.elapsed() > LIMIT {
                return Err("the ledger's disk did not get full".into());
            }
            // What is free in the file takes entries for a while.
            let _ = fill(&filler);
            sleep(Duration::from_millis(50)).await;
        }
        // It stops nothing.
        self.recovered().await?;
        fs::remove_file(&filler).map_err(|e| format!("{}: {e}", filler.display()))?;
        self.is_written_again().await?;
        self.recovered().await
    }

    /// Waits until the relay says that its ledger is written.
    async fn is_written_again(&mut self) -> Result<(), String> {
        let url = format!("http://{}/metrics", self.relay.ours()?.address());
        let begin = Instant::now();
        loop {
            let page = HttpPoster::new(LIMIT).send("GET", &url, &[], "").await;
            if page.is_ok_and(|page| page.text().lines().any(|line| line == "mdss_relay_ledger_healthy 1")) {
                return Ok(());
            }
            if begin.elapsed() > LIMIT {
                return Err("the ledger is not written although its disk has room".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// While no relay runs somebody edits a row; it must be named. Then the file is put back.
    pub(super) async fn edit_a_row(&mut self) -> Result<(), String> {
        self.relay.ours()?.up().await?;
        self.recovered().await?;
        let relay = self.relay.ours()?;
        relay.stop().await?;
        let dir = self.ledger_dir();
        let (file, copy) = (dir.join("ledger.db"), dir.join("copy"));
        let said = |e: rusqlite::Error| format!("{}: {e}", file.display());
        let db = Connection::open(&file).map_err(said)?;
        // All of it in the one file.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(said)?;
        fs::copy(&file, &copy).map_err(|e| e.to_string())?;
        let last: i64 = db.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0)).map_err(said)?;
        let seq = self.rng.i64(1..last.max(2));
        let edit = EDITS[self.rng.usize(..EDITS.len())];
        db.execute(edit, [seq]).map_err(said)?;
        drop(db);
        let found = faults(&reading(&Place::Directory(dir.clone())).await?).await?;
        if !named(&found, seq as u64) {
            return Err(format!("{edit} with {seq} of {last} was not named, but {found:?}"));
        }
        for tail in ["-wal", "-shm"] {
            let _ = fs::remove_file(dir.join(format!("ledger.db{tail}")));
        }
        fs::rename(&copy, &file).map_err(|e| e.to_string())?;
        self.relay.ours()?.start()
    }

    /// Waits until the ledger has each object that MDSS has accepted, and looks whether it has more, and whether its chain is whole.
    pub(super) async fn compare_with_ledger(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let place = Place::Directory(self.readable_ledger()?);
            // One that is not there yet, or whose copy was cut off, has nothing.
            let ledger = reading(&place).await.ok();
            let found = match &ledger {
                Some(ledger) => written(ledger).await.unwrap_or_default(),
                None => Default::default(),
            };
            self.mdss.look()?;
            match (judge(&self.mdss.tally, &found, 0), ledger) {
                (Judged::Wrong(what), _) => return Err(what),
                (Judged::Fits, Some(ledger)) => return intact(&ledger).await,
                (judged, _) if begin.elapsed() > self.options.patience.min(LIMIT) => {
                    let missing = if let Judged::Lacks(missing) = judged { missing } else { 0 };
                    return Err(format!("{missing} objects that MDSS has accepted are not in the ledger"));
                }
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Where the ledger can be read. From a disk of its own it is copied, because SQLite would take the way back out of the relay's root; a copy may
    /// be cut off in between, and then the next one is not.
    fn readable_ledger(&mut self) -> Result<PathBuf, String> {
        if self.fault != Fault::FullLedger {
            return Ok(self.ledger_dir());
        }
        let (inside, copy) = (self.inside()?, self.dir.path().join("copy"));
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        for name in ["ledger.db", "ledger.db-wal"] {
            let _ = fs::copy(inside.join(name), copy.join(name));
        }
        Ok(copy)
    }

    /// The directory of the ledger as the relay sees it, who has a disk of his own there.
    fn inside(&mut self) -> Result<PathBuf, String> {
        let dir = self.ledger_dir();
        let id = self.relay.ours()?.id().ok_or("the relay does not run")?;
        let dir = dir.strip_prefix("/").map_err(|e| e.to_string())?;
        Ok(PathBuf::from(format!("/proc/{id}/root")).join(dir))
    }
}

/// How often the relay has said that the ledger cannot be written, or can be again.
fn complaints(output: &str) -> usize {
    output.matches("the ledger cannot be written").count()
}

/// Writes until nothing fits any more.
fn fill(filler: &Path) -> std::io::Result<()> {
    let mut file = File::options().create(true).append(true).open(filler)?;
    for size in [1 << 16, 1 << 12, 1] {
        let zeros = vec![0; size];
        while file.write_all(&zeros).is_ok() {}
    }
    Ok(())
}

/// Keeps everybody else from writing a database, until it is dropped.
async fn hold(file: PathBuf) -> Result<Connection, String> {
    let held = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        loop {
            let held = (|| {
                if !file.is_file() {
                    return Err(rusqlite::Error::InvalidQuery);
                }
                let db = Connection::open(&file)?;
                db.busy_timeout(Duration::from_secs(5))?;
                db.execute_batch("BEGIN IMMEDIATE")?;
                Ok(db)
            })();
            match held {
                Ok(db) => return Ok(db),
                Err(e) if begin.elapsed() > LIMIT => return Err(format!("{}: {e}", file.display())),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    });
    held.await.map_err(|e| e.to_string())?
}
