//! Tickets: who holds which item. The engine owns what is given out, so no two workers ever hold one item.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::item::ItemId;

/// The right to one item. A claim gives it; it ends when the item is settled, or the ticket given back. A ticket that is dropped without
/// either, because its worker has failed, frees its item as well.
pub struct Ticket {
    id: ItemId,
    epoch: u64,
    given: Given,
}

impl Ticket {
    /// The item it is for.
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// Which store the number is from: numbers begin anew in a new one.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, {})", self.epoch, self.id.get())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.given.lock().remove(&(self.epoch, self.id));
    }
}

/// What an engine has given out. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Given(Arc<Mutex<HashSet<(u64, ItemId)>>>);

impl Given {
    fn lock(&self) -> MutexGuard<'_, HashSet<(u64, ItemId)>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Gives out an item that nobody holds.
    pub(crate) fn give(&self, epoch: u64, id: ItemId) -> Ticket {
        self.lock().insert((epoch, id));
        Ticket { id, epoch, given: self.clone() }
    }

    /// The items of a store that are given out just now. A copy, because nobody who gives one back may wait for a disk.
    pub(crate) fn of(&self, epoch: u64) -> HashSet<ItemId> {
        self.lock().iter().filter(|(of, _)| *of == epoch).map(|(_, id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_that_is_gone_frees_its_item_and_no_other() {
        let given = Given::default();
        let (first, second) = (given.give(1, ItemId::new(7)), given.give(1, ItemId::new(8)));
        // A new file has an item of the same number.
        let other = given.give(2, ItemId::new(7));
        assert_eq!(given.of(1), HashSet::from([ItemId::new(7), ItemId::new(8)]));
        drop(first);
        assert_eq!((given.of(1), given.of(2)), ([ItemId::new(8)].into(), [ItemId::new(7)].into()));
        drop((second, other));
        assert!(given.of(1).is_empty() && given.of(2).is_empty());
    }
}
