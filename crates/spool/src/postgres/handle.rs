//! What the engine can be asked for, each call a task on the engine's own thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use mdss_relay_core::Rules;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use super::base::Base;
use super::beat::{self, Replica};
use super::claim::claim;
use super::committer::{self, Orders};
use super::count;
use super::counters::Sharing;
use super::desk::{Change, change, list, show};
use super::due::release;
use super::failure::Fault;
use super::health;
use super::keeper;
use super::lease::{renew, return_all};
use super::outbox;
use super::settle::settle;
use super::share::share;
use super::slot::DEADLINE;
use super::standing::Standing;
use crate::claim::{Claims, Settled, Settlement, Want};
use crate::fact::ByHand;
use crate::grant::{Ask, Grant};
use crate::health::{Health, Noted};
use crate::intake::{Intake, Written};
use crate::item::ItemId;
use crate::outbox::{OutboxRow, OutboxSize};
use crate::shares::Limits;
use crate::stock::{Batch, Entry, Filter, Shown, Stock};
use crate::ticket::{Hold, Ticket};
use crate::trouble::Trouble;
use mdss_relay_postgres::Database;

/// The engine of several relays. Cheap to clone; when the last one is gone, the thread ends.
#[derive(Clone)]
pub struct Postgres(Arc<Gate>);

struct Gate {
    base: Arc<Base>,
    orders: Orders,
    runtime: Handle,
    stop: Arc<Notify>,
    /// It is a relay's, and no operator's.
    works: bool,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Postgres {
    /// The engine of a relay, and its thread. The database is reached in the background; until it is, every call says why not.
    pub(crate) fn work(database: &Database) -> std::io::Result<(Self, JoinHandle<()>)> {
        Self::start(database, true)
    }

    /// The same database, from outside.
    pub(crate) fn visit(database: &Database) -> Result<(Self, JoinHandle<()>), Trouble> {
        Ok(Self::start(database, false)?)
    }

    fn start(database: &Database, works: bool) -> std::io::Result<(Self, JoinHandle<()>)> {
        // A thread of its own: whoever waits for the end of it may do so on any other, and its sockets keep no request waiting.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let base = Arc::new(Base::new(database));
        let stop = Arc::new(Notify::new());
        let (orders, queue) = committer::orders();
        let gate = Gate {
            base: Arc::clone(&base),
            orders,
            runtime: runtime.handle().clone(),
            stop: Arc::clone(&stop),
            works,
        };
        let name = if works { "spool" } else { "spool-desk" };
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(keeper::keep(base, queue, works, stop));
        })?;
        Ok((Self(Arc::new(gate)), thread))
    }

    /// How the server stands, as far as it was reached.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.0.base.standing.last().map(|(standing, _)| standing)
    }

    /// What this process has counted of the database.
    pub(crate) async fn sharing(&self) -> Sharing {
        let mut made = 0;
        for slot in self.0.base.slots() {
            made += slot.made().await.saturating_sub(1);
        }
        self.0.base.counters.read(made)
    }

    fn base(&self) -> Arc<Base> {
        Arc::clone(&self.0.base)
    }

    /// Does something on the engine's thread. What is begun is ended, also when nobody waits for it any more.
    async fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Trouble> {
        let base = self.base();
        let told = async move {
            let outcome = work.await.map_err(|fault| fault.trouble(doing));
            base.tell(doing, outcome.as_ref().map(|_| ()).map_err(Clone::clone));
            outcome
        };
        self.0.runtime.spawn(told).await.unwrap_or_else(|_| Err(Trouble::stopped()))
    }

    pub(crate) async fn accept(&self, intake: Arc<Intake>, limits: Limits) -> Result<Vec<Written>, Trouble> {
        committer::order(&self.0.orders, intake, limits, DEADLINE).await
    }

    pub(crate) async fn claim(&self, want: Want) -> Result<Claims, Trouble> {
        let base = self.base();
        self.ask("claiming items", async move {
            let mut held = base.claims.take().await?;
            claim(&base, &mut held, &want).await
        })
        .await
    }

    pub(crate) async fn renew(&self, holds: Vec<Hold>) -> Result<usize, Trouble> {
        let base = self.base();
        self.ask("renewing leases", async move {
            let mut held = base.work.take().await?;
            renew(&base, &mut held, &holds).await
        })
        .await
    }

    pub(crate) async fn settle(&self, batch: Arc<[Settlement]>) -> Result<Settled, Trouble> {
        let base = self.base();
        self.ask("settling items", async move {
            let mut held = base.work.take().await?;
            settle(&base, &mut held, &batch).await
        })
        .await
    }

    pub(crate) async fn give_back(&self, tickets: Vec<Ticket>) -> Result<(), Trouble> {
        drop(tickets);
        let base = self.base();
        self.ask("giving items back", async move { return_all(&base).await }).await
    }

    pub(crate) async fn release(
        &self,
        lane: Option<String>,
        spared: Arc<[ItemId]>,
        most: usize,
    ) -> Result<usize, Trouble> {
        let base = self.base();
        self.ask("releasing items", async move {
            let mut held = base.work.take().await?;
            held.ask(async |line| release(line, lane.as_deref(), &spared, most).await).await
        })
        .await
    }

    /// What its worker plans by, from now on. Gives whether this is to make everything due: of several relays that start together, one does.
    pub(crate) async fn begin(&self, settings: &Rules) -> Result<bool, Trouble> {
        let (base, settings) = (self.base(), beat::settings(settings));
        self.ask("saying what is planned by", async move {
            base.settings.lock().unwrap_or_else(|e| e.into_inner()).clone_from(&settings);
            let mut held = base.peers.take().await?;
            held.ask(async |line| beat::beat(line, &base.id, &settings).await).await?;
            held.ask(async |line| beat::first(line, &settings).await).await
        })
        .await
    }

    pub(crate) async fn share(&self, ask: Ask) -> Result<Grant, Trouble> {
        let base = self.base();
        self.ask("asking for requests", async move {
            // What was said once is taken back once.
            let told = base.told.swap(!ask.open.is_empty(), Ordering::SeqCst) || !ask.open.is_empty();
            let mut held = base.peers.take().await?;
            let answer = held.ask(async |line| share(line, &base.id, &ask, told).await).await;
            let heard = answer.as_ref().is_ok_and(|(_, heard)| *heard);
            base.told.fetch_or(told && !heard, Ordering::SeqCst);
            let (grant, _) = answer?;
            base.counters.tokens.add(grant.tokens as usize);
            Ok(grant)
        })
        .await
    }

    pub(crate) async fn stock(&self) -> Result<Stock, Trouble> {
        let (base, works) = (self.base(), self.0.works);
        // An operator wants to see what is there now.
        self.ask("counting items", async move {
            if works { count::stock(&base).await } else { count::afresh(&base).await }
        })
        .await
    }

    pub(crate) async fn note(&self, health: Health) -> Result<(), Trouble> {
        let base = self.base();
        self.ask("writing how MDSS stands", async move {
            let mut held = base.peers.take().await?;
            held.ask(async |line| health::note(line, &base.id, &health).await).await
        })
        .await
    }

    pub(crate) async fn noted(&self) -> Result<Option<Noted>, Trouble> {
        let base = self.base();
        self.ask("reading how MDSS stands", async move {
            let mut held = base.peers.take().await?;
            held.ask(async |line| health::noted(line).await).await
        })
        .await
    }

    pub(crate) async fn probe(&self, limits: Limits) -> Result<(), Trouble> {
        let base = self.base();
        let probe =
            async move { committer::probe(&base, limits).await.map_err(|f| f.trouble("writing a probe")) };
        self.0.runtime.spawn(probe).await.unwrap_or_else(|_| Err(Trouble::stopped()))
    }

    /// The relays that share it.
    pub(crate) async fn replicas(&self) -> Result<Vec<Replica>, Trouble> {
        let base = self.base();
        self.ask("reading who is there", async move {
            let mut held = base.look.take().await?;
            held.ask(async |line| beat::replicas(line).await).await
        })
        .await
    }

    pub(crate) async fn list(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        let (base, filter) = (self.base(), filter.clone());
        self.ask("listing items", async move {
            let mut held = base.look.take().await?;
            held.ask(async |line| list(line, &filter, after, most).await).await
        })
        .await
    }

    pub(crate) async fn show(&self, id: ItemId) -> Result<Option<Shown>, Trouble> {
        let base = self.base();
        self.ask("showing an item", async move {
            let mut held = base.look.take().await?;
            held.ask(async |line| show(line, id).await).await
        })
        .await
    }

    pub(crate) async fn retry(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        hand: ByHand,
    ) -> Result<Batch, Trouble> {
        self.change(filter, after, Change::Retry, hand).await
    }

    pub(crate) async fn purge(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        hand: ByHand,
    ) -> Result<Batch, Trouble> {
        self.change(filter, after, Change::Purge, hand).await
    }

    async fn change(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        what: Change,
        hand: ByHand,
    ) -> Result<Batch, Trouble> {
        let (base, filter) = (self.base(), filter.clone());
        self.ask("changing items", async move {
            let mut held = base.look.take().await?;
            change(&mut held, &filter, after, what, &hand).await
        })
        .await
    }

    pub(crate) async fn outbox_keep(&self, room: Option<u64>) -> Result<(), Trouble> {
        let base = self.base();
        self.ask("saying whether there is a ledger", async move {
            let mut held = base.peers.take().await?;
            held.ask(async |line| outbox::keep(line, room).await).await
        })
        .await
    }

    pub(crate) async fn outbox_take(&self, most: usize) -> Result<Vec<OutboxRow>, Trouble> {
        let base = self.base();
        self.ask("reading what the ledger has not got", async move {
            let mut held = base.look.take().await?;
            held.ask(async |line| outbox::take(line, &base.id, most).await).await
        })
        .await
    }

    pub(crate) async fn outbox_drop(&self, ids: Vec<i64>) -> Result<(), Trouble> {
        let base = self.base();
        self.ask("deleting what the ledger has", async move {
            let mut held = base.look.take().await?;
            if !ids.is_empty() {
                held.ask(async |line| outbox::delete(line, &ids).await).await?;
            }
            // While there is room nobody needs to count.
            if !base.outbox_has_room.load(Ordering::Relaxed) || ids.is_empty() {
                let has_room = held.ask(async |line| outbox::end_gap(line).await).await?;
                base.outbox_has_room.store(has_room, Ordering::Relaxed);
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn outbox_size(&self) -> Result<OutboxSize, Trouble> {
        let base = self.base();
        self.ask("counting what the ledger has not got", async move {
            let mut held = base.look.take().await?;
            let size = held.ask(async |line| outbox::size(line).await).await?;
            base.outbox_has_room.store(size.has_room(), Ordering::Relaxed);
            Ok(size)
        })
        .await
    }
}
