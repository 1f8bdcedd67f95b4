//! One row: everything is set up anew, senders begin, a fault is injected again and again, everything is mended, and then
//! it is counted.

mod ledger;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fault::Fault;
use crate::mdss::Mdss;
use crate::options::{Mode, Options};
use crate::oracle::{Book, Object, Unit};
use crate::relay::{Around, DATA, Ours, Relay, Setup, free_address};
use crate::sender::{Sender, Wording, record};
use crate::sockets::misbehave;
use crate::table::Row;
use crate::watching::{drain, fresh, refused};

/// Steps of a storm; no relay uses them up before it is over.
pub(crate) const STORM: usize = 5000;

/// How long MDSS takes for a restart.
const AWAY: Duration = Duration::from_secs(20);

/// How late the first object may be after MDSS is back from an outage of seconds.
const RETURN: Duration = Duration::from_millis(1500);

/// Objects of which the log says more than a pipe takes: each has two lines of 300 bytes and more.
const UNREAD: u64 = 400;

/// Senders wait for two seconds and come again: who serves at all acknowledges something in this time.
const STANDSTILL: Duration = Duration::from_secs(15);

struct Stage {
    options: Arc<Options>,
    fault: Fault,
    rng: fastrand::Rng,
    relay: Relay,
    mdss: Mdss,
    sender: Sender,
    /// How many duplicates the faults injected so far excuse.
    excused: u64,
    injected: u32,
    /// Connections of senders that say nothing.
    held: Vec<TcpStream>,
    /// Last, so that it goes after those who work in it.
    dir: TempDir,
}

/// What begins the keys of a row.
pub(crate) fn prefix(options: &Options, fault: Fault) -> String {
    format!("chaos-{:016x}-{}", options.seed, fault.name())
}

/// Runs one row. What goes wrong with the kit itself stands in the row too.
pub(crate) async fn run(options: Arc<Options>, fault: Fault, earlier: Vec<String>) -> Row {
    let begin = Instant::now();
    let prefix = prefix(&options, fault);
    let mut row = Row::new(fault.name());
    let stage = Stage::set_up(options, fault, &prefix, earlier).await;
    let outcome = match stage {
        Ok(mut stage) => {
            let outcome = stage.play().await;
            row.injected = stage.injected;
            row.fresh = matches!(&outcome, Ok(true));
            let count = stage.sender.book.compare(&stage.mdss.tally);
            // A relay of ours keeps to its settings; of another one nobody knows how much it has under way.
            let bound = matches!(stage.relay, Relay::Ours(_)).then_some(stage.excused + count.unanswered);
            row.count(count, bound);
            if !row.ok()
                && let Relay::Ours(ours) = &stage.relay
            {
                row.output = ours.output();
            }
            outcome.map(|_| ())
        }
        Err(trouble) => Err(trouble),
    };
    row.trouble = outcome.err();
    row.seconds = begin.elapsed().as_secs_f64();
    row
}

impl Stage {
    async fn set_up(
        options: Arc<Options>,
        fault: Fault,
        prefix: &str,
        earlier: Vec<String>,
    ) -> Result<Self, String> {
        let dir = tempfile::Builder::new()
            .prefix("mdss-chaos-")
            .tempdir()
            .map_err(|e| format!("no directory for the relay: {e}"))?;
        let listen = match options.listen {
            Some(listen) => listen,
            None => free_address()?,
        };
        let mdss = Mdss::start(listen, dir.path(), options.api_key.clone()).await?;
        let ledger = dir.path().join(ledger::LEDGER);
        let with_ledger = [("RELAY_LEDGER", "on"), ("RELAY_LEDGER_DIR", ledger.to_str().unwrap_or_default())];
        let relay = match &options.url {
            Some(url) => Relay::Theirs { url: url.clone() },
            None => {
                let mut ours = Ours::new(
                    &Setup {
                        program: &options.relay,
                        mode: if fault == Fault::AwayMdss { Mode::Direct } else { options.mode }.name(),
                        webhook: mdss.webhook(),
                        concurrency: options.concurrency,
                        timeout: if fault.hangs() { "2s" } else { "10s" },
                        around: match fault {
                            Fault::StalledLog => Around::UnreadLog,
                            Fault::FullLedger => Around::SmallDisk(&ledger, ledger::SMALL),
                            _ => Around::Nothing,
                        },
                        more: match fault {
                            // A line for each event: a pipe takes 64 KiB.
                            Fault::StalledLog => &[("RELAY_LOG", "info")],
                            Fault::FullSpool => &[("RELAY_SPOOL_LIMIT", "1MiB")],
                            // Longer than it is away, and than the pause between two tries.
                            Fault::AwayMdss => &[("RELAY_DEADLINE", "35s")],
                            fault if fault.has_ledger() => &with_ledger,
                            _ => &[],
                        },
                        dir: dir.path(),
                        address: None,
                        odd: true,
                    },
                    &mdss.key,
                )?;
                ours.start()?;
                ours.up().await?;
                Relay::Ours(Box::new(ours))
            }
        };
        let book = Arc::new(Book::new(prefix.to_owned(), earlier));
        let padding = if fault == Fault::FullSpool { 8 << 10 } else { 0 };
        let sender = Sender::new(relay.url(), book, options.wording, padding);
        let rng = fastrand::Rng::with_seed(options.seed ^ fault as u64);
        Ok(Self { options, fault, rng, relay, mdss, sender, excused: 0, injected: 0, held: Vec::new(), dir })
    }

    /// True if a fresh event has passed after the faults.
    async fn play(&mut self) -> Result<bool, String> {
        let (stop, stopped) = watch::channel(false);
        let units: &[Unit] =
            if self.fault == Fault::BadUnit { &[Unit::Good, Unit::Odd] } else { &[Unit::Good] };
        let mut senders = JoinSet::new();
        for _ in 0..self.options.senders {
            let (rng, stopped) = (self.rng.fork(), stopped.clone());
            senders.spawn(self.sender.clone().run(units, rng, stopped));
        }
        let outcome = self.inject_all().await;
        // What goes on while the senders stop is a relay and an MDSS in order.
        stop.send_replace(true);
        while senders.join_next().await.is_some() {}
        let fresh = match outcome {
            Ok(()) => {
                let mut fresh = true;
                for unit in units {
                    fresh &= self.fresh(*unit).await?;
                }
                Ok(fresh)
            }
            Err(trouble) => Err(trouble),
        };
        self.drain().await?;
        // What broke the row is said before what came of it.
        let compared = if self.fault.has_ledger() { self.compare_with_ledger().await } else { Ok(()) };
        self.held.clear();
        fresh.and_then(|fresh| compared.map(|()| fresh))
    }

    async fn inject_all(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        let cycles = self.options.cycles.unwrap_or(self.fault.facts().cycles);
        loop {
            match self.options.time {
                Some(time) if begin.elapsed() >= time => return Ok(()),
                None if self.injected >= cycles => return Ok(()),
                _ => {}
            }
            self.inject(self.fault).await?;
            self.injected += 1;
            if self.injected.is_multiple_of(50) {
                crate::progress(&format!("{}: {} times", self.fault.name(), self.injected));
            }
        }
    }

    /// Injects a fault once, and mends it.
    async fn inject(&mut self, fault: Fault) -> Result<(), String> {
        let at_once = u64::from(self.options.concurrency);
        match fault {
            Fault::None => self.pause(100..300).await,
            Fault::KillRelay => {
                // One in four dies while it starts.
                if self.rng.u8(..) < 64 {
                    self.pause(0..40).await;
                } else {
                    self.relay.ours()?.up().await?;
                    self.pause(0..300).await;
                }
                let relay = self.relay.ours()?;
                relay.kill();
                relay.start()?;
                // What MDSS has accepted and the relay has not written down yet: requests under way, two rounds that are
                // queued, and at most four rounds of outcomes before it claims no more.
                self.excused += 33 * at_once;
            }
            Fault::RestartRelay => {
                self.relay.ours()?.up().await?;
                self.pause(50..300).await;
                let relay = self.relay.ours()?;
                relay.stop().await?;
                relay.start()?;
            }
            Fault::FreezeRelay => {
                self.relay.ours()?.up().await?;
                self.pause(50..300).await;
                self.relay.ours()?.signal("STOP")?;
                self.pause(200..3000).await;
                self.relay.ours()?.signal("CONT")?;
                // What was under way may have run out of time while nobody looked at the clock.
                self.excused += at_once;
            }
            Fault::FullDisk => {
                self.relay.ours()?.up().await?;
                self.pause(50..300).await;
                let room = self.rng.u64(8..80) << 10;
                self.relay.ours()?.limit_files(Some(room))?;
                self.refused("the disk did not get full").await?;
                self.pause(100..1200).await;
                let killed = self.rng.u8(..) < 85;
                let relay = self.relay.ours()?;
                if killed {
                    relay.kill();
                    relay.start()?;
                    self.excused += 33 * at_once;
                } else {
                    relay.limit_files(None)?;
                }
                self.recovered().await?;
            }
            Fault::FullSpool => {
                self.mdss.script(None, fault.steps(), STORM).await?;
                self.refused("the spool did not get full").await?;
                self.pause(0..300).await;
                self.mdss.calm().await?;
                self.recovered().await?;
            }
            Fault::TakenFiles => {
                self.relay.ours()?.up().await?;
                self.pause(50..300).await;
                take_files(&self.dir.path().join(DATA), self.rng.usize(..TAKEN)).await?;
                // A new file has new numbers: what MDSS said meanwhile of the old ones is asked again.
                self.excused += 33 * at_once;
                // What was acknowledged before is only safe once the relay has noticed, which is with this one.
                self.recovered().await?;
                if self.rng.u8(..) < 85 {
                    let relay = self.relay.ours()?;
                    relay.kill();
                    relay.start()?;
                    self.excused += 33 * at_once;
                }
            }
            Fault::KillLedger => {
                self.kill_between().await?;
                self.excused += 33 * at_once;
            }
            Fault::FullLedger => self.fill_the_ledger().await?,
            Fault::EditedLedger => self.edit_a_row().await?,
            Fault::SlowSockets => {
                for which in 0..25 {
                    let object = self.sender.book.issue(Unit::Good, self.rng.bool());
                    misbehave(&self.sender, which, object, &mut self.held).await?;
                }
                self.pause(0..200).await;
            }
            Fault::StalledLog => {
                self.relay.ours()?.up().await?;
                self.served(UNREAD).await?;
                self.recovered().await?;
                let relay = self.relay.ours()?;
                relay.stop().await?;
                relay.start()?;
            }
            Fault::KillMdss => {
                self.pause(100..500).await;
                self.mdss.kill().await?;
                // Accepted, and the relay could not hear it.
                self.excused += at_once;
                self.pause(0..400).await;
                self.mdss.up().await?;
                // Otherwise the relay, which learns to wait, would meet the later kills asleep.
                if self.injected % 5 == 4 {
                    self.recovered().await?;
                }
            }
            Fault::AwayMdss => {
                self.pause(100..500).await;
                self.mdss.kill().await?;
                // Accepted, and the relay could not hear it.
                self.excused += at_once;
                let object = self.sender.book.issue(Unit::Good, true);
                let (patient, body) = (self.sender.patient(), self.sender.body(&[object], &[]));
                let announced = tokio::spawn(async move { patient.tell(&[object], body).await });
                sleep(AWAY).await;
                self.mdss.up().await?;
                if !announced.await.is_ok_and(|done| done) {
                    return Err(format!("an event that came while MDSS was away for {AWAY:?} was refused"));
                }
                self.recovered().await?;
            }
            Fault::ReturnMdss => {
                self.pause(100..500).await;
                // Killed, answering 503, and silent, in turn. What hangs goes on hanging when it is back.
                let storm = [None, Some(Fault::Storm503), Some(Fault::StormHang)][self.injected as usize % 3];
                match storm {
                    Some(storm) => self.mdss.script(None, storm.steps(), STORM).await?,
                    None => self.mdss.kill().await?,
                }
                // Accepted, and the relay could not hear it; or given up, and accepted on a machine that stood still.
                self.excused += at_once;
                self.pause(2000..9000).await;
                match storm {
                    Some(_) => self.mdss.calm().await?,
                    None => self.mdss.up().await?,
                }
                self.mdss.look()?;
                let back = Instant::now();
                while !self.mdss.look()? {
                    if back.elapsed() > RETURN {
                        return Err(format!("MDSS was back, and got nothing for {RETURN:?}"));
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                self.recovered().await?;
            }
            Fault::FreezeMdss => {
                self.pause(100..500).await;
                self.mdss.signal("STOP")?;
                self.pause(500..4000).await;
                self.mdss.signal("CONT")?;
                // Whatever was sent until the breaker opened, and its probes, is read after all.
                self.excused += 2 * at_once + 8;
                self.recovered().await?;
            }
            Fault::Storm500
            | Fault::Storm429
            | Fault::Storm503
            | Fault::Storm401
            | Fault::StormHtml
            | Fault::StormHang
            | Fault::StormReset => {
                self.pause(100..300).await;
                self.mdss.script(None, fault.steps(), STORM).await?;
                self.pause(if fault == Fault::StormHang { 2200..3500 } else { 700..1800 }).await;
                self.mdss.calm().await?;
                if self.fault.hangs() {
                    // With so short a time-out a machine that stands still for a moment is enough.
                    self.excused += at_once;
                }
                self.recovered().await?;
            }
            Fault::StormUnheard => {
                self.pause(100..300).await;
                let times = 2 * self.options.concurrency as usize;
                self.mdss.script(None, fault.steps(), times).await?;
                self.pause(700..1800).await;
                self.mdss.calm().await?;
                self.excused += times as u64;
                self.recovered().await?;
            }
            Fault::WrongKey => {
                self.pause(100..300).await;
                self.mdss.key = format!("key-{:016x}", self.rng.u64(..));
                self.mdss.kill().await?;
                self.mdss.up().await?;
                self.excused += at_once;
                self.pause(700..1800).await;
                self.relay.ours()?.exchange_key(&self.mdss.key)?;
                self.recovered().await?;
            }
            Fault::BadUnit => {
                for off in [true, false] {
                    self.mdss.odd_off = off;
                    self.mdss.kill().await?;
                    self.mdss.up().await?;
                    self.excused += at_once;
                    self.pause(300..1200).await;
                    // It keeps no other one waiting.
                    self.recovered().await?;
                }
            }
            Fault::Poison => self.poison().await?,
            Fault::Everything => {
                let some = [
                    Fault::KillRelay,
                    Fault::KillRelay,
                    Fault::KillMdss,
                    Fault::RestartRelay,
                    Fault::FreezeRelay,
                    Fault::FreezeMdss,
                    Fault::Storm500,
                    Fault::Storm503,
                    Fault::Storm401,
                    Fault::StormReset,
                    Fault::StormUnheard,
                    Fault::Poison,
                ];
                let next = some[self.rng.usize(..some.len())];
                self.excused += at_once;
                Box::pin(self.inject(next)).await?;
            }
        }
        Ok(())
    }

    async fn poison(&mut self) -> Result<(), String> {
        if self.sender.wording() == Wording::Events {
            for _ in 0..3 {
                let good: Vec<Object> =
                    (0..2).map(|_| self.sender.book.issue(Unit::Good, self.rng.bool())).collect();
                // Form-encoded, as this producer does it, and no text once decoded.
                let unreadable = record(Unit::Good, "%ff");
                self.sender.deliver(&good, &[unreadable, json!({ "s3": 7 })]).await;
            }
        }
        for garbage in ["garbage", "{\"Records\":[", "{\"Records\":7}"] {
            self.sender.tell(&[], garbage.into()).await;
        }
        // An object that MDSS cannot digest, three times.
        let object = self.sender.book.issue(Unit::Good, false);
        let key = self.sender.book.key(object);
        self.mdss.script(Some(&key), Fault::Storm500.steps(), 3).await?;
        self.sender.deliver(&[object], &[]).await;
        self.recovered().await
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }

    /// Waits until senders are refused, so that a fault has not been injected in vain.
    async fn refused(&self, otherwise: &str) -> Result<(), String> {
        refused(&self.sender, self.options.patience, otherwise).await
    }

    /// Waits until so many more objects were acknowledged, as long as some are.
    async fn served(&self, objects: u64) -> Result<(), String> {
        let book = &self.sender.book;
        let (mut last, mut when) = (book.acknowledgements(), Instant::now());
        let enough = last + objects;
        while last < enough {
            if book.acknowledgements() > last {
                (last, when) = (book.acknowledgements(), Instant::now());
            }
            if when.elapsed() > STANDSTILL {
                return Err(format!(
                    "nothing was acknowledged for {STANDSTILL:?}, {} objects before the end",
                    enough - last
                ));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Waits until an event passes.
    async fn recovered(&mut self) -> Result<(), String> {
        match self.fresh(Unit::Good).await? {
            true => Ok(()),
            false => Err(format!(
                "no event that was sent after the fault was delivered within {:?}",
                self.options.patience
            )),
        }
    }

    /// Announces a fresh object until it is acknowledged, and waits until MDSS has it.
    async fn fresh(&mut self, unit: Unit) -> Result<bool, String> {
        if let Relay::Ours(ours) = &mut self.relay {
            ours.up().await?;
        }
        fresh(&self.sender, &mut self.mdss, unit, self.options.patience).await
    }

    async fn drain(&mut self) -> Result<(), String> {
        drain(&self.sender, &mut self.mdss, self.options.patience).await.map(|_| ())
    }
}

/// How many ways there are to take a spool's files away.
const TAKEN: usize = 5;

/// Does to the files of a running spool what nobody should; they are there once it has opened them.
async fn take_files(data: &Path, way: usize) -> Result<(), String> {
    let part = |tail: &str| data.join(format!("spool.db{tail}"));
    let remove = |tails: &[&str]| tails.iter().try_for_each(|tail| std::fs::remove_file(part(tail)));
    let exchange = |tail: &str| {
        let copy = data.join("copy");
        std::fs::copy(part(tail), &copy).and_then(|_| std::fs::rename(&copy, part(tail)))
    };
    let begin = Instant::now();
    loop {
        let done = match way % TAKEN {
            0 => remove(&["-wal"]),
            1 => exchange("-wal"),
            2 => remove(&["-shm"]),
            3 => exchange(""),
            _ => remove(&["-wal", "-shm", ""]),
        };
        match done {
            Ok(()) => return Ok(()),
            Err(e) if begin.elapsed() > Duration::from_secs(10) => {
                return Err(format!("{}: {e}", data.display()));
            }
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
