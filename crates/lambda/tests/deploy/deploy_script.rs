//! `deploy.sh`.

use super::*;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:mdss-relay-Queue-1";

fn entry(more: Value) -> Value {
    let mut entry = json!({ "Id": "mdss-relay", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"] });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

#[test]
fn a_fresh_account_gets_everything_in_order() {
    let account = Account::new();
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(
        ran.commands(),
        [
            "sts get-caller-identity",
            "s3api get-bucket-location", // of the code bucket
            "s3api get-bucket-location",
            "s3api get-bucket-notification-configuration",
            "cloudformation describe-stacks", // not there; both look-ups end here
            "cloudformation describe-stacks",
            "secretsmanager describe-secret",
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
        ("ApiKeySecretVersion", "version-0009"),
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
    account.deploy(&["--prefix", "new/"]).ended(0);
    wanted["QueueConfigurations"][1] =
        entry(json!({ "Filter": { "Key": { "FilterRules": [{ "Name": "Prefix", "Value": "new/" }] } } }));
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
    let ran = account.deploy(&[]).ended(1).says("the stack gets the events of inbox by 'eventbridge'");
    assert!(ran.changes().is_empty(), "a change of ways would have a gap: {:?}", ran.changes());
}

#[test]
fn a_bucket_that_announces_its_objects_already_is_found_out_before_anything_is_made() {
    let theirs = |kind: &str, events: &str, prefix: &str| {
        let arn = kind.replace("Configurations", "Arn").replace("Function", "");
        let rules =
            if prefix.is_empty() { json!([]) } else { json!([{ "Name": "Prefix", "Value": prefix }]) };
        json!({ kind: [{ "Id": "theirs", (arn.as_str()): "arn:theirs", "Events": [events], "Filter": { "Key": { "FilterRules": rules } } }] })
    };
    let all = "s3:ObjectCreated:*";
    for (entries, more, refused) in [
        (theirs("QueueConfigurations", all, ""), &[][..], true),
        (theirs("TopicConfigurations", "s3:ObjectCreated:Put", ""), &["--prefix", "in/"], true),
        (theirs("LambdaFunctionConfigurations", all, "in/"), &[], true),
        (theirs("QueueConfigurations", all, "in/"), &["--prefix", "in/new/"], true),
        (theirs("QueueConfigurations", all, "in/"), &["--prefix", "other/"], false),
        (theirs("QueueConfigurations", "s3:ObjectRemoved:*", ""), &[], false),
        (theirs("QueueConfigurations", all, ""), &["--events", "eventbridge"], false),
    ] {
        let account = Account::new();
        account.write("notification/inbox", &entries.to_string());
        let ran = account.deploy(more);
        if refused {
            let ran = ran
                .ended(2)
                .says("--bucket: inbox announces new objects to somebody already")
                .says("theirs -> ");
            assert!(ran.changes().is_empty(), "{:?}", ran.changes());
        } else {
            ran.ended(0);
        }
    }
}

#[test]
fn the_way_of_a_stack_that_announces_nothing_yet_may_change() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("notification/inbox", "{}");
    account.deploy(&["--events", "eventbridge"]).ended(0);
    assert_eq!(account.parameter("Events").as_deref(), Some("eventbridge"));
}

#[test]
fn a_secret_that_waits_to_be_deleted_is_taken_back() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    account.write("key", "another\n");
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(
        ran.changes()[..2],
        ["secretsmanager restore-secret", "secretsmanager put-secret-value"],
        "{:?}",
        ran.changes()
    );
    assert_eq!(fs::read_to_string(account.path("secret")).unwrap(), "another");
}

#[test]
fn a_senders_token_is_not_printed() {
    let account = Account::new();
    account.write("relay.toml", "source = [{ name = \"a\", auth = { bearer = { token = \"t0ken\" } } }]\n");
    let file = account.text("relay.toml");
    let base = account.base();
    let mut words: Vec<_> =
        base.iter().copied().filter(|w| !["--storage-client-id", "unit-1"].contains(w)).collect();
    words.extend(["--relay-config", &file, "--dry-run"]);
    let ran = account.run("deploy.sh", &words, &[]).ended(0);
    assert!(!ran.out.contains("t0ken") && ran.out.contains("RelayConfigToml=*** ("), "{}", ran.out);
}

/// With a stand-in for the tool on PATH; the guides are run with the real one.
#[test]
fn a_configuration_that_the_tool_refuses_is_a_mistake() {
    use std::os::unix::fs::PermissionsExt;

    let account = Account::new();
    account.write("relay.toml", "x = [\n");
    let tool = account.path("mdss-relay");
    let words = r#"echo "- $3: expected TOML" >&2; echo '- mdss.ca_file: found "/var/task/ca.pem", expected a file' >&2; exit 2"#;
    account
        .write("mdss-relay", &format!("#!/bin/sh\n[ \"$1 $2\" = 'explain --config' ] || exit 0\n{words}\n"));
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tool.parent().unwrap().display());
    let file = account.text("relay.toml");
    let base = account.base();
    let mut words: Vec<_> =
        base.iter().copied().filter(|w| !["--storage-client-id", "unit-1"].contains(w)).collect();
    words.extend(["--relay-config", &file, "--dry-run"]);
    let ran = account.run("deploy.sh", &words, &[("PATH", &path)]).ended(2).says("relay.toml: expected TOML");
    assert!(!ran.err.contains("/var/task"), "what is in the zip only is no mistake: {}", ran.err);
}

#[test]
fn the_guides_own_values_are_noticed() {
    let account = Account::new();
    account
        .deploy(&["--dry-run"])
        .ended(0)
        .says("note: --endpoint: 'https://mdss.example' is the example of the guide");
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
    account.write("region/code", "None\n");
    let ran = account.deploy(&[]).ended(2).says("--code-bucket: code is in us-east-1, not in eu-west-1");
    assert!(ran.changes().is_empty());
    for (name, option) in [("inbox", "--bucket inbox"), ("code", "--code-bucket code")] {
        let account = Account::new();
        fs::remove_file(account.path(&format!("region/{name}"))).unwrap();
        account
            .deploy(&[])
            .ended(1)
            .says(&format!("this is about {option}: does this account (123456789012)"));
    }
    let ran = account.deploy(&["--bucket", "code"]).ended(2).says("--bucket: code is the code bucket too");
    assert!(ran.calls.is_empty());
    let account = Account::new();
    account.write("region/inbox", "EU\n"); // what eu-west-1 was called once
    account.deploy(&[]).ended(0);
}

#[test]
fn china_has_a_partition_of_its_own() {
    let account = Account::new();
    account.write("region/inbox", "cn-north-1\n");
    account.write("region/code", "cn-north-1\n");
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
