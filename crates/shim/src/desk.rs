//! Between a connection and the handler: one request's body becomes a call, and waits for its outcome.

use std::time::Duration;

use hyper::body::Incoming;
use lambda_runtime::Context;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::body::{self, Ending, Intake, drain};
use crate::budget::Budget;
use crate::refusal::Refusal;
use crate::work::{Call, Outcome, Reply};

/// How long the body of a call that came too late is waited for, so that its connection can be kept.
const LATE_BODY_PATIENCE: Duration = Duration::from_millis(100);

/// Where connections hand in their calls.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(crate) calls: mpsc::Sender<Call>,
    pub(crate) body_limit: usize,
}

/// A call, as its platform's shim has understood it.
pub struct Prepared {
    /// What the handler is given: JSON, or what is to be read as JSON.
    pub payload: String,
    /// The handler's context.
    pub context: Context,
    /// What is to be done when the call's turn has come, just before the handler runs.
    pub begin: Option<Box<dyn FnOnce() + Send>>,
}

impl Desk {
    /// What becomes of a call with this body, and how far the body was read. `prepare` is given the whole of it.
    ///
    /// Waiting for a turn, the body, the handler: all of it is the call's time. When `budget` is used up the handler's future is
    /// dropped, and the outcome is [`Refusal::Deadline`]. Without any time left the handler is not called.
    pub async fn outcome(
        &self,
        budget: Budget,
        body: Incoming,
        prepare: impl FnOnce(Vec<u8>) -> Result<Prepared, Refusal>,
    ) -> (Outcome, Ending) {
        let mut ending = Ending::Abandoned;
        let outcome = match budget {
            Budget::Unknown => self.forward(body, prepare, &mut ending).await,
            Budget::Left(left) => {
                // Giving up closes `Call::reply`, which makes the worker drop the handler's future.
                let forwarded = self.forward(body, prepare, &mut ending);
                tokio::time::timeout(left, forwarded).await.unwrap_or(Err(Refusal::Deadline))
            }
            Budget::Spent => {
                let drained = tokio::time::timeout(LATE_BODY_PATIENCE, drain(body)).await;
                ending = drained.unwrap_or(Ending::Abandoned);
                Err(Refusal::Deadline)
            }
        };
        let outcome = outcome.unwrap_or_else(|refusal| {
            tracing::warn!(error.type = refusal.name(), "a request was refused");
            Outcome::Refused(refusal)
        });
        (outcome, ending)
    }

    /// Hands a call to the worker and waits for its outcome. `ending` says how far the body was read, also to
    /// a caller that does not wait for the end of this.
    async fn forward(
        &self,
        body: Incoming,
        prepare: impl FnOnce(Vec<u8>) -> Result<Prepared, Refusal>,
        ending: &mut Ending,
    ) -> Result<Outcome, Refusal> {
        let bytes = match body::read(body, self.body_limit).await {
            Intake::Whole(bytes) => bytes,
            Intake::TooLarge(how) => {
                *ending = how;
                return Err(Refusal::TooLarge(self.body_limit));
            }
            Intake::Broken => return Err(Refusal::BodyBroken),
        };
        *ending = Ending::Reached;
        let Prepared { payload, context, begin } = prepare(bytes)?;
        let (reply, outcome) = oneshot::channel();
        let span = Span::current();
        let reply = Reply::new(reply, span.clone());
        let call = Call { payload, context, begin, span, reply };
        self.calls.send(call).await.map_err(|_| Refusal::Stopping)?;
        outcome.await.map_err(|_| Refusal::Stopping)
    }
}
