//! Correlation ids: 24 hex digits, built like a MongoDB ObjectId (seconds, a random number per process, a
//! counter), because the published example `67ea85a36f2f5732a82834d0` looks like one.
//! Source: OPSWAT, "Event-Based request format".

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub(crate) struct CorrelationIds {
    instance: u64,
    counter: AtomicU32,
}

impl CorrelationIds {
    pub(crate) fn new() -> Self {
        Self { instance: RandomState::new().hash_one(0) & 0xff_ffff_ffff, counter: AtomicU32::new(0) }
    }

    /// The next id; none comes twice unless more than 2^24 are taken in one second.
    pub(crate) fn next(&self, now: SystemTime) -> String {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() & 0xffff_ffff;
        let count = self.counter.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
        format!("{seconds:08x}{:010x}{count:06x}", self.instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_24_hex_digits_and_unique() {
        let (one, other) = (CorrelationIds::new(), CorrelationIds::new());
        let now = SystemTime::now();
        let ids: HashSet<_> = (0..1000).flat_map(|_| [one.next(now), other.next(now)]).collect();
        assert_eq!(ids.len(), 2000);
        assert!(ids.iter().all(|id| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
