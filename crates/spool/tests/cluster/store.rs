//! One relay's engine on a database, and what is done with it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_spool::seam::{Claimed, Claims, Outcome, Settled, Settlement, Want};
use mdss_relay_spool::{
    Config, Database, Desk, Durability, Place, Sender, Spool, State, StoreThread, SystemClock, Trouble,
};

use crate::common::*;

/// An open engine. Its thread is waited for when it is closed.
pub(crate) struct Store {
    spool: Spool,
    thread: StoreThread,
}

impl Store {
    /// On a server without a standby.
    pub(crate) fn open(url: &str) -> Self {
        Self::of(Database::of_url(url).unwrap().durable(Durability::Server))
    }

    pub(crate) fn of(database: Database) -> Self {
        let config = Config { place: Place::Database(database), limit: 1 << 30 };
        let (spool, thread) = Spool::start(config, Arc::new(SystemClock)).unwrap();
        Self { spool, thread }
    }

    pub(crate) fn close(self) {
        drop(self.spool);
        self.thread.wait();
    }
}

impl Deref for Store {
    type Target = Spool;

    fn deref(&self) -> &Spool {
        &self.spool
    }
}

pub(crate) fn desk(url: &str) -> Desk {
    Desk::at(&Place::Database(Database::of_url(url).unwrap())).unwrap()
}

/// Stores one object of unit 1, with a mark; what its sender hears.
pub(crate) async fn send(spool: &Spool, key: &str) -> Result<String, Trouble> {
    let delivery = delivery(&[record("b", key, Some("01"))]);
    let plan = routed().plan(&delivery);
    Ok(results(&spool.accept(delivery, &plan, Sender::Proven).await?).concat())
}

pub(crate) async fn claim(spool: &Spool, most: usize, lease: Duration) -> Claims {
    spool.engine().claim(Want { most, lease: Some(lease), ..Want::default() }).await.unwrap()
}

pub(crate) async fn settle(
    spool: &Spool,
    items: Vec<Claimed>,
    outcome: impl Fn(&Claimed) -> Outcome,
) -> Settled {
    let settlement = |item: Claimed| {
        let outcome = outcome(&item);
        Settlement { ticket: item.ticket, outcome, fact: None }
    };
    let batch: Vec<_> = items.into_iter().map(settlement).collect();
    spool.engine().settle(batch.into()).await.unwrap()
}

/// A failure that passes, after a pause.
pub(crate) fn again(pause: Duration) -> Outcome {
    let (reason, detail) = ("mdss_unavailable", "a sentence".to_owned());
    Outcome::Again { state: State::Waiting, pause, reason, detail, attempted: true }
}
