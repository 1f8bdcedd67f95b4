//! `deploy.sh`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

const URN: &str = "urn:fss:cn-north-4:0123456789abcdef0123456789abcdef:function:default:mdss-relay:latest";

/// A text of JSON.
fn inside(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

#[test]
fn a_fresh_project_gets_everything_in_order() {
    let project = Project::new();
    let ran = project.deploy(&["--alarm-topic", "urn:smn:cn-north-4:p:t"]).ended(0);
    assert_eq!(
        ran.commands(),
        [
            "IAM KeystoneListProjects",
            "EG ListChannels",
            "EG ListSubscriptions", // before anything is made
            "LTS ListLogGroups",
            "LTS CreateLogGroup",
            "LTS ListLogGroups",
            "LTS ListLogStream",
            "LTS CreateLogStream",
            "LTS ListLogStream",
            "FunctionGraph ListFunctions",
            "FunctionGraph CreateFunction",
            "FunctionGraph ShowFunctionConfig",
            "FunctionGraph UpdateFunctionMaxInstanceConfig",
            "FunctionGraph UpdateFunctionAsyncInvokeConfig", // before the first event can come
            "FunctionGraph ShowFunctionAsyncInvokeConfig",
            "EG CreateSubscription",
            "CES ListAlarmRules",
            "LTS ListKeywordsAlarmRules",
            "CES CreateAlarmRules",
            "LTS CreateKeywordsAlarmRule",
        ]
    );
    let function = project.json("function.json");
    for (name, value) in [
        ("runtime", json!("Custom")),
        ("handler", json!("bootstrap.main")), // a dot is asked for
        ("timeout", json!(60)),
        ("memory_size", json!(128)),
        ("max_instance_num", json!(10)),
        ("xrole", json!("mdss-relay")),
        ("code_type", json!("zip")),
        ("type", json!("v2")),
        ("enable_lts_log", json!(true)),
    ] {
        assert_eq!(function[name], value, "{name}");
    }
    assert_eq!(function["func_code"]["file"], json!("UEsDBG9uZQ=="), "the zip, as base64");
    assert_eq!(
        inside(&function["user_data"]),
        json!({ "APIENDPOINT": "https://mdss.example", "STORAGECLIENTID": "unit-1", "RELAY_KEYS_HUAWEI_OBS": "form" })
    );
    assert_eq!(inside(&function["encrypted_user_data"]), json!({ "APIKEY": KEY }));

    let tries = project.json("async.json");
    assert_eq!(tries["max_async_retry_attempts"], json!(3));
    assert_eq!(tries["max_async_event_age_in_seconds"], json!(86400));
    let on_failure = &tries["destination_config"]["on_failure"];
    assert_eq!(on_failure["destination"], json!("OBS"));
    assert_eq!(
        inside(&on_failure["param"]),
        json!({ "bucket": "dead", "prefix": "mdss-relay/", "expires": 0 })
    );

    let [subscription] = &project.subscriptions()[..] else { panic!("one subscription") };
    assert_eq!(subscription["name"], json!("mdss-relay.inbox"));
    let (source, target) = (&subscription["sources"][0], &subscription["targets"][0]);
    assert_eq!(source["detail"], json!({ "bucket": "inbox", "objectKeyEncode": true }));
    assert_eq!(source["filter"]["subject"], Value::Null);
    assert_eq!(source["filter"]["data"]["obs"]["bucket"]["name"][0]["values"], json!(["inbox"]));
    assert_eq!(
        target["detail"],
        json!({ "urn": URN, "invoke_type": "ASYNC", "agency_name": "EG_TARGET_AGENCY" })
    );
    assert_eq!(target["transform"], json!({ "type": "ORIGINAL", "value": "" }), "the event as it is");
    assert_eq!(target["retry_times"], json!(16));

    let alarm = project.json("alarm.json");
    assert_eq!(
        alarm["resources"],
        json!([[{ "name": "package-functionname", "value": "default-mdss-relay" }]])
    );
    assert_eq!(alarm["alarm_notifications"][0]["notification_list"], json!(["urn:smn:cn-north-4:p:t"]));
    assert_eq!(project.json("lines-alarm.json")["keywords_requests"][0]["keywords"], json!("ERROR"));
}

#[test]
fn a_finished_project_gets_nothing_new() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    let before = project.subscriptions();
    let ran = project.deploy(&[]).ended(0);
    let again = [
        "FunctionGraph UpdateFunctionCode",
        "FunctionGraph UpdateFunctionConfig",
        "FunctionGraph UpdateFunctionMaxInstanceConfig",
        "FunctionGraph UpdateFunctionAsyncInvokeConfig",
        "EG UpdateSubscription",
    ];
    assert_eq!(ran.changes(), again, "everything is set anew, and nothing is made");
    assert_eq!(project.subscriptions(), before);
}

#[test]
fn another_key_another_binary_and_other_settings_reach_the_function() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    project.write("key", "another\n");
    project.write("code.zip", "PK\u{3}\u{4}two");
    let more = "--timeout 120 --memory 256 --max-instances 5 --retries 0 --event-age 7200 --agency a-b --eg-agency MINE --prefix in --suffix .pdf";
    let more: Vec<_> = more.split(' ').collect();
    project
        .deploy(
            &[&more[..], &["--vpc-id", "vpc-1", "--subnet-id", "subnet-1", "--variables", "plain"]].concat(),
        )
        .ended(0);
    let function = project.json("function.json");
    assert_eq!(function["func_code"]["file"], json!("UEsDBHR3bw=="));
    assert_eq!(inside(&function["user_data"])["APIKEY"], json!("another"));
    assert_eq!(inside(&function["encrypted_user_data"]), json!({}), "what stood there would hold on");
    assert_eq!(function["func_vpc"], json!({ "vpc_id": "vpc-1", "subnet_id": "subnet-1" }));
    let given = |name: &str| function[name].clone();
    assert_eq!(
        [given("timeout"), given("memory_size"), given("max_instance_num")],
        [120, 256, 5].map(Value::from)
    );
    assert_eq!(given("xrole"), json!("a-b"));
    let tries = project.json("async.json");
    assert_eq!(tries["max_async_retry_attempts"], json!(0));
    assert_eq!(tries["max_async_event_age_in_seconds"], json!(7200));
    let subscription = &project.subscriptions()[0];
    assert_eq!(
        subscription["sources"][0]["filter"]["subject"],
        json!({ "and": [{ "op": "StringStartsWith", "values": ["in"] }, { "op": "StringEndsWith", "values": [".pdf"] }] })
    );
    assert_eq!(subscription["targets"][0]["detail"]["agency_name"], json!("MINE"));
}

#[test]
fn an_image_is_the_second_way() {
    let project = Project::new();
    let image = "swr.cn-north-4.myhuaweicloud.com/scan/mdss-relay:1";
    let words: Vec<_> = project.base().into_iter().skip(2).chain(["--image", image]).collect();
    let key = project.text("key");
    for again in [false, true] {
        let ran = project.run("deploy.sh", &words, &[("APIKEY_FILE", &key)]).ended(0);
        let code = ran.commands().iter().any(|c| c.contains("UpdateFunctionCode"));
        assert!(!code && project.path("async.json").exists(), "{again}");
    }
    let function = project.json("function.json");
    assert_eq!(function["runtime"], json!("Custom Image"));
    assert_eq!(function["handler"], json!("-"));
    assert_eq!(function["code_type"], json!("Custom-Image-Swr"));
    assert_eq!(function["custom_image"], json!({ "enabled": true, "image": image }));
}

#[test]
fn a_subscription_that_overlaps_is_found_out_before_anything_is_made() {
    let theirs = |prefix: &str, suffix: &str, event: &str| {
        let mut and = vec![];
        for (op, value) in [("StringStartsWith", prefix), ("StringEndsWith", suffix)] {
            if !value.is_empty() {
                and.push(json!({ "op": op, "values": [value] }));
            }
        }
        let filter = json!({ "type": [{ "op": "StringIn", "values": [event] }], "subject": { "and": and } });
        let source = json!({ "name": "HC.OBS.DWR", "detail": { "bucket": "inbox" }, "filter": filter });
        json!({ "id": "theirs", "name": "theirs", "sources": [source], "targets": [{ "name": "HC.SMN" }] })
    };
    let put = "OBS:DWR:ObjectCreated:PUT";
    let mut elsewhere = theirs("", "", put);
    elsewhere["sources"][0]["detail"]["bucket"] = json!("outbox");
    for (subscription, more, refused) in [
        (theirs("", "", put), &[][..], true),
        (theirs("in", "", put), &[], true),
        (theirs("in", "", put), &["--prefix", "incoming"], true),
        (theirs("in", "", put), &["--prefix", "i"], true),
        (theirs("in", "", put), &["--prefix", "out"], false),
        (theirs("", ".pdf", put), &["--suffix", "x.pdf"], true),
        (theirs("", ".pdf", put), &["--suffix", ".doc"], false),
        (theirs("in", ".pdf", put), &["--prefix", "in", "--suffix", ".doc"], false),
        (theirs("", "", "OBS:DWR:ObjectRemoved:Delete"), &[], false),
        (elsewhere, &[], false),
    ] {
        let listed = json!({ "items": [subscription] }).to_string();
        assert_eq!(!rivals(&listed, more).is_empty(), refused, "{listed} {more:?}");
    }
    let project = Project::new();
    project.write("subscriptions.json", &theirs("in", "", put).to_string());
    let ran = project.deploy(&["--prefix", "incoming"]).ended(2);
    let ran = ran.says("--bucket: new objects of inbox go to somebody already");
    let ran = ran.says("subscription theirs -> HC.SMN");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
}

/// What the script's filter finds in a listing, for a subscription of ours with this prefix and suffix.
fn rivals(listed: &str, more: &[&str]) -> String {
    let given = |option: &str| more.iter().skip_while(|w| **w != option).nth(1).copied().unwrap_or_default();
    let mut jq = Command::new("jq");
    jq.args(["--raw-output", "--from-file"]).arg(folder().join("rivals.jq"));
    jq.args(["--arg", "bucket", "inbox", "--arg", "ours", "mdss-relay.inbox"]);
    jq.args(["--arg", "prefix", given("--prefix"), "--arg", "suffix", given("--suffix")]);
    let mut jq = jq.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    jq.stdin.take().unwrap().write_all(listed.as_bytes()).unwrap();
    let output = jq.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_bucket_is_forgotten_in_silence() {
    let project = Project::new();
    project.deploy(&["--bucket", "outbox"]).ended(0);
    assert_eq!(project.subscriptions().len(), 2);
    let ran = project
        .deploy(&[])
        .ended(1)
        .says("the function also serves the bucket outbox; give --bucket outbox too");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    project.deploy(&["--drop-bucket", "outbox"]).ended(0);
    assert_eq!(project.subscriptions().len(), 1);
}

#[test]
fn what_was_taken_and_has_no_effect_is_noticed_before_an_event_can_come() {
    for (lost, sentence) in
        [("code", "the function has no code"), ("async", "the function has no destination for failed calls")]
    {
        let project = Project::new();
        let ran = project.deploy_with(&[], &[("FAKE_LOSES", lost)]).ended(1).says(sentence);
        assert!(
            !ran.commands().iter().any(|c| c == "EG CreateSubscription")
                && project.subscriptions().is_empty()
        );
    }
}

#[test]
fn whom_an_alarm_tells_may_change() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    assert_eq!(project.json("alarm.json")["notification_enabled"], json!(false));
    let told = ["--alarm-topic", "urn:smn:cn-north-4:p:t", "--alarm-action-rule", "wake"];
    let ran = project.deploy(&told).ended(0);
    for change in [
        "CES BatchDeleteAlarmRules",
        "CES CreateAlarmRules",
        "LTS DeleteKeywordsAlarmRule",
        "LTS CreateKeywordsAlarmRule",
    ] {
        assert!(ran.changes().contains(&change.to_owned()), "{change}: {:?}", ran.changes());
    }
    assert_eq!(project.json("lines-alarm.json")["alarm_action_rule_name"], json!("wake"));
    let ran = project.deploy(&told).ended(0);
    assert!(!ran.changes().iter().any(|c| c.contains("Alarm")), "{:?}", ran.changes());
}

#[test]
fn a_configuration_reaches_the_function_and_is_not_printed() {
    let project = Project::new();
    let toml = "[[route]]\nbucket = \"in\\\\box\"\nstorage_client_id = \"ü\"\n# t0ken";
    project.write("relay.toml", &format!("{toml}\n"));
    let file = project.text("relay.toml");
    let words: Vec<_> = project
        .base()
        .into_iter()
        .map(|w| match w {
            "--storage-client-id" => "--relay-config",
            "unit-1" => &file,
            other => other,
        })
        .collect();
    let key = project.text("key");
    project.run("deploy.sh", &words, &[("APIKEY_FILE", &key)]).ended(0);
    let function = project.json("function.json");
    assert_eq!(inside(&function["encrypted_user_data"]), json!({ "APIKEY": KEY, "RELAY_CONFIG_TOML": toml }));
    assert_eq!(inside(&function["user_data"])["STORAGECLIENTID"], Value::Null);
    let ran = project.run("deploy.sh", &[&words[..], &["--dry-run"]].concat(), &[]).ended(0);
    assert!(!ran.out.contains("t0ken") && ran.out.contains("RELAY_CONFIG_TOML"), "{}", ran.out);
    for (text, sentence) in [
        ("x".repeat(3501), "has 3501 bytes"),
        ("[[source]]\nname = \"a\"\n".to_owned(), "has a source; no request reaches this function"),
    ] {
        project.write("relay.toml", &text);
        assert!(
            project
                .run("deploy.sh", &words, &[("APIKEY_FILE", &key)])
                .ended(2)
                .says(sentence)
                .calls
                .is_empty()
        );
    }
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Project::new();
    let calls = whole.deploy(&[]).ended(0).commands();
    for (number, command) in (1..).zip(&calls) {
        // All look-ups are made in one way; the first and the last stand for them.
        if only_looks(command) && number > 1 && Some(command) != calls.iter().rfind(|c| only_looks(c)) {
            continue;
        }
        let project = Project::new();
        let at = number.to_string();
        // KooCLI ends with 0, and says in its answer that it was refused.
        let ran = project.deploy_with(&[], &[("FAKE_FAIL", &at)]);
        let failed = ran.calls.last().unwrap().command();
        let ran = ran.ended(1).says(&format!("'hcloud {failed}' ended with status 0 and an error"));
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains("it was asked to fail"), "the tool's own words are passed on: {}", ran.err);
        if only_looks(&failed) {
            continue; // what was there stayed as it was
        }
        project.deploy(&[]).ended(0);
        let made = |p: &Project| {
            let mut subscription = p.subscriptions()[0].clone();
            subscription["id"] = Value::Null; // the number of a call
            (
                subscription,
                p.json("function.json")["encrypted_user_data"].clone(),
                p.json("async.json"),
                p.json("alarm.json"),
            )
        };
        assert_eq!(made(&project), made(&whole), "after call {number} failed");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    Project::new().deploy_with(&[], &[("FAKE_KILL", "11")]).ended(143);
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let project = Project::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--region cn_north", "--region: 'cn_north'"),
        ("--name 1x", "--name: '1x'"),
        ("--zip /nowhere", "--zip: '/nowhere'"),
        ("--timeout 2", "--timeout: '2'"),
        ("--memory 100", "--memory: '100'"),
        ("--max-instances 0", "--max-instances: '0'"),
        ("--retries 4", "--retries: '4'"),
        ("--event-age 0", "--event-age: '0'"),
        ("--dead-letters inbox", "--dead-letters: inbox is a bucket whose objects are scanned"),
        ("--agency a/b", "--agency: 'a/b'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--variables none", "--variables: 'none'"),
        ("--bucket inbox", "--endpoint: 'mdss.example'"),
        ("--drop-bucket inbox", "--drop-bucket: inbox is given twice"),
        ("--bucket In", "--bucket: 'In'"),
        ("--prefix a/b", "use prefix or suffix in a route of the relay"),
        ("--suffix .ü", "--suffix: '.ü'"),
        ("--alarm-topic t", "--alarm-topic: 't'"),
        ("--log-retention 366", "--log-retention: '366'"),
        ("--vpc-id v", "--subnet-id: missing"),
        ("--no-alarms", "--no-alarms: beside"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--eg-agency", "--eg-agency: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = project.run("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in
        wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'"), ("", "--relay-config: one of them is missing")])
    {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("topsecret"), "{}", ran.err);
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "redrive.sh"] {
        let ran = project.run(script, &[], &[]).ended(2).says("--region: missing");
        assert!(ran.calls.is_empty(), "{script}");
        let ran = project.run(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty(), "{script}");
    }
    let without: Vec<_> =
        project.base().into_iter().filter(|w| !["--dead-letters", "dead"].contains(w)).collect();
    project
        .run("deploy.sh", &without, &[])
        .ended(2)
        .says("--dead-letters: missing")
        .says("APIKEY_FILE: not set");
}
