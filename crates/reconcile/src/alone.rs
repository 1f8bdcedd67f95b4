//! One comparison at a time: two of them would forward the same objects, and would write into one record.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::trouble::Trouble;

/// The file that a run holds a lock on, in the data directory.
const LOCK: &str = "reconcile.lock";

/// Whoever has this is alone. A process that dies lets go.
pub struct Alone(#[expect(dead_code, reason = "it is held, and let go when it is dropped")] File);

impl Alone {
    /// # Errors
    /// Somebody else compares just now, or the file cannot be made.
    pub fn take(dir: &Path) -> Result<Self, Trouble> {
        let path = dir.join(LOCK);
        let odd = |e: std::io::Error| Trouble::Other(format!("{}: {e}", path.display()));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(odd)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(Trouble::Other(format!("another comparison is under way in {}", dir.display())))
            }
            Err(TryLockError::Error(e)) => Err(odd(e)),
        }
    }
}
