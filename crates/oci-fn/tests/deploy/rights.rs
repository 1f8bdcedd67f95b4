//! `deployer-statements.json`, the policy for whoever deploys: it lets do what the scripts and the guide call, and nothing besides.
//! No stand-in enforces it.

use crate::scripts::Call;

use super::*;

const VERBS: [&str; 4] = ["inspect", "read", "use", "manage"];

/// Where a right is needed.
const RELAY: &str = "compartment id FUNCTION_COMPARTMENT";
const BUCKET: &str = "compartment id BUCKET_COMPARTMENT";
const TENANCY: &str = "tenancy";

type Right = (&'static str, &'static str, &'static str);

/// Verb, resource type and place. By "Policy Reference" (Identity/Reference: functionspolicyreference.htm, loggingpolicyreference.htm,
/// cloudeventspolicyreference.htm, objectstoragepolicyreference.htm, iampolicyreference.htm).
fn needs(command: &str) -> &'static [Right] {
    match command {
        "fn function invoke" => &[("use", "functions-family", RELAY)],
        "fn application list" | "fn function list" => &[("inspect", "functions-family", RELAY)],
        // No page lists the work requests of Functions; that they belong to the family is inferred.
        "fn function get" | "fn work-request get" | "fn work-request-error list" => {
            &[("read", "functions-family", RELAY)]
        }
        // "functionscreatingpolicies.htm": the subnet, too.
        "fn application create" => {
            &[("manage", "functions-family", RELAY), ("use", "virtual-network-family", RELAY)]
        }
        "fn application delete"
        | "fn function create container-function"
        | "fn function update container-function"
        | "fn function delete" => &[("manage", "functions-family", RELAY)],
        "logging log-group list" | "logging log list" => &[("inspect", "logging-family", RELAY)],
        "logging-search search-logs" => &[("read", "logging-family", RELAY)],
        "logging log-group create"
        | "logging log-group delete"
        | "logging log create"
        | "logging log delete" => &[("manage", "logging-family", RELAY)],
        "events rule list" => &[("inspect", "cloudevents-rules", BUCKET)],
        // "eventspolicy.htm": what an author of rules needs besides.
        "events rule create" | "events rule update" => &[
            ("manage", "cloudevents-rules", BUCKET),
            ("inspect", "compartments", TENANCY),
            ("use", "tag-namespaces", TENANCY),
            ("use", "functions-family", RELAY),
        ],
        "events rule delete" => &[("manage", "cloudevents-rules", BUCKET)],
        "os bucket get" => &[("read", "buckets", BUCKET)],
        "os bucket update" => &[("use", "buckets", BUCKET)],
        "os object put" | "os object delete" => &[("manage", "objects", BUCKET)],
        other => panic!("which rights does 'oci {other}' need?"),
    }
}

/// What the guide has by hand.
const BY_HAND: &[Right] = &[
    // The image ("functionscreatingpolicies.htm").
    ("manage", "repos", TENANCY),
    ("read", "objectstorage-namespaces", TENANCY),
    // The alarms ("Details for Monitoring", "Details for the Notifications Service").
    ("manage", "ons-topics", RELAY),
    ("manage", "alarms", RELAY),
    ("read", "metrics", RELAY),
    ("read", "metrics", BUCKET),
];

/// Verb, resource type and place of each statement.
fn statements() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(folder().join("deployer-statements.json")).unwrap();
    let statements: Vec<String> = serde_json::from_str(&text).unwrap();
    let parts = |statement: &String| {
        let rest = statement.strip_prefix("Allow group GROUP to ").unwrap();
        let (what, place) = rest.split_once(" in ").unwrap();
        let (verb, kind) = what.split_once(' ').unwrap();
        (verb.to_owned(), kind.to_owned(), place.split(" where ").next().unwrap().to_owned())
    };
    statements.iter().map(parts).collect()
}

fn rank(verb: &str) -> usize {
    VERBS.iter().position(|v| *v == verb).unwrap()
}

#[test]
fn the_statements_let_do_what_is_called_and_nothing_besides() {
    let tenancy = Tenancy::new();
    let mut calls: Vec<Call> = tenancy.run("deploy.sh", &base(&[])).ended(0).calls;
    calls.extend(tenancy.run("deploy.sh", &base(&[])).ended(0).calls);
    let place = ["--compartment-id", COMPARTMENT, "--bucket", "inbox"];
    let accepted = |event: &str| {
        let line = json!({ "message": "object accepted by MDSS", "faas.document.name": "OBJECT", "cloudevents.event_type": event });
        format!("  \"message\": {}\n", Value::from(line.to_string()))
    };
    fs::write(tenancy.path("log-answer"), accepted("com.oraclecloud.objectstorage.createobject")).unwrap();
    calls.extend(tenancy.run("verify.sh", &[&place[..], &["--once", "--remove"]].concat()).ended(0).calls);
    fs::write(tenancy.path("report"), r#"{"result": "accepted", "correlation_id": "42"}"#).unwrap();
    calls.extend(tenancy.run("verify.sh", &[&place[..], &["--direct"]].concat()).ended(0).calls);
    calls.extend(tenancy.run("destroy.sh", &[&place[..], &["--yes"]].concat()).ended(0).calls);

    let asked_for_help = |call: &Call| call.command() == "fn function create";
    let calls = calls.iter().filter(|call| !asked_for_help(call));
    let needed: Vec<Right> = calls.flat_map(|call| needs(&call.command())).chain(BY_HAND).copied().collect();
    let held = statements();
    for (verb, kind, place) in &needed {
        let enough = held.iter().any(|(v, k, p)| rank(v) >= rank(verb) && k == kind && p == place);
        assert!(enough, "no statement lets {verb} {kind} in {place}");
    }
    for (verb, kind, place) in &held {
        let called = needed.iter().any(|(v, k, p)| v == verb && k == kind && p == place);
        assert!(called, "nobody has to {verb} {kind} in {place}");
    }
}
