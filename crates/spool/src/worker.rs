//! The worker: what is in the spool goes to MDSS, one attempt a claim.
//!
//! A claim writes nothing. The file has one worker, so it is enough that the worker knows what it has under way; if it dies, the
//! items are as they were and are sent again. Each claim plans anew, with today's settings: a mended
//! configuration heals what is held. Only what came of an attempt is written, many outcomes in one transaction, and
//! while that cannot be done, nothing new is begun.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mdss_relay_core::{
    Cause, CorrelationId, Decision, Failure, FailureKind, Planned, Relay, Submission, fields,
};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::breaker::{Breaker, Leave, Position};
use crate::clock::Moment;
use crate::ledger::{Claimed, Claims, ItemId, Stored, Verdict, Want};
use crate::pace::Pace;
use crate::schedule::{Backoff, HELD_BY_PLAN, LONGEST};
use crate::schema::{LANE_UNROUTED, State};
use crate::spool::Spool;
use crate::store::Settlement;
use crate::trouble::Trouble;

/// How often the file is looked at when nothing happens: the command line changes it from another process.
const LOOK: Duration = Duration::from_secs(1);

/// After this long without MDSS's word an event is an alarm, every minute.
const ALARM_AFTER: Duration = Duration::from_secs(900);
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// A clock that moves this much otherwise than time has jumped.
const JUMP: Duration = Duration::from_secs(5);

/// Items that are kept ready, in rounds of as many as may be under way: the file answers once a sync, and no round waits for it.
const AHEAD: usize = 32;

/// Outcomes that may wait to be written down, in the same measure. So many objects a crash sends again, at most.
const UNSETTLED: usize = 32;

/// How long outcomes gather before they are written down: a commit costs a sync, and rows that lie beside each other share
/// their pages. Nobody waits for them; only a crash would send them again.
const GATHER: Duration = Duration::from_millis(25);

/// Rows that one transaction of a chore changes.
const CHORE: usize = 1000;

/// Attempts an item must have had before its age parks it: a clock that jumps a year ahead must not park everything.
const PARK_ATTEMPTS: u32 = 5;

/// A larger body is planned on a thread of its own.
const QUICK_BODY: usize = 64 * 1024;

/// What an operator can choose about the worker; concurrency is the relay's.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Requests to MDSS a second, at most.
    pub rate: u32,
    /// After how long an item is parked instead of tried again; `None`: never.
    pub park_after: Option<Duration>,
}

/// Sends what is kept.
pub struct Worker {
    spool: Spool,
    relay: Arc<Relay>,
    policy: Policy,
    concurrency: usize,
    lanes: BTreeMap<String, Lane>,
    endpoint: Breaker,
    pace: Pace,
    /// Which lane had the last turn.
    last_lane: String,
    claims: usize,
    /// Items that are queued, under way or not yet settled.
    busy: HashSet<ItemId>,
    running: JoinSet<Attempted>,
    outcomes: Vec<Settlement>,
    /// Since when the first of them waits.
    gathering: Instant,
    settling: JoinSet<Settled>,
    claiming: JoinSet<Found>,
    /// Not before then is a settlement tried that has failed.
    settle_again: Option<(Arc<[Settlement]>, Instant)>,
    chores: JoinSet<()>,
    /// Whether there may be something due that is not queued.
    look: bool,
    /// When the next item comes due, as far as the last claim knows.
    due: Option<Instant>,
    /// The plan of the last delivery with several items.
    plan: Option<(i64, u64, Arc<Plans>)>,
    wall: (Moment, Instant),
    alarmed: Instant,
}

type Plans = HashMap<String, Planned>;

#[derive(Default)]
struct Lane {
    queue: VecDeque<Ready>,
    breaker: Breaker,
}

/// An item whose turn may come. Its body is not kept with it: hundreds wait here, and a body may have six megabytes.
struct Ready {
    item: Item,
    epoch: u64,
    object: Object,
    submission: Submission,
}

/// What of a claimed item is needed after its plan.
struct Item {
    id: ItemId,
    path: String,
    lane: String,
    state: State,
    attempts: u32,
    since: Moment,
    received: Moment,
    reason: Option<String>,
    /// What the log calls the delivery.
    invocation: String,
}

impl Item {
    fn of(claimed: Claimed) -> Self {
        let Claimed { id, path, lane, state, attempts, since, reason, delivery } = claimed;
        let invocation = delivery.delivery.as_ref().map_or_else(|_| String::new(), |d| d.id.clone());
        Self { id, path, lane, state, attempts, since, received: delivery.received, reason, invocation }
    }
}

/// What the log says of an object.
#[derive(Default)]
struct Object {
    dialect: Option<&'static str>,
    bucket: Option<String>,
    key: Option<String>,
    event_name: Option<String>,
    time: Option<Moment>,
}

impl Object {
    fn of(planned: &Planned) -> Self {
        Self {
            dialect: planned.dialect.map(mdss_relay_core::Dialect::name),
            bucket: planned.bucket.as_ref().map(|b| b.as_str().to_owned()),
            key: planned.key.as_ref().map(|k| k.as_str().to_owned()),
            event_name: planned.details.event_name.clone(),
            time: planned.details.time.map(|t| Moment::from_millis(t.as_millisecond())),
        }
    }
}

struct Attempted {
    ready: Ready,
    outcome: Result<CorrelationId, Failure>,
    took: Duration,
}

/// What a claim has brought.
struct Found {
    found: Result<(Claims, u64), Trouble>,
    most: usize,
    now: Instant,
    wall: Moment,
}

struct Settled {
    batch: Arc<[Settlement]>,
    outcome: Result<(), Trouble>,
}

/// Whose trouble a failure tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
    /// The endpoint's, or the way to it.
    Endpoint,
    /// The storage unit's.
    Lane,
    /// This object's.
    Object,
}

fn blame(cause: Cause) -> Blame {
    // No `_`: a new cause does not compile until someone has decided.
    match cause {
        Cause::MdssUnauthorized
        | Cause::MdssRedirected
        | Cause::MdssUnexpectedAnswer
        | Cause::MdssCertificate
        | Cause::MdssTls
        | Cause::MdssProxy
        | Cause::MdssUnavailable
        | Cause::MdssUnreachable
        | Cause::MdssTimeout
        | Cause::MdssReset
        | Cause::MdssHalfAnswer
        | Cause::Internal => Blame::Endpoint,
        Cause::MdssStorageNotFound
        | Cause::MdssNotEnabled
        | Cause::MdssNotEventBased
        | Cause::MdssRefused => Blame::Lane,
        Cause::MdssTooLarge
        | Cause::MdssObjectRefused
        // None of these is an answer of MDSS's.
        | Cause::Unreadable
        | Cause::UnknownDialect
        | Cause::UnsupportedDialect
        | Cause::ObsoleteEvent
        | Cause::UnknownEvent
        | Cause::UnsupportedEncoding
        | Cause::MissingEventName
        | Cause::MissingBucket
        | Cause::MissingKey
        | Cause::InvalidKey
        | Cause::UnknownPath
        | Cause::MethodNotAllowed
        | Cause::BodyTooLarge
        | Cause::BodyIncomplete
        | Cause::Unconfirmed
        | Cause::UnmappedBucket
        | Cause::SpoolUnavailable
        | Cause::KeyUnavailable
        | Cause::Deadline => Blame::Object,
    }
}

impl Worker {
    /// A worker for a spool. There must be one only.
    pub fn new(spool: Spool, relay: Arc<Relay>, policy: Policy) -> Self {
        let now = Instant::now();
        let wall = (spool.now(), now);
        // The breakers of the worker before went with it.
        spool.meter.no_breakers();
        Self {
            concurrency: relay.settings().mdss.concurrency,
            spool,
            relay,
            policy,
            lanes: BTreeMap::new(),
            endpoint: Breaker::default(),
            pace: Pace::new(policy.rate),
            last_lane: String::new(),
            claims: 0,
            busy: HashSet::new(),
            running: JoinSet::new(),
            outcomes: Vec::new(),
            gathering: now,
            settling: JoinSet::new(),
            claiming: JoinSet::new(),
            settle_again: None,
            chores: JoinSet::new(),
            look: true,
            due: None,
            plan: None,
            wall,
            alarmed: now,
        }
    }

    /// Works until `stop` is over; then requests under way are finished and written down, and the rest stays where it is.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let news = Arc::clone(&self.spool.news);
        let now = self.spool.now();
        // This start may be the mended configuration.
        self.chore(Chore::Release(None), now);
        self.chore(Chore::Mend(now.plus(LONGEST)), now);
        loop {
            if self.wall.1.elapsed() >= LOOK {
                self.tick().await;
            }
            self.flush();
            self.refill();
            self.start();
            let wake = self.wake();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(done) = self.running.join_next() => self.attempted(done),
                Some(done) = self.settling.join_next() => self.settled(done),
                Some(done) = self.claiming.join_next() => self.claimed(done).await,
                Some(_) = self.chores.join_next() => self.look = true,
                () = news.notified() => self.look = true,
                () = tokio::time::sleep_until(wake.into()) => self.woken(),
            }
            while let Some(done) = self.running.try_join_next() {
                self.attempted(done);
            }
            // Whatever is ready all the time must not keep the rest from being heard.
            while let Some(done) = self.settling.try_join_next() {
                self.settled(done);
            }
            while let Some(done) = self.claiming.try_join_next() {
                self.claimed(done).await;
            }
        }
        // What MDSS has said is written down while the last requests are out: they may last longer than this process.
        while !self.running.is_empty() {
            self.flush();
            let wake = self.gathering + GATHER;
            tokio::select! {
                Some(done) = self.running.join_next() => self.attempted(done),
                Some(done) = self.settling.join_next() => self.settled(done),
                () = tokio::time::sleep_until(wake.into()), if self.gathering_only() => {}
            }
        }
        while let Some(done) = self.settling.join_next().await {
            self.settled(done);
        }
        // Once; what cannot be written down now is sent again after the next start.
        self.settle_again = self.settle_again.map(|(settlements, _)| (settlements, Instant::now()));
        while self.settle_again.is_some() || !self.outcomes.is_empty() {
            self.flush();
            if let Some(Ok(Settled { outcome: Err(trouble), .. })) = self.settling.join_next().await {
                warn!(
                    "what MDSS has said cannot be written down, so it is asked again after the next start: {trouble}"
                );
            }
        }
    }

    /// Hands outcomes to the store, one batch at a time: while one is being synced the next one gathers.
    fn flush(&mut self) {
        if !self.settling.is_empty() {
            return;
        }
        let batch: Arc<[Settlement]> = match &self.settle_again {
            Some((_, when)) if Instant::now() < *when => return,
            Some(_) => match self.settle_again.take() {
                Some((batch, _)) => batch,
                None => return,
            },
            None if self.outcomes.is_empty() => return,
            None if self.gathers(Instant::now()) => return,
            None => std::mem::take(&mut self.outcomes).into(),
        };
        let (store, now) = (self.spool.store.clone(), self.spool.now());
        self.settling.spawn(async move {
            let outcome = store.settle(Arc::clone(&batch), now).await;
            Settled { batch, outcome }
        });
    }

    /// Whether there are outcomes that wait for nothing but company.
    fn gathering_only(&self) -> bool {
        !self.outcomes.is_empty() && self.settling.is_empty() && self.settle_again.is_none()
    }

    /// Whether more outcomes are to be waited for.
    fn gathers(&self, now: Instant) -> bool {
        let few = self.outcomes.len() < UNSETTLED * self.concurrency / 4;
        few && !self.running.is_empty() && now < self.gathering + GATHER
    }

    fn settled(&mut self, done: Result<Settled, tokio::task::JoinError>) {
        // Nothing in that task panics, and nobody aborts it.
        let Ok(Settled { batch, outcome }) = done else { return };
        match outcome {
            Ok(()) => {
                for settlement in batch.iter() {
                    self.busy.remove(&settlement.id);
                    self.look |= matches!(settlement.verdict, Verdict::Lane(_) | Verdict::Again { .. });
                }
            }
            // The store has said why.
            Err(_) => self.settle_again = Some((batch, Instant::now() + LOOK)),
        }
    }

    fn queued(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }

    /// Outcomes that are not written down.
    fn unsettled(&self) -> usize {
        self.busy.len() - self.queued() - self.running.len()
    }

    /// Asks for more when there is room and something may be due.
    fn refill(&mut self) {
        let queued = self.queued();
        let ahead = AHEAD * self.concurrency;
        let enough = queued >= ahead / 2 || self.unsettled() > UNSETTLED * self.concurrency;
        if !self.look || enough || !self.claiming.is_empty() {
            return;
        }
        let now = Instant::now();
        let most = match self.endpoint.leave(now) {
            Leave::Any => ahead - queued,
            Leave::One if queued == 0 => 1,
            Leave::One | Leave::NoneBefore(_) => return,
        };
        let caps = self.lanes.iter().filter_map(|(name, lane)| match lane.breaker.leave(now) {
            Leave::Any => None,
            Leave::One => Some((name.clone(), usize::from(lane.queue.is_empty()))),
            Leave::NoneBefore(_) => Some((name.clone(), 0)),
        });
        let wall = self.spool.now();
        self.claims += 1;
        let want =
            Want { now: wall, most, lanes: caps.collect(), busy: self.busy.clone(), turn: self.claims };
        self.look = false;
        let store = self.spool.store.clone();
        self.claiming.spawn(async move { Found { found: store.claim(want).await, most, now, wall } });
    }

    async fn claimed(&mut self, done: Result<Found, tokio::task::JoinError>) {
        // The store has said why there is nothing; the next look comes in a second.
        let Ok(Found { found: Ok((claims, epoch)), most, now, wall }) = done else { return };
        self.look |= claims.cut || claims.items.len() >= most;
        self.due = claims.next.map(|next| now + next.since(wall).min(LONGEST));
        if claims.empty && self.busy.is_empty() {
            self.nobody_waits();
        }
        for item in claims.items {
            // Its lane's breaker may have opened meanwhile.
            let closed = |lane: &Lane| matches!(lane.breaker.leave(Instant::now()), Leave::NoneBefore(_));
            if self.lanes.get(&item.lane).is_some_and(closed) {
                continue;
            }
            let plans = match &item.delivery.delivery {
                Ok(_) => self.plans(&item.delivery, epoch).await,
                Err(detail) => Err(Failure::new(Cause::Internal, detail.clone())),
            };
            let item = Item::of(item);
            self.busy.insert(item.id);
            match plans {
                Ok(plans) => self.sort(item, epoch, &plans, wall),
                Err(failure) => {
                    // It will read no better the next time: an operator has to look at it.
                    self.park(&item, epoch, &Object::default(), &failure, false);
                }
            }
        }
    }

    /// A breaker with nobody in front of it never learns that it may close, and would be an alarm for ever. Who comes next finds out.
    fn nobody_waits(&mut self) {
        self.endpoint.forget();
        self.lanes.clear();
        self.spool.meter.no_breakers();
    }

    async fn plans(&mut self, stored: &Arc<Stored>, epoch: u64) -> Result<Arc<Plans>, Failure> {
        if let Some((number, of, plans)) = &self.plan
            && (*number, *of) == (stored.number, epoch)
        {
            return Ok(Arc::clone(plans));
        }
        let plan = |relay: &Relay, stored: &Stored| -> Plans {
            let records = stored.delivery.as_ref().map(|d| relay.plan(d).records).unwrap_or_default();
            records.into_iter().map(|planned| (planned.item.clone(), planned)).collect()
        };
        let large = stored.delivery.as_ref().is_ok_and(|d| d.body.len() > QUICK_BODY);
        let plans = if large {
            let (relay, stored) = (Arc::clone(&self.relay), Arc::clone(stored));
            tokio::task::spawn_blocking(move || plan(&relay, &stored))
                .await
                .map_err(|_| defect("the plan"))?
        } else {
            // The worker would begin anew, and with the same item.
            std::panic::catch_unwind(AssertUnwindSafe(|| plan(&self.relay, stored)))
                .map_err(|_| defect("the plan"))?
        };
        let plans = Arc::new(plans);
        if stored.items > 1 {
            self.plan = Some((stored.number, epoch, Arc::clone(&plans)));
        }
        Ok(plans)
    }

    /// What today's settings make of an item.
    fn sort(&mut self, item: Item, epoch: u64, plans: &Plans, now: Moment) {
        let Some(planned) = plans.get(&item.path) else {
            let detail = format!("the stored delivery has no record {:?} any more", item.path);
            return self.hold(&item, epoch, &Object::default(), &Failure::new(Cause::Internal, detail), now);
        };
        let object = Object::of(planned);
        let lane = match &planned.decision {
            Decision::Skip(reason) => {
                info!(
                    { fields::INVOCATION } = item.invocation,
                    { fields::ITEM } = item.path,
                    { fields::BUCKET } = object.bucket,
                    { fields::KEY } = object.key,
                    { fields::REASON } = reason.name(),
                    mdss.spool.item = item.id.get(),
                    "event skipped: the settings do not want it any more"
                );
                return self.outcome(item.id, epoch, Verdict::Skipped);
            }
            Decision::Send(submission) => submission.storage_client_id(),
            Decision::Fail(_) => LANE_UNROUTED,
        };
        if item.lane != lane {
            return self.outcome(item.id, epoch, Verdict::Lane(lane.to_owned()));
        }
        match &planned.decision {
            Decision::Fail(failure) if failure.kind() == FailureKind::Permanent => {
                self.park(&item, epoch, &object, failure, false);
            }
            Decision::Fail(failure) => self.hold(&item, epoch, &object, failure, now),
            Decision::Send(submission) => {
                let ready = Ready { epoch, object, submission: submission.clone(), item };
                self.lanes.entry(ready.item.lane.clone()).or_default().queue.push_back(ready);
            }
            Decision::Skip(_) => {}
        }
    }

    /// Starts what may start: lane by lane in turn, so that a full one keeps nobody waiting.
    fn start(&mut self) {
        // What cannot be written down is sent again after a crash: there must not be more and more of it.
        while self.running.len() < self.concurrency && self.unsettled() <= UNSETTLED * self.concurrency {
            let now = Instant::now();
            if self.pace.wait(now).is_some() || matches!(self.endpoint.leave(now), Leave::NoneBefore(_)) {
                return;
            }
            let ready = |lane: &Lane| {
                !lane.queue.is_empty() && !matches!(lane.breaker.leave(now), Leave::NoneBefore(_))
            };
            let behind = self.lanes.iter().find(|(name, lane)| **name > self.last_lane && ready(lane));
            let next = behind.or_else(|| self.lanes.iter().find(|(_, lane)| ready(lane)));
            let Some(name) = next.map(|(name, _)| name.clone()) else { return };
            let Some(lane) = self.lanes.get_mut(&name) else { return };
            let Some(ready) = lane.queue.pop_front() else { return };
            lane.breaker.started(ready.item.id);
            self.endpoint.started(ready.item.id);
            if lane.breaker.position() == Position::HalfOpen {
                self.spool.meter.breaker(&name, Position::HalfOpen);
            }
            if self.endpoint.position() == Position::HalfOpen {
                self.spool.meter.breaker("", Position::HalfOpen);
            }
            self.pace.started(now);
            self.last_lane = name;
            let relay = Arc::clone(&self.relay);
            self.running.spawn(async move {
                // A defect must not cost more than its own item, nor leave a breaker waiting for its probe.
                let attempt = AssertUnwindSafe(relay.attempt(&ready.submission)).catch_unwind();
                let outcome = attempt.await.unwrap_or_else(|_| Err(defect("the attempt")));
                Attempted { ready, outcome, took: now.elapsed() }
            });
        }
    }

    fn attempted(&mut self, done: Result<Attempted, tokio::task::JoinError>) {
        // Nothing in that task panics, and nobody aborts it.
        let Ok(Attempted { ready, outcome, took }) = done else { return };
        let Ready { item, epoch, object, .. } = ready;
        let (now, wall) = (Instant::now(), self.spool.now());
        match outcome {
            Ok(correlation) => {
                self.spool.meter.attempted(&item.lane, "accepted");
                self.spool.meter.delivered(&item.lane, wall.since(object.time.unwrap_or(item.received)));
                self.pace.succeeded(now);
                self.endpoint_succeeded(wall);
                self.lane_succeeded(&item.lane, wall);
                info!(
                    { fields::INVOCATION } = item.invocation,
                    { fields::ITEM } = item.path,
                    { fields::DIALECT } = object.dialect,
                    { fields::BUCKET } = object.bucket,
                    { fields::KEY } = object.key,
                    { fields::EVENT_TYPE } = object.event_name,
                    { fields::LANE } = item.lane,
                    { fields::CORRELATION_ID } = correlation.as_str(),
                    { fields::RESEND_COUNT } = item.attempts,
                    { fields::DURATION_MS } = millis(took),
                    mdss.spool.item = item.id.get(),
                    mdss.spool.age_ms = millis(wall.since(item.received)),
                    "object accepted by MDSS"
                );
                self.outcome(item.id, epoch, Verdict::Accepted);
            }
            Err(failure) => {
                self.spool.meter.attempted(&item.lane, failure.cause.name());
                self.weigh(&item, &failure, now, wall);
                let attempts = item.attempts.saturating_add(1);
                let old = self.policy.park_after.is_some_and(|limit| wall.since(item.since) > limit);
                if failure.kind() == FailureKind::Permanent || (old && attempts >= PARK_ATTEMPTS) {
                    return self.park(&item, epoch, &object, &failure, true);
                }
                let wish = failure.retry_after;
                let pause = Backoff::of(failure.kind()).pause(attempts, wish, fastrand::f64());
                let state = match failure.kind() {
                    FailureKind::Transient => State::Waiting,
                    FailureKind::Config | FailureKind::Permanent => State::Held,
                };
                self.line(&item, &object, &failure, state, attempts, pause);
                let verdict = Verdict::Again {
                    state,
                    not_before: wall.plus(pause),
                    reason: failure.cause.name(),
                    detail: failure.detail,
                    attempted: true,
                };
                self.outcome(item.id, epoch, verdict);
            }
        }
    }

    /// What a failure says about everybody else.
    fn weigh(&mut self, item: &Item, failure: &Failure, now: Instant, wall: Moment) {
        // Once the breaker is open it does the yielding; the pace would only be slow to begin with afterwards.
        if failure.throttled && self.endpoint.position() == Position::Closed {
            self.pace.pushed_back(item.id, now);
        }
        let lane = &item.lane;
        match blame(failure.cause) {
            Blame::Endpoint => {
                if self.endpoint.failed(item.id, failure.retry_after, now) {
                    error!(
                        { fields::ERROR_TYPE } = failure.cause.name(),
                        "MDSS is given a pause: {}", failure.detail
                    );
                }
                self.spool.meter.breaker("", self.endpoint.position());
                self.lane_failed(lane, item.id, failure, now);
            }
            // An answer about the unit is an answer: the endpoint works.
            Blame::Lane => {
                self.endpoint_succeeded(wall);
                self.lane_failed(lane, item.id, failure, now);
            }
            Blame::Object => {
                self.endpoint_succeeded(wall);
                if let Some(lane) = self.lanes.get_mut(lane) {
                    lane.breaker.ended(item.id);
                }
            }
        }
    }

    fn endpoint_succeeded(&mut self, now: Moment) {
        if self.endpoint.succeeded() {
            info!("MDSS is back");
            self.spool.meter.breaker("", self.endpoint.position());
            self.look = true;
            // They may have failed for no other reason.
            for lane in self.lanes.values_mut() {
                lane.breaker.probe_soon();
            }
            // What was held because of the endpoint is due.
            self.chore(Chore::Release(None), now);
        }
    }

    fn lane_succeeded(&mut self, name: &str, now: Moment) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if lane.breaker.succeeded() {
            let position = lane.breaker.position();
            info!({ fields::LANE } = name, "the storage unit takes objects again");
            self.spool.meter.breaker(name, position);
            self.look = true;
            self.chore(Chore::Release(Some(name.to_owned())), now);
        }
    }

    fn lane_failed(&mut self, name: &str, item: ItemId, failure: &Failure, now: Instant) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if lane.breaker.failed(item, None, now) {
            // Back to the file: what waits in front of a closed door must not keep the other lanes from being claimed.
            for ready in lane.queue.drain(..) {
                self.busy.remove(&ready.item.id);
            }
            error!(
                { fields::LANE } = name,
                { fields::ERROR_TYPE } = failure.cause.name(),
                "the storage unit is given a pause: {}",
                failure.detail
            );
        }
        self.spool.meter.breaker(name, lane.breaker.position());
    }

    /// No attempt was made, and none makes sense before the settings change.
    fn hold(&mut self, item: &Item, epoch: u64, object: &Object, failure: &Failure, now: Moment) {
        self.line(item, object, failure, State::Held, item.attempts, HELD_BY_PLAN);
        let verdict = Verdict::Again {
            state: State::Held,
            not_before: now.plus(HELD_BY_PLAN),
            reason: failure.cause.name(),
            detail: failure.detail.clone(),
            attempted: false,
        };
        self.outcome(item.id, epoch, verdict);
    }

    fn park(&mut self, item: &Item, epoch: u64, object: &Object, failure: &Failure, attempted: bool) {
        self.line(item, object, failure, State::Parked, item.attempts + u32::from(attempted), Duration::ZERO);
        self.spool.meter.parked(&item.lane, failure.cause.name());
        let verdict =
            Verdict::Parked { reason: failure.cause.name(), detail: failure.detail.clone(), attempted };
        self.outcome(item.id, epoch, verdict);
    }

    fn outcome(&mut self, id: ItemId, epoch: u64, verdict: Verdict) {
        if self.outcomes.is_empty() {
            self.gathering = Instant::now();
        }
        self.outcomes.push(Settlement { id, epoch, verdict });
    }

    /// A line for a failure that is new, or has lasted twice as long as at the last line: retries go on for days.
    fn line(
        &self,
        item: &Item,
        object: &Object,
        failure: &Failure,
        state: State,
        attempts: u32,
        pause: Duration,
    ) {
        let new = item.reason.as_deref() != Some(failure.cause.name()) || item.state != state;
        if !new && !attempts.is_power_of_two() {
            return;
        }
        macro_rules! line {
            ($level:ident, $text:literal) => {
                $level!(
                    { fields::INVOCATION } = item.invocation,
                    { fields::ITEM } = item.path,
                    { fields::DIALECT } = object.dialect,
                    { fields::BUCKET } = object.bucket,
                    { fields::KEY } = object.key,
                    { fields::LANE } = item.lane,
                    { fields::REASON } = failure.cause.name(),
                    { fields::DETAIL } = failure.detail,
                    { fields::ERROR_TYPE } = failure.cause.name(),
                    { fields::FAILURE_KIND } = failure.kind().name(),
                    { fields::RESEND_COUNT } = attempts.saturating_sub(1),
                    mdss.spool.item = item.id.get(),
                    mdss.spool.state = state.name(),
                    mdss.spool.pause_ms = millis(pause),
                    $text
                )
            };
        }
        match state {
            State::Waiting => line!(warn, "object not yet accepted by MDSS; it is tried again"),
            State::Held => line!(error, "object not accepted by MDSS; an operator must act, and it is held"),
            State::Parked => line!(error, "event is parked and not tried again by itself"),
        }
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let mut wake = now + LOOK;
        let mut at = |when: Option<Instant>| wake = when.map_or(wake, |when| wake.min(when));
        let queued = self.lanes.values().any(|lane| !lane.queue.is_empty());
        at(self.pace.wait(now).filter(|_| queued));
        let gathers = self.settling.is_empty() && self.settle_again.is_none() && !self.outcomes.is_empty();
        at(gathers.then(|| self.gathering + GATHER));
        at(self.settle_again.as_ref().map(|(_, when)| *when));
        at(self.due.filter(|_| !queued));
        for breaker in self.lanes.values().map(|lane| &lane.breaker).chain([&self.endpoint]) {
            if let Leave::NoneBefore(when) = breaker.leave(now) {
                at(when);
            }
        }
        // Not more often than a timer can tell.
        wake.max(now + Duration::from_millis(1))
    }

    fn woken(&mut self) {
        if self.due.is_some_and(|due| due <= Instant::now())
            || self.lanes.values().all(|l| l.queue.is_empty())
        {
            self.due = None;
            self.look = true;
        }
    }

    /// Once a second, however much there is to do.
    async fn tick(&mut self) {
        self.look = true;
        let (now, wall) = (Instant::now(), self.spool.now());
        let expected = self.wall.0.plus(now.duration_since(self.wall.1));
        let (behind, ahead) = (expected.since(wall), wall.since(expected));
        if behind.max(ahead) > JUMP {
            warn!(
                behind_ms = millis(behind),
                ahead_ms = millis(ahead),
                "the clock has jumped; everything is due now"
            );
            self.chore(Chore::Mend(wall), wall);
        }
        self.wall = (wall, now);
        if now.duration_since(self.alarmed) >= ALARM_EVERY {
            self.alarmed = now;
            self.alarm().await;
        }
    }

    /// What waits for too long is said again and again: nobody reads yesterday's log.
    async fn alarm(&self) {
        let Ok(stock) = self.spool.store.stock().await else { return };
        let now = self.spool.now();
        for (lane, since) in stock.oldest {
            let age = now.since(since);
            if age < ALARM_AFTER {
                continue;
            }
            let count = |state| {
                let of = stock.depths.iter().filter(|d| d.lane == lane && d.state == state);
                of.map(|d| d.items).sum::<u64>()
            };
            let reasons = stock.depths.iter().filter(|d| d.lane == lane && !d.reason.is_empty());
            let reasons: Vec<&str> = reasons.map(|d| d.reason.as_str()).collect();
            error!(
                { fields::LANE } = lane,
                { fields::REASON } = reasons.join(","),
                mdss.spool.waiting = count(State::Waiting),
                mdss.spool.held = count(State::Held),
                mdss.spool.age_ms = millis(age),
                "events have been waiting for MDSS for too long"
            );
        }
    }

    fn chore(&mut self, chore: Chore, now: Moment) {
        let store = self.spool.store.clone();
        self.chores.spawn(async move {
            loop {
                let done = match &chore {
                    Chore::Release(lane) => store.release(lane.clone(), now, CHORE).await,
                    Chore::Mend(beyond) => store.mend(*beyond, now, CHORE).await,
                };
                match done {
                    Ok(CHORE..) => {}
                    Ok(_) => return,
                    // The store has said why; when it works again, so does this.
                    Err(trouble) if trouble.kind == crate::TroubleKind::Stopped => return,
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            }
        });
    }
}

/// Work on many rows, a thousand at a time, beside everything else.
enum Chore {
    /// Held items, of a lane or of all, are due.
    Release(Option<String>),
    /// What is put off beyond that moment is due.
    Mend(Moment),
}

/// What is left of a panic; its own line says where.
fn defect(what: &str) -> Failure {
    Failure::new(Cause::Internal, format!("{what} panicked, which is a defect; please report it"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_blamed_on_whoever_can_mend_it() {
        for (cause, want) in [
            (Cause::MdssUnauthorized, Blame::Endpoint),
            (Cause::MdssUnavailable, Blame::Endpoint),
            (Cause::MdssUnreachable, Blame::Endpoint),
            (Cause::MdssTimeout, Blame::Endpoint),
            (Cause::MdssStorageNotFound, Blame::Lane),
            (Cause::MdssNotEnabled, Blame::Lane),
            (Cause::MdssNotEventBased, Blame::Lane),
            (Cause::MdssTooLarge, Blame::Object),
        ] {
            assert_eq!(blame(cause), want, "{}", cause.name());
        }
    }
}
