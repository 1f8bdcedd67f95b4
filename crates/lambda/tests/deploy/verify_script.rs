//! `verify.sh`.

use super::*;

const VERIFY: &[&str] = &["--region", "eu-west-1", "--bucket", "inbox", "--wait", "1", "--every", "1"];

/// What the log will say, at these times; the stand-in puts the name that is searched for in the place of OBJECT.
fn log(account: &Account, lines: &[(u64, Value)]) {
    let events: Vec<_> =
        lines.iter().map(|(at, line)| json!({ "timestamp": at, "message": format!("{line}\n") })).collect();
    account.write("log", &json!({ "events": events }).to_string());
    for name in ["began", "looks"] {
        let _ = fs::remove_file(account.path(name));
    }
}

fn line(message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    json!({ "level": "INFO", "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word",
            "mdss.failure_kind": kind, "mdss.correlation_id": id })
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_ids() {
    let account = Account::new();
    let accepted = |id| line("object accepted by MDSS", None, Some(id));
    let later = line(
        "object not yet accepted by MDSS; the sender is asked to repeat the event",
        Some("transient"),
        None,
    );
    let lines = [
        (5, json!("START RequestId: 1 OBJECT")),
        (6, later),
        (7, accepted("first-id")),
        (900, accepted("second-id")),
    ];
    log(&account, &lines);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "200", "--remove"]].concat(), &[]).ended(0);
    assert_eq!(ran.changes(), ["s3api put-object", "s3api put-object", "s3api delete-object"]);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    let shown = ran.out.lines().find(|l| l.starts_with('{')).unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(shown["mdss.detail"], json!("a \"quoted\" \\ word"), "the line is the function's own");

    // An overwrite without an event: the first line does not count twice.
    account.deploy(&[]).ended(0);
    log(&account, &lines[2..3]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within");
    log(&account, &lines[2..3]);
    account.run("verify.sh", &[VERIFY, &["--once"]].concat(), &[]).ended(0);
}

#[test]
fn an_object_mdss_refused_is_a_failure() {
    let account = Account::new();
    log(&account, &[(7, line("object not accepted by MDSS; an operator must act", Some("config"), None))]);
    account
        .run("verify.sh", VERIFY, &[])
        .ended(1)
        .says("the event reached the function and MDSS did not accept");
    account.deploy(&[]).ended(0);
    log(&account, &[]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --direct");
}

#[test]
fn an_mdss_that_is_away_is_what_the_end_says() {
    let account = Account::new();
    let mut away = line("object not yet accepted by MDSS", Some("transient"), None);
    away["mdss.reason"] = json!("mdss_unreachable");
    log(&account, &[(7, away)]);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "120"]].concat(), &[]).ended(1);
    let ran = ran
        .says(r#"did not accept the object yet: mdss_unreachable: a "quoted" \ word"#)
        .says("6 minutes by default");
    assert_eq!(
        ran.calls.len(),
        2,
        "it comes again after three minutes at least, so nobody waits: {:?}",
        ran.commands()
    );
}

#[test]
fn without_a_line_the_end_says_what_to_look_at() {
    let account = Account::new();
    log(&account, &[]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("there is no stack mdss-relay in eu-west-1");
    account.deploy(&[]).ended(0);
    let url = "--queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/mdss-relay-Queue-1";
    account.run("verify.sh", VERIFY, &[]).ended(1).says(url);
}

#[test]
fn a_direct_call_shows_the_report() {
    let account = Account::new();
    let direct = [VERIFY, &["--direct"]].concat();
    account.write("report", r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#);
    let ran = account.run("verify.sh", &direct, &[]).ended(0);
    assert!(ran.out.contains("accepted; correlation id 42"), "{}", ran.out);
    account.write("report", r#"{"errorType":"mdss_unauthorized","errorMessage":"{}"}"#);
    account.run("verify.sh", &direct, &[]).ended(1).says("MDSS did not accept it");
}
