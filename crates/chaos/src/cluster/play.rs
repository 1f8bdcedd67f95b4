//! One row: senders begin, a fault is injected again and again, everything is mended, and then it is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use postgres_rig::Line;

use super::Plan;
use super::field::{DATABASE, Field, said};
use super::kind::Kind;
use crate::oracle::{Object, Unit};
use crate::table::Row;
use crate::watching::{drain, fresh, refused};

/// For how long a relay holds what it has claimed, and how much later it must be on its way again.
pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const LATE: Duration = Duration::from_secs(5);

/// What a machine that does much else at the time may add.
pub(super) const SLACK: Duration = Duration::from_secs(5);

/// How long a relay without its database may go on sending: what it was granted is a quarter of a second's worth, and its
/// requests take a moment.
const GRANT: Duration = Duration::from_secs(1);

/// Objects by which a relay that was frozen is judged. Below five, so that no lane is held for them.
const TRAPS: usize = 3;

/// Runs one row. What goes wrong with the kit itself stands in the row too.
pub(super) async fn run(plan: Arc<Plan>, kind: Kind) -> Row {
    let begin = Instant::now();
    let mut row = Row::new(kind.name());
    let prefix = format!("chaos-{:016x}-{}", plan.seed, kind.name());
    let outcome = match Field::lay(plan, kind, prefix).await {
        Ok(mut field) => {
            let outcome = field.play().await;
            row.injected = field.injected;
            row.fresh = matches!(&outcome, Ok(true));
            let mut count = field.sender.book.compare(&field.mdss.tally);
            let bound = field.excused + count.unanswered;
            (count.lost, row.forgone) = field.sender.book.forgive(count.lost, &field.forgone);
            row.count(count, Some(bound));
            row.notes = std::mem::take(&mut field.notes);
            if let Some(longest) = field.longest {
                row.notes.push(format!(
                    "once the new primary had its standby, an event reached MDSS within {longest:.1?}"
                ));
            }
            if !field.forgone.is_empty() {
                row.notes.push(format!(
                    "{} acknowledged objects were lost, of {} that were acknowledged while the standby had lost touch: \
                     asynchronous replication promises none of them",
                    row.forgone,
                    field.forgone.len()
                ));
            }
            if !row.ok() {
                row.output = field.output() + &field.tables().await;
            }
            outcome.map(|_| ())
        }
        Err(trouble) => Err(trouble),
    };
    row.trouble = outcome.err();
    row.seconds = begin.elapsed().as_secs_f64();
    row
}

impl Field {
    /// True if a fresh event has passed after the faults.
    async fn play(&mut self) -> Result<bool, String> {
        let units: &[Unit] =
            if self.kind.has_two_configurations() { &[Unit::Good, Unit::Odd] } else { &[Unit::Good] };
        let (stop, stopped) = watch::channel(false);
        let mut senders = JoinSet::new();
        let many = if self.kind.is_quiet() { 0 } else { self.plan.senders };
        for _ in 0..many {
            let (rng, stopped) = (self.rng.fork(), stopped.clone());
            senders.spawn(self.sender.clone().run(units, rng, stopped));
        }
        let outcome = self.inject_all().await;
        stop.send_replace(true);
        while senders.join_next().await.is_some() {}
        if let Err(trouble) = outcome {
            // Lost is what never came, not what nobody has waited for.
            drain(&self.sender, &mut self.mdss, self.plan.patience).await?;
            return Err(trouble);
        }
        let mut passes = true;
        for unit in units {
            passes &= self.fresh(*unit).await?;
        }
        let mut patience = self.plan.patience;
        if !self.forgone.is_empty() {
            self.emptied().await?;
            // What is in no table does not come any more.
            patience = LATE;
        }
        let last = drain(&self.sender, &mut self.mdss, patience).await?;
        if let Some(died) = self.died
            && let late = last.saturating_duration_since(died)
            && late > LEASE + LATE + SLACK
        {
            return Err(format!("an object came {late:?} after the relay that held it had died"));
        }
        if self.kind.has_ledger() {
            self.compare_with_ledger().await?;
        }
        Ok(passes)
    }

    /// Waits until nothing is stored any more.
    async fn emptied(&self) -> Result<(), String> {
        let begin = Instant::now();
        while self.ask("SELECT count(*) FROM mdss_relay.item").await?.concat() != "0" {
            if begin.elapsed() > self.plan.patience {
                return Err("the spool is never empty".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What the database says of items that have not gone out.
    async fn tables(&self) -> String {
        let items = "SELECT format('%s %s, attempts %s, reason %s, claim %s, next %s', key, state, attempts, reason, claim, not_before - now()) \
                     FROM mdss_relay.item ORDER BY id LIMIT 10";
        let told = self.ask(items).await.unwrap_or_else(|trouble| vec![trouble]);
        told.iter().map(|line| format!("in the database: {line}\n")).collect()
    }

    async fn inject_all(&mut self) -> Result<(), String> {
        // Before anything is broken, there is something to break: tables, and relays that use them.
        if self.kind != Kind::Rate {
            self.recovered().await?;
        }
        let cycles = self.plan.cycles.unwrap_or(self.kind.cycles());
        while self.injected < cycles {
            self.inject(self.kind).await?;
            self.injected += 1;
        }
        Ok(())
    }

    /// Injects a fault once, and mends it.
    async fn inject(&mut self, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::KillReplica => self.kill_replica().await,
            Kind::FreezeReplica => self.freeze_replica().await,
            Kind::RollingRestart => self.rolling_restart().await,
            Kind::KillPrimary => self.kill_primary().await,
            Kind::KillPrimaryAsync => self.kill_primary_async().await,
            Kind::StandbyAway => self.standby_away(false).await,
            Kind::CrashPrimary => self.standby_away(true).await,
            Kind::CancelWaits => self.cancel_waits().await,
            Kind::Partition => self.partition().await,
            Kind::RestartPooler => self.restart_pooler().await,
            Kind::FullDisk => self.full_disk().await,
            Kind::KillLedger => self.kill_between().await,
            Kind::FullLedger => self.fill_the_ledger().await,
            Kind::EditedLedger => self.edit_a_row().await,
            Kind::ClockSkew => self.clock_skew().await,
            Kind::KillMove => self.kill_move().await,
            Kind::Upgrade | Kind::SettingsDiffer => self.upgrade().await,
            Kind::LongTransaction => self.long_transaction().await,
            Kind::Rate => self.rate().await,
            Kind::Everything => {
                let next = Kind::RANDOM[self.rng.usize(..Kind::RANDOM.len())];
                // What comes late now comes late because of this one.
                self.died = None;
                crate::progress(&format!("everything: {}", next.name()));
                Box::pin(self.inject(next)).await
            }
        }
    }

    async fn kill_replica(&mut self) -> Result<(), String> {
        let one = self.rng.usize(..self.replicas.len());
        // One in four dies while it starts.
        if self.rng.u8(..) >= 64 {
            self.replicas[one].ours.up().await?;
            self.pause(50..400).await;
        }
        self.replicas[one].ours.kill();
        self.died = Some(Instant::now());
        self.excused += self.at_once() + self.batch();
        self.pause(0..500).await;
        self.replicas[one].ours.start()
    }

    async fn rolling_restart(&mut self) -> Result<(), String> {
        for one in 0..self.replicas.len() {
            self.replicas[one].ours.up().await?;
            self.pause(50..300).await;
            self.replicas[one].ours.stop().await?;
            self.replicas[one].ours.start()?;
            self.replicas[one].ours.up().await?;
        }
        Ok(())
    }

    /// Beside what it has under way, the frozen relay has some objects whose requests hang. When its lease has ended, others
    /// send them again, and MDSS takes its time. Meanwhile the frozen one wakes, finds that its requests have failed, and
    /// must not put back what others hold by now: the objects would be sent a third time.
    async fn freeze_replica(&mut self) -> Result<(), String> {
        let one = self.rng.usize(..self.replicas.len());
        for replica in &mut self.replicas {
            replica.ours.up().await?;
        }
        let traps: Vec<Object> = (0..TRAPS).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        for trap in &traps {
            let key = self.sender.book.key(*trap);
            let steps = [r#""hang""#, r#"{"delay":{"ms":8000}}"#];
            self.mdss.script(Some(&key), &steps, steps.len()).await?;
        }
        // To that relay itself, and what it has accepted it claims at once; but another one might be quicker. So the others stand still meanwhile.
        let mut direct = self.sender.patient();
        direct.url = format!("http://{}/events", self.replicas[one].ours.address());
        self.signal_others(one, "STOP")?;
        let took = direct.deliver(&traps, &[]).await;
        sleep(Duration::from_millis(300)).await;
        self.signal_others(one, "CONT")?;
        if !took {
            return Err("a relay in order took no events".into());
        }
        self.pause(400..600).await;
        let begin = Instant::now();
        self.replicas[one].ours.signal("STOP")?;
        sleep(LEASE + Duration::from_secs(4)).await;
        self.replicas[one].ours.signal("CONT")?;
        self.excused += self.at_once() + self.batch();
        let names: Vec<_> =
            traps.iter().map(|trap| (trap.unit.id().to_owned(), self.sender.book.key(*trap))).collect();
        while names.iter().any(|name| !self.mdss.tally.contains_key(name)) {
            if begin.elapsed() > LEASE + self.plan.patience {
                return Err("what a frozen relay held never went out".into());
            }
            sleep(Duration::from_millis(20)).await;
            self.mdss.look()?;
        }
        // Long enough for a third request, which nothing would delay.
        sleep(Duration::from_secs(5)).await;
        self.mdss.look()?;
        let again = names.iter().filter(|name| self.mdss.tally.get(name) != Some(&1)).count();
        if again > 0 {
            return Err(format!(
                "{again} objects were sent once more because a relay that had been frozen put back what others held"
            ));
        }
        self.recovered().await
    }

    fn signal_others(&mut self, than: usize, signal: &str) -> Result<(), String> {
        let mut others = self.replicas.iter_mut().enumerate().filter(|(one, _)| *one != than);
        others.try_for_each(|(_, replica)| replica.ours.signal(signal))
    }

    async fn partition(&mut self) -> Result<(), String> {
        let one = self.rng.usize(..self.replicas.len());
        self.replicas[one].ours.up().await?;
        self.pause(100..500).await;
        self.replicas[one].lines.iter().for_each(|line| line.set(Line::Held));
        self.excused +=
            self.at_once() + u64::from(self.kind.rate(self.plan.senders).unwrap_or_default()) * 3 / 10;
        sleep(GRANT).await;
        let before = self.replicas[one].out.passed();
        // One in three lasts longer than what it has claimed is its own.
        if self.injected % 3 == 2 {
            self.pause(62_000..90_000).await
        } else {
            self.pause(4000..8000).await
        }
        let after = self.replicas[one].out.passed();
        self.replicas[one].lines.iter().for_each(|line| line.set(Line::Open));
        if after != before {
            return Err(format!(
                "a relay that was cut off for {GRANT:?} sent {} bytes to MDSS",
                after - before
            ));
        }
        self.recovered().await
    }

    async fn restart_pooler(&mut self) -> Result<(), String> {
        self.pause(300..1000).await;
        let pooler = self.pooler.as_mut().ok_or("no pooler")?;
        said(block_in_place(|| pooler.kill()))?;
        self.pause(0..600).await;
        let pooler = self.pooler.as_mut().ok_or("no pooler")?;
        said(block_in_place(|| pooler.start_again()))?;
        self.recovered().await
    }

    async fn full_disk(&mut self) -> Result<(), String> {
        self.pause(200..500).await;
        said(block_in_place(|| self.disk.as_ref().map_or(Ok(()), postgres_rig::SmallDisk::fill)))?;
        refused(&self.sender, self.plan.patience, "the disk did not get full").await?;
        self.pause(300..2000).await;
        said(self.disk.as_ref().map_or(Ok(()), postgres_rig::SmallDisk::free))?;
        self.recovered().await
    }

    async fn long_transaction(&mut self) -> Result<(), String> {
        let reader = said(postgres_rig::client(&self.servers[self.primary].admin_url(DATABASE)).await)?;
        let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM mdss_relay.item";
        reader.simple_query(hold).await.map_err(|e| crate::mdss::with_causes(&e))?;
        self.pause(8000..12_000).await;
        // While it is still open.
        self.recovered().await
    }

    /// Waits until an event passes.
    pub(super) async fn recovered(&mut self) -> Result<(), String> {
        if self.fresh(Unit::Good).await? {
            return Ok(());
        }
        let patience = self.plan.patience;
        Err(format!("no event that was sent after the fault was delivered within {patience:?}"))
    }

    async fn fresh(&mut self, unit: Unit) -> Result<bool, String> {
        for replica in &mut self.replicas {
            replica.ours.up().await?;
        }
        fresh(&self.sender, &mut self.mdss, unit, self.plan.patience).await
    }
}
