//! The relay as one handler.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lambda_runtime::{Diagnostic, LambdaEvent};
use mdss_relay_core::{Cause, Deadline, Delivery, Failure, Relay, Report, platform_time_left};
use serde_json::value::RawValue;
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use crate::reply::{self, Answers, Reply};

/// What a runner drives: the event's JSON in, untouched, and the report's JSON out.
pub type Handler = BoxCloneService<LambdaEvent<Box<RawValue>>, Reply, Diagnostic>;

/// What looks at an event first: the future of its answer, if it is an HTTP request. A pointer, so that a function that lets no
/// request in links nothing of the gate (its platform loads the whole binary at every cold start).
pub(crate) type Entrance =
    Arc<dyn Fn(&Arc<Relay>, &str, &str, Deadline) -> Option<BoxFuture<'static, Answered>> + Send + Sync>;

/// `Ok` ends the matter for the platform, `Err` gives the event back to it.
pub(crate) type Answered = Result<Reply, Diagnostic>;

/// The relay as a function. `answers` is all it knows of the platform. With an `entrance`, HTTP requests that the platform hands on
/// may enter.
///
/// Any number of calls may be under way; each is answered before its deadline. A panic
/// becomes a failed call whose text says nothing of the event.
pub(crate) fn handler(relay: Arc<Relay>, answers: Answers, entrance: Option<Entrance>) -> Handler {
    let started = milliseconds();
    service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let (relay, entrance) = (relay.clone(), entrance.clone());
        guarded(async move { call(&relay, answers, entrance, event, started).await })
    })
    .boxed_clone()
}

async fn call(
    relay: &Arc<Relay>,
    answers: Answers,
    entrance: Option<Entrance>,
    event: LambdaEvent<Box<RawValue>>,
    started: u64,
) -> Answered {
    let left = platform_time_left(event.context.deadline, milliseconds(), started);
    let deadline = Deadline::new(left, relay.settings().mdss.deadline);
    let request =
        entrance.and_then(|enter| enter(relay, event.payload.get(), &event.context.request_id, deadline));
    if let Some(request) = request {
        return request.await;
    }
    let delivery = Delivery::from_function(event.payload.get(), event.context.request_id);
    let plan = relay.plan(&delivery);
    let report = relay.deliver(&plan, deadline, &delivery.id).await;
    reply::reply(answers, relay.settings(), &plan, report)
}

/// Masks a panic: its text is made of what was being processed.
async fn guarded(call: impl Future<Output = Answered>) -> Answered {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| Err(internal()))
}

pub(crate) fn internal() -> Diagnostic {
    let failure = Failure::new(Cause::Internal, "the relay failed in an unforeseen way; please report it");
    reply::diagnostic(&Report::failed(failure))
}

/// Milliseconds since 1970, the unit and the origin of a `Context`'s deadline.
fn milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failed_call_without_its_text() {
        let diagnostic = guarded(async { panic!("the key was s3cret") }).await.unwrap_err();
        assert_eq!(diagnostic.error_type, "internal");
        assert!(!diagnostic.error_message.contains("s3cret"), "{}", diagnostic.error_message);
        assert!(diagnostic.error_message.starts_with(r#"{"outcome":"config","records":[{"item":"0""#));
    }
}
