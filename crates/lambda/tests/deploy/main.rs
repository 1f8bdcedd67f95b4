//! The scripts of `deploy/aws`, run with a recording stand-in for `aws` first on PATH, and what the template, the scripts
//! and the guide say of each other. `make aws-cli-check` runs the same scripts with the real command line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod account;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Cause, Role, Settings, fields};
use serde_json::{Value, json};

use account::{Account, Call, KEY, folder};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:mdss-relay-Queue-1";

fn entry(more: Value) -> Value {
    let mut entry = json!({ "Id": "mdss-relay", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"] });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

// === deploy.sh ===

#[test]
fn a_fresh_account_gets_everything_in_order() {
    let account = Account::new();
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(
        ran.commands(),
        [
            "sts get-caller-identity",
            "s3api get-bucket-location",
            "cloudformation describe-stacks", // not there; both look-ups end here
            "cloudformation describe-stacks",
            "secretsmanager get-secret-value",
            "secretsmanager create-secret",
            "secretsmanager get-secret-value",
            "s3api put-object",
            "cloudformation deploy",
            "cloudformation describe-stacks",
            "s3api get-bucket-notification-configuration",
            "s3api put-bucket-notification-configuration",
            "s3api get-bucket-notification-configuration",
        ]
    );
    assert_eq!(fs::read_to_string(account.path("secret")).unwrap(), KEY, "without the file's line break");
    for (name, value) in [
        ("CodeBucket", "code"),
        ("Events", "notification"),
        ("BucketArns", "arn:aws:s3:::inbox"),
        ("Endpoint", "https://mdss.example"),
        ("StorageClientId", "unit-1"),
        ("RelayConfigToml", ""),
        ("ApiKeySecret", "mdss-relay-api-key"),
        ("ApiKeySecretVersion", "version-0006"),
    ] {
        assert_eq!(account.parameter(name).as_deref(), Some(value), "{name}");
    }
    let put = ran.calls.iter().find(|c| c.command() == "s3api put-object").unwrap();
    assert_eq!(
        account.parameter("CodeKey").as_deref(),
        put.value("--key"),
        "the stack gets what was uploaded"
    );
    assert_eq!(account.json("notification/inbox"), json!({ "QueueConfigurations": [entry(json!({}))] }));
    for call in ran.calls.iter().filter(|c| c.command().starts_with("s3api")) {
        assert_eq!(call.value("--expected-bucket-owner"), Some("123456789012"), "{call:?}");
    }
}

#[test]
fn everybody_elses_notifications_stay() {
    let theirs = json!({
        "TopicConfigurations": [{ "Id": "t", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Events": ["s3:ObjectRemoved:*"] }],
        "QueueConfigurations": [{ "Id": "q", "QueueArn": "arn:aws:sqs:eu-west-1:1:q", "Events": ["s3:ObjectCreated:Put"],
            "Filter": { "Key": { "FilterRules": [{ "Name": "Suffix", "Value": ".pdf" }, { "Name": "Prefix", "Value": "a/" }] } } }],
        "LambdaFunctionConfigurations": [{ "Id": "l", "LambdaFunctionArn": "arn:aws:lambda:eu-west-1:1:function:l", "Events": ["s3:ObjectRestore:*"] }],
        "EventBridgeConfiguration": {},
    });
    let account = Account::new();
    account.write("notification/inbox", &theirs.to_string());
    account.deploy(&["--prefix", "incoming/"]).ended(0);
    let mut wanted = theirs.clone();
    // Only the case of a filter's name changes, which S3 does not look at.
    wanted["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"][0]["Name"] = json!("suffix");
    let ours = entry(
        json!({ "Filter": { "Key": { "FilterRules": [{ "Name": "Prefix", "Value": "incoming/" }] } } }),
    );
    wanted["QueueConfigurations"].as_array_mut().unwrap().push(ours);
    assert_eq!(account.json("notification/inbox"), wanted);

    // Again: nothing to write. With another prefix: only ours changes.
    let ran = account.deploy(&["--prefix", "incoming/"]).ended(0);
    assert!(!ran.changes().iter().any(|c| c.contains("notification")), "{:?}", ran.changes());
    account.deploy(&[]).ended(0);
    wanted["QueueConfigurations"][1] = entry(json!({}));
    assert_eq!(account.json("notification/inbox"), wanted);

    account.run("destroy.sh", DESTROY, &[]).ended(0);
    wanted["QueueConfigurations"].as_array_mut().unwrap().pop();
    assert_eq!(account.json("notification/inbox"), wanted, "and only ours goes");
}

#[test]
fn somebody_who_writes_at_the_same_time_is_noticed() {
    let account = Account::new();
    let key = account.text("key");
    let ran = account.run("deploy.sh", &account.base(), &[("APIKEY_FILE", &key), ("FAKE_MEDDLE", "1")]);
    ran.ended(1).says("the notifications of inbox are not what was just written");
}

#[test]
fn a_finished_account_gets_nothing_new() {
    let account = Account::new();
    account.deploy(&["--concurrency", "7"]).ended(0);
    let before = account.json("parameters");
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(
        ran.changes(),
        ["s3api put-object", "cloudformation deploy"],
        "neither of which changes anything"
    );
    assert_eq!(account.json("parameters"), before, "options marked * keep what they were");

    // No APIKEY_FILE: the key that is there stays.
    let ran = account.run("deploy.sh", &account.base(), &[]).ended(0);
    assert!(!ran.changes().iter().any(|c| c.starts_with("secretsmanager")), "{:?}", ran.changes());
}

#[test]
fn another_key_or_another_binary_reaches_the_function() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let before = (account.parameter("CodeKey"), account.parameter("ApiKeySecretVersion"));
    account.write("key", "another\n");
    account.write("code.zip", "PK\u{3}\u{4}two");
    account.deploy(&[]).ended(0);
    let after = (account.parameter("CodeKey"), account.parameter("ApiKeySecretVersion"));
    assert_eq!(fs::read_to_string(account.path("secret")).unwrap(), "another");
    assert_ne!(before.0, after.0, "CloudFormation looks at the name only");
    assert_ne!(before.1, after.1, "CloudFormation reads a secret again only if the reference changes");
}

#[test]
fn event_bridge_is_switched_on_and_the_queue_left_out() {
    let account = Account::new();
    account.deploy(&["--events", "eventbridge"]).ended(0);
    assert_eq!(account.json("notification/inbox"), json!({ "EventBridgeConfiguration": {} }));
    assert_eq!(account.parameter("Events").as_deref(), Some("eventbridge"));
    let ran = account.deploy(&[]).ended(1).says("the stack gets its events by 'eventbridge'");
    assert!(ran.changes().is_empty(), "a change of ways would have a gap: {:?}", ran.changes());
}

#[test]
fn no_bucket_is_forgotten_in_silence() {
    let account = Account::new();
    account.deploy(&["--bucket", "outbox"]).ended(0);
    assert_eq!(account.parameter("BucketArns").as_deref(), Some("arn:aws:s3:::inbox,arn:aws:s3:::outbox"));
    let ran = account
        .deploy(&[])
        .ended(1)
        .says("the stack also serves the bucket outbox; give --bucket outbox too");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    account.deploy(&["--drop-bucket", "outbox"]).ended(0);
    assert_eq!(account.parameter("BucketArns").as_deref(), Some("arn:aws:s3:::inbox"));
    assert_eq!(account.json("notification/outbox"), json!({}));
}

#[test]
fn buckets_elsewhere_are_found_out_before_anything_is_made() {
    for (answer, sentence) in [
        ("us-west-2\n", "--bucket: inbox is in us-west-2, not in eu-west-1"),
        ("None\n", "--bucket: inbox is in us-east-1, not in eu-west-1"),
    ] {
        let account = Account::new();
        account.write("region/inbox", answer);
        let ran = account.deploy(&[]).ended(2).says(sentence);
        assert!(ran.changes().is_empty());
    }
    let account = Account::new();
    account.write("region/inbox", "EU\n"); // what eu-west-1 was called once
    account.deploy(&[]).ended(0);
}

#[test]
fn china_has_a_partition_of_its_own() {
    let account = Account::new();
    account.write("region/inbox", "cn-north-1\n");
    let words: Vec<_> =
        account.base().into_iter().map(|w| if w == "eu-west-1" { "cn-north-1" } else { w }).collect();
    account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))]).ended(0);
    assert_eq!(account.parameter("BucketArns").as_deref(), Some("arn:aws-cn:s3:::inbox"));
}

#[test]
fn routes_and_everything_else_reach_the_stack() {
    let toml = "route = [\n\t{ bucket = \"in\\\\box\", storage_client_id = \"ü\" },\n]";
    let account = Account::new();
    account.write("relay.toml", &format!("{toml}\n"));
    let file = account.text("relay.toml");
    let words: Vec<_> = account
        .base()
        .into_iter()
        .map(|w| match w {
            "--storage-client-id" => "--relay-config",
            "unit-1" => &file,
            other => other,
        })
        .chain("--subnet-id subnet-1 --subnet-id subnet-2 --security-group-id sg-1 --architecture x86_64 --timeout 120".split(' '))
        .chain("--max-receives 9 --concurrency 3 --reserve-concurrency on --log-retention 7".split(' '))
        .chain("--kms-key arn:aws:kms:eu-west-1:1:key/k --alarm-topic arn:aws:sns:eu-west-1:1:t".split(' '))
        .collect();
    account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))]).ended(0);
    for (name, value) in [
        ("RelayConfigToml", toml),
        ("StorageClientId", ""),
        ("SubnetIds", "subnet-1,subnet-2"),
        ("SecurityGroupIds", "sg-1"),
        ("Architecture", "x86_64"),
        ("FunctionTimeout", "120"),
        ("MaxReceives", "9"),
        ("Concurrency", "3"),
        ("ReserveConcurrency", "on"),
        ("LogRetention", "7"),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:1:key/k"),
        ("AlarmTopicArn", "arn:aws:sns:eu-west-1:1:t"),
    ] {
        assert_eq!(account.parameter(name).as_deref(), Some(value), "{name}");
    }
    account.write("relay.toml", &"x".repeat(3501));
    let ran = account.run("deploy.sh", &words, &[]).ended(2).says("has 3501 bytes");
    assert!(ran.calls.is_empty());
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Account::new();
    let calls = whole.deploy(&[]).ended(0).calls.len();
    for number in 1..=calls {
        let account = Account::new();
        let key = account.text("key");
        let at = number.to_string();
        let ran = account.run("deploy.sh", &account.base(), &[("APIKEY_FILE", &key), ("FAKE_FAIL", &at)]);
        let failed = ran.calls.last().unwrap().command();
        let ran = ran.ended(1).says(&format!("'aws {failed}' ended with status 254"));
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains("it was asked to fail"), "the tool's own words are passed on: {}", ran.err);
        account.deploy(&[]).ended(0);
        let json = |a: &Account| (a.json("notification/inbox"), a.parameter("BucketArns"));
        assert_eq!(json(&account), json(&whole), "after call {number} failed");
        assert_eq!(fs::read_to_string(account.path("secret")).unwrap(), KEY);
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let account = Account::new();
    let key = account.text("key");
    account.run("deploy.sh", &account.base(), &[("APIKEY_FILE", &key), ("FAKE_KILL", "9")]).ended(143);
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let account = Account::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--region eu_west", "--region: 'eu_west'"),
        ("--stack 1x", "--stack: '1x'"),
        ("--zip /nowhere", "--zip: '/nowhere'"),
        ("--architecture arm", "--architecture: 'arm'"),
        ("--code-bucket a/b", "--code-bucket: 'a/b'"),
        ("--timeout 90", "--timeout: '90'"),
        ("--max-receives 4", "--max-receives: '4'"),
        ("--concurrency 1", "--concurrency: '1'"),
        ("--reserve-concurrency yes", "--reserve-concurrency: 'yes'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--secret a:b", "--secret: 'a:b'"),
        ("--kms-key k", "--kms-key: 'k'"),
        ("--alarm-topic t", "--alarm-topic: 't'"),
        ("--log-retention 2", "--log-retention: '2'"),
        ("--bucket in/box", "'in/box'"),
        ("--subnet-id subnet-1", "--security-group-id: missing"),
        ("--events sns", "--events: 'sns'"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--api-key=topsecret", "--api-key: the key is never an argument"),
        ("--prefix", "--prefix: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = account.run("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'")]) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("topsecret"), "{}", ran.err);

    for script in ["deploy.sh", "destroy.sh", "verify.sh"] {
        let ran = account.run(script, &[], &[]).ended(2).says("--region: missing");
        assert!(ran.calls.is_empty(), "{script}");
        let ran = account.run(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty(), "{script}");
    }
    account
        .run("deploy.sh", &account.base(), &[])
        .ended(2)
        .says("there is no secret 'mdss-relay-api-key' yet");
}

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["aws".to_owned()];
    for word in &call.0 {
        let mut word = word.replace("123456789012", "$ACCOUNT_ID");
        for prefix in ["file://", "fileb://"] {
            if let Some(name) = word.strip_prefix(prefix).and_then(|p| p.rsplit('/').next()) {
                word = format!("{prefix}$SCRATCH/{name}");
            }
        }
        words.push(word);
    }
    words.join(" ")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    let bare = |l: &str| l.replace("'\\''", "\u{1}").replace(['\'', '"', '\\'], "").replace('\u{1}', "");
    out.lines()
        .filter(|l| l.contains("aws ") && !l.starts_with('#') && !l.starts_with("jq"))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()))
        .map(|l| bare(l.split(" > $SCRATCH").next().unwrap()))
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let account = Account::new();
    let dry = account.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("#   ***"), "{}", dry.out);
    let mut called = BTreeSet::new();
    for key in [KEY, "another"] {
        account.write("key", key);
        let ran = account.deploy(&[]).ended(0);
        called.extend(ran.calls.iter().map(|c| as_printed(c).replace(['\'', '"', '\\'], "")));
    }
    // That the old secret is read, to compare it, is said in words.
    called.retain(|c| !c.contains("SecretString"));
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    account
        .run("deploy.sh", &[&account.base()[..], &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")])
        .ended(0);
    for (script, more) in [("destroy.sh", "--with-secret"), ("verify.sh", "--remove")] {
        let words = ["--region", "eu-west-1", "--bucket", "inbox", more, "--dry-run"];
        let words =
            if script == "verify.sh" { &words[..] } else { &["--region", "eu-west-1", more, "--dry-run"] };
        let ran = account.run(script, words, &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\naws "), "{}", ran.out);
    }
}

// === destroy.sh ===

const DESTROY: &[&str] = &["--region", "eu-west-1", "--with-secret", "--yes"];

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "s3api put-bucket-notification-configuration",
            "cloudformation delete-stack",
            "secretsmanager delete-secret"
        ]
    );
    for number in 1..=ran.calls.len() {
        let account = Account::new();
        account.deploy(&[]).ended(0);
        account.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]);
        account.run("destroy.sh", DESTROY, &[]).ended(0);
        assert_eq!(account.json("notification/inbox"), json!({}), "after call {number} failed");
        assert!(
            !account.path("parameters").exists() && !account.path("secret").exists(),
            "after call {number} failed"
        );
    }
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    account.run("destroy.sh", &DESTROY[..3], &[]).ended(2).says("--yes: missing");
}

#[test]
fn waiting_events_are_not_thrown_away() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("waiting", "3.0\n");
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(1).says("3.0 events wait in the queue");
    assert!(!ran.changes().contains(&"cloudformation delete-stack".to_owned()));
    account.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
}

// === verify.sh ===

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
        "object not yet accepted by MDSS; the sender is told to repeat the event",
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
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    assert_eq!(ran.changes(), ["s3api put-object", "s3api put-object", "s3api delete-object"]);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }
    let shown = ran.out.lines().find(|l| l.starts_with('{')).unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    assert_eq!(shown["mdss.detail"], json!("a \"quoted\" \\ word"), "the line is the function's own");

    // An overwrite without an event: the first line does not count twice.
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
    log(&account, &[]);
    account.run("verify.sh", VERIFY, &[]).ended(1).says("verify.sh --direct");
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

// === What is said elsewhere ===

fn template() -> String {
    fs::read_to_string(folder().join("template.yaml")).unwrap()
}

/// The names at the first level below a section.
fn names(section: &str) -> BTreeSet<String> {
    let text = template();
    let below = text.split(&format!("\n{section}:\n")).nth(1).unwrap();
    let below = below.lines().take_while(|l| l.is_empty() || l.starts_with([' ', '#']));
    let name = |l: &str| Some(l.strip_prefix("  ")?.strip_suffix(':')?.to_owned());
    below.filter_map(name).filter(|n| !n.starts_with(' ')).collect()
}

#[test]
fn the_script_gives_the_template_only_what_it_takes() {
    let script = fs::read_to_string(folder().join("deploy.sh")).unwrap();
    let given: BTreeSet<_> = script
        .lines()
        .filter_map(|l| l.split_once("parameter ").map(|(_, rest)| rest))
        .filter_map(|rest| rest.split(' ').next())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect();
    let mut takes = names("Parameters");
    assert!(takes.remove("OldestEvent"), "which has no option");
    assert_eq!(given, takes);
}

#[test]
fn the_queue_waits_six_times_as_long_as_the_function_runs() {
    let text = template();
    let rows: Vec<_> =
        text.lines().filter(|l| l.contains("Visibility: ")).filter(|l| l.contains("Deadline")).collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let numbers: Vec<u32> =
            row.split(|c: char| !c.is_ascii_digit()).filter_map(|w| w.parse().ok()).collect();
        let [timeout, visibility, deadline] = numbers[..] else { panic!("{row}") };
        assert!(visibility >= 6 * timeout && deadline < timeout, "{row}");
    }
}

#[test]
fn partial_answers_are_switched_on_at_both_ends() {
    let text = template();
    assert!(
        text.contains("RELAY_QUEUE_PARTIAL: 'on'")
            && text.contains("FunctionResponseTypes: [ReportBatchItemFailures]")
    );
}

#[test]
fn the_metrics_count_words_the_relay_logs() {
    let text = template();
    let patterns: Vec<_> = text.lines().filter_map(|l| l.trim().strip_prefix("FilterPattern: ")).collect();
    assert_eq!(patterns.len(), 3);
    for pattern in patterns {
        let words: Vec<_> =
            pattern.split(['\'', '"']).filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase())).collect();
        let [field, kind] = words[..] else { panic!("{pattern}: {words:?}") };
        assert!(fields::ALL.iter().any(|f| f.name == field), "{field}");
        assert!(Cause::ALL.iter().any(|c| c.kind().name() == kind), "{kind}");
    }
}

#[test]
fn the_functions_variables_are_the_relays() {
    let text = template();
    let variables = text.split("        Variables:\n").nth(1).unwrap();
    let variables: Vec<_> = variables.lines().map_while(|l| l.strip_prefix("          ")).collect();
    let mut pairs = Vec::new();
    for line in variables.iter().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.split_once(": ").unwrap();
        let value = match name {
            "APIENDPOINT" => "https://mdss.example",
            "APIKEY" => "k",
            // Never both; an empty one is left out by its condition.
            "STORAGECLIENTID" => continue,
            "RELAY_DEADLINE" => "25s",
            "RELAY_CONFIG_TOML" => r#"route = [{ bucket = "*", storage_client_id = "unit-1" }]"#,
            _ => value.trim_matches('\''),
        };
        pairs.push((name.into(), value.into()));
    }
    assert!(pairs.len() >= 5, "{pairs:?}");
    let draft = Settings::read(pairs, Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/aws"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

#[test]
fn the_guide_names_only_options_and_resources_that_exist() {
    let guide = fs::read_to_string(folder().join("../../docs/aws.md")).unwrap();
    let account = Account::new();
    let help: String = ["deploy.sh", "verify.sh", "destroy.sh"]
        .map(|s| account.run(s, &["--help"], &[]).ended(0).out)
        .concat();
    // Of aws itself.
    let theirs = ["--source-arn", "--follow", "--filter-pattern", "--bucket"];
    let words = guide.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    for word in words {
        if word.starts_with("RELAY_") {
            assert!(mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word), "{word}");
        }
        if word.len() > 3 && word.starts_with("--") && word.as_bytes()[2].is_ascii_lowercase() {
            assert!(help.contains(word) || theirs.contains(&word), "{word}");
        }
        if word.ends_with("Alarm") && word.len() > 5 {
            assert!(names("Resources").contains(word), "{word}");
        }
    }
    let toml = guide.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    // The file is in the function's zip, and not here.
    let toml: String = toml.lines().filter(|l| !l.starts_with("ca_file")).map(|l| format!("{l}\n")).collect();
    let variables =
        [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", toml.as_str())];
    let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}
