//! When to try again. The decision whether is [`FailureKind`](crate::FailureKind)'s; this is only the when.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest wish that is believed, and passed on: a sender that is kept away longer may have given up by then.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential back-off with jitter, or as long as MDSS asks.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The pause after the first failure, doubled after each further one.
    pub first: Duration,
    /// The longest pause of our own choice.
    pub most: Duration,
    /// Chooses a pause between half of the given one and all of it. A function, so that tests can choose.
    pub jitter: fn(Duration) -> Duration,
}

impl RetryPolicy {
    /// A fifth of a second at first and five seconds at most: several attempts fit into a function's 30 s.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            first: Duration::from_millis(200),
            most: Duration::from_secs(5),
            jitter: half_to_full,
        }
    }

    /// The pause after attempt number `attempt` (1 is the first). What MDSS asks for is a minimum.
    pub fn pause(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let own = (self.jitter)(doubled.min(self.most));
        own.max(retry_after.unwrap_or_default())
    }
}

/// Senders that failed together must not come back together.
fn half_to_full(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The value of a `Retry-After` header, seconds or an HTTP date (RFC 9110, 10.2.3), at most one minute; `None` for
/// anything else. A date that has passed is zero.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wish = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let then = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value).ok()?;
        Duration::try_from(then.duration_since(now)).unwrap_or_default()
    };
    Some(wish.min(MOST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_respect_the_wish() {
        let policy = RetryPolicy { jitter: |d| d, ..RetryPolicy::new(9) };
        let pauses: Vec<_> = (1..=7).map(|n| policy.pause(n, None).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(policy.pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(policy.pause(4, Some(Duration::from_secs(1))), Duration::from_millis(1600));
        assert_eq!(policy.pause(u32::MAX, None), policy.most);
    }

    #[test]
    fn jitter_stays_between_half_and_full() {
        for _ in 0..1000 {
            let pause = half_to_full(Duration::from_secs(1));
            assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&pause), "{pause:?}");
        }
    }

    #[test]
    fn retry_after_reads_both_forms() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        for (value, want) in [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("3600", Some(60)),
            ("99999999999999999999999", Some(60)),
            ("Wed, 21 Oct 2015 07:28:05 GMT", Some(5)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("Thu, 21 Oct 2055 07:28:00 GMT", Some(60)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), want.map(Duration::from_secs), "{value:?}");
        }
    }
}
