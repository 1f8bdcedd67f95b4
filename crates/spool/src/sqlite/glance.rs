//! What the bytes of a spool say of it, without opening it as a database: opening it brings it to today's version, and makes files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::connect::{FILE, with_tail};
use super::room::RESERVE;
use super::salvage::DAMAGED;
use super::schema::{APPLICATION_ID, NEWEST};
use crate::trouble::{Trouble, TroubleKind};

/// Beginning of a database, and where its header has two numbers of four bytes, big end first
/// (<https://www.sqlite.org/fileformat2.html>, 1.3, "The Database Header").
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER: usize = 100;
const USER_VERSION: usize = 60;
const APPLICATION: usize = 68;

/// Bytes before the first page of a log, and before each (same page, 4.1, "WAL File Format").
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What can be seen of the spool of a data directory without opening it. Nothing is written, locked or brought to another version.
#[derive(Debug)]
pub struct Glance {
    /// The version of its tables; `None` if there is no spool yet. Or why it cannot be told, or not be opened: of the kind
    /// [`TroubleKind::Foreign`] if it is another program's, or of a later version.
    pub version: Result<Option<i64>, Trouble>,
    /// The bytes of its file.
    pub bytes: u64,
    /// Files that were set aside as damaged, with their bytes, by name. Without the right to read the directory there are none.
    pub set_aside: Vec<(PathBuf, u64)>,
}

impl Glance {
    /// The version that this program writes, and brings older ones to.
    pub const NEWEST: i64 = NEWEST;

    /// Free bytes of the disk that are not for events: what is stored must be able to leave.
    pub const RESERVE: u64 = RESERVE;

    pub(crate) fn of(dir: &Path) -> Self {
        let path = dir.join(FILE);
        let bytes = std::fs::metadata(&path).map_or(0, |found| found.len());
        let begin = format!("{FILE}{DAMAGED}");
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut set_aside: Vec<_> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin))
            .map(|entry| (entry.path(), entry.metadata().map_or(0, |found| found.len())))
            .collect();
        set_aside.sort();
        Self { version: version(&path), bytes, set_aside }
    }
}

fn version(path: &Path) -> Result<Option<i64>, Trouble> {
    let unreadable =
        |e: std::io::Error| Trouble::new(TroubleKind::Unwritable, format!("{}: {e}", path.display()));
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, 0) {
        // It was made just now, and has nothing in it.
        Err(e)
            if e.kind() == ErrorKind::UnexpectedEof
                && file.metadata().is_ok_and(|found| found.len() == 0) => {}
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(no_database(path)),
        read => read.map_err(unreadable)?,
    }
    // The log has what was written last.
    if let Some(newer) = in_log(&with_tail(path, "-wal")).map_err(unreadable)? {
        header = newer;
    }
    if header == [0; HEADER] {
        return Ok(None);
    }
    if !header.starts_with(MAGIC) {
        return Err(no_database(path));
    }
    let foreign =
        |what: String| Err(Trouble::new(TroubleKind::Foreign, format!("{}: {what}", path.display())));
    match (number(&header, APPLICATION), i64::from(number(&header, USER_VERSION))) {
        (0, 0) => Ok(None),
        (APPLICATION_ID, version) if version > NEWEST => foreign(format!(
            "tables of version {version}, which a later mdss-relay has made; this one knows up to {NEWEST}"
        )),
        (APPLICATION_ID, version) => Ok(Some(version)),
        (other, _) => foreign(format!("the database of another program (application id {other:#x})")),
    }
}

/// The header on the first page of the database, as the last commit in its log has left it.
fn in_log(path: &Path) -> std::io::Result<Option<[u8; HEADER]>> {
    let mut log = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        log => log?,
    };
    let mut header = [0; LOG_HEADER];
    if log.read(&mut header)? < LOG_HEADER {
        return Ok(None);
    }
    let size = usize::try_from(number(&header, 8)).unwrap_or(0);
    if !(512..=65_536).contains(&size) {
        return Ok(None);
    }
    let (mut frame, mut page) = ([0; FRAME_HEADER], [0; HEADER]);
    let (mut written, mut committed) = (None, None);
    let mut at = LOG_HEADER as u64;
    // Frames with other salts are left of a log that was begun anew.
    while log.read_exact_at(&mut frame, at).is_ok() && frame[8..16] == header[16..24] {
        if number(&frame, 0) == 1 && log.read_exact_at(&mut page, at + FRAME_HEADER as u64).is_ok() {
            written = Some(page);
        }
        if number(&frame, 4) != 0 {
            committed = written;
        }
        at += (FRAME_HEADER + size) as u64;
    }
    Ok(committed)
}

fn no_database(path: &Path) -> Trouble {
    let detail =
        format!("{}: no SQLite database; the relay sets it aside and begins a new one", path.display());
    Trouble::new(TroubleKind::Damaged, detail)
}

/// Four bytes, big end first. Callers ask inside of their arrays.
fn number(bytes: &[u8], at: usize) -> i32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, i32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::schema::migrate;
    use super::*;

    /// A database that somebody has open in WAL mode, so that what is written stays in the log.
    fn open(dir: &Path) -> Connection {
        let db = Connection::open(dir.join(FILE)).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db
    }

    fn set(db: &Connection, application: i32, version: i64) {
        db.pragma_update(None, "application_id", application).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
    }

    #[test]
    fn the_version_is_that_of_the_last_commit_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let seen = || Glance::of(dir.path()).version;
        assert_eq!(seen(), Ok(None));
        std::fs::write(dir.path().join(FILE), "").unwrap();
        assert_eq!(seen(), Ok(None));
        let mut db = open(dir.path());
        migrate(&mut db).unwrap();
        let log = dir.path().join("spool.db-wal");
        assert!(std::fs::metadata(&log).unwrap().len() > 0);
        assert_eq!(seen(), Ok(Some(NEWEST)), "in the log");
        db.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
        assert_eq!(seen(), Ok(Some(NEWEST)), "in the file");
        // A log that is begun anew has the frames of the one before behind its own.
        for version in [1, 2, 1] {
            set(&db, APPLICATION_ID, version);
            assert_eq!(seen(), Ok(Some(version)));
            db.query_row("PRAGMA wal_checkpoint(restart)", [], |_| Ok(())).unwrap();
        }
        set(&db, APPLICATION_ID, NEWEST + 1);
        let trouble = seen().unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Foreign, "{trouble}");
        drop(db);
        assert_eq!(seen().unwrap_err(), trouble, "closed");
    }

    #[test]
    fn what_is_no_spool() {
        let dir = tempfile::tempdir().unwrap();
        let kind = || Glance::of(dir.path()).version.unwrap_err().kind;
        for text in ["x".repeat(99), "x".repeat(5000)] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(kind(), TroubleKind::Damaged);
        }
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert_eq!(kind(), TroubleKind::Unwritable);
        std::fs::remove_dir(dir.path().join(FILE)).unwrap();
        set(&open(dir.path()), 7, 1);
        assert_eq!(kind(), TroubleKind::Foreign);
        std::fs::write(dir.path().join("spool.db.damaged-2"), "12").unwrap();
        std::fs::write(dir.path().join("spool.db.damaged-1-wal"), "1").unwrap();
        let names = [("spool.db.damaged-1-wal", 1), ("spool.db.damaged-2", 2)];
        assert_eq!(
            Glance::of(dir.path()).set_aside,
            names.map(|(name, bytes)| (dir.path().join(name), bytes))
        );
    }

    #[test]
    fn a_log_that_is_cut_anywhere_makes_it_neither_panic_nor_invent() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = open(dir.path());
        migrate(&mut db).unwrap();
        let log = std::fs::read(dir.path().join("spool.db-wal")).unwrap();
        let (cut, file) = (tempfile::tempdir().unwrap(), std::fs::read(dir.path().join(FILE)).unwrap());
        std::fs::write(cut.path().join(FILE), file).unwrap();
        for end in (0..log.len()).step_by(97) {
            std::fs::write(cut.path().join("spool.db-wal"), &log[..end]).unwrap();
            let version = Glance::of(cut.path()).version.unwrap();
            assert!(version.is_none_or(|version| (1..=NEWEST).contains(&version)), "{end}: {version:?}");
        }
    }
}
