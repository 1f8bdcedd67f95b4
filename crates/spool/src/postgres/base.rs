//! What the parts of the engine share: the connections, and who this relay is.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;

use super::counters::Counters;
use super::floors::Floors;
use super::numbers::Numbers;
use super::room::Room;
use super::slot::Slot;
use super::standing::Watched;
use crate::said::{Said, Where};
use crate::ticket::Lease;
use crate::trouble::Trouble;
use mdss_relay_postgres::Database;

/// The connections of one relay, and what it knows of the database. No pool is needed: each has its work.
pub(super) struct Base {
    pub(super) database: Arc<Database>,
    pub(super) standing: Arc<Watched>,
    /// Two groups of accepts may be out at once.
    pub(super) accepts: [Slot; 2],
    /// Claims. While one is out, what came of the items of the one before is settled.
    pub(super) claims: Slot,
    /// Settles, and holds for longer.
    pub(super) work: Slot,
    /// Who else is there, how fast, and whether a unit is open.
    pub(super) peers: Slot,
    /// Counts, shows and tidies.
    pub(super) look: Slot,
    pub(super) numbers: Numbers,
    pub(super) room: Room,
    pub(super) counters: Counters,
    pub(super) said: Mutex<Said>,
    /// What could not be done last, and has not been done since: only that tells that it can be done again.
    failing: Mutex<Option<&'static str>>,
    /// Who this relay is: random, for a process; hosts are reused under the same name.
    pub(super) id: String,
    /// The hash of what its worker plans by; empty until there is one.
    pub(super) settings: Mutex<Vec<u8>>,
    /// Whether there was room for facts when that was last looked up.
    pub(super) outbox_has_room: AtomicBool,
    /// Whether this relay has said that it finds out about something.
    pub(super) told: AtomicBool,
    /// Where leases go that nobody has any more.
    pub(super) back: mpsc::UnboundedSender<Arc<Lease>>,
    pub(super) returned: tokio::sync::Mutex<mpsc::UnboundedReceiver<Arc<Lease>>>,
    pub(super) floors: tokio::sync::Mutex<Floors>,
}

impl Base {
    pub(super) fn new(database: &Database) -> Self {
        let standing = Arc::new(Watched::new(database.durability()));
        let database = Arc::new(database.clone());
        let slot = || Slot::new(Arc::clone(&database), Arc::clone(&standing));
        let (back, returned) = mpsc::unbounded_channel();
        Self {
            accepts: [slot(), slot()],
            claims: slot(),
            work: slot(),
            peers: slot(),
            look: slot(),
            numbers: Numbers::default(),
            room: Room::default(),
            counters: Counters::default(),
            said: Mutex::new(Said::new(Where::Database(database.place()))),
            failing: Mutex::default(),
            id: uuid(),
            settings: Mutex::default(),
            outbox_has_room: AtomicBool::new(true),
            told: AtomicBool::new(false),
            back,
            returned: tokio::sync::Mutex::new(returned),
            floors: tokio::sync::Mutex::default(),
            standing: Arc::clone(&standing),
            database: Arc::clone(&database),
        }
    }

    /// The connections, for what is done with all of them.
    pub(super) fn slots(&self) -> [&Slot; 6] {
        let [first, second] = &self.accepts;
        [first, second, &self.claims, &self.work, &self.peers, &self.look]
    }

    /// Says what could not be done with what is stored, and when it can be done again.
    pub(super) fn tell(&self, doing: &'static str, outcome: Result<(), Trouble>) {
        let mut failing = self.failing.lock().unwrap_or_else(|e| e.into_inner());
        match outcome {
            Ok(()) if *failing == Some(doing) => *failing = None,
            Ok(()) => return,
            Err(_) => *failing = Some(doing),
        }
        self.said().reading(outcome);
    }

    pub(super) fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A random UUID (RFC 9562, 5.4).
fn uuid() -> String {
    let random = fastrand::u128(..);
    let uuid = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{uuid:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_is_one_of_version_four() {
        for _ in 0..100 {
            let uuid = super::uuid();
            let parts: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}
