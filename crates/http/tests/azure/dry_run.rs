//! What a dry run prints is what a run calls.

use scripts::Call;

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["az".to_owned()];
    for word in &call.0 {
        let word = match word.as_str() {
            "/subscriptions/0000/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/acct" => {
                "$ACCOUNT_ID"
            }
            "mdss-relay-hash" => "$APP",
            "mdss-relay-acct" => "$TOPIC",
            "data" => "$TOPIC_GROUP",
            other => other,
        };
        words.push(match word.strip_prefix('@').and_then(|p| p.rsplit('/').next()) {
            Some(name) => format!("@$SCRATCH/{name}"),
            None => word.to_owned(),
        });
    }
    words.join(" ").replace(['\'', '"', '\\'], "")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    let bare = |l: &str| l.replace("'\\''", "").replace(['\'', '"', '\\'], "");
    out.lines()
        .filter(|l| l.contains("az ") && !l.starts_with('#'))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()))
        .map(bare)
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let azure = Subscription::new();
    let dry = azure.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("\"apiKey\": {\"value\": \"***\"}"), "{}", dry.out);
    let mut called = BTreeSet::new();
    // Once on nothing, and once on what the first one made.
    for _ in 0..2 {
        called.extend(azure.deploy(&[]).ended(0).calls.iter().map(as_printed));
    }
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    azure
        .run("deploy.sh", &[&azure.base()[..], &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")])
        .ended(0);
    let everywhere = ["--resource-group", "relay", "--dry-run"];
    for (script, more) in [
        ("destroy.sh", &["--account", "acct", "--purge"][..]),
        ("verify.sh", &["--account", "acct", "--container", "inbox", "--remove"]),
        ("verify.sh", &["--account", "acct", "--container", "inbox", "--queue"]),
        ("redrive.sh", &[]),
    ] {
        let ran = azure.run(script, &[&everywhere, more].concat(), &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\naz "), "{}", ran.out);
    }
}
