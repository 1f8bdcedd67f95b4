//! `destroy.sh`, `verify.sh`, and what a dry run prints.

use super::*;

const DESTROY: &[&str] =
    &["--project", "demo-project", "--region", "europe-west1", "--bucket", "inbox", "--with-secret", "--yes"];

const VERIFY: &[&str] =
    &["--project", "demo-project", "--bucket", "inbox", "--prefix", "in/", "--wait", "1", "--every", "1"];

#[test]
fn what_was_made_is_taken_away_and_whichever_call_fails_it_can_be_run_again() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    let ran = google.run("destroy.sh", DESTROY, &[]).ended(0);
    assert_eq!((google.there(), google.notifications("inbox")), (vec![], vec![]));
    assert!(google.read("buckets/inbox").contains("topics/theirs"), "somebody else's stays");
    for number in 1..=ran.calls.len() {
        let google = Project::new();
        google.deploy(&[]).ended(0);
        google.run("destroy.sh", DESTROY, &[("FAKE_FAIL", &number.to_string())]).ended(1);
        google.run("destroy.sh", DESTROY, &[]).ended(0);
        assert_eq!(google.there(), <[&str; 0]>::default(), "after call {number} failed");
    }
    google.run("destroy.sh", DESTROY, &[]).ended(0);
    google.run("destroy.sh", &DESTROY[..6], &[]).ended(2).says("--yes: missing");
}

#[test]
fn dead_letters_are_not_thrown_away() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    google.write("dead", "11259375481726354\n");
    let ran = google.run("destroy.sh", DESTROY, &[]).ended(1).says("dead letters are kept there");
    assert!(ran.changes().is_empty(), "{:?}", ran.changes());
    google.run("destroy.sh", &[DESTROY, &["--discard"]].concat(), &[]).ended(0);
    assert_eq!(google.there(), <[&str; 0]>::default());
}

/// What the log will say; the stand-in puts the object's name in the place of OBJECT, and shows one line more at each look.
fn log(google: &Project, lines: &[Value]) {
    google.write("log", &json!(lines).to_string());
    let _ = fs::remove_file(google.path("looks"));
}

fn line(message: &str, kind: Option<&str>, id: Option<&str>) -> Value {
    let mut line =
        json!({ "message": message, "faas.document.name": "OBJECT", "mdss.detail": "a \"quoted\" \\ word" });
    for (name, value) in [("mdss.failure_kind", kind), ("mdss.correlation_id", id)] {
        if let Some(value) = value {
            line[name] = value.into();
        }
    }
    line
}

#[test]
fn a_verified_object_shows_its_lines_and_its_correlation_ids() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    let accepted = |id: &str| line("object accepted by MDSS", None, Some(id));
    let later = line("object not yet accepted by MDSS", Some("transient"), None);
    log(&google, &[later, accepted("first-id"), accepted("second-id")]);
    let ran = google.run("verify.sh", &[VERIFY, &["--wait", "9", "--remove"]].concat(), &[]).ended(0);
    let changes: Vec<_> =
        ran.changes().iter().map(|c| c.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(changes, ["storage cp", "storage cp", "storage rm"]);
    for id in ["first-id", "second-id"] {
        assert!(ran.out.contains(&format!("accepted; correlation id {id}\n")), "{id}: {}", ran.out);
    }

    log(&google, &[accepted("third-id")]);
    let ran = google.run("verify.sh", &[VERIFY, &["--topic"]].concat(), &[]).ended(0);
    assert_eq!(ran.changes(), ["pubsub topics publish mdss-relay"]);
    let attributes = ran.calls[0].value("--attribute").unwrap();
    assert!(attributes.starts_with("bucketId=inbox,objectId=in/mdss-relay-verify-"), "{attributes}");
}

#[test]
fn an_object_that_is_not_accepted_is_not_verified() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    log(&google, &[line("object not accepted by MDSS", Some("config"), None)]);
    let ran = google.run("verify.sh", VERIFY, &[]).ended(1).says("MDSS did not accept the object");
    assert!(ran.out.contains("a \\\"quoted\\\" \\\\ word"), "{}", ran.out);
    let mut skipped = line("event skipped", None, None);
    skipped["mdss.reason"] = "not_selected".into();
    log(&google, &[skipped.clone()]);
    google.run("verify.sh", VERIFY, &[]).ended(1).says("which skipped the object");
    skipped["mdss.reason"] = "duplicate".into();
    log(&google, &[skipped]);
    google.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within 1 seconds");
    log(&google, &[]);
    google.run("verify.sh", VERIFY, &[]).ended(1).says("no log line said within 1 seconds");
}

/// Files have no folder yet in print, and what a look-up finds stays a variable.
fn as_printed(call: &Call) -> String {
    let words = call.0.iter().map(|word| {
        let word = word
            .replace("123456789012@gcp-sa-pubsub", "$PROJECT_NUMBER@gcp-sa-pubsub")
            .replace("service-123456789012@gs-project-accounts.iam.gserviceaccount.com", "$STORAGE_AGENT")
            .replace("mdss-relay-api-key:1", "mdss-relay-api-key:$SECRET_VERSION")
            .replace("https://mdss-relay-abcdefgh-ew.a.run.app", "$URL");
        match word.rsplit_once("/mdss-relay.").and_then(|(_, rest)| rest.split_once('/')) {
            Some((_, name)) => format!("$SCRATCH/{name}"),
            None if word.starts_with("projects/demo-project/alertPolicies/") => "$ALARM".to_owned(),
            None => word,
        }
    });
    format!("gcloud {}", words.collect::<Vec<_>>().join(" ")).replace(['\'', '"', '\\'], "")
}

fn printed(out: &str) -> BTreeSet<String> {
    let bare =
        |l: &str| l.replace("'\\''", "").replace(['\'', '"', '\\'], "").replace(" > $SCRATCH/answer", "");
    out.lines()
        .filter(|l| l.contains("gcloud ") && !l.starts_with('#'))
        .map(|l| l.split_once("=$(").map_or(l, |(_, call)| call.strip_suffix(')').unwrap()))
        .map(bare)
        .collect()
}

#[test]
fn a_dry_run_prints_what_a_run_calls_and_calls_nothing() {
    let google = Project::new();
    let dry = google.deploy(&["--dry-run"]).ended(0);
    assert!(dry.calls.is_empty(), "{:?}", dry.calls);
    let mut called = BTreeSet::new();
    // Once on nothing, and once on what the first one made.
    for _ in 0..2 {
        called.extend(google.deploy(&[]).ended(0).calls.iter().map(as_printed));
    }
    // Only a key that is there already is compared.
    called.retain(|call| !call.contains("secrets versions access"));
    assert_eq!(printed(&dry.out), called);

    // Neither a key nor the command line is needed for it.
    google.run("deploy.sh", &[project::BASE, &["--dry-run"]].concat(), &[("PATH", "/usr/bin:/bin")]).ended(0);
    for (script, words) in [
        ("destroy.sh", &DESTROY[..7]),
        ("verify.sh", VERIFY),
        ("verify.sh", &[VERIFY, &["--topic"]].concat()),
    ] {
        let ran = google.run(script, &[words, &["--dry-run"]].concat(), &[]).ended(0);
        assert!(ran.calls.is_empty() && ran.out.contains("\ngcloud "), "{}", ran.out);
    }
}
