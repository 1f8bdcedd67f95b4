//! What a dry run prints is what a run calls.

use scripts::Call;

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["tccli".to_owned()];
    for word in &call.0 {
        let word = word.replace("logset-1", "$LOGSET_ID").replace("topic-1", "$TOPIC_ID");
        words.push(match word.strip_prefix("file://").and_then(|p| p.rsplit('/').next()) {
            Some(name) => format!("file://$SCRATCH/{name}"),
            None => word,
        });
    }
    words.join(" ").replace(['\'', '"', '\\'], "")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    out.lines()
        .filter(|l| l.contains("tccli ") && !l.starts_with('#'))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()))
        .map(|l| l.split(" > $SCRATCH").next().unwrap().replace("'\\''", "'").replace(['\'', '"', '\\'], ""))
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let account = Account::new();
    let more = ["--alarm-notice", "notice-1", "--concurrency", "20"];
    let dry = account.deploy(&[&more[..], &["--dry-run"]].concat()).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains(r#"{"Key":"APIKEY","Value":"***"}"#), "{}", dry.out);
    let mut called = BTreeSet::new();
    for code in ["one", "two"] {
        account.write("code.zip", &format!("PK\u{3}\u{4}{code}"));
        let ran = account.deploy(&more).ended(0);
        called.extend(ran.calls.iter().map(as_printed));
    }
    let mut said = printed(&dry.out);
    // Which triggers go depends on those that are there.
    said.retain(|call| !call.contains("DeleteTrigger"));
    assert_eq!(said, called);

    // Neither a key nor the command line is needed for it.
    account
        .run("deploy.sh", &[&account.base()[..], &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")])
        .ended(0);
    for (script, words) in [
        ("destroy.sh", &["--region", "ap-guangzhou", "--dry-run"][..]),
        ("verify.sh", &["--region", "ap-guangzhou", "--bucket", "in-1250000000", "--remove", "--dry-run"]),
    ] {
        let ran = account.run(script, words, &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\ntccli "), "{}", ran.out);
    }
}
