//! Slots for connections: so many in all, so many for one client, and none kept for ever by a client that has not authenticated.
//!
//! A connection costs a stranger nothing. As long as there are slots, everybody gets one. When they are short, connections on which
//! no request has passed a check of the gate are closed first. When there is none to close, a connection gets a probe-only slot,
//! where only the relay's own pages are answered: an orchestrator must not take a full relay for a dead one.

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

/// How long a connection that is evicted may take to end. It is on its way out of a wait.
const EVICTION: Duration = Duration::from_secs(1);

/// A client that has said nothing for so long after it connected, or was answered, is not about to.
const SETTLED: Duration = Duration::from_secs(1);

/// How many slots there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    slots: usize,
    /// Probe-only ones, beside those.
    probe_only: usize,
}

impl Capacity {
    /// For the port of those who watch: some for a scraper, the probes of an orchestrator and a person, and not all of them for one
    /// address.
    pub(crate) const ADMIN: Self = Self { slots: 28, probe_only: 4 };

    /// What `files` allow, the most that a process may open, of which `outward` may go to MDSS.
    pub(crate) fn of(files: Option<u64>, outward: usize) -> Self {
        let left = files.map_or(u64::MAX, |files| files.saturating_sub(OWN_FILES));
        let left = left - (left / 2).min(outward as u64);
        let all = usize::try_from(left).unwrap_or(usize::MAX).clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS);
        let probe_only = (all / 8).clamp(4, 16);
        Self { slots: all - probe_only, probe_only }
    }

    /// All of them, and whether they are fewer than there would be with more files.
    pub(crate) fn size(self) -> (usize, bool) {
        let all = self.slots + self.probe_only;
        (all, all < MOST_CONNECTIONS)
    }

    /// How many slots one prefix may have: an address of IPv4, and a network of 56 bits, which is what one customer of a provider has
    /// (<https://www.rfc-editor.org/rfc/rfc6177>, section 2), a quarter. Half of that for a network of 64 bits, one host's.
    fn limit(self, prefix: Prefix) -> usize {
        let part = if prefix.1 == 64 { 8 } else { 4 };
        (self.slots / part).max(2)
    }
}

/// What is taken for one client: the beginning of an address, and its length in bits.
type Prefix = (IpAddr, u8);

/// The prefixes that an address belongs to.
fn prefixes(peer: IpAddr) -> Vec<Prefix> {
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
    prefixes(peer).first().map_or(peer, |(host, _)| *host)
}

/// What a connection is doing, as far as slots are concerned.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    state: Mutex<State>,
    evicted: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    authenticated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No request, or not a whole head of one.
    Idle,
    /// A request that the gate has not admitted yet.
    Waiting,
    /// A delivery under way. It is never evicted.
    Delivering,
}

impl ConnectionState {
    fn new(authenticated: bool) -> Arc<Self> {
        let state = State { phase: Phase::Idle, since: Instant::now(), authenticated };
        Arc::new(Self { state: Mutex::new(state), evicted: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.state)
    }

    /// A request has come; it is over when what this gives is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.enters(Phase::Waiting);
        RequestGuard(self.clone())
    }

    /// A request has passed a check of the gate.
    pub(crate) fn set_authenticated(&self) {
        self.state().authenticated = true;
    }

    /// The request is delivered from here on.
    pub(crate) fn set_delivering(&self) {
        self.enters(Phase::Delivering);
    }

    fn enters(&self, phase: Phase) {
        let mut state = self.state();
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Waits until the slot is given to another connection.
    pub(crate) async fn wait_for_eviction(&self) {
        self.evicted.notified().await;
    }
}

/// A request under way.
pub(crate) struct RequestGuard(Arc<ConnectionState>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.enters(Phase::Idle);
    }
}

/// Every slot there is.
pub(crate) struct Slots(Arc<Inner>);

struct Inner {
    capacity: Capacity,
    slots: Arc<Semaphore>,
    probe_only: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: u64,
    full: HashMap<u64, (Arc<ConnectionState>, Vec<Prefix>)>,
    /// How many slots each prefix has.
    of: HashMap<Prefix, usize>,
    /// How many probe-only slots each host has.
    probe_only: HashMap<IpAddr, usize>,
}

/// One slot; given back when it is dropped.
pub(crate) struct Slot {
    inner: Arc<Inner>,
    connection: Arc<ConnectionState>,
    kind: Kind,
    _place: OwnedSemaphorePermit,
}

enum Kind {
    Full(u64),
    ProbeOnly(IpAddr),
}

/// What a new connection gets.
pub(crate) struct Assigned {
    /// `None`: not even a probe-only slot is left.
    pub(crate) slot: Option<Slot>,
    /// Whether another connection was evicted for it.
    pub(crate) evicted: bool,
}

impl Slots {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self(Arc::new(Inner {
            capacity,
            slots: Arc::new(Semaphore::new(capacity.slots)),
            probe_only: Arc::new(Semaphore::new(capacity.probe_only)),
            taken: Mutex::default(),
        }))
    }

    /// A slot for a connection. Behind a trusted proxy are many clients: it has no limit and need not authenticate.
    pub(crate) async fn take(&self, peer: IpAddr, trusted: bool) -> Assigned {
        let prefixes = if trusted { Vec::new() } else { prefixes(peer) };
        let mut evicted = false;
        for prefix in &prefixes {
            if self.0.is_at_limit(*prefix) {
                // One of its own is evicted, and nobody else's; not one that has only just come, or is about to be answered.
                let settled = |state: &State| state.phase == Phase::Idle && state.since.elapsed() >= SETTLED;
                evicted = self.0.evict(|others, state| others.contains(prefix) && settled(state));
                if !evicted {
                    return Assigned { slot: self.probe_only(peer), evicted };
                }
            }
        }
        let place = match self.0.slots.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) if evicted || self.0.evict(|_, _| true) => {
                evicted = true;
                timeout(EVICTION, self.0.slots.clone().acquire_owned()).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let slot = match place {
            Some(place) => Some(self.slot(place, prefixes, trusted)),
            None => self.probe_only(peer),
        };
        Assigned { slot, evicted }
    }

    fn slot(&self, place: OwnedSemaphorePermit, prefixes: Vec<Prefix>, authenticated: bool) -> Slot {
        let connection = ConnectionState::new(authenticated);
        let mut taken = held(&self.0.taken);
        for prefix in &prefixes {
            *taken.of.entry(*prefix).or_default() += 1;
        }
        taken.count += 1;
        let number = taken.count;
        taken.full.insert(number, (connection.clone(), prefixes));
        Slot { inner: self.0.clone(), connection, kind: Kind::Full(number), _place: place }
    }

    fn probe_only(&self, peer: IpAddr) -> Option<Slot> {
        let host = host(peer);
        let mut taken = held(&self.0.taken);
        let count = taken.probe_only.get(&host).copied().unwrap_or_default();
        // Two, since a probe may come before the last one's connection has gone.
        if count >= (self.0.capacity.probe_only / 4).max(2) {
            return None;
        }
        let place = self.0.probe_only.clone().try_acquire_owned().ok()?;
        taken.probe_only.insert(host, count + 1);
        Some(Slot {
            inner: self.0.clone(),
            connection: ConnectionState::new(false),
            kind: Kind::ProbeOnly(host),
            _place: place,
        })
    }
}

impl Inner {
    fn is_at_limit(&self, prefix: Prefix) -> bool {
        let taken = held(&self.taken);
        taken.of.get(&prefix).is_some_and(|count| *count >= self.capacity.limit(prefix))
    }

    /// Evicts a connection that has not authenticated: the one that has been idle longest, else the one that has waited longest for
    /// the gate. False if there is none.
    fn evict(&self, among: impl Fn(&[Prefix], &State) -> bool) -> bool {
        let mut taken = held(&self.taken);
        let last = taken
            .full
            .iter()
            .map(|(number, (connection, prefixes))| (*number, *connection.state(), prefixes))
            .filter(|(_, state, prefixes)| {
                !state.authenticated && state.phase != Phase::Delivering && among(prefixes, state)
            })
            .map(|(number, state, _)| (number, state))
            .min_by_key(|(number, state)| (state.phase, state.since, *number));
        let Some((number, _)) = last else { return false };
        if let Some(connection) = taken.remove(number) {
            connection.evicted.notify_one();
        }
        true
    }
}

impl Taken {
    /// Counts a connection no more; `None` if that was so already.
    fn remove(&mut self, number: u64) -> Option<Arc<ConnectionState>> {
        let (connection, prefixes) = self.full.remove(&number)?;
        for prefix in prefixes {
            one_less(&mut self.of, prefix);
        }
        Some(connection)
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

impl Slot {
    pub(crate) fn connection(&self) -> Arc<ConnectionState> {
        self.connection.clone()
    }

    /// Whether only the relay's own pages are answered there.
    pub(crate) fn is_probe_only(&self) -> bool {
        matches!(self.kind, Kind::ProbeOnly(_))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = held(&self.inner.taken);
        match self.kind {
            Kind::Full(number) => drop(taken.remove(number)),
            Kind::ProbeOnly(host) => one_less(&mut taken.probe_only, host),
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

    const SMALL: Capacity = Capacity { slots: 32, probe_only: 4 };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn take(slots: &Slots, peer: &str) -> Assigned {
        slots.take(address(peer), false).await
    }

    /// Whether it has been evicted by now.
    fn is_evicted(slot: &Slot) -> bool {
        let connection = slot.connection();
        let mut eviction = std::pin::pin!(connection.wait_for_eviction());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        eviction.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn there_are_no_more_than_files() {
        for (files, outward, slots, probe_only) in [
            (None, 16, 784, 16),
            (Some(1024), 16, 784, 16),
            (Some(1024), 1000, 480, 16),
            (Some(256), 16, 192, 16),
            (Some(64), 16, 12, 4),
            (Some(10), 16, 4, 4),
        ] {
            assert_eq!(Capacity::of(files, outward), Capacity { slots, probe_only }, "{files:?} {outward}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_at_its_limit_evicts_one_of_its_own() {
        let slots = Slots::new(SMALL);
        let mut held = Vec::new();
        for n in 0..8 {
            // An address by another name is the same.
            let peer = if n % 2 == 0 { "192.0.2.1" } else { "::ffff:192.0.2.1" };
            held.push(take(&slots, peer).await.slot.unwrap());
        }
        let assigned = take(&slots, "192.0.2.1").await;
        assert!(!assigned.evicted && assigned.slot.unwrap().is_probe_only(), "they have only just come");
        tokio::time::advance(SETTLED).await;
        let waiting = held[0].connection().begin_request();
        assert!(take(&slots, "192.0.2.1").await.evicted && is_evicted(&held[1]) && !is_evicted(&held[0]));
        held[1] = take(&slots, "192.0.2.1").await.slot.unwrap();
        drop(waiting);
        tokio::time::advance(SETTLED).await;
        let assigned = take(&slots, "192.0.2.1").await;
        assert!(assigned.evicted && is_evicted(&held[2]) && !is_evicted(&held[0]));
        let newest = assigned.slot.unwrap();
        assert!(!newest.is_probe_only());
        // What delivers or has authenticated stays; then there are probe-only slots, two for an address.
        held.remove(2);
        let mut at_work: Vec<_> = held.iter().map(|slot| slot.connection().begin_request()).collect();
        held.iter().for_each(|slot| slot.connection().set_delivering());
        newest.connection().set_authenticated();
        let assigned = take(&slots, "192.0.2.1").await;
        assert!(!assigned.evicted && assigned.slot.as_ref().unwrap().is_probe_only());
        let second = take(&slots, "192.0.2.1").await;
        assert!(second.slot.as_ref().unwrap().is_probe_only());
        assert!(take(&slots, "192.0.2.1").await.slot.is_none());
        assert!(!take(&slots, "192.0.2.2").await.slot.unwrap().is_probe_only());
        at_work.pop();
        tokio::time::advance(SETTLED).await;
        assert!(take(&slots, "192.0.2.1").await.evicted && is_evicted(&held[6]));
        drop((held, newest, assigned, second));
        let taken = super::held(&slots.0.taken);
        assert!(taken.full.is_empty() && taken.of.is_empty() && taken.probe_only.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_no_more_than_an_address() {
        let slots = Slots::new(SMALL);
        let mut held = Vec::new();
        for n in 0..4 {
            held.push(take(&slots, &format!("2001:db8::{n:x}")).await.slot.unwrap());
        }
        tokio::time::advance(SETTLED).await;
        assert!(take(&slots, "2001:db8::ffff:0:0:1").await.evicted, "a network of 64 bits");
        assert!(is_evicted(&held[0]));
        // One of the first four is gone.
        for n in 1..=5 {
            held.push(take(&slots, &format!("2001:db8:0:{n:x}::1")).await.slot.unwrap());
        }
        tokio::time::advance(SETTLED).await;
        assert!(take(&slots, "2001:db8:0:ff::1").await.evicted, "a network of 56 bits");
        assert!(!take(&slots, "2001:db8:0:100::1").await.evicted);
    }

    #[tokio::test(start_paused = true)]
    async fn when_slots_are_short_connections_that_have_not_authenticated_go_first() {
        let slots = Slots::new(SMALL);
        let mut held: Vec<Option<Slot>> = Vec::new();
        for n in 0..32 {
            held.push(take(&slots, &format!("192.0.2.{}", n / 8)).await.slot);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let connection = |n: usize| held[n].as_ref().unwrap().connection();
        // 0 has authenticated, 1 and 2 are busy, 3 was answered last; all others do nothing.
        connection(0).set_authenticated();
        let _working = connection(1).begin_request();
        connection(1).set_delivering();
        let _waiting = connection(2).begin_request();
        drop(connection(3).begin_request());
        for gone in [4, 5] {
            let leaving = held[gone].take();
            let (assigned, ()) = tokio::join!(take(&slots, "198.51.100.1"), async {
                leaving.as_ref().unwrap().connection().wait_for_eviction().await;
                drop(leaving);
            });
            assert!(assigned.evicted && !assigned.slot.as_ref().unwrap().is_probe_only(), "{gone}");
            assigned.slot.unwrap().connection().set_authenticated();
            held[gone] = take(&slots, "198.51.100.1").await.slot;
            held[gone].as_ref().unwrap().connection().set_authenticated();
        }
        // One that does not end in time costs the next one no more than that.
        let started = Instant::now();
        let assigned = take(&slots, "198.51.100.2").await;
        assert!(assigned.evicted && assigned.slot.unwrap().is_probe_only());
        assert_eq!(started.elapsed(), EVICTION);
    }

    #[tokio::test]
    async fn a_trusted_proxy_may_have_all_and_a_probe_is_answered_nevertheless() {
        let slots = Slots::new(SMALL);
        let mut held = Vec::new();
        for _ in 0..32 {
            held.push(slots.take(address("192.0.2.9"), true).await.slot.unwrap());
        }
        assert!(held.iter().all(|slot| !slot.is_probe_only()));
        let watching = take(&slots, "198.51.100.1").await;
        assert!(!watching.evicted && watching.slot.unwrap().is_probe_only());
    }
}
