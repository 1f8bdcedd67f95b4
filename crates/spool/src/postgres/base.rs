//! What the parts of the engine share: the connections, and who this relay is.

use std::sync::Arc;

use super::config::Database;
use super::slot::Slot;
use super::standing::Watched;

/// The connections of one relay, and what it knows of the database. More relays have more of them; no pool is needed.
pub(super) struct Base {
    pub(super) standing: Arc<Watched>,
    /// Claims and settles.
    pub(super) work: Slot,
    /// Counts, shows and tidies.
    pub(super) look: Slot,
}

impl Base {
    pub(super) fn new(database: &Database) -> Self {
        let standing = Arc::new(Watched::new(database.durability));
        let database = Arc::new(database.clone());
        let slot = || Slot::new(Arc::clone(&database), Arc::clone(&standing));
        Self { work: slot(), look: slot(), standing: Arc::clone(&standing) }
    }

    /// Says goodbye on every connection.
    pub(super) async fn close(&self) {
        for slot in [&self.work, &self.look] {
            slot.close().await;
        }
    }
}
