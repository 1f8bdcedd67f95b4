//! `deploy.sh`.

use super::*;

const INBOX: &str = "/blobServices/default/containers/inbox/blobs/";

#[test]
fn a_fresh_subscription_gets_everything_in_order() {
    let azure = Subscription::new();
    let ran = azure.deploy(&[]).ended(0);
    assert_eq!(
        ran.changes(),
        [
            "group create",
            "deployment group create",
            "functionapp deployment source config-zip",
            "deployment group create", // the event subscription, once the code is there
        ]
    );
    assert_eq!(fs::read_to_string(azure.path("secret")).unwrap(), KEY, "without the file's line break");
    for (name, value) in [
        ("name", json!("mdss-relay")),
        ("endpoint", json!("https://mdss.example")),
        ("storageClientId", json!("unit-1")),
        ("relayConfigToml", json!("")),
        ("maxTries", json!(288)),
    ] {
        assert_eq!(azure.parameter("relay", name), value, "{name}");
    }
    for (name, value) in [
        ("topicName", json!("mdss-relay-acct")),
        ("makeTopic", json!(true)),
        ("subjects", json!([INBOX])),
        ("way", json!("queue")),
        ("location", json!("westeurope")), // the account's, not the relay's
    ] {
        assert_eq!(azure.parameter("events", name), value, "{name}");
    }
    let events = ran.calls.iter().rfind(|c| c.command() == "deployment group create").unwrap();
    assert_eq!(events.value("--resource-group"), Some("data"), "the topic lies beside its account");
    // The stand-in shows the function at the second look only.
    assert_eq!(ran.commands().iter().filter(|c| *c == "functionapp function list").count(), 2);
}

#[test]
fn a_finished_subscription_stays_as_it_is() {
    let azure = Subscription::new();
    azure.deploy(&[]).ended(0);
    let read = |name: &str| fs::read_to_string(azure.path(name)).unwrap();
    let before = (read("relay.json"), read("events.json"));
    let ran = azure.deploy(&[]).ended(0);
    assert!(!ran.changes().contains(&"group create".to_owned()), "{:?}", ran.changes());
    assert_eq!((read("relay.json"), read("events.json")), before);

    // No APIKEY_FILE: the key that is in the vault stays.
    azure.run("deploy.sh", &azure.base(), &[]).ended(0);
    assert_eq!(azure.parameter("relay", "apiKey"), Value::Null);
    assert_eq!(read("secret"), KEY);
}

#[test]
fn another_key_reaches_the_vault() {
    let azure = Subscription::new();
    azure.deploy(&[]).ended(0);
    azure.write("key", "another\n");
    azure.deploy(&[]).ended(0);
    assert_eq!(fs::read_to_string(azure.path("secret")).unwrap(), "another");
}

#[test]
fn no_container_is_forgotten_in_silence() {
    let azure = Subscription::new();
    azure.deploy(&["--container", "outbox/in/", "--container", "$web"]).ended(0);
    let outbox = "/blobServices/default/containers/outbox/blobs/in/";
    let web = "/blobServices/default/containers/$web/blobs/";
    assert_eq!(azure.parameter("events", "subjects"), json!([INBOX, outbox, web]));
    let ran = azure
        .deploy(&["--container", "$web"])
        .ended(1)
        .says("the event subscription also takes outbox/in/; give --container outbox/in/ too");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    azure.deploy(&["--drop-container", "outbox/in/", "--drop-container", "$web"]).ended(0);
    assert_eq!(azure.parameter("events", "subjects"), json!([INBOX]));
}

#[test]
fn somebody_elses_system_topic_is_used_and_not_changed() {
    let account = "/subscriptions/0000/resourcegroups/data/providers/microsoft.storage/storageaccounts/acct";
    let azure = Subscription::new();
    azure.write("topics", &format!("/elsewhere\tother\tt0\tNone\n{account}\ttheirs\ttheir-topic\tNone\n"));
    let ran = azure
        .deploy(&[])
        .ended(1)
        .says("az eventgrid system-topic update --name their-topic --resource-group theirs");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());

    azure.write("topics", &format!("{account}\ttheirs\ttheir-topic\tSystemAssigned, UserAssigned\n"));
    let ran = azure.deploy(&[]).ended(0);
    assert_eq!(azure.parameter("events", "topicName"), json!("their-topic"));
    assert_eq!(azure.parameter("events", "makeTopic"), json!(false));
    assert_eq!(
        ran.calls
            .iter()
            .rfind(|c| c.command() == "deployment group create")
            .unwrap()
            .value("--resource-group"),
        Some("theirs")
    );
}

#[test]
fn what_would_never_announce_anything_is_found_out_first() {
    let azure = Subscription::new();
    azure.write("kind", "Storage\n");
    let ran = azure.deploy(&[]).ended(2).says("--account: acct is of kind Storage, which has no events");
    assert!(ran.changes().is_empty());

    let azure = Subscription::new();
    let ran = azure.deploy(&["--container", "inbx"]).ended(2).says("--container: acct has no container inbx");
    assert!(ran.changes().is_empty());
}

/// A zip with the binary as its only file, empty and of this mode.
fn zip(mode: u32) -> Vec<u8> {
    const NAME: &[u8] = b"mdss-relay-azure-functions";
    let length = u16::try_from(NAME.len()).unwrap().to_le_bytes();
    let mut local = b"PK\x03\x04\x0a\0".to_vec();
    local.extend([0; 20]);
    local.extend([length, [0; 2]].concat());
    local.extend(NAME);
    let mut central = b"PK\x01\x02\x0a\x03\x0a\0".to_vec(); // made on Unix, so that it has a mode
    central.extend([0; 20]);
    central.extend(length);
    central.extend([0; 8]);
    central.extend([((0o100_000 | mode) << 16).to_le_bytes(), [0; 4]].concat());
    central.extend(NAME);
    let sizes = [central.len(), local.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat();
    [&local[..], &central, b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &sizes, &[0; 2]].concat()
}

#[test]
fn a_binary_that_nobody_could_start_is_found_out_first() {
    let unzip = std::process::Command::new("unzip").arg("-v").output().is_ok_and(|o| o.status.success());
    if !drive::available("unzip", unzip).unwrap() {
        return;
    }
    let azure = Subscription::new();
    fs::write(azure.path("code.zip"), zip(0o644)).unwrap();
    let ran = azure.deploy(&[]).ended(2).says("the binary has no execute bit");
    assert!(ran.calls.is_empty());
    fs::write(azure.path("code.zip"), zip(0o755)).unwrap();
    azure.deploy(&["--dry-run"]).ended(0);
}

#[test]
fn routes_and_everything_else_reach_the_templates() {
    let toml = "route = [\n\t{ bucket = \"in\\\\box\", storage_client_id = \"ü\" },\n]";
    let azure = Subscription::new();
    azure.write("relay.toml", &format!("{toml}\n"));
    let file = azure.text("relay.toml");
    let subnet = "/subscriptions/0/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
    let group = "/subscriptions/0/resourceGroups/n/providers/microsoft.insights/actionGroups/a";
    let words: Vec<_> = azure
        .base()
        .into_iter()
        .map(|w| match w {
            "--storage-client-id" => "--relay-config",
            "unit-1" => &file,
            other => other,
        })
        .chain(["--subnet-id", subnet, "--action-group", group])
        .chain(
            "--name scan --max-tries 12 --storage-sku Standard_LRS --events direct --log-retention 60"
                .split(' '),
        )
        .collect();
    azure.run("deploy.sh", &words, &[("APIKEY_FILE", &azure.text("key"))]).ended(0);
    assert_eq!(azure.parameter("events", "way"), json!("direct"));
    for (name, value) in [
        ("name", json!("scan")),
        ("relayConfigToml", json!(toml)),
        ("storageClientId", json!("")),
        ("subnetId", json!(subnet)),
        ("maxTries", json!(12)),
        ("storageSku", json!("Standard_LRS")),
        ("logRetention", json!(60)),
        ("actionGroupId", json!(group)),
    ] {
        assert_eq!(azure.parameter("relay", name), value, "{name}");
    }
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Subscription::new();
    let calls = whole.deploy(&[]).ended(0).calls.len();
    let result = |azure: &Subscription| {
        let read = |name: &str| fs::read_to_string(azure.path(name)).unwrap();
        (read("relay.json"), read("events.json"), read("secret"), read("topics"))
    };
    for number in 1..=calls {
        let azure = Subscription::new();
        let (key, at) = (azure.text("key"), number.to_string());
        let ran = azure.run("deploy.sh", &azure.base(), &[("APIKEY_FILE", &key), ("FAKE_FAIL", &at)]);
        let failed = ran.calls.last().unwrap().command();
        let ran = ran.ended(1).says(&format!("'az {failed}' ended with status 1"));
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains("it was asked to fail"), "the tool's own words are passed on: {}", ran.err);
        azure.deploy(&[]).ended(0);
        assert_eq!(result(&azure), result(&whole), "after call {number} failed");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let azure = Subscription::new();
    let key = azure.text("key");
    azure.run("deploy.sh", &azure.base(), &[("APIKEY_FILE", &key), ("FAKE_KILL", "8")]).ended(143);
}

#[test]
fn all_mistakes_are_reported_at_once_and_nothing_is_called() {
    let azure = Subscription::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--resource-group a/b", "--resource-group: 'a/b'"),
        ("--location West-Europe", "--location: 'West-Europe'"),
        ("--name 1x", "--name: '1x'"),
        ("--subnet-id subnet", "--subnet-id: 'subnet'"),
        ("--zip /nowhere", "--zip: '/nowhere'"),
        ("--max-tries 4", "--max-tries: '4'"),
        ("--storage-sku Premium_LRS", "--storage-sku: 'Premium_LRS'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--account A-b", "--account: 'A-b'"),
        ("--container In", "'In' may hold small letters"),
        ("--container in/box", "'in/box': the prefix has to end in a slash"),
        ("--container *", "'*' may hold"),
        ("--events push", "--events: 'push'"),
        ("--action-group mail", "--action-group: 'mail'"),
        ("--log-retention 7", "--log-retention: '7'"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--api-key=topsecret", "--api-key: the key is never an argument"),
        ("--drop-container", "--drop-container: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = azure.run("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'")]) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("topsecret"), "{}", ran.err);

    let many: Vec<_> = (0..22).map(|n| format!("c{n}x")).collect();
    let many: Vec<_> = many.iter().flat_map(|name| ["--container", name]).collect();
    azure.deploy(&many).ended(2).says("--container: 23 of them");
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "redrive.sh"] {
        let ran = azure.run(script, &[], &[]).ended(2).says("--resource-group: missing");
        assert!(ran.calls.is_empty(), "{script}");
        let ran = azure.run(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty(), "{script}");
    }
    azure.run("deploy.sh", &azure.base(), &[]).ended(2).says("there is no vault with a key yet");
}
