//! `tail` as a person and a script use it, on lines as a relay writes them.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod tool;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What a relay writes: of records, of itself, and something of another program in between.
fn log() -> String {
    let line = |more: Value| {
        let mut line =
            json!({ "timestamp": "2026-11-21T18:57:00.123456Z", "level": "INFO", "mdss.item": "0" });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string()
    };
    [
        json!({ "timestamp": "2026-11-21T18:56:59Z", "level": "INFO", "message": "listening" }).to_string(),
        line(json!({ "message": "object accepted by MDSS", "faas.invocation_id": "minio-7", "faas.document.collection": "invoices",
            "faas.document.name": "in/a.pdf", "mdss.correlation_id": "64a0", "duration_ms": 12 })),
        line(json!({ "message": "event skipped", "faas.invocation_id": "minio-8", "faas.document.collection": "invoices",
            "faas.document.name": "tmp/\u{1b}[31mb.pdf", "mdss.reason": "not_selected", "mdss.detail": "no prefix" })),
        "a banner \u{9b}2J of a container".to_owned(),
        line(json!({ "message": "object not yet accepted by MDSS; the relay tries again", "faas.invocation_id": "jd-1", "faas.document.collection": "scans",
            "faas.document.name": "c.pdf", "mdss.lane": "unit-1", "mdss.reason": "mdss_timeout", "error.type": "mdss_timeout", "mdss.spool.state": "waiting" })),
        line(json!({ "message": "event is on disk, to be sent", "faas.invocation_id": "jd-2", "faas.document.collection": "scans", "faas.document.name": "d.pdf" })),
    ]
    .join("\n")
}

#[test]
fn records_are_shown_and_filtered() {
    let all = tool::run("tail", &[], &[], &log());
    assert_eq!(all.status, 0, "{}", all.stderr);
    insta::assert_snapshot!(all.stdout, @r"
    2026-11-21 18:56:59  info      listening
    2026-11-21 18:57:00  accepted  -                     invoices/in/a.pdf  12 ms  64a0
    2026-11-21 18:57:00  skipped   not_selected          invoices/tmp/\u001b[31mb.pdf  no prefix
    a banner \u009b2J of a container
    2026-11-21 18:57:00  waiting   mdss_timeout          scans/c.pdf
    2026-11-21 18:57:00  spooled   -                     scans/d.pdf
    ");
    assert!(all.stderr.contains("1 line was no JSON"), "{}", all.stderr);
    for (filter, keys) in [
        (&["--source", "minio"][..], &["in/a.pdf", "b.pdf"][..]),
        (&["--bucket", "inv*"], &["in/a.pdf", "b.pdf"]),
        (&["--key", "*.pdf", "--bucket", "scans"], &["c.pdf", "d.pdf"]),
        (&["--result", "accepted", "--result", "waiting"], &["in/a.pdf", "c.pdf"]),
        (&["--result", "spooled"], &["d.pdf"]),
        (&["--reason", "not_selected"], &["b.pdf"]),
        (&["--unit-id", "unit-1"], &["c.pdf"]),
        (&["--source", "nobody"], &[]),
    ] {
        let said = tool::run("tail", filter, &[], &log());
        let lines: Vec<_> = said.stdout.lines().collect();
        assert_eq!(lines.len(), keys.len(), "{filter:?}: {}", said.stdout);
        assert!(lines.iter().zip(keys).all(|(line, key)| line.contains(key)), "{filter:?}: {}", said.stdout);
        let json = tool::run("tail", &[filter, &["--json"]].concat(), &[], &log());
        let passed: Vec<Value> =
            json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(passed.len(), keys.len(), "{filter:?}");
    }
    let wrong = tool::run("tail", &["--reason", "mdss_timout"], &[], "");
    assert!(wrong.status == 2 && wrong.stderr.contains("is mdss_timeout meant?"), "{}", wrong.stderr);
    let missing = tool::run("tail", &["/nonexistent.log"], &[], "");
    assert!(missing.status == 2 && missing.stderr.contains("/nonexistent.log"), "{}", missing.stderr);
    let text = tool::run("tail", &["--result", "failed"], &[], "a line of text\n");
    assert!(text.stderr.contains("RELAY_LOG_FORMAT"), "{}", text.stderr);
}

#[test]
fn a_file_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.log");
    std::fs::write(&path, log() + "\n").unwrap();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
        .args(["tail", "--follow", "--lines", "1"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("scans/d.pdf"));
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    writeln!(file, "{}", log().lines().nth(1).unwrap()).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("invoices/in/a.pdf"));
    tail.kill().unwrap();
    tail.wait().unwrap();
}

/// No journal is here; a stand-in says what it is asked for.
#[test]
fn a_units_journal_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("journalctl");
    let script = format!("#!/bin/sh\necho \"$*\"\ncat <<'END'\n{}\nEND\n", log());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let said = tool::run("tail", &["--unit", "mdss-relay-http"], &[("PATH", &path)], "");
    assert_eq!(said.status, 0, "{}", said.stderr);
    let first = said.stdout.lines().next().unwrap();
    assert_eq!(first, "--unit mdss-relay-http --output cat --no-pager --lines 10 --follow");
    assert!(said.stdout.contains("invoices/in/a.pdf"), "{}", said.stdout);
    let none = tool::run("tail", &["--unit", "mdss-relay-http"], &[("PATH", "/nonexistent")], "");
    assert!(none.status == 2 && none.stderr.contains("journalctl cannot be started"), "{}", none.stderr);
}
