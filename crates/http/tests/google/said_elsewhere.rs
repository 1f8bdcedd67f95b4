//! What Terraform, the scripts, the relay and the guide say of each other. What Terraform is by itself is for `.ci/google`, which
//! can parse it.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Cause, fields};

use super::*;

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn the_alarms_count_words_the_relay_logs() {
    assert!(fields::ALL.iter().any(|f| f.name == "mdss.failure_kind"));
    let kinds: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.kind().name()).collect();
    for file in ["deploy.sh", "terraform/main.tf"] {
        let text = text(file);
        for kind in ["config", "permanent"] {
            assert!(kinds.contains(kind));
            assert!(
                text.contains(&format!("log_line {kind}")) || text.contains(&format!("\"{kind}\"")),
                "{file}: {kind}"
            );
        }
    }
}

/// One who has read the scripts gets the same from Terraform.
#[test]
fn terraform_makes_what_the_script_makes() {
    let (script, terraform) = (text("deploy.sh"), text("terraform/main.tf"));
    for (option, in_terraform) in [
        ("--ack-deadline 60", "ack_deadline_seconds       = 60"),
        ("--min-retry-delay 10s", "minimum_backoff = \"10s\""),
        ("--max-retry-delay 600s", "maximum_backoff = \"600s\""),
        ("--expiration-period never", "ttl = \"\""),
        ("--event-types OBJECT_FINALIZE", "event_types        = [\"OBJECT_FINALIZE\"]"),
        ("--payload-format json", "payload_format     = \"JSON_API_V1\""),
        ("--message-retention-duration 31d", "message_retention_duration = \"2678400s\""),
        ("--message-retention-duration 7d", "message_retention_duration = \"604800s\""),
        ("--timeout 60", "timeout                          = \"60s\""),
        ("redelivers = \"dead-letters\"", "redelivers = \"dead-letters\""),
        ("roles/pubsub.publisher", "roles/pubsub.publisher"),
        ("roles/pubsub.subscriber", "roles/pubsub.subscriber"),
        ("roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountTokenCreator"),
        ("roles/secretmanager.secretAccessor", "roles/secretmanager.secretAccessor"),
        ("/run/mdss-relay/api-key", "/run/mdss-relay"),
        ("httpGet.path=/readyz", "path = \"/readyz\""),
    ] {
        let option = option.replace('"', "\\\"").replace("\\\"dead-letters\\\"", "\"dead-letters\"");
        assert!(script.contains(&option), "deploy.sh: {option}");
        assert!(terraform.contains(in_terraform), "main.tf: {in_terraform}");
    }
}

/// Every command in the guide is one that the real command line takes.
#[test]
fn the_guide_calls_what_there_is() {
    let guide = fs::read_to_string(folder().join("../../docs/google.md")).unwrap();
    let cli = cli::options_in(&folder());
    let joined = guide.replace("\\\n", " ");
    let mut count = 0;
    for line in joined.lines().map(str::trim).filter(|line| line.starts_with("gcloud ")) {
        // What reads its output is another program; what stands in single quotes is one word.
        let call = line.split(" | ").next().unwrap_or_default();
        let words = call.split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect(),
            _ => vec![part.to_owned()],
        });
        cli::takes(&cli, &Call(words.skip(1).collect()));
        count += 1;
    }
    assert!(count >= 2, "{count} commands");
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/gcloud"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}
