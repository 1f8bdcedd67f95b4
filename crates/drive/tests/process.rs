//! `Program` and `Process`, with the shell as the program.

#![expect(clippy::unwrap_used, reason = "tests may; clippy knows only #[test] functions as such")]

use std::path::Path;
use std::time::{Duration, Instant};

use drive::{DriveError, Process, Program};

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);

fn shell(script: &str) -> Process {
    Program::new("/bin/sh").args(["-c", script]).start().unwrap()
}

#[tokio::test]
async fn the_environment_holds_what_was_put_in_and_nothing_else() {
    let mut process =
        Program::new("/usr/bin/env").env("A", "1").envs([("B", "2".to_owned())]).start().unwrap();
    assert!(process.wait(SOON).await.unwrap().success());
    assert_eq!(process.stdout(), "A=1\nB=2\n");

    let mut process = Program::new("/usr/bin/env").env("A", "1").inherit_env().start().unwrap();
    process.wait(SOON).await.unwrap();
    assert!(process.stdout().contains("PATH=") && process.stdout().contains("A=1\n"), "{}", process.stdout());
}

#[tokio::test]
async fn both_streams_are_captured_to_the_end() {
    let mut process = shell("echo out; echo err >&2; printf 'no newline'; exit 3");
    assert_eq!(process.wait(SOON).await.unwrap().code(), Some(3));
    assert_eq!(process.stdout(), "out\nno newline");
    assert_eq!(process.stderr(), "err\n");
    assert_eq!(process.output(), "out\nno newlineerr\n");
}

#[tokio::test]
async fn a_line_is_waited_for_on_either_stream() {
    let mut process = shell("echo early; echo 'it is ready now' >&2; exec sleep 60");
    assert_eq!(process.wait_for_line("ready", SOON).await.unwrap(), "it is ready now");
    assert_eq!(process.wait_for_line("early", SOON).await.unwrap(), "early");
}

#[tokio::test]
async fn half_a_line_is_no_line_but_is_seen() {
    let mut process = shell("printf s3cret; exec sleep 60");
    let error = process.wait_for_line("s3cret", BRIEFLY).await.unwrap_err();
    assert!(matches!(&error, DriveError::Waited { output, .. } if output == "s3cret"), "{error:?}");
    assert_eq!(process.output(), "s3cret");
}

#[tokio::test]
async fn the_last_line_needs_no_newline() {
    let mut process = shell("printf last");
    assert_eq!(process.wait_for_line("last", SOON).await.unwrap(), "last");
}

#[tokio::test]
async fn a_line_that_cannot_come_any_more_is_not_waited_for() {
    let started = Instant::now();
    let error = shell("echo sorry; exit 2").wait_for_line("ready", SOON).await.unwrap_err();
    assert!(matches!(&error, DriveError::Ended { output, .. } if output == "sorry\n"), "{error:?}");
    assert!(started.elapsed() < SOON);
}

#[tokio::test]
async fn a_process_that_prints_a_lot_does_not_stand_still() {
    let mut process = shell("i=0; while [ $i -lt 3000 ]; do printf '%01000d\n' $i; i=$((i+1)); done");
    assert!(process.wait(SOON).await.unwrap().success());
    assert_eq!(process.stdout().len(), 3000 * 1001);
}

#[tokio::test]
async fn a_path_is_waited_for_until_something_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("published");
    // A link to nothing first, as a socket's name may be for a moment.
    let script =
        format!("cd {}; ln -s real published; sleep 0.2; : > real; exec sleep 60", dir.path().display());
    let started = Instant::now();
    shell(&script).wait_for_path(&path, SOON).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));

    let error = shell("exit 2").wait_for_path(dir.path().join("never"), SOON).await.unwrap_err();
    assert!(matches!(&error, DriveError::Ended { status: Some(s), .. } if s.code() == Some(2)), "{error:?}");
    let error = shell("exec sleep 60").wait_for_path(dir.path().join("never"), BRIEFLY).await.unwrap_err();
    assert!(matches!(error, DriveError::Waited { .. }), "{error:?}");
}

#[tokio::test]
async fn a_signal_reaches_the_process() {
    let mut process = shell("trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    process.wait_for_line("ready", SOON).await.unwrap();
    process.signal("TERM").unwrap();
    assert_eq!(process.wait(SOON).await.unwrap().code(), Some(7));
    assert_eq!(process.stdout(), "ready\nasked\n");

    // Its number may be somebody else's by now.
    let error = process.signal("TERM").unwrap_err();
    assert!(matches!(error, DriveError::Ended { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_signal_is_refused() {
    let mut process = shell("exec sleep 60");
    for name in ["", "TERM; rm", "-9", "term"] {
        assert!(matches!(process.signal(name), Err(DriveError::Usage(_))), "{name:?}");
    }
    assert!(matches!(process.signal("NOSUCH"), Err(DriveError::Process { .. })));
}

#[tokio::test]
async fn a_process_that_goes_on_is_not_waited_for_longer() {
    let mut process = shell("echo busy; exec sleep 60");
    let error = process.wait(BRIEFLY).await.unwrap_err();
    assert!(matches!(error, DriveError::Waited { .. }), "{error:?}");
}

#[tokio::test]
async fn dropping_it_kills_it() {
    let mut process = shell("trap '' TERM INT HUP; echo ready; while :; do sleep 0.01; done");
    process.wait_for_line("ready", SOON).await.unwrap();
    let proc = format!("/proc/{}", process.id());
    assert!(Path::new(&proc).exists());
    drop(process);
    assert!(!Path::new(&proc).exists());
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_pipes_does_not_hold_up_the_end() {
    let started = Instant::now();
    let mut process = shell("sleep 20 & echo done");
    assert!(process.wait(SOON).await.unwrap().success());
    assert_eq!(process.stdout(), "done\n");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn what_cannot_be_started_is_named() {
    let error = Program::new("/nowhere/at/all").start().unwrap_err();
    assert_eq!(error.to_string(), "cannot start /nowhere/at/all");
}
