//! The operator's view of the spool, from another process: while a relay works on it, or when none does. Every change is a short
//! transaction of its own, so that the relay never waits for long.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mdss_relay_core::{Delivery, Kept, Plan};

use crate::engine::{Engine, Glance, Place, StoreThread};
use crate::health::Noted;
use crate::intake::{Intake, Sender};
use crate::item::ItemId;
use crate::outbox::OutboxSize;
#[cfg(feature = "postgres")]
use crate::postgres::{Replica, Standing};
use crate::shares::{Limits, Parties};
use crate::stock::{Batch, Entry, Filter, Shown, Stock};
use crate::trouble::{Trouble, TroubleKind};

/// A spool seen from outside its relay.
pub struct Desk {
    /// `None` while it closes.
    engine: Option<Engine>,
    thread: Option<StoreThread>,
    /// The file, and which one it was when it was opened.
    file: Option<(PathBuf, (u64, u64))>,
    /// Who sits at it.
    actor: Option<String>,
}

impl Desk {
    /// Opens the spool of a data directory, which must be there, and brings it to today's version.
    ///
    /// # Errors
    /// [`Trouble`]: no spool there, not ours, or held by another process.
    pub fn open(dir: &Path) -> Result<Self, Trouble> {
        Self::at(&Place::Directory(dir.to_owned()))
    }

    /// Opens the spool of any place. A database is reached with the first question, and what is wrong with it is the answer to each.
    ///
    /// # Errors
    /// As [`Desk::open`].
    pub fn at(place: &Place) -> Result<Self, Trouble> {
        let file = match place {
            Place::Directory(dir) => {
                let path = dir.join(Engine::FILE);
                inode(&path).map(|inode| (path, inode))
            }
            #[cfg(feature = "postgres")]
            Place::Database(_) => None,
        };
        let (engine, thread) = Engine::visit(place)?;
        Ok(Self { engine: Some(engine), thread: Some(thread), file, actor: None })
    }

    /// The same desk; the ledger is told who has made the changes.
    #[must_use]
    pub fn by(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// What can be seen of the spool of a data directory without opening it.
    pub fn glance(dir: &Path) -> Glance {
        Engine::glance(dir)
    }

    fn engine(&self) -> Result<&Engine, Trouble> {
        self.engine.as_ref().ok_or_else(Trouble::stopped)
    }

    /// Keeps of a delivery what its plan wants sent or held, and says of each record what became of it. It is on disk when this returns, and
    /// a relay that works on the spool sees it within a second. `bytes` and `parties` are the relay's: its limit, and whom it is for.
    ///
    /// # Errors
    /// Nothing was kept, or whether it was is not known: it can be handed in again, and what was kept is then a duplicate.
    pub async fn accept(
        &self,
        delivery: Delivery,
        plan: &Plan,
        bytes: u64,
        parties: Parties,
    ) -> Result<Vec<Kept>, Trouble> {
        let intake = Arc::new(Intake::new(delivery, plan, Sender::Proven));
        if intake.is_empty() {
            return Ok(intake.kept(plan, Vec::new()));
        }
        let written = self.engine()?.accept(Arc::clone(&intake), Limits { bytes, parties }).await?;
        // A relay that has found its file damaged has begun another one meanwhile. It looks after what is in it, and not after this.
        if let Some((path, opened)) = &self.file
            && inode(path).as_ref() != Some(opened)
        {
            let detail = format!("{} is another file than the one that was opened", path.display());
            return Err(Trouble::new(TroubleKind::Taken, detail));
        }
        Ok(intake.kept(plan, written))
    }

    /// The items that fit, by number, those behind `after`, at most `most`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<ItemId>,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        self.engine()?.list(filter, after, most).await
    }

    /// One item and the delivery it came in; `None` if there is no such item.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn show(&self, id: ItemId) -> Result<Option<Shown>, Trouble> {
        self.engine()?.show(id).await
    }

    /// Everything that is kept, counted.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn stock(&self) -> Result<Stock, Trouble> {
        self.engine()?.stock().await
    }

    /// What the worker of the relay said of MDSS last; `None` if it never has.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn noted(&self) -> Result<Option<Noted>, Trouble> {
        self.engine()?.noted().await
    }

    /// How many facts wait for the ledger.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn outbox(&self) -> Result<OutboxSize, Trouble> {
        self.engine()?.outbox_size().await
    }

    /// The relays that share the spool now; none, if a file keeps the events.
    ///
    /// # Errors
    /// If they cannot be read.
    #[cfg(feature = "postgres")]
    pub async fn replicas(&self) -> Result<Vec<Replica>, Trouble> {
        self.engine()?.replicas().await
    }

    /// How the database stands that keeps the events; `None`: a file does, or it was not reached yet.
    #[cfg(feature = "postgres")]
    pub fn standing(&self) -> Option<Standing> {
        self.engine.as_ref().and_then(Engine::standing)
    }

    /// Whether a relay works on a data directory now.
    pub fn is_worked_on(dir: &Path) -> bool {
        Engine::is_worked_on(dir)
    }

    /// Makes items due that fit, from behind `after` on; parked ones, too. Their age counts from now. A running relay sees them
    /// within a second.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of this step was done.
    pub async fn retry(&self, filter: &Filter, after: Option<ItemId>) -> Result<Batch, Trouble> {
        self.engine()?.retry(filter, after, self.actor.as_deref()).await
    }

    /// Deletes items that fit, from behind `after` on, and gives back what they were. What the relay has under way may be accepted all
    /// the same.
    ///
    /// # Errors
    /// If the file cannot be written; then nothing of this step was done.
    pub async fn purge(&self, filter: &Filter, after: Option<ItemId>) -> Result<Batch, Trouble> {
        self.engine()?.purge(filter, after, self.actor.as_deref()).await
    }
}

impl Drop for Desk {
    /// Closes the file before a process ends: whoever closes it last puts its log into it.
    fn drop(&mut self) {
        drop(self.engine.take());
        if let Some(thread) = self.thread.take() {
            thread.wait();
        }
    }
}

/// Which file a name leads to.
fn inode(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
