//! The loop: ask for an event, call the handler, say what became of it, ask again.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use shim::{Budget, Desk, Outcome, Prepared, Refusal, Serving, Turns, failure_body};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::Service;
use tracing::{Instrument, Span};

use crate::api::{Api, POSTED, Unanswered};
use crate::environment::Environment;
use crate::error::Error;
use crate::event::Head;
use crate::pause::Vain;
use crate::profile::Profile;

/// Serves `handler` with the events of the platform's server until `shutdown` completes: [`run`](crate::run) without a process around it, for
/// tests and for those who watch signals themselves.
///
/// When `shutdown` completes, no further event is asked for, and the call in flight is answered: its result is posted as at any other
/// time, and a line says if the platform does not take it. Dropping the future ends everything at once.
///
/// # Errors
///
/// [`Error::NotReady`] if the platform wants to hear that the function has started and does not take it, [`Error::Handler`] if the handler's
/// `poll_ready` failed.
pub async fn serve<A, F, R>(
    environment: Environment,
    handler: F,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let Environment { profile, server, time } = environment;
    let mut shutdown = pin!(shutdown);
    let api = Api::new(server);
    if let Some(path) = profile.ready {
        // One space: a Rust runtime notes that Tencent refuses an empty body, other runtimes send one; nobody refuses a space.
        tokio::select! {
            said = api.post(path, Bytes::from_static(b" ")) => said.map_err(|why| Error::not_ready(path, &why))?,
            () = shutdown.as_mut() => return Ok(()),
        }
    }
    let poller = Poller { profile, api, time, started: Timestamp::now() };
    let polling = |desk, stopping| async move { poller.poll(desk, stopping).await };
    let ready = || {
        tracing::info!("asking {} for events", profile.platform);
        Ok(())
    };
    let serving = Serving { turns: Turns::One, body_limit: profile.body_limit, parting: POSTED };
    shim::serve(handler, serving, polling, ready, shutdown).await
}

/// How long an answer is waited for that may be on its way when the end is asked for. The event in it has been handed out, and nobody else
/// gets it.
const LAST: Duration = Duration::from_millis(50);

struct Poller {
    profile: &'static Profile,
    api: Api,
    /// How long each call may take, where a variable says so.
    time: Option<Duration>,
    started: Timestamp,
}

/// Why a question was in vain.
enum InVain {
    /// No answer, or one that says it.
    Unanswered(Unanswered),
    /// 200, and nothing that says which call it is.
    NoId,
    /// The answer broke off.
    Half,
    /// There was an event, but what became of it may not have been taken. The span says which call it was.
    NotTaken(Unanswered, Span),
}

impl Poller {
    /// Asks until the end is asked for.
    async fn poll(self, desk: Desk, mut stopping: watch::Receiver<bool>) {
        let mut vain = Vain::default();
        while let Some(answer) = self.next(&mut stopping).await {
            let why = match self.event(answer, &desk).await {
                Ok(()) => {
                    vain.over();
                    continue;
                }
                Err(why) => why,
            };
            let times = vain.again();
            if vain.is_told() {
                self.tell(&why, times);
            }
            let pause = match (why, self.profile.pause) {
                (InVain::Unanswered(Unanswered::Status(_)) | InVain::NoId, Some(pause)) => pause,
                _ => vain.pause(),
            };
            tokio::select! {
                () = asked_to_stop(&mut stopping) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What the next question is answered; nothing once the end is asked for, unless an answer is there already or on its way.
    async fn next(
        &self,
        stopping: &mut watch::Receiver<bool>,
    ) -> Option<Result<Response<Incoming>, Unanswered>> {
        if *stopping.borrow() {
            return None;
        }
        let mut answer = pin!(self.api.get(self.profile.next));
        tokio::select! {
            biased;
            answer = answer.as_mut() => return Some(answer),
            () = asked_to_stop(stopping) => {}
        }
        timeout(LAST, answer).await.ok().filter(Result::is_ok)
    }

    fn tell(&self, why: &InVain, times: u32) {
        let path = self.profile.next;
        let (status, sentence) = match why {
            InVain::Unanswered(why) => (why.status(), why.to_string()),
            InVain::NoId => (Some(200), format!("the answer has not one header {}", self.profile.request_id)),
            InVain::Half => (Some(200), "the answer broke off".to_owned()),
            InVain::NotTaken(why, call) => {
                let _entered = call.enter();
                tracing::warn!(
                    http.response.status_code = why.status(),
                    "the platform may not have taken what became of the event, and may send it again, {times} time(s) in a row: {why}"
                );
                return;
            }
        };
        tracing::warn!(
            http.response.status_code = status,
            "no event from GET {path}, {times} time(s) in a row: {sentence}; asking again"
        );
    }

    /// What becomes of an answer: a call, if there is an event in it.
    async fn event(&self, answer: Result<Response<Incoming>, Unanswered>, desk: &Desk) -> Result<(), InVain> {
        let (head, body) = answer.map_err(InVain::Unanswered)?.into_parts();
        let received = Timestamp::now();
        if head.status != StatusCode::OK {
            return Err(InVain::Unanswered(Unanswered::Status(head.status)));
        }
        let head = Head::read(self.profile, &head.headers).ok_or(InVain::NoId)?;
        // `faas.invocation_id` is OpenTelemetry's name for it.
        let span = tracing::info_span!("call", faas.invocation_id = %head.id);
        self.call(head, received, body, desk).instrument(span).await
    }

    async fn call(&self, head: Head, received: Timestamp, body: Incoming, desk: &Desk) -> Result<(), InVain> {
        let deadline = head.time.or(self.time).and_then(|time| received.checked_add(time).ok());
        let budget = Budget::of(deadline, received, self.started);
        let mut context = Context::default();
        context.request_id = head.id;
        let milliseconds = deadline.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        context.deadline = milliseconds.unwrap_or_default();
        let prepare = |bytes| {
            let payload = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
            Ok(Prepared { payload, context, begin: None })
        };
        let (path, body) = match desk.outcome(budget, body, prepare).await.0 {
            Outcome::Response(json) => (head.response, json.into()),
            Outcome::Failed(diagnostic) => (head.error, failure_body(diagnostic)),
            // The platform hands the event out once more, or sees that it was not answered: either is better than to fail it.
            Outcome::Refused(Refusal::BodyBroken) => return Err(InVain::Half),
            Outcome::Refused(refusal) => (head.error, failure_body(Diagnostic::from(&refusal))),
        };
        // The first result is final, so there is no second one: the platform may have taken it and not have said so. A platform that hands
        // the event out again and refuses its result again would keep both sides busy without a pause.
        self.api.post(&path, body).await.map_err(|why| InVain::NotTaken(why, Span::current()))
    }
}

/// Waits until the end is asked for.
async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask, which comes to the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
