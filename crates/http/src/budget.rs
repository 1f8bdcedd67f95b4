//! Bytes in hand: bodies, what becomes of them, and answers on their way out. Counted in bytes and not in requests, because
//! one byte of a body can become hundreds of them; and shared by source, because whoever may post to one source must not take
//! what the others need.
//!
//! Three pools. Whoever has something of the second waits for nothing further, so that nobody waits in a circle; and what is
//! small has a pool of its own, so that an event of usual size never waits for large ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Permits are of this many bytes; a semaphore counts in 32 bits.
const UNIT: usize = 1024;

/// Bodies that are read or kept, except small ones: all together, and those of one source.
const BODIES: usize = 16 << 20;
const BODIES_OF_ONE: usize = 8 << 20;

/// What becomes of bodies, if it is much: all together, and of those of one source, and so of a single one.
const WORK: usize = 64 << 20;
const WORK_OF_ONE: usize = 40 << 20;

/// What becomes of bodies, if it is little.
const LITTLE: usize = 16 << 20;
const MOST_LITTLE: usize = 256 << 10;

/// A body up to this is read without being counted: so many of them as there are places are half a megabyte.
pub(crate) const SMALL_BODY: usize = 16 << 10;

/// A record in hand: as it is planned, sent and reported. Measured with 20,000 records of some 110 bytes each and an MDSS that
/// is not there.
const RECORD: usize = 2560;

/// The most records that are read of one delivery (crates/core, `MOST_RECORDS`).
const MOST_RECORDS: usize = 20_000;

/// Bytes of a body in which a record can hide that shows no comma: in base64, percent-encoded.
const HIDDEN_RECORD: usize = 64;

/// The longest anybody waits for bytes. Most are in hand for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all requests of a server have in hand.
pub(crate) struct Budget {
    bodies: Pool,
    work: Pool,
    little: Arc<Semaphore>,
}

/// A share of the budget; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Vec<OwnedSemaphorePermit>);

struct Pool {
    all: Arc<Semaphore>,
    of_one: usize,
    sources: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            bodies: Pool::new(BODIES, BODIES_OF_ONE),
            work: Pool::new(WORK, WORK_OF_ONE),
            little: Arc::new(Semaphore::new(LITTLE / UNIT)),
        }
    }

    /// Room for a body, of which nothing is known yet. Nobody waits for it after `until`.
    pub(crate) fn room<'b>(&'b self, source: &'b str, until: Option<Instant>) -> Room<'b> {
        Room { budget: self, source, until, share: Share::default(), bytes: 0 }
    }

    /// Room for what may become of a body before anybody has read it; `None` if there was none for a while, or `until` then.
    pub(crate) async fn work(&self, source: &str, body: &[u8], until: Option<Instant>) -> Option<Share> {
        // Counted, not parsed: records of a list have a comma between them.
        let commas = count(body, b',');
        let records = commas.max(body.len() / HIDDEN_RECORD).min(MOST_RECORDS) + 1;
        let bytes = in_hand(records, body.len());
        if bytes > MOST_LITTLE {
            return self.work.take(source, bytes, until).await;
        }
        Some(Share(vec![patiently(&self.little, permits(bytes), until).await?]))
    }
}

/// Room for a body while it comes.
pub(crate) struct Room<'b> {
    budget: &'b Budget,
    source: &'b str,
    until: Option<Instant>,
    share: Share,
    /// Permits are held for so many.
    bytes: usize,
}

impl Room<'_> {
    /// Makes it as large as so many bytes; false if there was no room for a while. A body that is larger than a source's share
    /// gets all of it.
    pub(crate) async fn hold(&mut self, bytes: usize) -> bool {
        // In whole permits, or the parts come to more than the whole.
        let wanted = bytes.min(BODIES_OF_ONE).next_multiple_of(UNIT);
        if bytes <= SMALL_BODY || wanted <= self.bytes {
            return true;
        }
        let Some(more) = self.budget.bodies.take(self.source, wanted - self.bytes, self.until).await else {
            return false;
        };
        self.share.0.extend(more.0);
        self.bytes = wanted;
        true
    }

    /// The share, to be kept as long as the body is.
    pub(crate) fn share(self) -> Share {
        self.share
    }
}

/// How often a byte occurs. Summed up in bytes, as many as those can hold: the compiler then looks at sixteen at once, and at one where each is a `usize`.
fn count(body: &[u8], byte: u8) -> usize {
    let few = |some: &[u8]| some.iter().map(|one| u8::from(*one == byte)).sum::<u8>();
    body.chunks(u8::MAX.into()).map(few).map(usize::from).sum()
}

/// What so many records take, if they are texts of so many bytes.
pub(crate) fn in_hand(records: usize, bytes: usize) -> usize {
    records.saturating_mul(RECORD).saturating_add(bytes)
}

impl Share {
    /// Gives back what is above so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let keep = permits(bytes) as usize;
        for permit in &mut self.0 {
            let over = permit.num_permits().saturating_sub(keep);
            drop(permit.split(over));
        }
    }
}

impl Pool {
    fn new(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all / UNIT)), of_one: of_one / UNIT, sources: Mutex::default() }
    }

    async fn take(&self, source: &str, bytes: usize, until: Option<Instant>) -> Option<Share> {
        let count = permits(bytes).min(u32::try_from(self.of_one).unwrap_or(u32::MAX));
        // Sources are the operator's, so there are few.
        let own = self
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(source.to_owned())
            .or_insert_with(|| Arc::new(Semaphore::new(self.of_one)))
            .clone();
        // First what is its own: whoever waits for that stands in nobody's way.
        let own = patiently(&own, count, until).await?;
        Some(Share(vec![patiently(&self.all, count, until).await?, own]))
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).max(1)
}

async fn patiently(
    semaphore: &Arc<Semaphore>,
    count: u32,
    until: Option<Instant>,
) -> Option<OwnedSemaphorePermit> {
    let longest = Instant::now() + PATIENCE;
    let until = until.map_or(longest, |until| until.min(longest));
    timeout_at(until, semaphore.clone().acquire_many_owned(count)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comma_of_a_long_body_counts() {
        for bytes in [0, 1, 254, 255, 256, 510, 511, 100_000] {
            assert_eq!(count(&vec![b','; bytes], b','), bytes);
            let every_third: Vec<_> = (0..bytes).map(|n| if n % 3 == 0 { b',' } else { b';' }).collect();
            assert_eq!(count(&every_third, b','), bytes.div_ceil(3));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_takes_its_share_and_waits_only_so_long_for_more() {
        let budget = Budget::new();
        let hold = async |source, bytes| {
            let mut room = budget.room(source, None);
            room.hold(bytes).await.then(|| room.share())
        };
        let first = hold("a", BODIES_OF_ONE).await.unwrap();
        let started = Instant::now();
        assert!(hold("a", SMALL_BODY + 1).await.is_none());
        assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
        // What is small is not counted, and the others have theirs; a body above the share is one of it.
        hold("a", SMALL_BODY).await.unwrap();
        let second = hold("b", usize::MAX).await.unwrap();
        assert!(hold("c", SMALL_BODY + 1).await.is_none(), "all is taken");
        drop(first);
        // One of which nobody knows how long it will be.
        let mut growing = budget.room("c", None);
        for bytes in [1, SMALL_BODY, SMALL_BODY + 1, BODIES_OF_ONE / 2, BODIES_OF_ONE, usize::MAX] {
            assert!(growing.hold(bytes).await, "{bytes}");
        }
        drop((second, growing.share()));
        assert_eq!(budget.bodies.all.available_permits(), BODIES / UNIT);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_his_sender_does() {
        let budget = Budget::new();
        let mut all = budget.room("a", None);
        assert!(all.hold(usize::MAX).await);
        let many = b"1,".repeat(20_000);
        let _work = budget.work("a", &many, None).await.unwrap();
        let started = Instant::now();
        let until = Some(started + Duration::from_secs(4));
        assert!(!budget.room("a", until).hold(SMALL_BODY + 1).await);
        assert_eq!(started.elapsed().as_secs(), 4);
        // Whoever has waited for the one does not wait for the other, but takes what is there.
        assert!(budget.work("a", &many, until).await.is_none());
        assert!(budget.work("a", b"1", until).await.is_some());
        assert_eq!(started.elapsed().as_secs(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_many_records_may_become_is_bounded_and_an_event_of_usual_size_does_not_notice() {
        let budget = Budget::new();
        let many = b"1,".repeat(20_000);
        let mut first = budget.work("a", &many, None).await.unwrap();
        assert!(budget.work("a", &many, None).await.is_none());
        assert!(budget.work("b", &many, None).await.is_none(), "more than half is taken");
        let usual = r#"{"a":"b"},"#.repeat(80);
        let mut small = Vec::new();
        for _ in 0..70 {
            small.push(budget.work("a", usual.as_bytes(), None).await.unwrap());
        }
        // Encoded, commas do not show.
        let hidden = vec![b'x'; 20_000 * HIDDEN_RECORD];
        assert!(budget.work("b", &hidden, None).await.is_none());
        // Most of it is given back once the records are counted.
        first.shrink(in_hand(10, many.len()));
        budget.work("b", &hidden, None).await.unwrap();
        drop((first, small));
        assert_eq!(budget.work.all.available_permits(), WORK / UNIT);
        assert_eq!(budget.little.available_permits(), LITTLE / UNIT);
    }
}
