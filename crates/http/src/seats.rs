//! Connections that are open at once: so many in all, not all of them one stranger's, and none of them for ever whose client
//! has shown nothing.
//!
//! A connection costs a stranger nothing, so it is not what seats are given for. As long as there are some, everybody gets one;
//! when they are short, whoever has proven nothing goes first: no request on its connection has passed the gate with a
//! proof. What is left then is standing room, where nothing is answered but whether the relay lives: whoever watches it must
//! not take a full house for a dead one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Connections open at once, if the system allows so many files. Strangers who connect and say nothing shall not use up the
/// files that answers need.
const MOST_CONNECTIONS: usize = 800;

/// With fewer there would be nothing to share.
const FEWEST_CONNECTIONS: usize = 8;

/// Files that are no client's: the spool's, the log, the listener, keys and certificates while they are read. MDSS's
/// connections come on top.
const OWN_FILES: u64 = 32;

/// How long a connection that was told to go may take for it. It is on its way out of a wait.
const LEAVING: Duration = Duration::from_secs(1);

/// A client that has said nothing for so long after it connected, or was answered, is not about to.
const SETTLED: Duration = Duration::from_secs(1);

/// How many seats there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct House {
    seats: usize,
    /// Beside them.
    standing: usize,
}

impl House {
    /// What `files` allow, the most that a process may open, of which `outward` may go to MDSS.
    pub(crate) fn of(files: Option<u64>, outward: usize) -> Self {
        let left = files.map_or(u64::MAX, |files| files.saturating_sub(OWN_FILES));
        let left = left - (left / 2).min(outward as u64);
        let all = usize::try_from(left).unwrap_or(usize::MAX).clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS);
        let standing = (all / 8).clamp(4, 16);
        Self { seats: all - standing, standing }
    }

    /// All of them, and whether they are fewer than there would be with more files.
    pub(crate) fn size(self) -> (usize, bool) {
        let all = self.seats + self.standing;
        (all, all < MOST_CONNECTIONS)
    }

    /// What one holder may have: an address of IPv4, and a network of 56 bits, which is what one customer of a provider has
    /// (<https://www.rfc-editor.org/rfc/rfc6177>, section 2), a quarter. Half of that for a network of 64 bits, one host's.
    fn share(self, holder: Holder) -> usize {
        let part = if holder.1 == 64 { 8 } else { 4 };
        (self.seats / part).max(2)
    }
}

/// Whoever is taken for one: the beginning of an address, and its length in bits.
type Holder = (IpAddr, u8);

/// Those an address belongs to.
fn holders(peer: IpAddr) -> Vec<Holder> {
    match peer.to_canonical() {
        IpAddr::V6(address) => [64, 56]
            .map(|bits| {
                let rest = 128 - u32::from(bits);
                (IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> rest << rest)), bits)
            })
            .to_vec(),
        address => vec![(address, 32)],
    }
}

/// The host an address belongs to: with IPv6 one host has a whole network of 64 bits (RFC 4291, 2.5.4).
pub(crate) fn host(peer: IpAddr) -> IpAddr {
    holders(peer).first().map_or(peer, |(host, _)| *host)
}

/// One connection's client, as far as seats are concerned.
#[derive(Debug)]
pub(crate) struct Guest {
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    proven: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No request, or not a whole head of one.
    Idle,
    /// A request that the gate has not admitted yet.
    Waiting,
    /// A delivery under way. Nobody takes that away.
    Working,
}

impl Guest {
    fn new(proven: bool) -> Arc<Self> {
        let state = State { phase: Phase::Idle, since: Instant::now(), proven };
        Arc::new(Self { state: Mutex::new(state), leave: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.state)
    }

    /// A request has come; it is over when what this gives is dropped.
    pub(crate) fn asking(self: &Arc<Self>) -> Asking {
        self.enters(Phase::Waiting);
        Asking(self.clone())
    }

    /// It has passed a check of the gate.
    pub(crate) fn has_proven(&self) {
        self.state().proven = true;
    }

    /// What it has asked for is done now.
    pub(crate) fn is_served(&self) {
        self.enters(Phase::Working);
    }

    fn enters(&self, phase: Phase) {
        let mut state = self.state();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Waits until its seat is wanted for somebody else.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

/// A request under way.
pub(crate) struct Asking(Arc<Guest>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.enters(Phase::Idle);
    }
}

/// Every seat there is.
pub(crate) struct Seats(Arc<Hall>);

struct Hall {
    house: House,
    seats: Arc<Semaphore>,
    standing: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: u64,
    seated: HashMap<u64, (Arc<Guest>, Vec<Holder>)>,
    /// How many seats each holder has.
    of: HashMap<Holder, usize>,
    /// How many stand there of each.
    standing: HashMap<IpAddr, usize>,
}

/// Given back when it is dropped.
pub(crate) struct Seat {
    hall: Arc<Hall>,
    guest: Arc<Guest>,
    kind: Kind,
    _place: OwnedSemaphorePermit,
}

enum Kind {
    Seated(u64),
    Standing(IpAddr),
}

/// What became of somebody who came.
pub(crate) struct Welcome {
    /// `None`: not even standing room is left.
    pub(crate) seat: Option<Seat>,
    /// Somebody else had to go.
    pub(crate) at_cost: bool,
}

impl Seats {
    pub(crate) fn new(house: House) -> Self {
        Self(Arc::new(Hall {
            house,
            seats: Arc::new(Semaphore::new(house.seats)),
            standing: Arc::new(Semaphore::new(house.standing)),
            taken: Mutex::default(),
        }))
    }

    /// A seat for a connection. Behind a trusted proxy are many: it has no share and nothing to prove.
    pub(crate) async fn take(&self, peer: IpAddr, trusted: bool) -> Welcome {
        let holders = if trusted { Vec::new() } else { holders(peer) };
        let mut at_cost = false;
        for holder in &holders {
            if self.0.has_its_share(*holder) {
                // At the cost of its own, and of nobody else; not of one that has only just come, or is about to be heard.
                let settled = |state: &State| state.phase == Phase::Idle && state.since.elapsed() >= SETTLED;
                at_cost = self.0.unseat(|others, state| others.contains(holder) && settled(state));
                if !at_cost {
                    return Welcome { seat: self.stand(peer), at_cost };
                }
            }
        }
        let place = match self.0.seats.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) if at_cost || self.0.unseat(|_, _| true) => {
                at_cost = true;
                timeout(LEAVING, self.0.seats.clone().acquire_owned()).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let seat = match place {
            Some(place) => Some(self.seat(place, holders, trusted)),
            None => self.stand(peer),
        };
        Welcome { seat, at_cost }
    }

    fn seat(&self, place: OwnedSemaphorePermit, holders: Vec<Holder>, proven: bool) -> Seat {
        let guest = Guest::new(proven);
        let mut taken = held(&self.0.taken);
        for holder in &holders {
            *taken.of.entry(*holder).or_default() += 1;
        }
        taken.count += 1;
        let number = taken.count;
        taken.seated.insert(number, (guest.clone(), holders));
        Seat { hall: self.0.clone(), guest, kind: Kind::Seated(number), _place: place }
    }

    fn stand(&self, peer: IpAddr) -> Option<Seat> {
        let host = host(peer);
        let mut taken = held(&self.0.taken);
        let count = taken.standing.get(&host).copied().unwrap_or_default();
        // Two, since whoever comes one after the other may come before its last connection has gone.
        if count >= (self.0.house.standing / 4).max(2) {
            return None;
        }
        let place = self.0.standing.clone().try_acquire_owned().ok()?;
        taken.standing.insert(host, count + 1);
        Some(Seat {
            hall: self.0.clone(),
            guest: Guest::new(false),
            kind: Kind::Standing(host),
            _place: place,
        })
    }
}

impl Hall {
    fn has_its_share(&self, holder: Holder) -> bool {
        let taken = held(&self.taken);
        taken.of.get(&holder).is_some_and(|count| *count >= self.house.share(holder))
    }

    /// Tells one of those who have proven nothing to leave: whoever asks for nothing, longest first; else whoever waits for the
    /// gate. False if there is none.
    fn unseat(&self, among: impl Fn(&[Holder], &State) -> bool) -> bool {
        let mut taken = held(&self.taken);
        let last = taken
            .seated
            .iter()
            .map(|(number, (guest, holders))| (*number, *guest.state(), holders))
            .filter(|(_, state, holders)| {
                !state.proven && state.phase != Phase::Working && among(holders, state)
            })
            .map(|(number, state, _)| (number, state))
            .min_by_key(|(number, state)| (state.phase, state.since, *number));
        let Some((number, _)) = last else { return false };
        if let Some(guest) = taken.leaves(number) {
            guest.leave.notify_one();
        }
        true
    }
}

impl Taken {
    /// Nothing is counted for this one any more; `None` if that was so already.
    fn leaves(&mut self, number: u64) -> Option<Arc<Guest>> {
        let (guest, holders) = self.seated.remove(&number)?;
        for holder in holders {
            one_less(&mut self.of, holder);
        }
        Some(guest)
    }
}

fn one_less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

impl Seat {
    pub(crate) fn guest(&self) -> Arc<Guest> {
        self.guest.clone()
    }

    /// Whether it is standing room.
    pub(crate) fn is_standing(&self) -> bool {
        matches!(self.kind, Kind::Standing(_))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = held(&self.hall.taken);
        match self.kind {
            Kind::Seated(number) => drop(taken.leaves(number)),
            Kind::Standing(host) => one_less(&mut taken.standing, host),
        }
    }
}

/// A thread that panics while it holds one of these leaves nothing half-written behind.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: House = House { seats: 32, standing: 4 };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn take(seats: &Seats, peer: &str) -> Welcome {
        seats.take(address(peer), false).await
    }

    /// Whether it has been told to leave by now.
    fn must_leave(seat: &Seat) -> bool {
        let guest = seat.guest();
        let mut told = std::pin::pin!(guest.told_to_leave());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        told.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn there_are_no_more_than_files() {
        for (files, outward, seats, standing) in [
            (None, 16, 784, 16),
            (Some(1024), 16, 784, 16),
            (Some(1024), 1000, 480, 16),
            (Some(256), 16, 192, 16),
            (Some(64), 16, 12, 4),
            (Some(10), 16, 4, 4),
        ] {
            assert_eq!(House::of(files, outward), House { seats, standing }, "{files:?} {outward}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_at_its_own_cost() {
        let seats = Seats::new(SMALL);
        let mut held = Vec::new();
        for n in 0..8 {
            // An address by another name is the same.
            let peer = if n % 2 == 0 { "192.0.2.1" } else { "::ffff:192.0.2.1" };
            held.push(take(&seats, peer).await.seat.unwrap());
        }
        let welcome = take(&seats, "192.0.2.1").await;
        assert!(!welcome.at_cost && welcome.seat.unwrap().is_standing(), "they have only just come");
        tokio::time::advance(SETTLED).await;
        let waiting = held[0].guest().asking();
        assert!(take(&seats, "192.0.2.1").await.at_cost && must_leave(&held[1]) && !must_leave(&held[0]));
        held[1] = take(&seats, "192.0.2.1").await.seat.unwrap();
        drop(waiting);
        tokio::time::advance(SETTLED).await;
        let welcome = take(&seats, "192.0.2.1").await;
        assert!(welcome.at_cost && must_leave(&held[2]) && !must_leave(&held[0]));
        let newest = welcome.seat.unwrap();
        assert!(!newest.is_standing());
        // Who works or has proven something stays; then there is standing room, for two of an address.
        held.remove(2);
        let mut at_work: Vec<_> = held.iter().map(|seat| seat.guest().asking()).collect();
        held.iter().for_each(|seat| seat.guest().is_served());
        newest.guest().has_proven();
        let welcome = take(&seats, "192.0.2.1").await;
        assert!(!welcome.at_cost && welcome.seat.as_ref().unwrap().is_standing());
        let second = take(&seats, "192.0.2.1").await;
        assert!(second.seat.as_ref().unwrap().is_standing());
        assert!(take(&seats, "192.0.2.1").await.seat.is_none());
        assert!(!take(&seats, "192.0.2.2").await.seat.unwrap().is_standing());
        at_work.pop();
        tokio::time::advance(SETTLED).await;
        assert!(take(&seats, "192.0.2.1").await.at_cost && must_leave(&held[6]));
        drop((held, newest, welcome, second));
        let taken = super::held(&seats.0.taken);
        assert!(taken.seated.is_empty() && taken.of.is_empty() && taken.standing.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_no_more_than_an_address() {
        let seats = Seats::new(SMALL);
        let mut held = Vec::new();
        for n in 0..4 {
            held.push(take(&seats, &format!("2001:db8::{n:x}")).await.seat.unwrap());
        }
        tokio::time::advance(SETTLED).await;
        assert!(take(&seats, "2001:db8::ffff:0:0:1").await.at_cost, "a network of 64 bits");
        assert!(must_leave(&held[0]));
        // One of the first four is gone.
        for n in 1..=5 {
            held.push(take(&seats, &format!("2001:db8:0:{n:x}::1")).await.seat.unwrap());
        }
        tokio::time::advance(SETTLED).await;
        assert!(take(&seats, "2001:db8:0:ff::1").await.at_cost, "a network of 56 bits");
        assert!(!take(&seats, "2001:db8:0:100::1").await.at_cost);
    }

    #[tokio::test(start_paused = true)]
    async fn when_seats_are_short_who_has_proven_nothing_goes_first() {
        let seats = Seats::new(SMALL);
        let mut held: Vec<Option<Seat>> = Vec::new();
        for n in 0..32 {
            held.push(take(&seats, &format!("192.0.2.{}", n / 8)).await.seat);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let guest = |n: usize| held[n].as_ref().unwrap().guest();
        // 0 has proven something, 1 and 2 are busy, 3 was heard last; all others do nothing.
        guest(0).has_proven();
        let _working = guest(1).asking();
        guest(1).is_served();
        let _waiting = guest(2).asking();
        drop(guest(3).asking());
        for gone in [4, 5] {
            let leaving = held[gone].take();
            let (welcome, ()) = tokio::join!(take(&seats, "198.51.100.1"), async {
                leaving.as_ref().unwrap().guest().told_to_leave().await;
                drop(leaving);
            });
            assert!(welcome.at_cost && !welcome.seat.as_ref().unwrap().is_standing(), "{gone}");
            welcome.seat.unwrap().guest().has_proven();
            held[gone] = take(&seats, "198.51.100.1").await.seat;
            held[gone].as_ref().unwrap().guest().has_proven();
        }
        // One that does not go in time costs the next one no more than that.
        let started = Instant::now();
        let welcome = take(&seats, "198.51.100.2").await;
        assert!(welcome.at_cost && welcome.seat.unwrap().is_standing());
        assert_eq!(started.elapsed(), LEAVING);
    }

    #[tokio::test]
    async fn a_trusted_proxy_may_have_all_and_whoever_watches_gets_in_nevertheless() {
        let seats = Seats::new(SMALL);
        let mut held = Vec::new();
        for _ in 0..32 {
            held.push(seats.take(address("192.0.2.9"), true).await.seat.unwrap());
        }
        assert!(held.iter().all(|seat| !seat.is_standing()));
        let watching = take(&seats, "198.51.100.1").await;
        assert!(!watching.at_cost && watching.seat.unwrap().is_standing());
    }
}
