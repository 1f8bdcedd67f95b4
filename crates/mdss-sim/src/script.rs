//! The queues of steps: one for connections, one for all requests, one per object key.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::step::{Batch, Step};

#[derive(Debug, Default)]
pub(crate) struct Script {
    handshakes: VecDeque<Duration>,
    any: VecDeque<Step>,
    by_key: HashMap<String, VecDeque<Step>>,
}

impl Script {
    pub(crate) fn push(&mut self, batch: Batch) {
        for step in batch.steps {
            match (step, &batch.key) {
                // A connection has no key yet, so this one waits for a connection, whatever the key.
                (Step::SlowHandshake { ms }, _) => self.handshakes.push_back(Duration::from_millis(ms)),
                (step, None) => self.any.push_back(step),
                (step, Some(key)) => self.by_key.entry(key.clone()).or_default().push_back(step),
            }
        }
    }

    /// The step for a request about `key`. A step for its key goes first, and then leaves the common queue
    /// as it is.
    pub(crate) fn next(&mut self, key: Option<&str>) -> Option<Step> {
        let own = key.and_then(|key| self.by_key.get_mut(key)).and_then(VecDeque::pop_front);
        own.or_else(|| self.any.pop_front())
    }

    /// How long the next connection waits before its handshake.
    pub(crate) fn next_handshake(&mut self) -> Option<Duration> {
        self.handshakes.pop_front()
    }

    /// Steps nobody has taken yet.
    pub(crate) fn len(&self) -> usize {
        self.handshakes.len() + self.any.len() + self.by_key.values().map(VecDeque::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_steps_go_before_common_ones() {
        let mut script = Script::default();
        script.push(Batch { key: None, steps: vec![Step::Hang, Step::SlowHandshake { ms: 1 }] });
        script.push(Batch { key: Some("k".into()), steps: vec![Step::Reset] });
        assert_eq!(script.len(), 3);
        assert_eq!(script.next(Some("k")), Some(Step::Reset));
        assert_eq!(script.next(Some("k")), Some(Step::Hang));
        assert_eq!(script.next(None), None);
        assert_eq!(script.next_handshake(), Some(Duration::from_millis(1)));
        assert_eq!((script.next_handshake(), script.len()), (None, 0));
    }
}
