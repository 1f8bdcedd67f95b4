//! How many requests are under way, and how many have ended: the last line of a process says what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests to sources.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Calls>);

impl Calls {
    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// How many have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// How many have begun and not ended.
    pub(crate) fn under_way(&self) -> u64 {
        let ended = self.ended();
        self.begun.load(Ordering::Relaxed).saturating_sub(ended)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_the_last_of_those_who_hold_it() {
        let calls = Arc::new(Calls::default());
        let (first, second) = (Arc::new(calls.begin()), calls.begin());
        let work = first.clone();
        drop(first);
        assert_eq!((calls.ended(), calls.under_way()), (0, 2), "its sender has gone, the work goes on");
        drop((work, second));
        assert_eq!((calls.ended(), calls.under_way()), (2, 0));
    }
}
