//! The seam: what an engine must do for the hand-off, the worker and the operator.
//!
//! An engine knows what is kept, what is given out and what time it is. Callers say how long something is put off, never until when: several relays
//! have several clocks. It is an enum, because the engines are ours and chosen at start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mdss_relay_core::{Rules, facts};

use crate::claim::{Claims, Settled, Settlement, Want};
use crate::clock::Clock;
use crate::fact::ByHand;
use crate::grant::{Ask, Grant};
use crate::health::{Health, Noted};
use crate::intake::{Intake, Written};
use crate::item::ItemId;
use crate::outbox::{OutboxRow, OutboxSize};
#[cfg(feature = "postgres")]
use crate::postgres::{Database, LEASE, Postgres, Replica, Sharing, Standing};
use crate::shares::{Limits, Parties};
pub use crate::sqlite::Glance;
use crate::sqlite::Sqlite;
use crate::stock::{Batch, Entry, Filter, Shown, Stock};
use crate::ticket::{Hold, Ticket};
use crate::trouble::Trouble;

/// Where the spool is and how much it may hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is.
    pub place: Place,
    /// Bytes that may be in use, about; above that no event is stored.
    pub limit: u64,
}

/// Where events are kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// A data directory on this machine; made if it is not there.
    Directory(PathBuf),
    /// A database that several relays share.
    #[cfg(feature = "postgres")]
    Database(Database),
}

impl Config {
    /// How much may be kept, of so many sources and units.
    pub fn limits(&self, parties: Parties) -> Limits {
        Limits { bytes: self.limit, parties }
    }
}

/// The thread that works on the file, or keeps the connections to the database.
pub struct StoreThread(JoinHandle<()>);

impl StoreThread {
    /// Waits until every handle is dropped and the spool is closed. Not needed for safety: a spool that was killed is as
    /// good as one that was closed, it only takes a moment longer to open.
    pub fn wait(self) {
        let _ = self.0.join();
    }
}

/// What keeps events. Cheap to clone.
#[derive(Clone)]
pub enum Engine {
    /// A file on this machine.
    Sqlite(Sqlite),
    /// A database that several relays share.
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl Engine {
    /// The file of a data directory.
    pub(crate) const FILE: &str = Sqlite::FILE;

    /// The engine of a relay. What is wrong with the directory or the file shows in every call, and is tried again with the next one.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn work(config: &Config, clock: Arc<dyn Clock>) -> std::io::Result<(Self, StoreThread)> {
        Ok(match &config.place {
            Place::Directory(dir) => {
                let (engine, thread) = Sqlite::work(dir.clone(), clock)?;
                (Self::Sqlite(engine), StoreThread(thread))
            }
            // Its own clock is the one that counts.
            #[cfg(feature = "postgres")]
            Place::Database(database) => {
                let (engine, thread) = Postgres::work(database)?;
                (Self::Postgres(engine), StoreThread(thread))
            }
        })
    }

    /// The spool of a place from another process, for an operator. It must be there, and is brought to today's version.
    ///
    /// # Errors
    /// [`Trouble`]: no spool there, not ours, or held by another process. What is wrong with a database shows in each call.
    pub fn visit(place: &Place) -> Result<(Self, StoreThread), Trouble> {
        Ok(match place {
            Place::Directory(dir) => {
                let (engine, thread) = Sqlite::visit(dir)?;
                (Self::Sqlite(engine), StoreThread(thread))
            }
            #[cfg(feature = "postgres")]
            Place::Database(database) => {
                let (engine, thread) = Postgres::visit(database)?;
                (Self::Postgres(engine), StoreThread(thread))
            }
        })
    }

    /// Whether a relay works on the data directory now.
    pub fn is_worked_on(dir: &Path) -> bool {
        Sqlite::is_worked_on(dir)
    }

    /// What can be seen of the spool of a data directory without opening it.
    pub(crate) fn glance(dir: &Path) -> Glance {
        Glance::of(dir)
    }

    /// Keeps a delivery; it is on disk when this returns. Says what became of each of its items.
    ///
    /// # Errors
    /// Nothing was kept, or whether it was is not known; the sender is asked to repeat the event.
    pub async fn accept(&self, intake: Arc<Intake>, limits: Limits) -> Result<Vec<Written>, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.accept(intake, limits).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.accept(intake, limits).await,
        }
    }

    /// Whether it remembers plans of what it keeps, for the first claim of each.
    pub(crate) fn remembers(&self) -> bool {
        match self {
            Self::Sqlite(engine) => engine.remembers(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => false,
        }
    }

    /// Gives out items that may be tried now.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn claim(&self, want: Want) -> Result<Claims, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.claim(want).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.claim(want).await,
        }
    }

    /// Writes down what came of items, in one step. An item that is gone meanwhile stays gone. The tickets go with the batch.
    ///
    /// # Errors
    /// If nothing was written; then the batch can be handed in again.
    pub async fn settle(&self, batch: Arc<[Settlement]>) -> Result<Settled, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.settle(batch).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.settle(batch).await,
        }
    }

    /// For how long a claim is to give items out, where a request takes so long at most; `None`: for as long as this process lives. Whoever holds
    /// one for longer must renew it.
    pub fn lease(&self, timeout: Duration) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Some(LEASE.max(timeout.saturating_mul(4))),
        }
    }

    /// Holds items for longer: each as long from now on as it was given out for. Tickets that no longer hold say so from then on. Gives how many
    /// are still held.
    ///
    /// # Errors
    /// If that cannot be written. They are held until their leases end.
    pub async fn renew(&self, holds: Vec<Hold>) -> Result<usize, Trouble> {
        match self {
            Self::Sqlite(_) => Ok(holds.len()),
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.renew(holds).await,
        }
    }

    /// Asks for requests to MDSS, of all that the relays of a database may make together, and says what this one finds out; `None`: it is alone,
    /// and its own pace and breakers are all there are.
    ///
    /// # Errors
    /// If the others are not to be heard of; then nothing may be sent.
    pub async fn share(&self, ask: Ask) -> Result<Option<Grant>, Trouble> {
        match self {
            Self::Sqlite(_) => {
                drop(ask);
                Ok(None)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.share(ask).await.map(Some),
        }
    }

    /// A worker begins, and plans by these settings. Gives whether it is to make everything due: settings may have been mended. Of several relays
    /// that start together with the same settings, one does.
    ///
    /// # Errors
    /// If that cannot be written.
    pub async fn begin(&self, settings: &Rules) -> Result<bool, Trouble> {
        match self {
            Self::Sqlite(_) => Ok(true),
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.begin(settings).await,
        }
    }

    /// How the database stands that keeps the events; `None`: a file does, or it was not reached yet.
    #[cfg(feature = "postgres")]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(engine) => engine.standing(),
        }
    }

    /// What this process has counted of the database that it shares; `None`: a file keeps the events.
    #[cfg(feature = "postgres")]
    pub async fn sharing(&self) -> Option<Sharing> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(engine) => Some(engine.sharing().await),
        }
    }

    /// The relays that share the database and were heard of within a minute, this one included; none, if a file keeps the events.
    ///
    /// # Errors
    /// If they cannot be read.
    #[cfg(feature = "postgres")]
    pub async fn replicas(&self) -> Result<Vec<Replica>, Trouble> {
        match self {
            Self::Sqlite(_) => Ok(Vec::new()),
            Self::Postgres(engine) => engine.replicas().await,
        }
    }

    /// Gives items back untried: they are as they were, and may be claimed at once.
    ///
    /// # Errors
    /// If that cannot be written. They are given out again all the same, but later.
    pub async fn give_back(&self, tickets: Vec<Ticket>) -> Result<(), Trouble> {
        match self {
            // A ticket that is gone has freed its item.
            Self::Sqlite(_) => {
                drop(tickets);
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.give_back(tickets).await,
        }
    }

    /// Makes items due that are put off, held ones too: of all lanes or of one, but not those that are to be spared; at most `most`. Says how
    /// many.
    ///
    /// # Errors
    /// If that cannot be written.
    pub async fn release(
        &self,
        lane: Option<String>,
        spared: Arc<[ItemId]>,
        most: usize,
    ) -> Result<usize, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.release(lane, spared, most).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.release(lane, spared, most).await,
        }
    }

    /// Counts what is kept.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn stock(&self) -> Result<Stock, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.stock().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.stock().await,
        }
    }

    /// Keeps what the worker says of MDSS, in place of what it said before.
    ///
    /// # Errors
    /// If that cannot be written. Nobody needs it but people.
    pub async fn note(&self, health: Health) -> Result<(), Trouble> {
        match self {
            Self::Sqlite(engine) => engine.note(health).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.note(health).await,
        }
    }

    /// What the worker of this relay, or of one before it, said last; `None` if nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn noted(&self) -> Result<Option<Noted>, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.noted().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.noted().await,
        }
    }

    /// Writes, to find out whether writing works.
    ///
    /// # Errors
    /// Why an event would not be stored now.
    pub async fn probe(&self, limits: Limits) -> Result<(), Trouble> {
        match self {
            Self::Sqlite(engine) => engine.probe(limits).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.probe(limits).await,
        }
    }

    /// The items that fit, by number, those behind `after`, at most `most`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.list(filter, after, most).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.list(filter, after, most).await,
        }
    }

    /// One item and the delivery it came in; `None` if there is no such item.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn show(&self, id: ItemId) -> Result<Option<Shown>, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.show(id).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.show(id).await,
        }
    }

    /// Makes items due that fit, one step from behind `after` on; parked ones, too. Their age counts from now. `actor` is who does it, for the
    /// ledger, if there is one.
    ///
    /// # Errors
    /// If nothing of this step was done.
    pub async fn retry(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        actor: Option<&str>,
    ) -> Result<Batch, Trouble> {
        let hand = by_hand(facts::RETRIED, filter, actor);
        match self {
            Self::Sqlite(engine) => engine.retry(filter, after, hand).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.retry(filter, after, hand).await,
        }
    }

    /// Deletes items that fit, one step from behind `after` on. What a worker holds may be accepted all the same. `actor` is who does it, for the
    /// ledger, if there is one.
    ///
    /// # Errors
    /// If nothing of this step was done.
    pub async fn purge(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        actor: Option<&str>,
    ) -> Result<Batch, Trouble> {
        let hand = by_hand(facts::PURGED, filter, actor);
        match self {
            Self::Sqlite(engine) => engine.purge(filter, after, hand).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.purge(filter, after, hand).await,
        }
    }

    /// Says whether somebody keeps a ledger, and how many bytes of facts may wait for it. An operator's changes are told to it from then on. What
    /// is in the outbox stays there.
    ///
    /// # Errors
    /// If that cannot be written.
    pub async fn outbox_keep(&self, room: Option<u64>) -> Result<(), Trouble> {
        match self {
            Self::Sqlite(engine) => engine.outbox_keep(room).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.outbox_keep(room).await,
        }
    }

    /// The oldest facts, at most so many and a few megabytes, in their order; none while another relay takes them. They stay until they
    /// are dropped.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn outbox_take(&self, most: usize) -> Result<Vec<OutboxRow>, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.outbox_take(most).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.outbox_take(most).await,
        }
    }

    /// Deletes facts that the ledger has: all of what was taken at once. If there was no room for some, and now there is, that is the next fact.
    ///
    /// # Errors
    /// If that cannot be written. They are taken again then.
    pub async fn outbox_drop(&self, ids: Vec<i64>) -> Result<(), Trouble> {
        match self {
            Self::Sqlite(engine) => engine.outbox_drop(ids).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.outbox_drop(ids).await,
        }
    }

    /// How much waits for the ledger.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn outbox_size(&self) -> Result<OutboxSize, Trouble> {
        match self {
            Self::Sqlite(engine) => engine.outbox_size().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(engine) => engine.outbox_size().await,
        }
    }
}

fn by_hand(kind: &'static str, filter: &Filter, actor: Option<&str>) -> ByHand {
    ByHand { kind, actor: actor.map(str::to_owned), filter: filter.to_string() }
}
