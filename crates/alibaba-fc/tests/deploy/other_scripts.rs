//! `verify.sh` and `destroy.sh`.

use super::*;

const VERIFY: &[&str] = &["--region", "cn-hangzhou", "--bucket", "inbox", "--wait", "1", "--every", "1"];

/// What the log will say; the stand-in puts the name that is searched for in the place of OBJECT, and shows one line more each time.
fn log(account: &Account, lines: &[Value]) {
    account.write("log", &json!(lines).to_string());
    let _ = fs::remove_file(account.path("looks"));
}

fn line(at: u32, message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    json!({ "timestamp": format!("2026-01-02T03:04:{at:02}Z"), "message": message, "faas.document.name": "OBJECT",
            "mdss.detail": "a \"quoted\" \\ word", "mdss.failure_kind": kind, "mdss.correlation_id": id })
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_ids() {
    let account = Account::new();
    let accepted = |at, id| line(at, "object accepted by MDSS", None, Some(id));
    let later = line(1, "object not yet accepted by MDSS", Some("transient"), None);
    log(&account, &[later, accepted(2, "first-id"), accepted(3, "second-id")]);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "20", "--remove"]].concat(), &[]).ended(0);
    let object = ran.calls[1].0[3].clone();
    assert_eq!(
        ran.changes(),
        [
            format!("oss cp {} {object}", ran.calls[1].0[2]),
            format!("oss cp {} {object}", ran.calls[1].0[2]),
            format!("oss rm {object}")
        ]
    );
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    let shown = ran.out.lines().find(|l| l.starts_with('{')).unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(shown["mdss.detail"], json!("a \"quoted\" \\ word"), "the line is the function's own");

    // An overwrite without an event: the first line does not count twice.
    log(&account, &[accepted(1, "first-id")]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within");
    log(&account, &[accepted(1, "first-id")]);
    account.run("verify.sh", &[VERIFY, &["--once"]].concat(), &[]).ended(0);
}

#[test]
fn an_object_mdss_refused_is_a_failure_and_one_it_did_not_take_yet_is_said() {
    let account = Account::new();
    log(&account, &[line(1, "object not accepted by MDSS; an operator must act", Some("config"), None)]);
    account
        .run("verify.sh", VERIFY, &[])
        .ended(1)
        .says("the event reached the function and MDSS did not accept");
    let mut away = line(1, "object not yet accepted by MDSS", Some("transient"), None);
    away["mdss.reason"] = json!("mdss_unreachable");
    log(&account, &[away]);
    account
        .run("verify.sh", VERIFY, &[])
        .ended(1)
        .says(r#"did not accept the object yet: mdss_unreachable: a "quoted" \ word"#);
    log(&account, &[]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --direct").says("x-oss-event-status");
}

#[test]
fn a_direct_call_shows_the_report() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let direct = [VERIFY, &["--direct"]].concat();
    account.write("report", r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#);
    let ran = account.run("verify.sh", &direct, &[]).ended(0);
    assert!(ran.out.contains("accepted; correlation id 42"), "{}", ran.out);
    let event = fs::read_dir(account.path("given")).unwrap().next().unwrap().unwrap().path();
    let event: Value = serde_json::from_str(&fs::read_to_string(event).unwrap()).unwrap();
    assert_eq!(event["events"][0]["oss"]["bucket"]["name"], json!("inbox"));
    account.write("report", r#"{"errorType":"mdss_unauthorized","errorMessage":"{}"}"#);
    account.run("verify.sh", &direct, &[]).ended(1).says("MDSS did not accept it");
}

#[test]
fn destroying_leaves_nothing_and_may_stop_anywhere() {
    let account = Account::new();
    account.deploy(&["--contact-group", "ops", "--bucket", "outbox", "--concurrency", "3"]).ended(0);
    let calls = {
        let whole = Account::new();
        whole.deploy(&["--contact-group", "ops", "--bucket", "outbox"]).ended(0);
        whole.run("destroy.sh", DESTROY, &[]).ended(0).calls.len()
    };
    for number in (1..=calls).step_by(3) {
        let ran = account.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]);
        if ran.calls.len() < number {
            break;
        }
        ran.ended(1);
    }
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!(account.made(), []);
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    account.run("destroy.sh", &DESTROY[..2], &[]).ended(2).says("--yes: missing");

    account.deploy(&[]).ended(0);
    account.run("destroy.sh", &[DESTROY, &["--keep-log"]].concat(), &[]).ended(0);
    let left: Vec<_> = account.made().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["project", "store", "index"]);
}

#[test]
fn waiting_events_are_not_thrown_away_and_an_unknown_number_is_not_none() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("waiting", "3.0");
    let ran =
        account.run("destroy.sh", DESTROY, &[]).ended(1).says("3 events wait in the queue mdss-relay-dead");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    fs::remove_file(account.path("waiting")).unwrap();
    let ran = account
        .run("destroy.sh", DESTROY, &[])
        .ended(1)
        .says("CloudMonitor has no figure of the queue")
        .says("nothing was changed");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    account.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
    assert_eq!(account.made(), []);
}
