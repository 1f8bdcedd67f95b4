//! Whether all relays together keep to the rate that is set for them.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::field::Field;
use crate::oracle::{Object, Unit};

/// How long it takes to send what is there, at the rate.
const SECONDS: u32 = 30;

/// Objects that one event announces.
const TOGETHER: usize = 100;

/// The longest of these is what the rate is promised for, the shortest may see half as much again.
const WINDOW: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// The least that may be sent in ten seconds while more waits, as a part of the rate. In a run of a given number of cycles, as in `cargo test`, other rows and
/// other tests want the processor at the same time: a relay that gets none for a second or two sends nothing, and is not to blame. Nothing excuses more.
const LEAST: f64 = 0.95;
const LEAST_BESIDE_OTHERS: f64 = 0.7;

/// The most in ten seconds, and in one. Looking every hundredth of a second, one sees a few of the next second's too.
const MOST: f64 = 1.05;
const BURST: f64 = 1.5 * 1.05;

impl Field {
    pub(super) async fn rate(&mut self) -> Result<(), String> {
        let rate = self.kind.rate(self.plan.senders).unwrap_or_default();
        let many = (rate * SECONDS) as usize;
        let objects: Vec<Object> = (0..many).map(|_| self.sender.book.issue(Unit::Good, true)).collect();
        let begin = Instant::now();
        let patient = self.sender.patient();
        let announced = tokio::spawn(async move {
            for some in objects.chunks(TOGETHER) {
                if !patient.deliver(some, &[]).await {
                    return None;
                }
            }
            Some(Instant::now())
        });
        let (mut arrivals, mut there) = (Vec::<Instant>::new(), 0);
        while there < many {
            self.mdss.look()?;
            let now: usize = self.mdss.tally.values().map(|times| usize::try_from(*times).unwrap_or(0)).sum();
            arrivals.resize(arrivals.len() + now - there, Instant::now());
            there = now;
            if begin.elapsed() > self.plan.patience {
                return Err(format!("{there} of {many} objects were sent within {:?}", self.plan.patience));
            }
            sleep(Duration::from_millis(10)).await;
        }
        let Some(from) = announced.await.unwrap_or(None) else {
            return Err("relays in order took no events".into());
        };
        // Until then each relay finds something to send, also if it was given its share of a second before.
        let until = arrivals[many - rate as usize];
        let pace = Pace {
            rate,
            most: most(&arrivals, WINDOW),
            least: least(&arrivals, (from, until), WINDOW),
            burst: most(&arrivals, SECOND),
        };
        let whole =
            arrivals.last().zip(arrivals.first()).map_or(0.0, |(last, first)| (*last - *first).as_secs_f64());
        self.notes.push(format!(
            "{many} objects at {rate} a second by {} relays: {:.1} a second from the first to the last, at most {} in ten seconds and {} in one, and at least {} in ten while more waited",
            self.replicas.len(),
            many as f64 / whole.max(0.001),
            pace.most,
            pace.burst,
            pace.least.map_or("?".to_owned(), |least| least.to_string())
        ));
        pace.judge(if self.plan.is_full() { LEAST } else { LEAST_BESIDE_OTHERS })
    }
}

/// What was seen, in objects.
struct Pace {
    rate: u32,
    /// The most in ten seconds.
    most: usize,
    /// The least in ten seconds while more waited; none if that was never so long.
    least: Option<usize>,
    /// The most in one second.
    burst: usize,
}

impl Pace {
    fn judge(&self, lower: f64) -> Result<(), String> {
        let Self { rate, most, least, burst } = self;
        let second = f64::from(*rate);
        let ten = second * WINDOW.as_secs_f64();
        if *most as f64 > ten * MOST {
            return Err(format!(
                "{most} objects were sent in ten seconds, where {rate} a second are allowed"
            ));
        }
        if *burst as f64 > second * BURST {
            return Err(format!(
                "{burst} objects were sent in one second, where {rate} are allowed, and half as many for a burst"
            ));
        }
        let Some(least) = least else {
            return Err("there were no ten seconds in which more waited than was sent".into());
        };
        if (*least as f64) < ten * lower {
            return Err(format!(
                "{least} objects were sent in ten seconds while more waited, where {rate} a second may be"
            ));
        }
        Ok(())
    }
}

/// The most arrivals in any window of this length.
fn most(arrivals: &[Instant], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in arrivals.iter().enumerate() {
        while arrivals[first] + window < *at {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// The fewest arrivals in any window of this length that is all between two moments; none if they are not so far from each other.
fn least(arrivals: &[Instant], between: (Instant, Instant), window: Duration) -> Option<usize> {
    let (from, until) = between;
    // The emptiest begins right after an arrival, or with the first moment.
    let behind = |moment: Instant| arrivals.partition_point(|at| *at <= moment);
    let begins = arrivals[behind(from)..].iter().copied();
    let begins = std::iter::once(from).chain(begins).filter(|begin| *begin + window <= until);
    begins.map(|begin| behind(begin + window) - behind(begin)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emptiest_window_is_found() {
        let begin = Instant::now();
        let after = |millis: u64| begin + Duration::from_millis(millis);
        for (millis, from, until, expected) in [
            (&[0, 500, 1000, 1500, 2000][..], 0, 2000, Some(2)),
            // A standstill between two arrivals.
            (&[0, 100, 1300, 1400, 1500], 0, 1500, Some(0)),
            // One at the end, when nothing more waits.
            (&[0, 500, 1000, 1500], 0, 1500, Some(2)),
            // From before everything was announced.
            (&[0, 1900, 2000, 2500, 3000], 1800, 3000, Some(2)),
            (&[0, 500], 0, 500, None),
            (&[], 0, 1000, Some(0)),
        ] {
            let arrivals: Vec<Instant> = millis.iter().map(|millis| after(*millis)).collect();
            assert_eq!(least(&arrivals, (after(from), after(until)), SECOND), expected, "{millis:?}");
        }
    }

    #[test]
    fn a_pace_that_is_too_fast_or_too_slow_is_named() {
        let at = |most, least, burst| Pace { rate: 100, most, least, burst };
        for (pace, lower, expected) in [
            (at(1050, Some(950), 157), LEAST, ""),
            (at(1051, Some(950), 150), LEAST, "1051 objects were sent in ten seconds"),
            (at(1000, Some(949), 150), LEAST, "949 objects were sent in ten seconds while more waited"),
            (at(1000, Some(949), 150), LEAST_BESIDE_OTHERS, ""),
            (at(1000, Some(699), 150), LEAST_BESIDE_OTHERS, "699 objects were sent in ten seconds while"),
            (at(1000, Some(1000), 158), LEAST, "158 objects were sent in one second"),
            (at(1000, None, 150), LEAST, "there were no ten seconds"),
        ] {
            let said = pace.judge(lower).err().unwrap_or_default();
            assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
    }

    #[test]
    fn the_fullest_window_is_found() {
        let begin = Instant::now();
        let at = |millis: &[u64]| -> Vec<Instant> {
            millis.iter().map(|millis| begin + Duration::from_millis(*millis)).collect()
        };
        for (millis, expected) in [
            (&[][..], 0),
            (&[0], 1),
            (&[0, 900, 1800, 2700], 2),
            (&[0, 1500, 1600, 1700, 2600], 3),
            (&[0, 0, 0, 5000, 5000], 3),
        ] {
            assert_eq!(most(&at(millis), SECOND), expected, "{millis:?}");
        }
    }
}
