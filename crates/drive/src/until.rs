//! Waiting for what happens without anybody's call.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::error::DriveError;

/// How often it is looked. Nothing reports what is waited for; five milliseconds are less than any of it takes.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until something holds. `what` says what that is, for the error; `limit` is for a test that has failed, and one that
/// passes should come nowhere near it.
///
/// A fixed sleep is no wait: it is too short on a busy machine and too long on every other one.
///
/// # Errors
///
/// [`DriveError::Never`] after `limit`.
pub async fn until(
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) -> Result<(), DriveError> {
    let started = Instant::now();
    while !holds().await {
        if started.elapsed() >= limit {
            return Err(DriveError::Never { what: what.to_owned(), after: limit });
        }
        sleep(LOOK).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_for_as_long_as_it_takes_and_no_longer_than_the_limit() {
        let mut looks = 0;
        let counted = until("the third look", Duration::from_secs(60), async || {
            looks += 1;
            looks == 3
        });
        counted.await.unwrap();
        assert_eq!(looks, 3);
        let error = until("the end of time", Duration::from_millis(20), async || false).await.unwrap_err();
        assert_eq!(error.to_string(), "not within 20ms: the end of time");
    }
}
