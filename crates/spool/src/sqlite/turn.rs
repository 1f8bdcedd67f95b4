//! What one group of requests works with.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rusqlite::Connection;

use super::outbox::{Outbox, To};
use super::room::Room;
use super::statement::Statements;
use super::tally::Tally;
use super::trouble::Fault;
use crate::clock::Moment;
use crate::known::{Accepted, Known, Memory};
#[cfg(feature = "postgres")]
use crate::parcel::{ALL_HASHED, hash, hashed};

/// What a job works with.
pub(super) struct Turn<'d> {
    pub(super) db: &'d Connection,
    /// Which file that leads to.
    pub(super) epoch: u64,
    /// How much room there is; looked up by the first job of a group that asks.
    room: Cell<Option<Room>>,
    /// What the group changes of the tally.
    pub(super) tally: Tally,
    /// What it changes of the facts that wait for the ledger.
    pub(super) outbox: Outbox,
    pub(super) statements: Statements<'d>,
    /// Plans of what the group writes.
    accepted: RefCell<Vec<Accepted>>,
    /// Whether there are marks that came from a database; looked up by the first mark of a group that is not known as it is.
    #[cfg(feature = "postgres")]
    hashed: Cell<Option<bool>>,
    /// Plans of what was written before.
    pub(super) memory: Option<&'d RefCell<Memory>>,
}

impl<'d> Turn<'d> {
    pub(super) fn new(db: &'d Connection, epoch: u64) -> Self {
        let (tally, outbox) = (Tally::default(), Outbox::default());
        Self {
            db,
            epoch,
            room: Cell::new(None),
            tally,
            outbox,
            statements: Statements::new(),
            accepted: RefCell::default(),
            #[cfg(feature = "postgres")]
            hashed: Cell::default(),
            memory: None,
        }
    }

    /// The same for a job that may be told what is remembered.
    pub(super) fn knowing(self, memory: Option<&'d RefCell<Memory>>) -> Self {
        Self { memory, ..self }
    }

    /// The plan of a delivery may be remembered, once that is on disk.
    pub(super) fn accepted(&self, delivery: i64, received: Moment, known: &Arc<Known>) {
        self.accepted.borrow_mut().push(Accepted { delivery, received, known: Arc::clone(known) });
    }

    /// What may be remembered when all of it is on disk.
    pub(super) fn to_remember(&self) -> Vec<Accepted> {
        self.accepted.take()
    }

    /// Whether an item has this mark, or MDSS has accepted one that had it.
    pub(super) fn knows(&self, mark: &str) -> rusqlite::Result<bool> {
        let exists = |mark: &str| self.statements.known.with(self.db, |known| known.exists([mark]));
        let known = exists(mark)?;
        #[cfg(feature = "postgres")]
        if !known && self.has_hashed()? {
            return exists(&hashed(&hash(mark.as_bytes())));
        }
        Ok(known)
    }

    #[cfg(feature = "postgres")]
    fn has_hashed(&self) -> rusqlite::Result<bool> {
        if let Some(has) = self.hashed.get() {
            return Ok(has);
        }
        const SQL: &str = "SELECT 1 FROM item WHERE mark >= ?1 AND mark < ?2 UNION ALL SELECT 1 FROM done WHERE mark >= ?1 AND mark < ?2 LIMIT 1";
        let has = self.db.prepare_cached(SQL)?.exists(ALL_HASHED)?;
        self.hashed.set(Some(has));
        Ok(has)
    }

    /// How much room there is, with what this group has taken. Asking the file and the disk costs as much as writing an event.
    pub(super) fn room(&self) -> rusqlite::Result<Room> {
        let room = self.room.get().map_or_else(|| Room::of(self.db), Ok)?;
        self.room.set(Some(room));
        Ok(room)
    }

    /// Writes what is kept back until the end of the group.
    pub(super) fn end(&self) -> Result<(), Fault> {
        self.outbox.write(self.db)?;
        Ok(self.tally.write(self.db)?)
    }

    /// Tells the ledger of something, in the same transaction.
    pub(super) fn tell(&self, at: Moment, fact: &str) -> rusqlite::Result<()> {
        self.outbox.put(self.to_outbox(), at, fact)
    }

    pub(super) fn to_outbox(&self) -> To<'_, 'd> {
        To { db: self.db, fact: &self.statements.fact }
    }

    /// So many bytes more are in use.
    pub(super) fn take(&self, bytes: u64) {
        self.room.set(self.room.get().map(|room| room.with(bytes)));
    }
}
