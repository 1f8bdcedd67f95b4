//! Refusals, logged and slowed down. A refused request costs its client nothing, and a line for each would fill the operator's disk: so there is
//! one line a minute for each source, reason and address, with the number of refusals like it. A client that is refused again and again waits for its
//! answer: a sender that repeats without a pause posts again only when it has been answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mdss_relay_request::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::slots::host;

/// The same is logged this often.
const REPEAT: Duration = Duration::from_secs(60);

/// Addresses that are logged one by one, over all sources; further ones share one entry.
const MOST_ADDRESSES: usize = 256;

/// Refusals in a row that are answered at once: somebody tries a secret by hand.
const AT_ONCE: u32 = 5;

/// For this long without one the next is the first in a row.
const FORGIVEN: Duration = Duration::from_secs(10);

/// The pause before the first answer that waits; each further one takes twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Answers that wait at once, and those to one address of them. Whoever has more is answered at once, and its connection
/// closed.
const MOST_WAITING: usize = 64;
const MOST_WAITING_OF_ONE: usize = 8;

/// Whose requests are refused: the source they were posted to (`-`: no source has the path), and the client's host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Refused {
    source: String,
    host: Option<IpAddr>,
}

#[derive(Debug)]
struct Entry {
    last: Instant,
    in_a_row: u32,
    waiting: Arc<Semaphore>,
    /// For each reason: when it was logged last, and how many were not logged since.
    logged: Vec<(Reason, Instant, u64)>,
}

/// What is known of refusals.
#[derive(Debug)]
pub(crate) struct Refusals {
    table: Mutex<HashMap<Refused, Entry>>,
    waiting: Arc<Semaphore>,
}

/// Refusals after the last line about their kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct More {
    pub(crate) source: String,
    /// `None` is that of all addresses that share an entry, or are not known.
    pub(crate) host: Option<IpAddr>,
    pub(crate) reason: Reason,
    pub(crate) count: u64,
}

/// How long the answer to a refused request waits.
#[derive(Debug)]
pub(crate) enum Delay {
    None,
    /// For this long, while the permits are held.
    For(Duration, [OwnedSemaphorePermit; 2]),
    /// Not at all, and it is the last one of its connection.
    Close,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::default(), waiting: Arc::new(Semaphore::new(MOST_WAITING)) }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Refused, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Some` if a line about this refusal is due, with the number of those like it that had none.
    pub(crate) fn line(
        &self,
        source: Option<&str>,
        reason: impl Into<Reason>,
        client: Option<IpAddr>,
    ) -> Option<u64> {
        let reason = reason.into();
        let (mut table, now) = (self.table(), Instant::now());
        let entry = entry(&mut table, source, client, now);
        match entry.logged.iter_mut().find(|(logged, ..)| *logged == reason) {
            None => {
                entry.logged.push((reason, now, 0));
                Some(0)
            }
            Some((_, when, more)) if now.duration_since(*when) >= REPEAT => {
                *when = now;
                Some(std::mem::take(more))
            }
            Some((.., more)) => {
                *more += 1;
                None
            }
        }
    }

    /// How long the answer to one more refusal waits.
    pub(crate) fn delay(&self, source: Option<&str>, client: Option<IpAddr>) -> Delay {
        let (mut table, now) = (self.table(), Instant::now());
        let entry = entry(&mut table, source, client, now);
        if now.duration_since(entry.last) > FORGIVEN {
            entry.in_a_row = 0;
        }
        entry.last = now;
        entry.in_a_row = entry.in_a_row.saturating_add(1);
        let Some(late) = entry.in_a_row.checked_sub(AT_ONCE + 1) else { return Delay::None };
        let own = entry.waiting.clone().try_acquire_owned();
        match (own, self.waiting.clone().try_acquire_owned()) {
            (Ok(own), Ok(all)) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << late.min(16)).min(LONGEST_PAUSE);
                Delay::For(pause, [own, all])
            }
            _ => Delay::Close,
        }
    }

    /// The refusals that had no line, of every kind whose next line is due; at the `end` of a process, of every kind. A client that is
    /// quiet is forgotten.
    pub(crate) fn more(&self, end: bool) -> Vec<More> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.table().retain(|who, entry| {
            entry.logged.retain_mut(|(reason, when, more)| {
                let old = now.duration_since(*when) >= REPEAT;
                if *more > 0 && (old || end) {
                    let Refused { source, host } = who.clone();
                    due.push(More { source, host, reason: *reason, count: std::mem::take(more) });
                    *when = now;
                    return true;
                }
                !old
            });
            !entry.logged.is_empty() || now.duration_since(entry.last) <= FORGIVEN
        });
        due
    }
}

/// The entry of a client; one for all others, once there are too many.
fn entry<'t>(
    table: &'t mut HashMap<Refused, Entry>,
    source: Option<&str>,
    client: Option<IpAddr>,
    now: Instant,
) -> &'t mut Entry {
    let mut who = Refused { source: source.unwrap_or("-").to_owned(), host: client.map(host) };
    if table.len() >= MOST_ADDRESSES && !table.contains_key(&who) {
        who.host = None;
    }
    table.entry(who).or_insert_with(|| Entry {
        last: now,
        in_a_row: 0,
        waiting: Arc::new(Semaphore::new(MOST_WAITING_OF_ONE)),
        logged: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::advance;

    use super::*;

    fn client(n: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(0xc633_6400 + n).into())
    }

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_says_how_many_were_like_it() {
        let refusals = Refusals::new();
        let line = |source, reason, n| refusals.line(Some(source), reason, client(n));
        assert_eq!(line("a", "bearer", 1), Some(0));
        // Another address, another source, another reason.
        for other in [("a", "bearer", 2), ("b", "bearer", 1), ("a", "path_secret", 1)] {
            assert_eq!(line(other.0, other.1, other.2), Some(0), "{other:?}");
        }
        for _ in 0..100 {
            advance(Duration::from_millis(100)).await;
            assert_eq!(line("a", "bearer", 1), None);
        }
        assert_eq!(refusals.more(false), []);
        advance(REPEAT).await;
        assert_eq!(line("a", "bearer", 1), Some(100));
        assert_eq!(line("a", "bearer", 1), None);
        let one = More { source: "a".into(), host: client(1), reason: "bearer".into(), count: 1 };
        // No refusal comes any more, and the ones before are logged nevertheless.
        advance(REPEAT).await;
        assert_eq!(refusals.more(false), [one]);
        assert_eq!(line("a", "bearer", 1), None);
        assert_eq!(refusals.more(true).len(), 1, "at the end nobody waits");
        advance(REPEAT).await;
        assert_eq!((refusals.more(false).len(), refusals.table().len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_without_end_take_no_memory_without_end() {
        let refusals = Refusals::new();
        let lines = (0..10_000).filter(|n| refusals.line(None, "unknown_path", client(*n)).is_some()).count();
        assert_eq!(lines, MOST_ADDRESSES + 1);
        assert_eq!(refusals.table().len(), MOST_ADDRESSES + 1);
        let more = refusals.more(true);
        let rest = 10_000 - lines as u64;
        assert_eq!(
            more,
            [More { source: "-".into(), host: None, reason: "unknown_path".into(), count: rest }]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_refused_again_and_again_waits_longer_and_longer() {
        let refusals = Refusals::new();
        let pause = |n| match refusals.delay(Some("a"), client(n)) {
            Delay::None => 0,
            Delay::For(pause, _) => pause.as_millis(),
            Delay::Close => u128::MAX,
        };
        let pauses: Vec<_> = (0..11).map(|_| pause(1)).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(2), 0, "another address");
        advance(FORGIVEN + Duration::from_millis(1)).await;
        assert_eq!(pause(1), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn few_answers_wait_and_the_other_connections_are_closed() {
        let refusals = Refusals::new();
        let waiting = |n| {
            let paces = (0..30).map(|_| refusals.delay(Some("a"), client(n)));
            paces.filter(|delay| matches!(delay, Delay::For(..))).collect::<Vec<_>>()
        };
        let held: Vec<Vec<Delay>> = (0..20).map(waiting).collect();
        assert!(held[0].len() <= MOST_WAITING_OF_ONE && !held[0].is_empty());
        assert!(held.iter().map(Vec::len).sum::<usize>() <= MOST_WAITING);
        drop(held);
        assert!(matches!(refusals.delay(Some("a"), client(0)), Delay::For(..)));
    }
}
