//! What the engine's thread does beside what it is asked for: it stores what is handed in, says that this relay is there, and tidies.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mdss_relay_core::fields;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use super::base::Base;
use super::beat;
use super::committer::{self, Queue};
use super::count;
use super::due;
use super::failure::Fault;
use super::lease::return_all;
use super::room::OLD;
use super::standing;
use super::tidy;
use crate::jump::{JUMP, Jumps};
use crate::trouble::Trouble;

/// How often it looks what there is to do.
const LOOK: Duration = Duration::from_secs(1);

/// How often the server is asked how it stands.
const STANDING: Duration = Duration::from_secs(15);

/// Items that are made due in one statement after the database's clock has gone back.
const STEP: usize = 1000;

/// How long a goodbye may take. Whoever is not heard of any more is forgotten all the same.
const GOODBYE: Duration = Duration::from_secs(3);

/// Keeps the connections until it is stopped: those of a relay that `works`, or of somebody who only visits.
pub(super) async fn keep(base: Arc<Base>, queue: Queue, works: bool, stop: Arc<Notify>) {
    let mut tasks = JoinSet::new();
    if works {
        for place in 0..base.accepts.len() {
            tasks.spawn(store(Arc::clone(&base), place, Arc::clone(&queue)));
        }
        let chores = Arc::clone(&base);
        let chores = tokio::spawn(async move { Chores::new(&chores).run().await });
        stop.notified().await;
        chores.abort();
        let _ = timeout(GOODBYE, async {
            while tasks.join_next().await.is_some() {}
            goodbye(&base).await
        })
        .await;
    } else {
        tasks.spawn(store(Arc::clone(&base), 0, queue));
        stop.notified().await;
        tasks.shutdown().await;
    }
    let _ = timeout(GOODBYE, async {
        for slot in base.slots() {
            slot.close().await;
        }
    })
    .await;
}

/// Stores what is handed in. A defect must not cost more than the group that has met it.
async fn store(base: Arc<Base>, place: usize, queue: Queue) {
    loop {
        let serving = AssertUnwindSafe(committer::serve(Arc::clone(&base), place, Arc::clone(&queue)));
        if serving.catch_unwind().await.is_ok() {
            return;
        }
        error!("the spool failed in an unforeseen way and goes on; please report it");
    }
}

/// Lets others have what this relay had, and know that it goes.
async fn goodbye(base: &Base) -> Result<(), Fault> {
    return_all(base).await?;
    let mut held = base.peers.take().await?;
    held.ask(async |line| beat::leave(line, &base.id).await).await
}

struct Chores<'b> {
    base: &'b Base,
    beaten: Option<Instant>,
    looked: Option<Instant>,
    forgotten: Instant,
    tidied: Instant,
    cleared: Option<Instant>,
    /// The database's clock, which is another one after a failover.
    jumps: Jumps,
    /// Whether it has gone back, and what is put off by it is not due yet.
    behind: bool,
    /// What was last said of the standing.
    said: Option<Result<Option<String>, Trouble>>,
}

impl<'b> Chores<'b> {
    fn new(base: &'b Base) -> Self {
        let now = Instant::now();
        Self {
            base,
            beaten: None,
            looked: None,
            forgotten: now,
            tidied: now,
            cleared: None,
            jumps: Jumps::default(),
            behind: false,
            said: None,
        }
    }

    async fn run(mut self) {
        loop {
            if let Err(fault) = self.round().await {
                debug!("beside the events: {}", fault.trouble("keeping the database"));
            }
            self.tell();
            // Ten relays that start together need not do everything together.
            sleep(LOOK.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn round(&mut self) -> Result<(), Fault> {
        let base = self.base;
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last: Instant| last.elapsed() >= every);
        if is_due(self.beaten, beat::EVERY) {
            let settings = base.settings.lock().unwrap_or_else(|e| e.into_inner()).clone();
            let mut held = base.peers.take().await?;
            let asked = Instant::now();
            let (now, ahead) = held.ask(async |line| beat::beat(line, &base.id, &settings).await).await?;
            self.beaten = Some(Instant::now());
            // An answer that came late says little about when it was given.
            let jump = self.jumps.look(now, asked).filter(|_| asked.elapsed() < LOOK);
            let behind = jump.map_or(Duration::ZERO, |jump| jump.behind).max(ahead);
            if behind > JUMP {
                let behind = u64::try_from(behind.as_millis()).unwrap_or(u64::MAX);
                warn!(
                    { fields::BEHIND_MS } = behind,
                    "the database's clock has gone back, so every stored event is due now"
                );
                self.behind = true;
            }
        }
        while self.behind {
            let mut held = base.look.take().await?;
            self.behind = held.ask(async |line| due::mend(line, STEP).await).await? >= STEP;
        }
        if is_due(self.looked, STANDING) {
            let mut held = base.look.take().await?;
            held.ask(async |line| standing::look(line, &base.standing).await).await?;
            self.looked = Some(Instant::now());
        }
        return_all(base).await?;
        if base.room.age().is_none_or(|age| age >= OLD) {
            count::count(base).await?;
        }
        if self.forgotten.elapsed() >= tidy::EVERY {
            self.forgotten = Instant::now();
            let mut held = base.look.take().await?;
            tidy::forget(&mut held, tidy::MOST_MARKS).await?;
        }
        if self.tidied.elapsed() >= tidy::SELDOM {
            self.tidied = Instant::now();
            let mut held = base.look.take().await?;
            tidy::tidy(&mut held).await?;
        }
        self.clear();
        Ok(())
    }

    /// Clears dead rows, if there are far too many, and not more often than the rest.
    fn clear(&mut self) {
        let bloated = self.base.standing.last().is_some_and(|(standing, _)| tidy::is_bloated(&standing));
        if bloated && self.cleared.is_none_or(|cleared| cleared.elapsed() >= tidy::SELDOM) {
            self.cleared = Some(Instant::now());
            let database = Arc::clone(&self.base.database);
            // Nobody waits for it, and it ends with the thread.
            tokio::spawn(async move {
                if let Err(trouble) = tidy::clear(&database).await {
                    debug!("beside the events: {trouble}");
                }
            });
        }
    }

    /// Says how the server stands, if that is new.
    fn tell(&mut self) {
        let Some((standing, _)) = self.base.standing.last() else { return };
        let now = standing.holds().map(|()| standing.doubt());
        if self.said.as_ref() == Some(&now) {
            return;
        }
        let place = self.base.database.place();
        match (&now, &self.said) {
            (Err(trouble), _) => self.base.said().writing(Err(trouble.clone())),
            (Ok(Some(doubt)), _) => warn!(
                { mdss_relay_core::fields::SPOOL_DATABASE } = place,
                "the database keeps events as RELAY_SPOOL_DURABILITY={} asks for, and no safer: {doubt}",
                standing.durability.name()
            ),
            (Ok(None), Some(_)) => info!(
                { mdss_relay_core::fields::SPOOL_DATABASE } = place,
                "the database keeps events on a synchronous standby as well"
            ),
            (Ok(None), None) => {}
        }
        self.said = Some(now);
    }
}
