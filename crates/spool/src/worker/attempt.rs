//! One request for one item, or a second one beside it: the first may hang on an MDSS that has gone, and there is nothing else to ask it with.

use std::time::Duration;

use mdss_relay_core::{CorrelationId, Failure, Relay, Submission};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How an item is asked for.
pub(super) struct Patience {
    /// How long the request may take, if not as long as any other.
    pub(super) most: Option<Duration>,
    /// After this time without an answer it may be asked again.
    pub(super) usual: Duration,
    /// How long each further request may take.
    pub(super) again: Duration,
}

/// Asks MDSS once. While that lasts longer than usual, each word of `nudge` makes one more request for the same object: the first answer counts,
/// and no answer only if it is that of the first request. MDSS may get the object twice then, as after any request without an answer.
///
/// # Errors
/// As [`Relay::attempt`].
pub(super) async fn attempt(
    relay: &Relay,
    submission: &Submission,
    patience: &Patience,
    nudge: &Notify,
) -> Result<CorrelationId, Failure> {
    let ask = |most: Option<Duration>| relay.attempt_within(submission, most.unwrap_or(Duration::MAX));
    let mut first = std::pin::pin!(ask(patience.most));
    if let Ok(outcome) = timeout(patience.usual, &mut first).await {
        return outcome;
    }
    loop {
        tokio::select! {
            outcome = &mut first => return outcome,
            () = nudge.notified() => {}
        }
        tokio::select! {
            outcome = &mut first => return outcome,
            outcome = ask(Some(patience.again)) => match outcome {
                Err(failure) if !failure.cause.is_answer() => {}
                outcome => return outcome,
            },
        }
    }
}
