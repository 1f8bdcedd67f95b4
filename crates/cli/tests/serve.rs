//! `make run`: what `.ci/serve` prints can be pasted, and does what it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use drive::{Process, Program};

const LIMIT: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// The script as it runs. It ends its children when it is asked to stop, not when it is killed.
struct Run(Process);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.signal("TERM");
        let end = Instant::now() + LIMIT;
        while Instant::now() < end && self.0.ended().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The script, with the binaries that stand beside the tool's.
fn script(more: &[(&str, &str)]) -> Program {
    let debug = Path::new(env!("CARGO_BIN_EXE_mdss-relay")).parent().unwrap();
    for binary in ["mdss-relay-http", "mdss-sim"] {
        assert!(debug.join(binary).exists(), "{binary} is not built: cargo build --workspace --bins");
    }
    Program::new("/bin/sh")
        .arg(".ci/serve")
        .current_dir(root())
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("CARGO_TARGET_DIR", debug.parent().unwrap())
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .envs(more.iter().copied())
}

/// The line that holds `part`, without what stands in front and behind.
async fn line(Run(process): &mut Run, part: &str) -> String {
    process.wait_for_line(part, LIMIT).await.unwrap().trim().to_owned()
}

async fn pasted(command: &str, wanted: &str) -> String {
    let end = Instant::now() + LIMIT;
    loop {
        let output = Command::new("sh").arg("-c").arg(command).current_dir(root()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains(wanted) {
            return said;
        }
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(Instant::now() < end, "{command}: expected {wanted:?}, found {said}{errors}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_an_endpoint_a_stand_in_plays_mdss_and_says_so() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let mut run = Run(script(&[]).start().unwrap());
    assert!(line(&mut run, "!!").await.contains("NOTHING IS SCANNED"));
    let directory = line(&mut run, "the events that wait").await.rsplit(' ').next().unwrap().to_owned();
    assert!(Path::new(&directory).join("spool.db").exists(), "{directory}");
    let curl = line(&mut run, "curl -sS").await;
    let find = line(&mut run, "what became").await;
    assert!(find.contains("See"), "{find}");
    let find = line(&mut run, "grep ").await;
    let list = line(&mut run, "spool --data-dir").await;

    pasted(&curl, r#""result":"spooled""#).await;
    pasted(&find, "mdss.correlation_id").await;
    let listed = Command::new("sh").arg("-c").arg(&list).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");

    run.0.signal("TERM").unwrap();
    assert!(run.0.wait(LIMIT).await.unwrap().success(), "{}", run.0.output());
    assert!(!Path::new(&directory).exists(), "a scratch folder is left: {directory}");
}

#[tokio::test]
async fn with_an_endpoint_it_is_the_real_thing_and_keeps_what_waits() {
    let kept = tempfile::tempdir().unwrap();
    let spool = kept.path().join("spool").display().to_string();
    let program = script(&[
        // Nobody is there.
        ("APIENDPOINT", "http://127.0.0.1:9"),
        ("APIKEY", "a-key"),
        ("STORAGECLIENTID", "00000000-0000-4000-8000-000000000002"),
        ("RELAY_DATA_DIR", &spool),
    ]);
    let mut run = Run(program.start().unwrap());
    assert!(line(&mut run, "the events that wait").await.ends_with(&spool));
    line(&mut run, "Ctrl-C").await;
    run.0.signal("TERM").unwrap();
    assert!(run.0.wait(LIMIT).await.unwrap().success());
    assert!(!run.0.output().contains("NOTHING IS SCANNED"), "{}", run.0.output());
    assert!(run.0.output().contains("make run goes on with them"), "{}", run.0.output());
    assert!(kept.path().join("spool/spool.db").exists());
}

#[tokio::test]
async fn a_mistake_in_the_settings_is_shown_and_ends_it() {
    let mut run = Run(script(&[("APIENDPOINT", "http://127.0.0.1:9")]).start().unwrap());
    assert!(!run.0.wait(LIMIT).await.unwrap().success());
    assert!(run.0.output().contains("APIKEY: "), "{}", run.0.output());
}
