//! Work beside everything else: many rows, a thousand at a time.

use std::sync::Arc;
use std::time::Duration;

use mdss_relay_core::Relay;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::item::ItemId;
use crate::ticket::{Hold, Ticket};
use crate::trouble::{Trouble, TroubleKind};

/// Rows that one transaction of a chore changes.
const ROWS: usize = 1000;

/// After a failure a chore goes on so much later.
const AGAIN: Duration = Duration::from_secs(1);

/// The chores that are under way.
pub(super) struct Chores {
    engine: Engine,
    tasks: JoinSet<()>,
}

impl Chores {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, tasks: JoinSet::new() }
    }

    /// Makes items due that are put off, of a lane or of all, but not those that are to be spared.
    pub(super) fn release(&mut self, lane: Option<String>, spared: Arc<[ItemId]>) {
        let engine = self.engine.clone();
        self.tasks.spawn(async move { release(&engine, lane, spared).await });
    }

    /// A worker begins: makes everything due that is put off, unless another relay of the same settings has just done so.
    pub(super) fn begin(&mut self, relay: Arc<Relay>) {
        let engine = self.engine.clone();
        self.tasks.spawn(async move {
            loop {
                match engine.begin(&relay.settings().rules).await {
                    Ok(true) => return release(&engine, None, Arc::default()).await,
                    Ok(false) => return,
                    Err(trouble) if !later(&trouble).await => return,
                    Err(_) => {}
                }
            }
        });
    }

    /// Holds items for longer that wait for their turn.
    pub(super) fn renew(&mut self, holds: Vec<Hold>) {
        if !holds.is_empty() {
            let engine = self.engine.clone();
            // The engine says why it could not. What is not held any more is not begun.
            self.tasks.spawn(async move { drop(engine.renew(holds).await) });
        }
    }

    /// Gives items back that are not tried after all.
    pub(super) fn give_back(&mut self, tickets: Vec<Ticket>) {
        if !tickets.is_empty() {
            let engine = self.engine.clone();
            // What cannot be given back is given out again all the same, only later.
            self.tasks.spawn(async move { drop(engine.give_back(tickets).await) });
        }
    }

    /// Waits until a chore is done; never, if there is none.
    pub(super) async fn done(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

async fn release(engine: &Engine, lane: Option<String>, spared: Arc<[ItemId]>) {
    loop {
        match engine.release(lane.clone(), Arc::clone(&spared), ROWS).await {
            Ok(ROWS..) => {}
            Ok(_) => return,
            Err(trouble) if !later(&trouble).await => return,
            Err(_) => {}
        }
    }
}

/// The engine has said why it could not; when it works again, so does this. False if it has gone.
async fn later(trouble: &Trouble) -> bool {
    let comes = trouble.kind != TroubleKind::Stopped;
    if comes {
        tokio::time::sleep(AGAIN).await;
    }
    comes
}
