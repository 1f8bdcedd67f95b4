//! The scripts of `deploy/oci`, run with a recording stand-in for Oracle's command line first on PATH.
//!
//! What the stand-in is told is compared with `cli-options.json`, which was taken from the real command line; `make
//! oci-cli-check` runs the same scripts with that one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod cli;
mod tenancy;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use mdss_relay_core::{Role, Settings};
use serde_json::{Value, json};

use tenancy::{Call, KEY, Tenancy, folder};

const COMPARTMENT: &str = "ocid1.compartment.oc1..there";
// === deploy.sh ===

const BASE: &str = "--compartment-id ocid1.compartment.oc1..there --subnet-id ocid1.subnet.oc1.iad.s \
    --image registry.example/ns/mdss-relay-oci-fn:0.1.0 --endpoint https://mdss.example --storage-client-id unit-1 --bucket inbox";

fn base(more: &[&'static str]) -> Vec<&'static str> {
    BASE.split_whitespace().chain(more.iter().copied()).collect()
}

const FRESH: &[&str] = &[
    "fn function create",
    "os bucket get",
    "fn application list",
    "fn application create",
    "fn work-request get",
    "fn application list",
    "fn function list",
    "fn function create container-function",
    "fn work-request get",
    "fn function list",
    "logging log-group list",
    "logging log-group create",
    "logging log-group list",
    "logging log list",
    "logging log create",
    "logging log list",
    "events rule list",
    "events rule create",
    "events rule list",
    "logging log list",
    "logging log create",
    "logging log list",
    "os bucket update",
];

#[test]
fn a_fresh_tenancy_gets_everything_in_order() {
    let tenancy = Tenancy::new();
    let ran = tenancy.run("deploy.sh", &base(&[])).ended(0);
    assert_eq!(ran.commands(), FRESH);

    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(
        config,
        json!({ "APIENDPOINT": "https://mdss.example", "APIKEY": KEY, "STORAGECLIENTID": "unit-1" })
    );

    let rule = ran.calls.iter().find(|c| c.command() == "events rule create").unwrap();
    assert_eq!(
        rule.value("--compartment-id"),
        Some("ocid1.compartment.oc1..buckets"),
        "a rule sees its own compartment"
    );
    let condition: Value = serde_json::from_str(rule.value("--condition").unwrap()).unwrap();
    assert_eq!(
        condition,
        json!({ "eventType": ["com.oraclecloud.objectstorage.createobject", "com.oraclecloud.objectstorage.updateobject"],
                "data": { "additionalDetails": { "bucketName": ["inbox"] } } }),
        "an overwritten object is an update"
    );
    let actions: Value = serde_json::from_str(&tenancy.given("--actions")).unwrap();
    assert_eq!(actions["actions"][0]["functionId"], json!("ocid1.function.oc1..mdss-relay-oci-fn"));
    let skeletons = cli::options()["commands"].clone();
    assert!(cli::fits(&actions, &skeletons["events rule create"]["json"]["actions"]), "{actions}");
    assert!(
        cli::fits(&config, &skeletons["fn function create container-function"]["json"]["config"]),
        "{config}"
    );
    let log: Value = serde_json::from_str(&tenancy.given("--configuration")).unwrap();
    assert!(cli::fits(&log, &skeletons["logging log create"]["json"]["configuration"]), "{log}");
    assert_eq!(log["source"]["resource"], json!("ocid1.rule.oc1..mdss-relay-objects"));

    let emission = ran.calls.last().unwrap();
    assert_eq!(
        (emission.value("--bucket-name"), emission.value("--object-events-enabled")),
        (Some("inbox"), Some("true"))
    );
}

#[test]
fn the_skeletons_tell_right_from_wrong() {
    let skeleton = cli::options()["commands"]["events rule create"]["json"]["actions"].clone();
    let action = |member: &str| json!({ "actions": [{ "actionType": "FAAS", member: "x" }] });
    assert!(cli::fits(&action("functionId"), &skeleton));
    assert!(!cli::fits(&action("function_id"), &skeleton));
    assert!(!cli::fits(&json!({ "actions": [{ "actionType": "FAXS" }] }), &skeleton));
}

#[test]
fn a_finished_tenancy_gets_nothing_new() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    let before = tenancy.everything();
    for _ in 0..2 {
        let ran = tenancy.run("deploy.sh", &base(&["--with-policy", "--memory", "512"])).ended(0);
        assert_eq!(
            ran.changes(),
            ["fn function update container-function", "events rule update", "os bucket update"]
        );
        let update = ran.calls.iter().find(|c| c.command().starts_with("fn function update")).unwrap();
        assert_eq!(update.value("--memory-in-mbs"), Some("512"));
        assert_eq!(tenancy.everything(), before);
    }
}

#[test]
fn a_half_done_tenancy_is_finished() {
    // What an operator made by the guide, under the guide's names, with a log of their own.
    let tenancy = Tenancy::new();
    tenancy.put("application", "MetaDefenderStorageProcessorApp");
    tenancy.put("rule", "ObjectCreateTriggerRule");
    let names = [
        "--application",
        "MetaDefenderStorageProcessorApp",
        "--rule",
        "ObjectCreateTriggerRule",
        "--no-logs",
    ];
    let arguments: Vec<_> =
        base(&[]).into_iter().chain(names).filter(|w| *w != "--subnet-id" && !w.contains("subnet")).collect();
    let ran = tenancy.run("deploy.sh", &arguments).ended(0);
    assert_eq!(
        ran.changes(),
        ["fn function create container-function", "events rule update", "os bucket update"]
    );
    let update = ran.calls.iter().find(|c| c.command() == "events rule update").unwrap();
    assert!(update.value("--condition").unwrap().contains("updateobject"), "{update:?}");
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Tenancy::new();
    let calls = whole.run("deploy.sh", &base(&["--with-policy"])).ended(0).calls.len();
    for number in 2..=calls {
        let tenancy = Tenancy::new();
        let key = tenancy.path("key");
        let key = ("APIKEY_FILE", key.to_str().unwrap());
        let at = number.to_string();
        let ran =
            tenancy.run_with("deploy.sh", &base(&["--with-policy"]), &[key, ("FAKE_FAIL", &at)]).ended(1);
        let failed = ran.calls.last().unwrap().command();
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains(&format!("'oci {failed}' ended with status 1")), "{}", ran.err);
        assert!(ran.err.contains("it was asked to fail"), "OCI's own words are passed on: {}", ran.err);
        tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
        assert_eq!(tenancy.everything(), whole.everything(), "after call {number}, {failed}, failed");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let tenancy = Tenancy::new();
    let key = tenancy.path("key");
    let key = ("APIKEY_FILE", key.to_str().unwrap());
    tenancy.run_with("deploy.sh", &base(&[]), &[key, ("FAKE_KILL", "8")]).ended(143);
}

#[test]
fn work_that_fails_later_is_a_failure() {
    let tenancy = Tenancy::new();
    let key = tenancy.path("key");
    let key = ("APIKEY_FILE", key.to_str().unwrap());
    let ran = tenancy.run_with("deploy.sh", &base(&[]), &[key, ("FAKE_WORK", "FAILED")]).ended(1);
    assert!(ran.err.contains("its work failed: the image does not exist"), "{}", ran.err);
}

#[test]
fn an_older_command_line_is_found_out_before_anything_is_made() {
    let tenancy = Tenancy::new();
    fs::write(tenancy.path("help"), "Options:\n  --image TEXT\n").unwrap();
    let ran = tenancy.run("deploy.sh", &base(&[])).ended(2);
    assert_eq!(ran.commands(), ["fn function create"]);
    assert!(ran.err.contains("upgrade oci-cli"), "{}", ran.err);
}

#[test]
fn a_variable_somebody_added_is_not_lost_in_silence() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&[])).ended(0);
    fs::write(tenancy.path("names"), "APIENDPOINT APIKEY STORAGECLIENTID RELAY_LOG RELAY_SCAN_ID\n").unwrap();
    let ran = tenancy.run("deploy.sh", &base(&["--set", "RELAY_LOG=debug"])).ended(1);
    assert!(ran.err.contains("does not give: RELAY_SCAN_ID;"), "{}", ran.err);
    assert!(ran.changes().is_empty());

    tenancy.run("deploy.sh", &base(&["--replace-config"])).ended(0);
    // A new image, and the configuration is left alone: no key is needed either.
    let keep = [
        "--compartment-id",
        COMPARTMENT,
        "--bucket",
        "inbox",
        "--image",
        "registry.example/ns/r:2",
        "--keep-config",
    ];
    let ran = tenancy.run_with("deploy.sh", &keep, &[]).ended(0);
    let update = ran.calls.iter().find(|c| c.command().starts_with("fn function update")).unwrap();
    assert_eq!((update.value("--image"), update.value("--config")), (Some("registry.example/ns/r:2"), None));
}

#[test]
fn routes_and_other_variables_arrive_as_they_are() {
    let tenancy = Tenancy::new();
    let toml = "route = [\n\t{ bucket = \"in\\\\box\", storage_client_id = \"ü\" },\n]";
    fs::write(tenancy.path("relay.toml"), format!("{toml}\n")).unwrap();
    let file = tenancy.path("relay.toml");
    let arguments: Vec<_> = base(&["--set", "RELAY_LOG=warn,mdss_relay_core=debug"])
        .into_iter()
        .map(|w| if w == "--storage-client-id" { "--relay-config" } else { w })
        .map(|w| if w == "unit-1" { file.to_str().unwrap() } else { w })
        .collect();
    let ran = tenancy.run("deploy.sh", &arguments).ended(0);
    assert!(ran.out.contains("--relay-config has several lines"), "{}", ran.out);
    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(config["RELAY_CONFIG_TOML"], json!(toml));
    assert_eq!(config["RELAY_LOG"], json!("warn,mdss_relay_core=debug"));

    fs::write(&file, "x".repeat(4096)).unwrap();
    let ran = tenancy.run("deploy.sh", &arguments).ended(2);
    assert!(ran.err.contains("bytes, names and values together; OCI accepts at most 4096"), "{}", ran.err);
    assert!(ran.calls.is_empty());
}

#[test]
fn buckets_in_several_compartments_need_a_word_about_the_rule() {
    let tenancy = Tenancy::new();
    fs::write(tenancy.path("bucket-compartment-other"), "ocid1.compartment.oc1..other\n").unwrap();
    let ran = tenancy.run("deploy.sh", &base(&["--bucket", "other"])).ended(2);
    assert!(ran.err.contains("the buckets are in several compartments"), "{}", ran.err);
    assert!(ran.changes().is_empty());

    let above = ["--bucket", "other", "--rule-compartment-id", "ocid1.tenancy.oc1..all"];
    let ran = tenancy.run("deploy.sh", &base(&above)).ended(0);
    let rule = ran.calls.iter().find(|c| c.command() == "events rule create").unwrap();
    assert_eq!(rule.value("--compartment-id"), Some("ocid1.tenancy.oc1..all"));
    assert!(rule.value("--condition").unwrap().contains(r#"["inbox", "other"]"#));
    assert_eq!(ran.changes().iter().filter(|c| *c == "os bucket update").count(), 2);
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let tenancy = Tenancy::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--compartment-id ocid1.bucket.x", "--compartment-id: 'ocid1.bucket.x'"),
        ("--subnet-id s", "--subnet-id: 's'"),
        ("--shape ARM", "--shape: 'ARM'"),
        ("--image relay", "--image: 'relay'"),
        ("--memory 100", "--memory: '100'"),
        ("--timeout 301", "--timeout: '301'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--bucket in/box", "--bucket: 'in/box'"),
        ("--rule a/b", "--rule: 'a/b'"),
        ("--set RELAY_LISTEN=1", "--set: 'RELAY_LISTEN' is not a variable"),
        ("--set APIKEY=topsecret", "--set: the key is never an argument"),
        ("--set RELAY_LOG", "--set: 'RELAY_LOG' has no value"),
        ("--set https_proxy=http://u:topsecret@h", "--set: https_proxy: a password"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--api-key=topsecret", "--api-key: the key is never an argument"),
        ("--policy", "--policy: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = tenancy.run_with("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'")]) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty());
    assert!(!ran.err.contains("topsecret"), "{}", ran.err);

    for script in ["deploy.sh", "destroy.sh", "verify.sh"] {
        let ran = tenancy.run_with(script, &[], &[]).ended(2);
        assert!(
            ran.err.contains("--compartment-id: missing") && ran.calls.is_empty(),
            "{script}: {}",
            ran.err
        );
        let ran = tenancy.run_with(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty());
    }
}

#[test]
fn the_variables_deploy_knows_are_the_relays() {
    let script = fs::read_to_string(folder().join("deploy.sh")).unwrap();
    let list = script.split("settable='").nth(1).unwrap().split('\'').next().unwrap();
    let mut listed: BTreeSet<_> = list.split_whitespace().collect();
    // Options of their own, or without meaning in a function that OCI calls.
    let elsewhere = "APIENDPOINT APIKEY APIKEY_FILE STORAGECLIENTID RELAY_CONFIG RELAY_CONFIG_TOML RELAY_QUEUE_PARTIAL \
        RELAY_LISTEN RELAY_BODY_LIMIT RELAY_TOKEN RELAY_AUTH RELAY_TRUSTED_PROXIES RELAY_MODE RELAY_DATA_DIR \
        RELAY_SPOOL_LIMIT RELAY_SPOOL_RATE RELAY_PARK_AFTER";
    listed.extend(elsewhere.split_whitespace());
    let known: BTreeSet<_> = mdss_relay_core::SETTINGS.iter().map(|s| s.variable).collect();
    assert_eq!(listed, known);
}

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["oci".to_owned()];
    for word in &call.0 {
        let mut word = word.clone();
        for (id, variable) in [
            ("ocid1.application.oc1..mdss-relay", "$APPLICATION_ID"),
            ("ocid1.function.oc1..mdss-relay-oci-fn", "$FUNCTION_ID"),
            ("ocid1.loggroup.oc1..mdss-relay", "$LOG_GROUP_ID"),
            ("ocid1.rule.oc1..mdss-relay-objects", "$RULE_ID"),
            ("ocid1.compartment.oc1..buckets", "$BUCKET_COMPARTMENT_ID"),
        ] {
            word = word.replace(id, variable);
        }
        if word.starts_with("ocid1.work..") {
            word = "$WORK_REQUEST_ID".to_owned();
        }
        if let Some(path) = word.strip_prefix("file://") {
            word = format!("file://$SCRATCH/{}", path.rsplit('/').next().unwrap());
        }
        words.push(word);
    }
    words.join(" ")
}

/// Without the shell's quotes.
fn bare(line: &str) -> String {
    line.replace("'\\''", "\u{1}").replace(['\'', '"', '\\'], "").replace('\u{1}', "")
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let tenancy = Tenancy::new();
    let arguments = base(&["--with-policy", "--set", "RELAY_LOG=debug"]);
    let dry: Vec<_> = arguments.iter().copied().chain(["--dry-run"]).collect();
    let printed = tenancy.run("deploy.sh", &dry).ended(0);
    assert!(printed.calls.is_empty());
    assert!(printed.out.contains(r#""APIKEY": "***""#), "{}", printed.out);
    let lines: BTreeSet<_> = printed
        .out
        .lines()
        .filter(|l| l.contains("oci ") && !l.starts_with('#'))
        .map(|l| bare(l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap())))
        .collect();
    let mut called = BTreeSet::new();
    for _ in 0..2 {
        let ran = tenancy.run("deploy.sh", &arguments).ended(0);
        called.extend(
            ran.calls.iter().filter(|c| c.command() != "fn function create").map(|c| bare(&as_printed(c))),
        );
    }
    assert_eq!(lines, called, "what is printed, and what a fresh and a finished tenancy saw");

    // Neither a key nor a terminal nor the command line is needed for it.
    let ran = tenancy.run_with("deploy.sh", &dry, &[("PATH", "/usr/bin:/bin")]).ended(0);
    assert_eq!(ran.out.lines().filter(|l| l.starts_with("==")).count(), 8, "{}", ran.out);
    for (script, more) in [("destroy.sh", "--with-policy"), ("verify.sh", "--remove")] {
        let ran = tenancy
            .run_with(script, &["--compartment-id", COMPARTMENT, "--bucket", "inbox", more, "--dry-run"], &[])
            .ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("oci fn application list"), "{}", ran.out);
    }
}

#[test]
fn without_a_file_the_key_is_asked_for_at_the_terminal_and_not_shown() {
    // `script` (util-linux, in every Debian) gives a terminal.
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no 'script' to make a terminal with");
        return;
    }
    let tenancy = Tenancy::new();
    let path = format!("{}:{}", folder().join("tests/fake").display(), std::env::var("PATH").unwrap());
    let command = format!("{} {}", folder().join("deploy.sh").display(), BASE);
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--echo", "always", "--command", &command, "/dev/null"])
        .env_remove("APIKEY_FILE")
        .env("PATH", path)
        .env("TMPDIR", tenancy.path("tmp"))
        .env("FAKE_OCI", tenancy.folder.path())
        .env("RELAY_DEPLOY_PAUSE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // As a person does: typed once it is asked for. What is typed before that, every terminal shows.
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut words = Vec::new();
    let mut byte = [0];
    while !words.ends_with(b"not shown: ") && output.read(&mut byte).unwrap() == 1 {
        words.push(byte[0]);
    }
    input.write_all(format!("{KEY}\n").as_bytes()).unwrap();
    output.read_to_end(&mut words).unwrap();
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(child.wait().unwrap().success(), "{words}");
    assert!(words.contains("API key of MDSS, not shown:") && !words.contains(KEY), "{words}");
    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(config["APIKEY"], json!(KEY));
}

// === destroy.sh ===

const DESTROY: &[&str] = &["--compartment-id", COMPARTMENT, "--bucket", "inbox", "--with-policy", "--yes"];

#[test]
fn what_was_made_is_taken_away_rule_first() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    let ran = tenancy.run("destroy.sh", DESTROY).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "logging log delete",
            "events rule delete",
            "fn function delete",
            "logging log delete",
            "fn application delete",
            "logging log-group delete",
            "iam policy delete",
        ]
    );
    assert!(tenancy.everything().values().all(Vec::is_empty), "{:?}", tenancy.everything());
    let ran = tenancy.run("destroy.sh", DESTROY).ended(0);
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
}

#[test]
fn whichever_removal_fails_it_can_be_run_again() {
    let make = || {
        let tenancy = Tenancy::new();
        tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
        tenancy
    };
    let calls = make().run("destroy.sh", DESTROY).ended(0).calls.len();
    for number in 1..=calls {
        let tenancy = make();
        let ran = tenancy.run_with("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]).ended(1);
        assert_eq!(ran.calls.len(), number);
        tenancy.run("destroy.sh", DESTROY).ended(0);
        assert!(
            tenancy.everything().values().all(Vec::is_empty),
            "after call {number} failed: {:?}",
            tenancy.everything()
        );
    }
}

#[test]
fn what_others_use_stays() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    tenancy.put("function", "theirs");
    let ran =
        tenancy.run("destroy.sh", &["--compartment-id", COMPARTMENT, "--bucket", "inbox", "--yes"]).ended(0);
    assert_eq!(tenancy.has("function"), ["theirs"]);
    assert_eq!(tenancy.has("application"), ["mdss-relay"]);
    assert_eq!(tenancy.has("log"), ["log-of-mdss-relay"]);
    assert_eq!(tenancy.has("policy"), ["mdss-relay-events"]);
    assert!(!ran.commands().contains(&"os bucket update".to_owned()), "other rules may need the events");

    let ran = tenancy.run("destroy.sh", &["--compartment-id", COMPARTMENT, "--bucket", "inbox"]).ended(2);
    assert!(ran.err.contains("--yes: missing") && ran.calls.is_empty(), "{}", ran.err);
}

// === verify.sh ===

const VERIFY: &[&str] =
    &["--compartment-id", COMPARTMENT, "--bucket", "inbox", "--wait", "1", "--every", "1"];

/// What the log will say; the stand-in puts the name that is searched for in the place of OBJECT.
fn log_answer(tenancy: &Tenancy, lines: &[Value]) {
    let results: Vec<_> = lines
        .iter()
        .map(|line| json!({ "data": { "datetime": 1, "logContent": { "data": { "message": line.to_string(), "opcRequestId": "/A/B" } } } }))
        .collect();
    let answer = serde_json::to_string_pretty(&json!({ "data": { "results": results } })).unwrap();
    fs::write(tenancy.path("log-answer"), answer).unwrap();
}

fn line(message: &str, event: &str, id: Option<&str>) -> Value {
    json!({ "level": "INFO", "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word",
            "cloudevents.event_type": format!("com.oraclecloud.objectstorage.{event}"), "mdss.correlation_id": id })
}

#[test]
fn a_verified_object_shows_its_line_and_its_correlation_id() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&[])).ended(0);
    log_answer(
        &tenancy,
        &[
            line("object accepted by MDSS", "createobject", Some("first-id")),
            line("object accepted by MDSS", "updateobject", Some("second-id")),
        ],
    );
    let ran = tenancy.run_with("verify.sh", VERIFY, &[]).ended(0);
    assert_eq!(ran.changes(), ["os object put", "os object put"]);
    assert!(
        ran.out.contains("accepted; correlation id first-id\n")
            && ran.out.contains("accepted; correlation id second-id\n"),
        "{}",
        ran.out
    );
    let shown = ran.out.lines().find(|l| l.starts_with('{')).unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(
        shown["mdss.detail"],
        json!("a \"quoted\" \\ word"),
        "the line is the function's own, unescaped once"
    );
    let put = ran.calls.iter().find(|c| c.command() == "os object put").unwrap();
    let search = ran.calls.iter().find(|c| c.command() == "logging-search search-logs").unwrap();
    assert!(
        search.value("--search-query").unwrap().contains(&format!("'*{}*'", put.value("--name").unwrap()))
    );
}

#[test]
fn an_overwrite_that_nobody_hears_of_is_a_failure() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&[])).ended(0);
    log_answer(&tenancy, &[line("object accepted by MDSS", "createobject", Some("first-id"))]);
    let ran = tenancy.run_with("verify.sh", VERIFY, &[]).ended(1);
    assert!(ran.err.contains("no line about 'updateobject'"), "{}", ran.err);
    assert!(ran.out.contains("log lines about this object:"), "{}", ran.out);
    tenancy.run_with("verify.sh", &[VERIFY, &["--once", "--remove"]].concat(), &[]).ended(0);
}

#[test]
fn an_object_mdss_refused_is_a_failure() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&[])).ended(0);
    log_answer(&tenancy, &[line("object not accepted by MDSS; an operator must act", "createobject", None)]);
    let ran = tenancy.run_with("verify.sh", VERIFY, &[]).ended(1);
    assert!(ran.err.contains("the event reached the function and MDSS did not accept"), "{}", ran.err);

    fs::remove_file(tenancy.path("log-answer")).unwrap();
    let ran = tenancy.run_with("verify.sh", VERIFY, &[]).ended(1);
    assert!(
        ran.err.contains("verify.sh --direct") && ran.err.contains("no line about 'createobject'"),
        "{}",
        ran.err
    );

    fs::write(
        tenancy.path("report"),
        r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#,
    )
    .unwrap();
    let ran = tenancy.run_with("verify.sh", &[VERIFY, &["--direct"]].concat(), &[]).ended(0);
    assert!(
        ran.out.contains("accepted; correlation id 42") && ran.changes() == ["fn function invoke"],
        "{}",
        ran.out
    );
    let invoke = ran.calls.last().unwrap();
    let event: Value = serde_json::from_str(invoke.value("--body").unwrap()).unwrap();
    assert_eq!(event["data"]["additionalDetails"], json!({ "bucketName": "inbox", "namespace": "ns" }));

    fs::write(tenancy.path("report"), r#"{"outcome":"permanent","records":[{"result":"failed"}]}"#).unwrap();
    tenancy.run_with("verify.sh", &[VERIFY, &["--direct"]].concat(), &[]).ended(1);
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/oci"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

// === What is said elsewhere ===

fn page(name: &str) -> String {
    fs::read_to_string(folder().join("../..").join(name)).unwrap()
}

#[test]
fn terraform_makes_what_the_script_makes() {
    let terraform = fs::read_to_string(folder().join("terraform/main.tf")).unwrap();
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    for (kind, names) in tenancy.everything() {
        for name in names.iter().filter(|_| kind != "log") {
            assert!(terraform.contains(&format!("= \"{name}\"")), "no {kind} {name} in Terraform");
        }
    }
    for event in ["createobject", "updateobject"] {
        assert!(terraform.contains(&format!("\"com.oraclecloud.objectstorage.{event}\"")), "{event}");
    }
}

#[test]
fn the_fn_command_line_gets_the_version_of_the_package() {
    let version = format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(fs::read_to_string(folder().join("func.yaml")).unwrap().contains(&version));
}

#[test]
fn the_routes_in_the_guide_are_one_line_that_the_relay_reads() {
    let guide = page("docs/oci.md");
    let toml = guide.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert!(!toml.contains('\n'), "OCI wants printable characters in a value: {toml}");
    let variables = [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", toml)];
    let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn the_guides_name_only_variables_and_options_that_exist() {
    let help = Tenancy::new().run("deploy.sh", &["--help"]).ended(0).out
        + &Tenancy::new().run("verify.sh", &["--help"]).ended(0).out
        + &Tenancy::new().run("destroy.sh", &["--help"]).ended(0).out;
    let cli = fs::read_to_string(folder().join("tests/cli-options.json")).unwrap();
    for name in ["docs/oci.md", "docs/from-the-vendor-function.md"] {
        let text = page(name);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        for word in words {
            if word.starts_with("RELAY_") && word != "RELAY_" && word != "RELAY_KEYS_OCI" {
                assert!(mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word), "{name}: {word}");
            }
            if word.starts_with("--") && word.len() > 3 && word.as_bytes()[2].is_ascii_lowercase() {
                assert!(help.contains(word) || cli.contains(&format!("\"{word}\"")), "{name}: {word}");
            }
        }
    }
}
