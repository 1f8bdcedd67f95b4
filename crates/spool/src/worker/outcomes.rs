//! Outcomes on their way to the engine: many in one transaction, one batch at a time, and never forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tracing::warn;

use crate::claim::Settlement;
use crate::engine::Engine;
use crate::item::Outcome;
use crate::ticket::Ticket;
use crate::trouble::Trouble;

/// How long outcomes gather before they are written down: a commit costs a sync, and rows that lie beside each other share
/// their pages. Nobody waits for them; only a crash would send them again.
const GATHER: Duration = Duration::from_millis(25);

/// After a failure the same batch is tried again so much later.
const AGAIN: Duration = Duration::from_secs(1);

type Batch = Arc<[Settlement]>;

/// A batch, and whether it was written down.
pub(super) type Written = (Batch, Result<(), Trouble>);

/// What is not written down yet.
pub(super) struct Outcomes {
    waiting: Vec<Settlement>,
    /// Since when the first of them waits.
    since: Instant,
    /// When something was last put into the spool; `None` before the first.
    came: Option<Instant>,
    /// So many do not wait for company.
    enough: usize,
    writing: JoinSet<Written>,
    /// Of the batch that is being written, or is to be tried again.
    handed: usize,
    /// A batch that could not be written, and when it is tried again.
    again: Option<(Batch, Instant)>,
    /// The last batch could not be written; it may be under way again.
    failed: bool,
    /// Wakes whoever feeds the ledger.
    told: Arc<Notify>,
}

impl Outcomes {
    pub(super) fn new(enough: usize, told: Arc<Notify>) -> Self {
        Self {
            waiting: Vec::new(),
            since: Instant::now(),
            came: None,
            enough,
            writing: JoinSet::new(),
            handed: 0,
            again: None,
            failed: false,
            told,
        }
    }

    pub(super) fn add(&mut self, ticket: Ticket, outcome: Outcome, fact: Option<String>) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting.push(Settlement { ticket, outcome, fact });
    }

    /// Something was put into the spool. Where senders come one by one, each outcome would otherwise have a sync of its own between two of theirs,
    /// and whoever comes meanwhile waits for both.
    pub(super) fn came(&mut self, now: Instant) {
        self.came = Some(now);
    }

    /// Outcomes that are not written down.
    pub(super) fn unsettled(&self) -> usize {
        self.waiting.len() + self.handed
    }

    /// Whether the last batch could not be written down.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Hands a batch to the engine, if it is time: while one is being synced the next one gathers. `more`: further outcomes are on their way.
    pub(super) fn flush(&mut self, engine: &Engine, now: Instant, more: bool) {
        if self.writing.is_empty()
            && let Some(batch) = self.batch(now, more)
        {
            let (engine, told) = (engine.clone(), Arc::clone(&self.told));
            self.writing.spawn(async move {
                let outcome = engine.settle(Arc::clone(&batch)).await.map(|_| ());
                if outcome.is_ok() && batch.iter().any(|settlement| settlement.fact.is_some()) {
                    told.notify_one();
                }
                (batch, outcome)
            });
        }
    }

    /// What is to be written now.
    fn batch(&mut self, now: Instant, more: bool) -> Option<Batch> {
        if let Some((batch, _)) = self.again.take_if(|(_, when)| now >= *when) {
            return Some(batch);
        }
        let more = more || self.came.is_some_and(|came| now < came + GATHER);
        let gathers = more && self.waiting.len() < self.enough && now < self.since + GATHER;
        if self.again.is_some() || self.waiting.is_empty() || gathers {
            return None;
        }
        let batch: Batch = std::mem::take(&mut self.waiting).into();
        self.handed = batch.len();
        Some(batch)
    }

    /// Waits until a batch was written, or could not be; `None` at once if none is on its way.
    pub(super) async fn written(&mut self) -> Option<Result<Written, JoinError>> {
        self.writing.join_next().await
    }

    /// The same, without waiting.
    pub(super) fn try_written(&mut self) -> Option<Result<Written, JoinError>> {
        self.writing.try_join_next()
    }

    /// What became of a batch. True if items of it may be claimed again.
    pub(super) fn settled(&mut self, done: Result<Written, JoinError>, now: Instant) -> bool {
        // Nothing in that task panics, and nobody aborts it.
        let Ok((batch, outcome)) = done else { return false };
        match outcome {
            Ok(()) => {
                (self.handed, self.failed) = (0, false);
                batch.iter().any(|s| matches!(s.outcome, Outcome::Lane(_) | Outcome::Again { .. }))
            }
            // The engine has said why.
            Err(_) => {
                (self.again, self.failed) = (Some((batch, now + AGAIN)), true);
                false
            }
        }
    }

    /// When something is to be written next, if nothing is being written.
    pub(super) fn wake(&self) -> Option<Instant> {
        match &self.again {
            Some((_, when)) => Some(*when),
            None => (self.writing.is_empty() && !self.waiting.is_empty()).then(|| self.since + GATHER),
        }
    }

    /// Writes everything down, each batch once; what cannot be written now is sent again after the next start.
    pub(super) async fn finish(&mut self, engine: &Engine) {
        while let Some(done) = self.written().await {
            self.settled(done, Instant::now());
        }
        self.again = self.again.take().map(|(batch, _)| (batch, Instant::now()));
        // Nothing gathers any more.
        self.came = None;
        while self.unsettled() > 0 {
            self.flush(engine, Instant::now(), false);
            match self.written().await {
                Some(Ok((_, Ok(())))) => self.handed = 0,
                Some(Ok((batch, Err(trouble)))) => {
                    self.handed = 0;
                    warn!(
                        "{} outcomes could not be stored before the relay stopped, so their objects are sent again after the next start: {trouble}",
                        batch.len()
                    );
                }
                Some(Err(_)) | None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ItemId;
    use crate::ticket::Given;
    use crate::trouble::TroubleKind;

    fn add(outcomes: &mut Outcomes, count: i64) {
        for id in 0..count {
            outcomes.add(Given::default().give(0, ItemId::new(id)), Outcome::Accepted, None);
        }
    }

    fn sizes(outcomes: &mut Outcomes, now: Instant, more: bool) -> Option<usize> {
        outcomes.batch(now, more).map(|batch| batch.len())
    }

    #[test]
    fn outcomes_gather_while_more_are_on_their_way() {
        let mut outcomes = Outcomes::new(4, Arc::default());
        assert_eq!(sizes(&mut outcomes, Instant::now(), false), None, "there is none");
        add(&mut outcomes, 3);
        let begin = outcomes.since;
        assert_eq!(sizes(&mut outcomes, begin, true), None);
        assert_eq!(outcomes.wake(), Some(begin + GATHER));
        assert_eq!(sizes(&mut outcomes, begin + GATHER, true), Some(3));
        add(&mut outcomes, 3);
        let begin = outcomes.since;
        assert_eq!(sizes(&mut outcomes, begin, false), Some(3), "nothing is to be waited for");
        add(&mut outcomes, 4);
        let begin = outcomes.since;
        assert_eq!(sizes(&mut outcomes, begin, true), Some(4), "they are enough");
    }

    #[test]
    fn outcomes_gather_while_senders_come() {
        let mut outcomes = Outcomes::new(4, Arc::default());
        add(&mut outcomes, 1);
        let begin = outcomes.since;
        outcomes.came(begin);
        assert_eq!(sizes(&mut outcomes, begin + GATHER / 2, false), None);
        outcomes.came(begin + GATHER / 2);
        assert_eq!(sizes(&mut outcomes, begin + GATHER, false), Some(1), "however many come");
        add(&mut outcomes, 1);
        let begin = outcomes.since;
        outcomes.came(begin);
        outcomes.since = begin + GATHER / 2;
        assert_eq!(sizes(&mut outcomes, begin + GATHER, false), Some(1), "nobody has come lately");
    }

    /// Else a file that cannot be written would cost a core, and the log.
    #[test]
    fn a_batch_that_could_not_be_written_is_tried_again_after_a_second_and_not_before() {
        let mut outcomes = Outcomes::new(4, Arc::default());
        add(&mut outcomes, 3);
        let batch = outcomes.batch(Instant::now(), false).unwrap();
        add(&mut outcomes, 2);
        assert_eq!(outcomes.unsettled(), 5);
        let failed = Instant::now();
        let trouble = Trouble::new(TroubleKind::Locked, "");
        assert!(!outcomes.settled(Ok((batch, Err(trouble))), failed));
        assert_eq!((outcomes.unsettled(), outcomes.wake()), (5, Some(failed + AGAIN)));
        assert!(outcomes.has_failed());
        for (after, want) in [(0, None), (999, None), (1001, Some(3)), (1001, Some(2)), (1001, None)] {
            let now = failed + Duration::from_millis(after);
            assert_eq!(sizes(&mut outcomes, now, false), want, "{after}");
        }
        assert!(AGAIN >= Duration::from_secs(1));
    }
}
