//! What must hold between the settings of the spool: a disk, and a directory on it.

use crate::plain::mistake::Mistake;
use crate::settings::groups::{Role, SpoolSettings};
use crate::settings::reader::Reader;

impl Reader {
    /// The spool, if one is asked for.
    pub(super) fn spool(&mut self) -> Option<SpoolSettings> {
        if !self.given.spooled {
            return None;
        }
        if self.role == Role::Function {
            let name = self.place("RELAY_MODE").unwrap_or_default();
            let expected = "direct: a function has no disk to keep events on";
            self.mistakes.push(Mistake::found(name, "spooled", expected));
            return None;
        }
        if self.place("RELAY_DATA_DIR").is_none() {
            let expected = "the directory the spool is in, on a disk that outlives the process";
            self.missing("RELAY_DATA_DIR", expected);
        }
        Some(self.given.spool.clone())
    }
}
