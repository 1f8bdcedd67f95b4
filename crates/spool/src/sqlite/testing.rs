//! What the unit tests of this folder share.

use rusqlite::Connection;

use super::connect::{FILE, connect, create, ours};
use super::schema::migrate;

/// A new file of today's version.
pub(super) fn file() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    create(&path).unwrap();
    let mut db = connect(&path).unwrap();
    migrate(&mut db).unwrap();
    ours(&db).unwrap();
    (dir, db)
}
