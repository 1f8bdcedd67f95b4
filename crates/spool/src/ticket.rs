//! Tickets: who holds which item. The engine owns what is given out, so no two workers ever hold one item.

#![cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a file gives no leases"))]

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::clock::since_boot;
use crate::item::ItemId;

/// The right to one item. A claim gives it; it ends when the item is settled, or the ticket given back. A ticket that is dropped without
/// either, because its worker has failed, frees its item as well.
pub struct Ticket {
    id: ItemId,
    right: Right,
}

enum Right {
    /// As long as this process lives, of the store of this number: numbers of items begin anew in a new one.
    Here(u64, Given),
    /// As long as the lease lasts.
    Leased(Arc<Lease>),
}

/// A right that ends by itself, unless it is renewed.
pub(crate) struct Lease {
    pub(crate) id: ItemId,
    /// Any number that is the item's.
    pub(crate) token: i32,
    /// The number of the claim that gave it; a later claim of the item has another one.
    pub(crate) claim: i64,
    pub(crate) delivery: i64,
    /// The delivery had no other item any more.
    pub(crate) alone: bool,
    /// How long it is each time, in milliseconds.
    length: u64,
    /// When it ends, in milliseconds since the machine was started.
    until: AtomicU64,
    /// Nothing has to be given back.
    over: AtomicBool,
    /// Where a lease goes that nobody has any more.
    back: UnboundedSender<Arc<Lease>>,
}

impl Lease {
    /// A lease of so long, counted from `begin`: before it was asked for.
    pub(crate) fn until(&self, begin: Duration) {
        self.until.store(millis(begin).saturating_add(self.length), Ordering::SeqCst);
    }

    /// Somebody else has it, or nobody.
    pub(crate) fn lost(&self) {
        self.until.store(0, Ordering::SeqCst);
        self.over.store(true, Ordering::SeqCst);
    }

    /// How long it lasts each time.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(self.length)
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.until.load(Ordering::SeqCst).saturating_sub(millis(since_boot())))
    }
}

/// What a lease is given for.
pub(crate) struct Leased {
    pub(crate) id: ItemId,
    pub(crate) token: i32,
    pub(crate) claim: i64,
    pub(crate) delivery: i64,
    pub(crate) alone: bool,
    pub(crate) length: Duration,
}

/// A lease to be renewed.
#[derive(Clone)]
pub struct Hold(pub(crate) Arc<Lease>);

impl Ticket {
    /// The item it is for.
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// A ticket with an end.
    pub(crate) fn leased(of: Leased, begin: Duration, back: UnboundedSender<Arc<Lease>>) -> Self {
        let Leased { id, token, claim, delivery, alone, length } = of;
        let (until, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let lease = Lease { id, token, claim, delivery, alone, length: millis(length), until, over, back };
        lease.until(begin);
        Self { id, right: Right::Leased(Arc::new(lease)) }
    }

    /// Its lease, if it has one.
    pub(crate) fn lease(&self) -> Option<&Arc<Lease>> {
        match &self.right {
            Right::Here(..) => None,
            Right::Leased(lease) => Some(lease),
        }
    }

    /// Whether it is certain to hold for so long: what is begun must end before somebody else is given the item.
    pub fn lasts(&self, needed: Duration) -> bool {
        self.lease().is_none_or(|lease| lease.left() > needed)
    }

    /// Its lease, if more than a third of it is over.
    pub fn to_renew(&self) -> Option<Hold> {
        let lease = self.lease()?;
        let left = lease.left();
        (!left.is_zero() && left < lease.length() * 2 / 3).then(|| Hold(Arc::clone(lease)))
    }

    /// Which store the number is from: numbers begin anew in a new one.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match &self.right {
            Right::Here(epoch, _) => Some(*epoch),
            Right::Leased(_) => None,
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.right {
            Right::Here(epoch, _) => write!(f, "Ticket({epoch}, {})", self.id.get()),
            Right::Leased(lease) => {
                write!(f, "Ticket({}, claim {}, {:?} left)", self.id.get(), lease.claim, lease.left())
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match &self.right {
            Right::Here(epoch, given) => _ = given.lock().remove(&(*epoch, self.id)),
            // If the engine has gone, the lease ends by itself.
            Right::Leased(lease) if !lease.over.load(Ordering::SeqCst) => {
                let _ = lease.back.send(Arc::clone(lease));
            }
            Right::Leased(_) => {}
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
        Ticket { id, right: Right::Here(epoch, self.clone()) }
    }

    /// The items of a store that are given out just now. A copy, because nobody who gives one back may wait for a disk.
    pub(crate) fn of(&self, epoch: u64) -> HashSet<ItemId> {
        self.lock().iter().filter(|(of, _)| *of == epoch).map(|(_, id)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn a_ticket_that_is_gone_frees_its_item_and_no_other() {
        let given = Given::default();
        let (first, second) = (given.give(1, ItemId::new(7)), given.give(1, ItemId::new(8)));
        // A new file has an item of the same number.
        let other = given.give(2, ItemId::new(7));
        assert_eq!(given.of(1), HashSet::from([ItemId::new(7), ItemId::new(8)]));
        assert!(first.lasts(Duration::MAX) && first.to_renew().is_none());
        drop(first);
        assert_eq!((given.of(1), given.of(2)), ([ItemId::new(8)].into(), [ItemId::new(7)].into()));
        drop((second, other));
        assert!(given.of(1).is_empty() && given.of(2).is_empty());
    }

    #[test]
    fn a_lease_ends_by_itself_and_goes_back_when_nobody_has_it() {
        let (back, mut gone) = unbounded_channel();
        let ticket = |begin: Duration| {
            let of = Leased {
                id: ItemId::new(7),
                token: 1,
                claim: 2,
                delivery: 3,
                alone: true,
                length: Duration::from_secs(60),
            };
            Ticket::leased(of, begin, back.clone())
        };
        let now = since_boot();
        let fresh = ticket(now);
        assert!(fresh.lasts(Duration::from_secs(59)) && !fresh.lasts(Duration::from_secs(60)));
        assert!(fresh.to_renew().is_none());
        // A test's machine may have been started just now.
        let old = ticket(now);
        let lease = Arc::clone(old.lease().unwrap());
        lease.until.store(millis(now) + 30_000, Ordering::SeqCst);
        assert!(old.to_renew().is_some());
        lease.until(since_boot());
        assert!(old.to_renew().is_none(), "it was renewed");
        drop(old);
        assert_eq!(gone.try_recv().unwrap().id, ItemId::new(7));
        // What was settled, or is somebody else's, is not given back.
        fresh.lease().unwrap().lost();
        assert!(!fresh.lasts(Duration::ZERO) && fresh.to_renew().is_none());
        drop(fresh);
        assert!(gone.try_recv().is_err());
    }
}
