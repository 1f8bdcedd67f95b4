//! SQLite maps the index of its log into memory. Whoever cuts that file under a process ends it, but not without a line.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use mdss_relay_host::{Stream, Writing};

const DIR: &str = "SPOOL_TEST_DIR";

#[test]
fn a_mapped_file_that_was_cut_ends_the_process_with_a_sentence() {
    for (program, code) in [("reads_what_was_cut", Some(1)), ("reads_what_was_cut_unwatched", None)] {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", &format!("mapped::{program}"), "--nocapture", "--quiet"])
            .env(DIR, dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), code, "{program}: {:?} {said}", output.status.signal());
        let lines: Vec<_> = said.lines().filter(|line| line.contains("\"ERROR\"")).collect();
        assert_eq!(lines.len(), usize::from(code.is_some()), "{program}: {said}");
        assert!(lines.iter().all(|line| line.contains("a file was cut; start again")), "{program}: {said}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("has read"), "{program}");
    }
}

fn read_what_was_cut() {
    let dir = std::env::var(DIR).unwrap();
    let dir = Path::new(&dir);
    let db = rusqlite::Connection::open(dir.join("x.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE a (x); INSERT INTO a VALUES (1)").unwrap();
    let index = std::fs::OpenOptions::new().write(true).open(dir.join("x.db-shm")).unwrap();
    index.set_len(0).unwrap();
    let _ = db.query_row("SELECT count(*) FROM a", [], |_| Ok(()));
    std::io::Write::write_all(&mut std::io::stdout(), b"has read\n").unwrap();
}

#[test]
#[ignore = "the child of another test"]
fn reads_what_was_cut() {
    let logs = mdss_relay_host::logs("info", Writing::Queued).unwrap();
    mdss_relay_host::faults("a file was cut; start again", &logs).unwrap();
    read_what_was_cut();
}

#[test]
#[ignore = "the child of another test"]
fn reads_what_was_cut_unwatched() {
    let _logs = mdss_relay_host::logs("info", Writing::Direct(Stream::Stderr)).unwrap();
    read_what_was_cut();
}
