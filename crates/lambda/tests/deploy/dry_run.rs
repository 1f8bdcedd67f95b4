//! What a dry run prints is what a run calls.

use scripts::Call;

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["aws".to_owned()];
    for word in &call.0 {
        let mut word = word.replace("123456789012", "$ACCOUNT_ID");
        for prefix in ["file://", "fileb://"] {
            if let Some(name) = word.strip_prefix(prefix).and_then(|p| p.rsplit('/').next()) {
                word = format!("{prefix}$SCRATCH/{name}");
            }
        }
        words.push(word);
    }
    words.join(" ")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    let bare = |l: &str| l.replace("'\\''", "\u{1}").replace(['\'', '"', '\\'], "").replace('\u{1}', "");
    out.lines()
        .filter(|l| l.contains("aws ") && !l.starts_with('#') && !l.starts_with("jq"))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()))
        .map(|l| bare(l.split(" > $SCRATCH").next().unwrap()))
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let account = Account::new();
    let dry = account.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("#   ***"), "{}", dry.out);
    let mut called = BTreeSet::new();
    for key in [KEY, "another"] {
        account.write("key", key);
        let ran = account.deploy(&[]).ended(0);
        called.extend(ran.calls.iter().map(|c| as_printed(c).replace(['\'', '"', '\\'], "")));
    }
    account.run("destroy.sh", DESTROY, &[]).ended(0);
    let again = account.deploy(&[]).ended(0); // which takes the secret back
    called.extend(again.calls.iter().map(|c| as_printed(c).replace(['\'', '"', '\\'], "")));
    // That the old secret is read, to compare it, is said in words.
    called.retain(|c| !c.contains("SecretString"));
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    account
        .run("deploy.sh", &[&account.base()[..], &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")])
        .ended(0);
    for (script, more) in [("destroy.sh", "--with-secret"), ("verify.sh", "--remove")] {
        let words = ["--region", "eu-west-1", "--bucket", "inbox", more, "--dry-run"];
        let words =
            if script == "verify.sh" { &words[..] } else { &["--region", "eu-west-1", more, "--dry-run"] };
        let ran = account.run(script, words, &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\naws "), "{}", ran.out);
    }
}
