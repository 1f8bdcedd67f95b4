//! The kit as a program: against the relay, which must keep the promise, and against relays that do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it fails, and says how"
)]

mod relays;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Output};

use serde_json::Value;

use relays::{Behaviour, Running, as_program};

/// Seconds of patience: with a relay that loses something it is in vain, with any other one the end of a test that has failed.
fn patience(in_vain: bool) -> &'static str {
    if in_vain { "2" } else { "120" }
}

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdss-chaos"))
        .arg("run")
        .args(args)
        .env_remove("MDSS_SIM_API_KEY")
        .output()
        .unwrap()
}

/// What it found, and its exit status, which must fit.
fn found(args: &[&str]) -> (bool, Vec<Value>, Value) {
    let output = kit(&[args, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let ok = found["ok"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!ok)), "{found:#}\n{said}");
    if !ok {
        println!("{found:#}\n{said}");
    }
    (ok, found["rows"].as_array().unwrap().clone(), found["skipped"].clone())
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}"))
}

#[test]
fn the_promise_holds_through_every_fault() {
    let (ok, rows, skipped) =
        found(&["--cycles", "1", "--senders", "3", "--jobs", "8", "--patience", patience(false)]);
    assert!(ok, "{rows:#?}");
    // Two faults need what not every machine has; the rest can be injected anywhere.
    let skipped = skipped.as_array().unwrap();
    assert!(
        skipped.iter().all(|left_out| left_out["fault"] == "full-disk" || left_out["fault"] == "full-ledger"),
        "{skipped:?}"
    );
    assert_eq!(rows.len() + skipped.len(), 28, "{skipped:?}");
    for row in &rows {
        assert_eq!(number(row, "injected"), 1, "{row}");
        assert!(number(row, "acknowledged") > 0, "{row}");
        // A fault that nobody notices has not been injected.
        if matches!(row["fault"].as_str().unwrap(), "full-disk" | "full-spool") {
            assert!(number(row, "unanswered") >= 5, "{row}");
        }
    }
}

#[test]
fn the_promise_holds_through_kills_in_a_row() {
    let faults = ["--fault", "kill-relay", "--fault", "kill-mdss"];
    let (ok, rows, _) = found(
        &[&faults[..], &["--cycles", "8", "--senders", "4", "--jobs", "2", "--patience", patience(false)]]
            .concat(),
    );
    assert!(ok && rows.len() == 2, "{rows:#?}");
}

/// In direct mode nothing is on disk, and the sender's repetition is what keeps an event.
#[test]
fn the_promise_holds_in_direct_mode() {
    let faults =
        ["--fault", "kill-relay", "--fault", "kill-mdss", "--fault", "storm-401", "--fault", "full-disk"];
    let mode =
        ["--mode", "direct", "--cycles", "3", "--senders", "4", "--jobs", "3", "--patience", patience(false)];
    let (ok, rows, skipped) = found(&[&faults[..], &mode].concat());
    assert!(ok && rows.len() == 3, "{rows:#?}");
    assert_eq!(skipped[0]["fault"], "full-disk");
    // Nobody is told "done" while MDSS refuses.
    assert!(number(&rows[2], "unanswered") > 0, "{rows:#?}");
}

/// An oracle that cannot say no proves nothing.
#[test]
fn a_relay_that_breaks_the_promise_is_found_out() {
    let cases = [
        // What would be right: only MDSS's word is passed on.
        (Behaviour::Honest, "kill-relay", None),
        (Behaviour::Forgets, "none", Some("lost")),
        // It sends everything, later: only a kill shows it.
        (Behaviour::Remembers, "kill-relay", Some("lost")),
        (Behaviour::GivesUp, "storm-503", Some("lost")),
        (Behaviour::Invents, "none", Some("unissued")),
        (Behaviour::Doubles, "none", Some("duplicated")),
        (Behaviour::Refuses, "none", Some("fresh")),
    ];
    // All at a time: most of it is patience.
    std::thread::scope(|scope| {
        for (behaviour, fault, broken) in cases {
            scope.spawn(move || judge(behaviour, fault, broken));
        }
    });
}

fn judge(behaviour: Behaviour, fault: &str, broken: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let program = as_program(behaviour, dir.path());
    let relay = ["--relay", program.to_str().unwrap(), "--send", "mdss", "--fault", fault];
    let cycles = if fault == "kill-relay" { "10" } else { "3" };
    let patience = patience(matches!(broken, Some("lost" | "fresh")));
    let (ok, rows, _) = found(&[&relay[..], &["--cycles", cycles, "--patience", patience]].concat());
    let row = &rows[0];
    assert_eq!(ok, broken.is_none(), "{behaviour:?}: {row}");
    assert!(behaviour == Behaviour::Refuses || number(row, "acknowledged") > 0, "{behaviour:?}: {row}");
    for what in ["lost", "unissued"] {
        assert_eq!(number(row, what) > 0, broken == Some(what), "{behaviour:?}, {what}: {row}");
    }
    let excused = number(row, "duplicates_allowed");
    assert_eq!(number(row, "duplicated") > excused, broken == Some("duplicated"), "{behaviour:?}: {row}");
    // Who forgets can be right about nothing fresh.
    if broken != Some("lost") {
        assert_eq!(row["fresh"] == true, broken != Some("fresh"), "{behaviour:?}: {row}");
    }
}

#[test]
fn any_relay_can_be_tried_by_its_url() {
    let listen = free().to_string();
    let mdss = format!("http://{listen}{}", mdss_sim::WEBHOOK_PATH);
    for (behaviour, lost) in [(Behaviour::Honest, false), (Behaviour::Forgets, true)] {
        let running = Running::start(behaviour, &mdss);
        let url = running.url();
        let relay = ["--url", &url, "--listen", &listen, "--send", "mdss"];
        let faults =
            ["--fault", "none", "--fault", "storm-503", "--fault", "kill-mdss", "--fault", "kill-relay"];
        let more = ["--cycles", "2", "--patience", patience(lost)];
        let (ok, rows, skipped) = found(&[&relay[..], &faults, &more].concat());
        assert_eq!(ok, !lost, "{behaviour:?}: {rows:#?}");
        assert_eq!(rows.len(), 3, "{behaviour:?}: {rows:#?}");
        assert!(rows.iter().all(|row| (number(row, "lost") > 0) == lost), "{behaviour:?}: {rows:#?}");
        // Nobody knows how much a stranger has under way.
        assert!(rows.iter().all(|row| row["duplicates_allowed"].is_null()), "{behaviour:?}: {rows:#?}");
        assert_eq!(skipped[0]["fault"], "kill-relay", "{behaviour:?}: {skipped}");
        assert!(
            skipped[0]["why"].as_str().unwrap().contains("only a URL was given"),
            "{behaviour:?}: {skipped}"
        );
    }
}

/// The same for hostile senders: this one lets everybody in.
#[test]
fn a_relay_that_hostile_senders_harm_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let program = as_program(Behaviour::Forgets, dir.path());
    let output = Command::new(env!("CARGO_BIN_EXE_mdss-chaos"))
        .args(["attack", "--small", "--attack", "refusals", "--relay", program.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("| attack     | requests |") && text.contains("| HARM DONE |"), "{text}");
    assert!(text.contains("\nrefusals: a request that proves nothing was answered 204\n"), "{text}");
}

/// Below the ports that are given to whoever asks for any.
fn free() -> SocketAddr {
    let addresses = (14_000..15_000).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.into_iter().find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

#[test]
fn the_table_says_it_to_people() {
    let dir = tempfile::tempdir().unwrap();
    let program = as_program(Behaviour::Forgets, dir.path());
    let program = program.to_str().unwrap();
    let args = ["--relay", program, "--send", "mdss", "--fault", "none", "--cycles", "1", "--patience", "1"];
    let output = kit(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("| fault  | injected | issued |"), "{text}");
    assert!(text.contains("acknowledged objects never reached MDSS\n"), "{text}");
    assert!(text.contains("\nnone: for example chaos-"), "{text}");
}

#[test]
fn mistakes_end_with_2_and_start_nothing() {
    for (args, sentence) in [
        (&["--relay", "/nowhere"][..], "/nowhere is not a file; expected the relay"),
        (
            &["--url", "https://relay.example/", "--listen", "127.0.0.1:0"],
            "expected a URL beginning with http://",
        ),
        (&["--url", "http://relay.example/"], "--listen"),
        (&["--fault", "kill"], "invalid value 'kill'"),
        (&["--cycles", "1", "--seconds", "1"], "cannot be used with"),
        (&["--senders", "0"], "0 is not in 1..=1000"),
    ] {
        let output = kit(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
    }
}
