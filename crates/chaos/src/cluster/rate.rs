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
                    return false;
                }
            }
            true
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
        if !announced.await.unwrap_or(false) {
            return Err("relays in order took no events".into());
        }
        let most = |window: Duration| most(&arrivals, window);
        let (ten, one) = (most(WINDOW), most(SECOND));
        let expected = f64::from(rate);
        let whole =
            arrivals.last().zip(arrivals.first()).map_or(0.0, |(last, first)| (*last - *first).as_secs_f64());
        self.notes.push(format!(
            "{many} objects at {rate} a second by {} relays: {:.1} a second from the first to the last, at most {} in ten seconds and {} in one",
            self.replicas.len(),
            many as f64 / whole.max(0.001),
            ten,
            one
        ));
        if ten as f64 > expected * 10.0 * 1.05 {
            return Err(format!("{ten} objects were sent in ten seconds, where {rate} a second are allowed"));
        }
        // Looking every hundredth of a second, one sees a few of the next second's too.
        if one as f64 > expected * 1.5 * 1.05 {
            return Err(format!(
                "{one} objects were sent in one second, where {rate} are allowed, and half as many for a burst"
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

#[cfg(test)]
mod tests {
    use super::*;

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
