//! Where groups put what they found, and learn what others found.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::doctor::check::{CHECKS, Check, Group};
use crate::doctor::outcome::{Outcome, Status};

/// The longest that one look may take. What takes longer is unknown, and the others do not wait for it.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// What one check says of one subject.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) check: &'static Check,
    /// What was looked at: a file, a host, a route.
    pub(crate) subject: String,
    pub(crate) outcome: Outcome,
    pub(crate) ms: u64,
}

/// The findings of all groups, as they come.
pub(crate) struct Results {
    found: Mutex<BTreeMap<&'static str, Ended>>,
    /// Told of each check that has ended.
    changes: watch::Sender<()>,
    longest: Duration,
}

/// What a check said that has ended.
struct Ended {
    findings: Vec<Finding>,
    /// The check because of which those that need this one are not looked at.
    hinders: Option<&'static str>,
}

impl Results {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { found: Mutex::default(), changes: watch::Sender::new(()), longest }
    }

    /// Makes one check of one subject: when each check that it `needs` has ended, and unless one of them hinders it. A check hinders if it
    /// failed or was skipped itself.
    pub(crate) async fn check(
        &self,
        id: &'static str,
        subject: impl Into<String>,
        needs: &[&'static str],
        look: impl Future<Output = Outcome>,
    ) -> Status {
        let subject = subject.into();
        let (outcome, ms) = match self.hindrance(needs).await {
            Some(by) => (Outcome::skipped(by), 0),
            None => self.timed(look).await,
        };
        let status = outcome.status;
        self.report(id, vec![(subject, outcome, ms)]);
        status
    }

    /// Makes one check that has several subjects, or none, and finds them while it looks. The same bound holds for all of them together.
    pub(crate) async fn check_each(
        &self,
        id: &'static str,
        subject: &str,
        needs: &[&'static str],
        look: impl Future<Output = Vec<(String, Outcome)>>,
    ) {
        if let Some(by) = self.hindrance(needs).await {
            return self.report(id, vec![(subject.to_owned(), Outcome::skipped(by), 0)]);
        }
        let start = Instant::now();
        let Ok(found) = tokio::time::timeout(self.longest, look).await else {
            return self.report(id, vec![(subject.to_owned(), self.too_long(), millis(start))]);
        };
        let ms = millis(start);
        self.report(id, found.into_iter().map(|(subject, outcome)| (subject, outcome, ms)).collect());
    }

    /// Puts down what a check found that has looked by itself.
    pub(crate) fn report(&self, id: &'static str, found: Vec<(String, Outcome, u64)>) {
        let check = Check::of(id);
        let findings: Vec<_> =
            found.into_iter().map(|(subject, outcome, ms)| Finding { check, subject, outcome, ms }).collect();
        let hinders = findings.iter().find_map(|finding| match finding.outcome.status {
            Status::Fail => Some(id),
            Status::Skipped(by) => Some(by),
            Status::Ok | Status::Warn | Status::Unknown => None,
        });
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Ended { findings, hinders });
        self.changes.send_replace(());
    }

    /// Ends a group: who needs a check that it has not made need not wait for it.
    pub(crate) fn end(&self, group: Group) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for check in CHECKS.iter().filter(|check| check.group == group) {
            found.entry(check.id).or_insert(Ended { findings: Vec::new(), hinders: None });
        }
        drop(found);
        self.changes.send_replace(());
    }

    /// What was found, in the order of the table.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        CHECKS.iter().filter_map(|check| found.remove(check.id)).flat_map(|ended| ended.findings).collect()
    }

    /// Waits for what a check needs, and says what hinders it.
    async fn hindrance(&self, needs: &[&'static str]) -> Option<&'static str> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(by) = needs.iter().find_map(|id| found.get(id)?.hinders) {
                    return Some(by);
                }
                if needs.iter().all(|id| found.contains_key(id)) {
                    return None;
                }
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    async fn timed(&self, look: impl Future<Output = Outcome>) -> (Outcome, u64) {
        let start = Instant::now();
        let outcome = tokio::time::timeout(self.longest, look).await;
        (outcome.unwrap_or_else(|_| self.too_long()), millis(start))
    }

    fn too_long(&self) -> Outcome {
        let why = format!("no answer within {} s", self.longest.as_secs_f64());
        Outcome::unknown(why, "run doctor again; if it stays so, the disk or the network hangs")
    }
}

/// Looks where the system may keep one waiting: at files. A look that hangs is left behind; the process ends without it.
pub(crate) async fn off_thread<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(look).await {
        Ok(found) => found,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and nobody waits for this any more.
            Err(_) => std::future::pending().await,
        },
    }
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
