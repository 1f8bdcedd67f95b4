//! The server: reads requests, asks the door, hands over deliveries, answers with reports.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::FutureExt;
use mdss_relay_core::{Cause, Confirmation, Deadline, Delivery, Dialect, Failure, Outcome, Plan, Report};
use mdss_relay_gate::{Refusal, ReplayKey, Unavailable};
use mdss_relay_spool::{Keeping, Sender, Spool};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::admit::{Memory, Turned};
use crate::bench::Bench;
use crate::body::{self, BODY_TIMEOUT, Unread};
use crate::budget::{Budget, Share, in_hand};
use crate::configuration::{Configuration, MOST_REQUESTS, Reading};
use crate::connection::{Connection, HEAD_TIMEOUT, Unreadable, connection, drive};
use crate::door::{Knock, Knocker, Source};
use crate::keeping;
use crate::metrics::Meter;
use crate::patience::Patience;
use crate::refusals::{Pace, Reason, Refusals};
use crate::reply::{self, Answer};
use crate::seats::{Guest, House, Seat, Seats};

/// A larger body is read on a thread of its own: it may take its time, and meanwhile others want to be answered.
const QUICK_BODY: usize = 64 * 1024;

/// The longest `/metrics` waits for the spool. Prometheus waits 10 s for a page
/// (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>, `scrape_timeout`), and would take a relay whose disk
/// hangs for one that is down.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest a stop waits for the spool's file to be closed. It need not be: that only makes the next start quicker.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest a head may take where there is only standing room, and the longest such a connection may stay. Whoever watches
/// has one line to say.
const STANDING_HEAD: Duration = Duration::from_secs(2);
const STANDING: Duration = Duration::from_secs(15);

/// How often is looked for what is to be said of refusals that had no line.
const LOOK: Duration = Duration::from_secs(5);

struct Shared {
    /// What is in force; exchanged as a whole.
    running: watch::Receiver<Arc<Configuration>>,
    /// On disk before the sender hears "done"; `None` in direct mode.
    spool: Option<Spool>,
    memory: Arc<Memory>,
    budget: Budget,
    bench: Bench,
    refusals: Arc<Refusals>,
    meter: Arc<Meter>,
    patience: Patience,
    stopping: watch::Sender<bool>,
    count: AtomicU64,
    /// The receiver ends when the last request that shares this has ended.
    _alive: mpsc::Sender<()>,
}

/// Exchanges the configuration of a server, by the sender whose receiver it was started with; the old one stays if there is
/// a mistake in the new one. Requests under way are finished with the old one.
pub fn reload(running: &watch::Sender<Arc<Configuration>>, reading: Reading) {
    let taken = match reading.outcome {
        Ok(mut configuration) => {
            configuration.follow(&running.borrow());
            for warning in &reading.warnings {
                warn!("{warning}");
            }
            let fixed = running.borrow().fixed(&configuration);
            if !fixed.is_empty() {
                warn!("{} can only be exchanged by a new start, and stays as it was", fixed.join(", "));
            }
            let way = configuration.way().filter(|way| running.borrow().way().as_ref() != Some(way));
            running.send_replace(Arc::new(configuration));
            info!("a new configuration is in force");
            if let Some(way) = way {
                info!("{way}");
            }
            "taken"
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                error!("the new configuration is not taken, the old one stays: {mistake}");
            }
            "refused"
        }
    };
    running.borrow().meter.reloaded(taken);
}

/// Serves until `stop` is over. Then the port closes, bodies that are still on their way get two seconds, and calls in
/// flight are finished: one deadline later, at the latest, and a little for the answers, connections are cut; one more, for
/// what the worker has under way, and it returns. What is on disk stays there for the next start.
///
/// # Errors
/// If the listener's own address cannot be told, or the system has no thread for the spool. A connection that fails
/// concerns nobody else.
pub async fn serve(
    listener: TcpListener,
    running: watch::Receiver<Arc<Configuration>>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let first = running.borrow().clone();
    let grace = first.relay.settings().deadline + HEAD_TIMEOUT;
    let (spool, kept) = match &first.relay.settings().spool {
        Some(settings) => {
            let (spool, kept) = keeping::open(settings)?;
            (Some(spool), Some(kept))
        }
        None => (None, None),
    };
    let (alive, mut all_done) = mpsc::channel(1);
    let stop_worker = watch::Sender::new(false);
    let worker = spool
        .clone()
        .map(|spool| tokio::spawn(keeping::empty(spool, running.clone(), stop_worker.subscribe())));
    let shared = Arc::new(Shared {
        running,
        spool,
        memory: Arc::new(Memory::new()),
        budget: Budget::new(),
        bench: Bench::start()?,
        refusals: Arc::new(Refusals::new()),
        meter: first.meter.clone(),
        patience: Patience::default(),
        stopping: watch::Sender::new(false),
        count: AtomicU64::new(0),
        _alive: alive,
    });
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(receive)
        .method_not_allowed_fallback(only_watched)
        .with_state(shared.clone());
    info!({ "server.address" = %address.ip(), "server.port" = address.port() }, "listening on http://{address}");

    let house = House::of(files(), first.relay.settings().concurrency);
    if let (seats, true) = house.size() {
        warn!("{seats} connections at once, because no more files may be open (ulimit -n)");
    }
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let seats = Seats::new(house);
    let refusals = shared.refusals.clone();
    let teller = tokio::spawn(async move {
        loop {
            sleep(LOOK).await;
            tell_more(&refusals, false);
        }
    });
    loop {
        let next = async {
            let (stream, peer) = listener.accept().await?;
            let trusted = shared.running.borrow().proxies.trust(peer.ip());
            let welcome = seats.take(peer.ip(), trusted).await;
            if welcome.at_cost {
                crowded(
                    &shared,
                    peer.ip(),
                    "connections_short",
                    "connections that had proven nothing were closed, to make room",
                );
            }
            Ok::<_, std::io::Error>((stream, peer.ip(), welcome.seat))
        };
        let (stream, peer, seat) = tokio::select! {
            next = next => match next {
                Ok((stream, peer, Some(seat))) => (stream, peer, seat),
                Ok((_, peer, None)) => {
                    crowded(
                        &shared,
                        peer,
                        "connections_taken",
                        "connections are closed at once: this address has all that one may have, or all are taken; if it is a \
                         proxy, name it in trusted_proxies",
                    );
                    continue;
                }
                Err(error) => {
                    // Out of file descriptors, mostly: some will be closed soon.
                    if let Some(more) = shared.refusals.line(None, "accept", None) {
                        let more = (more > 0).then_some(more);
                        warn!({ %error, "mdss.repeats" = more }, "a connection could not be accepted");
                    }
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let visit = Visit { peer, guest: seat.guest(), standing: seat.is_standing() };
        let router = router.clone().layer(Extension(visit));
        let patience = if seat.is_standing() { STANDING_HEAD } else { HEAD_TIMEOUT };
        let connection = connection(stream, router, patience, !seat.is_standing());
        // Those that have ended are forgotten.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(attend(shared.clone(), seat, peer, connection));
    }
    teller.abort();
    let refusals = shared.refusals.clone();
    shared.stopping.send_replace(true);
    drop(listener);
    info!("stopping; calls in flight are finished first");
    let finish = async {
        // Connections share it until their last answer is written, and deliveries whose sender has gone meanwhile as well.
        drop((router, shared));
        let _ = all_done.recv().await;
    };
    if timeout(grace, finish).await.is_err() {
        warn!("stopped with calls in flight; their senders have had no answer and repeat them");
    }
    // A client that does not read has a connection that never ends; with it goes what it holds of the spool.
    tasks.shutdown().await;
    tell_more(&refusals, true);
    // The worker goes last: what the last calls have put on disk it may still send. What it has under way is finished.
    stop_worker.send_replace(true);
    if let Some(worker) = worker
        && timeout(grace, worker).await.is_err()
    {
        warn!("stopped while MDSS was asked; what it has not answered is asked again after the next start");
        return Ok(());
    }
    if let Some(kept) = kept
        && timeout(CLOSE_TIMEOUT, closed(kept)).await.is_err()
    {
        warn!("stopped while the spool's file was not closed; what is in it is read at the next start");
    }
    Ok(())
}

/// How many files this process may have open; `None` if there is no limit.
fn files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Attends to a connection until its end, or until its seat is wanted for somebody else.
async fn attend(shared: Arc<Shared>, seat: Seat, peer: IpAddr, connection: Connection<TcpStream>) {
    let guest = seat.guest();
    tokio::select! {
        () = converse(&shared, peer, connection) => {}
        () = guest.told_to_leave() => {}
        () = sleep(STANDING), if seat.is_standing() => {}
    }
}

/// Drives a connection to its end. A request that could not be read gets what every other one gets that is refused: a line, a
/// count, and a report.
async fn converse(shared: &Shared, peer: IpAddr, connection: Connection<TcpStream>) {
    let mut stopping = shared.stopping.subscribe();
    let stop = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let Err(broken) = drive(connection, stop).await else { return };
    let Some(Unreadable { status, error_type, why }) = broken.unreadable() else {
        tracing::debug!(error = %broken.error, client.address = %peer, "a connection ended early");
        return;
    };
    shared.meter.answered(None, status.as_u16());
    if let Some(more) = shared.refusals.line(None, error_type, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!(
            { "error.type" = error_type, "client.address" = %peer, "http.response.status_code" = status.as_u16(),
              "mdss.repeats" = more },
            "a request could not be read: {why}"
        );
    }
    let report = Report::failed(Failure::new(Cause::Unreadable, why));
    broken.answer(reply::turned_away(status, &report).last().as_bytes()).await;
}

/// Says that connections were closed, once a minute for each address.
fn crowded(shared: &Shared, peer: IpAddr, reason: &'static str, what: &str) {
    if let Some(more) = shared.refusals.line(None, reason, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!({ "error.type" = reason, "client.address" = %peer, "mdss.repeats" = more }, "{what}");
    }
}

/// Says how many refusals had no line of their own.
fn tell_more(refusals: &Refusals, end: bool) {
    for more in refusals.more(end) {
        let address = more.host.map(|host| host.to_string());
        warn!(
            { "mdss.source" = more.source, "mdss.check" = more.reason.check, "error.type" = more.reason.error_type,
              "client.address" = address, "mdss.repeats" = more.count },
            "the same came {} more times after the last line about it", more.count
        );
    }
}

/// Waits until the spool's file is closed: on a thread that a process that ends does not wait for, because the disk may not
/// answer.
async fn closed(kept: Keeping) {
    let (done, waited) = oneshot::channel();
    let closing = std::thread::Builder::new().name("closing".into()).spawn(move || {
        kept.wait();
        let _ = done.send(());
    });
    if closing.is_ok() {
        let _ = waited.await;
    }
}

/// Whether events are taken: in direct mode whoever listens is ready, with a spool it must be possible to write to it.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let Some(spool) = &shared.spool else { return "ready\n".into_response() };
    match timeout(HEAD_TIMEOUT, spool.ready()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        // Whoever may ask may know: the sentence names the directory and what is wrong with it.
        Ok(Err(trouble)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the disk does not answer\n").into_response(),
    }
}

/// Counters and gauges, for Prometheus.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let text = page(&shared.meter, shared.spool.as_ref()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn page(meter: &Meter, spool: Option<&Spool>) -> String {
    match spool {
        None => meter.text(None),
        Some(spool) => match timeout(SCRAPE_TIMEOUT, spool.snapshot()).await {
            Ok(Ok(snapshot)) => meter.text(Some((&snapshot.counts, Some(&snapshot)))),
            _ => meter.text(Some((&spool.counts(), None))),
        },
    }
}

/// Whoever is at the other end of a connection.
#[derive(Clone)]
struct Visit {
    peer: IpAddr,
    guest: Arc<Guest>,
    /// There is no seat: nothing is answered but whether the relay lives.
    standing: bool,
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Response {
    let _asking = visit.guest.asking();
    let running = shared.running.borrow().clone();
    let client = running.proxies.client(visit.peer, request.headers());
    let (source, response) = respond(&shared, &running, &visit, client, request).await;
    given(&shared, source.as_deref(), client, response).await
}

/// Another method than GET on a path of the relay's own. The router adds which are allowed.
async fn only_watched(
    State(shared): State<Arc<Shared>>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Response {
    let client = shared.running.borrow().proxies.client(visit.peer, request.headers());
    let detail = format!("expected a GET, found {:?}", request.method().as_str());
    let desk = Desk { refusals: &shared.refusals, client };
    let failure = Failure::new(Cause::MethodNotAllowed, detail);
    let answer = desk.turned_away(None, StatusCode::METHOD_NOT_ALLOWED, failure, None);
    given(&shared, None, client, answer.into_response()).await
}

/// Gives an answer, when its time has come, and counts it.
async fn given(
    shared: &Shared,
    source: Option<&str>,
    client: Option<IpAddr>,
    mut response: Response,
) -> Response {
    // These cost a stranger nothing, and a sender that repeats without a pause posts again once it has heard.
    if matches!(response.status().as_u16(), 401 | 403 | 404 | 405) {
        match shared.refusals.pace(source, client) {
            Pace::AtOnce => {}
            Pace::After(pause, _permits) => sleep(pause).await,
            Pace::Closing => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
    }
    shared.meter.answered(source, response.status().as_u16());
    response
}

/// The answer, and the name of the source whose it is.
async fn respond(
    shared: &Arc<Shared>,
    running: &Arc<Configuration>,
    visit: &Visit,
    client: Option<IpAddr>,
    request: Request,
) -> (Option<String>, Response) {
    let (parts, body) = request.into_parts();
    let headers: Vec<(&str, &[u8])> = parts.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let target = parts.uri.path_and_query().map_or("", |t| t.as_str());
    let knocker = Knocker { method: parts.method.as_str(), target, headers: &headers, client };
    let desk = Desk { refusals: &shared.refusals, client };
    if visit.standing {
        let failure = Failure::new(Cause::Deadline, "all connections are taken");
        return (
            None,
            desk.turned_away(None, StatusCode::SERVICE_UNAVAILABLE, failure, None).into_response(),
        );
    }
    let source = match running.doors.knock(&knocker) {
        Knock::Enter(source) => source.clone(),
        Knock::Present(source) => return (Some(source.name.clone()), StatusCode::OK.into_response()),
        Knock::UnknownPath => {
            return (None, desk.unknown_path(running.doors.unknown(target)).into_response());
        }
        Knock::WrongMethod(source) => {
            let failure = Failure::new(
                Cause::MethodNotAllowed,
                format!("expected a POST, found {:?}", parts.method.as_str()),
            );
            let answer = desk.turned_away(Some(source), StatusCode::METHOD_NOT_ALLOWED, failure, None);
            let mut response = answer.into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, HEAD"));
            return (Some(source.name.clone()), response);
        }
        Knock::Refused(source, refusal) => {
            return (Some(source.name.clone()), desk.refused(source, &refusal));
        }
        Knock::Unavailable(source, what) => {
            return (Some(source.name.clone()), desk.unavailable(source, what).into_response());
        }
    };
    if source.policy.is_proven_by_head() {
        visit.guest.has_proven();
    }
    let response = enter(shared, running, visit, &source, &knocker, &parts.headers, body).await;
    (Some(source.name), response)
}

/// Reads a body whose head was let in, asks the gate once more, and delivers.
async fn enter(
    shared: &Arc<Shared>,
    running: &Arc<Configuration>,
    visit: &Visit,
    source: &Source,
    knocker: &Knocker<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let limits = running.relay.settings();
    let desk = Desk { refusals: &shared.refusals, client: knocker.client };
    let busy = |why: String| {
        let failure = Failure::new(Cause::Deadline, why);
        desk.turned_away(Some(source), StatusCode::SERVICE_UNAVAILABLE, failure, None).into_response()
    };
    let deadline = Deadline::new(None, limits.deadline);
    let places = running.places.get(&source.name).cloned().unwrap_or_else(|| Arc::new(Semaphore::new(1)));
    let Ok(Ok(place)) = timeout(limits.deadline, places.acquire_owned()).await else {
        return busy(format!("{MOST_REQUESTS} requests of this source are under way"));
    };
    let mut room = shared.budget.room(&source.name);
    let body =
        match body::read(body, headers, limits.body_limit, shared.stopping.subscribe(), &mut room).await {
            Ok(body) => body,
            Err(why) => return unread(&desk, source, why, limits.body_limit),
        };
    let admission = match shared.memory.admit(source, knocker, &body).await {
        Ok(admission) => admission,
        Err(Turned::Refused(refusal)) => return desk.refused(source, &refusal),
        Err(Turned::Unavailable(what)) => return desk.unavailable(source, what).into_response(),
    };
    if !source.policy.is_none() {
        visit.guest.has_proven();
    }
    if let Some(answer) = admission.replay.and_then(|replay| shared.memory.answered(source, &replay)) {
        info!(
            { "mdss.source" = source.name },
            "a delivery came again that was done; it gets the same answer"
        );
        return answer.into_response();
    }
    let delivery = Delivery {
        source: Some(source.name.clone()),
        dialect: source.dialect,
        method: knocker.method.to_owned(),
        headers: text_headers(headers),
        body,
        id: format!("{}-{}", source.name, shared.count.fetch_add(1, Ordering::Relaxed)),
    };
    let id = delivery.id.clone();
    const IN_HAND: &str = "as much of this source, or of all, is in hand as may be";
    // Nobody knows how large it becomes.
    if delivery.is_packed() && !room.hold(limits.body_limit).await {
        return busy(IN_HAND.to_owned());
    }
    let delivery = match unpacked(&shared.bench, delivery, limits.body_limit).await {
        Some(Ok(delivery)) => delivery,
        Some(Err(failure)) => {
            shared.meter.unusable(&source.name);
            return desk.undecodable(source, failure).into_response();
        }
        None => return unforeseen(source, &id).into_response(),
    };
    let Some(work) = shared.budget.work(&source.name, &delivery.body).await else {
        return busy(IN_HAND.to_owned());
    };
    let mut held = InHand { work, body: room.share() };
    visit.guest.is_served();
    let request = shared.patience.known(&source.name, &delivery.body);
    let call = Call {
        shared: shared.clone(),
        running: running.clone(),
        source: source.clone(),
        client: knocker.client,
        deadline,
    };
    // On a task of its own: a sender that hangs up early loses its answer, not its event.
    let work = tokio::spawn(async move {
        let answer =
            AssertUnwindSafe(call.answer(delivery, admission.replay, &mut held)).catch_unwind().await.ok()?;
        held.is_answered_by(&answer);
        // The place, too, is given back when the answer is written: who takes none must not be given one after the other.
        Some(answer.holding((place, held)))
    });
    let response = match work.await {
        Ok(Some(response)) => response,
        _ => unforeseen(source, &id).into_response(),
    };
    if !response.status().is_success() {
        shared.patience.pause(&source.name, request, shared.stopping.subscribe()).await;
    }
    response
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

/// One delivery's way through the server.
struct Call {
    shared: Arc<Shared>,
    running: Arc<Configuration>,
    source: Source,
    client: Option<IpAddr>,
    deadline: Deadline,
}

impl Call {
    /// Delivers, and remembers the answer if it may have to be given again. In one piece with the delivery, so that a sender
    /// that has hung up and comes again finds it.
    async fn answer(&self, delivery: Delivery, replay: Option<ReplayKey>, held: &mut InHand) -> Answer {
        let answer = self.deliver(delivery, held).await;
        if let Some(replay) = replay {
            self.shared.memory.remember(&self.source, &replay, &answer);
        }
        answer
    }

    async fn deliver(&self, delivery: Delivery, held: &mut InHand) -> Answer {
        let desk = Desk { refusals: &self.shared.refusals, client: self.client };
        let id = delivery.id.clone();
        let (delivery, plan) = if delivery.body.len() > QUICK_BODY {
            let running = self.running.clone();
            // A panic in there is one here.
            let planned = self.shared.bench.run(move || {
                let plan = running.relay.plan(&delivery);
                (delivery, plan)
            });
            match planned.await {
                Some(planned) => planned,
                None => return unforeseen(&self.source, &id),
            }
        } else {
            let plan = self.running.relay.plan(&delivery);
            (delivery, plan)
        };
        held.is_planned(&plan, delivery.body.len());
        let report = match &self.shared.spool {
            None => {
                // All that is needed of it is in the plan.
                drop(delivery);
                held.body = Share::default();
                self.running.relay.deliver(&plan, self.deadline, &id).await
            }
            Some(spool) => match self.keep(spool, delivery, &plan).await {
                Ok(report) => report,
                Err(why) => {
                    let failure = Failure::new(Cause::SpoolUnavailable, why);
                    return desk.turned_away(
                        Some(&self.source),
                        StatusCode::SERVICE_UNAVAILABLE,
                        failure,
                        None,
                    );
                }
            },
        };
        self.shared.meter.reported(&self.source.name, &report);
        if let Some(confirmation) = &plan.confirm
            && let Err(failure) = confirm(&self.shared, &self.source, confirmation).await
        {
            return desk.turned_away(Some(&self.source), StatusCode::SERVICE_UNAVAILABLE, failure, None);
        }
        match plan.reply.as_ref().or(plan.receipt.as_ref()) {
            Some(wanted) if report.outcome == Outcome::Done => reply::wanted(wanted),
            _ => {
                let recognised = plan.dialect;
                let endless = recognised.is_some_and(Dialect::redelivers_forever);
                reply::status(&report, self.source.redelivers_forever || endless)
            }
        }
    }

    /// Puts a delivery on disk. A disk that hangs is no reason to let the sender wait without end; if the event gets there
    /// after all, it is sent twice, which harms nothing.
    async fn keep(&self, spool: &Spool, delivery: Delivery, plan: &Plan) -> Result<Report, String> {
        let sender = if self.source.policy.is_none() { Sender::Anyone } else { Sender::Proven };
        match timeout(self.running.relay.settings().deadline, spool.accept(delivery, plan, sender)).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(trouble)) => Err(trouble.to_string()),
            Err(_) => Err("the disk does not answer".to_owned()),
        }
    }
}

/// Unpacks a body, on a thread of its own if there is something to unpack; `None` if that failed in an unforeseen way.
async fn unpacked(bench: &Bench, delivery: Delivery, most: usize) -> Option<Result<Delivery, Failure>> {
    if !delivery.is_packed() {
        return Some(delivery.unpacked(most));
    }
    bench.run(move || delivery.unpacked(most)).await
}

/// Visits what a subscription wants visited, if the operator has named its topic; otherwise says how to.
async fn confirm(shared: &Shared, source: &Source, confirmation: &Confirmation) -> Result<(), Failure> {
    let name = source.name.as_str();
    let topic: String = confirmation.topic.chars().take(200).collect();
    if !source.confirm_topics.contains(&confirmation.topic) {
        warn!(
            { "mdss.source" = name, "mdss.topic" = topic },
            "a subscription waits for its confirmation: name its topic in confirm_topics of this source, or confirm it by hand"
        );
        return Ok(());
    }
    let unconfirmed = |why: String| Failure::new(Cause::Unconfirmed, why);
    shared.memory.visit(&confirmation.url).await.map_err(unconfirmed)?;
    info!({ "mdss.source" = name, "mdss.topic" = topic }, "a subscription was confirmed");
    Ok(())
}

/// A defect of ours: the panic's own line says where, this one says for what.
fn unforeseen(source: &Source, delivery: &str) -> Answer {
    let failure = Failure::new(Cause::Internal, "the relay failed in an unforeseen way; please report it");
    error!(
        { "mdss.source" = source.name, "faas.invocation_id" = delivery, "error.type" = failure.cause.name() },
        "{}", failure.detail
    );
    reply::status(&Report::failed(failure), false)
}

/// Where requests are turned away that never become a delivery: a line for the operator, though not one for each of many that
/// are alike, and a report for the sender.
struct Desk<'s> {
    refusals: &'s Refusals,
    /// Whose request it is.
    client: Option<IpAddr>,
}

impl Desk<'_> {
    fn address(&self) -> Option<String> {
        self.client.map(|client| client.to_string())
    }

    /// A refusal has two readers: the sender hears a status, the operator reads which check failed and why.
    fn refused(&self, source: &Source, refusal: &Refusal) -> Response {
        let reason = Reason { error_type: "refused", check: Some(refusal.check) };
        if let Some(more) = self.refusals.line(Some(&source.name), reason, self.client) {
            let more = (more > 0).then_some(more);
            warn!(
                { "mdss.source" = source.name, "mdss.check" = reason.check, "error.type" = reason.error_type,
                  "client.address" = self.address(), "mdss.repeats" = more },
                "refused: {}", refusal.why
            );
        }
        reply::refused(refusal)
    }

    /// A key that cannot be had just now is no reason to call a sender a stranger.
    fn unavailable(&self, source: &Source, what: Unavailable) -> Answer {
        let failure = Failure::new(Cause::KeyUnavailable, format!("{}: {}", what.check, what.why));
        self.turned_away(Some(source), StatusCode::SERVICE_UNAVAILABLE, failure, None)
    }

    /// The path is not shown: it may hold a secret, or nearly hold one. `known` is for the operator alone.
    fn unknown_path(&self, known: String) -> Answer {
        let failure = Failure::new(Cause::UnknownPath, "its path belongs to no source");
        self.line(None, &failure, &known, None);
        reply::turned_away(StatusCode::NOT_FOUND, &Report::failed(failure))
    }

    /// A body that is packed in a way that is not read. A sender that repeats without end hears 200, as for any event that can
    /// never be used.
    fn undecodable(&self, source: &Source, failure: Failure) -> Answer {
        let status = match failure.cause {
            Cause::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Cause::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ if source.redelivers_forever => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        };
        if status.is_success() {
            // The line is all there is of it.
            error!(
                { "mdss.source" = source.name, "error.type" = failure.cause.name(),
                  "mdss.failure_kind" = failure.kind().name(), "client.address" = self.address() },
                "event cannot be used: {}", failure.detail
            );
            return reply::turned_away(status, &Report::failed(failure));
        }
        self.turned_away(Some(source), status, failure, None)
    }

    fn turned_away(
        &self,
        source: Option<&Source>,
        status: StatusCode,
        failure: Failure,
        size_bytes: Option<u64>,
    ) -> Answer {
        self.line(source, &failure, &failure.detail, size_bytes);
        reply::turned_away(status, &Report::failed(failure))
    }

    fn line(&self, source: Option<&Source>, failure: &Failure, detail: &str, size_bytes: Option<u64>) {
        let source = source.map(|s| s.name.as_str());
        let (error_type, kind) = (failure.cause.name(), failure.kind().name());
        if let Some(more) = self.refusals.line(source, error_type, self.client) {
            let more = (more > 0).then_some(more);
            warn!(
                { "mdss.source" = source, "error.type" = error_type, "mdss.failure_kind" = kind, size_bytes,
                  "client.address" = self.address(), "mdss.repeats" = more },
                "a request was turned away: {detail}"
            );
        }
    }
}

fn unread(desk: &Desk<'_>, source: &Source, unread: Unread, limit: usize) -> Response {
    let (status, cause, detail, size) = match unread {
        Unread::TooLarge { seen } => {
            let detail =
                format!("a body of at least {seen} bytes, expected at most RELAY_BODY_LIMIT, {limit}");
            (StatusCode::PAYLOAD_TOO_LARGE, Cause::BodyTooLarge, detail, Some(seen))
        }
        Unread::TooSlow => {
            let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
            (StatusCode::REQUEST_TIMEOUT, Cause::BodyIncomplete, detail, None)
        }
        Unread::Broken(why) => (
            StatusCode::BAD_REQUEST,
            Cause::BodyIncomplete,
            format!("the body did not arrive whole: {why}"),
            None,
        ),
        Unread::Stopping => {
            let detail = "the relay stops, and the body has not arrived".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Cause::BodyIncomplete, detail, None)
        }
        Unread::Crowded => {
            let detail = "as many bytes of bodies of this source, or of all, are read as may be".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Cause::Deadline, detail, None)
        }
    };
    let mut response =
        desk.turned_away(Some(source), status, Failure::new(cause, detail), size).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Headers as text, without the credentials: those were the gate's. A value that is no text means nothing to any dialect.
fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&header::HeaderName, &HeaderValue)| {
        let credential = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name);
        if credential {
            return None;
        }
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

/// Listens where the settings say.
///
/// # Errors
/// The operating system's word, with the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use mdss_relay_spool::{Clock, Config, Moment, SystemClock};

    use super::*;

    /// Does not come back on the spool's own thread, as a disk may not.
    struct Hanging;

    impl Clock for Hanging {
        fn now(&self) -> Moment {
            while std::thread::current().name() == Some("spool") {
                std::thread::park();
            }
            SystemClock.now()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counters_are_shown_before_prometheus_gives_up_on_a_disk_that_hangs() {
        let dir = tempfile::tempdir().unwrap();
        // It is set aside under a name with the time.
        std::fs::write(dir.path().join("spool.db"), "this is no database").unwrap();
        let config = Config { dir: dir.path().to_owned(), limit: 1 << 30 };
        let (spool, _) = Spool::start(config, Arc::new(Hanging)).unwrap();
        let started = tokio::time::Instant::now();
        let text = page(&Meter::default(), Some(&spool)).await;
        assert!(text.contains("\nmdss_relay_spool_up 0\n"), "{text}");
        assert!(text.contains("\nmdss_relay_spool_spooled_total 0\n"), "{text}");
        assert_eq!(started.elapsed().as_secs(), SCRAPE_TIMEOUT.as_secs());
    }

    #[test]
    fn a_file_that_is_not_closed_keeps_no_process_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { dir: dir.path().to_owned(), limit: 1 << 30 };
        let (spool, kept) = Spool::start(config, Arc::new(SystemClock)).unwrap();
        let (done, ended) = channel();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            let outcome = runtime.block_on(async { timeout(CLOSE_TIMEOUT, closed(kept)).await });
            // Waits for blocking tasks, as the end of `main` does.
            drop(runtime);
            let _ = done.send(outcome.is_ok());
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(false));
        drop(spool);
    }
}
