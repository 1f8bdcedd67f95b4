//! The deployer's policies and the agency's, compared with the calls that the scripts make.

use super::*;

const FILES: [&str; 2] = ["deployer-policy.json", "deployer-objects-policy.json"];

/// A policy for a function of this name, made as the guide says (step 3).
fn policy_of(file: &str, name: &str) -> Value {
    let text = fs::read_to_string(folder().join(file)).unwrap().replace("mdss-relay", name);
    serde_json::from_str(&text.replace("DATA_BUCKET", "inbox").replace("DEAD_BUCKET", "dead")).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn statements(policies: &[Value]) -> Vec<&Value> {
    policies.iter().flat_map(|p| p["Statement"].as_array().unwrap()).collect()
}

/// `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}

/// Without resources a statement is about all.
fn allows(policies: &[Value], action: &str, resource: &str) -> bool {
    statements(policies).iter().any(|statement| {
        let about = texts(&statement["Resource"]);
        texts(&statement["Action"]).contains(&action)
            && (statement["Resource"].is_null() || about.iter().any(|pattern| matches(pattern, resource)))
    })
}

/// Actions and resources of a call: "Permissions Policies and Supported Actions" of each service (FunctionGraph functiongraph_06_1100, EG
/// eg-api-024, LTS lts_api_0049 and the alias in lts_api_0081, CES ces_03_0049), "Custom Policies" of OBS.
fn needs(call: &Call, name: &str) -> Vec<(&'static str, String)> {
    let function = format!("FunctionGraph:*:*:function:default/{name}");
    if let Some(urn) = call.value("--function_urn") {
        assert!(urn.split(':').any(|part| part == name), "another function: {call:?}");
    }
    // obs://bucket/object
    let object = |at: usize| format!("OBS:*:*:object:{}", call.0[at].strip_prefix("obs://").unwrap());
    let all = String::new;
    match call.command().as_str() {
        "IAM KeystoneListProjects" => vec![("iam:projects:listProjects", all())],
        "FunctionGraph ListFunctions" => vec![("functiongraph:function:list", all())],
        "FunctionGraph CreateFunction" => vec![("functiongraph:function:create", function)],
        "FunctionGraph DeleteFunction" => vec![("functiongraph:function:delete", function)],
        "FunctionGraph UpdateFunctionCode" => vec![("functiongraph:function:updateCode", function)],
        // The last two are inferences: the calls change and read what belongs to the function's configuration; no page was found that
        // has their names. The guide says so.
        "FunctionGraph UpdateFunctionConfig"
        | "FunctionGraph UpdateFunctionMaxInstanceConfig"
        | "FunctionGraph UpdateFunctionAsyncInvokeConfig" => {
            vec![("functiongraph:function:updateConfig", function)]
        }
        "FunctionGraph ShowFunctionConfig"
        | "FunctionGraph ShowFunctionAsyncInvokeConfig"
        | "FunctionGraph ListActiveAsyncInvocations" => vec![("functiongraph:function:getConfig", function)],
        "FunctionGraph InvokeFunction" => vec![("functiongraph:function:invoke", function)],
        "EG ListChannels" => vec![("eg:channels:list", all())],
        "EG ListSubscriptions" => vec![("eg:subscriptions:list", all())],
        "EG CreateSubscription" => vec![("eg:subscriptions:create", all())],
        "EG UpdateSubscription" => vec![("eg:subscriptions:update", all())],
        "EG DeleteSubscription" => vec![("eg:subscriptions:delete", all())],
        "LTS ListLogGroups" => vec![("lts:groups:list", all())],
        "LTS CreateLogGroup" => vec![("lts:groups:create", all())],
        "LTS DeleteLogGroup" => vec![("lts:groups:delete", all())],
        "LTS ListLogStream" => vec![("lts:topics:list", all())],
        "LTS CreateLogStream" => vec![("lts:topics:create", all())],
        "LTS ListLogs" => vec![("lts:logs:list", all())],
        "LTS ListKeywordsAlarmRules" => vec![("lts:sqlalarmrules:get", all())],
        "LTS CreateKeywordsAlarmRule" => vec![("lts:sqlalarmrules:create", all())],
        "LTS DeleteKeywordsAlarmRule" => vec![("lts:sqlalarmrules:delete", all())],
        "CES ListAlarmRules" => vec![("ces:alarms:list", all())],
        "CES CreateAlarmRules" => vec![("ces:alarms:create", all())],
        "CES BatchDeleteAlarmRules" => vec![("ces:alarms:delete", all())],
        obs if obs.starts_with("obs cp obs://") => vec![("obs:object:GetObject", object(2))],
        obs if obs.starts_with("obs cp ") => vec![("obs:object:PutObject", object(3))],
        obs if obs.starts_with("obs rm ") => vec![("obs:object:DeleteObject", object(2))],
        "obs ls obs://dead/mdss-relay/" | "obs ls obs://dead/scanner/" => {
            vec![("obs:bucket:ListBucket", "OBS:*:*:bucket:dead".to_owned())]
        }
        other => panic!("which rights does 'hcloud {other}' need?"),
    }
}

/// Every call that a script makes, on fresh and on finished projects.
fn calls_of(name: &str) -> Vec<Call> {
    let project = Project::new();
    let named = ["--name", name];
    let told =
        ["--alarm-topic", "urn:smn:cn-north-4:p:t", "--alarm-action-rule", "wake", "--bucket", "outbox"];
    let mut calls = project.deploy(&named).ended(0).calls;
    calls.extend(project.deploy(&[&named[..], &told].concat()).ended(0).calls);
    project.write("lines", r#"{"message":"object accepted by MDSS","faas.document.name":"OBJECT"}"#);
    project.write("report", r#"{"result":"{\"outcome\":\"done\",\"records\":[]}","status":200}"#);
    let verify = ["--region", "cn-north-4", "--name", name, "--bucket", "inbox", "--once", "--remove"];
    calls.extend(project.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(project.run("verify.sh", &[&verify[..], &["--direct"]].concat(), &[]).ended(0).calls);
    fs::create_dir(project.path("letters")).unwrap();
    project.write("letters/1", r#"{"request_payload":"{}"}"#);
    let redrive = ["--region", "cn-north-4", "--name", name, "--dead-letters", "dead"];
    calls.extend(project.run("redrive.sh", &redrive, &[]).ended(0).calls);
    calls.extend(project.run("destroy.sh", &[DESTROY, &named].concat(), &[]).ended(0).calls);
    calls
}

#[test]
fn the_policies_allow_what_the_scripts_call_and_nothing_besides() {
    // For a function of another name, as the guide says; so nothing holds by the name that the files have.
    let name = "scanner";
    let policies = FILES.map(|file| policy_of(file, name));
    // AsyncInvokeFunction is for those who bring an event back by hand, as the guide says.
    let mut called = BTreeSet::from(["functiongraph:function:invokeAsync"]);
    for call in calls_of(name) {
        for (action, resource) in needs(&call, name) {
            assert!(allows(&policies, action, &resource), "{action} on {resource}, for {call:?}");
            called.insert(action);
        }
    }
    // The readers' own objects are nobody's to overwrite or to remove.
    for action in ["obs:object:PutObject", "obs:object:DeleteObject"] {
        assert!(!allows(&policies, action, "OBS:*:*:object:inbox/invoice.pdf"), "{action}");
    }
    for statement in statements(&policies) {
        assert_eq!(statement["Effect"], json!("Allow"));
        for action in texts(&statement["Action"]) {
            assert!(called.contains(action), "nobody calls {action}");
        }
    }
    let guide = fs::read_to_string(folder().join("../../docs/huawei.md")).unwrap();
    assert!(guide.contains("s/mdss-relay/NAME/g"), "how the policy of another function is made");
}

/// The platform writes what was given up, there and nowhere else, and reads nothing: the function needs no right on the objects.
#[test]
fn the_agency_writes_dead_letters_and_nothing_else() {
    let policy = policy_of("agency-policy.json", "mdss-relay");
    let project = Project::new();
    project.deploy(&[]).ended(0);
    let param = project.json("async.json")["destination_config"]["on_failure"]["param"].clone();
    let param: Value = serde_json::from_str(param.as_str().unwrap()).unwrap();
    let written = format!(
        "OBS:*:*:object:{}/{}1",
        param["bucket"].as_str().unwrap(),
        param["prefix"].as_str().unwrap()
    );
    let policies = [policy];
    assert!(allows(&policies, "obs:object:PutObject", &written));
    assert!(!allows(&policies, "obs:object:PutObject", "OBS:*:*:object:inbox/1"));
    let actions: BTreeSet<_> = statements(&policies).iter().flat_map(|s| texts(&s["Action"])).collect();
    assert_eq!(actions, BTreeSet::from(["obs:bucket:HeadBucket", "obs:object:PutObject"]));
}

/// "Constraints on custom policies": at most 6144 characters and 8 statements.
#[test]
fn the_policies_fit() {
    for file in FILES.iter().chain(&["agency-policy.json"]) {
        let policy = policy_of(file, "mdss-relay");
        assert!(policy.to_string().len() <= 6144 && statements(&[policy]).len() <= 8, "{file}");
    }
}
