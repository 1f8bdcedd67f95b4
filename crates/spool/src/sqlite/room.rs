//! Whether there is room for more: below the operator's limit, and on a disk that others fill as well.
//!
//! What is in the file must be able to leave it, and leaving needs room, too: an outcome is written to the log first, and the log
//! goes into the file some megabytes later. A spool that took events until the disk was full could never write down that MDSS
//! has them: it would send the same thousand again and again, and nothing behind them. So the last megabytes are not for events.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::trouble::{Trouble, TroubleKind};

/// Free bytes on the disk and in the file, together, that are left to outcomes: 16 MB of log (by then it is put into the file, and
/// grows while somebody reads), and as much again for the marks of what MDSS has accepted, twice.
pub(super) const RESERVE: u64 = 64 << 20;

/// Of those, the part on the disk: what is free in the file is no room for the log.
const LOG: u64 = 24 << 20;

/// What there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// In use in the file.
    pub(super) used: u64,
    /// Free in the file.
    free: u64,
    /// Part of the file by now, and still in the log or in memory.
    unwritten: u64,
    /// Free on the disk; as much as anybody wants if the system does not say.
    disk: u64,
}

impl Room {
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let number = |sql| {
            let number =
                db.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0)).optional()?;
            Ok::<_, rusqlite::Error>(number.flatten().map_or(0, |n| u64::try_from(n).unwrap_or(0)))
        };
        // As statements of their own: as tables (`pragma_page_count`) SQLite parses each of them anew each time.
        let size = number("PRAGMA page_size")?;
        let all = number("PRAGMA page_count")?.saturating_mul(size);
        let free = number("PRAGMA freelist_count")?.saturating_mul(size);
        // What waits for the ledger has a limit of its own, and takes nothing from events.
        let facts = number("SELECT bytes FROM outbox_state")?;
        let path = db.path().map(Path::new);
        let disk = path.and_then(|path| rustix::fs::statvfs(path).ok());
        let file = path.and_then(|path| std::fs::metadata(path).ok()).map_or(all, |file| file.len());
        Ok(Self {
            used: all.saturating_sub(free).saturating_sub(facts),
            free,
            unwritten: all.saturating_sub(file),
            disk: disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        })
    }

    /// The same with so many bytes more in use, which are not in the file yet.
    pub(super) fn with(self, bytes: u64) -> Self {
        let (used, unwritten) = (self.used.saturating_add(bytes), self.unwritten.saturating_add(bytes));
        Self { used, unwritten, ..self }
    }

    /// How many more bytes there is room for, about.
    pub(super) fn left(&self, limit: u64) -> u64 {
        let disk = self.disk.saturating_add(self.free).saturating_sub(RESERVE) / 2;
        limit.saturating_sub(self.used).min(disk.saturating_sub(self.unwritten))
    }

    /// Whether `size` more bytes may be kept.
    ///
    /// # Errors
    /// Which limit is in the way.
    pub(super) fn takes(&self, size: u64, limit: u64) -> Result<(), Trouble> {
        let full = |detail| Err(Trouble::new(TroubleKind::Full, detail));
        if self.used.saturating_add(size) > limit {
            return full(format!(
                "the spool holds {} bytes and the event needs {size}, but RELAY_SPOOL_LIMIT allows {limit}",
                self.used
            ));
        }
        // Once in the log, once in the file.
        let wanted = size.saturating_add(self.unwritten).saturating_mul(2).saturating_add(RESERVE);
        if self.disk < LOG || self.disk.saturating_add(self.free) < wanted {
            let (disk, free) = (self.disk, self.free);
            return full(format!(
                "{disk} bytes are free on the disk and {free} in the spool file, but {wanted} in total and {LOG} on the disk must stay free, \
                 so that stored events can still be sent and removed"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn the_last_megabytes_are_not_for_events() {
        for (used, free, unwritten, disk, size, takes) in [
            (0, 0, 0, u64::MAX, 6 * MB, true),
            (0, 0, 0, 80 * MB, 6 * MB, true),
            (0, 0, 0, 75 * MB, 6 * MB, false),
            (0, 0, 4 * MB, 80 * MB, 6 * MB, false),
            // What MDSS has taken has made room in the file, which never gives it back to the disk.
            (0, 50 * MB, 0, 40 * MB, 6 * MB, true),
            (0, 500 * MB, 0, 23 * MB, 1, false),
            (0, 0, 0, 0, 0, false),
            (95 * MB, 0, 0, u64::MAX, 5 * MB, true),
            (95 * MB, 0, 0, u64::MAX, 6 * MB, false),
            (0, 0, u64::MAX, u64::MAX, u64::MAX, false),
        ] {
            let room = Room { used, free, unwritten, disk };
            let taken = room.takes(size, 100 * MB);
            assert_eq!(taken.is_ok(), takes, "{room:?} {size}: {taken:?}");
            if room.disk >= LOG {
                assert_eq!(room.left(100 * MB) >= size, takes, "{room:?} {size}: {}", room.left(100 * MB));
            }
        }
    }
}
