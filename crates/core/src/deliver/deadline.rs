//! When all work on a delivery ends.

use std::time::Duration;

use tokio::time::Instant;

/// When all work on a delivery ends, early enough to answer before the platform stops waiting.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub(super) Instant);

impl Deadline {
    /// The least time kept back for the answer.
    const MARGIN: Duration = Duration::from_millis(500);

    /// Ends before the earlier of the platform's deadline (`None`: unknown) and our own, by 5 % of what is left and
    /// at least half a second.
    pub fn new(platform_left: Option<Duration>, own: Duration) -> Self {
        Self(Instant::now() + Self::working_time(platform_left, own))
    }

    pub(super) fn working_time(platform_left: Option<Duration>, own: Duration) -> Duration {
        let left = platform_left.map_or(own, |platform| platform.min(own));
        left.saturating_sub(Self::MARGIN.max(left / 20))
    }

    /// What is left of it.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// What a platform's deadline leaves, all three in milliseconds since 1970.
///
/// A deadline before this process started belongs to no call that this process could serve: emulators send 1970, and
/// a missing one reads as 0. It means "unknown" (`None`). Any other past one means no time left.
pub fn platform_time_left(deadline_ms: u64, now_ms: u64, process_started_ms: u64) -> Option<Duration> {
    (deadline_ms >= process_started_ms).then(|| Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_keeps_a_margin() {
        for (platform_ms, own_s, want_ms) in [
            (None, 25, 23_750),
            (Some(5000), 25, 4500),
            (Some(300_000), 25, 23_750),
            (Some(60_000), 120, 57_000),
            (Some(400), 25, 0),
            (Some(0), 25, 0),
        ] {
            let time =
                Deadline::working_time(platform_ms.map(Duration::from_millis), Duration::from_secs(own_s));
            assert_eq!(time, Duration::from_millis(want_ms), "{platform_ms:?} {own_s}");
        }
    }

    #[test]
    fn a_deadline_before_the_process_started_is_unknown() {
        for (deadline, now, started, want) in [
            (0, 5000, 4000, None),
            (600_000, 1_700_000_000_000, 1_699_999_999_000, None),
            (3999, 5000, 4000, None),
            (4000, 5000, 4000, Some(0)),
            (4999, 5000, 4000, Some(0)),
            (8000, 5000, 4000, Some(3000)),
        ] {
            assert_eq!(
                platform_time_left(deadline, now, started),
                want.map(Duration::from_millis),
                "{deadline}"
            );
        }
    }
}
