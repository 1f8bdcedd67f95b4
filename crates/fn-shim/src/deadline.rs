//! How long one call may take.
//!
//! The agent ends a call at its deadline by shutting the container down (fnproject/fn, `api/agent/agent.go`,
//! `hotSlot.dispatch`), so the answer 504 has to be there before it: with it, the container is kept.

use http::HeaderValue;
use jiff::Timestamp;
use shim::Budget;

/// When the platform gives up on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Timestamp>);

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
    pub(crate) fn budget(self, now: Timestamp, started: Timestamp) -> Budget {
        Budget::of(self.0, now, started)
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
}
