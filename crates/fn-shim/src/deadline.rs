//! How long one call may take.
//!
//! The agent ends a call at its deadline by shutting the container down (fnproject/fn, `api/agent/agent.go`,
//! `hotSlot.dispatch`), so the answer 504 has to be there before it: with it, the container is kept.

use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;

/// The least time kept back for the answer to reach the agent.
const LEAST_MARGIN: Duration = Duration::from_millis(250);
/// And of a long call a fortieth, 2.5 %: a throttled processor (OCI grants a tenth of one) is late in
/// proportion.
const MARGIN_DIVISOR: u32 = 40;

/// When the platform gives up on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Timestamp>);

/// What a deadline leaves to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// No deadline that could be one: the call may take its time.
    Unknown,
    /// This long, the margin already taken off.
    Left(Duration),
    /// Nothing: it is over, or too near for an answer other than 504.
    Spent,
}

impl Deadline {
    /// Reads `Fn-Deadline`: RFC 3339 with any offset. The agent writes whole seconds in its own local offset
    /// (fnproject/fn, `api/agent/agent.go`, `createUDSRequest`), others have been seen with a fraction
    /// (fdk-java's tests). One that is missing or cannot be read is no deadline, as in fdk-go, `fdk.go`
    /// (`ctxWithDeadline`).
    pub(crate) fn from_header(value: Option<&HeaderValue>) -> Self {
        Self(value.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok()))
    }

    /// Milliseconds since 1970, as `Context::deadline` wants them; 0 if there is none.
    pub(crate) fn epoch_ms(self) -> u64 {
        self.0.and_then(|at| u64::try_from(at.as_millisecond()).ok()).unwrap_or(0)
    }

    /// What is left at `now` to a process that began to serve at `started`.
    ///
    /// A deadline before `started` is no deadline: the call was made after that, so whoever wrote it meant
    /// nothing by it (test clients do; so do emulators with a clock of their own).
    pub(crate) fn budget(self, now: Timestamp, started: Timestamp) -> Budget {
        let Some(at) = self.0.filter(|at| *at >= started) else { return Budget::Unknown };
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        match left.saturating_sub(LEAST_MARGIN.max(left / MARGIN_DIVISOR)) {
            Duration::ZERO => Budget::Spent,
            left => Budget::Left(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(text: &str) -> Deadline {
        Deadline::from_header(Some(&HeaderValue::from_str(text).unwrap()))
    }

    #[test]
    fn header_is_rfc_3339_or_nothing() {
        let table = [
            ("2002-10-02T10:00:00.992Z", 1_033_552_800_992),
            ("2026-12-01T00:00:00Z", 1_796_083_200_000),
            ("2026-12-01T02:00:00+02:00", 1_796_083_200_000),
            ("2026-11-30T16:00:00-08:00", 1_796_083_200_000),
            ("2026-12-01T00:00:00.123456789Z", 1_796_083_200_123),
            ("1969-12-31T23:59:59Z", 0),
            ("garbage", 0),
            ("", 0),
            ("2026-12-01", 0),
            ("2026-12-01T00:00:00", 0),
            ("1796083200", 0),
        ];
        for (text, want) in table {
            assert_eq!(deadline(text).epoch_ms(), want, "{text:?}");
        }
        assert_eq!(Deadline::from_header(None).epoch_ms(), 0);
        assert_eq!(Deadline::from_header(Some(&HeaderValue::from_bytes(b"\xff").unwrap())), Deadline(None));
    }

    #[test]
    fn budget_is_what_is_left_less_the_margin() {
        let started: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-12-01T00:10:00Z".parse().unwrap();
        let left = |milliseconds| Budget::Left(Duration::from_millis(milliseconds));
        let table = [
            // Before the process: no deadline. At its start or later but over: no time.
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
            ("garbage", Budget::Unknown),
        ];
        for (text, want) in table {
            assert_eq!(deadline(text).budget(now, started), want, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_day_of_the_calendar_is_a_deadline_like_any_other() {
        let now = Timestamp::now();
        let Budget::Left(left) = deadline("9999-12-30T00:00:00Z").budget(now, now) else { panic!() };
        let spent = tokio::time::timeout(left, tokio::time::sleep(Duration::from_secs(3600))).await;
        assert!(spent.is_ok(), "a timer that far away must not fire early");
    }
}
