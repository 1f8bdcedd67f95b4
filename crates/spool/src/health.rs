//! What the worker of a relay says of MDSS, for whoever looks at the spool from another process: an operator has no other way to ask it.
//!
//! It stands in the file beside the items, as one row of JSON. Every member may be absent, so that an older and a later relay read it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mdss_relay_core::Attempts;
use serde::{Deserialize, Serialize};

use crate::breaker::Position;
use crate::clock::Moment;

/// How long one count of what came and went is.
const SPAN: Duration = Duration::from_secs(10);

/// For how long they are kept: a rate is over the last minute, and the last count may have just begun.
const KEPT: Duration = Duration::from_secs(70);

/// How MDSS and the way there stand, as far as the worker has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Where MDSS is and how it is reached, as the log says it at start.
    pub way: Option<String>,
    /// Since when it is away or works; `None` until the first answer.
    pub since: Option<Moment>,
    /// Set while it is away.
    pub away: Option<Away>,
    /// When something last answered there.
    pub last_answer: Option<Moment>,
    /// When it last accepted an object.
    pub last_accepted: Option<Moment>,
    /// The breakers that are not closed, by lane; the endpoint's is `""`.
    pub pauses: BTreeMap<String, Pause>,
    /// What came and went lately, oldest first.
    pub flow: VecDeque<Flow>,
}

/// No attempt has succeeded lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Away {
    /// How many have failed in a row.
    pub failures: u64,
    /// When the last one did.
    pub last: Moment,
    /// The token of the failure.
    pub reason: String,
    /// The sentence for it.
    pub detail: String,
}

/// A breaker that is not closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Open or half open.
    pub position: Position,
    /// Since when it is not closed.
    pub since: Moment,
    /// The token of the last failure.
    pub reason: String,
}

/// A count of a few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// When it began.
    pub from: Moment,
    /// Items that were stored.
    pub stored: u64,
    /// Items that MDSS has accepted.
    pub accepted: u64,
}

/// What was written down, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    /// The worker's words.
    pub health: Health,
    /// When it last had something new to say.
    pub at: Moment,
}

impl Health {
    /// Items that were stored, and that MDSS accepted, in the last minute before `now`.
    pub fn last_minute(&self, now: Moment) -> (u64, u64) {
        let recent = self.flow.iter().filter(|flow| now.since(flow.from) <= Duration::from_secs(60));
        recent.fold((0, 0), |(stored, accepted), flow| (stored + flow.stored, accepted + flow.accepted))
    }

    /// Why nothing is sent to a lane now: the token of its breaker, or of the endpoint's.
    pub fn pause_of(&self, lane: &str) -> Option<&str> {
        let pause = self.pauses.get("").or_else(|| self.pauses.get(lane));
        pause.map(|pause| pause.reason.as_str())
    }
}

/// Finds out what is new. It outlives the worker that tells, which goes with its configuration.
#[derive(Default)]
pub(crate) struct Teller {
    told: Health,
    /// What a relay before this one has left; `None`: nobody has looked yet.
    before: Option<Option<Health>>,
    /// What had come and gone when it was last told.
    counted: (u64, u64),
}

/// What the worker knows now.
pub(crate) struct Known {
    pub(crate) way: Option<String>,
    pub(crate) attempts: Attempts,
    /// The breakers that are not closed, and the token of the last failure of each.
    pub(crate) pauses: BTreeMap<String, (Position, &'static str)>,
    /// Items that were stored, and accepted, since the process started.
    pub(crate) counted: (u64, u64),
}

impl Teller {
    /// Goes on from what a relay before this one has said.
    pub(crate) fn begin(&mut self, before: Option<Noted>) {
        self.before = Some(before.map(|noted| noted.health));
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.before.is_some()
    }

    /// What is to be written down; `None` if that is there already.
    pub(crate) fn news(&mut self, known: Known, now: Moment) -> Option<Health> {
        let Known { way, attempts, pauses, counted } = known;
        // Of another MDSS it would say nothing.
        let before = self.before.iter().flatten().find(|before| before.way == way);
        let moment = |time: jiff::Timestamp| Moment::from_millis(time.as_millisecond());
        let last_answer = attempts.last_answer.map(moment);
        let last_accepted = attempts.last_accepted.map(moment);
        let since = match (&attempts.failing, last_answer) {
            (Some(failing), None) => {
                let before = before.filter(|before| before.away.is_some()).and_then(|before| before.since);
                Some(before.unwrap_or(moment(failing.since)))
            }
            (Some(failing), Some(_)) => Some(moment(failing.since)),
            (None, Some(answer)) if self.told.away.is_some() => Some(answer),
            (None, Some(answer)) => Some(self.told.since.unwrap_or(answer)),
            (None, None) => None,
        };
        let pause = |(lane, (position, reason)): (String, (Position, &'static str))| {
            let since = self.told.pauses.get(&lane).map_or(now, |pause| pause.since);
            (lane, Pause { position, since, reason: reason.to_owned() })
        };
        let health = Health {
            way,
            since,
            away: attempts.failing.map(|failing| Away {
                failures: failing.attempts,
                last: moment(failing.last),
                reason: failing.cause.name().to_owned(),
                detail: failing.detail,
            }),
            last_answer: last_answer.or(before.and_then(|before| before.last_answer)),
            last_accepted: last_accepted.or(before.and_then(|before| before.last_accepted)),
            pauses: pauses.into_iter().map(pause).collect(),
            flow: self.flow(counted, now),
        };
        if health == self.told {
            return None;
        }
        self.told = health.clone();
        Some(health)
    }

    fn flow(&mut self, counted: (u64, u64), now: Moment) -> VecDeque<Flow> {
        let (stored, accepted) = (counted.0 - self.counted.0, counted.1 - self.counted.1);
        self.counted = counted;
        let mut flow = self.told.flow.clone();
        if stored + accepted > 0 {
            match flow.back_mut() {
                Some(last) if now.since(last.from) < SPAN => {
                    last.stored += stored;
                    last.accepted += accepted;
                }
                _ => flow.push_back(Flow { from: now, stored, accepted }),
            }
            flow.retain(|flow| now.since(flow.from) <= KEPT);
        }
        flow
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mdss_relay_core::{Cause, Failing};

    use super::*;

    fn at(second: i64) -> Moment {
        Moment::from_millis(second * 1000)
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Failing since and so often; last answer; last acceptance.
    fn known(failing: Option<(i64, u64)>, answer: Option<i64>, accepted: Option<i64>) -> Known {
        let failing = failing.map(|(since, attempts)| Failing {
            since: time(since),
            attempts,
            last: time(since),
            cause: Cause::MdssUnreachable,
            detail: "x".into(),
        });
        let (last_answer, last_accepted) = (answer.map(time), accepted.map(time));
        let attempts = Attempts { last_answer, last_accepted, failing, ..Attempts::default() };
        Known { way: Some("there".into()), attempts, pauses: BTreeMap::new(), counted: (0, 0) }
    }

    #[test]
    fn it_says_since_when_and_only_what_is_new() {
        let mut teller = Teller::default();
        let mut tell = |known, second| {
            teller.news(known, at(second)).map(|health| (health.since, health.away.is_some()))
        };
        assert_eq!(tell(known(None, None, None), 1), Some((None, false)));
        assert_eq!(tell(known(None, None, None), 2), None, "nothing is new");
        assert_eq!(tell(known(None, Some(3), Some(3)), 3), Some((Some(at(3)), false)));
        assert_eq!(tell(known(None, Some(9), Some(9)), 9), Some((Some(at(3)), false)), "it still works");
        assert_eq!(tell(known(Some((10, 1)), Some(9), Some(9)), 10), Some((Some(at(10)), true)));
        assert_eq!(tell(known(Some((10, 2)), Some(9), Some(9)), 11), Some((Some(at(10)), true)));
        assert_eq!(tell(known(None, Some(12), Some(12)), 12), Some((Some(at(12)), false)));
    }

    #[test]
    fn a_start_goes_on_with_what_was_known_of_the_same_mdss() {
        for (way, since, accepted) in [("there", 5, Some(at(4))), ("elsewhere", 20, None)] {
            let away = Away { failures: 7, last: at(9), reason: "r".into(), detail: String::new() };
            let health = Health {
                way: Some(way.into()),
                since: Some(at(5)),
                away: Some(away),
                last_accepted: Some(at(4)),
                ..Health::default()
            };
            let mut teller = Teller::default();
            teller.begin(Some(Noted { health, at: at(9) }));
            let news = teller.news(known(Some((20, 1)), None, None), at(20)).unwrap();
            assert_eq!((news.since, news.last_accepted), (Some(at(since)), accepted), "{way}");
            // It has answered since: this is another outage.
            let news = teller.news(known(Some((30, 1)), Some(25), None), at(30)).unwrap();
            assert_eq!(news.since, Some(at(30)));
        }
    }

    #[test]
    fn the_last_minute_is_counted_in_tens_of_seconds() {
        let mut teller = Teller::default();
        for second in 1..100 {
            let counted = (second, second / 2);
            teller.news(Known { counted, ..known(None, None, None) }, at(second as i64)).unwrap();
        }
        let health = &teller.told;
        assert!(health.flow.len() <= 8, "{:?}", health.flow);
        let (stored, accepted) = health.last_minute(at(99));
        assert!((50..=60).contains(&stored) && accepted == stored / 2, "{stored} {accepted}");
        assert_eq!(health.last_minute(at(1000)), (0, 0), "nobody has to write that down");
    }

    #[test]
    fn a_pause_is_as_old_as_its_breaker() {
        let mut teller = Teller::default();
        let pause = |position| BTreeMap::from([("".to_owned(), (position, "mdss_unreachable"))]);
        let mut tell = |position, second| {
            teller.news(Known { pauses: pause(position), ..known(None, None, None) }, at(second)).unwrap()
        };
        tell(Position::Open, 3);
        let health = tell(Position::HalfOpen, 8);
        assert_eq!((health.pauses[""].since, health.pause_of("unit")), (at(3), Some("mdss_unreachable")));
    }

    #[test]
    fn words_of_another_version_are_read_as_far_as_they_go() {
        let health: Health = serde_json::from_str(r#"{"since":1,"later":true}"#).unwrap();
        assert_eq!(health, Health { since: Some(Moment::from_millis(1)), ..Health::default() });
    }
}
