//! `deployer-policy.json`, the policy for whoever deploys: it allows what the scripts call and what CloudFormation calls in the
//! deployer's name, and nothing besides. No stand-in enforces a policy as AWS does, so both are held against AWS's own lists.

use super::*;
use crate::scripts::Call;

/// Named by a handler in `tests/handlers.json`, and called for a property that the template never sets.
const NOT_OURS: &[(&str, &str)] = &[
    ("elasticfilesystem:", "a file system in the function"),
    ("s3files:", "a file system in the function"),
    ("firehose:", "a delivery stream of logs"),
    ("kms:", "only with --kms-key, whose policy has to allow it; the guide says so"),
    ("iam:AttachRolePolicy", "policies beside the role's own"),
    ("iam:DetachRolePolicy", "policies beside the role's own"),
    ("iam:DeleteRolePermissionsBoundary", "a boundary"),
    ("iam:PutRolePermissionsBoundary", "a boundary"),
    ("lambda:DeleteFunctionCodeSigningConfig", "signed code"),
    ("lambda:GetCodeSigningConfig", "signed code"),
    ("lambda:PutFunctionCodeSigningConfig", "signed code"),
    ("lambda:GetLayerVersion", "layers"),
    ("lambda:PassCapacityProvider", "capacity of one's own"),
    ("lambda:PublishVersion", "versions"),
    ("lambda:PutFunctionRecursionConfig", "recursion"),
    ("lambda:PutFunctionScalingConfig", "capacity of one's own"),
    ("lambda:PutRuntimeManagementConfig", "a pinned runtime"),
    ("logs:AssociateKmsKey", "a key of one's own for the log"),
    ("logs:DisassociateKmsKey", "a key of one's own for the log"),
    ("logs:CreateLogDelivery", "logs of the class DELIVERY"),
    ("s3:REST.PUT.OBJECT", "logs of the class DELIVERY"),
    ("logs:DeleteDataProtectionPolicy", "masked logs"),
    ("logs:PutDataProtectionPolicy", "masked logs"),
    ("logs:DescribeResourcePolicies", "others who write to the log"),
    ("logs:PutResourcePolicy", "others who write to the log"),
    ("s3:GetObjectVersion", "a version of the zip"),
];

/// What the guide tells an operator to do by hand, with this policy.
const BY_HAND: &[&str] = &[
    "cloudformation:DescribeStackEvents", // the scripts' hint after a failed deployment
    // The try of an alarm.
    "cloudformation:DescribeStackResource",
    "cloudwatch:SetAlarmState",
    // `aws sqs start-message-move-task` ("StartMessageMoveTask", permissions for source and destination).
    "sqs:StartMessageMoveTask",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:SendMessage",
];

/// A statement's member, which is a text or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map_or_else(
        || value.as_str().into_iter().collect(),
        |list| list.iter().filter_map(Value::as_str).collect(),
    )
}

/// With the buckets that the tests have.
fn policy() -> Value {
    policy_of("mdss-relay")
}

/// For a stack of this name, made as the guide says (step 3).
fn policy_of(stack: &str) -> Value {
    let text =
        fs::read_to_string(folder().join("deployer-policy.json")).unwrap().replace("mdss-relay", stack);
    serde_json::from_str(&text.replace("CODE_BUCKET", "code").replace("DATA_BUCKET", "inbox")).unwrap()
}

fn statements(policy: &Value) -> &Vec<Value> {
    policy["Statement"].as_array().unwrap()
}

fn actions(policy: &Value) -> BTreeSet<&str> {
    statements(policy).iter().flat_map(|s| texts(&s["Action"])).collect()
}

/// As IAM compares: `*` is any text.
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

/// Actions and resources of a call, by AWS's "Service Authorization Reference"; those of `cloudformation deploy` by what the command
/// line calls (aws-cli, awscli/customizations/cloudformation/deployer.py).
fn needs(call: &Call) -> Vec<(&'static str, String)> {
    let here = "eu-west-1:123456789012";
    let bucket = || format!("arn:aws:s3:::{}", call.value("--bucket").unwrap());
    let object = || format!("{}/{}", bucket(), call.value("--key").unwrap());
    let stack =
        format!("arn:aws:cloudformation:{here}:stack/{}/1", call.value("--stack-name").unwrap_or_default());
    // AWS puts six characters behind a secret's name.
    let named = call.value("--secret-id").or(call.value("--name")).unwrap_or_default();
    let secret = format!("arn:aws:secretsmanager:{here}:secret:{named}-AbCdEf");
    match call.command().as_str() {
        "sts get-caller-identity" => vec![], // "No permissions are required" (GetCallerIdentity)
        "s3api get-bucket-location" => vec![("s3:GetBucketLocation", bucket())],
        "s3api get-bucket-notification-configuration" => vec![("s3:GetBucketNotification", bucket())],
        "s3api put-bucket-notification-configuration" => vec![("s3:PutBucketNotification", bucket())],
        "s3api put-object" => vec![("s3:PutObject", object())],
        "s3api delete-object" => vec![("s3:DeleteObject", object())],
        "secretsmanager get-secret-value" => vec![("secretsmanager:GetSecretValue", secret)],
        "secretsmanager describe-secret" => vec![("secretsmanager:DescribeSecret", secret)],
        "secretsmanager create-secret" => vec![("secretsmanager:CreateSecret", secret)],
        "secretsmanager put-secret-value" => vec![("secretsmanager:PutSecretValue", secret)],
        "secretsmanager restore-secret" => vec![("secretsmanager:RestoreSecret", secret)],
        "secretsmanager delete-secret" => vec![("secretsmanager:DeleteSecret", secret)],
        "cloudformation describe-stacks" | "cloudformation wait stack-delete-complete" => {
            vec![("cloudformation:DescribeStacks", stack)]
        }
        "cloudformation delete-stack" => vec![("cloudformation:DeleteStack", stack)],
        "cloudformation deploy" => {
            let transform = "arn:aws:cloudformation:eu-west-1:aws:transform/Serverless-2016-10-31".to_owned();
            vec![
                ("cloudformation:DescribeStacks", stack.clone()),
                ("cloudformation:GetTemplateSummary", stack.clone()),
                ("cloudformation:CreateChangeSet", stack.clone()),
                ("cloudformation:CreateChangeSet", transform),
                ("cloudformation:DescribeChangeSet", stack.clone()),
                ("cloudformation:ExecuteChangeSet", stack),
            ]
        }
        "sqs get-queue-attributes" => {
            let url = call.value("--queue-url").unwrap();
            vec![(
                "sqs:GetQueueAttributes",
                format!("arn:aws:sqs:{here}:{}", url.rsplit('/').next().unwrap()),
            )]
        }
        "logs filter-log-events" => {
            vec![(
                "logs:FilterLogEvents",
                format!("arn:aws:logs:{here}:log-group:{}:*", call.value("--log-group-name").unwrap()),
            )]
        }
        "lambda invoke" => {
            vec![(
                "lambda:InvokeFunction",
                format!("arn:aws:lambda:{here}:function:{}", call.value("--function-name").unwrap()),
            )]
        }
        other => panic!("which rights does 'aws {other}' need?"),
    }
}

/// Every call that a script makes, on fresh and on finished accounts.
fn calls() -> Vec<Call> {
    calls_of("mdss-relay")
}

/// The same, of a stack of this name.
fn calls_of(stack: &str) -> Vec<Call> {
    let account = Account::new();
    let named = ["--stack", stack];
    let mut calls = account.deploy(&named).ended(0).calls;
    account.write("key", "another\n");
    calls.extend(account.deploy(&named).ended(0).calls);
    account.write("log", r#"{"events":[{"timestamp":7,"message":"{\"message\":\"object accepted by MDSS\",\"faas.document.name\":\"OBJECT\"}"}]}"#);
    account.write("report", r#"{"outcome":"done","records":[{"result":"accepted","correlation_id":"42"}]}"#);
    let verify = ["--region", "eu-west-1", "--stack", stack, "--bucket", "inbox", "--once", "--remove"];
    calls.extend(account.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(account.run("verify.sh", &[&verify[..], &["--direct"]].concat(), &[]).ended(0).calls);
    let destroy = [DESTROY, &named].concat();
    calls.extend(account.run("destroy.sh", &destroy, &[]).ended(0).calls);
    calls.extend(account.deploy(&named).ended(0).calls); // the secret is taken back
    calls.extend(account.run("destroy.sh", &destroy, &[]).ended(0).calls);
    calls
}

#[test]
fn the_policy_allows_what_the_scripts_call() {
    for stack in ["mdss-relay", "scanner"] {
        let policy = policy_of(stack);
        for call in calls_of(stack) {
            for (action, resource) in needs(&call) {
                assert!(allows(&policy, action, &resource), "{action} on {resource}, for {call:?}");
            }
        }
    }
    // And the guide says how the policy of another stack is made.
    let guide = fs::read_to_string(folder().join("../../docs/aws.md")).unwrap();
    assert!(guide.contains("s/mdss-relay/NAME/g"));
}

#[test]
fn the_guide_names_what_a_key_of_ones_own_has_to_allow() {
    let text = fs::read_to_string(folder().join("tests/handlers.json")).unwrap();
    let handlers: Value = serde_json::from_str(&text).unwrap();
    let guide = fs::read_to_string(folder().join("../../docs/aws.md")).unwrap();
    for action in handlers["handlers"]["AWS::Lambda::Function"].as_array().unwrap() {
        let action = action.as_str().unwrap();
        assert!(!action.starts_with("kms:") || guide.contains(&format!("`{action}`")), "{action}");
    }
}

#[test]
fn the_policy_allows_what_cloud_formation_calls_for_the_template() {
    let text = fs::read_to_string(folder().join("tests/handlers.json")).unwrap();
    let handlers: Value = serde_json::from_str(&text).unwrap();
    let template = fs::read_to_string(folder().join("template.yaml")).unwrap();
    let policy = policy();
    let allowed = actions(&policy);
    let mut types: Vec<_> = template.lines().filter_map(|l| l.strip_prefix("    Type: AWS::")).collect();
    // What the transform makes of the one resource that is its own: AWS::Lambda::Function and AWS::Lambda::EventSourceMapping.
    types.retain(|t| *t != "Serverless::Function");
    types.extend(["Lambda::Function", "Lambda::EventSourceMapping"]);
    for name in types {
        let name = name.replace("SQS::QueuePolicy", "SQS::QueueInlinePolicy"); // the same calls; see handlers.py
        let needed = handlers["handlers"][format!("AWS::{name}")].as_array();
        for action in needed.unwrap_or_else(|| panic!("handlers.json has no {name}")) {
            let action = action.as_str().unwrap();
            let left_out = NOT_OURS.iter().any(|(start, _)| action.starts_with(start));
            assert!(allowed.contains(action) != left_out, "{action}, for {name}");
        }
    }
}

#[test]
fn the_policy_allows_nothing_besides() {
    let text = fs::read_to_string(folder().join("tests/handlers.json")).unwrap();
    let handlers: Value = serde_json::from_str(&text).unwrap();
    let mut known: BTreeSet<String> =
        calls().iter().flat_map(needs).map(|(action, _)| action.to_owned()).collect();
    known.extend(BY_HAND.iter().map(|action| (*action).to_owned()));
    for needed in handlers["handlers"].as_object().unwrap().values() {
        known.extend(needed.as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    let policy = policy();
    for action in actions(&policy) {
        assert!(known.contains(action), "nobody calls {action}");
    }
    // Of the actions that know no narrower resource, all only look, but for those that carry a condition.
    for statement in statements(&policy).iter().filter(|s| texts(&s["Resource"]).contains(&"*")) {
        let looks = texts(&statement["Action"]).iter().all(|action| action.contains(":Describe"));
        assert!(looks || statement["Condition"].is_object(), "{statement}");
    }
}

/// "IAM and AWS STS quotas": a managed policy has at most 6144 characters, without white space.
#[test]
fn the_policy_fits_into_a_managed_policy() {
    let text = fs::read_to_string(folder().join("deployer-policy.json")).unwrap();
    assert!(text.chars().filter(|c| !c.is_whitespace()).count() <= 6144);
}
