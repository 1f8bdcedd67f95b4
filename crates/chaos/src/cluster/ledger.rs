//! Rows about the ledger that relays share in the database: whatever breaks between the spool and the ledger, each object that MDSS has accepted stands in
//! one of the chains, or a gap counts it; and a row that was edited by hand is named and stops nothing.

use std::time::{Duration, Instant};

use mdss_relay_ledger::{Database, Place};
use postgres_rig::SmallDisk;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::field::{DATABASE, Field, said};
use super::play::{LATE, LEASE, SLACK};
use crate::kept::{Judged, faults, intact, judge, named, reading, written};
use crate::mdss::with_causes;

/// How long a relay may take for what it does by itself: after a failure it tries the ledger again every half minute at most, and on a busy machine one more try may fail.
const LIMIT: Duration = Duration::from_secs(120);

/// Room in the outbox while it is to get full, in bytes.
const NARROW: u32 = 4096;

/// Ways to edit a row.
const EDITS: [&str; 4] = [
    "UPDATE mdss_relay_ledger.entry SET settled_time = coalesce(settled_time, 0) + 1",
    "DELETE FROM mdss_relay_ledger.entry",
    "UPDATE mdss_relay_ledger.entry SET hash = decode(repeat('00', 32), 'hex')",
    "UPDATE mdss_relay_ledger.entry SET attempts = 77, correlation_id = 'another'",
];

/// Whether a chain has an object that MDSS has accepted: so it has an entry before that one, too.
const THERE: &str = "SELECT count(*) > 0 FROM mdss_relay_ledger.entry WHERE kind = 1";

/// The number of an entry in its chain, in the bits below that of the chain.
const NUMBER: i64 = (1 << 40) - 1;

impl Field {
    /// Holds the ledger back, so that facts wait in the outbox, and kills the relays over it; every other time only after the ledger has them, while the
    /// outbox cannot let go of them. Two times of four one relay is left, and takes over what the others had.
    pub(super) async fn kill_between(&mut self) -> Result<(), String> {
        for replica in &mut self.replicas {
            replica.ours.up().await?;
        }
        self.there().await?;
        let (ledger, holder) = self.hold("LOCK TABLE mdss_relay_ledger.entry IN EXCLUSIVE MODE").await?;
        self.keeps_waiting(holder).await?;
        self.pause(0..500).await;
        let outbox = match self.injected.is_multiple_of(2) {
            true => Some(self.hold("SELECT FROM mdss_relay.outbox FOR UPDATE").await?),
            false => None,
        };
        if let Some((_, holder)) = outbox {
            drop(ledger);
            self.keeps_waiting(holder).await?;
            self.pause(0..500).await;
        }
        let mut order: Vec<usize> = (0..self.replicas.len()).collect();
        self.rng.shuffle(&mut order);
        if self.injected % 4 >= 2 {
            order.pop();
        }
        for one in &order {
            self.replicas[*one].ours.kill();
            self.excused += self.at_once() + self.batch();
        }
        self.died = Some(Instant::now());
        self.end_waits().await?;
        drop(outbox);
        for one in order {
            self.replicas[one].ours.start()?;
        }
        Ok(())
    }

    /// The disk of the ledger's entries is full, and so is the outbox; and then there is room again.
    pub(super) async fn fill_the_ledger(&mut self) -> Result<(), String> {
        self.there().await?;
        self.ask("ALTER TABLE mdss_relay_ledger.entry SET TABLESPACE small").await?;
        let said_before = self.complaints();
        let begin = Instant::now();
        while self.complaints() == said_before {
            // What is free in the table's pages takes entries for a while.
            said(block_in_place(|| self.disk.as_ref().map_or(Ok(()), SmallDisk::fill)))?;
            if begin.elapsed() > LIMIT {
                return Err("no relay has said that the ledger cannot be written".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        // It stops nothing.
        self.recovered().await?;
        let room = self.ask("SELECT room::text FROM mdss_relay.outbox_state").await?.concat();
        self.ask(&format!("UPDATE mdss_relay.outbox_state SET room = {NARROW}")).await?;
        self.until(
            "nothing was counted although the outbox is full",
            "SELECT lost > 0 FROM mdss_relay.outbox_state",
        )
        .await?;
        self.recovered().await?;
        self.ask(&format!("UPDATE mdss_relay.outbox_state SET room = {room}")).await?;
        let last = self.ask("SELECT coalesce(max(id), 0)::text FROM mdss_relay.outbox").await?.concat();
        said(self.disk.as_ref().map_or(Ok(()), SmallDisk::free))?;
        let told = format!(
            "SELECT (SELECT lost = 0 FROM mdss_relay.outbox_state) AND NOT EXISTS (SELECT FROM mdss_relay.outbox WHERE id <= {last})"
        );
        self.until("the ledger is not written although its disk has room", &told).await?;
        self.recovered().await
    }

    /// Somebody edits a row under the running relays; it must be named, and nothing waits for it. Then the row is put back.
    pub(super) async fn edit_a_row(&mut self) -> Result<(), String> {
        self.there().await?;
        self.recovered().await?;
        // Behind the last entry of a chain its writer goes on; before that nobody looks.
        let before_last = format!(
            "WITH earlier AS (SELECT seq FROM mdss_relay_ledger.entry e WHERE EXISTS (SELECT FROM mdss_relay_ledger.entry n WHERE n.seq = e.seq + 1))
             SELECT seq::text FROM earlier ORDER BY seq OFFSET {} % greatest(1, (SELECT count(*) FROM earlier)) LIMIT 1",
            self.rng.u32(..)
        );
        let seq = self.ask(&before_last).await?.concat();
        let number: i64 = seq.parse().map_err(|_| "no chain has two entries".to_owned())?;
        let row = format!("WHERE seq = {seq}");
        self.ask(&format!("CREATE TABLE public.kept AS SELECT * FROM mdss_relay_ledger.entry {row}")).await?;
        let edit = EDITS[self.rng.usize(..EDITS.len())];
        self.ask(&format!("{edit} {row}")).await?;
        let found = faults(&reading(&self.place()?).await?).await?;
        if !named(&found, (number & NUMBER) as u64) {
            return Err(format!("{edit} {row} was not named, but {found:?}"));
        }
        self.recovered().await?;
        let last = self.ask("SELECT coalesce(max(id), 0)::text FROM mdss_relay.outbox").await?.concat();
        let told = format!("SELECT NOT EXISTS (SELECT FROM mdss_relay.outbox WHERE id <= {last})");
        self.until("the ledger is not written beside an edited row", &told).await?;
        self.ask(&format!("DELETE FROM mdss_relay_ledger.entry {row}")).await?;
        self.ask("INSERT INTO mdss_relay_ledger.entry SELECT * FROM public.kept").await?;
        self.ask("DROP TABLE public.kept").await.map(drop)
    }

    /// Waits until the ledger has each object that MDSS has accepted, or a gap for it, and looks whether it has more, and whether its chains are whole.
    pub(super) async fn compare_with_ledger(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        let ledger = reading(&self.place()?).await?;
        let limit = match self.died {
            // What a killed relay had told MDSS and not written down is sent again when its lease has ended, and is in the ledger then.
            Some(_) => LEASE + LATE + SLACK + LIMIT,
            None => self.plan.patience.min(LIMIT),
        };
        loop {
            let gaps = "SELECT coalesce(sum(count), 0)::text FROM mdss_relay_ledger.entry WHERE kind = 10 AND reason = 'outbox_full'";
            let gaps = self.ask(gaps).await?.concat().parse().unwrap_or(0);
            let found = written(&ledger).await?;
            self.mdss.look()?;
            match judge(&self.mdss.tally, &found, gaps) {
                Judged::Wrong(what) => return Err(what),
                Judged::Fits => return intact(&ledger).await,
                Judged::Lacks(missing) if begin.elapsed() > limit => {
                    return Err(format!(
                        "{missing} objects that MDSS has accepted are neither in the ledger nor counted in a gap"
                    ));
                }
                Judged::Lacks(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Waits until something is in the ledger.
    async fn there(&self) -> Result<(), String> {
        let begin = Instant::now();
        while self.ask(THERE).await.unwrap_or_default().concat() != "t" {
            if begin.elapsed() > LIMIT {
                return Err("the ledger was not begun".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until the database says yes.
    async fn until(&self, otherwise: &str, question: &str) -> Result<(), String> {
        let begin = Instant::now();
        while self.ask(question).await?.concat() != "t" {
            if begin.elapsed() > LIMIT {
                return Err(otherwise.to_owned());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// A transaction of somebody else, until it is dropped, and its process.
    pub(super) async fn hold(&self, statement: &str) -> Result<(impl Sized + use<>, i32), String> {
        let client = said(postgres_rig::client(&self.servers[self.primary].admin_url(DATABASE)).await)?;
        client.batch_execute(&format!("BEGIN; {statement}")).await.map_err(|e| with_causes(&e))?;
        let own = client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(|e| with_causes(&e))?;
        let pid = own.try_get(0).map_err(|e| with_causes(&e))?;
        Ok((client, pid))
    }

    /// Ends statements that wait for what is held: they would be done for whoever had sent them and is dead, too, once nothing holds them.
    pub(super) async fn end_waits(&self) -> Result<(), String> {
        let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.ask(end).await.map(drop)
    }

    /// Waits until a relay, or a move, waits for what such a process holds.
    pub(super) async fn keeps_waiting(&self, holder: i32) -> Result<(), String> {
        let waits = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {holder} = ANY (pg_blocking_pids(pid)))"
        );
        self.until("nobody has come to what is held", &waits).await
    }

    fn place(&self) -> Result<Place, String> {
        let database = Database::of_url(&self.servers[self.primary].url(DATABASE))?;
        Ok(Place::Database { database, key: None })
    }

    /// How often the relays have said that the ledger cannot be written.
    fn complaints(&self) -> usize {
        let of = |output: String| output.matches("the ledger cannot be written since").count();
        self.replicas.iter().map(|replica| of(replica.ours.output())).sum()
    }
}
