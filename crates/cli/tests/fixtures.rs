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

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use mdss_relay_core::{Cause, Dialect, MOST_FILE_BYTES, RESERVED, Role, Settings, SkipReason, plain_text};
use mdss_relay_gate::Sources;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

// === the corpus ===

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

// === the answers ===

#[test]
fn every_fixture_is_answered_as_wanted() {
    let bless = std::env::var_os("BLESS").is_some_and(|v| v == "1");
    let mut complaints = String::new();
    for (fixture, line) in &explained().lines {
        let path = root().join(answer_path(fixture));
        if bless {
            let pretty = pretty(line);
            if fs::read_to_string(&path).ok().as_deref() != Some(&pretty) {
                fs::write(&path, pretty).unwrap();
            }
            continue;
        }
        let Ok(want) = fs::read_to_string(&path) else {
            complaints += &format!("{fixture}\n  has no answer; BLESS=1 writes one, then read it\n");
            continue;
        };
        let want: Value = match serde_json::from_str(&want) {
            Ok(want) => want,
            Err(e) => {
                complaints += &format!("{fixture}\n  its answer is not JSON: {e}\n");
                continue;
            }
        };
        let mut differences = Vec::new();
        compare("", &want, &serde_json::from_str(line).unwrap(), &mut differences);
        if !differences.is_empty() {
            complaints += &format!("{fixture}\n  {}\n", differences.join("\n  "));
        }
    }
    assert!(complaints.is_empty(), "explain does not say what is wanted:\n\n{complaints}");
}

/// Where two values differ, as paths with both values.
fn compare(path: &str, want: &Value, got: &Value, differences: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let names: BTreeSet<_> = want.keys().chain(got.keys()).collect();
            for name in names {
                let path = format!("{path}/{name}");
                match (want.get(name), got.get(name)) {
                    (Some(want), Some(got)) => compare(&path, want, got, differences),
                    (Some(want), None) => {
                        differences.push(format!("{path}: wanted {want}, got no such member"))
                    }
                    (None, Some(got)) => {
                        differences.push(format!("{path}: wanted no such member, got {got}"))
                    }
                    (None, None) => {}
                }
            }
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (index, (want, got)) in want.iter().zip(got).enumerate() {
                compare(&format!("{path}/{index}"), want, got, differences);
            }
        }
        (Value::Array(want), Value::Array(got)) => {
            differences.push(format!("{path}: wanted {} elements, got {}", want.len(), got.len()));
        }
        _ if want == got => {}
        _ => differences.push(format!("{path}: wanted {want}, got {got}")),
    }
}

/// A compact line with white space, and nothing else changed: members keep the order in which `explain` prints them.
fn pretty(line: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    let new_line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => {
                text.push(character);
                text.extend(characters.next());
                continue;
            }
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => {
                text.push(character);
                // What is empty stays on its line.
                match characters.next_if(|c| matches!(c, '}' | ']')) {
                    Some(end) => text.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut text, depth);
                    }
                }
                continue;
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut text, depth);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, depth);
                continue;
            }
            ':' => {
                text.push_str(": ");
                continue;
            }
            _ => {}
        }
        text.push(character);
    }
    text.push('\n');
    text
}

#[test]
fn a_line_is_only_laid_out() {
    let line = r#"{"a":"x:{,\"[\\","b":[],"c":{},"d":[1,{"e":null}]}"#;
    let want = "{\n  \"a\": \"x:{,\\\"[\\\\\",\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    1,\n    {\n      \"e\": null\n    }\n  ]\n}\n";
    assert_eq!(pretty(line), want);
}

#[test]
fn every_answer_has_a_fixture_and_nothing_else_lies_about() {
    let files: BTreeSet<_> = files().into_iter().collect();
    for file in &files {
        assert!(file.ends_with(".json"), "{file}: expected NAME.json or NAME.want.json");
        if let Some(name) = file.strip_suffix(".want.json") {
            let fixture = format!("{name}.json");
            assert!(files.contains(&fixture), "{file}: an answer without {fixture}; delete it");
        }
    }
}

// === the schema ===

const LINE: &[&str] = &["file", "dialect", "outcome", "response", "confirm", "records"];
const RECORD: &[&str] = &[
    "dialect",
    "item",
    "bucket",
    "key",
    "kind",
    "size",
    "etag",
    "version_id",
    "event_name",
    "region",
    "time",
    "sequencer",
    "action",
    "reason",
    "detail",
    "request",
    "untrusted",
];
const REQUEST: &[&str] = &["storageClientId", "metadata", "scanId"];

/// Members of an object in the order in which they stand there.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Members {
    fn of(json: &str) -> Self {
        serde_json::from_str(json).unwrap()
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).unwrap().1.get()
    }

    fn value(&self, name: &str) -> Value {
        serde_json::from_str(self.raw(name)).unwrap()
    }

    /// A member that is text or null.
    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)).unwrap_or_else(|_| panic!("{name} is {}", self.raw(name)))
    }
}

fn is_dialect(name: &str) -> bool {
    Dialect::ALL.iter().any(|d| d.name() == name) || RESERVED.iter().any(|(n, _)| *n == name)
}

#[test]
fn every_line_keeps_to_the_schema() {
    for (fixture, line) in &explained().lines {
        let members = Members::of(line);
        assert_eq!(members.names(), LINE, "{fixture}");
        assert_eq!(members.text("file").as_deref(), Some(fixture.as_str()));
        let dialect = members.text("dialect");
        assert!(dialect.as_deref().is_none_or(is_dialect), "{fixture}: {dialect:?}");
        let confirm = members.text("confirm");
        let leads_home = match (confirm.as_deref(), dialect.as_deref()) {
            (None, _) => true,
            (Some(url), Some("oci-notifications")) => {
                url.starts_with("https://") && url.contains(".oraclecloud.com/")
            }
            (Some(url), Some("aws-sns")) => url.starts_with("https://sns.eu-central-1.amazonaws.com/?"),
            (Some(_), _) => false,
        };
        assert!(leads_home, "{fixture}: {confirm:?} leads to the provider");

        let records: Vec<Members> = serde_json::from_str(members.raw("records")).unwrap();
        let items: BTreeSet<_> = records.iter().map(|r| r.text("item")).collect();
        assert_eq!(items.len(), records.len(), "{fixture}: items are unique");
        let failed =
            records.iter().map(|r| check_record(fixture, r)).filter(|action| action == "fail").count();

        let response = members.value("response");
        check_response(fixture, dialect.as_deref(), &response);
        let outcome = members.text("outcome").unwrap();
        let fits = match outcome.as_str() {
            "ok" => failed == 0,
            "partial" => 0 < failed && failed < records.len(),
            "reject" => 0 < failed && failed == records.len(),
            "unauthorized" => records.is_empty() && dialect.is_none() && response.is_null(),
            _ => false,
        };
        assert!(fits, "{fixture}: {outcome} with {failed} of {} records failed", records.len());
    }
}

/// Checks one record and returns its action.
fn check_record(fixture: &str, record: &Members) -> String {
    let item = record.text("item").unwrap();
    let place = format!("{fixture}: {item}");
    assert_eq!(record.names(), RECORD, "{place}");
    assert!(!item.is_empty(), "{place}");
    let dialect = record.text("dialect");
    assert!(dialect.as_deref().is_none_or(is_dialect), "{place}: {dialect:?}");
    for name in ["bucket", "key", "etag", "version_id", "event_name", "region", "sequencer"] {
        assert!(record.text(name).is_none_or(|t| !t.is_empty()), "{place}: an empty {name} is an absent one");
    }
    let size = record.value("size");
    let in_range = size.as_u64().is_some_and(|n| i64::try_from(n).is_ok());
    assert!(size.is_null() || in_range, "{place}: size {size}");
    if let Some(time) = record.text("time") {
        let utc = time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok_and(|t| t.to_string() == time);
        assert!(utc, "{place}: {time} is RFC 3339 in UTC");
    }
    assert!(record.value("untrusted").is_object(), "{place}");

    let kind = record.text("kind");
    match kind.as_deref() {
        Some("created" | "removed") => {
            assert!(record.text("bucket").is_some() && record.text("key").is_some(), "{place}");
        }
        Some("test") => assert_eq!(record.text("key"), None, "{place}"),
        Some("handshake") => assert_eq!((record.text("bucket"), record.text("key")), (None, None), "{place}"),
        Some("other") => {}
        None => assert_eq!(record.text("key"), None, "{place}: an unreadable record has no key"),
        Some(other) => panic!("{place}: kind {other}"),
    }

    let action = record.text("action").unwrap();
    let (reason, detail) = (record.text("reason"), record.text("detail"));
    let sends = record.raw("request") != "null";
    match action.as_str() {
        "send" => {
            assert!(sends && reason.is_none() && detail.is_none(), "{place}");
            assert_eq!(kind.as_deref(), Some("created"), "{place}: only new content is sent");
            check_request(&place, record);
        }
        "skip" => {
            let known = |reason: &str| SkipReason::ALL.iter().any(|r| r.name() == reason);
            assert!(reason.as_deref().is_some_and(known), "{place}: {reason:?} is a reason to skip");
            assert!(!sends && kind.is_some(), "{place}");
        }
        "fail" => {
            let known = |reason: &str| Cause::ALL.iter().any(|c| c.name() == reason);
            assert!(reason.as_deref().is_some_and(known), "{place}: {reason:?} is a reason to fail");
            let detail = detail.unwrap_or_default();
            assert!(!detail.is_empty() && !detail.contains(char::is_control), "{place}: detail {detail:?}");
            assert!(!sends, "{place}");
        }
        other => panic!("{place}: action {other}"),
    }
    action
}

/// What would be posted says the key of the record, and nothing besides.
fn check_request(place: &str, record: &Members) {
    let request = Members::of(record.raw("request"));
    let names = request.names();
    assert!(names == REQUEST || names == REQUEST[..2], "{place}: {names:?}");
    assert!(request.text("storageClientId").is_some_and(|id| id.len() == 36), "{place}: an id of relay.toml");
    let metadata: Value = serde_json::from_str(&request.text("metadata").unwrap()).unwrap();
    let key = record.text("key").unwrap();
    let shapes =
        [serde_json::json!({ "s3": { "object": { "key": key } } }), serde_json::json!({ "Name": key })];
    assert!(shapes.contains(&metadata), "{place}: {metadata} says the key {key:?}");
}

/// An answer other than the usual: a handshake's, or a queue's.
fn check_response(fixture: &str, dialect: Option<&str>, response: &Value) {
    if dialect == Some(Dialect::AwsSqs.name()) {
        let failures = response["batchItemFailures"].as_array();
        let texts = failures.is_some_and(|list| list.iter().all(|f| f["itemIdentifier"].is_string()));
        assert!(texts, "{fixture}: {response} is a queue's answer");
    } else if !response.is_null() {
        assert!(response["status"] == 200 && response["body"].is_string(), "{fixture}: {response}");
    }
}

#[test]
fn no_line_shows_a_secret() {
    let explained = explained();
    let texts = explained.lines.iter().map(|(_, line)| line.as_str()).chain([explained.stderr.as_str()]);
    for text in texts {
        for secret in
            ["not-a-secret", "jd-9f3c2b71d8e64a05", "bm90LWEtc2VjcmV0", "q-sign-algorithm", "token=made-up"]
        {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

// === the configuration ===

#[test]
fn the_configuration_is_one_the_http_server_would_start_with() {
    let config = root().join("events/relay.toml").into_os_string();
    let variables = [("RELAY_CONFIG".into(), config), ("APIKEY".into(), "not-a-key".into())];
    let mut draft = Settings::read(variables, Role::Http);
    Sources::of(&mut draft, jiff::Timestamp::now(), &|path| plain_text(path, MOST_FILE_BYTES));
    let mistakes: Vec<_> = draft.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(mistakes, <[&str; 0]>::default());
    assert_eq!(draft.settings.warnings, <[&str; 0]>::default());
}

/// What is read in spite of an oddity is said aloud, with file, item and place.
#[test]
fn oddities_are_warned_about() {
    let warnings: Vec<_> = explained().stderr.lines().collect();
    for warning in &warnings {
        assert!(
            warning.starts_with("warning: events/"),
            "a warning about a fixture, not about settings: {warning}"
        );
    }
    for (fixture, item, part) in [
        (
            "oci/resource-id-mismatch",
            "0",
            "data.resourceId: expected it to end with \"/o/\" and \"a b+c.pdf\"",
        ),
        (
            "aws-s3/unknown-events",
            "0",
            "\"ObjectCreated:FromTheFuture\" is an unknown member of ObjectCreated",
        ),
        ("aws-s3/times", "5", "Records[5].eventTime"),
        ("s3-compatible/create-odd-key", "0", "RELAY_KEYS_S3_COMPATIBLE"),
        ("foreign/sizes", "2", "Records[2].s3.object.size"),
    ] {
        let start = format!("warning: events/{fixture}.json: {item}: ");
        let found = warnings.iter().any(|w| w.starts_with(&start) && w.contains(part));
        assert!(found, "no warning {start}…{part}… in\n{}", warnings.join("\n"));
    }
    for quiet in [
        "s3-compatible/ceph-derivative",
        "s3-compatible/ctyun",
        "ceph/create-odd-key",
        "aws-s3/create-odd-key",
    ] {
        let file = format!("events/{quiet}.json");
        assert!(!warnings.iter().any(|w| w.contains(&file)), "{quiet}: nothing is odd about it");
    }
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
fn every_reserved_dialect_is_refused_by_name() {
    let said: BTreeSet<String> = explained()
        .lines
        .iter()
        .filter_map(|(_, line)| {
            serde_json::from_str::<Value>(line).unwrap()["dialect"].as_str().map(str::to_owned)
        })
        .collect();
    for (reserved, _) in RESERVED {
        assert!(said.contains(*reserved), "no fixture of {reserved} in events/foreign");
    }
}

// === the list of sources ===

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
