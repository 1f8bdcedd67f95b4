//! `deploy.sh`.

use mdss_relay_core::{Role, Settings};

use super::*;

const PUSH: &str = "mdss-relay-push@demo-project.iam.gserviceaccount.com";
const AGENT: &str = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com";

#[test]
fn a_fresh_project_gets_everything_in_order() {
    let google = Project::new();
    let ran = google.deploy(&[]).ended(0);
    let changes: Vec<_> = ran
        .calls
        .iter()
        .map(|call| (call.command(), call.0.last().cloned()))
        .map(|(command, _)| command.split(" projects/").next().unwrap().to_owned())
        .filter(|c| ran.changes().contains(c))
        .collect();
    let wanted = [
        "iam service-accounts create mdss-relay-push",
        "iam service-accounts create mdss-relay-run",
        "secrets versions add mdss-relay-api-key",
        // The dead letters are kept before there can be any.
        "pubsub topics create mdss-relay-dead",
        "pubsub subscriptions create mdss-relay-dead",
        "pubsub topics create mdss-relay",
        "run deploy mdss-relay",
        "pubsub subscriptions create mdss-relay",
        // Who publishes comes last: what nobody subscribes to is gone.
        "storage buckets notifications create gs://inbox",
        "alpha monitoring policies create",
    ];
    let mut at = changes.iter();
    for step in wanted {
        assert!(at.any(|change| change == step), "{step} in its place: {changes:?}");
    }
    assert_eq!(google.read("secret"), KEY, "without the file's line break");
    assert_eq!(google.notifications("inbox"), [("2".to_owned(), String::new())]);
    assert!(google.read("buckets/inbox").contains("topics/theirs"), "somebody else's stays");
    assert_eq!(google.there().len(), 2 + 2 + 2 + 1 + 1 + 4, "{:?}", google.there());
}

#[test]
fn the_subscription_repeats_until_somebody_looks_after_it() {
    let google = Project::new();
    let ran = google.deploy(&["--max-attempts", "50"]).ended(0);
    let create = |name: &str| {
        let found = ran.calls.iter().find(|c| c.command() == format!("pubsub subscriptions create {name}"));
        found.unwrap_or_else(|| panic!("no subscription {name}")).clone()
    };
    let subscription = create("mdss-relay");
    for (option, value) in [
        ("--push-endpoint", "https://mdss-relay-abcdefgh-ew.a.run.app/gcs"),
        ("--push-auth-service-account", PUSH),
        ("--push-auth-token-audience", "mdss-relay/demo-project/mdss-relay"),
        // The relay tries for 25 s.
        ("--ack-deadline", "60"),
        ("--expiration-period", "never"),
        ("--min-retry-delay", "10s"),
        ("--max-retry-delay", "600s"),
        ("--dead-letter-topic", "projects/demo-project/topics/mdss-relay-dead"),
        ("--max-delivery-attempts", "50"),
    ] {
        assert_eq!(subscription.value(option), Some(value), "{option}");
    }
    let dead = create("mdss-relay-dead");
    assert_eq!(dead.value("--expiration-period"), Some("never"));
    assert_eq!(dead.value("--topic"), Some("mdss-relay-dead"));
}

/// Who may do what, and nobody anything else.
#[test]
fn rights_are_the_least_there_can_be() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    let rights: BTreeSet<_> = google.read("rights").lines().map(str::to_owned).collect();
    let wanted = [
        format!("iam service-accounts add-iam-policy-binding {PUSH} {AGENT} roles/iam.serviceAccountTokenCreator"),
        "secrets add-iam-policy-binding mdss-relay-api-key serviceAccount:mdss-relay-run@demo-project.iam.gserviceaccount.com \
         roles/secretmanager.secretAccessor"
            .to_owned(),
        format!("pubsub topics add-iam-policy-binding mdss-relay-dead {AGENT} roles/pubsub.publisher"),
        "pubsub topics add-iam-policy-binding mdss-relay serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com \
         roles/pubsub.publisher"
            .to_owned(),
        format!("pubsub subscriptions add-iam-policy-binding mdss-relay {AGENT} roles/pubsub.subscriber"),
    ];
    let bare = |right: &String| {
        right.replace(" --project demo-project", "").replace(" --member", "").replace(" --role", "")
    };
    let rights: BTreeSet<_> = rights.iter().map(bare).map(|r| r.replace(" --condition None", "")).collect();
    assert_eq!(rights, wanted.into());
}

/// The relay's settings of a deployment, checked by the relay.
fn settings(google: &Project) -> Settings {
    let variables = google.read("variables");
    let pairs = variables.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let value: String = serde_json::from_str(value).unwrap();
        match name {
            // What the service mounts.
            "APIKEY_FILE" => ("APIKEY".into(), "k".into()),
            name => (name.into(), value.into()),
        }
    });
    let mut draft = Settings::read(pairs, Role::Http);
    mdss_relay_gate::Sources::of(&mut draft, jiff::Timestamp::now(), &|path| panic!("{path} is read"));
    let mistakes: Vec<_> = draft.mistakes.iter().map(ToString::to_string).collect();
    assert!(mistakes.is_empty(), "{mistakes:?}\n{variables}");
    draft.finish().unwrap()
}

#[test]
fn the_service_starts_with_these_settings() {
    let google = Project::new();
    let ran = google.deploy(&[]).ended(0);
    let service = ran.calls.iter().find(|c| c.command() == "run deploy mdss-relay").unwrap();
    for (option, value) in [
        ("--set-secrets", "/run/mdss-relay/api-key=mdss-relay-api-key:1"),
        ("--min-instances", "1"),
        ("--ingress", "all"),
    ] {
        assert_eq!(service.value(option), Some(value), "{option}");
    }
    assert!(service.value("--startup-probe").unwrap().contains("httpGet.path=/readyz"));
    let source = settings(&google).http.unwrap().sources.into_iter().next().unwrap();
    let auth = source.auth.unwrap();
    assert_eq!(auth["jwt"]["email"].as_str(), Some(PUSH));
    assert_eq!(auth["jwt"]["audience"].as_str(), Some("mdss-relay/demo-project/mdss-relay"));

    // Routes of one's own, with everything that a shell and YAML could trip over.
    let toml = "[[route]]\nbucket = \"in\\u005cbox\" # 'ü' : \t{\nstorage_client_id = \"unit-2\"\nstorage_type = \"google\"";
    google.write("relay.toml", &format!("{toml}\n"));
    let file = google.text("relay.toml");
    let words: Vec<_> = project::BASE
        .iter()
        .map(|w| match *w {
            "--storage-client-id" => "--relay-config",
            "unit-1" => file.as_str(),
            other => other,
        })
        .collect();
    google.run("deploy.sh", &words, &[("APIKEY_FILE", &google.text("key"))]).ended(0);
    settings(&google);
    assert!(!google.read("variables").contains("STORAGECLIENTID"));
    google.write("relay.toml", "[[source]]\nname = \"gcs\"\n");
    google.run("deploy.sh", &words, &[]).ended(2).says("has a source; this script adds the only one");
}

#[test]
fn a_finished_project_stays_as_it_is() {
    let google = Project::new();
    google.deploy(&[]).ended(0);
    let before = google.state();
    let ran = google.deploy(&[]).ended(0);
    assert_eq!(google.state(), before);
    assert!(!ran.commands().iter().any(|c| c.contains(" create")), "{:?}", ran.commands());
    // No APIKEY_FILE: the key that is there stays.
    google.run("deploy.sh", project::BASE, &[]).ended(0);
    assert_eq!(google.state(), before);
    // Another key is a new version, and a new revision of the service has it.
    google.write("key", "another\n");
    google.deploy(&[]).ended(0);
    assert_eq!((google.read("secret"), google.read("version")), ("another".into(), "2\n".into()));
    assert!(google.read("there/service-mdss-relay").contains("mdss-relay-api-key:2"));
}

#[test]
fn notifications_become_what_the_options_say_and_others_stay() {
    let google = Project::new();
    google.deploy(&["--bucket", "outbox"]).ended(0);
    assert_eq!(google.notifications("outbox"), [("1".to_owned(), String::new())]);
    // A prefix takes the place of what was there, which goes once the new one is there.
    let ran = google.deploy(&["--bucket", "outbox", "--prefix", "in/"]).ended(0);
    assert_eq!(google.notifications("outbox"), [("2".to_owned(), "in/".to_owned())]);
    let order: Vec<_> = ran.commands().into_iter().filter(|c| c.contains("notifications ")).collect();
    let position = |word: &str| order.iter().position(|c| c.contains(word)).unwrap();
    assert!(position("notifications create") < position("notifications delete"), "{order:?}");
    google.deploy(&["--prefix", "in/", "--drop-bucket", "outbox"]).ended(0);
    assert_eq!(google.notifications("outbox"), []);
    assert!(google.read("buckets/inbox").contains("topics/theirs"));
    google.deploy(&["--drop-bucket", "attic"]).ended(2).says("there is no bucket attic");
}

#[test]
fn whichever_call_fails_it_can_be_run_again() {
    let whole = Project::new();
    let calls = whole.deploy(&[]).ended(0).calls.len();
    for number in 1..=calls {
        let google = Project::new();
        let (key, at) = (google.text("key"), number.to_string());
        let ran =
            google.run("deploy.sh", project::BASE, &[("APIKEY_FILE", &key), ("FAKE_FAIL", &at)]).ended(1);
        assert_eq!(ran.calls.len(), number, "nothing is called after a failure");
        assert!(ran.err.contains("it was asked to fail"), "the tool's own words are passed on: {}", ran.err);
        google.deploy(&[]).ended(0);
        assert_eq!(google.state(), whole.state(), "after call {number} failed");
    }
    let google = Project::new();
    let key = google.text("key");
    google.run("deploy.sh", project::BASE, &[("APIKEY_FILE", &key), ("FAKE_KILL", "12")]).ended(143);
}

#[test]
fn all_mistakes_are_reported_at_once_and_nothing_is_called() {
    let google = Project::new();
    let wrong = [
        ("--frob", "'--frob': not an option"),
        ("--project A_b", "--project: 'A_b'"),
        ("--region West", "--region: 'West'"),
        ("--name 1x", "--name: '1x'"),
        ("--network net", "--subnet: missing beside --network"),
        ("--image a/b", "--image: 'a/b' has neither"),
        ("--ingress some", "--ingress: 'some'"),
        ("--min-instances -1", "--min-instances: '-1'"),
        ("--max-instances 0", "--max-instances: '0'"),
        ("--max-attempts 4", "--max-attempts: '4'"),
        ("--endpoint mdss.example", "--endpoint: 'mdss.example'"),
        ("--storage-client-id a\tb", "--storage-client-id: has white space"),
        ("--bucket In", "--bucket: 'In'"),
        ("--notification-channel mail", "--notification-channel: 'mail'"),
        ("--secret-name a/b", "--secret-name: 'a/b'"),
        ("--api-key topsecret", "--api-key: the key is never an argument"),
        ("--drop-bucket", "--drop-bucket: its value is missing"),
    ];
    let words: Vec<_> = wrong.iter().flat_map(|(words, _)| words.split(' ')).collect();
    let ran = google.run("deploy.sh", &words, &[("APIKEY_FILE", "/nowhere")]).ended(2);
    for (words, sentence) in wrong.iter().chain(&[("", "APIKEY_FILE: '/nowhere'")]) {
        assert!(ran.err.contains(sentence), "{words}: {sentence} is not in:\n{}", ran.err);
    }
    assert!(ran.calls.is_empty() && !ran.err.contains("topsecret"), "{}", ran.err);
    for script in ["deploy.sh", "destroy.sh", "verify.sh"] {
        let ran = google.run(script, &[], &[]).ended(2).says("--project: missing");
        assert!(ran.calls.is_empty(), "{script}");
        let ran = google.run(script, &["--help"], &[]).ended(0);
        assert!(ran.out.contains("Exit status") && ran.calls.is_empty(), "{script}");
    }
    google.run("deploy.sh", project::BASE, &[]).ended(2).says("there is no secret 'mdss-relay-api-key' yet");
}
