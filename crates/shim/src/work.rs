//! The handler's side: calls wait for their turn, and are answered.
//!
//! The handler stays in the future that `serve` is, and calls come to it through a queue. That is why it need
//! be neither `Send` nor `'static`, and why a connection can answer that the time is over while it runs.

use std::fmt::{self, Debug};
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span};

use crate::refusal::Refusal;
use crate::unwind::{CatchUnwind, Panicked};

/// How long the end is put off, once asked for, by connections that are in no call: for half a request to
/// become whole, for an answer to leave.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Room for a response of usual length.
const USUAL_RESPONSE: usize = 500;

/// How many calls the handler has in its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// One, as `lambda_runtime::run` has it; the next one waits.
    One,
    /// At most this many, on platforms that call one process several times at once. The handler's futures then run in
    /// turns on one task, so it need not be `Clone` for that.
    AtOnce(usize),
}

/// What became of a call.
#[derive(Debug)]
pub enum Outcome {
    /// The handler's response, as JSON.
    Response(Vec<u8>),
    /// The handler's error.
    Failed(Diagnostic),
    /// Something else than the handler has the last word.
    Refused(Refusal),
}

/// A call on its way to the handler.
pub(crate) struct Call {
    /// JSON, or what is to be read as JSON.
    pub(crate) payload: String,
    pub(crate) context: Context,
    /// What is to be done when its turn has come.
    pub(crate) begin: Option<Box<dyn FnOnce() + Send>>,
    /// Says in the log which call it is, on both sides of the queue.
    pub(crate) span: Span,
    pub(crate) reply: Reply,
}

/// Where the outcome of a call goes. A call that is dropped without one has a line, wherever it was.
pub(crate) struct Reply {
    /// Closed when nobody waits any longer: the time is over, or the client has gone.
    to: Option<oneshot::Sender<Outcome>>,
    span: Span,
}

impl Reply {
    /// For the call of this span.
    pub(crate) fn new(to: oneshot::Sender<Outcome>, span: Span) -> Self {
        Self { to: Some(to), span }
    }

    fn is_closed(&self) -> bool {
        self.to.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    async fn closed(&mut self) {
        if let Some(to) = &mut self.to {
            to.closed().await;
        }
    }

    /// Refused if the waiting ended just now: then there is no one to tell.
    fn send(mut self, outcome: Outcome) {
        let _ = self.to.take().map(|to| to.send(outcome));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.to.is_some() {
            self.span.in_scope(|| {
                tracing::warn!(
                    "a call was dropped: nobody waits for its answer any longer, or the process ends"
                );
            });
        }
    }
}

impl Debug for Call {
    /// A payload holds whatever a sender likes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.context.request_id).finish_non_exhaustive()
    }
}

/// Answers calls until `stopping` turns true and those already here are answered. An error is the handler's, whose
/// `poll_ready` failed.
pub(crate) async fn work<A, F, R>(
    handler: F,
    turns: Turns,
    mut calls: mpsc::Receiver<Call>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Diagnostic>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let handler = Mutex::new(handler);
    let mut running = FuturesUnordered::new();
    let most = match turns {
        Turns::One => 1,
        Turns::AtOnce(most) => most,
    };
    loop {
        let next = tokio::select! {
            biased;
            Some(ended) = running.next(), if !running.is_empty() => {
                ended?;
                continue;
            }
            // `None` when the last connection has ended, each of which could have sent another.
            next = calls.recv(), if running.len() < most => next,
            () = grace_is_over(&mut stopping), if running.is_empty() => None,
        };
        match (next, turns) {
            // Without the set, which a call at a time needs not and would pay for.
            (Some(call), Turns::One) => attend(&handler, call).await?,
            (Some(call), Turns::AtOnce(_)) => running.push(attend(&handler, call)),
            (None, _) => break,
        }
    }
    while let Some(ended) = running.next().await {
        ended?;
    }
    Ok(())
}

/// Waits until the end is asked for.
pub(crate) async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask, which comes to the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn grace_is_over(stopping: &mut watch::Receiver<bool>) {
    asked_to_stop(stopping).await;
    tokio::time::sleep(GRACE).await;
}

/// Answers one call, or stops trying when nobody waits for the answer.
async fn attend<A, F, R>(handler: &Mutex<F>, call: Call) -> Result<(), Diagnostic>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let Call { payload, context, begin, span, mut reply } = call;
    if reply.is_closed() {
        return Ok(());
    }
    if let Some(begin) = begin {
        begin();
    }
    let handled = CatchUnwind::new(handle(handler, payload, context)).instrument(span.clone());
    let outcome = tokio::select! {
        biased;
        outcome = handled => outcome,
        // Dropping the handler's future is all the cancelling there is in async Rust.
        () = reply.closed() => return Ok(()),
    };
    let _entered = span.entered();
    let (outcome, end) = match outcome {
        Ok(Ok(outcome)) => (outcome, Ok(())),
        Ok(Err(diagnostic)) => {
            tracing::error!(error.type = diagnostic.error_type, "the handler is no longer ready");
            (Outcome::Failed(diagnostic.clone()), Err(diagnostic))
        }
        Err(Panicked) => {
            tracing::error!(error.type = Refusal::Panicked.name(), "the handler panicked");
            (Outcome::Refused(Refusal::Panicked), Ok(()))
        }
    };
    reply.send(outcome);
    end
}

/// The handler's answer; an error if it will never be ready again.
async fn handle<A, F, R>(handler: &Mutex<F>, payload: String, context: Context) -> Result<Outcome, Diagnostic>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let event = match serde_json::from_str::<A>(&payload) {
        Ok(event) => event,
        Err(error) => {
            let refusal = Refusal::Unreadable(error);
            tracing::warn!(error.type = refusal.name(), "a request was refused");
            return Ok(Outcome::Refused(refusal));
        }
    };
    drop(payload);
    let called = {
        let mut handler = handler.lock().await;
        let handler = handler.ready().await.map_err(Into::into)?;
        handler.call(LambdaEvent::new(event, context))
    };
    match called.await {
        Ok(response) => {
            let mut json = Vec::with_capacity(USUAL_RESPONSE);
            Ok(match serde_json::to_writer(&mut json, &response) {
                Ok(()) => Outcome::Response(json),
                Err(_) => {
                    let refusal = Refusal::Unwritable;
                    tracing::error!(error.type = refusal.name(), "{}", refusal.sentence());
                    Outcome::Refused(refusal)
                }
            })
        }
        Err(error) => {
            let diagnostic: Diagnostic = error.into();
            // The message stays out: it is the answer's body. The handler knows best what of it to log, and
            // where.
            tracing::info!(error.type = diagnostic.error_type, "the call failed");
            Ok(Outcome::Failed(diagnostic))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lambda_runtime::service_fn;
    use serde_json::Value;

    use super::*;

    fn call(payload: &str) -> (Call, oneshot::Receiver<Outcome>) {
        let (reply, answer) = oneshot::channel();
        let payload = payload.to_owned();
        let reply = Reply::new(reply, Span::none());
        (Call { payload, context: Context::default(), begin: None, span: Span::none(), reply }, answer)
    }

    #[tokio::test]
    async fn a_response_json_cannot_express_is_a_failure() {
        let (calls, queue) = mpsc::channel(1);
        let (_stop, stopping) = watch::channel(false);
        let handler = service_fn(|_: LambdaEvent<Value>| async {
            Ok::<_, lambda_runtime::Error>(BTreeMap::from([((), 1)]))
        });
        let (call, answer) = call("{}");
        calls.send(call).await.unwrap();
        drop(calls);
        work(handler, Turns::One, queue, stopping).await.unwrap();
        let Outcome::Refused(refusal) = answer.await.unwrap() else { panic!() };
        assert_eq!(refusal.name(), "response_not_json");
    }

    /// Counts warnings.
    struct Warnings(Arc<AtomicUsize>);

    impl tracing::Subscriber for Warnings {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_has_a_line_wherever_it_was() {
        let warnings = Arc::new(AtomicUsize::new(0));
        let _subscriber = tracing::subscriber::set_default(Warnings(Arc::clone(&warnings)));
        let handler = service_fn(|event: LambdaEvent<Value>| async move {
            if event.payload["hang"].is_null() {
                Ok::<_, lambda_runtime::Error>(())
            } else {
                std::future::pending().await
            }
        });
        let (_stop, stopping) = watch::channel(false);
        let (calls, queue) = mpsc::channel(1);
        let working = work::<Value, _, ()>(handler, Turns::One, queue, stopping);
        let leaving = async {
            let (answered, answer) = call("{}");
            calls.send(answered).await.unwrap();
            assert!(matches!(answer.await, Ok(Outcome::Response(_))));
            assert_eq!(warnings.load(Ordering::Relaxed), 0, "one that is answered");
            // At work, in the queue, and at its door.
            let (at_work, first) = call("{\"hang\":1}");
            calls.send(at_work).await.unwrap();
            let (queued, second) = call("{}");
            calls.send(queued).await.unwrap();
            let (at_the_door, _third) = call("{}");
            tokio::select! {
                biased;
                _ = calls.send(at_the_door) => panic!("there is room for one"),
                () = tokio::task::yield_now() => {}
            }
            assert_eq!(warnings.load(Ordering::Relaxed), 1, "at the door");
            drop((first, second, calls));
        };
        let (outcome, ()) = tokio::join!(working, leaving);
        outcome.unwrap();
        assert_eq!(warnings.load(Ordering::Relaxed), 3);
    }

    /// Neither `Send` nor `Clone`, and still several at once.
    #[tokio::test]
    async fn as_many_calls_run_at_once_as_there_may() {
        for (turns, want) in [(Turns::One, 1), (Turns::AtOnce(3), 3)] {
            let (calls, queue) = mpsc::channel(9);
            let (_stop, stopping) = watch::channel(false);
            let (now, most) = (Cell::new(0), Cell::new(0));
            let handler = service_fn(|_: LambdaEvent<Value>| async {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                now.set(now.get() - 1);
                Ok::<_, lambda_runtime::Error>(())
            });
            let answers: Vec<_> = (0..9)
                .map(|_| {
                    let (call, answer) = call("{}");
                    calls.try_send(call).unwrap();
                    answer
                })
                .collect();
            drop(calls);
            work(handler, turns, queue, stopping).await.unwrap();
            for answer in answers {
                assert!(matches!(answer.await, Ok(Outcome::Response(json)) if json == b"null"));
            }
            assert_eq!(most.get(), want, "{turns:?}");
        }
    }
}
