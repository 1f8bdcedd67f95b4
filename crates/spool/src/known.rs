//! Plans of what was accepted a moment ago. Whoever is given such an item needs neither its body nor a second reading of it, and both
//! together are a sixth of what an event costs the processor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mdss_relay_core::{Decision, Plan, Planned, RulesInForce};

use crate::clock::Moment;

/// Bytes of memory for plans, about. When MDSS is away they are soon used up, and then no plan is remembered until some are taken: what came
/// first is sent first.
const MOST: usize = 8 << 20;

/// If there is no room and for so long none was taken, all are forgotten: what an operator has purged is never taken.
const LONGEST: Duration = Duration::from_secs(600);

/// The plan of a larger body is not remembered.
const LARGEST_BODY: usize = 16 << 10;

/// The plan of a delivery that has one item, which is to be sent.
#[derive(Debug)]
pub struct Known {
    by: RulesInForce,
    /// What the log calls the delivery.
    pub(crate) name: String,
    /// The source it came through.
    pub(crate) source: Option<String>,
    pub(crate) planned: Planned,
    /// What it takes of the memory, about.
    bytes: usize,
}

impl Known {
    /// What is to be remembered of a record of a plan, if anything is.
    pub(crate) fn of(
        plan: &Plan,
        record: usize,
        name: &str,
        source: Option<&str>,
        body: &[u8],
    ) -> Option<Self> {
        let (by, planned) = (plan.by?, plan.records.get(record)?);
        let is_small = body.len() <= LARGEST_BODY && planned.details.untrusted.is_empty();
        if !is_small || !matches!(planned.decision, Decision::Send(_)) {
            return None;
        }
        // What a record says stands in its body, the key of the object up to three times in the plan.
        let bytes = size_of::<Self>() + 2 * body.len();
        let (name, source) = (name.to_owned(), source.map(str::to_owned));
        Some(Self { by, name, source, planned: planned.clone(), bytes })
    }
}

/// A delivery that was written down, by its number, and its plan.
pub(crate) struct Accepted {
    pub(crate) delivery: i64,
    pub(crate) received: Moment,
    pub(crate) known: Arc<Known>,
}

/// Whether more can be remembered: what will not be need not be copied.
#[derive(Clone)]
pub(crate) struct Room(Arc<AtomicBool>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Room {
    pub(crate) fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The plans that are remembered. It belongs to whoever writes their deliveries down, and knows only what is on disk.
pub(crate) struct Memory {
    room: Room,
    /// The file whose deliveries they are.
    epoch: u64,
    /// By the numbers of the deliveries.
    all: HashMap<i64, Accepted>,
    bytes: usize,
    /// When one was taken, or all were forgotten.
    used: Moment,
}

impl Memory {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, epoch: 0, all: HashMap::new(), bytes: 0, used: Moment::from_millis(0) }
    }

    /// Remembers what was written just now.
    pub(crate) fn remember(&mut self, epoch: u64, accepted: Vec<Accepted>, now: Moment) {
        let unused = self.bytes >= MOST && now.since(self.used) > LONGEST;
        if self.epoch != epoch || unused {
            *self = Self { epoch, used: now, ..Self::new(self.room.clone()) };
        }
        for accepted in accepted {
            if self.bytes < MOST {
                self.bytes += accepted.known.bytes;
                self.all.insert(accepted.delivery, accepted);
            }
        }
        self.tell();
    }

    /// Takes the plan of a delivery, if it is known and was made by these rules.
    pub(crate) fn take(
        &mut self,
        epoch: u64,
        delivery: i64,
        by: RulesInForce,
        now: Moment,
    ) -> Option<Accepted> {
        if self.epoch != epoch {
            return None;
        }
        let accepted = self.all.remove(&delivery)?;
        self.bytes -= accepted.known.bytes;
        self.used = now;
        self.tell();
        (accepted.known.by == by).then_some(accepted)
    }

    fn tell(&self) {
        self.room.0.store(self.bytes < MOST, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use mdss_relay_core::{Delivery, Relay, Role, Settings};

    use super::*;

    const NOW: Moment = Moment::from_millis(0);

    fn relay() -> Relay {
        let vars = [
            ("STORAGECLIENTID", "0c5454e3-d576-44c5-8ce4-cdc078011d0b"),
            ("APIENDPOINT", "https://mdss.example"),
            ("APIKEY", "key"),
        ];
        let vars = vars.map(|(name, value)| (name.into(), value.into()));
        Relay::new(Settings::read(vars, Role::Explain).finish().unwrap()).unwrap()
    }

    fn accepted(relay: &Relay, delivery: i64, key: &str) -> Accepted {
        let body = format!(
            r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#
        );
        let plan = relay.plan(&Delivery { body: body.clone().into(), ..Delivery::default() });
        let known = Arc::new(Known::of(&plan, 0, "name", None, body.as_bytes()).unwrap());
        Accepted { delivery, received: NOW, known }
    }

    #[test]
    fn a_plan_is_given_once_and_only_to_whom_it_was_made_for() {
        let (relay, other) = (relay(), relay());
        let mut memory = Memory::new(Room::default());
        memory.remember(
            1,
            (1..=4).map(|number| accepted(&relay, number, &format!("k{number}"))).collect(),
            NOW,
        );
        let key =
            |found: Option<Accepted>| found.map(|f| f.known.planned.key.clone().unwrap().as_str().to_owned());
        assert_eq!(key(memory.take(1, 3, relay.rules(), NOW)).as_deref(), Some("k3"));
        assert!(memory.take(1, 3, relay.rules(), NOW).is_none());
        assert!(memory.take(1, 9, relay.rules(), NOW).is_none());
        // Settings were read anew meanwhile.
        assert!(memory.take(1, 2, other.rules(), NOW).is_none());
        assert!(memory.take(1, 2, relay.rules(), NOW).is_none());
        // Another file has deliveries of the same numbers.
        assert!(memory.take(2, 1, relay.rules(), NOW).is_none());
        memory.remember(2, vec![accepted(&relay, 4, "new")], NOW);
        assert!(memory.take(1, 4, relay.rules(), NOW).is_none());
        assert_eq!(key(memory.take(2, 4, relay.rules(), NOW)).as_deref(), Some("new"));
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn what_came_first_stays_and_there_is_not_much_of_it() {
        let relay = relay();
        let room = Room::default();
        let mut memory = Memory::new(room.clone());
        let one = accepted(&relay, 0, "k").known.bytes;
        let most = i64::try_from(MOST.div_ceil(one)).unwrap();
        for number in 0..2 * most {
            assert_eq!(room.is_left(), number < most);
            memory.remember(0, vec![accepted(&relay, number, "k")], NOW);
        }
        assert!(memory.bytes < MOST + one && memory.all.len() as i64 == most);
        assert!(memory.take(0, most, relay.rules(), NOW).is_none());
        assert!(memory.take(0, 0, relay.rules(), NOW).is_some());
        assert!(room.is_left(), "there is room for one again");
        memory.remember(0, vec![accepted(&relay, 2 * most, "k")], NOW);
        assert!(!room.is_left());
        // Those were purged, it seems.
        memory.remember(0, Vec::new(), NOW.plus(LONGEST + Duration::from_secs(1)));
        assert!(room.is_left() && memory.all.is_empty());
    }
}
