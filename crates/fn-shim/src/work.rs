//! The handler's side: one call after the other.
//!
//! The handler stays in the future that `serve` is, and calls come to it through a queue. That is why it need
//! be neither `Send` nor `'static`, why there can only be one call at a time, and why a connection can answer
//! 504 while it runs.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tower::{Service, ServiceExt};
use tracing::Instrument;

use crate::answer::{Answer, Refusal};
use crate::call::{Call, Intent};
use crate::error::Error;
use crate::gateway;
use crate::unwind::{CatchUnwind, Panicked};

/// How long the end is put off, once asked for, by connections that are in no call: for half a request to
/// become whole, for an answer to leave.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Answers calls until `stopping` turns true and those already here are answered.
pub(crate) async fn work<A, F, R>(
    mut handler: F,
    mut calls: mpsc::Receiver<Call>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    loop {
        let next = tokio::select! {
            biased;
            // `None` when the last connection has ended, each of which could have sent another.
            next = calls.recv() => next,
            () = grace_is_over(&mut stopping) => None,
        };
        let Some(call) = next else { return Ok(()) };
        attend(&mut handler, call).await?;
    }
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
async fn attend<A, F, R>(handler: &mut F, call: Call) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let Call { body, intent, context, frame, span, mut reply } = call;
    if reply.is_closed() {
        return Ok(());
    }
    if let Some(frame) = frame {
        frame.print();
    }
    let handled = CatchUnwind::new(handle(handler, body, intent, context)).instrument(span.clone());
    let outcome = tokio::select! {
        biased;
        outcome = handled => outcome,
        // Dropping the handler's future is all the cancelling there is in async Rust.
        () = reply.closed() => {
            span.in_scope(|| tracing::warn!("nobody waits for the answer any longer: the call was dropped"));
            return Ok(());
        }
    };
    let _entered = span.entered();
    let (answer, end) = match outcome {
        Ok(Ok(answer)) => (answer, Ok(())),
        Ok(Err(diagnostic)) => {
            tracing::error!(error.type = diagnostic.error_type, "the handler is no longer ready");
            (Answer::from(diagnostic.clone()), Err(Error::Handler(diagnostic)))
        }
        Err(Panicked) => {
            tracing::error!(error.type = Refusal::Panicked.name(), "the handler panicked");
            (Answer::from(Refusal::Panicked), Ok(()))
        }
    };
    // Refused if the waiting ended just now: then there is no one to tell.
    let _ = reply.send(answer);
    end
}

/// The handler's answer; an error if it will never be ready again.
async fn handle<A, F, R>(
    handler: &mut F,
    body: String,
    intent: Intent,
    context: Context,
) -> Result<Answer, Diagnostic>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let payload = match serde_json::from_str::<A>(&body) {
        Ok(payload) => payload,
        Err(error) => {
            let refusal = Refusal::Unreadable(error);
            tracing::warn!(error.type = refusal.name(), "a request was refused");
            return Ok(refusal.into());
        }
    };
    drop(body);
    let handler = handler.ready().await.map_err(Into::into)?;
    match handler.call(LambdaEvent::new(payload, context)).await {
        Ok(response) => {
            let answer = match intent {
                Intent::Plain => Answer::from_response(&response),
                Intent::HttpRequest => gateway::answer(&response),
            };
            Ok(answer.unwrap_or_else(|refusal| {
                tracing::error!(error.type = refusal.name(), "{}", refusal.sentence());
                refusal.into()
            }))
        }
        Err(error) => {
            let diagnostic: Diagnostic = error.into();
            // The message stays out: it is the answer's body. The handler knows best what of it to log, and
            // where.
            tracing::info!(error.type = diagnostic.error_type, "the call failed");
            Ok(diagnostic.into())
        }
    }
}
