//! A spool moves from a file into the database, and back, by `mdss-relay spool move`, which is killed on the way. What counts is counted where it counts:
//! at MDSS, which must get every object that was acknowledged before, once.

use std::time::{Duration, Instant};

use drive::{Process, Program};
use tokio::time::sleep;

use super::field::{DATABASE, Field};
use crate::fault::Fault;
use crate::mdss::with_causes;
use crate::oracle::{Object, Unit};
use crate::relay::{DATA, Ours, routes};
use crate::stage::STORM;
use crate::watching::drain;

/// Objects that MDSS has accepted before the spool moves: what is known of them goes along. As many of those that wait are announced again.
const KNOWN: usize = 30;

/// Objects that one event announces. A step of the move takes a hundred events, so this is twenty steps.
const TOGETHER: usize = 3;
const WAITING: usize = 2000 * TOGETHER;

/// How often the move is killed on each way: once while it starts, twice while a lock keeps it waiting, and then each time after a step.
const KILLS: u32 = 6;

/// How long a move may take that nobody kills, or a step of it. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(120);

/// The pause between two looks at how far a move is.
const LOOK: Duration = Duration::from_millis(5);

/// What a move writes when it stores, and when it deletes; what it reads is free, and so is a row of it that it locks.
const HOLD: &str = "LOCK TABLE mdss_relay.item IN SHARE ROW EXCLUSIVE MODE";

impl Field {
    /// A relay that works on a file takes events while MDSS takes none, and ends. The move is killed again and again and resumed until it is done. Then the
    /// relays on the database send what waits; and the same from there to the file.
    pub(super) async fn kill_move(&mut self) -> Result<(), String> {
        let place = self.beside("file")?;
        let (mut file, url_file, config) =
            (self.on_file(&place)?, place.join("url"), place.join("relay.toml"));
        let own = |path: &std::path::Path, text: &str| {
            std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        own(&url_file, &self.servers[self.primary].url(DATABASE))?;
        own(&config, &routes(true))?;
        let (url_file, config) = (url_file.display().to_string(), config.display().to_string());
        let data = place.join(DATA).display().to_string();

        self.stop_all().await?;
        begin(&mut file).await?;
        let waiting = self.store(&format!("http://{}/events", file.address()), false).await?;
        file.stop().await?;
        self.through_kills(&["--from", &data, "--to-url-file", &url_file], waiting.len()).await?;
        // If something is missing, MDSS gets what is there all the same: then it is known what was lost.
        let found = self.must_be_stored(WAITING).await;
        self.start_all().await?;
        self.send(&self.sender.url.clone(), &waiting, false).await?;
        found?;

        let waiting = self.store(&self.sender.url.clone(), true).await?;
        self.stop_all().await?;
        let mut back = vec!["--from-url-file", &url_file, "--to", &data];
        // Without the routes a file gets hashes of what tells one write from another, with them the texts.
        if self.injected.is_multiple_of(2) {
            back.extend(["--config", &config]);
        }
        self.through_kills(&back, waiting.len()).await?;
        let found = self.must_be_stored(0).await;
        begin(&mut file).await?;
        self.send(&format!("http://{}/events", file.address()), &waiting, true).await?;
        found?;
        file.stop().await?;
        self.start_all().await?;
        self.recovered().await
    }

    /// Lets a relay store what it cannot send. Some objects before it can, so that MDSS has accepted them.
    async fn store(&mut self, url: &str, killed: bool) -> Result<Vec<Object>, String> {
        let mut objects = self.announce_all(url, KNOWN).await?;
        self.sent().await?;
        // Nothing is under way, so this excuses nothing.
        match killed {
            true => self.mdss.kill().await?,
            false => self.mdss.script(None, Fault::Storm503.steps(), STORM).await?,
        }
        objects.extend(self.announce_all(url, WAITING).await?);
        Ok(objects)
    }

    /// Announces some once more of what is known by a mark, because MDSS has accepted it or because it waits: no move has forgotten it. Only some, because
    /// what a move had lost would come in again by this. Then lets MDSS take everything.
    async fn send(&mut self, url: &str, objects: &[Object], killed: bool) -> Result<(), String> {
        let some = objects.iter().copied().take(2 * KNOWN);
        let marked: Vec<Object> = some.filter(|object| object.marked).collect();
        self.deliver_all(url, &marked).await?;
        match killed {
            true => self.mdss.up().await?,
            false => self.mdss.calm().await?,
        }
        self.sent().await
    }

    async fn announce_all(&self, url: &str, many: usize) -> Result<Vec<Object>, String> {
        // Every other one carries a mark.
        let objects: Vec<Object> =
            (0..many).map(|number| self.sender.book.issue(Unit::Good, number % 2 == 0)).collect();
        self.deliver_all(url, &objects).await?;
        Ok(objects)
    }

    async fn deliver_all(&self, url: &str, objects: &[Object]) -> Result<(), String> {
        let mut patient = self.sender.patient();
        patient.url = url.to_owned();
        let mut shares = tokio::task::JoinSet::new();
        for share in objects.chunks(objects.len().div_ceil(self.plan.senders.max(1) as usize).max(1)) {
            let (patient, share) = (patient.clone(), share.to_vec());
            shares.spawn(async move {
                for some in share.chunks(TOGETHER) {
                    if !patient.deliver(some, &[]).await {
                        return false;
                    }
                }
                true
            });
        }
        match shares.join_all().await.into_iter().all(|took| took) {
            true => Ok(()),
            false => Err("a relay in order took no events".into()),
        }
    }

    /// Waits until MDSS has everything that was acknowledged.
    async fn sent(&mut self) -> Result<(), String> {
        drain(&self.sender, &mut self.mdss, self.plan.patience).await?;
        let missing = self.sender.book.compare(&self.mdss.tally).lost.len();
        match missing {
            0 => Ok(()),
            _ => Err(format!("{missing} objects that were acknowledged before the spool moved do not come")),
        }
    }

    /// Moves, and kills the move: at any moment while it starts; before the commit where the events go, or between that and the one where they come from; and
    /// at any moment after a step.
    async fn through_kills(&mut self, way: &[&str], waiting: usize) -> Result<(), String> {
        let program = Program::new(&self.plan.tool).args(["spool", "move"]).args(way.iter().copied());
        // There is one server.
        let program = program.env("RELAY_SPOOL_DURABILITY", "server");
        let mut amid = 0;
        for number in 0..KILLS {
            let before = self.stored().await?;
            let mut holder = None;
            let mut process = program.start().map_err(|e| with_causes(&e))?;
            match number {
                0 => self.pause(0..150).await,
                1 | 2 => {
                    let (hold, pid) = self.hold(HOLD).await?;
                    self.keeps_waiting(pid).await?;
                    holder = Some(hold);
                }
                _ => {
                    let begun = Instant::now();
                    while self.stored().await? == before && !over(&mut process)? {
                        if begun.elapsed() > LIMIT {
                            return Err("a move does not move anything".into());
                        }
                        sleep(LOOK).await;
                    }
                    self.pause(0..60).await;
                }
            }
            over(&mut process)?;
            // Dropped, it is killed and waited for.
            drop(process);
            // Else the database does what the dead move had asked for, while the next one begins.
            if number == 2 {
                self.end_waits().await?;
            }
            drop(holder);
            amid += usize::from((1..waiting).contains(&self.stored().await?));
        }
        if amid == 0 {
            return Err("no move was killed on its way".into());
        }
        let mut process = program.start().map_err(|e| with_causes(&e))?;
        match process.wait(LIMIT).await {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("a move ended with {status}: {}", process.output())),
            Err(error) => return Err(with_causes(&error)),
        }
        let whither = if way[0] == "--from" { "to the database" } else { "to the file" };
        self.notes.push(format!("the move {whither} was killed {KILLS} times, {amid} times on its way"));
        Ok(())
    }

    /// How many items the database has.
    async fn stored(&self) -> Result<usize, String> {
        let count = self.ask("SELECT count(*)::text FROM mdss_relay.item").await?.concat();
        count.parse().map_err(|_| format!("{count} items"))
    }

    async fn must_be_stored(&self, expected: usize) -> Result<(), String> {
        match self.stored().await? {
            found if found == expected => Ok(()),
            found => Err(format!("the database has {found} items after the move, expected {expected}")),
        }
    }

    async fn stop_all(&mut self) -> Result<(), String> {
        for replica in &mut self.replicas {
            replica.ours.up().await?;
            replica.ours.stop().await?;
        }
        Ok(())
    }

    async fn start_all(&mut self) -> Result<(), String> {
        for replica in &mut self.replicas {
            begin(&mut replica.ours).await?;
        }
        Ok(())
    }
}

async fn begin(relay: &mut Ours) -> Result<(), String> {
    relay.start()?;
    relay.up().await
}

/// Whether a move has ended by itself, as it should.
fn over(process: &mut Process) -> Result<bool, String> {
    match process.ended().map_err(|e| with_causes(&e))? {
        None => Ok(false),
        Some(status) if status.success() => Ok(true),
        Some(status) => Err(format!("a move ended with {status}: {}", process.output())),
    }
}
