//! Whether tables still fit whoever works on them: a later relay may bring them further while this one is at work.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Kind;
use crate::line::Line;
use crate::tables::{NotReady, Tables, Version};

/// Tables, and whether they were seen last as those of later relays, which this one must not work on any more.
#[derive(Debug)]
pub struct Fit {
    tables: Tables,
    outdated: AtomicBool,
}

impl Fit {
    /// Nothing was seen of them yet.
    pub const fn new(tables: Tables) -> Self {
        Self { tables, outdated: AtomicBool::new(false) }
    }

    /// Whether connections that were made before are of no more use: a new one is made as soon as the tables fit.
    pub fn is_outdated(&self) -> bool {
        self.outdated.load(Ordering::Relaxed)
    }

    /// As [`Tables::ready`], on a new connection.
    ///
    /// # Errors
    /// If the tables are not to be used, or cannot be made.
    pub async fn ready(&self, line: &Line, migrate: bool) -> Result<(), NotReady> {
        self.seen(self.tables.ready(line, migrate).await)
    }

    /// Looks at tables that are worked on already, and changes nothing.
    ///
    /// # Errors
    /// If they are for later relays, or that cannot be read.
    pub async fn look(&self, line: &Line) -> Result<Version, NotReady> {
        let found = self.tables.version(line).await?;
        self.seen(self.tables.check(found).map_err(NotReady::Ours))?;
        Ok(found)
    }

    /// An answer that did not come says nothing of the tables.
    fn seen(&self, seen: Result<(), NotReady>) -> Result<(), NotReady> {
        match &seen {
            Ok(()) => self.outdated.store(false, Ordering::Relaxed),
            Err(NotReady::Ours(failing)) if failing.kind == Kind::Foreign => {
                self.outdated.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        seen
    }
}
