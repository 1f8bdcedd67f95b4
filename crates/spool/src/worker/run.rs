//! The worker's loop: claim, send, settle.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use mdss_relay_core::{CorrelationId, Failure, FailureKind, Relay, Watch, facts};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::attempt::attempt;
use super::chores::Chores;
use super::claims::{Planner, Sorted, defect, sort};
use super::lines;
use super::outcomes::Outcomes;
use super::pauses::{Follows, Pauses};
use super::ready::{Item, Object, Ready};
use crate::breaker::Leave;
use crate::claim::{Claimed, Claims, Want};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::Engine;
use crate::grant::Grant;
use crate::health::{Known, Teller};
use crate::item::{Outcome, State};
use crate::schedule::{Backoff, HELD_BY_PLAN, LONGEST};
use crate::spool::Spool;
use crate::trouble::Trouble;

/// How often the engine is asked for items when nothing happens: the command line changes them from another process.
const LOOK: Duration = Duration::from_secs(1);

/// How long it is to the next look: relays that share a database, and were started together, do not ask it together. `chance` is from 0 to 1.
fn to_next_look(shared: bool, chance: f64) -> Duration {
    if shared { LOOK.mul_f64(0.75 + chance / 2.0) } else { LOOK }
}

/// How often what waits for too long is said.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// Items that are kept ready, and outcomes that may wait to be written down, in rounds of as many as may be under way: the engine answers once a
/// sync, and no round waits for it. So many objects a crash sends again, at most.
const ROUNDS: usize = 32;

/// With many under way a few rounds are enough: a tenth of a second, at ten thousand a second.
const MOST_ROUNDS: usize = 1024;

/// How often a lane that nobody knows yet is looked for, while the others have enough to do.
const LOOK_BESIDE: Duration = Duration::from_millis(50);

/// A claim of a database that brought all there was is followed by a pause as long as it took, and this at most: what comes meanwhile comes with the next.
/// One costs the database as much as a dozen of its items, and one after each group that comes would be most of what it does.
const REST: Duration = Duration::from_millis(5);

/// For so long after another process has put something into the file it is looked for as often: what it hands in evenly is then sent evenly, and
/// an event that comes meanwhile has not a second's worth of it in front.
const ATTENTIVE: Duration = Duration::from_secs(2);

/// A request is begun only if its item is held for so much longer than the request may take: its outcome is to be written down, too.
const BEFORE_THE_END: Duration = Duration::from_secs(5);

/// Attempts an item must have had before its age parks it: a clock that jumps a year ahead must not park everything.
const PARK_ATTEMPTS: u32 = 5;

/// What an operator can choose about the worker; concurrency is the relay's.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// Requests to MDSS a second, at most.
    pub rate: u32,
    /// After how long an item is parked instead of tried again; `None`: never.
    pub park_after: Option<Duration>,
}

/// Sends what is kept.
pub struct Worker {
    spool: Spool,
    relay: Arc<Relay>,
    park_after: Option<Duration>,
    concurrency: usize,
    /// For how long items are claimed, where that has an end.
    lease: Option<Duration>,
    pauses: Pauses,
    planner: Planner,
    outcomes: Outcomes,
    chores: Chores,
    running: JoinSet<Attempted>,
    /// Has a request that hangs made again.
    nudge: Arc<Notify>,
    claiming: JoinSet<Found>,
    claims: usize,
    /// A question to the other relays.
    asking: JoinSet<Option<Grant>>,
    /// Whether there may be something due that is not queued.
    look: bool,
    /// When the engine was last asked for items.
    claimed: Instant,
    /// Until when nothing is claimed.
    rests: Option<Instant>,
    /// When there was last assumed to be any because of the time.
    looked: Instant,
    /// How long after that it looks again.
    look_after: Duration,
    /// When an attempt last made it tell how MDSS stands; `None` before the first.
    noticed: Option<Instant>,
    /// When a claim last found that another process had written to the spool.
    visited: Option<Instant>,
    /// When the next item comes due, as far as the last claim knows.
    due: Option<Instant>,
    alarmed: Instant,
    /// What every attempt of the process is counted in.
    watch: Option<Arc<Watch>>,
    /// Writes down how MDSS stands, while it does.
    telling: Option<JoinHandle<()>>,
}

struct Attempted {
    ready: Ready,
    outcome: Result<CorrelationId, Failure>,
    took: Duration,
}

/// What a claim has brought.
struct Found {
    found: Result<Claims, Trouble>,
    most: usize,
    when: Instant,
}

impl Worker {
    /// A worker for a spool. Several share its items: none is with two of them.
    pub fn new(spool: Spool, relay: Arc<Relay>, pacing: Pacing) -> Self {
        let now = Instant::now();
        let concurrency = relay.settings().mdss.concurrency;
        let timeout = relay.settings().mdss.timeout();
        let lease = spool.engine.lease(timeout);
        let needed = lease.map(|_| timeout + BEFORE_THE_END);
        Self {
            lease,
            park_after: pacing.park_after,
            concurrency,
            pauses: Pauses::new(pacing.rate, concurrency, needed, Arc::clone(&spool.meter)),
            planner: Planner::new(Arc::clone(&relay)),
            outcomes: Outcomes::new(rounds(concurrency) / 4, Arc::clone(&spool.settled)),
            chores: Chores::new(spool.engine.clone()),
            spool,
            relay,
            running: JoinSet::new(),
            nudge: Arc::default(),
            claiming: JoinSet::new(),
            claims: 0,
            asking: JoinSet::new(),
            look: true,
            claimed: now,
            rests: None,
            looked: now,
            look_after: to_next_look(lease.is_some(), fastrand::f64()),
            noticed: None,
            visited: None,
            due: None,
            alarmed: now,
            watch: None,
            telling: None,
        }
    }

    /// The same worker, which writes down beside the items how MDSS stands, as `watch` has seen it: at most twice a second, and only what
    /// is new.
    #[must_use]
    pub fn telling(mut self, watch: Arc<Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Works until `stop` is over; then requests under way are finished and written down, and the rest stays where it is.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let news = Arc::clone(&self.spool.news);
        // This start may be the mended configuration, and whether MDSS is away is to be found out anew.
        self.chores.begin(Arc::clone(&self.relay));
        self.pauses.tell_pace();
        loop {
            if self.looked.elapsed() >= self.look_after {
                self.tick().await;
            }
            self.flush();
            self.refill();
            self.ask();
            self.start();
            let wake = self.wake();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(done) = self.running.join_next() => self.attempted(done),
                Some(done) = self.outcomes.written() => self.look |= self.outcomes.settled(done, Instant::now()),
                Some(done) = self.claiming.join_next() => self.claimed(done).await,
                Some(done) = self.asking.join_next() => self.granted(done),
                () = self.chores.done() => self.look = true,
                () = news.notified() => {
                    self.look = true;
                    self.outcomes.came(Instant::now());
                }
                () = tokio::time::sleep_until(wake.into()) => self.woken(),
            }
            while let Some(done) = self.running.try_join_next() {
                self.attempted(done);
            }
            // Whatever is ready all the time must not keep the rest from being heard.
            while let Some(done) = self.outcomes.try_written() {
                self.look |= self.outcomes.settled(done, Instant::now());
            }
            while let Some(done) = self.claiming.try_join_next() {
                self.claimed(done).await;
            }
        }
        // What MDSS has answered is written down while the last requests are out: they may last longer than this process.
        while !self.running.is_empty() {
            self.flush();
            let wake = self.outcomes.wake();
            tokio::select! {
                Some(done) = self.running.join_next() => self.attempted(done),
                Some(done) = self.outcomes.written() => drop(self.outcomes.settled(done, Instant::now())),
                () = until(wake) => {}
            }
        }
        self.outcomes.finish(&self.spool.engine).await;
        self.told().await;
        self.tell();
        self.told().await;
    }

    /// Writes down how MDSS stands, if that is new and nothing is being written. It waits for nothing: what is new then is written the next time.
    fn tell(&mut self) {
        let Some(watch) = &self.watch else { return };
        if self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let known = Known {
            way: self.relay.settings().way(),
            attempts: watch.read(),
            pauses: self.pauses.open(),
            counted: self.spool.meter.flow(),
        };
        let (engine, teller) = (self.spool.engine.clone(), Arc::clone(&self.spool.teller));
        self.telling = Some(tokio::spawn(tell(engine, teller, known)));
    }

    /// Waits until it is written down.
    async fn told(&mut self) {
        if let Some(telling) = self.telling.take() {
            let _ = telling.await;
        }
    }

    fn flush(&mut self) {
        // At the pace's rate nothing may be under way for a moment although the next request is due in the next.
        let more = !self.running.is_empty() || self.pauses.lanes.queued() > 0;
        self.outcomes.flush(&self.spool.engine, Instant::now(), more);
    }

    /// Asks for more when there is room and something may be due.
    fn refill(&mut self) {
        let queued = self.pauses.lanes.queued();
        let ahead = rounds(self.concurrency);
        let when = Instant::now();
        self.rests = self.rests.filter(|until| when < *until);
        if !self.claiming.is_empty() || self.has_too_many_unsettled() || self.rests.is_some() {
            return;
        }
        let beside = self.look && when.duration_since(self.claimed) >= LOOK_BESIDE;
        if !beside && !self.pauses.lanes.is_hungry(ahead, self.look, when) {
            return;
        }
        let (turn, rules) = (self.claims + 1, Some(self.relay.rules()));
        let want = match self.pauses.endpoint(when) {
            Leave::Any if queued < ahead => Want {
                most: self.most(ahead - queued),
                lanes: self.pauses.lanes.caps(ahead, when),
                turn,
                early: None,
                lease: self.lease,
                rules,
            },
            // Whether MDSS answers at all is found out with any unit.
            Leave::One if queued == 0 => Want {
                most: 1,
                lanes: HashMap::new(),
                turn,
                early: self.pauses.early(when),
                lease: self.lease,
                rules,
            },
            _ => return,
        };
        let most = want.most;
        self.pauses.lanes.asked(&want.lanes, self.look);
        (self.look, self.claims, self.claimed) = (false, turn, when);
        let engine = self.spool.engine.clone();
        self.claiming.spawn(async move { Found { found: engine.claim(want).await, most, when } });
    }

    /// How many are claimed at once: no more than can be begun in a third of their lease.
    fn most(&self, room: usize) -> usize {
        match self.lease {
            None => room,
            Some(lease) => room.min((self.pauses.rate() * lease.as_secs_f64() / 3.0) as usize).max(1),
        }
    }

    async fn claimed(&mut self, done: Result<Found, JoinError>) {
        // The engine has said why there is nothing; the next look comes in a second.
        let Ok(Found { found: Ok(claims), most, when }) = done else { return };
        let cut = claims.cut || claims.items.len() >= most;
        self.look |= cut;
        let now = Instant::now();
        let is_all = !cut && claims.more.is_empty();
        self.rests = (self.lease.is_some() && is_all).then(|| now + now.duration_since(when).min(REST));
        if claims.visited {
            self.visited = Some(when);
        }
        self.pauses.lanes.have_more(&claims.more);
        self.due = claims.next.map(|next| when + next.min(LONGEST));
        let idle = self.pauses.lanes.queued() + self.running.len() + self.outcomes.unsettled() == 0;
        if claims.empty && idle {
            self.pauses.nobody_waits();
        }
        if claims.items.is_empty()
            && self.pauses.endpoint(now) == Leave::One
            && self.pauses.lanes.queued() == 0
            && (1..self.concurrency).contains(&self.running.len())
        {
            // Nothing is left to ask MDSS with but what it has not answered.
            self.pauses.started_again(now);
            self.nudge.notify_one();
        }
        let mut back = Vec::new();
        for item in claims.items {
            // Its lane's breaker may have opened meanwhile.
            let now = Instant::now();
            let endpoint = self.pauses.endpoint(now);
            if self.pauses.is_left_to_others("")
                || (endpoint == Leave::Any && self.pauses.lanes.is_closed(&item.lane, now))
            {
                back.push(item.ticket);
            } else {
                self.sort(item, when).await;
            }
        }
        self.chores.give_back(back);
        self.tell_next();
    }

    /// Tells whoever asks when the next request is made. Called where that is known: after a claim, and after an attempt that may
    /// have opened a breaker.
    fn tell_next(&self) {
        let now = Instant::now();
        let soonest = match self.pauses.endpoint(now) {
            Leave::NoneBefore(then) => then,
            Leave::Any | Leave::One if self.pauses.lanes.queued() > 0 => Some(now),
            Leave::Any | Leave::One => [self.due, self.pauses.lanes.wake(now)].into_iter().flatten().min(),
        };
        self.spool.meter.next_request(soonest.or_else(|| (!self.running.is_empty()).then_some(now)));
    }

    /// Plans an item anew, and does what the plan wants.
    async fn sort(&mut self, claimed: Claimed, when: Instant) {
        let plans = self.planner.plans(&claimed).await;
        let item = Item::of(claimed, when);
        let (object, sorted) = match plans {
            Ok(plans) => sort(&item, &plans),
            // An operator has to look at it.
            Err(failure) => (Object::default(), Sorted::Park(failure)),
        };
        match sorted {
            Sorted::Send(submission) => self.pauses.lanes.push(Ready { item, object, submission }),
            Sorted::Lane(lane) => self.outcomes.add(item.ticket, Outcome::Lane(lane), None),
            Sorted::Skip(reason) => {
                lines::skipped(&item, &object, reason);
                let fact =
                    self.fact(facts::UNSELECTED, &item, &object, item.attempts, None, Some(reason.name()));
                self.outcomes.add(item.ticket, Outcome::Skipped, fact);
            }
            Sorted::Hold(failure) => {
                self.again(item, &object, failure, State::Held, HELD_BY_PLAN, false);
            }
            Sorted::Park(failure) => self.park(item, &object, failure, false),
        }
    }

    /// Asks the other relays of the same spool how much may be sent, if there are any and it is time.
    fn ask(&mut self) {
        if let Some(ask) = self.pauses.ask(Instant::now()) {
            let engine = self.spool.engine.clone();
            // The engine says why there is no answer. Nothing is sent without one.
            self.asking.spawn(async move { engine.share(ask).await.ok().flatten() });
        }
    }

    fn granted(&mut self, done: Result<Option<Grant>, JoinError>) {
        let back = self.pauses.granted(done.ok().flatten(), Instant::now());
        self.look |= !back.is_empty();
        self.chores.give_back(back);
    }

    /// Starts what may start.
    fn start(&mut self) {
        // What cannot be written down is sent again after a crash: there must not be more and more of it.
        // With a lease it is worse: others are given what is not settled. So the first failure is enough there.
        while self.running.len() < self.concurrency
            && !self.has_too_many_unsettled()
            && !(self.lease.is_some() && self.outcomes.has_failed())
        {
            let now = Instant::now();
            let Some((ready, patience)) = self.pauses.next(now) else { break };
            let (relay, nudge) = (Arc::clone(&self.relay), Arc::clone(&self.nudge));
            // In a box: on its way into its task a future of a few kilobytes is copied half a dozen times.
            self.running.spawn(Box::pin(async move {
                // A defect must not cost more than its own item, nor leave a breaker waiting for its probe.
                let attempt = attempt(&relay, &ready.submission, &patience, &nudge);
                let attempt = AssertUnwindSafe(attempt).catch_unwind();
                let outcome = attempt.await.unwrap_or_else(|_| Err(defect("the attempt")));
                Attempted { ready, outcome, took: now.elapsed() }
            }));
        }
    }

    fn has_too_many_unsettled(&self) -> bool {
        self.outcomes.unsettled() > rounds(self.concurrency)
    }

    fn attempted(&mut self, done: Result<Attempted, JoinError>) {
        // Nothing in that task panics, and nobody aborts it.
        let Ok(Attempted { ready: Ready { item, object, .. }, outcome, took }) = done else { return };
        let now = Instant::now();
        match outcome {
            Ok(correlation) => {
                self.spool.meter.delivered(&item.lane, item.latency(object.time()));
                let follows = self.pauses.succeeded(&item, took, now);
                self.follow(follows);
                lines::accepted(&item, &object, &correlation, took);
                let attempts = item.attempts.saturating_add(1);
                let fact = self.fact(facts::ACCEPTED, &item, &object, attempts, Some(&correlation), None);
                self.outcomes.add(item.ticket, Outcome::Accepted, fact);
            }
            Err(failure) => {
                let follows = self.pauses.failed(&item, &failure, took, now);
                self.follow(follows);
                self.tell_next();
                let attempts = item.attempts.saturating_add(1);
                let old = self.park_after.is_some_and(|limit| item.waited() > limit);
                let state = match failure.kind() {
                    FailureKind::Permanent => State::Parked,
                    _ if old && attempts >= PARK_ATTEMPTS => State::Parked,
                    FailureKind::Transient => State::Waiting,
                    FailureKind::Config => State::Held,
                };
                if state == State::Parked {
                    return self.park(item, &object, failure, true);
                }
                let pause = Backoff::of(failure.kind()).pause(attempts, failure.retry_after, fastrand::f64());
                self.again(item, &object, failure, state, pause, true);
            }
        }
        // Whoever looks right after the first object wants to see it; with many, once a second is enough.
        if self.noticed.is_none_or(|noticed| now.duration_since(noticed) >= LOOK) {
            self.noticed = Some(now);
            self.tell();
        }
    }

    fn follow(&mut self, follows: Follows) {
        for lane in follows.release {
            self.look = true;
            let spared = self.pauses.spared(Instant::now());
            self.chores.release(lane, spared);
        }
        self.chores.give_back(follows.back);
    }

    fn again(
        &mut self,
        item: Item,
        object: &Object,
        failure: Failure,
        state: State,
        pause: Duration,
        attempted: bool,
    ) {
        lines::failed(&item, object, &failure, state, item.attempts + u32::from(attempted), pause);
        let (reason, detail) = (failure.cause.name(), failure.detail);
        self.outcomes.add(item.ticket, Outcome::Again { state, pause, reason, detail, attempted }, None);
    }

    fn park(&mut self, item: Item, object: &Object, failure: Failure, attempted: bool) {
        let attempts = item.attempts + u32::from(attempted);
        lines::failed(&item, object, &failure, State::Parked, attempts, Duration::ZERO);
        self.spool.meter.parked(&item.lane, failure.cause.name());
        let (reason, detail) = (failure.cause.name(), failure.detail);
        let fact = self.fact(facts::PARKED, &item, object, attempts, None, Some(reason));
        self.outcomes.add(item.ticket, Outcome::Parked { reason, detail, attempted }, fact);
    }

    /// What the ledger is told, if there is one.
    fn fact(
        &self,
        kind: &'static str,
        item: &Item,
        object: &Object,
        attempts: u32,
        correlation: Option<&CorrelationId>,
        reason: Option<&str>,
    ) -> Option<String> {
        self.spool.has_ledger().then(|| lines::fact(kind, item, object, attempts, correlation, reason))
    }

    fn wake(&self) -> Instant {
        let now = Instant::now();
        let queued = self.pauses.lanes.queued() > 0;
        // What a database remembers of its lanes may hide a new one, which would wait behind what is queued of others.
        let due = self.due.filter(|_| !queued || self.lease.is_some());
        let may_claim = self.claiming.is_empty()
            && self.pauses.endpoint(now) == Leave::Any
            && self.pauses.lanes.queued() < rounds(self.concurrency)
            && !self.has_too_many_unsettled();
        let beside = ((self.look || self.is_attentive(now)) && may_claim).then(|| self.claimed + LOOK_BESIDE);
        let rests = self.rests.filter(|_| self.look && self.claiming.is_empty());
        let wakes = [self.pauses.wake(now), self.outcomes.wake(), due, beside, rests];
        let wake = wakes.into_iter().flatten().fold(self.looked + self.look_after, Instant::min);
        // Not more often than a timer can tell.
        wake.max(now + Duration::from_millis(1))
    }

    fn woken(&mut self) {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) || self.pauses.lanes.queued() == 0 {
            self.due = None;
            self.look = true;
        }
        self.look |= self.is_attentive(now) && now.duration_since(self.claimed) >= LOOK_BESIDE;
    }

    /// Whether another process is likely to put more into the spool.
    fn is_attentive(&self, now: Instant) -> bool {
        self.visited.is_some_and(|visited| now.duration_since(visited) < ATTENTIVE)
    }

    /// Once a second, however much there is to do.
    async fn tick(&mut self) {
        self.look = true;
        self.looked = Instant::now();
        self.look_after = to_next_look(self.lease.is_some(), fastrand::f64());
        self.tell();
        self.pauses.tell_pace();
        self.chores.renew(self.pauses.lanes.to_renew());
        if self.looked.duration_since(self.alarmed) >= ALARM_EVERY {
            self.alarmed = self.looked;
            if let Ok(stock) = self.spool.engine.stock().await {
                lines::alarm(&stock);
            }
        }
    }
}

/// How many items are kept ready, and how many outcomes may wait, where so many requests are under way at most.
fn rounds(concurrency: usize) -> usize {
    (ROUNDS * concurrency).min(MOST_ROUNDS.max(4 * concurrency))
}

/// Writes down what is new of what is known. The engine says why it could not.
async fn tell(engine: Engine, teller: Arc<Mutex<Teller>>, known: Known) {
    let lock = || teller.lock().unwrap_or_else(|e| e.into_inner());
    let has_begun = lock().has_begun();
    if !has_begun {
        let Ok(noted) = engine.noted().await else { return };
        lock().begin(noted);
    }
    let news = lock().news(known, SystemClock.now());
    if let Some(health) = news {
        let _ = engine.note(health).await;
    }
}

/// Waits until then; for ever without a time.
async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_on_one_database_look_at_different_times_about_once_a_second() {
        let looks = [0.0, 0.5, 0.999].map(|chance| to_next_look(true, chance).as_millis());
        assert_eq!(looks, [750, 1000, 1249]);
        assert_eq!(to_next_look(false, 0.0), LOOK, "nobody is beside a relay with a file");
    }
}
