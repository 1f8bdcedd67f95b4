//! Connections that are open at once: so many in all, and not all of them one stranger's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections open at once; further ones wait in the system's queue. Below the usual limit of 1024 open files, so that
/// strangers who connect and say nothing cannot use up the files that answers need.
const MOST_CONNECTIONS: usize = 800;

/// Those of one address: whoever takes all it can get leaves as many to everybody else.
const MOST_OF_ONE: usize = MOST_CONNECTIONS / 2;

/// How many each address has.
type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

pub(crate) struct Seats {
    all: Arc<Semaphore>,
    taken: Taken,
}

/// Given back when it is dropped.
pub(crate) struct Seat {
    _place: OwnedSemaphorePermit,
    counted: Option<(Taken, IpAddr)>,
}

impl Seats {
    pub(crate) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST_CONNECTIONS)), taken: Arc::default() }
    }

    /// Waits until there is a place.
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        self.all.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Gives the place to a connection; `None` if its address has its share. Behind a trusted proxy are many.
    pub(crate) fn take(&self, place: OwnedSemaphorePermit, peer: IpAddr, trusted: bool) -> Option<Seat> {
        if trusted {
            return Some(Seat { _place: place, counted: None });
        }
        let who = holder(peer);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(who).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Seat { _place: place, counted: Some((self.taken.clone(), who)) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((taken, who)) = &self.counted else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(who);
            }
        }
    }
}

/// Whose an address is: with IPv6 one host has a whole network of 64 bits (RFC 4291, 2.5.4).
fn holder(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_has_more_than_half_of_the_seats_but_a_proxy() {
        let seats = Seats::new();
        let take = async |peer: &str, trusted| seats.take(seats.free().await, peer.parse().unwrap(), trusted);
        let mut held = Vec::new();
        for n in 0..MOST_OF_ONE {
            // An address by another name is the same, and so are those of one network.
            let peer = if n % 2 == 0 { "192.0.2.1" } else { "::ffff:192.0.2.1" };
            held.push(take(peer, false).await.unwrap());
        }
        assert!(take("192.0.2.1", false).await.is_none());
        held.push(take("192.0.2.2", false).await.unwrap());
        held.push(take("192.0.2.1", true).await.unwrap());
        held.truncate(MOST_OF_ONE - 1);
        held.push(take("192.0.2.1", false).await.unwrap());
        held.clear();
        assert!(seats.taken.lock().unwrap().is_empty());
        for n in 0..MOST_OF_ONE {
            held.push(take(&format!("2001:db8::{n:x}"), false).await.unwrap());
        }
        assert!(take("2001:db8::ffff:0:0:1", false).await.is_none());
        assert!(take("2001:db8:0:1::1", false).await.is_some());
        for _ in 0..MOST_OF_ONE {
            held.push(take("192.0.2.9", true).await.unwrap());
        }
        assert_eq!(seats.all.available_permits(), 0);
    }
}
