//! How long one call may take.

use std::time::Duration;

use jiff::Timestamp;

/// The least time kept back for the answer to reach the platform.
const LEAST_MARGIN: Duration = Duration::from_millis(250);
/// And of a long call a fortieth, 2.5 %: a throttled processor (OCI grants a tenth of one) is late in
/// proportion.
const MARGIN_DIVISOR: u32 = 40;

/// What a platform's deadline leaves to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// No deadline that could be one: the call may take its time.
    Unknown,
    /// This long, the margin already taken off.
    Left(Duration),
    /// Nothing: it is over, or too near for an answer except that it is.
    Spent,
}

impl Budget {
    /// What is left at `now` of a call that ends at `deadline`, to a process that began to serve at `started`.
    ///
    /// A deadline before `started` is no deadline: the call was made after that, so whoever wrote it meant
    /// nothing by it (test clients do; so do emulators with a clock of their own).
    #[must_use]
    pub fn of(deadline: Option<Timestamp>, now: Timestamp, started: Timestamp) -> Self {
        let Some(at) = deadline.filter(|at| *at >= started) else { return Self::Unknown };
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        match left.saturating_sub(LEAST_MARGIN.max(left / MARGIN_DIVISOR)) {
            Duration::ZERO => Self::Spent,
            left => Self::Left(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_what_is_left_less_the_margin() {
        let started: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-12-01T00:10:00Z".parse().unwrap();
        let left = |milliseconds| Budget::Left(Duration::from_millis(milliseconds));
        let table = [
            // Before the process: no deadline. At its start or later and over: no time.
            ("2002-10-02T10:00:00.992Z", Budget::Unknown),
            ("2026-11-30T23:59:59Z", Budget::Unknown),
            ("2026-12-01T00:00:00Z", Budget::Spent),
            ("2026-12-01T00:09:59Z", Budget::Spent),
            ("2026-12-01T00:10:00Z", Budget::Spent),
            // 250 ms are kept back up to 10 s, 2.5 % from there.
            ("2026-12-01T00:10:00.250Z", Budget::Spent),
            ("2026-12-01T00:10:00.251Z", left(1)),
            ("2026-12-01T00:10:05Z", left(4_750)),
            ("2026-12-01T00:10:10Z", left(9_750)),
            ("2026-12-01T00:10:30Z", left(29_250)),
            ("2026-12-01T00:15:00Z", left(292_500)),
            ("2026-12-01T02:10:30+02:00", left(29_250)),
        ];
        for (text, want) in table {
            assert_eq!(Budget::of(Some(text.parse().unwrap()), now, started), want, "{text}");
        }
        assert_eq!(Budget::of(None, now, started), Budget::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_day_of_the_calendar_is_a_deadline_like_any_other() {
        let now = Timestamp::now();
        let last = Some("9999-12-30T00:00:00Z".parse().unwrap());
        let Budget::Left(left) = Budget::of(last, now, now) else { panic!() };
        let spent = tokio::time::timeout(left, tokio::time::sleep(Duration::from_secs(3600))).await;
        assert!(spent.is_ok(), "a timer that far away must not fire early");
    }
}
