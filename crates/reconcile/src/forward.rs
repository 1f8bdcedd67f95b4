//! Forwards what is missing: no faster than the rate, and only while the spool's lane and MDSS want more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mdss_relay_core::{Kept, Rules, plan};
use mdss_relay_stores::Listed;
use tokio::sync::watch;

use crate::counts::Counts;
use crate::door::Door;
use crate::fate::Place;
use crate::stop::asked;
use crate::throttle::Throttle;
use crate::trouble::Trouble;

/// Objects in one delivery, at most: what the highest rate has.
const MOST: usize = 400;

/// How often it is looked whether it goes on.
const LOOK: Duration = Duration::from_millis(250);

/// Whether all was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    All,
    /// Somebody has asked to stop.
    Stopped,
}

/// The way out.
pub(crate) struct Forwarder {
    door: Door,
    throttle: Throttle,
    number: u64,
}

impl Forwarder {
    pub(crate) fn new(door: Door, rate: u32) -> Self {
        Self { door, throttle: Throttle::new(rate, Instant::now()), number: 0 }
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Puts these objects, each with its unit, into the spool. `tell` hears the counts, and why nothing is forwarded just now.
    pub(crate) async fn forward(
        &mut self,
        place: &Place,
        rules: &Rules,
        objects: Vec<(&Listed, String)>,
        counts: &mut Counts,
        stop: &mut watch::Receiver<bool>,
        tell: &(impl Fn(&Counts, Option<&str>) + Sync),
    ) -> Forwarded {
        let mut left: VecDeque<_> = objects.into();
        while let Some((_, unit)) = left.front() {
            if *stop.borrow() {
                return Forwarded::Stopped;
            }
            let unit = unit.clone();
            let why = match self.door.why_wait(&unit).await {
                Ok(why) => why,
                Err(trouble) => Some(self.again(&trouble)),
            };
            if let Some(why) = why {
                tell(counts, Some(&why));
                pause(LOOK, stop).await;
                continue;
            }
            let same = left.iter().take(MOST).take_while(|(_, other)| *other == unit).count();
            let count = self.throttle.take(same, Instant::now());
            if count == 0 {
                pause(self.throttle.pause(Instant::now()), stop).await;
                continue;
            }
            let some: Vec<_> = left.iter().take(count).map(|(object, _)| *object).collect();
            self.number += 1;
            let (delivery, _) = place.delivery(self.number, &some);
            let planned = plan(rules, &delivery);
            match self.door.hand_in(delivery, &planned).await {
                Ok(kept) => {
                    let (done, why) = settle(counts, &kept);
                    // What found no room comes again, in its turn.
                    let mut rest: Vec<_> = left.drain(..count).zip(done).filter(|(_, done)| !done).collect();
                    while let Some((object, _)) = rest.pop() {
                        left.push_front(object);
                    }
                    tell(counts, why.as_deref());
                    if why.is_some() {
                        pause(LOOK, stop).await;
                    }
                }
                Err(trouble) => {
                    let why = self.again(&trouble);
                    tell(counts, Some(&why));
                    pause(LOOK, stop).await;
                }
            }
        }
        Forwarded::All
    }

    /// Whatever it is, it is tried again: what was kept meanwhile is then a repetition.
    fn again(&mut self, trouble: &Trouble) -> String {
        if let Trouble::Spool(spool) = trouble
            && spool.kind == mdss_relay_spool::TroubleKind::Taken
        {
            // If it cannot be opened now, the next attempt says so.
            let _ = self.door.reopen();
        }
        trouble.to_string()
    }
}

/// Counts what became of objects: which are done, and why others found no room.
fn settle(counts: &mut Counts, kept: &[Kept]) -> (Vec<bool>, Option<String>) {
    let mut why = None;
    let done = kept.iter().map(|kept| {
        match kept {
            Kept::Spooled => counts.forwarded += 1,
            Kept::Duplicate => counts.repeated += 1,
            Kept::Nothing => counts.refused += 1,
            Kept::NoRoom(sentence) => {
                why.get_or_insert_with(|| sentence.clone());
                return false;
            }
        }
        true
    });
    (done.collect(), why)
}

async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = asked(stop) => {}
    }
}
