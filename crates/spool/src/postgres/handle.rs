//! What the engine can be asked for, each call a task on the engine's own thread.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use super::base::Base;
use super::config::Database;
use super::standing::Standing;
use crate::claim::{Claims, Settled, Settlement, Want};
use crate::health::{Health, Noted};
use crate::intake::{Intake, Written};
use crate::item::ItemId;
use crate::shares::Limits;
use crate::stock::{Batch, Entry, Filter, Shown, Stock};
use crate::ticket::Ticket;
use crate::trouble::{Trouble, TroubleKind};

/// The engine of several relays. Cheap to clone; when the last one is gone, the thread ends.
#[derive(Clone)]
pub struct Postgres(Arc<Gate>);

struct Gate {
    base: Arc<Base>,
    runtime: Handle,
    stop: Arc<Notify>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Postgres {
    /// The engine of a relay, and its thread. The database is reached in the background; until it is, every call says why not.
    pub(crate) fn work(database: &Database) -> std::io::Result<(Self, JoinHandle<()>)> {
        Self::start(database, "spool")
    }

    fn start(database: &Database, name: &str) -> std::io::Result<(Self, JoinHandle<()>)> {
        // A thread of its own: whoever waits for the end of it may do so on any other, and the sockets keep no request waiting.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let base = Arc::new(Base::new(database));
        let stop = Arc::new(Notify::new());
        let gate =
            Gate { base: Arc::clone(&base), runtime: runtime.handle().clone(), stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            runtime.block_on(async {
                stop.notified().await;
                base.close().await;
            });
        })?;
        Ok((Self(Arc::new(gate)), thread))
    }

    /// How the server stands, as far as it was reached.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.0.base.standing.last().map(|(standing, _)| standing)
    }

    /// Does something on the engine's thread.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, Trouble> {
        // What is begun is ended, also when nobody waits for it any more.
        self.0.runtime.spawn(work).await.unwrap_or_else(|_| Err(Trouble::stopped()))
    }

    pub(crate) async fn accept(&self, _: Arc<Intake>, _: Limits) -> Result<Vec<Written>, Trouble> {
        self.later().await
    }
    pub(crate) async fn claim(&self, _: Want) -> Result<Claims, Trouble> {
        self.later().await
    }
    pub(crate) async fn settle(&self, _: Arc<[Settlement]>) -> Result<Settled, Trouble> {
        self.later().await
    }
    pub(crate) async fn give_back(&self, _: Vec<Ticket>) -> Result<(), Trouble> {
        self.later().await
    }
    pub(crate) async fn release(
        &self,
        _: Option<String>,
        _: Arc<[ItemId]>,
        _: usize,
    ) -> Result<usize, Trouble> {
        self.later().await
    }
    pub(crate) async fn stock(&self) -> Result<Stock, Trouble> {
        self.later().await
    }
    pub(crate) async fn note(&self, _: Health) -> Result<(), Trouble> {
        self.later().await
    }
    pub(crate) async fn noted(&self) -> Result<Option<Noted>, Trouble> {
        self.later().await
    }
    pub(crate) async fn probe(&self, _: Limits) -> Result<(), Trouble> {
        self.later().await
    }
    pub(crate) async fn list(&self, _: &Filter, _: Option<ItemId>, _: usize) -> Result<Vec<Entry>, Trouble> {
        self.later().await
    }
    pub(crate) async fn show(&self, _: ItemId) -> Result<Option<Shown>, Trouble> {
        self.later().await
    }
    pub(crate) async fn retry(&self, _: &Filter, _: Option<ItemId>) -> Result<Batch, Trouble> {
        self.later().await
    }
    pub(crate) async fn purge(&self, _: &Filter, _: Option<ItemId>) -> Result<Batch, Trouble> {
        self.later().await
    }

    /// This part is not written yet: nothing is acknowledged.
    async fn later<T: Send + 'static>(&self) -> Result<T, Trouble> {
        let base = Arc::clone(&self.0.base);
        self.ask(async move {
            drop(base.look.take().await?);
            Err(Trouble::new(TroubleKind::Internal, "the engine of PostgreSQL is not whole yet"))
        })
        .await
    }
}
