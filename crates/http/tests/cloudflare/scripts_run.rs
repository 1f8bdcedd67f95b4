//! The scripts on fresh, half-done and finished accounts.

use scripts::Call;

use super::*;

const DESTROY: &[&str] = &["--bucket", "inbox", "--discard", "--yes"];
const VERIFY: &[&str] = &["--bucket", "inbox", "--prefix", "in/", "--wait", "1", "--every", "1"];

#[test]
fn a_fresh_account_gets_everything_in_order() {
    let account = Account::new();
    let ran = account.deploy(&["--prefix", "in/"]).ended(0);
    let changes: Vec<_> = ran.changes().iter().map(|c| c.split(" /").next().unwrap().to_owned()).collect();
    assert_eq!(
        changes,
        [
            "queues create mdss-relay-objects",
            "queues create mdss-relay-dead",
            "deploy",
            "secret bulk",
            "r2 bucket notification create inbox", // last: no event before there is somebody to take it
        ]
    );
    assert_eq!(account.secrets(), json!({ "RELAY_SECRET": KEY }));
    for queue in ["mdss-relay-objects", "mdss-relay-dead"] {
        assert_eq!(account.read(&format!("queues/{queue}")), "1209600\n", "fourteen days, not four");
    }
    let rules = account.read("rules");
    assert!(rules.contains("queue_name:  mdss-relay-objects\nprefix:      in/\n"), "{rules}");
    let toml: toml::Table = account.read("wrangler.toml").parse().unwrap();
    assert_eq!(toml["vars"]["RELAY_URL"].as_str(), Some("https://relay.example/r2?a=b&c=d"));
    assert!(std::path::Path::new(toml["main"].as_str().unwrap()).is_file());
}

#[test]
fn a_finished_account_gets_nothing_new() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let before = (account.read("rules"), account.read("wrangler.toml"), account.secrets());
    // No RELAY_SECRET_FILE: the secret that is there stays.
    let words = ["--url", "https://relay.example/r2?a=b&c=d", "--bucket", "inbox"];
    let ran = account.run("deploy.sh", &words, &[]).ended(0);
    assert!(!ran.changes().iter().any(|c| c.contains("create") || c.contains("bulk")), "{:?}", ran.changes());
    assert_eq!((account.read("rules"), account.read("wrangler.toml"), account.secrets()), before);
    // A prefix is another rule, and so is one of somebody else's queue.
    account.write("rules", &before.0.replace("mdss-relay-objects", "mdss-relay-objects-of-theirs"));
    account.deploy(&[]).ended(0);
    assert_eq!(account.read("rules").matches("rule_id").count(), 2);
}

#[test]
fn a_name_of_ones_own_is_everywhere_and_the_alert_is_a_secret() {
    let account = Account::new();
    account.write("alert", "https://chat.example/hook/s3cret\n");
    let words =
        ["--url", "https://relay.example/r2", "--bucket", "inbox", "--name", "scan", "--jurisdiction", "eu"];
    let (key, alert) = (account.text("key"), account.text("alert"));
    let ran =
        account.run("deploy.sh", &words, &[("RELAY_SECRET_FILE", &key), ("ALERT_URL_FILE", &alert)]).ended(0);
    assert_eq!(
        account.secrets(),
        json!({ "RELAY_SECRET": KEY, "ALERT_URL": "https://chat.example/hook/s3cret" })
    );
    let toml = account.read("wrangler.toml");
    let names: Vec<_> = toml.lines().filter(|l| l.contains("scan") && !l.starts_with('#')).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    for call in ran.calls.iter().filter(|c| c.command().starts_with("r2 ")) {
        assert_eq!(call.value("--jurisdiction"), Some("eu"), "{call:?}");
    }
    assert!(!ran.out.contains("s3cret") && !ran.calls.iter().any(|c| c.0.iter().any(|w| w.contains("hook"))));
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Account::new();
    let ran = whole.deploy(&[]).ended(0);
    let result = |account: &Account| {
        let rules = account.read("rules");
        let rules: Vec<_> = rules.lines().filter(|l| !l.starts_with("rule_id")).map(str::to_owned).collect();
        (rules, account.read("wrangler.toml"), account.secrets())
    };
    for number in 1..=ran.calls.len() {
        let account = Account::new();
        let (key, at) = (account.text("key"), number.to_string());
        let words = ["--url", "https://relay.example/r2?a=b&c=d", "--bucket", "inbox"];
        let ran = account.run("deploy.sh", &words, &[("RELAY_SECRET_FILE", &key), ("FAKE_FAIL", &at)]);
        // A look-up that may fail because there is nothing yet is followed by the call that fails for the other reason.
        let may_fail = ran.calls.get(number - 1).is_some_and(|c| c.0[..].join(" ").contains(" list"));
        if !may_fail {
            let ran = ran.ended(1).says("it was asked to fail");
            assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        }
        account.deploy(&[]).ended(0);
        assert_eq!(result(&account), result(&whole), "after call {number} failed");
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let account = Account::new();
    let key = account.text("key");
    let words = ["--url", "https://relay.example/r2", "--bucket", "inbox"];
    account.run("deploy.sh", &words, &[("RELAY_SECRET_FILE", &key), ("FAKE_KILL", "7")]).ended(143);
}

#[test]
fn all_mistakes_are_reported_at_once_and_nothing_is_called() {
    let account = Account::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--url http://relay.example", "does not begin with https://"),
        ("--bucket in/box", "--bucket: 'in/box'"),
        ("--jurisdiction EU", "--jurisdiction: 'EU'"),
        ("--name Scan", "--name: 'Scan'"),
        ("--secret topsecret", "--secret: the key is never an argument; name a file in RELAY_SECRET_FILE"),
        ("--secret=topsecret", "--secret: the key is never an argument"),
        ("--prefix", "--prefix: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    account.write("short", "fifteen letters\n");
    let variables = [("RELAY_SECRET_FILE", "/nowhere"), ("ALERT_URL_FILE", "/nowhere-either")];
    let ran = account.run("deploy.sh", &words, &variables).ended(2);
    let files = [("", "RELAY_SECRET_FILE: '/nowhere'"), ("", "ALERT_URL_FILE: '/nowhere-either'")];
    for (words, sentence) in wrong.iter().chain(&files) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("topsecret"), "{}", ran.err);
    account.write("short", "fifteen-letters\n");
    let words = ["--url", "https://relay.example/r2", "--bucket", "inbox"];
    let ran = account.run("deploy.sh", &words, &[("RELAY_SECRET_FILE", &account.text("short"))]).ended(2);
    ran.says("the file that RELAY_SECRET_FILE names: has less than 16 characters");
    account.run("deploy.sh", &words, &[]).ended(2).says("the Worker has no secret yet");
    for script in ["deploy.sh", "destroy.sh", "verify.sh"] {
        let ran = account.run(script, &[], &[]).ended(2).says("--bucket: missing");
        assert!(ran.calls.is_empty(), "{script}");
        let ran = account.run(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty(), "{script}");
    }
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let account = Account::new();
    let dry = account.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("{\"RELAY_SECRET\": \"***\"}"), "{}", dry.out);
    let as_printed = |call: &Call| {
        let word = |w: &String| match w.rsplit('/').next() {
            Some(name @ ("wrangler.toml" | "secrets.json")) => format!("$SCRATCH/{name}"),
            _ => w.clone(),
        };
        format!("wrangler {}", call.0.iter().map(word).collect::<Vec<_>>().join(" "))
    };
    let mut called = BTreeSet::new();
    // Once on nothing, and once on what the first one made.
    for _ in 0..2 {
        called.extend(account.deploy(&[]).ended(0).calls.iter().map(as_printed));
    }
    let printed: BTreeSet<_> = dry
        .out
        .lines()
        .filter(|l| l.contains("wrangler ") && !l.starts_with('#'))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()).replace('"', ""))
        .collect();
    assert_eq!(printed, called);
    // Neither a secret nor the command line is needed for it.
    for (script, words) in [
        ("deploy.sh", &["--url", "https://relay.example/r2", "--bucket", "inbox", "--dry-run"][..]),
        ("verify.sh", &["--bucket", "inbox", "--remove", "--dry-run"]),
        ("destroy.sh", &["--bucket", "inbox", "--dry-run"]),
    ] {
        let ran = account.run(script, words, &[("PATH", "/usr/bin:/bin")]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("wrangler "), "{}", ran.out);
    }
}

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let account = Account::new();
    account.deploy(&[]).ended(0);
    let theirs = "rule_id:     t\nqueue_name:  theirs\nprefix:      x/\n\n";
    account.write("rules", &(account.read("rules") + theirs));
    let ran = account.run("destroy.sh", &["--bucket", "inbox", "--yes"], &[]).ended(0);
    assert_eq!(ran.changes(), ["r2 bucket notification delete inbox"], "what waits is still delivered");
    assert!(account.read("rules").contains("theirs") && !account.read("rules").contains("mdss-relay"));
    let ran = account.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!(
        ran.changes(),
        ["delete mdss-relay", "queues delete mdss-relay-objects", "queues delete mdss-relay-dead"]
    );
    for number in 1..=ran.calls.len() {
        let account = Account::new();
        account.deploy(&[]).ended(0);
        account.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]);
        account.run("destroy.sh", DESTROY, &[]).ended(0);
        for name in ["rules", "wrangler.toml", "queues/mdss-relay-objects", "queues/mdss-relay-dead"] {
            assert!(!account.path(name).exists(), "{name} after call {number} failed");
        }
    }
    account.run("destroy.sh", &DESTROY[..3], &[]).ended(2).says("--yes: missing");
}

/// What the Worker's log says about each upload, as `wrangler tail` prints it.
fn log(account: &Account, message: &str, answer: &Value) {
    let line = json!({ "message": message, "key": "OBJECT", "status": 200, "answer": answer.to_string() });
    let event = json!({ "event": { "queue": "mdss-relay-objects" }, "logs": [{ "message": [line.to_string()] }, { "message": ["no JSON"] }] });
    account.write("log", &format!("{event:#}\n"));
    let _ = fs::remove_file(account.path("tail"));
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_id() {
    let account = Account::new();
    let report = json!({ "outcome": "done", "records": [{ "result": "accepted", "correlation_id": "42" }] });
    log(&account, "event taken by the relay", &report);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    let puts =
        ran.changes().iter().filter(|c| c.starts_with("r2 object put inbox/in/mdss-relay-verify-")).count();
    assert_eq!((puts, ran.out.matches("correlation id 42").count()), (2, 2), "{}", ran.out);

    let spooled = json!({ "outcome": "done", "records": [{ "result": "spooled", "correlation_id": null }] });
    log(&account, "event taken by the relay", &spooled);
    let ran = account.run("verify.sh", &[VERIFY, &["--wait", "9", "--once"]].concat(), &[]).ended(0);
    assert!(ran.out.contains("the relay has it on disk"), "{}", ran.out);

    log(&account, "event not taken by the relay, tried again", &json!({}));
    account
        .run("verify.sh", VERIFY, &[])
        .ended(1)
        .says("no line said within 1 seconds that the relay took in/mdss-relay");
}
