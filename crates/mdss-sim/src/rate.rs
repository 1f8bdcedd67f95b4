//! The limit nginx puts in front of MDSS: a leaky bucket per client address.
//! Source: `OPSWAT/metadefender-k8s`, `config-template.yml` from chart 4.3.0 on (`limit_req_zone
//! $binary_remote_addr`, 10000 r/s, `burst=10000 nodelay` on this path); the arithmetic is that of
//! `ngx_http_limit_req_lookup` in nginx, `src/http/modules/ngx_http_limit_req_module.c`.

use std::time::Instant;

/// How many requests one client address may send to the webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per second that drain from the bucket; 0 never drains. MDSS: 10 000.
    pub per_second: u32,
    /// Requests the bucket holds beyond the one that is just being served. MDSS: 10 000.
    pub burst: u32,
}

/// One client's bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// What has not drained yet, in millionths of a request.
    excess: u64,
    last: Option<Instant>,
}

const REQUEST: u64 = 1_000_000;

impl Bucket {
    /// Whether a request arriving now passes; one that does not leaves the bucket as it was.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let excess = match self.last {
            None => 0,
            Some(last) => {
                let micros = u64::try_from(now.saturating_duration_since(last).as_micros());
                let drained = micros.unwrap_or(u64::MAX).saturating_mul(rate.per_second.into());
                (self.excess + REQUEST).saturating_sub(drained)
            }
        };
        if excess > u64::from(rate.burst) * REQUEST {
            return false;
        }
        (self.excess, self.last) = (excess, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_then_one_per_interval() {
        let rate = Rate { per_second: 10, burst: 2 };
        let (start, mut bucket) = (Instant::now(), Bucket::default());
        let mut at = |ms| bucket.take(rate, start + Duration::from_millis(ms));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(99), at(100), at(100)], [false, true, false]);
        assert_eq!([at(10_000), at(10_000), at(10_000), at(10_000)], [true, true, true, false]);
    }

    #[test]
    fn a_bucket_without_a_drain_stays_full() {
        let rate = Rate { per_second: 0, burst: 0 };
        let (start, mut bucket) = (Instant::now(), Bucket::default());
        assert!(bucket.take(rate, start));
        assert!(!bucket.take(rate, start + Duration::from_secs(3600)));
    }
}
