//! The accepted objects in a file, for whoever must know them after the stand-in was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

/// One line of JSON an object, written before the answer leaves: what a client has heard is in the file, however the
/// process ends. Nothing is synced: the file outlives the process, not the machine.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    /// Opens the file, or makes it; what is in it stays.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("journal {}: {e}", path.display()));
        Self::open_at(path).map_err(named)
    }

    fn open_at(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // Half a line is an object that was being accepted when the process was killed. It never was.
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Self(Mutex::new(file)))
    }

    /// Writes one object down.
    pub(crate) fn write(&self, storage_client_id: &str, key: &str, correlation_id: &str) -> io::Result<()> {
        let line =
            json!({ "storage_client_id": storage_client_id, "key": key, "correlation_id": correlation_id });
        // One call a line: a kill leaves it whole or not at all, but for one that crosses a page of the file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(format!("{line}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_on_behind_what_a_kill_has_left() {
        for (before, want) in [
            ("", "\"k\"\n"),
            ("{\"key\":\"a\"}\n", "{\"key\":\"a\"}\n\"k\"\n"),
            ("{\"key\":\"a\"}\n{\"ke", "{\"key\":\"a\"}\n{\"ke\n\"k\"\n"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal");
            std::fs::write(&path, before).unwrap();
            Journal::open(&path).unwrap().write("u", "k", "c").unwrap();
            let line = r#"{"correlation_id":"c","key":"k","storage_client_id":"u"}"#;
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, want.replace("\"k\"", line), "{before:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Journal::open(Path::new("/nowhere/journal")).unwrap_err();
        assert!(error.to_string().starts_with("journal /nowhere/journal: "), "{error}");
    }
}
