//! `destroy.sh`, `verify.sh` and `redrive.sh`.

use super::*;

const VERIFY: &[&str] = &["--region", "cn-north-4", "--bucket", "inbox", "--wait", "1", "--every", "1"];
const REDRIVE: &[&str] = &["--region", "cn-north-4", "--dead-letters", "dead"];

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let project = Project::new();
    let theirs = json!({ "id": "t", "name": "mdss-relay-2.inbox", "sources": [], "targets": [] });
    project.write("subscriptions.json", &format!("{}\n", serde_json::to_string_pretty(&theirs).unwrap()));
    project.deploy(&[]).ended(0);
    let whole = Project::like(&project);
    let ran = project.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "EG DeleteSubscription", // before the function: nobody is to call what is about to go
            "FunctionGraph DeleteFunction",
            "CES BatchDeleteAlarmRules",
            "LTS DeleteKeywordsAlarmRule",
            "LTS DeleteLogGroup"
        ]
    );
    assert_eq!(project.subscriptions(), [theirs], "and nobody else's");
    for (number, command) in (1..).zip(&ran.commands()) {
        if only_looks(command) && number > 1 {
            continue; // all look-ups are made in one way
        }
        let half = Project::like(&whole);
        let number = number.to_string();
        half.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number)]).ended(1);
        if only_looks(command) {
            continue; // what was there stayed as it was
        }
        half.run("destroy.sh", DESTROY, &[]).ended(0);
        let left =
            ["function.json", "alarm.json", "lines-alarm.json", "log"].map(|name| half.path(name).exists());
        assert!(left == [false; 4] && half.subscriptions().len() == 1, "after {command} failed: {left:?}");
    }
    project.run("destroy.sh", DESTROY, &[]).ended(0);
    project.run("destroy.sh", &DESTROY[..3], &[]).ended(2).says("--yes: missing");
}

#[test]
fn waiting_events_are_not_thrown_away() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    project.write("waiting", "3\n");
    let ran = project
        .run("destroy.sh", DESTROY, &[])
        .ended(1)
        .says("3 events are in the state WAIT")
        .says("nothing was changed");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    project.write("waiting", "0\n");
    // What came after the first look, which asks twice.
    let ran = project.run("destroy.sh", DESTROY, &[("FAKE_ARRIVES", "3")]).ended(1);
    let ran = ran.says("the objects that are new from now on are not scanned");
    assert!(!ran.changes().contains(&"FunctionGraph DeleteFunction".to_owned()));
    project.write("waiting", "3\n");
    project.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
}

/// What the log will say; the stand-in puts the word that is searched for in the place of OBJECT, and each look sees one line more.
fn log(project: &Project, lines: &[Value]) {
    project.write("lines", &lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"));
    let _ = fs::remove_file(project.path("looks"));
}

fn line(message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    json!({ "level": "INFO", "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word",
            "mdss.reason": "mdss_unreachable", "mdss.failure_kind": kind, "mdss.correlation_id": id })
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_ids() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    let accepted = |id| line("object accepted by MDSS", None, Some(id));
    let later = line("object not yet accepted by MDSS", Some("transient"), None);
    let foreign = json!({ "message": "object accepted by MDSS", "faas.document.name": "another", "mdss.correlation_id": "no" });
    log(&project, &[foreign, later, accepted("first-id"), accepted("second-id")]);
    let ran = project.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    assert!(ran.out.contains("not yet: mdss_unreachable") && !ran.out.contains("id no\n"), "{}", ran.out);
    assert_eq!(
        ran.commands().iter().filter(|c| c.starts_with("obs ")).count(),
        3,
        "two uploads and a removal"
    );
    // An overwrite without an event: the first line does not count twice.
    log(&project, &[accepted("first-id")]);
    project.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within");
    log(&project, &[accepted("first-id")]);
    project.run("verify.sh", &[VERIFY, &["--once"]].concat(), &[]).ended(0);
}

#[test]
fn an_object_mdss_refused_is_a_failure() {
    let project = Project::new();
    project.run("verify.sh", VERIFY, &[]).ended(1).says("there is no log mdss-relay in cn-north-4");
    project.deploy(&[]).ended(0);
    log(&project, &[line("object not accepted by MDSS; an operator must act", Some("config"), None)]);
    let ran = project.run("verify.sh", VERIFY, &[]).ended(1);
    ran.says("MDSS did not accept the object: mdss_unreachable: a \"quoted\" \\ word");
    log(&project, &[]);
    project.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --direct");
}

#[test]
fn a_direct_call_shows_the_report() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    let direct = [VERIFY, &["--direct", "--prefix", "a/b"]].concat();
    let report = |text: &str| json!({ "request_id": "r", "result": text, "status": 200 }).to_string();
    project.write(
        "report",
        &report(r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#),
    );
    let ran = project.run("verify.sh", &direct, &[]).ended(0);
    assert!(ran.out.contains("accepted; correlation id 42"), "{}", ran.out);
    let event: Value =
        serde_json::from_str(&fs::read_to_string(project.path("given/0002")).unwrap()).unwrap();
    let key = event["body"]["data"]["obs"]["object"]["key"].as_str().unwrap();
    assert!(key.starts_with("a%2Fb"), "as objectKeyEncode has it: {key}");
    project.write("report", &report(r#"{"errorType":"mdss_unauthorized","errorMessage":"{}"}"#));
    project.run("verify.sh", &direct, &[]).ended(1).says("MDSS did not accept it");
}

#[test]
fn dead_letters_come_back_one_by_one() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    fs::create_dir(project.path("letters")).unwrap();
    let letter = json!({ "request_context": { "request_id": "1" }, "request_payload": "{\"source\": \"HC.OBS.DWR\"}" });
    project.write("letters/1.json", &letter.to_string());
    project.write("letters/2.json", "{\"request_payload\": \"\"}");
    let report = |text: &str| json!({ "request_id": "r", "result": text, "status": 200 }).to_string();
    project.write("report", &report(r#"{"errorType":"mdss_unavailable","errorMessage":"{}"}"#));
    let ran = project.run("redrive.sh", REDRIVE, &[]).ended(1);
    assert!(ran.out.contains("0 came back, 2 stayed") && ran.out.contains("mdss_unavailable"), "{}", ran.out);
    project.write("report", &report(r#"{"outcome":"done","records":[]}"#));
    let ran = project.run("redrive.sh", REDRIVE, &[]).ended(1);
    assert!(ran.out.contains("1 came back, 1 stayed") && ran.out.contains("holds no event"), "{}", ran.out);
    assert!(!project.path("letters/1.json").exists() && project.path("letters/2.json").exists());
    fs::remove_file(project.path("letters/2.json")).unwrap();
    let ran = project.run("redrive.sh", REDRIVE, &[]).ended(0);
    assert!(ran.out.contains("0 came back, 0 stayed"), "{}", ran.out);
}
