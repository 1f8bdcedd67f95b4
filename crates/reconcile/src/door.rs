//! The spool of a running relay, seen from here: what it holds of a bucket, whether it wants more, and the way in.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use mdss_relay_core::{Delivery, Kept, Plan};
use mdss_relay_ledger::{Moment, OfSource};
use mdss_relay_spool::{Desk, Filter, ItemId, Parties, Place, Sender, Spool, State};

use crate::trouble::Trouble;
use crate::verdict::Held;

/// Nothing new is forwarded while more than so many items wait in the lane.
const MOST_WAITING: u64 = 1000;

/// For how long what was seen of the spool is good enough.
const LOOK: Duration = Duration::from_millis(250);

/// How long facts may take from the spool to the ledger.
const DRAINS: Duration = Duration::from_secs(4);

/// Items that are read at a time.
const STEP: usize = 1000;

/// So many events of one bucket are remembered; a hash and a moment each.
const MOST_HELD: usize = 900_000;

/// The way into a spool.
pub struct Door {
    desk: Desk,
    hand: Hand,
    place: Place,
    looked: Option<(Instant, Vec<Lane>)>,
}

enum Hand {
    /// From outside the relay, with its limits.
    Desk { bytes: u64, parties: Parties },
    /// In the relay itself.
    Spool(Spool),
}

/// What a lane has, and why nothing is sent to it.
struct Lane {
    name: String,
    /// Items that wait, or are held.
    items: u64,
    waiting: u64,
    pause: Option<String>,
}

impl Door {
    /// From another process: the relay sees what is handed in within a second. `bytes` and `parties` are those of the relay.
    ///
    /// # Errors
    /// The spool cannot be opened.
    pub fn beside(place: Place, bytes: u64, parties: Parties) -> Result<Self, Trouble> {
        let desk = Desk::at(&place)?;
        Ok(Self { desk, hand: Hand::Desk { bytes, parties }, place, looked: None })
    }

    /// In the relay's own process. What is read is read beside it, so that nobody who posts an event waits for that.
    ///
    /// # Errors
    /// The spool cannot be opened.
    pub fn within(place: Place, spool: Spool) -> Result<Self, Trouble> {
        let desk = Desk::at(&place)?;
        Ok(Self { desk, hand: Hand::Spool(spool), place, looked: None })
    }

    /// Whether somebody sends what is in it.
    ///
    /// # Errors
    /// If a database does not say.
    pub async fn is_worked_on(&self) -> Result<bool, Trouble> {
        match &self.place {
            Place::Directory(dir) => Ok(Desk::is_worked_on(dir)),
            Place::Database(_) => Ok(!self.desk.replicas().await?.is_empty()),
        }
    }

    /// Why nothing may be forwarded to a lane just now; `None`: it may.
    pub(crate) async fn why_wait(&mut self, lane: &str) -> Result<Option<String>, Trouble> {
        if self.looked.as_ref().is_none_or(|(when, _)| when.elapsed() >= LOOK) {
            let lanes = self.look().await?;
            self.looked = Some((Instant::now(), lanes));
        }
        let lanes = self.looked.as_ref().map_or(&[][..], |(_, lanes)| lanes);
        let Some(lane) = lanes.iter().find(|known| known.name == lane) else {
            // Nothing is there: with one object it is found out whether anything passes.
            return Ok(match self.is_worked_on().await? {
                true => None,
                false => Some("no relay works on the spool".into()),
            });
        };
        if lane.waiting > MOST_WAITING {
            return Ok(Some(format!("{} events wait for {}", lane.waiting, lane.name)));
        }
        Ok(lane.pause.clone().filter(|_| lane.items > 0))
    }

    async fn look(&self) -> Result<Vec<Lane>, Trouble> {
        let stock = self.desk.stock().await?;
        let health = self.desk.noted().await?.map(|noted| noted.health).unwrap_or_default();
        let worked_on = self.is_worked_on().await?;
        let mut lanes: Vec<Lane> = Vec::new();
        for depth in stock.depths.iter().filter(|depth| depth.state != State::Parked) {
            let found = lanes.iter().position(|lane| lane.name == depth.lane);
            let index = found.unwrap_or_else(|| {
                let pause = match (&health.away, health.pause_of(&depth.lane)) {
                    _ if !worked_on => Some("no relay works on the spool".into()),
                    (Some(away), _) => Some(format!("MDSS is away ({})", away.reason)),
                    (None, Some(reason)) => Some(format!("the breaker of {} is open ({reason})", depth.lane)),
                    (None, None) => None,
                };
                lanes.push(Lane { name: depth.lane.clone(), items: 0, waiting: 0, pause });
                lanes.len() - 1
            });
            lanes[index].items += depth.items;
            if depth.state == State::Waiting {
                lanes[index].waiting += depth.items;
            }
        }
        Ok(lanes)
    }

    /// Waits, but not for long, until what was accepted before is in the ledger: a relay feeds it a few times a second. Gives how many facts
    /// have still not arrived.
    pub(crate) async fn drained(&self) -> Result<u64, Trouble> {
        let until = Instant::now() + DRAINS;
        loop {
            let rows = self.desk.outbox().await?.rows;
            if rows == 0 || Instant::now() >= until {
                return Ok(rows);
            }
            tokio::time::sleep(LOOK / 2).await;
        }
    }

    /// Opens the spool again: its relay may have begun another file.
    ///
    /// # Errors
    /// If that cannot be done now.
    pub(crate) fn reopen(&mut self) -> Result<(), Trouble> {
        self.desk = Desk::at(&self.place)?;
        Ok(())
    }

    /// Hands a delivery in. It is on disk when this returns.
    pub(crate) async fn hand_in(&self, delivery: Delivery, plan: &Plan) -> Result<Vec<Kept>, Trouble> {
        match &self.hand {
            Hand::Desk { bytes, parties } => Ok(self.desk.accept(delivery, plan, *bytes, *parties).await?),
            Hand::Spool(spool) => {
                let report = spool.accept(delivery, plan, Sender::Proven).await?;
                Ok(report.records.iter().map(kept).collect())
            }
        }
    }
}

/// What a report says of a record, as the desk would.
fn kept(record: &mdss_relay_core::Record) -> Kept {
    use mdss_relay_core::ResultKind;
    match (record.result, record.reason) {
        (ResultKind::Spooled, _) => Kept::Spooled,
        (ResultKind::Skipped, Some("duplicate")) => Kept::Duplicate,
        (ResultKind::Failed, _) => Kept::NoRoom(record.detail.clone().unwrap_or_default()),
        (ResultKind::Skipped | ResultKind::Accepted, _) => Kept::Nothing,
    }
}

/// What a spool holds of one bucket. It is read along, and nothing of it is forgotten within a run: what has left it since is in the ledger, or
/// on its way there.
pub(crate) struct Holding {
    bucket: String,
    /// Another store may have a bucket of the same name.
    of: Option<OfSource>,
    hasher: RandomState,
    /// Keys are chosen by uploaders, so they are hashed with a secret. The last two bits of a value are the state.
    items: HashMap<u64, i64>,
    last: Option<ItemId>,
}

impl Holding {
    pub(crate) fn new(bucket: &str, of: Option<OfSource>) -> Self {
        let (hasher, items) = (RandomState::new(), HashMap::new());
        Self { bucket: bucket.to_owned(), of, hasher, items, last: None }
    }

    /// Reads what has come since it was last read.
    pub(crate) async fn read(&mut self, door: &Door) -> Result<(), Trouble> {
        let filter = Filter { bucket: Some(self.bucket.clone()), ..Filter::default() };
        loop {
            let entries = door.desk.list(&filter, self.last, STEP).await?;
            let more = entries.len() == STEP;
            for entry in entries {
                self.last = Some(entry.id);
                let ours =
                    self.of.as_ref().is_none_or(|of| of.has(entry.source.as_deref(), Some(&entry.lane)));
                if !ours {
                    continue;
                }
                let Some(key) = entry.key else { continue };
                let state = State::ALL.iter().position(|state| *state == entry.state).unwrap_or(0);
                let value = entry.received.as_millis() << 2 | state as i64;
                let known = self.items.entry(self.hasher.hash_one(key.as_bytes())).or_insert(value);
                // Several writes of one object: the one that is told before the one that is not, then the newest.
                let tells = |value: i64| (value & 3 != 2, value >> 2);
                if tells(value) > tells(*known) {
                    *known = value;
                }
            }
            if self.items.len() > MOST_HELD {
                let why = format!(
                    "more than {MOST_HELD} events of this bucket are in the spool; compare when it has emptied itself"
                );
                return Err(Trouble::Other(why));
            }
            if !more {
                return Ok(());
            }
        }
    }

    pub(crate) fn of(&self, key: &[u8]) -> Option<Held> {
        let value = *self.items.get(&self.hasher.hash_one(key))?;
        let state = *State::ALL.get(usize::try_from(value & 3).ok()?)?;
        Some(Held { state, received: Moment::from_millis(value >> 2) })
    }
}
