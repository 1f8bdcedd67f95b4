//! Hostile senders against the relay as a process, with fewer requests than `make attack` has.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails, and says how")]

use std::process::{Command, Output};

use serde_json::Value;

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdss-chaos")).arg("attack").args(args).output().unwrap()
}

#[test]
fn every_attack_is_withstood() {
    let output = kit(&["--small", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(output.status.code(), Some(0), "{found:#}\n{said}");
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 11, "{found:#}");
    for row in rows {
        // Whoever has sent nothing, or served nobody, has proved nothing.
        for number in ["requests", "peak_mb", "served"] {
            assert!(row[number].as_u64().unwrap() > 0, "{number}: {row:#}");
        }
    }
}

#[test]
fn mistakes_end_with_2_and_start_nothing() {
    for (args, sentence) in [
        (&["--relay", "/nowhere"][..], "/nowhere is not a file; expected the relay"),
        (&["--attack", "all"], "invalid value 'all'"),
        (&["--mode", "both"], "invalid value 'both'"),
    ] {
        let output = kit(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
    }
}
