//! `verify.sh`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use mdss_relay_core::{Decision, Delivery, Role, Settings, plan};

use super::*;

const VERIFY: &[&str] = &[
    "--resource-group",
    "relay",
    "--account",
    "acct",
    "--container",
    "inbox/in/",
    "--wait",
    "1",
    "--every",
    "1",
];

fn deployed() -> Subscription {
    let azure = Subscription::new();
    azure.deploy(&[]).ended(0);
    azure
}

/// What the log will say; the stand-in puts the name that is searched for in the place of OBJECT, and shows one line more at
/// each look.
fn log(azure: &Subscription, lines: &[Value]) {
    let lines: Vec<_> =
        lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned)).collect();
    azure.write("log", &json!(lines).to_string());
    let _ = fs::remove_file(azure.path("looks"));
}

fn line(message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    json!({ "level": "INFO", "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word",
            "mdss.failure_kind": kind, "mdss.correlation_id": id })
}

fn accepted(id: &str) -> Value {
    line("object accepted by MDSS", None, Some(id))
}

#[test]
fn a_verified_blob_shows_its_lines_and_its_correlation_ids() {
    let azure = deployed();
    let later = line("object not yet accepted by MDSS", Some("transient"), None);
    let lines =
        [json!("Executing 'Functions.ScanQueue' OBJECT"), later, accepted("first-id"), accepted("second-id")];
    log(&azure, &lines);
    let ran = azure.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    assert_eq!(ran.changes(), ["storage blob upload", "storage blob upload", "storage blob delete"]);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    let shown = ran.out.lines().find(|l| l.starts_with('{')).unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(shown["mdss.detail"], json!("a \"quoted\" \\ word"), "the line is the function's own");
    assert!(shown["faas.document.name"].as_str().unwrap().starts_with("in/mdss-relay-verify-"), "{shown}");

    // An overwrite without an event: the first line does not count twice.
    log(&azure, &lines[2..3]);
    azure.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within");
    log(&azure, &lines[2..3]);
    azure.run("verify.sh", &[VERIFY, &["--once"]].concat(), &[]).ended(0);
}

#[test]
fn a_blob_that_mdss_refused_is_a_failure() {
    let azure = deployed();
    log(&azure, &[line("object not accepted by MDSS; an operator must act", Some("config"), None)]);
    azure
        .run("verify.sh", VERIFY, &[])
        .ended(1)
        .says("the event reached the function and MDSS did not accept");
    log(&azure, &[]);
    azure.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --queue");
    Subscription::new().run("verify.sh", VERIFY, &[]).ended(1).says("has no finished deployment mdss-relay");
}

#[test]
fn what_terraform_made_is_named_and_not_looked_up() {
    let azure = Subscription::new();
    log(&azure, &[accepted("42")]);
    let words =
        [VERIFY, &["--queue", "--workspace", "11111111-2222", "--relay-storage", "relayhash"]].concat();
    let ran = azure.run("verify.sh", &words, &[]).ended(0);
    assert_eq!(ran.commands(), ["storage message put", "rest"]);
    assert_eq!(ran.calls[0].value("--account-name"), Some("relayhash"));
    azure.write("poison/m", "dG8=");
    let ran = azure.run("redrive.sh", &["--resource-group", "relay", "--relay-storage", "relayhash"], &[]);
    assert!(!ran.ended(0).commands().contains(&"deployment group show".to_owned()));
    azure
        .run("verify.sh", &[VERIFY, &["--relay-storage", "A", "--workspace", "a b"]].concat(), &[])
        .ended(2)
        .says("--relay-storage: 'A' may hold small letters")
        .says("--workspace: 'a b' may hold");
}

#[test]
fn an_event_in_the_queue_is_one_that_the_relay_reads() {
    let azure = deployed();
    log(&azure, &[accepted("42")]);
    let ran = azure.run("verify.sh", &[VERIFY, &["--queue"]].concat(), &[]).ended(0);
    assert!(ran.out.contains("accepted; correlation id 42"), "{}", ran.out);
    let put = ran.calls.iter().find(|c| c.command() == "storage message put").unwrap();
    let event = STANDARD.decode(put.value("--content").unwrap()).unwrap();
    // As the queue's message reaches the function: base64 is taken off by the host, or by the relay.
    let variables = [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("STORAGECLIENTID", "unit-1")];
    let settings =
        Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function).finish().unwrap();
    let plan = plan(&settings.rules, &Delivery::from_function(event, ""));
    let [record] = &plan.records[..] else { panic!("{plan:?}") };
    assert!(matches!(record.decision, Decision::Send(_)), "{record:?}");
    let key = record.key.as_ref().unwrap().as_str();
    assert!(key.starts_with("in/mdss-relay-verify-") && ran.out.contains(key), "{key}: {}", ran.out);
}
