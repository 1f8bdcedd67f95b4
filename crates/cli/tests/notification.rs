//! `mdss-relay notification` as a process: what it prints, and its exit status.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for production code")]

mod tool;

use std::fs;

use serde_json::{Value, json};
use tool::Said;

const JD: &str = "crates/core/tests/notification/jd-in-order.xml";
const AMAZON: &str = "crates/core/tests/notification/amazon-all-targets.xml";
const MINIO: &str = "crates/core/tests/notification/minio-overlapping.xml";
const INVALID: &str = "crates/core/tests/notification/invalid.xml";

fn run_with(arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Said {
    tool::run("notification", arguments, variables, stdin)
}

fn run(arguments: &[&str]) -> Said {
    run_with(arguments, &[], "")
}

fn lines(said: &Said) -> Vec<Value> {
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// === write ===

const ROUTES: &str = r#"
    [[route]]
    bucket = "invoices-*"
    prefix = ["in/", "in/2026/", "scans & co/"]
    suffix = ".pdf"
    exclude_prefix = "in/quarantine/"
    condition = { eventVersion = "1.0" }
    storage_client_id = "unit-1"
"#;

#[test]
fn a_document_for_jd_is_written_and_the_rest_is_told() {
    let addresses = ["https://relay-1.example/jd", "https://relay-2.example/jd"];
    let said = run_with(
        &["write", "--bucket", "invoices-eu", "--url", addresses[0], "--url", addresses[1]],
        &[("RELAY_CONFIG_TOML", ROUTES)],
        "",
    );
    assert_eq!(said.status, 0, "{}", said.stderr);
    insta::assert_snapshot!(said.stdout, @r"
    <NotificationConfiguration>
      <TopicConfiguration>
        <Id>mdss-relay-1</Id>
        <Filter>
          <S3Key>
            <FilterRule>
              <Name>prefix</Name>
              <Value>in/</Value>
            </FilterRule>
            <FilterRule>
              <Name>suffix</Name>
              <Value>.pdf</Value>
            </FilterRule>
          </S3Key>
        </Filter>
        <Topic>NS:https://relay-1.example/jd,https://relay-2.example/jd</Topic>
        <Event>s3:ObjectCreated:*</Event>
      </TopicConfiguration>
      <TopicConfiguration>
        <Id>mdss-relay-2</Id>
        <Filter>
          <S3Key>
            <FilterRule>
              <Name>prefix</Name>
              <Value>scans &amp; co/</Value>
            </FilterRule>
            <FilterRule>
              <Name>suffix</Name>
              <Value>.pdf</Value>
            </FilterRule>
          </S3Key>
        </Filter>
        <Topic>NS:https://relay-1.example/jd,https://relay-2.example/jd</Topic>
        <Event>s3:ObjectCreated:*</Event>
      </TopicConfiguration>
    </NotificationConfiguration>
    ");
    insta::assert_snapshot!(said.stderr, @r#"
    mdss-relay notification: warning: route[0].suffix: ".pdf" in this letter case only, and the uploader chooses the case; suffix_any_case takes the others, too
    mdss-relay notification: warning: route[0]: exclude_prefix cannot be said in a document; the store announces more, and the relay skips it
    mdss-relay notification: warning: route[0]: condition cannot be said in a document; the store announces more, and the relay skips it
    "#);
    let again = [&["write", "--jd", "--bucket", "invoices-eu", "--url"][..], &addresses].concat();
    assert_eq!(run_with(&again, &[("RELAY_CONFIG_TOML", ROUTES)], "").stdout, said.stdout, "always the same");
    let checked = run_with(&["check", "-"], &[], &said.stdout);
    assert_eq!((checked.status, checked.stderr.as_str()), (0, ""));
    assert!(checked.stdout.starts_with("-: valid, jdcloud, 2 rules\n"), "{}", checked.stdout);
}

#[test]
fn a_document_for_s3_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("relay.toml");
    let config = config.to_str().unwrap();
    fs::write(config, "[[route]]\nbucket = \"*\"\nstorage_client_id = \"unit-1\"\n").unwrap();
    for (option, arn, element) in [
        ("--s3-topic", "arn:aws:sns:eu-central-1:111122223333:t", "Topic"),
        ("--s3-queue", "arn:minio:sqs::relay:webhook", "Queue"),
        ("--s3-lambda", "arn:aws:lambda:eu-central-1:111122223333:function:f", "CloudFunction"),
    ] {
        let said = run(&["write", "--config", config, "--bucket", "b", option, arn]);
        assert_eq!((said.status, said.stderr.as_str()), (0, ""));
        let want = format!(
            "<NotificationConfiguration>\n  <{element}Configuration>\n    <Id>mdss-relay-1</Id>\n    <{element}>{arn}</{element}>\n    \
             <Event>s3:ObjectCreated:*</Event>\n  </{element}Configuration>\n</NotificationConfiguration>\n"
        );
        assert_eq!(said.stdout, want);
    }
}

#[test]
fn addresses_with_a_secret_need_not_stand_on_the_command_line() {
    let variables = [("STORAGECLIENTID", "unit-1")];
    let arguments = ["write", "--bucket", "b", "--url-file", "-"];
    let said =
        run_with(&arguments, &variables, "https://relay.example/jd/s3cret\n\n https://relay-2.example/ \n");
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    assert!(
        said.stdout.contains("<Topic>NS:https://relay.example/jd/s3cret,https://relay-2.example/</Topic>")
    );

    let said = run_with(&arguments, &variables, "https://relay.example/\nrelay.example/s3cret\n");
    assert_eq!((said.status, said.stdout.as_str()), (2, ""));
    assert_eq!(
        said.stderr,
        "mdss-relay notification: -, line 2: expected an address such as https://relay.example/jd, without a comma or white space\n"
    );
}

#[test]
fn what_cannot_be_written_has_a_status() {
    let many: Vec<_> = (0..101).map(|i| format!("\"{i:03}\"")).collect();
    let many =
        format!("[[route]]\nbucket = \"b\"\nprefix = [{}]\nstorage_client_id = \"u\"\n", many.join(","));
    let url = ["--url", "https://a.example/"];
    for (config, arguments, status, want) in [
        (
            many.as_str(),
            [&["write", "--bucket", "b"][..], &url].concat(),
            1,
            "more than 100 pairs of a prefix and a suffix",
        ),
        (
            ROUTES,
            [&["write", "--bucket", "other"][..], &url].concat(),
            1,
            "expected a bucket that a route names",
        ),
        (
            ROUTES,
            vec!["write", "--bucket", "invoices-a", "--s3-queue", "q"],
            1,
            "rule[0].Queue: expected the ARN of a queue",
        ),
        (
            ROUTES,
            vec!["write", "--bucket", "invoices-a"],
            2,
            "expected an address (--url or --url-file), or a target of S3",
        ),
        (
            ROUTES,
            vec!["write", "--bucket", "invoices-a", "--url", "a.example"],
            2,
            "--url, number 1: expected an address",
        ),
        (
            ROUTES,
            vec!["write", "--bucket", "invoices-a", "--url-file", "/nonexistent"],
            2,
            "--url-file /nonexistent: expected addresses",
        ),
        (ROUTES, vec!["write", "--url", "https://a.example/"], 2, "--bucket"),
        (
            ROUTES,
            [&["write", "--bucket", "invoices-a", "--s3-queue", "q"][..], &url].concat(),
            2,
            "cannot be used with",
        ),
        (
            ROUTES,
            vec!["write", "--bucket", "invoices-a", "--jd", "--s3-queue", "q"],
            2,
            "cannot be used with",
        ),
        (
            "[[route]]",
            [&["write", "--bucket", "b"][..], &url].concat(),
            2,
            "settings: route[0].bucket: expected",
        ),
    ] {
        let said = run_with(&arguments, &[("RELAY_CONFIG_TOML", config)], "");
        assert_eq!((said.status, said.stdout.as_str()), (status, ""), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(want), "{arguments:?}: {}", said.stderr);
    }
    let six = [&["write", "--bucket", "invoices-a", "--url"][..], &["https://a.example/"; 6]].concat();
    let said = run_with(&six, &[("RELAY_CONFIG_TOML", ROUTES)], "");
    assert_eq!(said.status, 1);
    assert!(
        said.stderr.contains("found \"6 addresses\", expected NS: and 1 to 5 addresses"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_should_be_seen_is_told_beside_the_document() {
    let routes = "[[route]]\nbucket = \"b\"\nsource = \"one\"\nprefix = \"1/\"\nstorage_client_id = \"u\"\n\
                  [[route]]\nbucket = \"b\"\nsource = \"two\"\nprefix = \"2/\"\nstorage_client_id = \"u\"\n";
    let variables = [("RELAY_CONFIG_TOML", routes), ("APIENDPOINT", "http://mdss.example"), ("APIKEY", "k")];
    let said = run_with(
        &["write", "--bucket", "b", "--source", "two", "--url", "http://relay.example/"],
        &variables,
        "",
    );
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(said.stdout.contains("<Value>2/</Value>") && !said.stdout.contains("<Value>1/</Value>"));
    assert!(said.stderr.contains("warning: APIENDPOINT: http, so the API key"), "{}", said.stderr);
    assert!(said.stderr.contains("rule[0].Topic, address 1: http: events"), "{}", said.stderr);
}

#[test]
fn the_tools_of_stores_get_the_form_that_they_read() {
    let write = |target: &[&str], format: &str| {
        let args = [&["write", "--bucket", "invoices-eu", "--format", format], target].concat();
        run_with(&args, &[("RELAY_CONFIG_TOML", ROUTES)], "")
    };
    let minio = ["--s3-queue", "arn:minio:sqs::relay:webhook"];
    let amazon = ["--s3-queue", "arn:aws:sqs:eu-central-1:123456789012:relay"];
    insta::assert_snapshot!(write(&minio, "mc").stdout, @r"
    mc event add ALIAS/invoices-eu arn:minio:sqs::relay:webhook --event put --prefix in/ --suffix .pdf
    mc event add ALIAS/invoices-eu arn:minio:sqs::relay:webhook --event put --prefix 'scans & co/' --suffix .pdf
    ");
    let json: Value = serde_json::from_str(&write(&amazon, "json").stdout).unwrap();
    assert_eq!(
        json["QueueConfigurations"][1],
        json!({
            "Id": "mdss-relay-2",
            "QueueArn": amazon[1],
            "Events": ["s3:ObjectCreated:*"],
            "Filter": { "Key": { "FilterRules": [{ "Name": "prefix", "Value": "scans+%26+co/" }, { "Name": "suffix", "Value": ".pdf" }] } },
        })
    );
    for (target, format, words) in [
        (&amazon[..], "mc", "arn:minio:sqs::NAME:webhook"),
        (&["--url", "https://relay.example/s3cret"], "mc", "--s3-queue"),
        (&["--url", "https://relay.example/s3cret"], "json", "--s3-queue"),
    ] {
        let said = write(target, format);
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{format}");
        assert!(said.stderr.contains(words) && !said.stderr.contains("s3cret"), "{format}: {}", said.stderr);
    }
}

// === check ===

#[test]
fn valid_documents_are_tables() {
    let said = run(&["check", JD, MINIO]);
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(said.stdout, @r#"
    crates/core/tests/notification/jd-in-order.xml: valid, jdcloud, 3 rules
      RULE  LINE  ID         EVENTS                                                          PREFIX                     SUFFIX  TARGET
      0     4     contracts  s3:ObjectCreated:*                                              "contracts/2026 & later/"  ".pdf"  https://relay-1.example/…, https://relay-2.example:8443/…
      1     21    -          s3:ObjectCreated:Put, s3:ObjectCreated:CompleteMultipartUpload  -                          ".pdf"  https://archive.example/…
      2     34    gone       s3:ObjectRemoved:*                                              -                          -       function fn-7d1c0a
    crates/core/tests/notification/minio-overlapping.xml: valid, s3-compatible, 2 rules
      RULE  LINE  ID   EVENTS                                     PREFIX  SUFFIX  TARGET
      0     2     all  s3:ObjectCreated:*, s3:ObjectAccessed:Get  -       -       arn:minio:sqs::relay:webhook
      1     8     in   s3:ObjectCreated:Put                       "a+b/"  -       arn:minio:sqs::second:webhook
      warning: line 6, rule[0].Event[1]: "s3:ObjectAccessed:Get" is no event of S3; other stores have some of their own
      warning: line 8, rule[1]: takes some keys of s3:ObjectCreated:Put that rule[0] (id "all") takes, too; S3 would refuse that
    "#);
}

#[test]
fn the_status_of_a_check_is_the_worst() {
    for (files, status) in [
        (vec![JD, AMAZON], 0),
        (vec![JD, INVALID], 1),
        (vec![INVALID, "/nonexistent", JD], 2),
        (vec!["events/relay.toml"], 1),
    ] {
        let said = run(&[&["check"][..], &files].concat());
        assert_eq!(said.status, status, "{files:?}");
        assert!(!format!("{}{}", said.stdout, said.stderr).contains("s3cret"), "{}", said.stdout);
        let json = run(&[&["check", "--json"][..], &files].concat());
        assert_eq!((json.status, lines(&json).len()), (status, files.len()), "{files:?}");
        assert!(!json.stdout.contains("s3cret"), "{}", json.stdout);
    }
    let said = run(&["check", INVALID]);
    assert!(
        said.stdout
            .starts_with(&format!("{INVALID}: invalid, 10 wrong\n  line 1, NotificationConfiguration: ")),
        "{}",
        said.stdout
    );
    assert_eq!(said.stdout.lines().count(), 11);
    assert!(
        run(&["check", "/nonexistent"])
            .stderr
            .starts_with("mdss-relay notification: /nonexistent: No such file")
    );
    let escaped = run_with(&["check", "-", "/nonexistent\u{1b}"], &[], "<a\u{1b}/>");
    assert!(!format!("{}{}", escaped.stdout, escaped.stderr).contains('\u{1b}'), "{}", escaped.stdout);
}

#[test]
fn a_check_is_a_line_of_json() {
    let said = run(&["check", "--json", JD, INVALID, "/nonexistent"]);
    let [good, bad, none] = &lines(&said)[..] else { panic!("{}", said.stdout) };
    assert_eq!(
        good["rules"][1],
        json!({ "rule": 1, "line": 21, "id": null, "events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"],
                "prefix": null, "suffix": ".pdf", "target": "https://archive.example/…" })
    );
    assert_eq!(
        (&good["file"], &good["valid"], &good["store"]),
        (&json!(JD), &json!(true), &json!("jdcloud"))
    );
    assert_eq!(
        (&good["mistakes"], &good["warnings"], &good["error"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    assert_eq!((&bad["valid"], &bad["store"], &bad["rules"]), (&json!(false), &Value::Null, &json!([])));
    assert_eq!(
        bad["mistakes"][1],
        json!({ "place": "line 7, rule[0].Filter.S3Key.FilterRule[0].Name", "found": "infix", "expected": "prefix or suffix" })
    );
    assert_eq!(
        (&none["valid"], &none["error"]),
        (&Value::Null, &json!("No such file or directory (os error 2)"))
    );
}

// === match ===

#[test]
fn each_event_has_the_rule_it_fires_or_every_reason() {
    let said = run(&[
        "match",
        JD,
        "events/jdcloud/create.json",
        "events/jdcloud/remove.json",
        "events/jdcloud/folder-marker.json",
    ]);
    assert_eq!((said.status, said.stderr.as_str()), (1, ""));
    insta::assert_snapshot!(said.stdout, @r#"
    EVENT                              NAME                     KEY                     RULE  ID    TARGET
    events/jdcloud/create.json         s3:ObjectCreated:Put     contract-2026-0012.pdf  1     -     https://archive.example/…
    events/jdcloud/remove.json         s3:ObjectRemoved:Delete  contract-2025-0001.pdf  2     gone  function fn-7d1c0a
    events/jdcloud/folder-marker.json  s3:ObjectCreated:Put     2026/                   none  -     -
        rule 0 (id "contracts"): prefix is "2026/", wanted "contracts/2026 & later/"
        rule 1: suffix is "2026/", wanted ".pdf"
        rule 2 (id "gone"): event is "s3:ObjectCreated:Put", wanted "s3:ObjectRemoved:*"
    "#);
    // Several fire, of one event in a queue's message.
    let said = run(&["match", MINIO, "events/minio/create.json"]);
    assert_eq!(said.status, 0, "{}", said.stdout);
}

#[test]
fn the_status_of_a_match_is_the_worst() {
    let good = "events/jdcloud/create.json";
    for (arguments, status, stderr) in [
        (vec![JD, good], 0, ""),
        (vec![JD, "events/jdcloud/handshake-empty.json"], 1, ""),
        (vec![JD, good, "events/aws-s3/test-event.json"], 1, ""),
        (
            vec![JD, "events/jdcloud/truncated.json", good],
            2,
            "events/jdcloud/truncated.json: the body is not one JSON value",
        ),
        (
            vec![JD, "events/jdcloud/batch-one-bad.json"],
            2,
            "events/jdcloud/batch-one-bad.json (item 1): Records[1].s3.object.key: expected",
        ),
        (vec![JD, "events/aws-s3/empty-records.json"], 2, "it holds no event, only an empty list of records"),
        (vec![JD, "/nonexistent"], 2, "/nonexistent: No such file"),
        (vec!["/nonexistent", good], 2, "/nonexistent: No such file"),
        (vec![INVALID, good], 2, "invalid.xml: line 7, rule[0]"),
        (
            vec![MINIO, "events/minio/create.json"],
            0,
            "warning: crates/core/tests/notification/minio-overlapping.xml: line 6",
        ),
        (vec![JD], 2, "<EVENT>..."),
    ] {
        let said = run(&[&["match"][..], &arguments].concat());
        assert_eq!(said.status, status, "{arguments:?}\n{}{}", said.stdout, said.stderr);
        assert!(
            said.stderr.contains(stderr) && (said.stderr.is_empty() == stderr.is_empty()),
            "{arguments:?}: {}",
            said.stderr
        );
    }
    let said = run(&["match", JD, "events/jdcloud/truncated.json", good]);
    assert_eq!(said.stdout.lines().count(), 2, "what could not be read is no row: {}", said.stdout);
    let json = run(&["match", "--json", JD, "events/jdcloud/batch-one-bad.json", "/nonexistent"]);
    assert_eq!((json.status, lines(&json).len()), (2, 4));
}

#[test]
fn a_match_is_a_line_of_json() {
    let event = |name: &str, key: &str| {
        json!({ "Records": [{ "eventSource": "aws:s3", "eventName": name, "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] })
            .to_string()
    };
    let one = |document: &str, name: &str, key: &str| {
        let said = run_with(&["match", "--json", document, "-"], &[], &event(name, key));
        (said.status, lines(&said).remove(0))
    };
    // The key is decoded as its producer encodes it, and then compared with the decoded filter.
    let (status, line) = one(AMAZON, "ObjectCreated:Put", "raw+files%26more%2Fa");
    assert_eq!(
        (status, line),
        (
            0,
            json!({ "file": "-", "item": "0", "event": "ObjectCreated:Put", "key": "raw files&more/a", "match": true,
                    "rules": [{ "rule": 0, "id": "raw files" }], "misses": [], "error": null })
        )
    );
    let (status, line) = one(MINIO, "ObjectCreated:Put", "a%2Bb/c");
    assert_eq!(
        (status, &line["rules"]),
        (0, &json!([{ "rule": 0, "id": "all" }, { "rule": 1, "id": "in" }]))
    );
    let (status, line) = one(JD, "ObjectCreated:Put", "a.txt");
    assert_eq!((status, &line["match"], &line["rules"]), (1, &json!(false), &json!([])));
    assert_eq!(
        line["misses"],
        json!([
            { "rule": 0, "id": "contracts", "field": "prefix", "seen": "a.txt", "wanted": "contracts/2026 & later/" },
            { "rule": 1, "id": null, "field": "suffix", "seen": "a.txt", "wanted": ".pdf" },
            { "rule": 2, "id": "gone", "field": "event", "seen": "ObjectCreated:Put", "wanted": "s3:ObjectRemoved:*" },
        ])
    );
    let said = run_with(&["match", "--json", JD, "-"], &[], "[");
    assert_eq!((said.status, &lines(&said)[0]["match"]), (2, &Value::Null));
    assert!(lines(&said)[0]["error"].as_str().unwrap().contains("not one JSON value"));
}

#[test]
fn a_suffix_in_any_letter_case_is_left_to_the_relay() {
    let routes = "[[route]]\nbucket = 'b'\nprefix = 'in/'\nsuffix = '.7z'\nsuffix_any_case = '.pdf'\nstorage_client_id = 'unit-1'\n";
    let said = run_with(
        &["write", "--bucket", "b", "--url", "https://relay.example/jd"],
        &[("RELAY_CONFIG_TOML", routes)],
        "",
    );
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(said.stdout.contains("<Value>in/</Value>") && !said.stdout.contains("suffix"), "{}", said.stdout);
    assert!(
        said.stderr.contains("route[0]: suffix_any_case cannot be said in a document"),
        "{}",
        said.stderr
    );
}
