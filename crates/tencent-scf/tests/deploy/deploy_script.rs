//! `deploy.sh`.

use super::account::described;
use super::*;

#[test]
fn a_fresh_account_gets_everything_in_order() {
    let account = Account::new();
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "tdmq CreateCmqQueue",
            "cls CreateLogset",
            "cls CreateTopic",
            "cls CreateIndex",
            "scf CreateFunction",
            "scf UpdateFunctionEventInvokeConfig",
            "scf PutReservedConcurrencyConfig",
            "scf CreateTrigger", // last of all: nothing calls a function that is half made
        ]
    );
    let function = account.function();
    for (name, value) in [
        ("Runtime", json!("CustomRuntime")),
        ("Type", json!("Event")),
        ("Timeout", json!(300)),
        ("InitTimeout", json!(30)),
        ("MemorySize", json!(128)),
        ("ClsTopicId", json!("topic-1")),
        ("DeadLetterConfig", json!({ "Type": "CMQ-QUEUE", "Name": "mdss-relay-dead" })),
        ("retries", json!({ "RetryConfig": [{ "RetryNum": 2 }], "MsgTTL": 21600 })),
        ("concurrency", json!(2560)),
        ("code", json!({ "ZipFile": "UEsDBG9uZQ==" })),
        // Least privilege: no role at all, so no rights and no credentials in the environment.
        ("Role", json!("")),
    ] {
        assert_eq!(function[name], value, "{name}");
    }
    assert_eq!(function["PublicNetConfig"]["PublicNetStatus"], "ENABLE");
    for (name, value) in [
        ("APIENDPOINT", "https://mdss.example"),
        ("APIKEY", KEY),
        ("STORAGECLIENTID", "unit-1"),
        ("RELAY_DEADLINE", "290s"),
    ] {
        assert_eq!(account.variable(name).as_deref(), Some(value), "{name}");
    }
    let there = account.there();
    assert_eq!(there["queues"]["mdss-relay-dead"]["retention"], 43200, "the queue's own default is an hour");
    assert_eq!(there["topics"]["mdss-relay"]["period"], 30);
    assert_eq!(account.triggers(), [(HOST.to_owned(), described("", ""))]);
    for call in &ran.calls {
        assert_eq!(call.value("--region"), Some("ap-guangzhou"), "{call:?}");
    }
}

#[test]
fn a_finished_account_gets_nothing_new_and_keeps_its_key() {
    let account = Account::new();
    account.deploy(&["--concurrency", "7"]).ended(0);
    let before = account.there();
    let ran = account.run("deploy.sh", &account.base(), &[]).ended(0); // no APIKEY_FILE
    assert_eq!(
        ran.changes(),
        ["cls ModifyIndex", "scf UpdateFunctionConfiguration", "scf UpdateFunctionEventInvokeConfig"],
        "none of which changes anything"
    );
    assert_eq!(account.there(), before, "options marked * keep what they were, and so does the key");
}

#[test]
fn another_key_or_another_binary_reaches_the_function() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    account.write("key", "another\n");
    let ran = account.deploy(&[]).ended(0);
    assert!(!ran.commands().contains(&"scf UpdateFunctionCode".to_owned()), "the code is the same");
    assert_eq!(account.variable("APIKEY").as_deref(), Some("another"));
    account.write("code.zip", "PK\u{3}\u{4}two");
    account.deploy(&[]).ended(0);
    assert_eq!(account.function()["code"], json!({ "ZipFile": "UEsDBHR3bw==" }));
}

#[test]
fn an_image_is_the_second_way_and_no_zip_becomes_one() {
    let image = "ccr.ccs.tencentyun.com/relay/mdss-relay-tencent-scf:0.1.0";
    let with_image = |account: &Account, more: &[&'static str]| {
        let words = account.base().into_iter().skip(2).chain(["--image", image]).chain(more.iter().copied());
        let words: Vec<_> = words.collect();
        account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))])
    };
    let account = Account::new();
    with_image(&account, &[]).ended(0);
    let function = account.function();
    let personal = json!({ "ImageType": "personal", "ImageUri": image, "ImagePort": 9000 });
    assert_eq!(function["code"], json!({ "ImageConfig": personal }));
    assert_eq!(function["InitTimeout"], 90);
    let ran = account.deploy(&[]).ended(1).says("SCF cannot make a function of an image out of one of a zip");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());

    let account = Account::new();
    account.deploy(&[]).ended(0);
    let ran = with_image(&account, &[]).ended(1).says("deploy the new one under another --name");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    with_image(&account, &["--name", "image", "--registry-id", "tcr-1", "--prefix", "in/"])
        .ended(1)
        .says("COS takes one function for an event, a prefix and a suffix");
    let there = account.there();
    let made = &there["functions"]["image"]["code"]["ImageConfig"];
    assert_eq!((&made["ImageType"], &made["RegistryId"]), (&json!("enterprise"), &json!("tcr-1")));
}

#[test]
fn there_is_one_trigger_for_each_bucket_and_prefix() {
    let account = Account::new();
    let more = ["--bucket", "out-1250000000", "--prefix", "a/", "--prefix", "b/", "--suffix", ".pdf"];
    account.deploy(&more).ended(0);
    let triggers: BTreeSet<_> = account.triggers().into_iter().collect();
    let expected: BTreeSet<_> = ["in", "out"]
        .iter()
        .flat_map(|bucket| {
            ["a/", "b/"].map(|prefix| {
                (format!("{bucket}-1250000000.cos.ap-guangzhou.myqcloud.com"), described(prefix, ".pdf"))
            })
        })
        .collect();
    assert_eq!(triggers, expected);
    assert!(triggers.iter().all(|(_, text)| !text.contains(' ')), "SCF refuses a space: {triggers:?}");

    // Again: nothing to do. With another prefix: SCF cannot change a trigger, so the old one goes first.
    let ran = account.deploy(&more).ended(0);
    assert!(!ran.changes().iter().any(|c| c.contains("Trigger")), "{:?}", ran.changes());
    let ran = account.deploy(&["--bucket", "out-1250000000", "--prefix", "a/", "--suffix", ".pdf"]).ended(0);
    assert_eq!(ran.changes().iter().filter(|c| c.contains("Trigger")).count(), 2, "{:?}", ran.changes());
    let ran = account.deploy(&["--drop-bucket", "out-1250000000"]).ended(0);
    assert_eq!(account.triggers(), [(HOST.to_owned(), described("", ""))]);
    let order: Vec<_> = ran.changes().into_iter().filter(|c| c.contains("Trigger")).collect();
    assert_eq!(order, ["scf DeleteTrigger", "scf CreateTrigger", "scf DeleteTrigger"]);
}

/// A trigger that somebody switched off, or that announces less, is none.
#[test]
fn a_trigger_that_does_not_do_its_work_is_made_anew() {
    let put = r#"{"event":"cos:ObjectCreated:Put","filter":{"Prefix":"","Suffix":""}}"#;
    for (text, fires) in [(described("", ""), 0), (put.to_owned(), 1), ("not JSON".to_owned(), 1)] {
        let account = Account::new();
        account.deploy(&[]).ended(0);
        account.change(|there| {
            let trigger = &mut there["functions"]["mdss-relay"]["triggers"][0];
            (trigger["Enable"], trigger["TriggerDesc"]) = (json!(fires), json!(text));
        });
        account.deploy(&[]).ended(0);
        assert_eq!(account.triggers(), [(HOST.to_owned(), described("", ""))]);
        assert_eq!(account.function()["triggers"][0]["Enable"], 1);
    }
}

#[test]
fn overlaps_among_the_options_are_found_before_anything_is_made() {
    let account = Account::new();
    for (more, sentence) in [
        (&["--prefix", "a/", "--prefix", "a/b/"][..], "--prefix: 'a/b/' begins with 'a/'"),
        (&["--prefix", "a/b/", "--prefix", "a/"], "--prefix: 'a/b/' begins with 'a/'"),
        (&["--prefix", "a/", "--prefix", "a/"], "--prefix: 'a/' begins with 'a/'"),
    ] {
        let ran = account.deploy(more).ended(2).says(sentence);
        assert!(ran.calls.is_empty());
    }
    let many: Vec<String> = (0..11).flat_map(|n| ["--prefix".to_owned(), format!("{n:02}/")]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(account.deploy(&many).ended(2).says("11 triggers, and SCF takes 10").calls.is_empty());
    account.deploy(&many[..20]).ended(0);
    assert_eq!(account.triggers().len(), 10);
}

#[test]
fn somebody_elses_trigger_is_said_and_left_alone() {
    let account = Account::new();
    account.change(|there| there["others"] = json!([[HOST, described("in/", "")]]));
    let ran = account
        .deploy(&[])
        .ended(1)
        .says("COS takes one function for an event, a prefix and a suffix of a bucket");
    assert_eq!(ran.calls.last().unwrap().command(), "scf CreateTrigger", "all else is made before");
    account.deploy(&["--prefix", "other/"]).ended(0);
}

#[test]
fn no_bucket_is_forgotten_in_silence() {
    let account = Account::new();
    account.deploy(&["--bucket", "out-1250000000"]).ended(0);
    let ran = account.deploy(&[]).ended(1).says("the function also serves the bucket out-1250000000");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
}

#[test]
fn dead_letters_are_said_and_looked_at() {
    let account = Account::new();
    account.deploy(&["--dead-letters", "none"]).ended(0).says("an event that was repeated in vain is lost");
    assert_eq!(account.function()["DeadLetterConfig"], Value::Null);
    assert_eq!(account.there()["queues"], json!({}));
    account.deploy(&["--dead-letter-retention", "1296000", "--dead-letter-type", "CMQ"]).ended(0);
    assert_eq!(account.there()["queues"]["mdss-relay-dead"]["retention"], 1_296_000);
    assert_eq!(account.function()["DeadLetterConfig"]["Type"], "CMQ");
    account.deploy(&["--dead-letter-retention", "60"]).ended(0);
    assert_eq!(account.there()["queues"]["mdss-relay-dead"]["retention"], 60);
    account
        .deploy_with(&[], &[("FAKE_NO_DEAD_LETTERS", "1")])
        .ended(1)
        .says("SCF has not taken the queue mdss-relay-dead for dead letters");
}

#[test]
fn everything_that_is_said_reaches_the_account() {
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
        .chain(
            "--vpc-id vpc-1 --subnet-id subnet-1 --timeout 900 --retries 1 --max-age 60 --concurrency 0"
                .split(' '),
        )
        .chain("--log-retention 7 --alarm-notice notice-1".split(' '))
        .collect();
    account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))]).ended(0);
    assert_eq!(account.variable("RELAY_CONFIG_TOML").as_deref(), Some(toml));
    assert_eq!(account.variable("STORAGECLIENTID"), None);
    assert_eq!(account.variable("RELAY_DEADLINE").as_deref(), Some("890s"));
    let function = account.function();
    assert_eq!(function["VpcConfig"], json!({ "VpcId": "vpc-1", "SubnetId": "subnet-1" }));
    assert_eq!(function["PublicNetConfig"]["PublicNetStatus"], "DISABLE");
    assert_eq!(function["retries"], json!({ "RetryConfig": [{ "RetryNum": 1 }], "MsgTTL": 60 }));
    assert_eq!(function["concurrency"], 0, "everything waits");
    let there = account.there();
    assert_eq!(there["topics"]["mdss-relay"]["period"], 7);
    let alarms = there["alarms"].as_object().unwrap();
    assert_eq!(alarms.len(), 5);
    for alarm in alarms.values() {
        assert_eq!(alarm["what"]["AlarmNoticeIds"], json!(["notice-1"]));
    }
    let last_try = alarms["mdss-relay: given-up"]["what"]["AlarmTargets"][0]["Query"].as_str().unwrap();
    assert!(last_try.contains("SCF_RetryNum >= 1"), "the last of two tries: {last_try}");
    // Again, for somebody else: the alarms that are there change.
    let words: Vec<_> = words.iter().map(|w| if *w == "notice-1" { "notice-2" } else { w }).collect();
    account.run("deploy.sh", &words, &[]).ended(0);
    let there = account.there();
    let alarms = there["alarms"].as_object().unwrap();
    assert!(alarms.len() == 5 && alarms.values().all(|a| a["what"]["AlarmNoticeIds"] == json!(["notice-2"])));

    account.write("relay.toml", &"x".repeat(3501));
    let ran = account.run("deploy.sh", &words, &[]).ended(2).says("has 3501 bytes");
    assert!(ran.calls.is_empty());
}

#[test]
fn a_senders_token_is_not_printed() {
    let account = Account::new();
    account.write("relay.toml", "source = [{ name = \"a\", auth = { bearer = { token = \"t0ken\" } } }]\n");
    let file = account.text("relay.toml");
    let words = account.base().into_iter().filter(|w| !["--storage-client-id", "unit-1"].contains(w));
    let words: Vec<_> = words.chain(["--relay-config", &file, "--dry-run"]).collect();
    let ran = account.run("deploy.sh", &words, &[("PATH", "/usr/bin:/bin")]).ended(0);
    assert!(
        !ran.out.contains("t0ken") && ran.out.contains("RELAY_CONFIG_TOML\",\"Value\":\"*** ("),
        "{}",
        ran.out
    );
}

/// Each change fails once, and one look-up; on two processors two accounts at a time.
#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Account::new();
    let ran = whole.deploy(&[]).ended(0);
    let changes = ran.changes();
    let commands = ran.commands();
    let at: Vec<_> = (0..commands.len()).filter(|n| *n == 1 || changes.contains(&commands[*n])).collect();
    let fails = |number: usize| {
        let account = Account::new();
        let ran = account.deploy_with(&[], &[("FAKE_FAIL", &(number + 1).to_string())]);
        let failed = ran.calls.last().unwrap().command();
        let ran = ran.ended(1).says(&format!("'tccli {failed}' ended with status 255"));
        assert_eq!(ran.calls.len(), number + 1, "nothing is called after a failure");
        assert!(ran.err.contains("it was asked to fail"), "the tool's own words are passed on: {}", ran.err);
        account.deploy(&[]).ended(0);
        assert_eq!(account.there(), whole.there(), "after {failed} failed");
    };
    let (one, other): (Vec<_>, Vec<_>) = at.into_iter().partition(|n| n % 2 == 0);
    std::thread::scope(|scope| {
        scope.spawn(|| one.into_iter().for_each(fails));
        other.into_iter().for_each(fails);
    });
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let account = Account::new();
    account.deploy_with(&[], &[("FAKE_KILL", "9")]).ended(143);
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let account = Account::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--region ap_guangzhou", "--region: 'ap_guangzhou'"),
        ("--name 1x", "--name: '1x'"),
        ("--zip /nowhere", "--zip: '/nowhere'"),
        ("--timeout 10", "--timeout: '10'"),
        ("--concurrency 1001", "--concurrency: '1001'"),
        ("--retries 3", "--retries: '3'"),
        ("--max-age 24", "--max-age: '24'"),
        ("--dead-letters a/b", "--dead-letters: 'a/b'"),
        ("--dead-letter-retention 1296001", "--dead-letter-retention: '1296001'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--bucket inbox", "'inbox' does not end in -APPID"),
        ("--bucket in-1 --drop-bucket in-1", "--bucket, --drop-bucket: 'in-1' is named twice"),
        ("--bucket in-box", "'in-box' does not end in -APPID"),
        ("--prefix a\tb", "--prefix: 'a\tb' may hold neither spaces"),
        ("--suffix pdf", "--suffix: 'pdf' does not begin with '.'"),
        ("--vpc-id vpc-1", "--subnet-id: missing"),
        ("--registry-id tcr-1", "--registry-id: only with --image"),
        ("--alarm-notice a/b", "--alarm-notice: 'a/b'"),
        ("--log-retention 0", "--log-retention: '0'"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--api-key=topsecret", "--api-key: the key is never an argument"),
        ("--drop-bucket", "--drop-bucket: its value is missing"),
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
        .says("there is no function 'mdss-relay' with a key yet");
}
