//! `ledger`: what the tool shows of a ledger, and what it changes, by its process.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod tool;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mdss_relay_ledger::{Database, Fact, Kind, Ledger, Moment, Options, Origin, OutboxId, Place, ScanResult};
use serde_json::Value;
use tool::Said;

const START: i64 = 1_795_000_000_000;

/// An accepted write of a bucket.
fn write(n: i64, key: &str) -> (OutboxId, Fact) {
    let at = |more: i64| Some(Moment::from_millis(START + n * 1000 + more));
    let fact = Fact {
        source: Some("minio".into()),
        dialect: Some("minio".into()),
        bucket: Some("invoices".into()),
        unit: Some("0c5454e3".into()),
        key: Some(key.as_bytes().to_vec()),
        version: Some(format!("v{n}")),
        etag: Some(format!("{n:032x}")),
        size: Some(1024),
        event_time: at(0),
        received_time: at(40),
        attempts: Some(1),
        correlation_id: Some(format!("{n:024x}")),
        origin: Some(Origin::Event),
        ..Fact::new(Kind::Accepted, Moment::from_millis(START + n * 1000 + 90))
    };
    (OutboxId(n), fact)
}

/// A ledger of a relay that has gone.
async fn filled(dir: &Path, facts: Vec<(OutboxId, Fact)>) {
    let ledger = Ledger::open(&Place::Directory(dir.into()), Options::default()).await.unwrap();
    ledger.append(facts).await.unwrap();
    let result = ScanResult {
        about: vec![1],
        file_id: Some("0198f02f-0000-7000-8000-000000000001".into()),
        result: Some("No Threat Detected".into()),
        file_state: Some("Allowed".into()),
        scan_time: Some(Moment::from_millis(START + 9000)),
        confidence: Some("path".into()),
        detail: Some(r#"{"CoreScanResult":"No Threat Detected","WorkflowName":"Uploads"}"#.into()),
    };
    ledger.result(result).await.unwrap();
}

async fn three(dir: &Path) {
    let facts = vec![write(1, "a b+c%20.pdf"), write(2, "a b+c%20.pdf"), write(3, "=cmd|'/c calc'!A0")];
    filled(dir, facts).await;
}

fn tool(dir: &Path, arguments: &[&str]) -> Said {
    let dir = dir.to_str().unwrap();
    let arguments: Vec<&str> = [arguments, &["--data-dir", dir]].concat();
    tool::run("ledger", &arguments, &[("USER", "anna")], "")
}

fn lines(said: &Said) -> Vec<Value> {
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn l1_an_object_is_shown_with_every_write() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let said = tool(dir.path(), &["show", "invoices", "a b+c%20.pdf"]);
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    for want in [
        "invoices/a b+c%20.pdf: 2 writes accepted, 1 with a result",
        "entry 1: accepted 2026-11-18T11:06:41.090Z",
        "version v1, etag 00000000000000000000000000000001, size 1024 bytes, unit 0c5454e3, origin event",
        "accepted 2026-11-18T11:06:41.090Z after 1 request, correlation 000000000000000000000001",
        "scanned 2026-11-18T11:06:49.000Z: No Threat Detected (Allowed), file 0198f02f-0000-7000-8000-000000000001, matched by path, CoreScanResult: No Threat Detected, WorkflowName: Uploads",
        "no result received",
    ] {
        assert!(said.stdout.contains(want), "{want}\n{}", said.stdout);
    }
    let all = lines(&tool(dir.path(), &["show", "invoices", "a b+c%20.pdf", "--json"]));
    assert_eq!((all.len(), &all[0]["key"], &all[1]["scanned"]), (2, &"a b+c%20.pdf".into(), &Value::Null));
    assert_eq!(all[0]["scanned"]["confidence"], "path");
    assert_eq!(all[0]["scanned"]["detail"]["WorkflowName"], "Uploads");
    let said = tool(dir.path(), &["show", "invoices", "nothing"]);
    assert_eq!((said.status, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("no proof that MDSS was not told"), "{}", said.stderr);
}

#[tokio::test]
async fn l1_of_an_object_that_was_written_too_often_the_newest_are_shown_and_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), (1..=1001).map(|n| write(n, "often")).collect()).await;
    let said = tool(dir.path(), &["show", "invoices", "often"]).stdout;
    assert!(said.starts_with("invoices/often: 1000 writes accepted, 0 with a result\n"), "{said:.200}");
    assert!(said.contains("the 1000 newest entries; `ledger export` has all"), "{said:.200}");
    assert!(said.contains("version v1001,") && !said.contains("version v1,"), "{said:.200}");
}

#[tokio::test]
async fn l2_what_has_no_result_is_listed_with_how_sure_that_is() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let said = tool(dir.path(), &["unscanned", "--older", "1h", "--limit", "1"]);
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    assert!(said.stdout.contains("this is no proof that it has not scanned"), "{}", said.stdout);
    assert!(said.stdout.contains("the oldest 1 of 2"), "{}", said.stdout);
    let all = lines(&tool(dir.path(), &["unscanned", "--json"]));
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0]["seq"], &all[1]["seq"]), (&2.into(), &3.into()));
    assert_eq!((&all[2]["open"], &all[2]["sure"]), (&2.into(), &"told_only".into()));
    let none = tool(dir.path(), &["unscanned", "--unit", "other"]);
    assert!(none.stdout.starts_with("nothing: a result is known"), "{}", none.stdout);
    // Two wait for theirs, and are younger than that.
    let none = tool(dir.path(), &["unscanned", "--older", "9999d"]);
    assert_eq!(none.stdout, "nothing accepted longer ago than 9999d is without a result\n");
    let none = tool(dir.path(), &["resend", "--unconfirmed", "--older", "9999d"]);
    assert_eq!(none.status, 1);
    assert!(
        none.stderr.contains("nothing accepted longer ago than 9999d is without a result"),
        "{}",
        none.stderr
    );
    let none = tool(dir.path(), &["resend", "--older", "9999d"]);
    assert!(
        none.stderr.contains("nothing accepted longer ago than 9999d is known to be never"),
        "{}",
        none.stderr
    );
}

#[tokio::test]
async fn l8_l9_l10_an_intact_ledger_is_one_and_a_changed_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let checkpoint = tool(dir.path(), &["checkpoint"]);
    assert!(
        checkpoint.stdout.starts_with("mdss-relay-checkpoint:1:"),
        "{} {}",
        checkpoint.stdout,
        checkpoint.stderr
    );
    let again = tool(dir.path(), &["checkpoint"]);
    assert_eq!(again.stdout, checkpoint.stdout, "nothing has happened since");
    let kept = dir.path().join("kept.txt");
    // As a log has it.
    std::fs::write(
        &kept,
        format!("{{\"message\":\"signed\",\"checkpoint\":\"{}\"}}\n", checkpoint.stdout.trim()),
    )
    .unwrap();
    let kept = kept.to_str().unwrap();
    let said = tool(dir.path(), &["verify", "--checkpoint", kept]);
    assert_eq!(said.status, 0, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.ends_with("intact\n") && said.stdout.contains("1 checkpoint fits"),
        "{}",
        said.stdout
    );

    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    assert_eq!(db.execute("UPDATE entry SET version = 'v9' WHERE seq = 2", []).unwrap(), 1);
    drop(db);
    let said = tool(dir.path(), &["verify"]);
    assert_eq!(said.status, 1);
    assert!(said.stdout.contains("NOT INTACT: 1 thing does not fit\n  entry 2: "), "{}", said.stdout);
    let all = lines(&tool(dir.path(), &["verify", "--json"]));
    assert_eq!((&all[0]["intact"], &all[0]["faults"][0]["seq"]), (&false.into(), &2.into()));

    let empty = dir.path().join("empty");
    std::fs::write(&empty, "nothing").unwrap();
    let said = tool(dir.path(), &["verify", "--checkpoint", empty.to_str().unwrap()]);
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("expected a checkpoint"), "{}", said.stderr);
}

/// Somebody else's program, with nothing of ours, comes to the same hashes.
#[tokio::test]
async fn l11_an_export_is_verified_by_sixty_lines_of_python() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("kept.txt"), tool(dir.path(), &["checkpoint"]).stdout).unwrap();
    let said = tool(dir.path(), &["export", "--output", &at("all.jsonl")]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let python = |file: &str| {
        let script = tool::root().join("crates/ledger/tests/verify_export.py");
        let output = Command::new("python3").arg(script).args([file, &at("kept.txt")]).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(all).unwrap())
    };
    let (status, text) = python(&at("all.jsonl"));
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("intact"), "{text}");

    let all = std::fs::read_to_string(at("all.jsonl")).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    let swapped: Vec<&str> = [&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat();
    let missing: Vec<&str> = [&lines[..2], &lines[3..]].concat();
    let cut = &lines[..lines.len() - 1];
    let changed = all.replace("\"v2\"", "\"v9\"");
    let result = all.replace("No Threat Detected", "Infected");
    for wrong in [changed, result, swapped.join("\n"), missing.join("\n"), cut.join("\n")] {
        assert_ne!(wrong, all);
        std::fs::write(at("wrong.jsonl"), wrong).unwrap();
        let (status, text) = python(&at("wrong.jsonl"));
        assert_eq!(status, 1, "{text}");
    }
}

/// An auditor with the script has both chains, and what holds them together.
#[tokio::test]
async fn a_key_is_replaced_and_an_auditor_can_follow_it() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let signed = tool(dir.path(), &["checkpoint"]).stdout;
    let asked = ["rekey", "--reason", "it was in a mail"];
    assert_eq!(tool(dir.path(), &asked).status, 1, "nobody has said yes");
    let lost = tool(dir.path(), &[&asked[..], &["--lost", "--yes"]].concat());
    assert!(lost.status == 2 && lost.stderr.contains("the key is not lost"), "{}", lost.stderr);
    let done = tool(dir.path(), &[&asked[..], &["--yes", "--json"]].concat());
    assert_eq!(done.status, 0, "{}", done.stderr);
    let new = serde_json::from_str::<Value>(&done.stdout).unwrap()["public_key"].as_str().unwrap().to_owned();
    assert_eq!(
        done.stderr.matches("mdss-relay-checkpoint:1:").count(),
        2,
        "of the end and of the beginning: {}",
        done.stderr
    );
    filled_again(dir.path()).await;

    let verified = tool(dir.path(), &["verify", "--json"]);
    let chains = lines(&verified);
    assert_eq!((verified.status, chains.len()), (0, 2), "{}", verified.stdout);
    let keys = chains[0]["keys"].as_array().unwrap();
    assert_eq!((keys.len(), keys[1]["public_key"].as_str().unwrap()), (2, new.as_str()));
    let text = tool(dir.path(), &["verify"]).stdout;
    assert!(text.contains("where the chain was ended; then"), "{text}");

    let kept = signed + &done.stderr;
    let python = |name: &str, export: &str, kept: &str| {
        let (export_file, kept_file) = (at(name), at("kept.txt"));
        std::fs::write(&export_file, export).unwrap();
        std::fs::write(&kept_file, kept).unwrap();
        let script = tool::root().join("crates/ledger/tests/verify_export.py");
        let output = Command::new("python3").arg(script).args([export_file, kept_file]).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(all).unwrap())
    };
    let mut found = Vec::new();
    for chain in &chains {
        let name = chain["ledger"].as_str().unwrap();
        let export = tool(dir.path(), &["export", "--chain", name]).stdout;
        let own: String =
            kept.lines().filter(|line| line.contains(name)).map(|line| format!("{line}\n")).collect();
        assert!(!own.is_empty());
        let (status, text) = python("piece.jsonl", &export, &own);
        assert_eq!(status, 0, "{text}");
        found.push((export, own, text));
    }
    // The link holds the hash of the end.
    let end = lines_of(&found[0].0).pop().unwrap();
    assert!(found[1].2.contains(end["hash"].as_str().unwrap()), "{}", found[1].2);
    assert!(found[1].2.contains("chain_succeeds") && found[0].2.contains("chain_ends"), "{}", found[0].2);
    // A manifest that gives the old chain to the new key alone is found by the checkpoints that were kept.
    let mut pieces: Vec<Value> = lines_of(&found[0].0);
    pieces[0]["keys"] = serde_json::json!([{ "until_seq": null, "public_key": new }]);
    pieces[0]["checkpoints"] = serde_json::json!([]);
    let forged: String = pieces.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(python("forged.jsonl", &forged, &found[0].1).0, 1);
}

/// Kills `rekey` after a time; gives what it took where it had come to its end before.
fn killed(arguments: &[&str], after: Duration) -> Option<Duration> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
        .args(["ledger", "rekey", "--reason", "it was in a mail", "--yes"])
        .args(arguments)
        .env_clear()
        .env("USER", "anna")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while begun.elapsed() < after {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return Some(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Killed at any moment, and given again: the chains are whole, there is one new one, and it is signed by the key that is there.
#[tokio::test]
async fn a_key_is_replaced_although_the_command_is_killed() {
    const KILLS: u32 = 12;
    let server = postgres_rig::shared().unwrap();
    for shared in [false, true] {
        let (mut whole, mut between) = (Duration::from_millis(100), 0);
        // Late moments first. One that comes too late says how long the command takes at most, and is tried again:
        // the first time, which is measured, may have taken many times as long as the others.
        let mut moments: Vec<u32> = (1..=KILLS).chain([0]).collect();
        while let Some(n) = moments.pop() {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
            let (place, arguments) = match (&server, shared) {
                (_, false) => {
                    let data = dir.path().to_str().unwrap().to_owned();
                    (Place::Directory(dir.path().into()), vec!["--data-dir".to_owned(), data])
                }
                (None, true) => break,
                (Some(server), true) => {
                    let url = server.database().await.unwrap();
                    std::fs::write(path("url"), &url).unwrap();
                    Ledger::make_key(&dir.path().join("key")).unwrap();
                    let database = Database::of_url(&url).unwrap();
                    let arguments =
                        ["--url-file", &path("url"), "--key-dir", &path("key")].map(str::to_owned);
                    (Place::Database { database, key: Some(dir.path().join("key")) }, arguments.to_vec())
                }
            };
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let asked = |command: &[&str]| {
                tool::run("ledger", &[command, &arguments[..]].concat(), &[("USER", "anna")], "")
            };
            let relay = Ledger::open(&place, Options::default()).await.unwrap();
            relay.append(vec![write(1, "a.pdf"), write(2, "b.pdf")]).await.unwrap();
            relay.checkpoint().await.unwrap();
            relay.close().await;

            let again = ["rekey", "--reason", "it was in a mail", "--yes", "--json"];
            if n == 0 {
                // How long it takes.
                let begun = Instant::now();
                assert_eq!(asked(&again).status, 0);
                whole = begun.elapsed();
                continue;
            }
            let after = whole * n / KILLS;
            if let Some(took) = killed(&arguments, after) {
                whole = took * (KILLS - 1) / KILLS;
                moments.push(n);
                continue;
            }
            let said = asked(&again);
            assert_eq!(said.status, 0, "{}", said.stderr);
            let new = serde_json::from_str::<Value>(&said.stdout).unwrap()["public_key"]
                .as_str()
                .unwrap()
                .to_owned();
            let relay = Ledger::open(&place, Options::default()).await.unwrap();
            assert_eq!(relay.append(vec![write(7, "later.pdf")]).await.unwrap().entries, 1);
            relay.checkpoint().await.unwrap();
            relay.close().await;
            let verified = asked(&["verify", "--json"]);
            let chains = lines(&verified);
            // Killed when all was done and not yet said, it is a key that is replaced once more.
            assert!(
                verified.status == 0 && (2..=3).contains(&chains.len()),
                "{n} of {KILLS}: {}",
                verified.stdout
            );
            let signs = chains.last().unwrap()["keys"].as_array().unwrap().last().unwrap();
            assert_eq!(signs["public_key"].as_str().unwrap(), new);
            between += usize::from(chains.len() == 2);
        }
        assert!(
            (shared && server.is_none()) || between >= 4,
            "{between} of {KILLS} were killed before the end"
        );
    }
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A relay has the new key, and writes on.
async fn filled_again(dir: &Path) {
    let ledger = Ledger::open(&Place::Directory(dir.into()), Options::default()).await.unwrap();
    ledger.append(vec![write(7, "later.pdf")]).await.unwrap();
}

#[tokio::test]
async fn l11_csv_says_the_same_and_executes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    three(dir.path()).await;
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let said = tool(dir.path(), &["export", "--format", "csv"]);
    assert_eq!(said.status, 2, "{}", said.stdout);
    assert!(said.stderr.contains("--output"), "{}", said.stderr);
    for (form, name) in [("csv", "all.csv"), ("jsonl", "all.jsonl")] {
        let said = tool(dir.path(), &["export", "--format", form, "--output", &at(name)]);
        assert_eq!(said.status, 0, "{}", said.stderr);
    }
    let there = tool(dir.path(), &["export", "--output", &at("all.jsonl")]);
    assert_eq!(there.status, 2, "a file that is there is not written over");
    let csv = std::fs::read_to_string(at("all.csv")).unwrap();
    assert!(!csv.contains(",=cmd") && !csv.contains("\"=cmd"), "{csv}");
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(at(name)).unwrap();
        serde_json::from_str(text.lines().next().unwrap()).unwrap()
    };
    let (beside, first) = (read("all.csv.manifest.json"), read("all.jsonl"));
    assert_eq!(beside["digest"], first["digest"]);
    assert!(beside["digest"].as_str().unwrap().len() == 64, "{beside}");
    let month = tool(dir.path(), &["export", "--month", "2020-01"]);
    assert_eq!((month.status, month.stdout.lines().count()), (0, 1), "{}", month.stdout);
    let wrong = tool(dir.path(), &["export", "--month", "2020-13"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("such as 2026-10"), "{}", wrong.stderr);
}

#[tokio::test]
async fn l12_erased_keys_are_gone_and_the_chain_still_fits() {
    let dir = tempfile::tempdir().unwrap();
    let facts = vec![write(1, "people/anna-muster.pdf"), write(2, "people/b.pdf"), write(3, "c.pdf")];
    filled(dir.path(), facts).await;
    let forget = ["forget", "--bucket", "invoices", "--prefix", "people/", "--reason", "request 17"];
    let said = tool(dir.path(), &forget);
    assert_eq!(said.status, 1);
    assert!(said.stderr.contains("nothing was erased"), "{}", said.stderr);
    let said = tool(dir.path(), &[&forget[..], &["--yes"]].concat());
    assert_eq!(
        (said.status, said.stdout.as_str()),
        (0, "keys of 2 entries and 0 results erased\n"),
        "{}",
        said.stderr
    );
    assert_eq!(tool(dir.path(), &["verify"]).status, 0);
    for file in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(11).any(|window| window == b"anna-muster"), "{file}");
    }
    let said = tool(dir.path(), &["export"]);
    let entry = said.stdout.lines().find(|line| line.contains("\"forgotten\"")).unwrap();
    assert!(entry.contains("request 17") && entry.contains("anna") && !entry.contains("people/"), "{entry}");
    assert!(!said.stdout.contains("anna-muster"));
    assert_eq!(tool(dir.path(), &["show", "invoices", "c.pdf"]).status, 0);
    assert_eq!(tool(dir.path(), &["show", "invoices", "people/b.pdf"]).status, 1);
}

#[tokio::test]
async fn a_log_becomes_a_ledger_and_the_same_lines_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = concat!(
        r#"{"timestamp":"2026-11-27T01:00:00.000Z","level":"INFO","message":"starting"}"#,
        "\n",
        "no json\n",
        r#"{"timestamp":"2026-11-27T01:00:01.000Z","level":"INFO","message":"object accepted by MDSS","faas.document.collection":"b","faas.document.name":"k","mdss.lane":"u","mdss.correlation_id":"c1","faas.document.time":"2026-11-27T01:00:00Z"}"#,
        "\n",
    );
    let file = dir.path().join("lines.jsonl");
    std::fs::write(&file, log).unwrap();
    let import = ["import", file.to_str().unwrap()];
    let said = tool(dir.path(), &import);
    assert_eq!(said.status, 1, "a line cannot be used: {} {}", said.stdout, said.stderr);
    assert!(
        said.stdout
            .contains("3 lines, 1 new, 0 there already, 1 about something else, 1 that cannot be used"),
        "{}",
        said.stdout
    );
    assert!(said.stderr.contains("lines.jsonl:2: "), "{}", said.stderr);
    let said = tool(dir.path(), &import);
    assert!(said.stdout.contains("0 new, 1 there already"), "{}", said.stdout);
    let all = lines(&tool(dir.path(), &["show", "b", "k", "--json"]));
    assert_eq!((all.len(), &all[0]["origin"]), (1, &"log".into()));
    assert_eq!(tool(dir.path(), &["verify"]).status, 0);
}

#[test]
fn what_cannot_be_opened_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let said = tool(dir.path(), &["verify"]);
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("no ledger") || said.stderr.contains("ledger.db"), "{}", said.stderr);
    std::fs::write(dir.path().join("ledger.db"), "no ledger at all, but some text that is long enough")
        .unwrap();
    assert_eq!(tool(dir.path(), &["verify"]).status, 2);
}

/// Two relays have written into one database: every command takes its URL, and what one chain says is no matter of the other.
#[tokio::test]
async fn a_ledger_that_relays_share_is_asked_by_its_url() {
    let Some(server) = postgres_rig::shared().unwrap() else { return };
    let url = server.database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("url"), folder.path().join("key"));
    std::fs::write(&file, &url).unwrap();
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let asked = |arguments: &[&str]| {
        let arguments: Vec<&str> = [arguments, &["--url-file", file, "--key-dir", key]].concat();
        tool::run("ledger", &arguments, &[("USER", "anna")], "")
    };
    assert_eq!(asked(&["verify"]).status, 2, "there is no ledger yet");
    let made = asked(&["key", key]);
    assert!(
        made.status == 0 && made.stdout.contains("ledger.key was made"),
        "{}{}",
        made.stdout,
        made.stderr
    );
    assert!(asked(&["key", key]).stdout.contains("is there already"));

    let place = Place::Database { database: Database::of_url(&url).unwrap(), key: Some(key.into()) };
    let one = Ledger::open(&place, Options::default()).await.unwrap();
    let two = Ledger::open(&place, Options::default()).await.unwrap();
    one.append(vec![write(1, "a.pdf"), write(2, "b.pdf")]).await.unwrap();
    two.append(vec![write(3, "c.pdf")]).await.unwrap();
    two.close().await;

    let shown = asked(&["show", "invoices", "c.pdf"]);
    assert!(shown.status == 0 && shown.stdout.contains("entry 1: accepted"), "{}", shown.stdout);
    let open = lines(&asked(&["unscanned", "--json"]));
    assert_eq!(open.len(), 4, "three writes and their unit: {open:?}");
    let signed = asked(&["checkpoint"]);
    assert_eq!((signed.status, signed.stdout.lines().count()), (0, 2), "{}", signed.stdout);
    let kept = folder.path().join("kept");
    std::fs::write(&kept, &signed.stdout).unwrap();
    let verified = asked(&["verify", "--json", "--checkpoint", kept.to_str().unwrap()]);
    let chains = lines(&verified);
    assert_eq!((verified.status, chains.len()), (0, 2), "{}", verified.stdout);
    let entries: Vec<_> = chains.iter().map(|chain| chain["entries"].as_u64().unwrap()).collect();
    assert_eq!(entries, [3, 2], "with the entry about its checkpoint each");
    assert!(chains.iter().all(|chain| chain["foreign_checkpoints"] == 1), "{chains:?}");
    let second = chains[1]["ledger"].as_str().unwrap();
    assert_eq!(asked(&["verify", "--from", "2"]).status, 2);
    assert_eq!(asked(&["verify", "--from", "2", "--chain", second]).status, 0);

    let exported = lines(&asked(&["export"]));
    let manifests: Vec<_> = exported.iter().filter(|line| line.get("format").is_some()).collect();
    assert_eq!((manifests.len(), exported.len()), (2, 2 + 3 + 2));
    assert_eq!(lines(&asked(&["export", "--chain", second])).len(), 1 + 2);
    let csv = folder.path().join("all.csv");
    let csv = csv.to_str().unwrap();
    assert_eq!(asked(&["export", "--format", "csv", "--output", csv]).status, 0);
    let text = std::fs::read_to_string(csv).unwrap();
    assert_eq!((text.lines().count(), text.matches("seq,ledger,").count()), (1 + 3 + 2, 1), "{text}");
    let manifest = std::fs::read_to_string(format!("{csv}.manifest.json")).unwrap();
    assert_eq!(manifest.lines().count(), 2);

    let forgotten =
        asked(&["forget", "--bucket", "invoices", "--prefix", "", "--reason", "Art. 17", "--yes", "--json"]);
    assert_eq!(forgotten.status, 0, "{}", forgotten.stderr);
    assert_eq!(
        lines(&forgotten)[0],
        serde_json::json!({ "entries": 3, "results": 0, "remains": "database" })
    );
    assert!(forgotten.stderr.contains("VACUUM FULL") && forgotten.stderr.contains("mdss-relay-checkpoint:"));
    assert_eq!(asked(&["show", "invoices", "a.pdf"]).status, 1);
    assert_eq!(asked(&["verify", "--checkpoint", kept.to_str().unwrap()]).status, 0);

    let log = folder.path().join("log");
    std::fs::write(&log, r#"{"timestamp":"2026-11-21T18:57:00Z","message":"object accepted by MDSS","faas.document.collection":"b","faas.document.name":"k"}"#).unwrap();
    let read = asked(&["import", log.to_str().unwrap()]);
    assert!(read.status == 0 && read.stdout.contains("1 new"), "{}", read.stdout);
    assert_eq!(asked(&["show", "b", "k"]).status, 0);
}
