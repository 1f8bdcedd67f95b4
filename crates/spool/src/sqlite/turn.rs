//! What one group of requests works with.

use std::cell::Cell;

use rusqlite::Connection;

use super::room::Room;
use super::statement::Statements;
use super::tally::Tally;
use super::trouble::Fault;

/// What a job works with.
pub(super) struct Turn<'d> {
    pub(super) db: &'d Connection,
    /// Which file that leads to.
    pub(super) epoch: u64,
    /// How much room there is; looked up by the first job of a group that asks.
    room: Cell<Option<Room>>,
    /// What the group changes of the tally.
    pub(super) tally: Tally,
    pub(super) statements: Statements<'d>,
}

impl<'d> Turn<'d> {
    pub(super) fn new(db: &'d Connection, epoch: u64) -> Self {
        Self { db, epoch, room: Cell::new(None), tally: Tally::default(), statements: Statements::new() }
    }

    /// How much room there is, with what this group has taken. Asking the file and the disk costs as much as writing an event.
    pub(super) fn room(&self) -> rusqlite::Result<Room> {
        let room = self.room.get().map_or_else(|| Room::of(self.db), Ok)?;
        self.room.set(Some(room));
        Ok(room)
    }

    /// Writes what is kept back until the end of the group.
    pub(super) fn end(&self) -> Result<(), Fault> {
        Ok(self.tally.write(self.db)?)
    }

    /// So many bytes more are in use.
    pub(super) fn take(&self, bytes: u64) {
        self.room.set(self.room.get().map(|room| room.with(bytes)));
    }
}
