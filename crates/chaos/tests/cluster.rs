//! Each row with several relays once, where PostgreSQL is installed. `make cluster` plays them for longer.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails, and says how")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdss-chaos")).arg("cluster").args(args).output().unwrap()
}

#[test]
fn the_promise_holds_with_several_relays() {
    if postgres_rig::binaries().unwrap().is_none() {
        return;
    }
    // Most of it is waiting for leases to end.
    let output = kit(&["--cycles", "1", "--senders", "3", "--jobs", "8", "--patience", "120", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(output.status.code(), Some(0), "{found:#}\n{said}");
    let (rows, skipped) = (found["rows"].as_array().unwrap(), found["skipped"].as_array().unwrap());
    assert_eq!(rows.len() + skipped.len(), 21, "{found:#}");
    // One needs another build of the relay; what it can find out with one build is `settings-differ`, which is never passed over. The others need what not every machine has, and the CI installs.
    let required = std::env::var("REQUIRE_TOOLS").unwrap_or_default();
    for row in skipped {
        let tool = match row["fault"].as_str().unwrap() {
            "upgrade" => continue,
            "restart-pooler" => "pgbouncer",
            "clock-skew" => "faketime",
            "full-disk" | "full-ledger" => "unshare",
            other => panic!("{other}: {row}"),
        };
        assert!(!required.split_whitespace().any(|name| name == tool), "{row}");
    }
    for row in rows {
        assert_eq!(row["injected"], 1, "{row:#}");
        assert!(row["acknowledged"].as_u64().unwrap() > 0, "{row:#}");
    }
}

#[test]
fn mistakes_end_with_2_and_start_nothing() {
    for (args, sentence) in [
        (&["--relay", "/nowhere"][..], "/nowhere is not a file; expected a relay"),
        (&["--tool", "/nowhere"], "/nowhere is not a file; expected the operator's tool"),
        (&["--row", "kill"], "invalid value 'kill'"),
        (&["--replicas", "1"], "1 is not in 2..=8"),
    ] {
        let output = kit(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
    }
}

/// Otherwise nobody would notice before `make cluster` builds them.
#[test]
fn the_builds_that_must_be_found_out_can_be_made() {
    let works = Command::new("patch").arg("--version").stdout(Stdio::null()).status();
    if !drive::available("patch", works.is_ok_and(|status| status.success())).unwrap() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let patches: Vec<PathBuf> =
        std::fs::read_dir("broken").unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(patches.len(), 12, "{patches:?}");
    for patch in patches {
        let output = Command::new("patch")
            .args(["--dry-run", "--strip=1", "--force", "--input"])
            .arg(std::path::absolute(&patch).unwrap())
            .current_dir(&root)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {said}", patch.display());
    }
}
