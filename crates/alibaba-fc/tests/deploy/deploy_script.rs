//! `deploy.sh`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::{Role, Settings};

use super::*;

const CONTENT: [&str; 7] = [
    "oss:ObjectCreated:PutObject",
    "oss:ObjectCreated:PostObject",
    "oss:ObjectCreated:CopyObject",
    "oss:ObjectCreated:CompleteMultipartUpload",
    "oss:ObjectCreated:AppendObject",
    "oss:ObjectReplication:ObjectCreated",
    "oss:ObjectReplication:ObjectModified",
];

#[test]
fn a_fresh_account_gets_everything_in_order() {
    let account = Account::strict();
    let ran = account.deploy(&["--contact-group", "ops"]).ended(0);
    let function = "/2023-03-30/functions/mdss-relay";
    let wanted = [
        "sls CreateProject".to_owned(),
        "sls CreateLogStore".to_owned(),
        "sls CreateIndex".to_owned(),
        // The dead letters are kept before there can be any.
        "mns-open CreateQueue".to_owned(),
        "ram CreateRole".to_owned(),
        "ram CreatePolicy".to_owned(),
        "ram AttachPolicyToRole".to_owned(),
        "ram CreateRole".to_owned(),
        "ram CreatePolicy".to_owned(),
        "ram AttachPolicyToRole".to_owned(),
        "fc POST /2023-03-30/functions".to_owned(),
        format!("fc PUT {function}/async-invoke-config"),
        // Who calls comes last.
        format!("fc POST {function}/triggers"),
        "cms PutResourceMetricRule".to_owned(),
        "cms PutResourceMetricRule".to_owned(),
        "cms PutResourceMetricRule".to_owned(),
        "cms PutResourceMetricRule".to_owned(),
    ];
    assert_eq!(ran.changes(), wanted);
    assert!(!ran.out.contains("no alarms were made"), "{}", ran.out);
    assert_eq!(
        account.list("rules"),
        [
            "mdss-relay-dead-letters",
            "mdss-relay-dropped-events",
            "mdss-relay-failed-calls",
            "mdss-relay-lost-dead-letters"
        ]
    );
}

#[test]
fn the_function_is_what_its_platform_needs() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let function = account.json("function");
    for (member, value) in [
        ("runtime", json!("custom.debian12")),
        ("timeout", json!(60)), // 3 by default
        ("instanceConcurrency", json!(1)),
        ("disableInjectCredentials", json!("All")),
        ("customRuntimeConfig", json!({ "command": ["/code/bootstrap"], "port": 9000 })),
        ("role", json!(format!("acs:ram::{ACCOUNT}:role/mdss-relay-run"))),
    ] {
        assert_eq!(function[member], value, "{member}");
    }
    let code = STANDARD.decode(function["code"]["zipFile"].as_str().unwrap()).unwrap();
    assert_eq!(code, fs::read(account.path("code.zip")).unwrap());
    let variables = function["environmentVariables"].as_object().unwrap();
    assert_eq!(variables["APIKEY"], json!(KEY), "without the file's line break");
    // The key of these tests has a letter that MDSS's keys have not.
    let value = |n: &str, v: &Value| if n == "APIKEY" { "k".into() } else { v.as_str().unwrap().into() };
    let pairs = variables.iter().map(|(n, v)| (n.into(), value(n, v)));
    let draft = Settings::read(pairs.collect::<Vec<_>>(), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);

    // Each ratio that the platform asks for: "between 1:1 and 1:4".
    let ratio = function["memorySize"].as_f64().unwrap() / 1024.0 / function["cpu"].as_f64().unwrap();
    assert!((1.0..=4.0).contains(&ratio), "{ratio}");
}

#[test]
fn retries_age_and_destination_are_set_and_not_left_to_defaults() {
    let account = Account::new();
    account.deploy(&["--retries", "5", "--event-age", "7200", "--concurrency", "9"]).ended(0);
    let queue = format!("acs:mns:cn-hangzhou:{ACCOUNT}:/queues/mdss-relay-dead/messages");
    let wanted = json!({ "maxAsyncRetryAttempts": 5, "maxAsyncEventAgeInSeconds": 7200, "destinationConfig": { "onFailure": { "destination": queue } } });
    assert_eq!(account.json("async"), wanted);
    assert_eq!(account.json("concurrency"), json!({ "reservedConcurrency": 9 }));
    let account = Account::new();
    let ran = account.deploy(&[]).ended(0);
    assert_eq!(account.json("async")["maxAsyncRetryAttempts"], json!(8));
    assert_eq!(account.json("async")["maxAsyncEventAgeInSeconds"], json!(604_800));
    assert!(ran.out.contains("note: no alarms were made"), "what is missing is said: {}", ran.out);
}

#[test]
fn a_trigger_names_what_announces_content_and_nothing_else() {
    let account = Account::new();
    account.deploy(&["--prefix", "in \"coming\"/", "--suffix", ".pdf"]).ended(0);
    let trigger = account.json("triggers/oss-inbox");
    assert_eq!(trigger["sourceArn"], json!(format!("acs:oss:cn-hangzhou:{ACCOUNT}:inbox")));
    assert_eq!(trigger["invocationRole"], json!(format!("acs:ram::{ACCOUNT}:role/mdss-relay-trigger")));
    let wanted =
        json!({ "events": CONTENT, "filter": { "key": { "prefix": "in \"coming\"/", "suffix": ".pdf" } } });
    assert_eq!(account.trigger("inbox"), wanted);

    let events = "ObjectCreated:PutObject,ObjectCreated:CompleteMultipartUpload";
    let ran = account.deploy(&["--events", events]).ended(0);
    assert!(ran.changes().contains(&"fc PUT /2023-03-30/functions/mdss-relay/triggers/oss-inbox".to_owned()));
    assert_eq!(account.trigger("inbox")["events"], json!([CONTENT[0], CONTENT[3]]));
    let ran = account.deploy(&["--events", events]).ended(0);
    assert!(!ran.changes().iter().any(|c| c.contains("triggers")), "{:?}", ran.changes());
}

#[test]
fn events_that_announce_no_object_are_refused() {
    for (events, sentence) in [
        ("ObjectCreated:*", "takes a call for every part of an upload"),
        (
            "ObjectCreated:PutObject,ObjectCreated:UploadPart",
            "'ObjectCreated:UploadPart' announces no object",
        ),
        ("ObjectRemoved:DeleteObject", "expected ObjectCreated:… or ObjectReplication:…"),
        ("oss:ObjectCreated:PutObject", "without 'oss:'"),
        ("ObjectCreated:Put\"Object", "is not an event's name"),
    ] {
        let ran = Account::new().deploy(&["--events", events]).ended(2).says(sentence);
        assert!(ran.calls.is_empty());
    }
}

#[test]
fn overlapping_triggers_are_explained() {
    let account = Account::new();
    let key = account.text("key");
    account
        .run("deploy.sh", &account.base(), &[("APIKEY_FILE", &key), ("FAKE_OVERLAP", "1")])
        .ended(1)
        .says("Cannot specify overlapping prefix and suffix")
        .says("another trigger of inbox takes the same events")
        .says("--prefix and --suffix keep ours apart");
}

#[test]
fn each_role_may_do_one_thing_to_one_thing() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let called = format!("acs:fc:cn-hangzhou:{ACCOUNT}:functions/mdss-relay");
    let statement =
        |action: &str, resource: Value| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let policy = |statements: Value| json!({ "Version": "1", "Statement": statements });
    let trigger = statement("fc:InvokeFunction", json!([called, format!("{called}/*")]));
    assert_eq!(account.json("policies/mdss-relay-trigger"), policy(json!([trigger])));
    let log =
        format!("acs:log:cn-hangzhou:{ACCOUNT}:project/mdss-relay-{ACCOUNT}-cn-hangzhou/logstore/function");
    let queue = format!("acs:mns:cn-hangzhou:{ACCOUNT}:/queues/mdss-relay-dead/messages");
    let run = [statement("log:PostLogStoreLogs", json!(log)), statement("mns:SendMessage", json!(queue))];
    assert_eq!(account.json("policies/mdss-relay-run"), policy(json!(run)));
    for (role, service) in [("trigger", "oss.aliyuncs.com"), ("run", "fc.aliyuncs.com")] {
        let trust = account.json(&format!("roles/mdss-relay-{role}"));
        assert_eq!(trust["Statement"][0]["Principal"], json!({ "Service": [service] }), "{role}");
    }

    // Another function behind the same name: the policies follow.
    let vpc = "--vpc-id vpc-1 --vswitch-id vsw-1 --vswitch-id vsw-2 --security-group-id sg-1";
    let ran = account.deploy(&vpc.split(' ').collect::<Vec<_>>()).ended(0);
    assert!(ran.changes().contains(&"ram CreatePolicyVersion".to_owned()), "{:?}", ran.changes());
    assert_eq!(account.json("policies/mdss-relay-run")["Statement"].as_array().unwrap().len(), 3);
    let network = json!({ "vpcId": "vpc-1", "vSwitchIds": ["vsw-1", "vsw-2"], "securityGroupId": "sg-1" });
    assert_eq!(account.json("function")["vpcConfig"], network);
}

#[test]
fn a_finished_account_gets_nothing_new() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let before = account.made();
    // No APIKEY_FILE: the key that is there stays.
    let ran = account.run("deploy.sh", &account.base(), &[]).ended(0);
    let function = "/2023-03-30/functions/mdss-relay";
    assert_eq!(
        ran.changes(),
        [format!("fc PUT {function}"), format!("fc PUT {function}/async-invoke-config")],
        "neither of which changes anything"
    );
    assert_eq!(account.made(), before);

    // Another key, another binary, other days.
    account.write("key", "another\n");
    account.write("code.zip", "PK\u{3}\u{4}two");
    account.deploy(&["--log-retention", "7"]).ended(0);
    let function = account.json("function");
    assert_eq!(function["environmentVariables"]["APIKEY"], json!("another"));
    assert_eq!(STANDARD.decode(function["code"]["zipFile"].as_str().unwrap()).unwrap(), b"PK\x03\x04two");
    assert_eq!(account.json("store")["ttl"], json!(7));
}

#[test]
fn without_a_key_it_asks_for_one() {
    let account = Account::new();
    let ran = account
        .run("deploy.sh", &account.base(), &[])
        .ended(2)
        .says("there is no terminal to ask for the key");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
}

#[test]
fn no_bucket_is_forgotten_in_silence() {
    let account = Account::new();
    account.deploy(&["--bucket", "outbox"]).ended(0);
    assert_eq!(account.list("triggers"), ["oss-inbox", "oss-outbox"]);
    let ran = account
        .deploy(&[])
        .ended(1)
        .says("the function also serves the bucket outbox; give --bucket outbox too");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    account.deploy(&["--drop-bucket", "outbox"]).ended(0);
    assert_eq!(account.list("triggers"), ["oss-inbox"]);
    // And once more, with nothing to drop.
    account.deploy(&["--drop-bucket", "outbox"]).ended(0);
}

#[test]
fn buckets_elsewhere_are_found_out_before_anything_is_made() {
    let account = Account::new();
    let ran = account
        .deploy(&["--bucket", "far"])
        .ended(2)
        .says("--bucket: far is in cn-beijing, not in cn-hangzhou");
    assert!(ran.changes().is_empty());
    let ran = account.deploy(&["--bucket", "nowhere"]).ended(1).says("this is about --bucket nowhere");
    assert!(ran.changes().is_empty());
}

#[test]
fn routes_reach_the_function_and_a_senders_token_is_not_printed() {
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
        .collect();
    let key = account.text("key");
    // Without the tool on PATH, which another test of this kind has.
    account.run("deploy.sh", &words, &[("APIKEY_FILE", &key)]).ended(0);
    let variables = &account.json("function")["environmentVariables"];
    assert_eq!(variables["RELAY_CONFIG_TOML"], json!(toml));
    assert_eq!(variables["STORAGECLIENTID"], Value::Null);

    account.write("relay.toml", "source = [{ name = \"a\", auth = { bearer = { token = \"t0ken\" } } }]\n");
    let ran = account.run("deploy.sh", &[&words[..], &["--dry-run"]].concat(), &[]).ended(0);
    assert!(!ran.out.contains("t0ken") && ran.out.contains("*** ("), "{}", ran.out);
}

#[test]
fn all_mistakes_are_said_at_once_and_nothing_is_done() {
    let account = Account::new();
    let words = "--region CN --name Relay --zip /nowhere --timeout 3 --retries 9 --event-age 1 --concurrency 0 --endpoint mdss --bucket IN \
        --vpc-id vpc-1 --api-key s3cr3t --nonsense --log-project A --log-retention 0";
    let ran = account.run("deploy.sh", &words.split_whitespace().collect::<Vec<_>>(), &[]).ended(2);
    for part in [
        "--region: 'CN' is not a region",
        "--name: 'Relay' may hold small letters",
        "--zip: '/nowhere' is not a file",
        "--timeout: '3' is not a number from 30 to 600",
        "--retries: '9' is not a number from 0 to 8",
        "--event-age: '1' is not",
        "--concurrency: '0' is not",
        "--endpoint: 'mdss' does not begin",
        "--bucket: 'IN' is not a bucket's name",
        "give all three or none",
        "the key is never an argument",
        "'--nonsense': not an option",
        "--storage-client-id or --relay-config",
        "--log-project: 'A' may hold",
        "--log-retention: '0' is not",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("s3cr3t"), "{}", ran.err);
}

/// From the first call to the last: each run gets so many calls further than the one before, and in the end everything is as after one run.
fn stopped_again_and_again(with: &str, status: i32, step: usize) {
    let (account, whole) = (Account::new(), Account::new());
    let calls = whole.deploy(&["--contact-group", "ops"]).ended(0).calls.len();
    let (base, key) = (account.base(), account.text("key"));
    let words = [&base[..], &["--contact-group", "ops"]].concat();
    for number in (1..=calls).step_by(step) {
        let at = number.to_string();
        let variables = [("APIKEY_FILE", key.as_str()), (with, at.as_str())];
        let ran = account.run("deploy.sh", &words, &variables);
        // Later runs change a trigger or a policy less, so the last numbers may not be reached.
        if ran.calls.len() < number {
            break;
        }
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        ran.ended(status);
    }
    account.deploy(&["--contact-group", "ops"]).ended(0);
    assert_eq!(account.made(), whole.made());
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    stopped_again_and_again("FAKE_FAIL", 1, 3);
}

#[test]
fn whenever_it_is_killed_it_can_be_run_again() {
    stopped_again_and_again("FAKE_KILL", 143, 5);
}
