//! The loss of the primary, and what a commit waits for that nobody can give.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use postgres_rig::{Line, wrong_clock};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use super::field::{Field, NAMES, said};
use super::play::{LATE, LEASE, SLACK};
use crate::oracle::{Object, Unit};

/// Events that are announced while nobody may hear "done".
const VAIN: usize = 6;

/// Whoever waits for a standby (<https://www.postgresql.org/docs/15/monitoring-stats.html>, `wait_event`).
const WAITING: &str = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// How long it may take until a commit waits, or a wait ends. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(60);

impl Field {
    pub(super) async fn kill_primary(&mut self) -> Result<(), String> {
        self.pause(300..1000).await;
        block_in_place(|| said(self.servers[self.primary].kill()))?;
        self.fail_over().await?;
        let begin = Instant::now();
        self.recovered().await?;
        self.longest = self.longest.max(Some(begin.elapsed()));
        Ok(())
    }

    /// The standby becomes the primary, and the old one, which is dead, its standby.
    async fn fail_over(&mut self) -> Result<(), String> {
        let (old, new) = (self.primary, self.standby());
        // Before it takes a write: there is no moment at which a commit waits for nobody.
        said(self.servers[new].set("synchronous_standby_names", NAMES[old]))?;
        said(self.servers[new].promote().await)?;
        self.primary = new;
        self.rejoin()?;
        said(self.servers[new].followed(NAMES[old], true).await)?;
        // Requests under way and outcomes that are not written, or were and are lost: they wait for no standby.
        self.excused += self.replicas.len() as u64 * (self.at_once() + 2 * self.batch());
        Ok(())
    }

    fn rejoin(&mut self) -> Result<(), String> {
        let old = self.standby();
        let (first, second) = self.servers.split_at_mut(1);
        let (dead, primary) =
            if old == 0 { (&mut first[0], &second[0]) } else { (&mut second[0], &first[0]) };
        let port = self.stream.as_ref().map_or(primary.port(), |stream| stream.address().port());
        block_in_place(|| said(dead.rejoin_by(primary, NAMES[old], port)))
    }

    /// No commit waits for the standby, and it has lost touch for a while when the primary dies.
    pub(super) async fn kill_primary_async(&mut self) -> Result<(), String> {
        self.pause(500..1000).await;
        let (old, new) = (self.primary, self.standby());
        // All that was acknowledged until here is on the standby before the line is cut.
        let safe = self.sender.book.acknowledged_so_far();
        let reached = self.ask("SELECT pg_current_wal_flush_lsn()").await?.concat();
        let level = format!(
            "SELECT 1 FROM pg_stat_replication WHERE application_name = '{}' AND flush_lsn >= '{reached}'",
            NAMES[new]
        );
        let begin = Instant::now();
        while self.ask(&level).await?.is_empty() {
            if begin.elapsed() > LIMIT {
                return Err("the standby does not follow".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        let stream = self.stream.as_ref().ok_or("no line between the servers")?;
        stream.set(Line::Held);
        self.pause(500..2000).await;
        block_in_place(|| said(self.servers[old].kill()))?;
        if let Some(stream) = &self.stream {
            stream.set(Line::Reset);
        }
        let gone = self.sender.book.acknowledged_so_far();
        self.forgone.extend(gone.difference(&safe));
        said(self.servers[new].promote().await)?;
        self.primary = new;
        if let Some(stream) = &self.stream {
            stream.aim([(Ipv4Addr::LOCALHOST, self.servers[new].port()).into()]);
            stream.set(Line::Open);
        }
        self.rejoin()?;
        said(self.servers[new].followed(NAMES[old], false).await)?;
        self.excused += self.replicas.len() as u64 * (self.at_once() + 2 * self.batch());
        self.recovered().await
    }

    /// Nobody may hear "done" while the standby is away, whoever ends the wait, and however often the same event comes: the
    /// primary has it, and dies with it.
    pub(super) async fn standby_away(&mut self, crash: bool) -> Result<(), String> {
        self.settled().await?;
        let standby = self.standby();
        block_in_place(|| said(self.servers[standby].stop()))?;
        let events: Vec<Object> = (0..VAIN).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        let end = format!("SELECT pg_terminate_backend(pid) {WAITING}");
        self.in_vain(&events, &end).await?;
        if crash {
            let primary = self.primary;
            block_in_place(|| {
                said(self.servers[primary].kill())?;
                said(self.servers[primary].start())
            })?;
        }
        // Now they are duplicates, of something that is nowhere else.
        self.in_vain(&events, &end).await?;
        self.lose_primary().await
    }

    /// A wait that is cancelled, and one that ends because the list of standbys is empty for a moment, both end with "ok".
    pub(super) async fn cancel_waits(&mut self) -> Result<(), String> {
        self.settled().await?;
        let (primary, standby) = (self.primary, self.standby());
        block_in_place(|| said(self.servers[standby].stop()))?;
        let events: Vec<Object> = (0..VAIN).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        self.in_vain(&events, &format!("SELECT pg_cancel_backend(pid) {WAITING}")).await?;
        let more: Vec<Object> = (0..VAIN).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        let announced = self.announce(&more);
        self.waiting().await?;
        said(self.servers[primary].set("synchronous_standby_names", ""))?;
        let waits = format!("SELECT 1 {WAITING}");
        let begin = Instant::now();
        while !self.ask(&waits).await?.is_empty() {
            if begin.elapsed() > LIMIT {
                return Err("commits wait for a standby that is asked for no more".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        // The list is filled again, and sessions see it, while the process that has commits wait for it is busy.
        let checkpointer =
            self.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").await?;
        let checkpointer = checkpointer.concat().parse().map_err(|_| "no checkpointer".to_owned())?;
        said(self.servers[primary].freeze_one(checkpointer))?;
        said(self.servers[primary].set("synchronous_standby_names", NAMES[standby]))?;
        let begin = Instant::now();
        while self.ask("SHOW synchronous_standby_names").await?.concat() != NAMES[standby] {
            if begin.elapsed() > LIMIT {
                return Err("nobody sees the new list of standbys".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        let busy: Vec<Object> = (0..VAIN).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        let meanwhile = self.announce(&busy);
        self.unheard(meanwhile).await?;
        said(self.servers[primary].thaw_one(checkpointer))?;
        // What comes now waits again, and the relay gives up by itself.
        self.unheard(announced).await?;
        self.lose_primary().await
    }

    /// Waits until the relays trust the server's configuration. In its first minute they look where the standbys are, and what
    /// else they rely on would never be tried.
    async fn settled(&self) -> Result<(), String> {
        let begin = Instant::now();
        let young = "SELECT 1 WHERE pg_conf_load_time() > clock_timestamp() - interval '63 s'";
        while !self.ask(young).await?.is_empty() {
            if begin.elapsed() > 2 * LIMIT {
                return Err("the server's configuration is loaded again and again".into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The primary dies, and the standby that was away takes over with what it had.
    async fn lose_primary(&mut self) -> Result<(), String> {
        let (primary, standby) = (self.primary, self.standby());
        block_in_place(|| {
            said(self.servers[primary].kill())?;
            said(self.servers[standby].start())
        })?;
        self.fail_over().await?;
        self.recovered().await
    }

    pub(super) async fn clock_skew(&mut self) -> Result<(), String> {
        self.pause(2000..4000).await;
        let standby = self.standby();
        // Behind: leases end ten minutes late by the new clock. Ahead: all have ended.
        let seconds = if self.injected.is_multiple_of(2) { -600 } else { 600 };
        let clock = wrong_clock(seconds).ok_or("libfaketime is not installed")?;
        block_in_place(|| {
            said(self.servers[standby].stop())?;
            self.servers[standby].env(clock);
            said(self.servers[standby].start())
        })?;
        said(self.servers[self.primary].followed(NAMES[standby], true).await)?;
        let before = self.sender.book.acknowledged_so_far();
        self.kill_primary().await?;
        // No item waits for as long as the clocks differ.
        self.arrived(&before).await?;
        // The other one's clock is right again when its turn comes.
        let standby = self.standby();
        self.servers[standby].env(Vec::new());
        Ok(())
    }

    /// Waits until these have arrived, for no longer than whoever held them may.
    async fn arrived(&mut self, numbers: &HashSet<usize>) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            self.mdss.look()?;
            let lost = self.sender.book.compare(&self.mdss.tally).lost;
            let (_, missing) = self.sender.book.forgive(lost, numbers);
            if missing == 0 {
                return Ok(());
            }
            if begin.elapsed() > LEASE + LATE + SLACK {
                return Err(format!(
                    "{missing} objects wait for longer than a lease, since the clock is another one"
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Announces events, all at once; none may be acknowledged. `end` is what is done to those who wait, again and again.
    async fn in_vain(&mut self, events: &[Object], end: &str) -> Result<(), String> {
        let announced = self.announce(events);
        self.waiting().await?;
        let begin = Instant::now();
        let mut announced = announced;
        loop {
            self.ask(end).await?;
            while let Some(heard) = announced.try_join_next() {
                vain(heard.unwrap_or(false))?;
            }
            if announced.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > LIMIT {
                return Err("a relay does not answer while the standby is away".into());
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn unheard(&mut self, mut announced: JoinSet<bool>) -> Result<(), String> {
        while let Some(heard) = announced.join_next().await {
            vain(heard.unwrap_or(false))?;
        }
        Ok(())
    }

    /// Each by a sender that waits as long as a relay may take.
    fn announce(&self, events: &[Object]) -> JoinSet<bool> {
        let mut announced = JoinSet::new();
        for event in events {
            let (patient, body, event) = (self.sender.patient(), self.sender.body(&[*event], &[]), *event);
            announced.spawn(async move { patient.tell(&[event], body).await });
        }
        announced
    }

    /// Waits until a commit waits.
    async fn waiting(&self) -> Result<(), String> {
        let begin = Instant::now();
        let waits = format!("SELECT 1 {WAITING}");
        while self.ask(&waits).await?.is_empty() {
            if begin.elapsed() > LIMIT {
                return Err("no commit waits for the standby".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

fn vain(heard: bool) -> Result<(), String> {
    match heard {
        true => Err("a sender heard \"done\" while no standby had its event".into()),
        false => Ok(()),
    }
}
