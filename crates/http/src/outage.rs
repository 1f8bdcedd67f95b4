//! One line a minute while MDSS is away, and one when it is back. The lines of single attempts become fewer and fewer, as an
//! object that is tried for days must not fill the log; whoever looks at it in the night needs to see at once what is wrong now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mdss_relay_core::{Failing, FailureKind, Watch, fields};
use mdss_relay_spool::Spool;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::metrics::Counters;
use crate::start_line::{Stored, number};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A shorter one has no line of its own: the attempts say enough.
const FIRST: Duration = Duration::from_secs(5);

/// The time between two lines.
const AGAIN: Duration = Duration::from_secs(60);

/// From here on somebody should act, whatever it is that failed.
const LONG: Duration = Duration::from_secs(300);

/// The longest a line waits for the spool to be counted.
const COUNT_TIMEOUT: Duration = Duration::from_secs(2);

/// As the lines themselves have it, to the millisecond.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

/// An outage that is going on.
#[derive(Clone, Debug, PartialEq)]
struct Outage {
    since: Timestamp,
    /// When its last line was written, and how many attempts had failed by then.
    told: Option<(Timestamp, u64)>,
    attempts: u64,
    /// Deliveries that were refused before it began.
    refused_before: u64,
}

/// What there is to say.
#[derive(Clone, Debug, PartialEq)]
enum Say {
    /// MDSS is away; so many deliveries were refused since.
    Away { failing: Failing, lasts: Duration, refused: u64 },
    /// It is back.
    Back { lasted: Duration, attempts: u64, since: Timestamp },
}

/// What is known of outages. Pure: the moment is handed in.
#[derive(Debug, Default)]
struct Outages {
    current: Option<Outage>,
    /// As of the last look without an outage.
    refused: u64,
}

impl Outages {
    /// Looks at what failed, at the last answer of MDSS, and at how many deliveries were refused so far.
    fn look(
        &mut self,
        now: Timestamp,
        failing: Option<&Failing>,
        answered: Option<Timestamp>,
        refused: u64,
    ) -> Vec<Say> {
        let mut say = Vec::new();
        if let Some(outage) = self.current.take_if(|o| failing.is_none_or(|f| f.since != o.since)) {
            // Without an answer nobody knows: the configuration was exchanged, and MDSS is looked for elsewhere now.
            if let Some(end) = answered.filter(|end| *end >= outage.since)
                && outage.told.is_some()
            {
                let lasted = between(outage.since, end);
                say.push(Say::Back { lasted, attempts: outage.attempts, since: outage.since });
            }
            self.refused = refused;
        }
        let Some(failing) = failing else {
            self.refused = refused;
            return say;
        };
        let refused_before = self.refused;
        let outage = self.current.get_or_insert(Outage {
            since: failing.since,
            told: None,
            attempts: 0,
            refused_before,
        });
        outage.attempts = failing.attempts;
        let lasts = between(outage.since, now);
        let due = match outage.told {
            None => lasts >= FIRST,
            // Where nobody tries there is nothing new.
            Some((when, attempts)) => between(when, now) >= AGAIN && failing.attempts > attempts,
        };
        if due {
            outage.told = Some((now, failing.attempts));
            let refused = refused.saturating_sub(outage.refused_before);
            say.push(Say::Away { failing: failing.clone(), lasts, refused });
        }
        say
    }
}

/// Writes the lines, for ever.
pub(crate) async fn tell(watch: Arc<Watch>, counters: Arc<Counters>, spool: Option<Spool>) {
    let mut outages = Outages::default();
    loop {
        sleep(LOOK).await;
        let seen = watch.read();
        let refused = counters.refused_deliveries();
        for say in outages.look(Timestamp::now(), seen.failing.as_ref(), seen.last_answer, refused) {
            let stored = match &spool {
                Some(spool) => Stored::count(spool, COUNT_TIMEOUT).await,
                None => None,
            };
            let next = spool.as_ref().and_then(|spool| spool.counts().next_request);
            match say {
                Say::Away { failing, lasts, refused } => {
                    away(&failing, lasts, spool.is_none().then_some(refused), stored.as_ref(), next);
                }
                Say::Back { lasted, attempts, since } => back(lasted, attempts, since, stored.as_ref()),
            }
        }
    }
}

fn away(
    failing: &Failing,
    lasts: Duration,
    refused: Option<u64>,
    stored: Option<&Stored>,
    next: Option<Instant>,
) {
    let Failing { since, attempts, cause, detail, .. } = failing;
    let what = if cause.is_answer() { "MDSS refuses every request" } else { "MDSS unreachable" };
    let next = next.map(|next| next.saturating_duration_since(Instant::now()));
    let mut told = vec![number(*attempts, "attempt") + " failed"];
    told.extend(stored.map(waits));
    told.extend(refused.map(|n| {
        let deliveries = if n == 1 { "delivery was" } else { "deliveries were" };
        format!("{n} {deliveries} answered 500 or 503")
    }));
    told.push(format!("last: {detail}"));
    told.extend(next.map(|next| format!("next try in {}", words(next))));
    let (time, lasts_words, told) = (clock(*since, lasts), words(lasts), told.join(", "));
    macro_rules! line {
        ($level:ident) => {
            $level!(
                { fields::ERROR_TYPE } = cause.name(),
                { fields::FAILURE_KIND } = cause.kind().name(),
                { fields::DETAIL } = detail,
                { fields::OUTAGE_SINCE } = %since.strftime(MOMENT),
                { fields::OUTAGE_MS } = millis(lasts),
                { fields::OUTAGE_ATTEMPTS } = attempts,
                { fields::OUTAGE_REFUSED } = refused,
                { fields::OUTAGE_NEXT_MS } = next.map(millis),
                { fields::SPOOL_WAITING } = stored.map(|stored| stored.waiting),
                { fields::SPOOL_HELD } = stored.map(|stored| stored.held),
                "{what} since {time} ({lasts_words}): {told}"
            )
        };
    }
    // A restart of MDSS needs nobody; a refused key does at once.
    if cause.kind() == FailureKind::Config || lasts >= LONG { line!(error) } else { line!(warn) }
}

fn back(lasted: Duration, attempts: u64, since: Timestamp, stored: Option<&Stored>) {
    let waits = stored.map(|stored| format!(", {}", waits(stored))).unwrap_or_default();
    info!(
        { fields::OUTAGE_SINCE } = %since.strftime(MOMENT),
        { fields::OUTAGE_MS } = millis(lasted),
        { fields::OUTAGE_ATTEMPTS } = attempts,
        { fields::SPOOL_WAITING } = stored.map(|stored| stored.waiting),
        { fields::SPOOL_HELD } = stored.map(|stored| stored.held),
        "MDSS answers again, after {}: {} had failed{waits}",
        words(lasted),
        number(attempts, "attempt")
    );
}

/// `3 objects wait`, `1 object waits, 2 are held`.
fn waits(stored: &Stored) -> String {
    let objects = if stored.waiting == 1 { "object waits" } else { "objects wait" };
    let held = match stored.held {
        0 => String::new(),
        1 => ", 1 is held".to_owned(),
        n => format!(", {n} are held"),
    };
    format!("{} {objects}{held}", stored.waiting)
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// The time of day in UTC; of an outage that began on another day, with the day.
fn clock(moment: Timestamp, ago: Duration) -> String {
    let form = if ago < Duration::from_secs(86_400) { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    moment.strftime(form).to_string()
}

/// `12 s`, `5 min`, `2 h 5 min`, `3 d 4 h`: what a person wants to know of it.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if minutes < 2 => format!("{seconds} s"),
        () if hours < 1 => format!("{minutes} min"),
        () if days < 1 => format!("{hours} h {} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use mdss_relay_core::Cause;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn failing(since: i64, attempts: u64) -> Option<Failing> {
        let (cause, detail) = (Cause::MdssUnreachable, "no connection".to_owned());
        Some(Failing { since: at(since), attempts, last: at(since), cause, detail })
    }

    /// The second, what fails since when and how often, the last answer, deliveries refused so far.
    type Look = (i64, Option<(i64, u64)>, Option<i64>, u64);

    /// What is said at each look.
    fn said(looks: &[Look]) -> Vec<String> {
        let mut outages = Outages::default();
        let mut told = Vec::new();
        for (now, fails, answered, refused) in looks {
            let fails = fails.and_then(|(since, attempts)| failing(since, attempts));
            for say in outages.look(at(*now), fails.as_ref(), answered.map(at), *refused) {
                told.push(match say {
                    Say::Away { failing, lasts, refused } => {
                        format!(
                            "{now}: away {} s, {} attempts, {refused} refused",
                            lasts.as_secs(),
                            failing.attempts
                        )
                    }
                    Say::Back { lasted, attempts, .. } => {
                        format!("{now}: back after {} s, {attempts} attempts", lasted.as_secs())
                    }
                });
            }
        }
        told
    }

    #[test]
    fn a_line_a_minute_from_the_first_failure_to_the_end() {
        let mut looks = vec![(99, None, None, 7)];
        looks.extend(
            (100..=300).map(|now| (now, Some((100, (now - 99) as u64)), Some(50), 7 + (now - 100) as u64)),
        );
        looks.extend([(301, None, Some(301), 208), (302, None, Some(302), 208)]);
        let want = [
            "105: away 5 s, 6 attempts, 5 refused",
            "165: away 65 s, 66 attempts, 65 refused",
            "225: away 125 s, 126 attempts, 125 refused",
            "285: away 185 s, 186 attempts, 185 refused",
            "301: back after 201 s, 201 attempts",
        ];
        assert_eq!(said(&looks), want);
    }

    #[test]
    fn what_is_short_or_not_tried_any_more_is_not_told() {
        // MDSS restarts within four seconds.
        assert_eq!(
            said(&[
                (100, Some((100, 1)), None, 0),
                (104, Some((100, 9)), None, 0),
                (105, None, Some(105), 0)
            ]),
            [""; 0]
        );
        // Nobody has tried since the line.
        let once = "105: away 5 s, 2 attempts, 0 refused";
        assert_eq!(
            said(&[
                (100, Some((100, 1)), None, 0),
                (105, Some((100, 2)), None, 0),
                (9000, Some((100, 2)), None, 0)
            ]),
            [once]
        );
        // It is looked for elsewhere: nobody has answered.
        assert_eq!(
            said(&[(105, Some((100, 2)), Some(50), 0), (106, None, None, 0), (107, None, Some(107), 0)]),
            [once]
        );
    }

    #[test]
    fn an_outage_that_follows_at_once_is_another_one() {
        let looks = [
            (105, Some((100, 2)), None, 3),
            (106, Some((106, 1)), Some(106), 4),
            (111, Some((106, 2)), Some(106), 5),
        ];
        let want = [
            "105: away 5 s, 2 attempts, 3 refused",
            "106: back after 6 s, 2 attempts",
            "111: away 5 s, 2 attempts, 1 refused",
        ];
        assert_eq!(said(&looks), want);
    }

    #[test]
    fn times_in_words() {
        for (seconds, want) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (3599, "59 min"),
            (3660, "1 h 1 min"),
            (86_399, "23 h 59 min"),
            (180_000, "2 d 2 h"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), want);
        }
        assert_eq!(clock(at(12_452), Duration::from_secs(300)), "03:27:32Z");
        assert_eq!(clock(at(12_452), Duration::from_secs(90_000)), "1970-01-01 03:27:32Z");
    }
}
