//! The way of one request: through the door, into a delivery, to an answer.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::FutureExt;
use mdss_relay_core::{Cause, Deadline, Delivery, Failure, Plan, Report, fields, offload};
use mdss_relay_gate::{DoorVerdict, ReplayKey, Source, Takes};
use mdss_relay_request::{Answer, Happened, NotAdmitted, Rejection, answer, defect, delivered};
use mdss_relay_spool::{Sender, Spool};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::info;

use crate::arrived::{arrived, head, pairs};
use crate::body;
use crate::budget::{Share, in_hand};
use crate::calls::UnderWay;
use crate::configuration::{InForce, MOST_REQUESTS};
use crate::refusals::Delay;
use crate::rejections::Rejections;
use crate::response::{holding, response};
use crate::results::MOST_BYTES;
use crate::slots::ConnectionState;
use crate::state::Shared;

/// What the disk has at least, even if a sender has taken all its time for its body. It needs milliseconds, unless it hangs.
const FOR_THE_DISK: Duration = Duration::from_millis(500);

/// The other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) connection: Arc<ConnectionState>,
    /// Whether only the relay's own pages are answered on this connection.
    pub(crate) probe_only: bool,
}

/// Answers a request to anything but the relay's own pages.
pub(crate) async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let _guard = peer.connection.begin_request();
    let under_way = Arc::new(shared.calls.begin());
    let running = shared.running.borrow().clone();
    let client = running.proxies.client(peer.address, &pairs(request.headers()));
    let (source, response) = respond(&shared, &running, &peer, client, request, under_way.clone()).await;
    let source = source.as_ref().map(|source| source.name.as_str());
    given(&shared, source, client, response).await
}

/// Gives an answer, when its time has come, and counts it.
pub(crate) async fn given(
    shared: &Shared,
    source: Option<&str>,
    client: Option<IpAddr>,
    mut response: Response,
) -> Response {
    // These cost a stranger nothing, and a sender that repeats without a pause posts again once it has its answer.
    if matches!(response.status().as_u16(), 401 | 403 | 404 | 405) {
        match shared.refusals.delay(source, client) {
            Delay::None => {}
            Delay::For(pause, _permits) => sleep(pause).await,
            Delay::Close => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
    }
    shared.counters.answered(source, response.status().as_u16());
    response
}

/// The answer, and the source whose it is.
async fn respond(
    shared: &Arc<Shared>,
    running: &Arc<InForce>,
    peer: &Peer,
    client: Option<IpAddr>,
    request: Request,
    under_way: Arc<UnderWay>,
) -> (Option<Arc<Source>>, Response) {
    let arrived = Instant::now();
    let rejections = Rejections { refusals: &shared.refusals, client };
    if peer.probe_only {
        let failure = Failure::new(Cause::Deadline, "all connections are in use");
        return (None, response(rejections.reject(None, Rejection::NoConnection, &failure)));
    }
    let (parts, body) = request.into_parts();
    let headers = pairs(&parts.headers);
    let admitted =
        shared.admissions.admit_head(&running.sources, &head(&parts, &headers, client), arrived).await;
    drop(headers);
    let source = match admitted {
        DoorVerdict::NeedBody(source) => source,
        DoorVerdict::Answered(source, answered) => {
            let answer = rejections.answered(source.as_deref(), &answered);
            return (source, response(answer));
        }
        DoorVerdict::NeedKey { .. } | DoorVerdict::Entered(_) => {
            unreachable!("keys are fetched, and a body is asked for first")
        }
    };
    if source.policy.is_proven_by_head() {
        peer.connection.set_authenticated();
    }
    let (shared, running) = (shared.clone(), running.clone());
    let call = Call { shared, running, source: source.clone(), client, arrived, under_way };
    let given = call.take(peer, parts, body).await.unwrap_or_else(response);
    (Some(source), given)
}

/// What a request holds of the budget.
struct InHand {
    work: Share,
    body: Share,
}

impl InHand {
    /// It is known now what became of a body of so many bytes.
    fn is_planned(&mut self, plan: &Plan, bytes: usize) {
        self.work.shrink(in_hand(plan.records.len(), bytes));
    }

    /// Nothing is left but the answer.
    fn is_answered_by(&mut self, answer: &Answer) {
        self.body = Share::default();
        self.work.shrink(answer.size());
    }
}

/// One request to a source whose head has been let in.
struct Call {
    shared: Arc<Shared>,
    running: Arc<InForce>,
    source: Arc<Source>,
    client: Option<IpAddr>,
    arrived: Instant,
    /// The work goes on when its sender has gone, and so does the call.
    under_way: Arc<UnderWay>,
}

impl Call {
    fn rejections(&self) -> Rejections<'_> {
        Rejections { refusals: &self.shared.refusals, client: self.client }
    }

    fn reject(&self, rejection: Rejection, cause: Cause, why: impl Into<String>) -> Answer {
        self.rejections().reject(Some(&self.source), rejection, &Failure::new(cause, why))
    }

    /// When nobody may be kept waiting any longer for what others have: its sender would be gone before the answer. All the waits of a request
    /// count together.
    fn until(&self) -> Option<Instant> {
        Some(self.arrived + self.source.longest_wait()?)
    }

    /// Reads the body, goes through the door with it, and delivers. An error is the answer to a request that becomes no delivery.
    async fn take(self, peer: &Peer, parts: Parts, body: Body) -> Result<Response, Answer> {
        let Self { shared, running, source, .. } = &self;
        let (longest, largest) = (running.relay.settings().mdss.deadline, running.http.body_limit);
        let largest = match source.takes {
            Takes::Events => largest,
            Takes::Results => largest.min(MOST_BYTES),
        };
        let deadline = Deadline::new(None, longest);
        let places = running.places.get(&source.name).cloned().unwrap_or_else(|| Arc::new(Semaphore::new(1)));
        let (until, latest) = (self.until(), self.arrived + longest);
        let wait = timeout_at(until.map_or(latest, |until| until.min(latest)), places.acquire_owned());
        let Ok(Ok(place)) = wait.await else {
            let why = format!("this source has {MOST_REQUESTS} requests under way, as many as it may");
            return Err(self.reject(Rejection::TooManyRequests, Cause::Deadline, why));
        };
        let mut room = shared.budget.room(&source.name, until);
        let stopping = shared.stopping.subscribe();
        let body = body::read(body, &parts.headers, largest, stopping, &mut room).await;
        let body = body.map_err(|unread| self.rejections().unread(source, &unread, largest))?;
        let request = arrived(&parts, self.client, body);
        let admitted = shared.admissions.admit(&running.sources, source, request, self.arrived).await;
        let (request, entered) = admitted.map_err(|why| match why {
            NotAdmitted::Answered(answered) => self.rejections().answered(Some(source), &answered),
            NotAdmitted::Panicked => defect(source, ""),
        })?;
        if !source.policy.is_none() {
            peer.connection.set_authenticated();
        }
        if source.takes == Takes::Results {
            let body = request.body;
            drop((place, room));
            return self.result(body, longest).await.map(response);
        }
        if let Some(answer) = entered.replay.and_then(|replay| shared.admissions.answered(source, &replay)) {
            info!(
                { fields::SOURCE } = source.name,
                "repeated request: it was already answered with success, and gets the same answer again"
            );
            return Err(answer);
        }
        let id = shared.next_id(&source.name);
        let delivery = Delivery { id: id.clone(), ..request.delivery(&entered) };
        let no_memory = || {
            let why = "no memory for the delivery: this source, or all of them, have as many bytes under way as they may";
            self.reject(Rejection::NoMemory, Cause::Deadline, why)
        };
        // Nobody knows how large it becomes.
        if delivery.is_packed() && !room.hold(largest).await {
            return Err(no_memory());
        }
        let (most, unpacked_bytes) = (largest, if delivery.is_packed() { largest } else { 0 });
        let delivery = match offload(unpacked_bytes, move || delivery.unpacked(most)).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(failure)) => {
                shared.counters.unusable(&source.name);
                return Err(self.rejections().unpackable(source, &failure));
            }
            Err(_) => return Err(defect(source, &id)),
        };
        let Some(work) = shared.budget.work(&source.name, &delivery.body, until).await else {
            return Err(no_memory());
        };
        let mut held = InHand { work, body: room.share() };
        peer.connection.set_delivering();
        let request = shared.repeat_delay.key(&source.name, &delivery.body);
        let (shared, source) = (shared.clone(), source.clone());
        // On a task of its own: a sender that hangs up early loses its answer, not its event. In a box: on its way into its task a future of a
        // few kilobytes is copied half a dozen times.
        let work = tokio::spawn(Box::pin(async move {
            let under_way = self.under_way.clone();
            let answer = AssertUnwindSafe(self.answer(delivery, entered.replay, deadline, &mut held));
            let answer = answer.catch_unwind().await.ok()?;
            held.is_answered_by(&answer);
            // The place, too, is given back when the answer is written: who takes none must not be given one after the other.
            Some(holding(answer, (place, held, under_way)))
        }));
        let given = match work.await {
            Ok(Some(given)) => given,
            _ => response(defect(&source, &id)),
        };
        if !given.status().is_success() {
            shared.repeat_delay.pause(&source.name, request, shared.stopping.subscribe()).await;
        }
        Ok(given)
    }

    /// Hands a result to the ledger. MDSS does not send it again, so it is answered 2xx only when it is synced.
    async fn result(&self, body: Vec<u8>, longest: Duration) -> Result<Answer, Answer> {
        let taken = match &self.shared.results {
            Some(results) => timeout(longest, results.take(&self.source.name, body)).await,
            None => Ok(Err("there is no ledger".to_owned())),
        };
        let why = match taken {
            Ok(Ok(())) => return Ok(answer(&Happened::Present, &self.source.answers(None))),
            Ok(Err(why)) => why,
            Err(_) => "the ledger does not answer".to_owned(),
        };
        Err(self.reject(Rejection::NotStored, Cause::LedgerUnavailable, why))
    }

    /// Delivers, and remembers the answer if it may have to be given again. In one piece with the delivery, so that a sender
    /// that has hung up and comes again finds it.
    async fn answer(
        &self,
        delivery: Delivery,
        replay: Option<ReplayKey>,
        deadline: Deadline,
        held: &mut InHand,
    ) -> Answer {
        let answer = self.deliver(delivery, deadline, held).await;
        if let Some(replay) = replay {
            self.shared.admissions.remember(&self.source, &replay, &answer);
        }
        answer
    }

    async fn deliver(&self, delivery: Delivery, deadline: Deadline, held: &mut InHand) -> Answer {
        let id = delivery.id.clone();
        let running = self.running.clone();
        let planned = offload(delivery.body.len(), move || {
            let plan = running.relay.plan(&delivery);
            (delivery, plan)
        });
        let Ok((delivery, plan)) = planned.await else { return defect(&self.source, &id) };
        held.is_planned(&plan, delivery.body.len());
        let report = match &self.shared.spool {
            None => {
                // All that is needed of it is in the plan.
                drop(delivery);
                held.body = Share::default();
                self.running.relay.deliver(&plan, deadline, &id).await
            }
            Some(spool) => match self.keep(spool, delivery, &plan).await {
                Ok(report) => report,
                Err(why) => return self.reject(Rejection::NotStored, Cause::SpoolUnavailable, why),
            },
        };
        self.shared.counters.reported(&self.source.name, &report);
        if let Some(confirmation) = &plan.confirm
            && let Err(why) = self.shared.admissions.confirm(&self.source, confirmation).await
        {
            return self.reject(Rejection::NotConfirmed, Cause::Unconfirmed, why);
        }
        delivered(&self.source, &plan, &report)
    }

    /// Puts a delivery on disk. A disk that hangs is no reason to let the sender wait without end; if the event gets there
    /// after all, it is sent twice, which harms nothing.
    async fn keep(&self, spool: &Spool, delivery: Delivery, plan: &Plan) -> Result<Report, String> {
        let sender = if self.source.policy.is_none() { Sender::Anyone } else { Sender::Proven };
        let longest = self.running.relay.settings().mdss.deadline;
        let left = self.until().map(|until| until.saturating_duration_since(Instant::now()));
        let wait = left.map_or(longest, |left| left.max(FOR_THE_DISK).min(longest));
        match timeout(wait, spool.accept(delivery, plan, sender)).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(trouble)) => Err(trouble.to_string()),
            Err(_) => Err("what keeps the events does not answer".to_owned()),
        }
    }
}
