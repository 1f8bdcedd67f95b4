//! When to ask again: the core's back-off, over all attempts at one page.

use std::time::Duration;

use mdss_relay_core::RetryPolicy;
use tokio::time::{Instant, sleep};

use crate::trouble::Trouble;

/// The longest that all attempts at one page may take; more than five pauses of the longest `Retry-After`.
const LONGEST: Duration = Duration::from_secs(600);

/// The attempts at one page.
pub(crate) struct Patience {
    policy: RetryPolicy,
    end: Instant,
    attempts: u32,
}

impl Patience {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, end: Instant::now() + LONGEST, attempts: 0 }
    }

    /// Waits after a failed attempt until the next one is due.
    ///
    /// # Errors
    /// The trouble, if there is to be none.
    pub(crate) async fn pause(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        self.attempts += 1;
        let left = self.end.saturating_duration_since(Instant::now());
        let pause = self.policy.pause(self.attempts, trouble.retry_after, left);
        let Some(pause) = pause.filter(|_| trouble.kind.passes()) else { return Err(trouble) };
        tracing::debug!("{trouble}; asking again in {pause:?}");
        sleep(pause).await;
        Ok(())
    }
}
