//! `deployer-policy.json`, the policy for whoever deploys: it allows what the scripts call, and nothing besides. No stand-in enforces a
//! policy as RAM does, so it is held against what Alibaba's pages say of each call.

use super::*;

/// What Function Compute calls in the deployer's name when a trigger is made, changed or removed ("Triggers", Serverless Devs, fc3:
/// minimum permissions), and what `redrive.py` asks of the queue.
const BESIDE: &[&str] = &[
    "ram:PassRole",
    "oss:ListBucket",
    "oss:GetBucketEventNotification",
    "oss:PutBucketEventNotification",
    "oss:DeleteBucketEventNotification",
    "mns:PeekMessage",
    "mns:ReceiveMessage",
    "mns:DeleteMessage",
    // `aliyun oss rm` asks first whether the object is there (oss/lib/rm.go).
    "oss:GetObject",
];

/// A statement's member, which is a text or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map_or_else(
        || value.as_str().into_iter().collect(),
        |list| list.iter().filter_map(Value::as_str).collect(),
    )
}

/// For a function of this name, made as the guide says (step 3).
fn policy_of(name: &str) -> Value {
    let text = fs::read_to_string(folder().join("deployer-policy.json")).unwrap();
    serde_json::from_str(&text.replace("mdss-relay", name).replace("DATA_BUCKET", "inbox")).unwrap()
}

fn statements(policy: &Value) -> &Vec<Value> {
    policy["Statement"].as_array().unwrap()
}

fn actions(policy: &Value) -> BTreeSet<&str> {
    statements(policy).iter().flat_map(|s| texts(&s["Action"])).collect()
}

/// As RAM compares: `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}

fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    statements(policy).iter().any(|statement| {
        texts(&statement["Action"]).contains(&action)
            && texts(&statement["Resource"]).iter().any(|pattern| matches(pattern, resource))
    })
}

/// Actions and resources of a call, by "RAM authorization" of each product; of Function Compute by the name of the API at that path.
fn needs(call: &Call) -> Vec<(String, String)> {
    let here = format!("cn-hangzhou:{ACCOUNT}");
    let value = |option| call.value(option).unwrap_or_default().to_owned();
    let command = call.command();
    let words: Vec<_> = command.split(' ').collect();
    let object = |at: usize| words[at].strip_prefix("oss://").unwrap().to_owned();
    let oss = |path: String| format!("acs:oss:oss-cn-hangzhou:{ACCOUNT}:{path}");
    let one = |action: &str, resource: String| vec![(action.to_owned(), resource)];
    match (words[0], words[1]) {
        ("sts", "GetCallerIdentity") => vec![], // everybody may
        ("oss", "stat") => one("oss:GetBucketInfo", oss(object(2))),
        ("oss", "cp") => one("oss:PutObject", oss(object(3))),
        ("oss", "rm") => one("oss:DeleteObject", oss(object(2))),
        ("sls", call_name) => {
            let project = format!("acs:log:{here}:project/{}", value("--project"));
            let store = format!("{project}/logstore/{}", value("--logstore"));
            let action = match call_name {
                "GetLogs" => "log:GetLogStoreLogs".to_owned(),
                other => format!("log:{other}"),
            };
            let whole = call_name.ends_with("Project");
            let project = if call_name == "CreateProject" {
                format!("acs:log:{here}:project/{}-{ACCOUNT}-cn-hangzhou", value("name"))
            } else {
                project
            };
            one(&action, if whole { project } else { store })
        }
        ("mns-open", call_name) => {
            one(&format!("mns:{call_name}"), format!("acs:mns:{here}:/queues/{}", value("--QueueName")))
        }
        ("cms", call_name) => one(&format!("cms:{call_name}"), "*".to_owned()),
        ("ram", call_name) => {
            let resource = |kind: &str, name: String| {
                (format!("ram:{call_name}"), format!("acs:ram:*:{ACCOUNT}:{kind}/{name}"))
            };
            let role = resource("role", value("--RoleName"));
            let policy = resource("policy", value("--PolicyName"));
            match (call.value("--RoleName"), call.value("--PolicyName")) {
                (Some(_), Some(_)) => vec![role, policy],
                (Some(_), None) => vec![role],
                _ => vec![policy],
            }
        }
        ("fc", method) => {
            let at = words[2].strip_prefix("/2023-03-30/functions").unwrap();
            let name = at.split('/').nth(1).or_else(|| call.value("name")).unwrap();
            let function = format!("acs:fc:{here}:functions/{name}");
            let trigger = format!("{function}/triggers/oss-inbox");
            let part = at.split('/').nth(2).unwrap_or_default();
            let single = at.split('/').nth(3).is_some();
            let (action, resource) = match (method, part, single) {
                ("POST", "", _) => ("CreateFunction", function),
                ("GET", "", _) => ("GetFunction", function),
                ("PUT", "", _) => ("UpdateFunction", function),
                ("DELETE", "", _) => ("DeleteFunction", function),
                ("POST", "invocations", _) => ("InvokeFunction", function),
                ("PUT", "async-invoke-config", _) => ("PutAsyncInvokeConfig", function),
                ("DELETE", "async-invoke-config", _) => ("DeleteAsyncInvokeConfig", function),
                ("PUT", "concurrency", _) => ("PutConcurrencyConfig", function),
                ("POST", "triggers", _) => ("CreateTrigger", trigger),
                ("GET", "triggers", false) => ("ListTriggers", trigger),
                ("GET", "triggers", true) => ("GetTrigger", trigger),
                ("PUT", "triggers", _) => ("UpdateTrigger", trigger),
                ("DELETE", "triggers", _) => ("DeleteTrigger", trigger),
                _ => panic!("which right does {call:?} need?"),
            };
            one(&format!("fc:{action}"), resource)
        }
        _ => panic!("which rights does 'aliyun {command}' need?"),
    }
}

/// Every call that a script makes, on fresh and on finished accounts.
fn calls_of(name: &str) -> Vec<Call> {
    // Once is enough for the options, which are the same for every name.
    let account = if name == "mdss-relay" { Account::strict() } else { Account::new() };
    let named = ["--name", name, "--contact-group", "ops", "--concurrency", "3"];
    let mut calls = account.deploy(&named).ended(0).calls;
    calls.extend(
        account
            .deploy(
                &[
                    &named[..],
                    &[
                        "--prefix",
                        "a/",
                        "--log-retention",
                        "7",
                        "--vpc-id",
                        "vpc-1",
                        "--vswitch-id",
                        "vsw-1",
                        "--security-group-id",
                        "sg-1",
                    ],
                ]
                .concat(),
            )
            .ended(0)
            .calls,
    );
    account.write(
        "log",
        r#"[{"timestamp":"1","message":"object accepted by MDSS","faas.document.name":"OBJECT"}]"#,
    );
    account.write("report", r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#);
    let verify = ["--region", "cn-hangzhou", "--name", name, "--bucket", "inbox", "--once", "--remove"];
    calls.extend(account.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(account.run("verify.sh", &[&verify[..], &["--direct"]].concat(), &[]).ended(0).calls);
    calls.extend(account.run("destroy.sh", &[DESTROY, &["--name", name]].concat(), &[]).ended(0).calls);
    // What these two make is named in their bodies.
    for call in &mut calls {
        if ["sls CreateProject", "fc POST /2023-03-30/functions"].contains(&call.command().as_str()) {
            call.0.extend(["name".to_owned(), name.to_owned()]);
        }
    }
    calls
}

#[test]
fn the_policy_allows_what_the_scripts_call_and_nothing_besides() {
    for name in ["mdss-relay", "scanner"] {
        let policy = policy_of(name);
        let mut known: BTreeSet<String> = BESIDE.iter().map(|action| (*action).to_owned()).collect();
        for call in calls_of(name) {
            for (action, resource) in needs(&call) {
                assert!(allows(&policy, &action, &resource), "{action} on {resource}, for {call:?}");
                known.insert(action);
            }
        }
        let allowed: BTreeSet<_> = actions(&policy).into_iter().map(str::to_owned).collect();
        assert_eq!(allowed, known, "what is allowed, and what is called");
    }
    // And the guides say how the policy of another function is made.
    for page in ["docs/alibaba.md", "docs/zh/alibaba.md"] {
        let guide = fs::read_to_string(folder().join("../..").join(page)).unwrap();
        assert!(guide.contains("s/mdss-relay/NAME/g"), "{page}");
    }
}

#[test]
fn roles_are_handed_to_function_compute_alone_and_only_cloud_monitor_has_no_narrower_resource() {
    let policy = policy_of("mdss-relay");
    for statement in statements(&policy) {
        let (actions, resources) = (texts(&statement["Action"]), texts(&statement["Resource"]));
        if actions.contains(&"ram:PassRole") {
            assert_eq!(
                statement["Condition"],
                json!({ "StringEquals": { "acs:Service": "fc.aliyuncs.com" } })
            );
            assert_eq!(actions.len(), 1);
        }
        assert!(!resources.contains(&"*") || actions.iter().all(|a| a.starts_with("cms:")), "{statement}");
    }
    // "Limits" of RAM: a custom policy has at most 6144 characters.
    let text = fs::read_to_string(folder().join("deployer-policy.json")).unwrap();
    assert!(text.chars().filter(|c| !c.is_whitespace()).count() <= 6144);
}
