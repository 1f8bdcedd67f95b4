//! What was done to a file ends no process without a word. (A mapped file that was cut: `crates/spool/tests/sqlite/mapped.rs`.)

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, which clippy takes for production code; a child talks to its parent by its output"
)]

use std::path::Path;
use std::process::{Command, Output};

use mdss_relay_host::Writing;

const DIR: &str = "FAULTS_TEST_DIR";

/// This test binary once more, with one of the programs below; `shell` comes before it.
fn run(program: &str, dir: &Path, shell: &str) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", program, "--nocapture", "--quiet"])
        .env(DIR, dir)
        .output()
        .unwrap()
}

#[test]
fn a_file_that_may_not_grow_is_an_error_of_the_write() {
    for (program, ends) in [("writes_too_much", true), ("writes_too_much_unwatched", false)] {
        let dir = tempfile::tempdir().unwrap();
        let output = run(program, dir.path(), "ulimit -f 8;");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), ends, "{program}: {:?}", output.status);
        assert_eq!(said.contains("FileTooLarge"), ends, "{program}: {said}");
    }
}

fn dir() -> std::path::PathBuf {
    std::env::var_os(DIR).unwrap().into()
}

fn watch() {
    let logs = mdss_relay_host::logs("info", Writing::Queued).unwrap();
    mdss_relay_host::faults("a file was cut; start again", &logs).unwrap();
}

fn write_too_much() {
    let written = std::fs::write(dir().join("x"), vec![0; 100_000]);
    println!("{:?}", written.map_err(|e| e.kind()));
}

#[test]
#[ignore = "the child of another test"]
fn writes_too_much() {
    watch();
    write_too_much();
}

#[test]
#[ignore = "the child of another test"]
fn writes_too_much_unwatched() {
    write_too_much();
}
