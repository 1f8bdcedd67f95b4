//! What one process knows of its MDSS: every attempt is counted here, whoever made it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::blame::Blame;
use crate::model::failure::{Cause, Failure};

/// Upper bounds of [`Attempts::seconds`], in seconds. MDSS answers in milliseconds; `RELAY_TIMEOUT` is 10 s unless it is set.
pub const ATTEMPT_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The outcome of an attempt that MDSS accepted; every other outcome is the name of a [`Cause`].
pub const ACCEPTED: &str = "accepted";

/// Counts the attempts of a process, and remembers when MDSS was last well. A server gives one to its relay
/// ([`Relay::watched`](crate::Relay::watched)), and goes on with it when the configuration is exchanged.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Attempts>);

/// All attempts since the process started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempts {
    /// How many there were, by storage unit and outcome: `accepted`, or the name of the failure's cause.
    pub outcomes: BTreeMap<(String, &'static str), u64>,
    /// How many took at most as long as the bound of [`ATTEMPT_BOUNDS`] in that place, and longer than the one before; the last
    /// place is for the rest.
    pub seconds: [u64; ATTEMPT_BOUNDS.len() + 1],
    /// The time of all attempts together.
    pub took: Duration,
    /// When something last answered: MDSS, or a proxy in its place.
    pub last_answer: Option<Timestamp>,
    /// When MDSS last accepted an object.
    pub last_accepted: Option<Timestamp>,
    /// Set while MDSS is away: no attempt since has had an answer that speaks of its unit or its object.
    pub failing: Option<Failing>,
}

/// An outage, so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Failing {
    /// When the first attempt failed.
    pub since: Timestamp,
    /// How many have failed since.
    pub attempts: u64,
    /// When the last one failed.
    pub last: Timestamp,
    /// Why the last one failed.
    pub cause: Cause,
    /// The sentence about it.
    pub detail: String,
}

impl Watch {
    /// Everything, as it stands now.
    pub fn read(&self) -> Attempts {
        self.attempts().clone()
    }

    /// Another endpoint than before: an outage of the old one says nothing about it. What was counted stays.
    pub fn moved(&self) {
        let mut attempts = self.attempts();
        attempts.failing = None;
        attempts.last_answer = None;
    }

    pub(crate) fn attempted(
        &self,
        unit: &str,
        outcome: Result<(), &Failure>,
        took: Duration,
        now: Timestamp,
    ) {
        let mut attempts = self.attempts();
        let name = outcome.map_or_else(|failure| failure.cause.name(), |()| ACCEPTED);
        *attempts.outcomes.entry((unit.to_owned(), name)).or_default() += 1;
        let seconds = took.as_secs_f64();
        let place = ATTEMPT_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(ATTEMPT_BOUNDS.len());
        attempts.seconds[place] += 1;
        attempts.took += took;
        if outcome.map_or_else(|failure| failure.cause.is_answer(), |()| true) {
            attempts.last_answer = Some(now);
        }
        match outcome {
            Ok(()) => {
                attempts.last_accepted = Some(now);
                attempts.failing = None;
            }
            Err(failure) if failure.cause.blame() == Blame::Endpoint => {
                let (since, before) =
                    attempts.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.attempts));
                attempts.failing = Some(Failing {
                    since,
                    attempts: before + 1,
                    last: now,
                    cause: failure.cause,
                    detail: failure.detail.clone(),
                });
            }
            // MDSS has looked at it.
            Err(_) => attempts.failing = None,
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_outage_begins_with_its_first_failure_and_ends_with_a_word_of_mdss() {
        let watch = Watch::default();
        let unreachable = Failure::new(Cause::MdssUnreachable, "no connection to mdss.example:443");
        let unauthorized = Failure::new(Cause::MdssUnauthorized, "MDSS refused the key");
        let unknown_unit = Failure::new(Cause::MdssStorageNotFound, "The storage could not be found");
        let tell = |outcome: Result<(), &Failure>, second| {
            watch.attempted("unit", outcome, Duration::from_millis(7), at(second));
            let seen = watch.read();
            let failing = seen
                .failing
                .map(|failing| (failing.since.as_second(), failing.attempts, failing.cause.name()));
            (
                failing,
                seen.last_answer.map(Timestamp::as_second),
                seen.last_accepted.map(Timestamp::as_second),
            )
        };
        assert_eq!(tell(Err(&unreachable), 10), (Some((10, 1, "mdss_unreachable")), None, None));
        assert_eq!(tell(Err(&unauthorized), 11), (Some((10, 2, "mdss_unauthorized")), Some(11), None));
        assert_eq!(tell(Err(&unknown_unit), 12), (None, Some(12), None));
        assert_eq!(tell(Err(&unreachable), 13), (Some((13, 1, "mdss_unreachable")), Some(12), None));
        assert_eq!(tell(Ok(()), 14), (None, Some(14), Some(14)));
        assert_eq!(tell(Err(&unreachable), 15), (Some((15, 1, "mdss_unreachable")), Some(14), Some(14)));
        watch.moved();
        let seen = watch.read();
        assert_eq!((seen.failing, seen.last_answer, seen.last_accepted), (None, None, Some(at(14))));
        let outcome = |name| seen.outcomes[&("unit".to_owned(), name)];
        assert_eq!((outcome("mdss_unreachable"), outcome(ACCEPTED)), (3, 1));
        assert_eq!((seen.seconds[1], seen.seconds.iter().sum::<u64>(), seen.took.as_millis()), (6, 6, 42));
    }

    #[test]
    fn every_duration_has_one_place() {
        for (millis, place) in [(0, 0), (5, 0), (6, 1), (1000, 7), (10_000, 10), (10_001, 11)] {
            let watch = Watch::default();
            watch.attempted("unit", Ok(()), Duration::from_millis(millis), at(0));
            let seconds = watch.read().seconds;
            assert_eq!((seconds[place], seconds.iter().sum::<u64>()), (1, 1), "{millis} ms");
        }
    }
}
