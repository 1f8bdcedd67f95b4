//! Google's own Functions Framework decodes the fixtures of CloudEvents and of functions of the first generation: what it hands
//! to a function is what the relay reads, so the shapes are not of our own invention. `.ci/functions-framework` installs it.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn what_a_function_is_given_is_what_the_relay_reads() {
    let root = root();
    let python = root.join("target/functions-framework/bin/python");
    let works = Command::new(&python).args(["-c", "import functions_framework"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !drive::available("functions-framework", works).unwrap() {
        return;
    }
    let mut fixtures: Vec<_> = std::fs::read_dir(root.join("events/gcs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            let kind = name.starts_with("eventarc") || name.starts_with("function");
            // A push of Pub/Sub becomes another event there, and a bare body has no media type to tell it by.
            kind && !name.ends_with(".want.json") && !name.contains("pubsub") && !name.contains("bare")
        })
        .collect();
    fixtures.sort();
    assert!(fixtures.len() > 8, "{fixtures:?}");
    let script = root.join("crates/cli/tests/decode_events.py");
    let output = Command::new(&python).arg(script).args(&fixtures).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), fixtures.len(), "{}", String::from_utf8_lossy(&output.stderr));
    for (fixture, line) in fixtures.iter().zip(lines) {
        let want = std::fs::read_to_string(fixture.with_extension("want.json")).unwrap();
        let want: Value = serde_json::from_str(&want).unwrap();
        let (record, seen) = (&want["records"][0], &line["seen"][0]);
        let read = (&record["event_name"], &record["bucket"], &record["key"]);
        let given = (&seen["type"], &seen["data"]["bucket"], &seen["data"]["name"]);
        assert_eq!(read, given, "{}: {line}", fixture.display());
    }
}
