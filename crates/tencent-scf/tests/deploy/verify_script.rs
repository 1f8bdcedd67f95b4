//! `verify.sh`.

use super::*;

const VERIFY: &[&str] =
    &["--region", "ap-guangzhou", "--bucket", "in-1250000000", "--wait", "1", "--every", "1"];

/// What the log will say; the stand-in puts the name that is searched for in the place of OBJECT.
fn log(account: &Account, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    account.write("log", &lines.join("\n"));
    let _ = fs::remove_file(account.path("looks"));
}

fn line(message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    let mut line = json!({ "level": "INFO", "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word" });
    for (name, value) in [("mdss.failure_kind", kind), ("mdss.correlation_id", id)] {
        if let Some(value) = value {
            line[name] = json!(value);
        }
    }
    line
}

/// SCF either takes a line of JSON apart, or leaves it whole in one field.
fn whole(line: &Value) -> Value {
    json!({ "SCF_FunctionName": "mdss-relay", "SCF_Type": "Custom", "SCF_Message": line.to_string() })
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_ids() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let accepted = |id| line("object accepted by MDSS", None, Some(id));
    let later = line("object not yet accepted by MDSS", Some("transient"), None);
    let lines = [
        json!({ "SCF_Type": "Platform", "SCF_Message": "START RequestId OBJECT" }),
        later,
        accepted("first-id"),
        whole(&accepted("second-id")),
    ];
    log(&account, &lines);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    assert_eq!(ran.changes(), ["cos upload", "cos upload", "cos delete"]);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    assert_eq!(account.there()["objects"], json!([]));
    // An overwrite without an event: the first line does not count twice.
    log(&account, &lines[2..3]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("did not accept the object within 1 seconds");
    log(&account, &lines[2..3]);
    account.run("verify.sh", &[VERIFY, &["--once"]].concat(), &[]).ended(0);
}

#[test]
fn an_object_that_mdss_refused_or_that_was_skipped_is_a_failure() {
    let account = Account::new();
    account.run("verify.sh", VERIFY, &[]).ended(1).says("there is no function mdss-relay in ap-guangzhou");
    account.deploy(&[]).ended(0);
    let refused = line("object not accepted by MDSS; an operator must act", Some("config"), None);
    for refused in [whole(&refused), refused] {
        log(&account, &[refused]);
        account.run("verify.sh", VERIFY, &[]).ended(1).says("MDSS did not accept the object; mdss.reason");
    }
    log(&account, &[line("event skipped", None, None)]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("which skipped the object");
    log(&account, &[]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --direct");
}

/// The object commands of tccli end with 0 even then.
#[test]
fn an_upload_that_failed_is_noticed() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let words: Vec<_> =
        VERIFY.iter().map(|w| if *w == "in-1250000000" { "no-1250000000" } else { w }).collect();
    let ran = account.run("verify.sh", &words, &[]).ended(1);
    ran.says("the upload into no-1250000000 failed").says("NoSuchBucket");
}

#[test]
fn a_direct_call_shows_the_report() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let direct = [VERIFY, &["--direct"]].concat();
    let report = |report: &Value| account.write("report", &report.to_string());
    let accepted =
        json!({ "outcome": "done", "records": [{ "result": "accepted", "correlation_id": "42" }] });
    report(&json!({ "RetMsg": accepted.to_string(), "ErrMsg": "" }));
    let ran = account.run("verify.sh", &direct, &[]).ended(0);
    assert!(ran.out.contains("accepted; correlation id 42"), "{}", ran.out);
    // The event is one that the relay reads, about the whole name of the bucket.
    let event: Value = serde_json::from_str(ran.calls[0].value("--Event").unwrap()).unwrap();
    let cos = &event["Records"][0]["cos"];
    assert_eq!((&cos["cosBucket"]["name"], &cos["cosBucket"]["appid"]), (&json!("in"), &json!("1250000000")));
    assert!(cos["cosObject"]["key"].as_str().unwrap().starts_with("/1250000000/in/mdss-relay-verify-"));

    let failed = json!({ "errorType": "mdss_unauthorized", "errorMessage": "{}" }).to_string();
    report(&json!({ "RetMsg": failed, "ErrMsg": "user code exception" }));
    account
        .run("verify.sh", &direct, &[])
        .ended(1)
        .says("MDSS did not accept it")
        .says("user code exception");
}
