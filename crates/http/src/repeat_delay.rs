//! Failed answers to senders that repeat at once.
//!
//! Ceph (seen with 16.2.15) posts an event of a persistent topic that failed again as soon as it has the answer, hundreds of
//! times a second, whatever `Retry-After` says, and everything behind it as well. It waits for answers, though. So the same
//! request that fails again right after its last answer is answered after a pause, which grows to a second.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A sender that repeats later than this after an answer has paused by itself.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The first pause; doubled with each further failure.
const FIRST: Duration = Duration::from_millis(100);

/// The longest, well below what any sender waits for an answer.
const MOST: Duration = Duration::from_secs(1);

/// Answers of one source that wait at once. Further ones do not: what waits has a connection, and something in memory.
const MOST_WAITING: usize = 16;

/// Requests that are remembered, the oldest forgotten first.
const MOST_REQUESTS: usize = 1024;

/// So much of a body tells it from another; its length does, too.
const LOOKED_AT: usize = 64 * 1024;

/// By which the same request is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestKey(u64);

#[derive(Default)]
pub(crate) struct RepeatDelay {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failed: HashMap<RequestKey, Failed>,
    order: VecDeque<RequestKey>,
    waiting: HashMap<String, usize>,
}

struct Failed {
    /// When it was answered last, or will be.
    answered: Instant,
    /// How often in a row.
    times: u32,
}

/// An answer that waits; counted until this is dropped.
struct Waiting<'p> {
    delay: &'p RepeatDelay,
    source: &'p str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.delay.state();
        if let Some(waiting) = state.waiting.get_mut(self.source) {
            *waiting -= 1;
            if *waiting == 0 {
                state.waiting.remove(self.source);
            }
        }
    }
}

impl RepeatDelay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a request. It is made for each one, also for those that do not fail, so of the body a checksum is enough: whoever makes two of his own
    /// bodies alike has his own answers delayed.
    pub(crate) fn key(&self, source: &str, body: &[u8]) -> RequestKey {
        let begin = crc32fast::hash(&body[..body.len().min(LOOKED_AT)]);
        RequestKey(self.hasher.hash_one((source, body.len(), begin)))
    }

    /// Waits before a failed answer, if this request has failed just before; not while the server stops.
    pub(crate) async fn pause(&self, source: &str, request: RequestKey, mut stopping: watch::Receiver<bool>) {
        let Some((pause, _waiting)) = self.failed(source, request) else { return };
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    fn failed<'p>(&'p self, source: &'p str, request: RequestKey) -> Option<(Duration, Waiting<'p>)> {
        let now = Instant::now();
        let mut state = self.state();
        let State { failed, order, waiting } = &mut *state;
        let known = failed.entry(request).or_insert_with(|| {
            order.push_back(request);
            Failed { answered: now, times: 0 }
        });
        let again = known.times > 0 && now.saturating_duration_since(known.answered) <= AT_ONCE;
        known.times = if again { known.times.saturating_add(1) } else { 1 };
        known.answered = now;
        let pause = again.then(|| FIRST.saturating_mul(1 << (known.times - 2).min(8)).min(MOST));
        let pause = pause.filter(|_| waiting.get(source).is_none_or(|waiting| *waiting < MOST_WAITING));
        if let Some(pause) = pause {
            known.answered = now + pause;
            *waiting.entry(source.to_owned()).or_default() += 1;
        }
        while order.len() > MOST_REQUESTS {
            order.pop_front().and_then(|oldest| failed.remove(&oldest));
        }
        Some((pause?, Waiting { delay: self, source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(delay: &RepeatDelay, request: RequestKey) -> Option<u128> {
        delay.failed("s", request).map(|(pause, _)| pause.as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn who_repeats_at_once_waiting_longer_and_longer() {
        let delay = RepeatDelay::default();
        let request = delay.key("s", b"event");
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let pause = pause(&delay, request);
            sleep(Duration::from_millis(pause.unwrap_or_default().try_into().unwrap())).await;
            pauses.push(pause);
        }
        assert_eq!(pauses, [None, Some(100), Some(200), Some(400), Some(800), Some(1000), Some(1000)]);
        // Another event, the same one of another source: nobody else's matter.
        assert_eq!(pause(&delay, delay.key("s", b"other")), None);
        assert_eq!(pause(&delay, delay.key("t", b"event")), None);
        // One that waits by itself is answered at once, and begins anew.
        sleep(AT_ONCE + Duration::from_millis(1)).await;
        assert_eq!([pause(&delay, request), pause(&delay, request)], [None, Some(100)]);
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_and_few_are_remembered() {
        let delay = RepeatDelay::default();
        let request = delay.key("s", b"event");
        assert!(delay.failed("s", request).is_none());
        let waiting: Vec<_> = std::iter::from_fn(|| delay.failed("s", request)).take(100).collect();
        assert_eq!(waiting.len(), MOST_WAITING);
        drop(waiting);
        assert!(delay.failed("s", request).is_some() && delay.state().waiting.is_empty());
        for n in 0..2 * u32::try_from(MOST_REQUESTS).unwrap() {
            delay.failed("s", delay.key("s", &n.to_be_bytes()));
        }
        let state = delay.state();
        assert_eq!((state.failed.len(), state.order.len()), (MOST_REQUESTS, MOST_REQUESTS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waiting_for_no_pause() {
        let delay = RepeatDelay::default();
        let (stop, stopping) = watch::channel(false);
        let request = delay.key("s", b"event");
        let started = Instant::now();
        for _ in 0..2 {
            delay.pause("s", request, stopping.clone()).await;
        }
        assert_eq!(started.elapsed().as_millis(), 100);
        stop.send_replace(true);
        for _ in 0..10 {
            delay.pause("s", request, stopping.clone()).await;
        }
        assert_eq!(started.elapsed().as_millis(), 100);
    }
}
