//! Whole HTTP requests, which a function URL, a gateway or a load balancer hands to the function: they stand at the server's door, and
//! are answered as the server answers.
//!
//! What only a server has is left out: a function's platform decides how many requests it has at a time, so nobody is made to wait, and it writes a
//! line for each call anyway, so no line is held back.

use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use mdss_relay_core::{
    Answers, Cause, Deadline, Delivery, Draft, Failure, MOST_FILE_BYTES, Relay, Report, fields, plain_text,
};
use mdss_relay_gate::{DoorVerdict, Source, Sources};
use mdss_relay_request::{
    self as request, Admissions, Answer, Arrived, Carried, Happened, NotAdmitted, Rejected, Rejection,
};
use tokio::time::{Instant, timeout};
use tracing::{error, info};

use crate::handler::{Entrance, internal};
use crate::reply::{Reply, diagnostic};

/// The door of a function that has `[[source]]`.
struct Door {
    sources: Arc<Sources>,
    /// The largest body that is taken, in bytes.
    body_limit: usize,
    admissions: Arc<Admissions>,
}

/// The entrance that the sources of a draft make; `None` without `[[source]]`. Mistakes in them are added to the draft's.
pub(crate) fn entrance(draft: &mut Draft) -> Option<Entrance> {
    let sources = Sources::of(draft, Timestamp::now(), &|path| plain_text(path, MOST_FILE_BYTES));
    let http = draft.settings.http.take()?;
    let (sources, admissions) = (Arc::new(sources), Arc::new(Admissions::new()));
    let door = Arc::new(Door { sources, body_limit: http.body_limit, admissions });
    Some(Arc::new(move |relay, event, id, deadline| {
        let carried = Carried::of(event)?;
        let (door, relay, id) = (door.clone(), relay.clone(), id.to_owned());
        Some(
            async move {
                let Carried { request, form } = carried.map_err(|failure| spoiled(failure, &id))?;
                // There is no event to give back: the sender repeats what was not answered with success.
                let answer = door.answer(&relay, request, deadline, id).await;
                form.reply(&answer).map(Reply::Formed).map_err(|_| internal())
            }
            .boxed(),
        )
    }))
}

/// A request that the platform hands on otherwise than it documents: the call fails, and its sender hears no success.
fn spoiled(failure: Failure, id: &str) -> Diagnostic {
    error!(
        { fields::INVOCATION } = id,
        { fields::ERROR_TYPE } = failure.cause.name(),
        { fields::FAILURE_KIND } = failure.kind().name(),
        "request cannot be read: {}",
        failure.detail
    );
    diagnostic(&Report::failed(failure))
}

impl Door {
    /// What becomes of a request, called `id` by its platform.
    async fn answer(&self, relay: &Relay, request: Arrived, deadline: Deadline, id: String) -> Answer {
        if let Some(page) = page(&request) {
            return page;
        }
        let (client, arrived) = (request.client, Instant::now());
        let said = |Rejected { answer, line }: Rejected| {
            if let Some(line) = line {
                line.write(client, 0);
            }
            answer
        };
        let headers = request.pairs();
        let head = request.head(&headers);
        let verdict =
            timeout(deadline.left(), self.admissions.admit_head(&self.sources, &head, arrived)).await;
        drop(headers);
        let source = match verdict {
            Ok(DoorVerdict::NeedBody(source)) => source,
            Ok(DoorVerdict::Answered(source, answered)) => {
                return said(request::answered(source.as_deref(), &answered));
            }
            Ok(DoorVerdict::NeedKey { .. } | DoorVerdict::Entered(_)) => {
                unreachable!("keys are fetched, and a body is asked for first")
            }
            Err(_) => return said(no_key(None)),
        };
        match self.deliver(relay, &source, request, arrived, deadline, id).await {
            Ok(answer) => answer,
            Err(rejected) => said(rejected),
        }
    }

    /// Goes through the door with the body, and delivers. An error is a request that becomes no delivery.
    async fn deliver(
        &self,
        relay: &Relay,
        source: &Source,
        request: Arrived,
        arrived: Instant,
        deadline: Deadline,
        id: String,
    ) -> Result<Answer, Rejected> {
        if request.body.len() > self.body_limit {
            return Err(request::body_too_large(source, request.body.len() as u64, self.body_limit));
        }
        let admitted = self.admissions.admit(&self.sources, source, request, arrived);
        let (request, entered) = match timeout(deadline.left(), admitted).await {
            Ok(Ok(entered)) => entered,
            Ok(Err(NotAdmitted::Answered(answered))) => {
                return Err(request::answered(Some(source), &answered));
            }
            Ok(Err(NotAdmitted::Panicked)) => return Ok(request::defect(source, &id)),
            Err(_) => return Err(no_key(Some(source))),
        };
        if let Some(answer) = entered.replay.and_then(|replay| self.admissions.answered(source, &replay)) {
            info!(
                { fields::SOURCE } = source.name,
                "repeated request: it was already answered with success, and gets the same answer again"
            );
            return Ok(answer);
        }
        let replay = entered.replay;
        let delivery = Delivery { id, ..request.delivery(&entered) };
        let delivery =
            delivery.unpacked(self.body_limit).map_err(|failure| request::unpackable(source, &failure))?;
        let plan = relay.plan(&delivery);
        let report = relay.deliver(&plan, deadline, &delivery.id).await;
        if let Some(confirmation) = &plan.confirm {
            let confirmed = timeout(deadline.left(), self.admissions.confirm(source, confirmation)).await;
            if let Err(why) =
                confirmed.unwrap_or_else(|_| Err("the time for this request ran out".to_owned()))
            {
                let failure = Failure::new(Cause::Unconfirmed, why);
                return Err(request::rejected(Some(source), Rejection::NotConfirmed, &failure));
            }
        }
        let answer = request::delivered(source, &plan, &report);
        if let Some(replay) = replay {
            self.admissions.remember(source, &replay, &answer);
        }
        Ok(answer)
    }
}

/// A key that is still being fetched when the call has to end. It is there for the next one, if it comes.
fn no_key(source: Option<&Source>) -> Rejected {
    let why = "the key that a check needs was not there when the time for this request ran out";
    request::rejected(source, Rejection::KeyUnavailable, &Failure::new(Cause::KeyUnavailable, why))
}

/// The server's own pages that a function can have: a load balancer asks for one of them before it passes on anything.
fn page(request: &Arrived) -> Option<Answer> {
    let happened = match request.target.split('?').next()? {
        "/healthz" => Happened::Alive,
        "/readyz" => Happened::Ready,
        _ => return None,
    };
    matches!(request.method.as_str(), "GET" | "HEAD").then(|| request::answer(&happened, &Answers::DEFAULT))
}
