//! Work beside everything else: many rows, a thousand at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::item::ItemId;
use crate::ticket::Ticket;
use crate::trouble::TroubleKind;

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
        self.tasks.spawn(async move {
            loop {
                match engine.release(lane.clone(), Arc::clone(&spared), ROWS).await {
                    Ok(ROWS..) => {}
                    Ok(_) => return,
                    // The engine has said why; when it works again, so does this.
                    Err(trouble) if trouble.kind == TroubleKind::Stopped => return,
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        });
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
