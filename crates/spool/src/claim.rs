//! What a worker asks an engine for, what it is given, and what it hands back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::{Delivery, RulesInForce};

use crate::clock::Moment;
use crate::item::{ItemId, Outcome, State};
use crate::known::Known;
use crate::ticket::Ticket;

/// What a claim asks for.
#[derive(Clone, Debug, Default)]
pub struct Want {
    /// Items, all lanes together, at most.
    pub most: usize,
    /// How many may come from a lane at most: 0 while its breaker is open. As many as from any other, if it is not there.
    pub lanes: HashMap<String, usize>,
    /// Which lane comes first this time; any number.
    pub turn: usize,
    /// If nothing is due: items that wait for their time may come before it, but not these. For a probe.
    pub early: Option<Vec<ItemId>>,
    /// For how long they are given out, where that has an end; `None`: for as long as is usual.
    pub lease: Option<Duration>,
    /// Plans by these rules may come in place of what they were made from.
    pub rules: Option<RulesInForce>,
}

/// What a claim found.
#[derive(Debug, Default)]
pub struct Claims {
    /// The items. Nobody else is given one of them until it is settled, or its ticket is gone.
    pub items: Vec<Claimed>,
    /// After what time there is to be looked again: none of the lanes that were asked for has an item that comes due before. It is when the next one does,
    /// unless something was found: an engine that remembers its lanes says then for how long it still knows them, if that is shorter.
    pub next: Option<Duration>,
    /// More is due than bodies may be in memory at once.
    pub cut: bool,
    /// The lanes that have given as many as they were asked for, and may have more.
    pub more: Vec<String>,
    /// No item waits or is held, due or not, in any lane.
    pub empty: bool,
    /// Since the last claim another process has written to the spool, without a word to this one.
    pub visited: bool,
}

/// One item that may be tried now.
#[derive(Debug)]
pub struct Claimed {
    /// The right to it.
    pub ticket: Ticket,
    /// The record's path in its delivery.
    pub path: String,
    /// Storage unit, or `unrouted`.
    pub lane: String,
    /// Where it stands.
    pub state: State,
    /// Requests made to MDSS so far.
    pub attempts: u32,
    /// How long it had been waiting when it was claimed: since its receipt, or since the last retry by hand.
    pub waited: Duration,
    /// The last failure's token.
    pub reason: Option<String>,
    /// What it came in.
    pub delivery: Arc<Stored>,
    /// Its plan, if that is remembered and was asked for. Then its delivery was not read: the name is all there is of it.
    pub known: Option<Arc<Known>>,
}

/// Which delivery, among all that an engine has ever kept: two that are equal are one. A number alone is not enough, because
/// numbers begin anew when a file is begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    epoch: u64,
    number: i64,
}

impl DeliveryId {
    pub(crate) fn new(epoch: u64, number: i64) -> Self {
        Self { epoch, number }
    }
}

/// A stored delivery, read back.
#[derive(Debug)]
pub struct Stored {
    /// Which one.
    pub id: DeliveryId,
    /// When it came.
    pub received: Moment,
    /// How long before the claim that was.
    pub age: Duration,
    /// As the adapter handed it over, without the headers that no dialect reads; or why it is no longer that.
    pub delivery: Result<Delivery, String>,
    /// How many of its items are still there.
    pub items: usize,
}

/// What came of an item.
#[derive(Debug)]
pub struct Settlement {
    /// Which item. It is free again when the settlement is dropped.
    pub ticket: Ticket,
    /// What came of it.
    pub outcome: Outcome,
    /// What the ledger is told of it, if there is one: it is written where the item is, and only if that was still there.
    pub fact: Option<String>,
}

/// What became of settlements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Settlements that were not written down, because their tickets no longer hold: the items are from another store, or somebody else was given
    /// them meanwhile.
    pub fenced: usize,
}
