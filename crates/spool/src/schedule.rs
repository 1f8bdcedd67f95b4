//! When an item is tried again. There is no last time: a transient failure passes, and an operator acts, some day.

use std::time::Duration;

use mdss_relay_core::FailureKind;

/// The pause of an item that failed before MDSS was asked: the plan comes to the same end until the settings change, and they
/// change with a start, which makes all held items due.
pub(crate) const HELD_BY_PLAN: Duration = Duration::from_secs(3600);

/// Nothing is ever put off longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// Exponential back-off with jitter, one row a kind of failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// Time mends a transient failure, and five minutes are soon enough for one that has lasted for long. An operator takes
    /// longer, and a request that cannot succeed is noise on a server that others need.
    pub(crate) const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Transient => Self { first: Duration::from_secs(1), most: Duration::from_secs(300) },
            FailureKind::Config | FailureKind::Permanent => {
                Self { first: Duration::from_secs(30), most: Duration::from_secs(900) }
            }
        }
    }

    /// The pause after attempt number `attempt` (1 is the first). `jitter` is from 0 to 1 and takes up to half of it away:
    /// what failed together must not come back together. What MDSS asks for is a minimum.
    pub(crate) fn pause(&self, attempt: u32, wish: Option<Duration>, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let own = doubled.min(self.most).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
        own.max(wish.unwrap_or_default()).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap_and_respect_the_wish() {
        use FailureKind::{Config, Permanent, Transient};
        for (kind, attempt, wish, jitter, want_ms) in [
            (Transient, 0, None, 0.0, 1000),
            (Transient, 1, None, 0.0, 1000),
            (Transient, 2, None, 0.0, 2000),
            (Transient, 5, None, 0.0, 16_000),
            (Transient, 9, None, 0.0, 256_000),
            (Transient, 10, None, 0.0, 300_000),
            (Transient, u32::MAX, None, 0.0, 300_000),
            (Transient, 2, None, 1.0, 1000),
            (Transient, 2, None, 0.5, 1500),
            (Transient, 1, Some(60), 0.0, 60_000),
            (Transient, 9, Some(60), 0.0, 256_000),
            (Transient, 1, Some(1_000_000), 0.0, 7_200_000),
            (Config, 1, None, 0.0, 30_000),
            (Config, 6, None, 0.0, 900_000),
            (Permanent, 99, None, 1.0, 450_000),
        ] {
            let pause = Backoff::of(kind).pause(attempt, wish.map(Duration::from_secs), jitter);
            let row = format!("{kind:?} {attempt} {wish:?} {jitter}");
            assert_eq!(pause, Duration::from_millis(want_ms), "{row}");
        }
    }

    #[test]
    fn nothing_is_put_off_longer_than_the_longest() {
        assert!(HELD_BY_PLAN < LONGEST);
        for kind in [FailureKind::Transient, FailureKind::Config, FailureKind::Permanent] {
            assert!(Backoff::of(kind).most < LONGEST);
        }
    }
}
