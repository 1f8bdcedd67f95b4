//! Everything that waits: `deliver(plan, deadline) -> Report`, a loop over one attempt.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::delivery::Delivery;
use crate::duplicates::{Claim, Duplicates};
use crate::failure::{Cause, Failure, FailureKind};
use crate::mdss::client::Client;
use crate::mdss::request::Submission;
use crate::mdss::verdict::CorrelationId;
use crate::plan::{Decision, Plan, Planned, SkipReason, plan};
use crate::report::{Record, Report, ResultKind};
use crate::retry::RetryPolicy;
use crate::settings::{Mistake, Settings};

/// When all work on a delivery ends, early enough to answer before the platform stops waiting.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The least time kept back for the answer.
    const MARGIN: Duration = Duration::from_millis(500);

    /// Ends before the earlier of the platform's deadline (`None`: unknown) and our own, by 5 % of what is left and
    /// at least half a second.
    pub fn new(platform_left: Option<Duration>, own: Duration) -> Self {
        Self(Instant::now() + Self::working_time(platform_left, own))
    }

    fn working_time(platform_left: Option<Duration>, own: Duration) -> Duration {
        let left = platform_left.map_or(own, |platform| platform.min(own));
        left.saturating_sub(Self::MARGIN.max(left / 20))
    }

    fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// What a platform's deadline leaves, all three in milliseconds since 1970.
///
/// A deadline before this process started belongs to no call that this process could serve: emulators send 1970, and
/// a missing one reads as 0. It means "unknown" (`None`). Any other past one means no time left.
pub fn platform_time_left(deadline_ms: u64, now_ms: u64, process_started_ms: u64) -> Option<Duration> {
    (deadline_ms >= process_started_ms).then(|| Duration::from_millis(deadline_ms.saturating_sub(now_ms)))
}

/// The relay: settings, a connection to MDSS, and what to do with a delivery.
pub struct Relay {
    settings: Settings,
    client: Client,
    retry: RetryPolicy,
    /// Caps the requests under way towards MDSS, over all deliveries.
    slots: Semaphore,
    /// What MDSS has accepted, if that is to be remembered.
    duplicates: Option<Duplicates>,
}

impl Relay {
    /// A relay for settings that name an endpoint.
    ///
    /// # Errors
    /// A [`Mistake`] if they do not.
    pub fn new(settings: Settings) -> Result<Self, Mistake> {
        let client = settings.client()?;
        let retry = RetryPolicy::new(settings.attempts);
        let slots = Semaphore::new(settings.concurrency);
        Ok(Self { settings, client, retry, slots, duplicates: None })
    }

    /// The same relay, remembering in memory which writes MDSS has accepted: the same event told again is skipped as a
    /// duplicate. For functions, which serve one call at a time and have no spool; sources are not looked at.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.duplicates = Some(Duplicates::default());
        self
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Decides what becomes of a delivery.
    pub fn plan(&self, delivery: &Delivery) -> Plan {
        plan(&self.settings, delivery)
    }

    /// Does what the plan says, all records at once up to the cap, and returns before the deadline. `id` names the
    /// delivery in the log.
    ///
    /// Dropping the future stops the work; what MDSS has accepted by then it keeps.
    pub async fn deliver(&self, plan: &Plan, deadline: Deadline, id: &str) -> Report {
        let started = Instant::now();
        let claims = self.duplicates.as_ref().map_or_else(Vec::new, |duplicates| duplicates.claim(plan));
        let claims = &claims;
        let records = plan.records.iter().enumerate().map(|(index, planned)| async move {
            match &planned.decision {
                // It follows the other one, below.
                Decision::Send(_) if matches!(claims.get(index), Some(Claim::Done | Claim::As(_))) => {
                    Record::skipped(planned, SkipReason::Duplicate)
                }
                Decision::Skip(reason) => Record::skipped(planned, *reason),
                Decision::Fail(failure) => Record::failed(planned, failure.clone(), 0, Duration::ZERO),
                Decision::Send(submission) => {
                    let (outcome, attempts) = self.send(submission, planned, deadline).await;
                    let took = started.elapsed();
                    match outcome {
                        Ok(id) => Record::accepted(planned, id.as_str(), attempts, took),
                        Err(failure) => Record::failed(planned, failure, attempts, took),
                    }
                }
            }
        });
        let mut records = join_all(records).await;
        for (index, claim) in claims.iter().enumerate() {
            match claim {
                Claim::New(Some(mark)) if records[index].result == ResultKind::Accepted => {
                    self.duplicates.iter().for_each(|duplicates| duplicates.accepted(mark));
                }
                // Done only if the first one is.
                Claim::As(first) if records[*first].result != ResultKind::Accepted => {
                    records[index] = records[*first].again(&plan.records[index]);
                }
                Claim::New(_) | Claim::Done | Claim::As(_) => {}
            }
        }
        let report = Report::new(records);
        report.log(plan, id);
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
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let (key, limit) = (self.client.key(), self.client.timeout());
        match self.client.attempt(submission, &key, limit).await {
            Err(failure) if failure.cause == Cause::MdssUnauthorized && self.client.has_newer_key(&key) => {
                self.client.attempt(submission, &self.client.key(), limit).await
            }
            outcome => outcome,
        }
    }

    async fn send(
        &self,
        submission: &Submission,
        planned: &Planned,
        deadline: Deadline,
    ) -> (Result<CorrelationId, Failure>, u32) {
        let mut attempts = 0;
        let mut last: Option<Failure> = None;
        loop {
            // Waiting for a slot is fair: every record gets its first attempt before another one its second.
            let Ok(Ok(slot)) = timeout_at(deadline.0, self.slots.acquire()).await else {
                return (Err(last.unwrap_or_else(|| out_of_time(attempts))), attempts);
            };
            let left = deadline.left();
            if left.is_zero() {
                return (Err(last.unwrap_or_else(|| out_of_time(attempts))), attempts);
            }
            let limit = self.client.timeout().min(left);
            attempts += 1;
            let key = self.client.key();
            let outcome = self.client.attempt(submission, &key, limit).await;
            drop(slot);
            let failure = match outcome {
                Ok(id) => return (Ok(id), attempts),
                Err(failure) => failure,
            };
            debug!(item = planned.item, attempts, %failure, "attempt failed");
            if failure.cause == Cause::MdssUnauthorized
                && attempts < self.retry.attempts
                && self.client.has_newer_key(&key)
            {
                continue;
            }
            // The time-out was the deadline's, not MDSS's.
            if failure.kind() == FailureKind::Transient && deadline.left().is_zero() {
                return (Err(out_of_time(attempts)), attempts);
            }
            if failure.kind() != FailureKind::Transient || attempts >= self.retry.attempts {
                return (Err(failure), attempts);
            }
            let pause = self.retry.pause(attempts, failure.retry_after);
            if pause >= deadline.left() {
                return (Err(failure), attempts);
            }
            last = Some(failure);
            sleep(pause).await;
        }
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
    use super::*;

    #[test]
    fn the_deadline_keeps_a_margin() {
        for (platform_ms, own_s, want_ms) in [
            (None, 25, 23_750),
            (Some(5000), 25, 4500),
            (Some(300_000), 25, 23_750),
            (Some(60_000), 120, 57_000),
            (Some(400), 25, 0),
            (Some(0), 25, 0),
        ] {
            let time =
                Deadline::working_time(platform_ms.map(Duration::from_millis), Duration::from_secs(own_s));
            assert_eq!(time, Duration::from_millis(want_ms), "{platform_ms:?} {own_s}");
        }
    }

    #[test]
    fn a_deadline_before_the_process_started_is_unknown() {
        for (deadline, now, started, want) in [
            (0, 5000, 4000, None),
            (600_000, 1_700_000_000_000, 1_699_999_999_000, None),
            (3999, 5000, 4000, None),
            (4000, 5000, 4000, Some(0)),
            (4999, 5000, 4000, Some(0)),
            (8000, 5000, 4000, Some(3000)),
        ] {
            assert_eq!(
                platform_time_left(deadline, now, started),
                want.map(Duration::from_millis),
                "{deadline}"
            );
        }
    }
}
