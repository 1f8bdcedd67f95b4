//! What the engine can be asked for, each call an order to the thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::accept::{accept, probe};
#[cfg(feature = "postgres")]
use super::carry;
use super::claim::{At, claim};
use super::connect::FILE;
use super::desk::{Change, change, list, show, stock};
use super::due::release;
use super::file::is_held;
use super::health::{note, noted};
use super::outbox;
#[cfg(feature = "postgres")]
use super::settle::MOST_DONE;
use super::settle::settle;
use super::thread::{Order, Orders};
use super::visits::Visits;
use crate::claim::{Claims, Settled, Settlement, Want};
#[cfg(feature = "postgres")]
use crate::clock::Moment;
use crate::clock::{Clock, SystemClock};
use crate::fact::ByHand;
use crate::health::{Health, Noted};
use crate::intake::{Intake, Written};
use crate::item::ItemId;
use crate::known::Room;
use crate::outbox::{OutboxRow, OutboxSize};
#[cfg(feature = "postgres")]
use crate::parcel::{Parcel, Remembered};
use crate::shares::Limits;
use crate::stock::{Batch, Entry, Filter, Shown, Stock};
use crate::ticket::Given;
use crate::trouble::Trouble;

/// The engine of one machine. Cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    orders: Orders,
    clock: Arc<dyn Clock>,
    given: Given,
    /// For more plans.
    room: Room,
    visits: Visits,
}

impl Sqlite {
    /// What the file is called in its directory.
    pub(crate) const FILE: &str = FILE;

    /// The engine of a relay, and its thread.
    pub(crate) fn work(dir: PathBuf, clock: Arc<dyn Clock>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let room = Room::default();
        let (orders, thread) = Orders::work(dir, Arc::clone(&clock), room.clone())?;
        let (given, visits) = (Given::default(), Visits::default());
        Ok((Self { orders, clock, given, room, visits }, thread))
    }

    /// The same file, from outside.
    pub(crate) fn visit(dir: &Path) -> Result<(Self, JoinHandle<()>), Trouble> {
        let (orders, thread) = Orders::visit(dir)?;
        let (given, room, visits) = (Given::default(), Room::default(), Visits::default());
        Ok((Self { orders, clock: Arc::new(SystemClock), given, room, visits }, thread))
    }

    /// Whether a relay works on a directory.
    pub(crate) fn is_worked_on(dir: &Path) -> bool {
        is_held(dir)
    }

    pub(crate) fn remembers(&self) -> bool {
        self.room.is_left()
    }

    pub(crate) async fn accept(&self, intake: Arc<Intake>, limits: Limits) -> Result<Vec<Written>, Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Write, move |turn| accept(turn, &intake, limits, now)).await
    }

    pub(crate) async fn claim(&self, want: Want) -> Result<Claims, Trouble> {
        let (now, given, visits) = (self.clock.now(), self.given.clone(), self.visits.clone());
        self.orders
            .ask(Order::Read, move |turn| {
                let at = At { now, epoch: turn.epoch, given: &given, memory: turn.memory };
                let claims = claim(turn.db, &want, &at)?;
                Ok(Claims { visited: visits.are_new(turn.db, turn.epoch)?, ..claims })
            })
            .await
    }

    pub(crate) async fn settle(&self, batch: Arc<[Settlement]>) -> Result<Settled, Trouble> {
        let now = self.clock.now();
        self.orders
            .ask(Order::Write, move |turn| {
                let ours = || batch.iter().filter(|s| s.ticket.epoch() == Some(turn.epoch));
                settle(turn, ours().map(|s| (s.ticket.id(), &s.outcome, s.fact.as_deref())), now)?;
                Ok(Settled { fenced: batch.len() - ours().count() })
            })
            .await
    }

    pub(crate) async fn release(
        &self,
        lane: Option<String>,
        spared: Arc<[ItemId]>,
        most: usize,
    ) -> Result<usize, Trouble> {
        let now = self.clock.now();
        self.orders
            .ask(Order::Write, move |turn| Ok(release(turn.db, lane.as_deref(), &spared, now, most)?))
            .await
    }

    pub(crate) async fn stock(&self) -> Result<Stock, Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Read, move |turn| Ok(stock(turn.db, now)?)).await
    }

    pub(crate) async fn probe(&self, limits: Limits) -> Result<(), Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Write, move |turn| probe(turn, limits, now)).await
    }

    pub(crate) async fn note(&self, health: Health) -> Result<(), Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Write, move |turn| Ok(note(turn.db, &health, now)?)).await
    }

    pub(crate) async fn noted(&self) -> Result<Option<Noted>, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(noted(turn.db)?)).await
    }

    pub(crate) async fn list(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        let filter = filter.clone();
        self.orders.ask(Order::Read, move |turn| Ok(list(turn.db, &filter, after, most)?)).await
    }

    pub(crate) async fn show(&self, id: ItemId) -> Result<Option<Shown>, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(show(turn.db, id)?)).await
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

    pub(crate) async fn outbox_keep(&self, room: Option<u64>) -> Result<(), Trouble> {
        self.orders.ask(Order::Write, move |turn| Ok(outbox::keep(turn.db, room)?)).await
    }

    pub(crate) async fn outbox_take(&self, most: usize) -> Result<Vec<OutboxRow>, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(outbox::take(turn.db, most)?)).await
    }

    pub(crate) async fn outbox_drop(&self, ids: Vec<i64>) -> Result<(), Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Write, move |turn| Ok(turn.outbox.delete(turn.to_outbox(), &ids, now)?)).await
    }

    pub(crate) async fn outbox_size(&self) -> Result<OutboxSize, Trouble> {
        let now = self.clock.now();
        self.orders.ask(Order::Read, move |turn| Ok(outbox::size_of(turn.db, now)?)).await
    }

    /// Writes facts that come from elsewhere.
    #[cfg(feature = "postgres")]
    pub(crate) async fn outbox_adopt(&self, facts: Vec<OutboxRow>) -> Result<(), Trouble> {
        self.orders.ask(Order::Write, move |turn| Ok(turn.outbox.adopt(turn.db, &facts)?)).await
    }

    /// Makes ready for [`Self::parcels`].
    #[cfg(feature = "postgres")]
    pub(crate) async fn find(&self) -> Result<(), Trouble> {
        self.orders.ask(Order::Write, |turn| Ok(carry::find(turn)?)).await
    }

    /// The next deliveries, to carry them elsewhere.
    #[cfg(feature = "postgres")]
    pub(crate) async fn parcels(
        &self,
        after: i64,
        most: usize,
        most_bytes: usize,
    ) -> Result<Vec<Parcel>, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(carry::parcels(turn, after, most, most_bytes)?)).await
    }

    /// Deletes items that have arrived elsewhere.
    #[cfg(feature = "postgres")]
    pub(crate) async fn gone(&self, ids: Vec<i64>) -> Result<(), Trouble> {
        self.orders.ask(Order::Write, move |turn| Ok(carry::gone(turn, &ids)?)).await
    }

    /// Writes deliveries that come from elsewhere.
    #[cfg(feature = "postgres")]
    pub(crate) async fn adopt(&self, parcels: Arc<Vec<Parcel>>) -> Result<usize, Trouble> {
        self.orders.ask(Order::Write, move |turn| Ok(carry::adopt(turn, &parcels)?)).await
    }

    /// Marks of what MDSS has accepted, when it did, and the number of the last one.
    #[cfg(feature = "postgres")]
    pub(crate) async fn marks(&self, after: i64, most: usize) -> Result<Remembered, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(carry::marks(turn, after, most)?)).await
    }

    /// The most marks that a file keeps of what MDSS has accepted.
    #[cfg(feature = "postgres")]
    pub(crate) const MOST_MARKS: usize = MOST_DONE as usize;

    /// Remembers what MDSS has accepted elsewhere, the oldest first; it may be told again.
    #[cfg(feature = "postgres")]
    pub(crate) async fn remember(&self, marks: Vec<(Vec<u8>, Moment)>) -> Result<(), Trouble> {
        self.orders.ask(Order::Write, move |turn| Ok(carry::remember(turn, &marks)?)).await
    }

    /// How many items have lost their delivery.
    #[cfg(feature = "postgres")]
    pub(crate) async fn orphans(&self) -> Result<u64, Trouble> {
        self.orders.ask(Order::Read, move |turn| Ok(carry::orphans(turn)?)).await
    }

    async fn change(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        what: Change,
        hand: ByHand,
    ) -> Result<Batch, Trouble> {
        let (now, filter) = (self.clock.now(), filter.clone());
        self.orders
            .ask(Order::Write, move |turn| Ok(change(turn, &filter, after, what, Some(&hand), now)?))
            .await
    }
}
