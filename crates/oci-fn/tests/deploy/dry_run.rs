//! What a dry run prints is what a run calls.

use scripts::Call;

use super::*;

/// Ids that a look-up finds stay variables in print, and files have no folder yet.
fn as_printed(call: &Call) -> String {
    let mut words = vec!["oci".to_owned()];
    for word in &call.0 {
        let mut word = word.clone();
        for (id, variable) in [
            ("ocid1.application.oc1..mdss-relay", "$APPLICATION_ID"),
            ("ocid1.function.oc1..mdss-relay-oci-fn", "$FUNCTION_ID"),
            ("ocid1.loggroup.oc1..mdss-relay", "$LOG_GROUP_ID"),
            ("ocid1.rule.oc1..mdss-relay-objects", "$RULE_ID"),
            ("ocid1.compartment.oc1..buckets", "$BUCKET_COMPARTMENT_ID"),
        ] {
            word = word.replace(id, variable);
        }
        if word.starts_with("ocid1.work..") {
            word = "$WORK_REQUEST_ID".to_owned();
        }
        if let Some(path) = word.strip_prefix("file://") {
            word = format!("file://$SCRATCH/{}", path.rsplit('/').next().unwrap());
        }
        words.push(word);
    }
    words.join(" ")
}

/// Without the shell's quotes.
fn bare(line: &str) -> String {
    line.replace("'\\''", "\u{1}").replace(['\'', '"', '\\'], "").replace('\u{1}', "")
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let tenancy = Tenancy::new();
    let arguments = base(&["--with-policy", "--set", "RELAY_LOG=debug"]);
    let dry: Vec<_> = arguments.iter().copied().chain(["--dry-run"]).collect();
    let printed = tenancy.run("deploy.sh", &dry).ended(0);
    assert!(printed.calls.is_empty());
    assert!(printed.out.contains(r#""APIKEY": "***""#), "{}", printed.out);
    let lines: BTreeSet<_> = printed
        .out
        .lines()
        .filter(|l| l.contains("oci ") && !l.starts_with('#'))
        .map(|l| bare(l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap())))
        .collect();
    let mut called = BTreeSet::new();
    for _ in 0..2 {
        let ran = tenancy.run("deploy.sh", &arguments).ended(0);
        called.extend(
            ran.calls.iter().filter(|c| c.command() != "fn function create").map(|c| bare(&as_printed(c))),
        );
    }
    assert_eq!(lines, called, "what is printed, and what a fresh and a finished tenancy saw");

    // Neither a key nor a terminal nor the command line is needed for it.
    let ran = tenancy.run_with("deploy.sh", &dry, &[("PATH", "/usr/bin:/bin")]).ended(0);
    assert_eq!(ran.out.lines().filter(|l| l.starts_with("==")).count(), 8, "{}", ran.out);
    for (script, more) in [("destroy.sh", "--with-policy"), ("verify.sh", "--remove")] {
        let ran = tenancy
            .run_with(script, &["--compartment-id", COMPARTMENT, "--bucket", "inbox", more, "--dry-run"], &[])
            .ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("oci fn application list"), "{}", ran.out);
    }
}
