//! `deploy.sh`.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use scripts::KEY;

use super::*;

const FRESH: &[&str] = &[
    "fn function create",
    "os bucket get",
    "fn application list",
    "fn application create",
    "fn work-request get",
    "fn application list",
    "fn function list",
    "fn function create container-function",
    "fn work-request get",
    "fn function list",
    "logging log-group list",
    "logging log-group create",
    "logging log-group list",
    "logging log list",
    "logging log create",
    "logging log list",
    "events rule list",
    "events rule create",
    "events rule list",
    "logging log list",
    "logging log create",
    "logging log list",
    "os bucket update",
];

#[test]
fn a_fresh_tenancy_gets_everything_in_order() {
    let tenancy = Tenancy::new();
    let ran = tenancy.run("deploy.sh", &base(&[])).ended(0);
    assert_eq!(ran.commands(), FRESH);

    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(
        config,
        json!({ "APIENDPOINT": "https://mdss.example", "APIKEY": KEY, "STORAGECLIENTID": "unit-1" })
    );

    let rule = ran.calls.iter().find(|c| c.command() == "events rule create").unwrap();
    assert_eq!(
        rule.value("--compartment-id"),
        Some("ocid1.compartment.oc1..buckets"),
        "a rule sees its own compartment"
    );
    let condition: Value = serde_json::from_str(rule.value("--condition").unwrap()).unwrap();
    assert_eq!(
        condition,
        json!({ "eventType": ["com.oraclecloud.objectstorage.createobject", "com.oraclecloud.objectstorage.updateobject"],
                "data": { "additionalDetails": { "bucketName": ["inbox"] } } }),
        "an overwritten object is an update"
    );
    let actions: Value = serde_json::from_str(&tenancy.given("--actions")).unwrap();
    assert_eq!(actions["actions"][0]["functionId"], json!("ocid1.function.oc1..mdss-relay-oci-fn"));
    let skeletons = cli::options()["commands"].clone();
    assert!(cli::fits(&actions, &skeletons["events rule create"]["json"]["actions"]), "{actions}");
    assert!(
        cli::fits(&config, &skeletons["fn function create container-function"]["json"]["config"]),
        "{config}"
    );
    let log: Value = serde_json::from_str(&tenancy.given("--configuration")).unwrap();
    assert!(cli::fits(&log, &skeletons["logging log create"]["json"]["configuration"]), "{log}");
    assert_eq!(log["source"]["resource"], json!("ocid1.rule.oc1..mdss-relay-objects"));

    let emission = ran.calls.last().unwrap();
    assert_eq!(
        (emission.value("--bucket-name"), emission.value("--object-events-enabled")),
        (Some("inbox"), Some("true"))
    );
}

#[test]
fn the_skeletons_tell_right_from_wrong() {
    let skeleton = cli::options()["commands"]["events rule create"]["json"]["actions"].clone();
    let action = |member: &str| json!({ "actions": [{ "actionType": "FAAS", member: "x" }] });
    assert!(cli::fits(&action("functionId"), &skeleton));
    assert!(!cli::fits(&action("function_id"), &skeleton));
    assert!(!cli::fits(&json!({ "actions": [{ "actionType": "FAXS" }] }), &skeleton));
}

#[test]
fn a_finished_tenancy_gets_nothing_new() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    let before = tenancy.everything();
    for _ in 0..2 {
        let ran = tenancy.run("deploy.sh", &base(&["--with-policy", "--memory", "512"])).ended(0);
        assert_eq!(
            ran.changes(),
            ["fn function update container-function", "events rule update", "os bucket update"]
        );
        let update = ran.calls.iter().find(|c| c.command().starts_with("fn function update")).unwrap();
        assert_eq!(update.value("--memory-in-mbs"), Some("512"));
        assert_eq!(tenancy.everything(), before);
    }
}

#[test]
fn a_half_done_tenancy_is_finished() {
    // What an operator made by the guide, under the guide's names, with a log of their own.
    let tenancy = Tenancy::new();
    tenancy.put("application", "MetaDefenderStorageProcessorApp");
    tenancy.put("rule", "ObjectCreateTriggerRule");
    let names = [
        "--application",
        "MetaDefenderStorageProcessorApp",
        "--rule",
        "ObjectCreateTriggerRule",
        "--no-logs",
    ];
    let arguments: Vec<_> =
        base(&[]).into_iter().chain(names).filter(|w| *w != "--subnet-id" && !w.contains("subnet")).collect();
    let ran = tenancy.run("deploy.sh", &arguments).ended(0);
    assert_eq!(
        ran.changes(),
        ["fn function create container-function", "events rule update", "os bucket update"]
    );
    let update = ran.calls.iter().find(|c| c.command() == "events rule update").unwrap();
    assert!(update.value("--condition").unwrap().contains("updateobject"), "{update:?}");
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Tenancy::new();
    let calls = whole.run("deploy.sh", &base(&["--with-policy"])).ended(0).calls.len();
    for number in 2..=calls {
        let tenancy = Tenancy::new();
        let key = tenancy.path("key");
        let key = ("APIKEY_FILE", key.to_str().unwrap());
        let at = number.to_string();
        let ran =
            tenancy.run_with("deploy.sh", &base(&["--with-policy"]), &[key, ("FAKE_FAIL", &at)]).ended(1);
        let failed = ran.calls.last().unwrap().command();
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains(&format!("'oci {failed}' ended with status 1")), "{}", ran.err);
        assert!(ran.err.contains("it was asked to fail"), "OCI's own words are passed on: {}", ran.err);
        tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
        assert_eq!(tenancy.everything(), whole.everything(), "after call {number}, {failed}, failed");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let tenancy = Tenancy::new();
    let key = tenancy.path("key");
    let key = ("APIKEY_FILE", key.to_str().unwrap());
    tenancy.run_with("deploy.sh", &base(&[]), &[key, ("FAKE_KILL", "8")]).ended(143);
}

#[test]
fn work_that_fails_later_is_a_failure() {
    let tenancy = Tenancy::new();
    let key = tenancy.path("key");
    let key = ("APIKEY_FILE", key.to_str().unwrap());
    tenancy
        .run_with("deploy.sh", &base(&[]), &[key, ("FAKE_WORK", "FAILED")])
        .ended(1)
        .says("its work failed: the image does not exist");
}

#[test]
fn an_older_command_line_is_found_out_before_anything_is_made() {
    let tenancy = Tenancy::new();
    fs::write(tenancy.path("help"), "Options:\n  --image TEXT\n").unwrap();
    let ran = tenancy.run("deploy.sh", &base(&[])).ended(2);
    assert_eq!(ran.commands(), ["fn function create"]);
    assert!(ran.err.contains("upgrade oci-cli"), "{}", ran.err);
}

#[test]
fn a_variable_somebody_added_is_not_lost_in_silence() {
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&[])).ended(0);
    fs::write(tenancy.path("names"), "APIENDPOINT APIKEY STORAGECLIENTID RELAY_LOG RELAY_SCAN_ID\n").unwrap();
    let ran = tenancy
        .run("deploy.sh", &base(&["--set", "RELAY_LOG=debug"]))
        .ended(1)
        .says("does not give: RELAY_SCAN_ID;");
    assert!(ran.changes().is_empty());

    tenancy.run("deploy.sh", &base(&["--replace-config"])).ended(0);
    // A new image, and the configuration is left alone: no key is needed either.
    let keep = [
        "--compartment-id",
        COMPARTMENT,
        "--bucket",
        "inbox",
        "--image",
        "registry.example/ns/r:2",
        "--keep-config",
    ];
    // A dry run asks nobody whether there is a function, and so cannot miss it.
    let looked = tenancy.run_with("deploy.sh", &[&keep[..], &["--dry-run"]].concat(), &[]).ended(0);
    assert!(
        looked.calls.is_empty() && looked.out.contains("fn function update container-function"),
        "{}",
        looked.out
    );
    let ran = tenancy.run_with("deploy.sh", &keep, &[]).ended(0);
    let update = ran.calls.iter().find(|c| c.command().starts_with("fn function update")).unwrap();
    assert_eq!((update.value("--image"), update.value("--config")), (Some("registry.example/ns/r:2"), None));
}

#[test]
fn routes_and_other_variables_arrive_as_they_are() {
    let tenancy = Tenancy::new();
    let toml = "route = [\n\t{ bucket = \"in\\\\box\", storage_client_id = \"ü\" },\n]";
    fs::write(tenancy.path("relay.toml"), format!("{toml}\n")).unwrap();
    let file = tenancy.path("relay.toml");
    let arguments: Vec<_> = base(&["--set", "RELAY_LOG=warn,mdss_relay_core=debug"])
        .into_iter()
        .map(|w| if w == "--storage-client-id" { "--relay-config" } else { w })
        .map(|w| if w == "unit-1" { file.to_str().unwrap() } else { w })
        .collect();
    let ran = tenancy.run("deploy.sh", &arguments).ended(0);
    assert!(ran.out.contains("--relay-config has several lines"), "{}", ran.out);
    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(config["RELAY_CONFIG_TOML"], json!(toml));
    assert_eq!(config["RELAY_LOG"], json!("warn,mdss_relay_core=debug"));

    fs::write(&file, "x".repeat(4096)).unwrap();
    let ran = tenancy
        .run("deploy.sh", &arguments)
        .ended(2)
        .says("bytes, names and values together; OCI accepts at most 4096");
    assert!(ran.calls.is_empty());
}

#[test]
fn buckets_in_several_compartments_need_a_word_about_the_rule() {
    let tenancy = Tenancy::new();
    fs::write(tenancy.path("bucket-compartment-other"), "ocid1.compartment.oc1..other\n").unwrap();
    let ran = tenancy
        .run("deploy.sh", &base(&["--bucket", "other"]))
        .ended(2)
        .says("the buckets are in several compartments");
    assert!(ran.changes().is_empty());

    let above = ["--bucket", "other", "--rule-compartment-id", "ocid1.tenancy.oc1..all"];
    let ran = tenancy.run("deploy.sh", &base(&above)).ended(0);
    let rule = ran.calls.iter().find(|c| c.command() == "events rule create").unwrap();
    assert_eq!(rule.value("--compartment-id"), Some("ocid1.tenancy.oc1..all"));
    assert!(rule.value("--condition").unwrap().contains(r#"["inbox", "other"]"#));
    assert_eq!(ran.changes().iter().filter(|c| *c == "os bucket update").count(), 2);
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let tenancy = Tenancy::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--compartment-id ocid1.bucket.x", "--compartment-id: 'ocid1.bucket.x'"),
        ("--subnet-id s", "--subnet-id: 's'"),
        ("--shape ARM", "--shape: 'ARM'"),
        ("--image relay", "--image: 'relay'"),
        ("--memory 100", "--memory: '100'"),
        ("--timeout 301", "--timeout: '301'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--bucket in/box", "--bucket: 'in/box'"),
        ("--rule a/b", "--rule: 'a/b'"),
        ("--set RELAY_LISTEN=1", "--set: 'RELAY_LISTEN' is not a variable"),
        ("--set APIKEY=topsecret", "--set: the key is never an argument"),
        ("--set RELAY_LOG", "--set: 'RELAY_LOG' has no value"),
        ("--set https_proxy=http://u:topsecret@h", "--set: https_proxy: a password"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--api-key=topsecret", "--api-key: the key is never an argument"),
        ("--policy", "--policy: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = tenancy.run_with("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'")]) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty());
    assert!(!ran.err.contains("topsecret"), "{}", ran.err);

    for script in ["deploy.sh", "destroy.sh", "verify.sh"] {
        let ran = tenancy.run_with(script, &[], &[]).ended(2);
        assert!(
            ran.err.contains("--compartment-id: missing") && ran.calls.is_empty(),
            "{script}: {}",
            ran.err
        );
        let ran = tenancy.run_with(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty());
    }
}

#[test]
fn without_a_file_the_key_is_asked_for_at_the_terminal_and_not_shown() {
    // `script` (util-linux, in every Debian) gives a terminal.
    if !drive::available("script", Command::new("script").arg("--version").output().is_ok()).unwrap() {
        return;
    }
    let tenancy = Tenancy::new();
    let command = format!("{} {}", folder().join("deploy.sh").display(), BASE);
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--echo", "always", "--command", &command, "/dev/null"])
        .env_remove("APIKEY_FILE")
        .envs(tenancy.stage.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // As a person does: typed once it is asked for. What is typed before that, every terminal shows.
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut words = Vec::new();
    let mut byte = [0];
    while !words.ends_with(b"not shown: ") && output.read(&mut byte).unwrap() == 1 {
        words.push(byte[0]);
    }
    input.write_all(format!("{KEY}\n").as_bytes()).unwrap();
    output.read_to_end(&mut words).unwrap();
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(child.wait().unwrap().success(), "{words}");
    assert!(words.contains("API key of MDSS, not shown:") && !words.contains(KEY), "{words}");
    let config: Value = serde_json::from_str(&tenancy.given("--config")).unwrap();
    assert_eq!(config["APIKEY"], json!(KEY));
}
