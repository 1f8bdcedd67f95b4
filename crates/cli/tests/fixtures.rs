//! The fixtures are the specification: what `explain` says about every delivery in `events/`, compared with the answer
//! beside it.
//!
//! `events/FOLDER/NAME.json` is a delivery, `NAME.want.json` the line `explain` prints about it, laid out for people.
//! `make bless` (`BLESS=1`) rewrites the answers; whoever blesses reads the diff. All fixtures are explained in one run
//! of the built binary, with the settings of `events/relay.toml` and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

#[path = "fixtures/answers.rs"]
mod answers;
#[path = "fixtures/configuration.rs"]
mod configuration;
#[path = "fixtures/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use mdss_relay_core::Dialect;
use serde_json::Value;

fn root() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// Every file in the folders of `events/`, as a path from the root of the repository, in order.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for folder in fs::read_dir(root().join("events")).unwrap().map(Result::unwrap) {
        if !folder.file_type().unwrap().is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            let (folder, file) = (folder.file_name(), file.file_name());
            files.push(format!("events/{}/{}", folder.to_str().unwrap(), file.to_str().unwrap()));
        }
    }
    files.sort();
    files
}

fn fixtures() -> Vec<String> {
    files().into_iter().filter(|f| !f.ends_with(".want.json")).collect()
}

fn answer_path(fixture: &str) -> String {
    format!("{}.want.json", fixture.strip_suffix(".json").unwrap_or(fixture))
}

/// `oci/create` of `events/oci/create.json`.
fn name(fixture: &str) -> &str {
    fixture.trim_start_matches("events/").trim_end_matches(".json")
}

/// One run of the binary over the whole corpus.
struct Explained {
    /// Fixture and line, in the order of the fixtures.
    lines: Vec<(String, String)>,
    stderr: String,
}

fn explained() -> &'static Explained {
    static EXPLAINED: OnceLock<Explained> = OnceLock::new();
    EXPLAINED.get_or_init(|| {
        let fixtures = fixtures();
        let output = Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
            .args(["explain", "--config", "events/relay.toml"])
            .args(&fixtures)
            .current_dir(root())
            .env_clear()
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "every file was printed\n{stderr}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = stdout.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), fixtures.len(), "one line a file");
        Explained { lines: fixtures.into_iter().zip(lines).collect(), stderr }
    })
}

fn line_of(fixture: &str) -> Value {
    let found = explained().lines.iter().find(|(f, _)| name(f) == fixture);
    let (_, line) = found.unwrap_or_else(|| panic!("there is no fixture {fixture}"));
    serde_json::from_str(line).unwrap()
}

// === coverage ===

/// What holds for the records of a situation.
type Holds = fn(&[Value]) -> bool;

/// Situations every dialect has a fixture for, and what holds there. The list is what makes dialects comparable.
const SITUATIONS: &[(&str, Holds)] = &[
    ("create", |records| all(records, "action", "send")),
    ("create-odd-key", |records| {
        all(records, "action", "send")
            && some_key(records, |k| [' ', '+', '%'].iter().all(|c| k.contains(*c)))
    }),
    ("create-non-ascii", |records| all(records, "action", "send") && some_key(records, |k| !k.is_ascii())),
    ("create-nested", |records| {
        all(records, "action", "send") && some_key(records, |k| k.matches('/').count() > 2)
    }),
    // Without a size nothing proves that there is no content.
    ("folder-marker", |records| {
        all(records, "reason", "folder_marker")
            || records.iter().all(|r| r["size"].is_null() && r["action"] == "send")
    }),
    ("remove", |records| all(records, "reason", "removed")),
    ("overwrite", |records| {
        all(records, "action", "send") && records.iter().all(|r| r["key"] == records[0]["key"])
    }),
    ("batch-one-bad", |records| some(records, "action", "fail") && some(records, "action", "send")),
    ("truncated", |records| all(records, "reason", "unreadable")),
    ("foreign", |records| !some(records, "action", "send")),
    ("test-event", |records| all(records, "kind", "test")),
];

/// Where a situation does not occur: what stands in for it, if anything, and why.
const ELSEWHERE: &[(Dialect, &str, Option<&str>, &str)] = &[
    (Dialect::Oci, "batch-one-bad", None, "OCI Events delivers one event a call"),
    (Dialect::Oci, "test-event", None, "OCI Events sends none"),
    (Dialect::OciStream, "test-event", None, "OCI Events sends none"),
    (Dialect::OciNotifications, "batch-one-bad", None, "OCI Notifications delivers one message a request"),
    (Dialect::OciNotifications, "test-event", Some("confirmation"), "its first message is a confirmation"),
    (Dialect::AwsEventBridge, "batch-one-bad", None, "EventBridge delivers one event a call"),
    (Dialect::AwsEventBridge, "test-event", None, "EventBridge sends none"),
    (Dialect::JdCloud, "test-event", Some("handshake-confirmation"), "its test message is a handshake"),
    (Dialect::JdCloudFunction, "test-event", None, "no page shows one"),
    (Dialect::Minio, "test-event", Some("probe-empty-post"), "it asks with an empty POST"),
    (Dialect::Rustfs, "test-event", Some("probe-head"), "it asks with a HEAD"),
    (Dialect::Ceph, "test-event", None, "Ceph sends none"),
    (Dialect::StorageGrid, "test-event", None, "no page shows one"),
    (Dialect::AzureBlob, "test-event", Some("validation"), "Event Grid's first request is a handshake"),
    (Dialect::Gcs, "batch-one-bad", None, "Pub/Sub pushes one message a request"),
    (Dialect::Gcs, "test-event", None, "Cloud Storage sends none"),
    (Dialect::IbmCos, "batch-one-bad", None, "Code Engine delivers one event a request"),
    (Dialect::IbmCos, "test-event", None, "no page shows one"),
    (Dialect::R2, "test-event", None, "Cloudflare sends none"),
    (Dialect::SeaweedFs, "batch-one-bad", None, "a filer posts one event a request"),
    (Dialect::SeaweedFs, "test-event", None, "a filer sends none"),
    (Dialect::Tigris, "test-event", None, "no page shows one"),
    (Dialect::AlibabaOss, "test-event", None, "no page shows one"),
    (Dialect::TencentCos, "test-event", Some("console-template"), "the console sends its template"),
    (Dialect::HuaweiObs, "test-event", Some("smn-confirmation"), "its first message is a confirmation"),
    (Dialect::Yandex, "test-event", None, "no page shows one"),
    (Dialect::VolcengineTos, "test-event", None, "no page shows one"),
];

fn all(records: &[Value], member: &str, value: &str) -> bool {
    !records.is_empty() && records.iter().all(|r| r[member] == value)
}

fn some(records: &[Value], member: &str, value: &str) -> bool {
    records.iter().any(|r| r[member] == value)
}

fn some_key(records: &[Value], holds: fn(&str) -> bool) -> bool {
    records.iter().any(|r| r["key"].as_str().is_some_and(holds))
}

#[test]
fn every_dialect_has_the_same_situations() {
    let names: BTreeSet<String> = fixtures().iter().map(|f| name(f).to_owned()).collect();
    assert!(names.len() >= 40, "{} fixtures", names.len());
    for dialect in Dialect::ALL {
        for (situation, holds) in SITUATIONS {
            let fixture = format!("{dialect}/{situation}");
            let elsewhere = ELSEWHERE.iter().find(|(d, s, ..)| d == dialect && s == situation);
            match elsewhere {
                None => {
                    assert!(names.contains(&fixture), "there is no events/{fixture}.json");
                    let line = line_of(&fixture);
                    let records = line["records"].as_array().unwrap();
                    assert!(holds(records), "events/{fixture}.json is no {situation}: {line}");
                }
                Some((_, _, instead, why)) => {
                    assert!(!names.contains(&fixture), "events/{fixture}.json exists, although {why}");
                    let missing = instead.filter(|i| !names.contains(&format!("{dialect}/{i}")));
                    assert_eq!(missing, None, "stands in for {fixture}, because {why}");
                }
            }
        }
    }
}

#[test]
fn every_fixture_is_listed_with_its_situation_and_source() {
    let readme = fs::read_to_string(root().join("events/README.md")).unwrap();
    let mut listed = BTreeSet::new();
    for line in readme.lines().filter(|l| l.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [fixture, situation, source] = cells[..] else { panic!("three cells in {line:?}") };
        assert!(!situation.is_empty() && !source.is_empty(), "situation and source in {line:?}");
        let new = listed.insert(format!("events/{}", fixture.trim_matches('`')));
        assert!(new, "{fixture} is listed twice");
    }
    let fixtures: BTreeSet<_> = fixtures().into_iter().collect();
    let unlisted: Vec<_> = fixtures.difference(&listed).collect();
    assert!(unlisted.is_empty(), "not in events/README.md: {unlisted:?}");
    let gone: Vec<_> = listed.difference(&fixtures).collect();
    assert!(gone.is_empty(), "in events/README.md and nowhere else: {gone:?}");
}
