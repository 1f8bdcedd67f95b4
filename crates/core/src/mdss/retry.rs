//! When to try again. The decision whether is [`FailureKind`](crate::FailureKind)'s; this is only the when.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Kept back for the last attempt, which has a fresh connection to make: a pause that would leave less ends earlier.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// The longest wish that is believed, and passed on: a sender that is kept away longer may have given up by then.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential back-off with jitter, or as long as MDSS asks.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1; `None`: as many as the deadline leaves room for.
    pub attempts: Option<u32>,
    /// The pause after the first failure, doubled after each further one.
    pub first: Duration,
    /// The longest pause of our own choice.
    pub most: Duration,
    /// Chooses a pause between half of the given one and all of it. A function, so that tests can choose.
    pub jitter: fn(Duration) -> Duration,
}

impl RetryPolicy {
    /// A fifth of a second at first, for what passes at once; five seconds at most, so that it is soon noticed when MDSS is
    /// back, and many that wait ask little.
    pub fn new(attempts: Option<u32>) -> Self {
        Self {
            attempts,
            first: Duration::from_millis(200),
            most: Duration::from_secs(5),
            jitter: half_to_full,
        }
    }

    /// The pause after attempt number `attempt` (1 is the first), with `left` of the time there is for all of them; `None`:
    /// no further one. What MDSS asks for is a minimum, and if it leaves no time for an attempt, there is none.
    ///
    /// The last pauses are shorter, so that the last attempt is made about a second before the end and not a whole pause
    /// before it.
    pub fn pause(&self, attempt: u32, retry_after: Option<Duration>, left: Duration) -> Option<Duration> {
        let wish = retry_after.unwrap_or_default();
        let latest = left - LAST_ATTEMPT.min(left / 2);
        if self.attempts.is_some_and(|most| attempt >= most) || left < self.first || wish > latest {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let own = (self.jitter)(doubled.min(self.most));
        Some(own.min(latest).max(wish))
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
        let policy = RetryPolicy { jitter: |d| d, ..RetryPolicy::new(None) };
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let hour = seconds(3600);
        let pauses: Vec<_> = (1..=7).map(|n| policy.pause(n, None, hour).unwrap().as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
        for (attempt, wish, left, want) in [
            (1, Some(seconds(2)), hour, Some(seconds(2))),
            (4, Some(seconds(1)), hour, Some(millis(1600))),
            (u32::MAX, None, hour, Some(policy.most)),
            // A second is left for the last attempt, or half of what there is.
            (9, None, seconds(6), Some(seconds(5))),
            (9, None, seconds(4), Some(seconds(3))),
            (9, None, seconds(1), Some(millis(500))),
            (9, None, millis(200), Some(millis(100))),
            (9, None, millis(199), None),
            (1, None, Duration::ZERO, None),
            (1, Some(seconds(3)), seconds(4), Some(seconds(3))),
            (1, Some(seconds(4)), seconds(4), None),
            (1, Some(seconds(60)), seconds(25), None),
        ] {
            assert_eq!(policy.pause(attempt, wish, left), want, "{attempt} {wish:?} {left:?}");
        }
        let capped = RetryPolicy { attempts: Some(3), ..policy };
        let pauses: Vec<_> = (1..=4).map(|n| capped.pause(n, None, hour).is_some()).collect();
        assert_eq!(pauses, [true, true, false, false]);
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
