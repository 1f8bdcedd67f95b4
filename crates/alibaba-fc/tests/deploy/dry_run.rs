//! What a dry run prints is what a run calls.

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["aliyun".to_owned()];
    for word in &call.0 {
        let word = word.replace(ACCOUNT, "$ACCOUNT_ID");
        words.push(match word.rsplit_once("/mdss-relay.") {
            Some((_, rest)) => format!("$SCRATCH/{}", rest.split_once('/').unwrap().1),
            None => word,
        });
    }
    bare(&words.join(" "))
}

fn bare(line: &str) -> String {
    line.replace(['\'', '"', '\\'], "")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    out.lines()
        .filter(|l| l.contains("aliyun ") && !l.starts_with(['#', ' ']))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.split(" | jq").next().unwrap()))
        .map(bare)
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let account = Account::new();
    let more = ["--contact-group", "ops", "--drop-bucket", "outbox", "--concurrency", "5"];
    let dry = account.deploy(&[&more[..], &["--dry-run"]].concat()).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("APIKEY\": \"***\""), "{}", dry.out);
    let mut called = BTreeSet::new();
    let mut run = |words: &[&str]| {
        called.extend(account.deploy(words).ended(0).calls.iter().map(as_printed));
    };
    run(&more);
    // With something to change everywhere.
    account.write("policies/mdss-relay-run", r#"{"Version":"1","Statement":[]}"#);
    account.write("policies/mdss-relay-trigger", r#"{"Version":"1","Statement":[]}"#);
    let trigger = account.read("triggers/oss-inbox").replace("PutObject", "PutSymlink");
    account.write("triggers/oss-inbox", &trigger);
    account.write("store", r#"{"ttl":1}"#);
    run(&more);
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    account
        .run("deploy.sh", &[&account.base()[..], &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")])
        .ended(0);
    for (script, words) in [
        ("destroy.sh", &["--region", "cn-hangzhou", "--dry-run"][..]),
        ("verify.sh", &["--region", "cn-hangzhou", "--bucket", "inbox", "--remove", "--dry-run"]),
        ("verify.sh", &["--region", "cn-hangzhou", "--bucket", "inbox", "--direct", "--dry-run"]),
    ] {
        let ran = account.run(script, words, &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\naliyun "), "{}", ran.out);
    }
}
