//! Refusals, told and slowed: a line costs whoever is refused nothing and the operator a disk. One line a minute for each
//! source, reason and address, with how many were like it; and whoever is refused again and again waits for its answer, since a
//! sender that repeats without a pause posts again only when it has been answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::seats::host;

/// The same is said this often.
const REPEAT: Duration = Duration::from_secs(60);

/// Addresses that are told apart, over all sources; further ones are told as one.
const MOST_ADDRESSES: usize = 256;

/// Refusals in a row that are answered at once: somebody tries a secret by hand.
const AT_ONCE: u32 = 5;

/// After this long without one the next is the first in a row.
const FORGIVEN: Duration = Duration::from_secs(10);

/// The pause before the first answer that waits; each further one takes twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Answers that wait at once, and those to one address of them. Whoever has more is answered at once, and its connection
/// closed.
const MOST_WAITING: usize = 64;
const MOST_WAITING_OF_ONE: usize = 8;

/// Whose requests are refused: where they were posted (`-` is no source's path), and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    source: String,
    host: Option<IpAddr>,
}

/// Why somebody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// As in the log's `error.type`.
    pub(crate) error_type: &'static str,
    /// The gate's check, if it was one.
    pub(crate) check: Option<&'static str>,
}

impl From<&'static str> for Reason {
    fn from(error_type: &'static str) -> Self {
        Self { error_type, check: None }
    }
}

#[derive(Debug)]
struct Entry {
    last: Instant,
    in_a_row: u32,
    waiting: Arc<Semaphore>,
    /// For each reason: when it was said last, and how many have come since.
    said: Vec<(Reason, Instant, u64)>,
}

/// What is known of refusals.
#[derive(Debug)]
pub(crate) struct Refusals {
    table: Mutex<HashMap<Who, Entry>>,
    waiting: Arc<Semaphore>,
}

/// What has come after the last line about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct More {
    pub(crate) source: String,
    /// `None` is those of all addresses that are not told apart, or not known.
    pub(crate) host: Option<IpAddr>,
    pub(crate) reason: Reason,
    pub(crate) count: u64,
}

/// How an answer is given to somebody who is refused.
#[derive(Debug)]
pub(crate) enum Pace {
    AtOnce,
    /// After this long, while the permits are held.
    After(Duration, [OwnedSemaphorePermit; 2]),
    /// At once, and then no more on this connection.
    Closing,
}

impl Refusals {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::default(), waiting: Arc::new(Semaphore::new(MOST_WAITING)) }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Who, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Some` if a line about this one is due, with how many like it had none.
    pub(crate) fn line(
        &self,
        source: Option<&str>,
        reason: impl Into<Reason>,
        client: Option<IpAddr>,
    ) -> Option<u64> {
        let reason = reason.into();
        let (mut table, now) = (self.table(), Instant::now());
        let entry = entry(&mut table, source, client, now);
        match entry.said.iter_mut().find(|(said, ..)| *said == reason) {
            None => {
                entry.said.push((reason, now, 0));
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

    /// How fast somebody hears that it is refused, once more.
    pub(crate) fn pace(&self, source: Option<&str>, client: Option<IpAddr>) -> Pace {
        let (mut table, now) = (self.table(), Instant::now());
        let entry = entry(&mut table, source, client, now);
        if now.duration_since(entry.last) > FORGIVEN {
            entry.in_a_row = 0;
        }
        entry.last = now;
        entry.in_a_row = entry.in_a_row.saturating_add(1);
        let Some(late) = entry.in_a_row.checked_sub(AT_ONCE + 1) else { return Pace::AtOnce };
        let own = entry.waiting.clone().try_acquire_owned();
        match (own, self.waiting.clone().try_acquire_owned()) {
            (Ok(own), Ok(all)) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << late.min(16)).min(LONGEST_PAUSE);
                Pace::After(pause, [own, all])
            }
            _ => Pace::Closing,
        }
    }

    /// What has come since a line was written, of all about which another line is due; at the `end` of a process, of all. Who
    /// is quiet is forgotten.
    pub(crate) fn more(&self, end: bool) -> Vec<More> {
        let now = Instant::now();
        let mut due = Vec::new();
        self.table().retain(|who, entry| {
            entry.said.retain_mut(|(reason, when, more)| {
                let old = now.duration_since(*when) >= REPEAT;
                if *more > 0 && (old || end) {
                    let Who { source, host } = who.clone();
                    due.push(More { source, host, reason: *reason, count: std::mem::take(more) });
                    *when = now;
                    return true;
                }
                !old
            });
            !entry.said.is_empty() || now.duration_since(entry.last) <= FORGIVEN
        });
        due
    }
}

/// The entry of somebody; one for all who have none, once there are too many.
fn entry<'t>(
    table: &'t mut HashMap<Who, Entry>,
    source: Option<&str>,
    client: Option<IpAddr>,
    now: Instant,
) -> &'t mut Entry {
    let mut who = Who { source: source.unwrap_or("-").to_owned(), host: client.map(host) };
    if table.len() >= MOST_ADDRESSES && !table.contains_key(&who) {
        who.host = None;
    }
    table.entry(who).or_insert_with(|| Entry {
        last: now,
        in_a_row: 0,
        waiting: Arc::new(Semaphore::new(MOST_WAITING_OF_ONE)),
        said: Vec::new(),
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
        // Nobody comes any more, and is told of nevertheless.
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
    async fn who_is_refused_again_and_again_waits_longer_and_longer() {
        let refusals = Refusals::new();
        let pause = |n| match refusals.pace(Some("a"), client(n)) {
            Pace::AtOnce => 0,
            Pace::After(pause, _) => pause.as_millis(),
            Pace::Closing => u128::MAX,
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
            let paces = (0..30).map(|_| refusals.pace(Some("a"), client(n)));
            paces.filter(|pace| matches!(pace, Pace::After(..))).collect::<Vec<_>>()
        };
        let held: Vec<Vec<Pace>> = (0..20).map(waiting).collect();
        assert!(held[0].len() <= MOST_WAITING_OF_ONE && !held[0].is_empty());
        assert!(held.iter().map(Vec::len).sum::<usize>() <= MOST_WAITING);
        drop(held);
        assert!(matches!(refusals.pace(Some("a"), client(0)), Pace::After(..)));
    }
}
