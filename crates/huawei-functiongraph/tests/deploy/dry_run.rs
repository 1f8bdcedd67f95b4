//! What a dry run prints is what a run calls.

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["hcloud".to_owned()];
    for word in &call.0 {
        let mut word = word.replace("0123456789abcdef0123456789abcdef", "$PROJECT_ID");
        for (id, variable) in [
            ("channel-1", "CHANNEL_ID"),
            ("group-1", "LOG_GROUP_ID"),
            ("stream-1", "LOG_STREAM_ID"),
            ("=k1", "=LINES_ALARM_ID"),
        ] {
            word = word.replace(id, &variable.replace('=', "=$").replace(variable, &format!("${variable}")));
        }
        if word.starts_with("--subscription_id=") {
            word = "--subscription_id=$SUBSCRIPTION_ID".to_owned();
        }
        if word == "--keywords_alarm_rule_id=$=LINES_ALARM_ID" {
            word = "--keywords_alarm_rule_id=$LINES_ALARM_ID".to_owned();
        }
        if let Some(name) = word.strip_prefix("--cli-jsonInput=").and_then(|p| p.rsplit('/').next()) {
            word = format!("--cli-jsonInput=$SCRATCH/{name}");
        }
        words.push(word);
    }
    words.join(" ")
}

/// Without the shell's quotes, and the part of a line that is the call.
fn printed(out: &str) -> BTreeSet<String> {
    out.lines()
        .filter(|l| l.contains("hcloud ") && !l.starts_with('#'))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call))
        .map(|l| l.split(" | jq").next().unwrap().replace(['\'', '"'], ""))
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let project = Project::new();
    let dry = project.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty() && dry.out.contains("***"), "{}", dry.out);
    let mut called = BTreeSet::new();
    for _ in 0..2 {
        called.extend(project.deploy(&[]).ended(0).calls.iter().map(as_printed));
    }
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    let words = [&project.base()[..], &["--dry-run"]].concat();
    project.run("deploy.sh", &words, &[("PATH", "/usr/bin:/bin")]).ended(0);
    for (script, more) in [
        ("destroy.sh", &["--with-log"][..]),
        ("verify.sh", &["--bucket", "inbox", "--remove"]),
        ("redrive.sh", &["--dead-letters", "dead"]),
    ] {
        let words = [&["--region", "cn-north-4", "--dry-run"], more].concat();
        let ran = project.run(script, &words, &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\nhcloud "), "{}", ran.out);
    }
}
