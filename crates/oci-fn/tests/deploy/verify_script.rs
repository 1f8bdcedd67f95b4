//! `verify.sh`.

use super::*;

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
