//! The operator's view of the file, from another process: while a relay works on it, or when none does. WAL lets both be
//! there, and every change here is a short transaction of its own, so that the relay never waits for long.

use std::path::Path;

use mdss_relay_core::Delivery;
use rusqlite::{Connection, TransactionBehavior};

use crate::clock::{Clock, Moment, SystemClock};
use crate::sqlite::ledger::{self, Entry, Filter, ItemId, Stock};
use crate::sqlite::schema;
use crate::sqlite::thread::{FILE, connect};
use crate::trouble::{Trouble, TroubleKind};

/// Items a call to [`Desk::retry`] or [`Desk::purge`] changes at most.
const BATCH: usize = 500;

/// A spool seen from outside its relay.
pub struct Desk {
    db: Connection,
}

/// What a bulk change did in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The items as they were before.
    pub entries: Vec<Entry>,
    /// Where the next step begins; `None`: that was all.
    pub next: Option<ItemId>,
}

/// One item with everything there is about it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The item.
    pub entry: Entry,
    /// The delivery it came in; or why it is no longer what was written, if the file was changed behind the relay.
    pub delivery: Result<Delivery, String>,
}

impl Desk {
    /// Opens the spool of a data directory, which must be there, and brings it to today's version.
    ///
    /// # Errors
    /// [`Trouble`]: no spool there, not ours, or held by somebody.
    pub fn open(dir: &Path) -> Result<Self, Trouble> {
        let path = dir.join(FILE);
        let opening = |e: rusqlite::Error| Trouble::of(&e, &format!("opening {}", path.display()));
        if !path.is_file() {
            let detail = format!("{}: expected a spool, found no such file", path.display());
            return Err(Trouble::new(TroubleKind::Unwritable, detail));
        }
        let mut db = connect(&path).map_err(opening)?;
        schema::migrate(&mut db)?;
        Ok(Self { db })
    }

    /// The items that fit, by number, those behind `after`, at most `most`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(&self, filter: &Filter, after: Option<ItemId>, most: usize) -> Result<Vec<Entry>, Trouble> {
        ledger::list(&self.db, filter, after.unwrap_or(ItemId::new(0)), most).map_err(reading)
    }

    /// One item and the delivery it came in; `None` if there is no such item.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn show(&self, id: ItemId) -> Result<Option<Shown>, Trouble> {
        let filter = Filter { ids: vec![id], ..Filter::default() };
        let Some(entry) = self.list(&filter, None, 1)?.pop() else { return Ok(None) };
        let delivery = ledger::delivery_of(&self.db, id).map_err(reading)?;
        Ok(delivery.map(|delivery| Shown { entry, delivery }))
    }

    /// What is in the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn stock(&self) -> Result<Stock, Trouble> {
        ledger::stock(&self.db).map_err(reading)
    }

    /// Makes items due that fit, from `after` on; parked ones, too. Their age counts from now. A running relay sees them
    /// within a second.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of this step was done.
    pub fn retry(&mut self, filter: &Filter, after: Option<ItemId>) -> Result<Batch, Trouble> {
        self.change(filter, after, ledger::retry)
    }

    /// Deletes items that fit, from `after` on, and gives back what they were. What the relay has under way may be accepted all
    /// the same.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of this step was done.
    pub fn purge(&mut self, filter: &Filter, after: Option<ItemId>) -> Result<Batch, Trouble> {
        self.change(filter, after, |db, id, _| ledger::purge(db, id))
    }

    fn change(
        &mut self,
        filter: &Filter,
        after: Option<ItemId>,
        change: fn(&Connection, ItemId, Moment) -> rusqlite::Result<bool>,
    ) -> Result<Batch, Trouble> {
        let writing = |e: rusqlite::Error| Trouble::of(&e, "writing to the spool");
        let now = SystemClock.now();
        let step = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(writing)?;
        let entries = ledger::list(&step, filter, after.unwrap_or(ItemId::new(0)), BATCH).map_err(writing)?;
        for entry in &entries {
            change(&step, entry.id, now).map_err(writing)?;
        }
        step.commit().map_err(writing)?;
        let next = entries.last().filter(|_| entries.len() == BATCH).map(|entry| entry.id);
        Ok(Batch { entries, next })
    }
}

fn reading(error: rusqlite::Error) -> Trouble {
    Trouble::of(&error, "reading the spool")
}
