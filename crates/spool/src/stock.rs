//! What an engine holds, as gauges and the operator see it.

use std::fmt;
use std::time::Duration;

use mdss_relay_core::Delivery;

use crate::clock::Moment;
use crate::item::{ItemId, State};

/// How many items of one lane are in one state for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Storage unit, or `unrouted`.
    pub lane: String,
    /// Where the items stand.
    pub state: State,
    /// The last failure's token; empty if there was none.
    pub reason: String,
    /// Items.
    pub items: u64,
    /// Bytes of the deliveries, about.
    pub bytes: u64,
}

/// Everything that is kept, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// By lane, state and reason; only what there is.
    pub depths: Vec<Depth>,
    /// Since when the oldest item of each lane waits or is held.
    pub oldest: Vec<(String, Moment)>,
    /// Since when the oldest item of each lane waits for MDSS; what is held waits for an operator, and does not count.
    pub oldest_waiting: Vec<(String, Moment)>,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Items that some relay holds under a lease, to send them; `None` of an engine that gives none, because one relay has it to itself.
    pub leased: Option<u64>,
    /// When it was counted, by the engine's clock.
    pub at: Moment,
    /// How long ago that was: an engine of several relays counts for all of them, and not for everybody who asks.
    pub age: Duration,
}

impl Stock {
    /// How long the oldest item of each lane had been waiting or held when the stock was counted.
    pub fn ages(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.since(&self.oldest)
    }

    /// The same of those that wait for MDSS alone.
    pub fn waiting_ages(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.since(&self.oldest_waiting)
    }

    fn since<'s>(
        &self,
        oldest: &'s [(String, Moment)],
    ) -> impl Iterator<Item = (&'s str, Duration)> + use<'s> {
        let at = self.at;
        oldest.iter().map(move |(lane, since)| (lane.as_str(), at.since(*since)))
    }
}

/// Which items an operator means. Everything that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub state: Option<State>,
    /// The lane.
    pub lane: Option<String>,
    /// The bucket.
    pub bucket: Option<String>,
    /// The token of the last failure.
    pub reason: Option<String>,
    /// Received at this moment or before.
    pub received_before: Option<Moment>,
    /// These numbers and no others; empty: all.
    pub ids: Vec<ItemId>,
}

impl fmt::Display for Filter {
    /// Without numbers: how many there are says more to whoever reads of a change that was made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("state", self.state.map(|state| state.name().to_owned())),
            ("lane", self.lane.clone()),
            ("bucket", self.bucket.clone()),
            ("reason", self.reason.clone()),
            ("received until", self.received_before.map(|moment| moment.to_string())),
            ("numbers", (!self.ids.is_empty()).then(|| self.ids.len().to_string())),
        ];
        let mut comma = "";
        for (what, text) in texts.into_iter().filter_map(|(what, text)| text.map(|text| (what, text))) {
            write!(f, "{comma}{what}: {text}")?;
            comma = ", ";
        }
        Ok(())
    }
}

/// One item, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: ItemId,
    /// Where it stands.
    pub state: State,
    /// Storage unit, or `unrouted`.
    pub lane: String,
    /// The bucket, if the record could be read so far.
    pub bucket: Option<String>,
    /// The object's key, decoded, if the record could be read so far.
    pub key: Option<String>,
    /// Requests made to MDSS.
    pub attempts: u32,
    /// The last failure's token.
    pub reason: Option<String>,
    /// The sentence for it.
    pub detail: Option<String>,
    /// When the delivery came.
    pub received: Moment,
    /// When it is tried next; of a parked one, when it was parked.
    pub not_before: Moment,
    /// The source it came through.
    pub source: Option<String>,
    /// What the log calls the delivery.
    pub name: String,
    /// The record's path in the delivery.
    pub path: String,
    /// Its share of the delivery's bytes.
    pub bytes: u64,
}

/// One item with everything there is about it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The item.
    pub entry: Entry,
    /// The delivery it came in; or why it is no longer what was written, if the file was changed behind the relay.
    pub delivery: Result<Delivery, String>,
}

/// What one step of a bulk change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The items as they were before.
    pub entries: Vec<Entry>,
    /// Items that fit, and were left as they are because a relay has them under way.
    pub busy: Vec<Entry>,
    /// Where the next step begins; `None`: that was all.
    pub next: Option<ItemId>,
}
