//! `deployer-role.yaml`, the role for whoever deploys: it holds what the scripts call, and nothing besides. No stand-in enforces it.

use super::*;

/// By Google's "IAM permissions for JSON methods" (Cloud Storage), "Access control with IAM" (Pub/Sub, Secret Manager, Cloud Run,
/// Monitoring, Logging) and "Service Usage access control"; actions that gcloud looks up first are with them.
fn needs(command: &str) -> &'static [&'static str] {
    match command {
        "projects describe" | "storage service-agent" => &["resourcemanager.projects.get"],
        "services enable" => &[
            "serviceusage.services.enable",
            "serviceusage.services.get",
            "serviceusage.services.list",
            "serviceusage.operations.get",
        ],
        "iam service-accounts describe" => &["iam.serviceAccounts.get"],
        "iam service-accounts create" => &["iam.serviceAccounts.create"],
        "iam service-accounts delete" => &["iam.serviceAccounts.delete"],
        "iam service-accounts add-iam-policy-binding" => {
            &["iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.setIamPolicy"]
        }
        "secrets describe" => &["secretmanager.secrets.get"],
        "secrets create" => &["secretmanager.secrets.create"],
        "secrets delete" => &["secretmanager.secrets.delete"],
        "secrets add-iam-policy-binding" => {
            &["secretmanager.secrets.getIamPolicy", "secretmanager.secrets.setIamPolicy"]
        }
        "secrets versions describe" => &["secretmanager.versions.get"],
        "secrets versions access" => &["secretmanager.versions.access"],
        "secrets versions add" => &["secretmanager.versions.add"],
        "pubsub topics describe" => &["pubsub.topics.get"],
        "pubsub topics create" => &["pubsub.topics.create"],
        "pubsub topics delete" => &["pubsub.topics.delete"],
        "pubsub topics publish" => &["pubsub.topics.publish"],
        "pubsub topics add-iam-policy-binding" => {
            &["pubsub.topics.getIamPolicy", "pubsub.topics.setIamPolicy"]
        }
        "pubsub subscriptions describe" => &["pubsub.subscriptions.get"],
        // With the account that it pushes as ("Authenticate push subscriptions": iam.serviceAccounts.actAs).
        "pubsub subscriptions create" => {
            &["pubsub.subscriptions.create", "pubsub.topics.attachSubscription", "iam.serviceAccounts.actAs"]
        }
        "pubsub subscriptions update" => {
            &["pubsub.subscriptions.get", "pubsub.subscriptions.update", "iam.serviceAccounts.actAs"]
        }
        "pubsub subscriptions delete" => &["pubsub.subscriptions.delete"],
        "pubsub subscriptions pull" => &["pubsub.subscriptions.consume"],
        "pubsub subscriptions add-iam-policy-binding" => {
            &["pubsub.subscriptions.getIamPolicy", "pubsub.subscriptions.setIamPolicy"]
        }
        // Cloud Run Developer, Service Account User and Artifact Registry Reader ("Deploying container images"), of which this is
        // used; the policy is that of --allow-unauthenticated.
        "run deploy" => &[
            "run.services.create",
            "run.services.get",
            "run.services.update",
            "run.services.getIamPolicy",
            "run.services.setIamPolicy",
            "run.operations.get",
            "iam.serviceAccounts.actAs",
            "artifactregistry.repositories.downloadArtifacts",
        ],
        "run services describe" => &["run.services.get"],
        "run services delete" => &["run.services.delete"],
        "storage buckets describe" | "storage buckets notifications list" => &["storage.buckets.get"],
        "storage buckets notifications create" | "storage buckets notifications delete" => {
            &["storage.buckets.update"]
        }
        // An upload to a name that exists replaces the object, which is a deletion too.
        "storage cp" => &[
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.get",
            "storage.objects.list",
        ],
        "storage rm" => &["storage.objects.delete", "storage.objects.get", "storage.objects.list"],
        "logging read" => &["logging.logEntries.list"],
        "alpha monitoring policies list" => &["monitoring.alertPolicies.list"],
        // The rules are those of conditions on log lines ("Configure log-based alerting policies": Logs Configuration Writer).
        "alpha monitoring policies create" => {
            &["monitoring.alertPolicies.create", "logging.notificationRules.create"]
        }
        "alpha monitoring policies update" => &[
            "monitoring.alertPolicies.get",
            "monitoring.alertPolicies.update",
            "logging.notificationRules.update",
        ],
        "alpha monitoring policies delete" => {
            &["monitoring.alertPolicies.delete", "logging.notificationRules.delete"]
        }
        other => panic!("which permissions does 'gcloud {other}' need?"),
    }
}

/// Of a call, the words that are the command: what follows may be a name.
fn command_of(call: &Call, cli: &Value) -> String {
    let words = call.command();
    let words: Vec<_> = words.split(' ').collect();
    let named = |n: &usize| cli["commands"][words[..*n].join(" ")].is_object();
    let count = (1..=words.len()).rev().find(named).unwrap();
    words[..count].join(" ")
}

#[test]
fn the_role_holds_what_the_scripts_call_and_nothing_besides() {
    let project = Project::new();
    let mut calls = project.deploy(&[]).ended(0).calls;
    project.write("key", "another\n");
    calls.extend(project.deploy(&["--bucket", "outbox"]).ended(0).calls);
    calls.extend(project.deploy(&["--drop-bucket", "outbox"]).ended(0).calls);
    project.write(
        "log",
        r#"[{"message":"object accepted by MDSS","faas.document.name":"OBJECT","mdss.correlation_id":"1"}]"#,
    );
    let verify = ["--project", "demo-project", "--bucket", "inbox", "--once", "--remove"];
    calls.extend(project.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(project.run("verify.sh", &[&verify[..], &["--topic"]].concat(), &[]).ended(0).calls);
    let destroy = "--project demo-project --region europe-west1 --bucket inbox --with-secret --yes";
    let destroy: Vec<_> = destroy.split(' ').collect();
    calls.extend(project.run("destroy.sh", &destroy, &[]).ended(0).calls);

    let cli = cli::options_in(&folder());
    let needed: BTreeSet<&str> =
        calls.iter().flat_map(|call| needs(&command_of(call, &cli))).copied().collect();
    let role = fs::read_to_string(folder().join("deployer-role.yaml")).unwrap();
    let listed = role.split("includedPermissions:\n").nth(1).unwrap().lines();
    let held: BTreeSet<&str> = listed.filter_map(|line| line.strip_prefix("- ")).collect();
    assert_eq!(held, needed);
}
