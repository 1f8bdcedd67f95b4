//! Everything that waits: `deliver(plan, deadline) -> Report`, a loop over one attempt.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::deliver::deadline::Deadline;
use crate::deliver::duplicates::{Claim, Duplicates};
use crate::deliver::memory::Memory;
use crate::deliver::report::{Record, Report, ResultKind};
use crate::deliver::watch::Watch;
use crate::mdss::client::{ApiKey, Client};
use crate::mdss::request::Submission;
use crate::mdss::retry::RetryPolicy;
use crate::mdss::verdict::CorrelationId;
use crate::model::delivery::Delivery;
use crate::model::failure::{Cause, Failure, FailureKind};
use crate::plain::fields;
use crate::plain::mistake::Mistake;
use crate::plan::plan::{Decision, Plan, Planned, RulesInForce, plan};
use crate::plan::skip::SkipReason;
use crate::settings::Settings;

/// The relay: settings, a connection to MDSS, and what to do with a delivery.
pub struct Relay {
    settings: Settings,
    rules: RulesInForce,
    client: Client,
    retry: RetryPolicy,
    /// Caps the requests under way towards MDSS, over all deliveries.
    slots: Semaphore,
    /// What earlier calls have left, if that is to be remembered.
    memory: Option<Arc<Memory>>,
    /// Who hears of every attempt. A closure, so that a program that watches nothing does not carry the code of a watch.
    watcher: Option<Box<Watcher>>,
}

/// Hears of an attempt: the storage unit, the failure if it failed, how long it took.
type Watcher = dyn Fn(&str, Result<(), &Failure>, Duration) + Send + Sync;

impl Relay {
    /// A relay for settings that name an endpoint.
    ///
    /// # Errors
    /// A [`Mistake`] if they do not.
    pub fn new(settings: Settings) -> Result<Self, Mistake> {
        let client = settings.client()?;
        let retry = RetryPolicy::new(settings.mdss.attempts);
        let slots = Semaphore::new(settings.mdss.concurrency);
        let rules = RulesInForce::next();
        Ok(Self { settings, rules, client, retry, slots, memory: None, watcher: None })
    }

    /// The same relay, remembering which writes MDSS has accepted: the same event told again is skipped as a duplicate. For
    /// whoever has no spool.
    #[must_use]
    pub fn remembering(mut self, memory: Memory) -> Self {
        self.memory = Some(Arc::new(memory));
        self
    }

    /// Goes on with the memory of the relay before, instead of its own.
    pub fn remember_as(&mut self, before: &Self) {
        self.memory = before.memory.clone();
    }

    /// The same relay, with every attempt counted in `watch`.
    #[must_use]
    pub fn watched(mut self, watch: Arc<Watch>) -> Self {
        self.watcher = Some(Box::new(move |unit, outcome, took| {
            watch.attempted(unit, outcome, took, Timestamp::now());
        }));
        self
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Decides what becomes of a delivery.
    pub fn plan(&self, delivery: &Delivery) -> Plan {
        Plan { by: Some(self.rules), ..plan(&self.settings.rules, delivery) }
    }

    /// By which rules it plans.
    pub fn rules(&self) -> RulesInForce {
        self.rules
    }

    /// Does what the plan says, all records at once up to the cap, and returns before the deadline. `id` names the
    /// delivery in the log.
    ///
    /// Dropping the future stops the work; what MDSS has accepted by then it keeps.
    pub async fn deliver(&self, plan: &Plan, deadline: Deadline, id: &str) -> Report {
        let (started, received) = (Instant::now(), Timestamp::now());
        let duplicates = self.memory.as_ref().map(|memory| &memory.duplicates);
        let claims = duplicates.map_or_else(Vec::new, |duplicates| duplicates.claim(plan));
        let mut claims = claims.into_iter();
        let records = plan.records.iter().map(|planned| {
            let claim = claims.next().unwrap_or(Claim::New(None));
            async move {
                let submission = match &planned.decision {
                    Decision::Send(submission) => submission,
                    Decision::Skip(reason) => return (Record::skipped(planned, *reason), None),
                    Decision::Fail(failure) => {
                        return (Record::failed(planned, failure.clone(), 0, Duration::ZERO), None);
                    }
                };
                let under_way = match settled(duplicates, claim, deadline).await {
                    Claim::New(under_way) => under_way,
                    Claim::Done => return (Record::skipped(planned, SkipReason::Duplicate), None),
                    // It follows the other one, below.
                    Claim::As(first) => return (Record::skipped(planned, SkipReason::Duplicate), Some(first)),
                    Claim::Elsewhere(..) => {
                        let detail = "the time for this delivery ran out while another one with the same event was under way";
                        let failure = Failure::new(Cause::Deadline, detail);
                        return (Record::failed(planned, failure, 0, started.elapsed()), None);
                    }
                };
                let (outcome, attempts) = self.send(submission, planned, deadline).await;
                let took = started.elapsed();
                let record = match outcome {
                    Ok(id) => {
                        if let Some(under_way) = under_way {
                            under_way.accepted();
                        }
                        Record::accepted(planned, id.as_str(), attempts, took)
                    }
                    Err(failure) => Record::failed(planned, failure, attempts, took),
                };
                (record, None)
            }
        });
        let (mut records, follows): (Vec<_>, Vec<_>) = join_all(records).await.into_iter().unzip();
        for (index, first) in follows.into_iter().enumerate() {
            // Done only if the first one is.
            if let Some(first) = first
                && records[first].result == ResultKind::Failed
            {
                records[index] = records[first].again(&plan.records[index]);
            }
        }
        let mut report = Report::new(records);
        if let Some(repeats) = self.memory.as_ref().and_then(|memory| memory.repeats.as_ref()) {
            repeats.quieten(plan, &mut report);
        }
        report.log(plan, id, Some(received));
        report
    }

    /// Posts one submission once, for whoever has a schedule of its own: the decision when to try again is the caller's,
    /// and so is the line in the log. Waits for one of the places that all requests to MDSS share.
    ///
    /// Once, but for a key that was renewed: a key from a file that MDSS refuses is read again, and a new one is tried at
    /// once.
    ///
    /// # Errors
    /// Why MDSS has not accepted it, and how long it asked to be left alone.
    pub async fn attempt(&self, submission: &Submission) -> Result<CorrelationId, Failure> {
        self.attempt_within(submission, Duration::MAX).await
    }

    /// The same, with less time than any other request has, if `most` is less.
    ///
    /// # Errors
    /// As [`Relay::attempt`].
    pub async fn attempt_within(
        &self,
        submission: &Submission,
        most: Duration,
    ) -> Result<CorrelationId, Failure> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let (key, limit) = (self.client.key(), self.client.timeout().min(most));
        match self.once(submission, &key, limit).await {
            Err(failure) if self.client.has_newer_key(&failure, &key) => {
                self.once(submission, &self.client.key(), limit).await
            }
            outcome => outcome,
        }
    }

    /// One attempt, of which the watcher hears.
    async fn once(
        &self,
        submission: &Submission,
        key: &ApiKey,
        limit: Duration,
    ) -> Result<CorrelationId, Failure> {
        let Some(watcher) = &self.watcher else { return self.client.attempt(submission, key, limit).await };
        let started = Instant::now();
        let outcome = self.client.attempt(submission, key, limit).await;
        watcher(submission.storage_client_id(), outcome.as_ref().map(drop), started.elapsed());
        outcome
    }

    async fn send(
        &self,
        submission: &Submission,
        planned: &Planned,
        deadline: Deadline,
    ) -> (Result<CorrelationId, Failure>, u32) {
        let attempt = |limit| async move {
            let key = self.client.key();
            match self.once(submission, &key, limit).await {
                Ok(id) => Attempt::Done(id),
                Err(failure) => {
                    debug!({ fields::DEBUG_ITEM } = planned.item, { fields::DEBUG_FAILURE } = %failure, "attempt failed");
                    let renewed = self.client.has_newer_key(&failure, &key);
                    if renewed { Attempt::Renewed(failure) } else { Attempt::Failed(failure) }
                }
            }
        };
        persist(&self.retry, &self.slots, deadline, self.client.timeout(), attempt).await
    }
}

/// A claim as soon as it can be acted upon: what another delivery has under way is waited for, until the deadline.
async fn settled<'d>(
    duplicates: Option<&'d Duplicates>,
    mut claim: Claim<'d>,
    deadline: Deadline,
) -> Claim<'d> {
    let Some(duplicates) = duplicates else { return claim };
    loop {
        match claim {
            Claim::Elsewhere(mark, mut end) => {
                // Nothing is ever said there: it ends.
                if timeout_at(deadline.0, end.changed()).await.is_err() {
                    return Claim::Elsewhere(mark, end);
                }
                claim = duplicates.again(mark);
            }
            claim => return claim,
        }
    }
}

/// What came of one attempt.
enum Attempt<T> {
    Done(T),
    Failed(Failure),
    /// It failed for a key that has been renewed meanwhile: the next attempt need not wait.
    Renewed(Failure),
}

/// Repeats `attempt`, which is told how long it may take, while that may help: until the time is used up. Gives the number
/// of attempts, too. A place is held for the time of an attempt, not for the pauses between.
async fn persist<T, F: Future<Output = Attempt<T>>>(
    retry: &RetryPolicy,
    slots: &Semaphore,
    deadline: Deadline,
    longest: Duration,
    attempt: impl Fn(Duration) -> F,
) -> (Result<T, Failure>, u32) {
    let mut attempts = 0;
    let mut last: Option<Failure> = None;
    loop {
        // Waiting for a slot is fair: every record gets its first attempt before another one its second.
        let Ok(Ok(slot)) = timeout_at(deadline.0, slots.acquire()).await else {
            return (Err(last.unwrap_or_else(|| out_of_time(attempts))), attempts);
        };
        let left = deadline.left();
        if left.is_zero() {
            return (Err(last.unwrap_or_else(|| out_of_time(attempts))), attempts);
        }
        attempts += 1;
        let outcome = attempt(longest.min(left)).await;
        drop(slot);
        let failure = match outcome {
            Attempt::Done(done) => return (Ok(done), attempts),
            Attempt::Renewed(failure) => {
                if retry.attempts.is_none_or(|most| attempts < most) {
                    continue;
                }
                failure
            }
            Attempt::Failed(failure) => failure,
        };
        if failure.kind() != FailureKind::Transient {
            return (Err(failure), attempts);
        }
        // The time-out was the deadline's, not MDSS's.
        if deadline.left().is_zero() {
            return (Err(out_of_time(attempts)), attempts);
        }
        let Some(pause) = retry.pause(attempts, failure.retry_after, deadline.left()) else {
            return (Err(failure), attempts);
        };
        last = Some(failure);
        sleep(pause).await;
    }
}

fn out_of_time(attempts: u32) -> Failure {
    let detail = match attempts {
        0 => "the time for this delivery ran out before MDSS was asked".into(),
        1 => "the time for this delivery ran out while MDSS was asked".into(),
        n => format!("the time for this delivery ran out while MDSS was asked for time {n}"),
    };
    Failure::new(Cause::Deadline, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Every pause as short as it may be, or as long.
    const JITTERS: [fn(Duration) -> Duration; 2] = [|pause| pause / 2, |pause| pause];

    const FOR_EVER: Duration = Duration::from_secs(1_000_000);

    /// Nobody listens for a while, and each attempt is refused at once.
    async fn outage(own: Duration, down: Duration, retry: RetryPolicy) -> (Result<(), Failure>, u32) {
        let back = Instant::now() + down;
        let attempt = |_| async move {
            let refused = || Failure::new(Cause::MdssUnreachable, "refused");
            if Instant::now() < back { Attempt::Failed(refused()) } else { Attempt::Done(()) }
        };
        persist(&retry, &Semaphore::new(1), Deadline::new(None, own), own, attempt).await
    }

    /// The second line is what `docs/oci.md` says to set.
    #[tokio::test(start_paused = true)]
    async fn an_mdss_that_is_back_a_second_before_the_end_gets_the_object() {
        for (own, down, most) in [(25, 22_500, 17), (170, 160_000, 75)] {
            for jitter in JITTERS {
                let retry = RetryPolicy { jitter, ..RetryPolicy::new(None) };
                let (outcome, attempts) =
                    outage(Duration::from_secs(own), Duration::from_millis(down), retry).await;
                assert!(outcome.is_ok() && attempts <= most, "{own} {down}: {outcome:?} {attempts}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_mdss_that_stays_away_is_asked_until_the_end_and_not_beyond_it() {
        for own in [1, 2, 5, 25, 170].map(Duration::from_secs) {
            for jitter in JITTERS {
                let retry = RetryPolicy { jitter, ..RetryPolicy::new(None) };
                let started = Instant::now();
                let (outcome, attempts) = outage(own, FOR_EVER, retry).await;
                let (took, time) = (started.elapsed(), Deadline::working_time(None, own));
                assert_eq!(outcome.unwrap_err().cause, Cause::MdssUnreachable, "its own name");
                assert!(
                    took <= time && time - took < Duration::from_millis(400),
                    "{own:?}: {took:?} of {time:?}"
                );
                assert!(attempts <= 80, "{own:?}: {attempts}");
            }
        }
        // Who has set a number has it.
        let started = Instant::now();
        let retry = RetryPolicy { jitter: |pause| pause, ..RetryPolicy::new(Some(4)) };
        let (_, attempts) = outage(Duration::from_secs(25), FOR_EVER, retry).await;
        assert_eq!((attempts, started.elapsed().as_millis()), (4, 200 + 400 + 800));
    }

    #[tokio::test(start_paused = true)]
    async fn who_pauses_holds_no_place() {
        let slots = Semaphore::new(1);
        let retry = RetryPolicy { jitter: |pause| pause, ..RetryPolicy::new(None) };
        let deadline = Deadline::new(None, Duration::from_secs(25));
        let asked = AtomicU32::new(0);
        let refused = |_| async {
            asked.fetch_add(1, Ordering::Relaxed);
            Attempt::Failed::<()>(Failure::new(Cause::MdssUnreachable, "refused"))
        };
        let waiting = (0..100).map(|_| persist(&retry, &slots, deadline, Duration::from_secs(10), refused));
        let mut waiting = std::pin::pin!(join_all(waiting));
        // After a moment all have been refused once, and a newcomer finds the place free.
        tokio::select! { _ = &mut waiting => panic!("they go on"), () = sleep(Duration::from_millis(100)) => {} }
        assert_eq!((asked.load(Ordering::Relaxed), slots.available_permits()), (100, 1));
    }
}
