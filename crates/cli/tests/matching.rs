//! `mdss-relay match` as a process: what it prints, and its exit status.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for production code")]

mod tool;

use std::fs;
use std::process::Command;

use serde_json::Value;
use tool::{Said, root};

fn run_with(arguments: &[&str], stdin: &str) -> Said {
    tool::run("match", arguments, &[], stdin)
}

fn run(arguments: &[&str]) -> Said {
    run_with(arguments, "")
}

const PDF: &str = r#"{"eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"*.pdf","additionalDetails":{"versionId":"*"}}}"#;

#[test]
fn each_event_has_a_line_and_the_status_is_the_worst() {
    let files = ["events/oci/create.json", "events/oci/over-http.json"];
    let good = run(&[&["--condition", PDF][..], &files].concat());
    assert_eq!((good.status, good.stderr.as_str()), (0, ""));
    assert_eq!(
        good.stdout, "match events/oci/create.json\nmatch events/oci/over-http.json\n",
        "bare and wrapped"
    );

    let said = run(&[
        "--condition",
        PDF,
        "events/oci/create.json",
        "events/oci/remove.json",
        "events/oci/create-null-members.json",
        "events/aws-s3/encoded-once.json",
    ]);
    assert_eq!((said.status, said.stderr.as_str()), (1, ""));
    insta::assert_snapshot!(said.stdout, @r#"
    match events/oci/create.json
    no match events/oci/remove.json: eventType is "com.oraclecloud.objectstorage.deleteobject", wanted "com.oraclecloud.objectstorage.createobject"
    no match events/oci/create-null-members.json: data.resourceName is "export.csv", wanted "*.pdf"
    no match events/aws-s3/encoded-once.json (item 0): eventType is absent, wanted "com.oraclecloud.objectstorage.createobject"
    no match events/aws-s3/encoded-once.json (item 1): eventType is absent, wanted "com.oraclecloud.objectstorage.createobject"
    no match events/aws-s3/encoded-once.json (item 2): eventType is absent, wanted "com.oraclecloud.objectstorage.createobject"
    "#);
}

#[test]
fn what_cannot_be_read_is_on_standard_error_and_worse_than_no_match() {
    let said = run(&[
        "--condition",
        "{}",
        "events/oci/truncated.json",
        "events/aws-s3/empty-records.json",
        "events/aws-sqs/batch-one-bad.json",
        "no-such-file.json",
        "events/oci/create.json",
    ]);
    assert_eq!(said.status, 2);
    insta::assert_snapshot!(said.stdout, @r#"
    match events/aws-sqs/batch-one-bad.json (item 95e64727-1386-4a08-aedb-98cf2a3ddb10/0)
    match events/aws-sqs/batch-one-bad.json (item 5b897881-1019-4b1b-a12b-9bc12e171c12/0)
    match events/oci/create.json
    "#);
    insta::assert_snapshot!(said.stderr, @r#"
    mdss-relay match: events/oci/truncated.json: the body is not one JSON value: EOF while parsing a string at line 16 column 46
    mdss-relay match: events/aws-s3/empty-records.json: it holds no event, only an empty list of records
    mdss-relay match: events/aws-sqs/batch-one-bad.json (item 0ff0a66a-05fa-415a-a0e0-edfe467c15d3/0): Records[1].body: the body is not one JSON value: EOF while parsing an object at line 1 column 36
    mdss-relay match: no-such-file.json: No such file or directory (os error 2)
    "#);
}

#[test]
fn programs_get_json() {
    let condition = r#"{"data":{"additionalDetails":{"versionId":"*"},"resourceName":["x", "in*"]}}"#;
    let said = run(&[
        "--json",
        "--condition",
        condition,
        "events/oci/create.json",
        "events/oci/create-null-members.json",
        "events/oci/create-bucket.json",
        "events/foreign/not-json.json",
    ]);
    assert_eq!((said.status, said.stderr.as_str()), (2, ""));
    insta::assert_snapshot!(said.stdout, @r#"
    {"file":"events/oci/create.json","item":"0","match":true,"field":null,"absent":false,"seen":null,"wanted":null,"error":null}
    {"file":"events/oci/create-null-members.json","item":"0","match":false,"field":"data.additionalDetails.versionId","absent":false,"seen":null,"wanted":"*","error":null}
    {"file":"events/oci/create-bucket.json","item":"0","match":false,"field":"data.additionalDetails.versionId","absent":true,"seen":null,"wanted":"*","error":null}
    {"file":"events/foreign/not-json.json","item":"0","match":null,"field":null,"absent":false,"seen":null,"wanted":null,"error":"the body is not one JSON value: expected value at line 1 column 1"}
    "#);
    for line in said.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.as_object().unwrap().len(), 8, "{line}");
    }
}

#[test]
fn a_condition_may_come_from_a_file_and_an_event_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("condition.json");
    fs::write(&file, format!("{PDF}\n")).unwrap();
    let event = fs::read_to_string(root().join("events/oci/create.json")).unwrap();
    let said = run_with(&["--condition", file.to_str().unwrap(), "-"], &event);
    assert_eq!((said.status, said.stdout.as_str(), said.stderr.as_str()), (0, "match -\n", ""));

    // As `oci events rule get` shows it: a string that holds JSON.
    let quoted = serde_json::to_string(PDF).unwrap();
    assert_eq!(run_with(&["--condition", &quoted, "-"], &event).status, 0);
}

/// The console blocks of the guide are what the tool says, letter for letter.
#[test]
fn the_guide_shows_what_happens() {
    let guide = fs::read_to_string(root().join("docs/conditions.md")).unwrap();
    let blocks: Vec<_> = guide.split("```console\n$ ").skip(1).filter_map(|b| b.split_once("```")).collect();
    assert_eq!(blocks.len(), 2);
    for (block, _) in blocks {
        let (command, shown) = block.split_once('\n').unwrap();
        let tool = env!("CARGO_BIN_EXE_mdss-relay");
        let command = command.replacen("mdss-relay", &format!("'{tool}'"), 1);
        let output = Command::new("sh").args(["-c", &command]).current_dir(root()).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), shown, "{command}");
    }
}

#[test]
fn what_a_stranger_wrote_does_not_reach_the_terminal() {
    let event = r#"{"Records":[{"eventSource":"aws:sqs","messageId":"a\u001b[2J\n","body":"{\"k\":\"\\u001b[2J\u009b\u202e\"}"},
        {"eventSource":"aws:sqs","messageId":"b","body":"{\"k\":\"x\u009b\"}"},
        {"eventSource":"aws:sqs","messageId":"\u009b","body":""}]}"#;
    let said = run_with(&["--condition", "{\"k\":\"x\u{9b}\"}", "-"], event);
    assert_eq!(said.status, 2);
    assert_eq!(
        said.stdout,
        "no match - (item 0/0): k is \"\\u001b[2J\\u009b\\u202e\", wanted \"x\\u009b\"\nmatch - (item b/0)\n"
    );
    assert!(said.stderr.contains("(item 2/0)") && said.stderr.lines().count() == 1, "{}", said.stderr);
}

#[test]
fn a_condition_with_mistakes_is_not_tried() {
    for (condition, stderr) in [
        (
            r#"{"a":[{"prefix":"b"}],"c":1,"c":2}"#,
            "mdss-relay match: a[0]: found \"prefix\", expected a text with a star at its end, such as \"in/*\"; this is \
             EventBridge's syntax, not OCI's\n\
             mdss-relay match: c: expected each name once, found it twice\n",
        ),
        (
            "[]",
            "mdss-relay match: condition: expected an object of fields, such as \
             {\"eventType\":\"com.oraclecloud.objectstorage.*object\"}, found an array\n",
        ),
        (
            "not json",
            "mdss-relay match: not json: expected a file with a condition, or JSON that begins with { (No such file or \
             directory (os error 2))\n",
        ),
    ] {
        let said = run(&["--condition", condition, "events/oci/create.json"]);
        assert_eq!((said.status, said.stdout.as_str(), said.stderr.as_str()), (2, "", stderr), "{condition}");
    }
    let warned = run(&["--condition", r#"{"data*":1}"#, "events/oci/create.json"]);
    assert_eq!(warned.status, 1);
    assert!(
        warned.stderr.starts_with("mdss-relay match: warning: data*: a star in a name"),
        "{}",
        warned.stderr
    );
    for wrong in [&["x.json"][..], &["--condition", "{}"], &["--condition", "{}", "--suggest", "x.json"]] {
        assert_eq!(run(wrong).status, 2, "{wrong:?}");
    }
}

#[test]
fn what_is_suggested_matches() {
    for (files, want) in [
        (
            &["events/oci/create.json", "events/oci/overwrite.json", "events/oci/over-http.json"][..],
            r#"{"eventType":["com.oraclecloud.objectstorage.createobject","com.oraclecloud.objectstorage.updateobject"],"data":{"resourceName":"invoice-04*","additionalDetails":{"bucketName":"intake-invoices","namespace":"axr7relaydemo"}}}"#,
        ),
        (
            &["events/oci/condition.json"],
            r#"{"eventType":"com.oraclecloud.objectstorage.createobject","data":{"resourceName":"2026/*","additionalDetails":{"bucketName":"records-hr","namespace":"axr7relaydemo"}}}"#,
        ),
    ] {
        let said = run(&[&["--suggest"], files].concat());
        assert_eq!((said.status, said.stderr.as_str()), (0, ""));
        assert_eq!(said.stdout, format!("{want}\n"));
        assert_eq!(run(&[&["--condition", said.stdout.trim()], files].concat()).status, 0, "{files:?}");
    }
    for (files, sentence) in [
        (
            ["events/oci/create.json", "events/aws-s3/create.json"],
            "mdss-relay match: events/aws-s3/create.json: eventType: expected the type of an OCI event, found none",
        ),
        (
            ["events/oci/create.json", "events/oci/truncated.json"],
            "mdss-relay match: events/oci/truncated.json: the body is not one JSON value",
        ),
    ] {
        let said = run(&[&["--suggest"][..], &files].concat());
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{files:?}");
        assert!(said.stderr.starts_with(sentence), "{}", said.stderr);
    }
}
