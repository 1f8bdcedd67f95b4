//! `deployer-policy.json`, the policy for whoever deploys: it allows what the scripts call, and nothing besides. No stand-in enforces
//! a policy as Tencent does.

use super::*;
use crate::scripts::Call;

/// CAM knows these at the level of the operation alone: a statement that names a resource for one of them allows nothing. CAM's table of SCF
/// (cloud.tencent.com/document/product/598/70005; its international edition, tencentcloud.com/document/product/598/57149), of which the
/// head was read.
const WITHOUT_RESOURCE: [&str; 2] = ["scf:CreateTrigger", "scf:InvokeFunction"];

/// An action of a policy is the call's own name ("Access Management", "APIs supporting authorization"); those of COS have `name/` in front.
fn needs(call: &Call) -> (String, String) {
    let [service, action] = [&call.0[0], &call.0[1]];
    match (service.as_str(), action.as_str()) {
        ("cos", "upload") => object(call, "name/cos:PutObject"),
        ("cos", "delete") => object(call, "name/cos:DeleteObject"),
        ("scf", _) => {
            // A call whose arguments stand in a file is about the only function that the test has.
            let name = call.value("--FunctionName").unwrap_or("scanner");
            (
                format!("scf:{action}"),
                format!("qcs::scf:ap-guangzhou:uin/1:namespace/default/function/{name}"),
            )
        }
        _ => (format!("{service}:{action}"), String::new()),
    }
}

fn object(call: &Call, action: &str) -> (String, String) {
    let (bucket, key) = (call.value("--bucket").unwrap(), call.value("--cos_key").unwrap());
    let appid = bucket.rsplit('-').next().unwrap();
    (action.to_owned(), format!("qcs::cos:ap-guangzhou:uid/{appid}:{bucket}/{key}"))
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

fn list<'a>(statement: &'a Value, name: &str) -> Vec<&'a str> {
    statement[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn the_policy_allows_what_the_scripts_call_and_nothing_besides() {
    let account = Account::new();
    let named = ["--name", "scanner"];
    let mut calls = account.deploy(&[&named[..], &["--alarm-notice", "notice-1"]].concat()).ended(0).calls;
    account.write("code.zip", "PK\u{3}\u{4}two");
    let more = "--alarm-notice notice-1 --prefix in/ --log-retention 7 --dead-letter-retention 60";
    let more: Vec<_> = named.into_iter().chain(more.split(' ')).collect();
    calls.extend(account.deploy(&more).ended(0).calls);
    account.write("log", r#"{"message":"object accepted by MDSS","faas.document.name":"OBJECT"}"#);
    let accepted = json!({ "records": [{ "result": "accepted" }] }).to_string();
    account.write("report", &json!({ "RetMsg": accepted }).to_string());
    let verify =
        ["--region", "ap-guangzhou", "--name", "scanner", "--bucket", "in-1250000000", "--once", "--remove"];
    calls.extend(account.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(account.run("verify.sh", &[&verify[..], &["--direct"]].concat(), &[]).ended(0).calls);
    calls.extend(account.run("destroy.sh", &[DESTROY, &named].concat(), &[]).ended(0).calls);

    // As the guide says how the policy of another function is made.
    let guide = fs::read_to_string(folder().join("../../docs/tencent.md")).unwrap();
    assert!(guide.contains("s/mdss-relay/NAME/g; "));
    assert!(guide.contains("s/DATA_BUCKET/$DATA_BUCKET/; s/APPID/${DATA_BUCKET##*-}/"));
    let text = fs::read_to_string(folder().join("deployer-policy.json")).unwrap();
    let text = text.replace("mdss-relay", "scanner").replace("DATA_BUCKET", "in-1250000000");
    let policy: Value = serde_json::from_str(&text.replace("APPID", "1250000000")).unwrap();
    let statements = policy["statement"].as_array().unwrap();
    assert_eq!(policy["version"], "2.0");

    let mut needed = BTreeSet::new();
    for call in &calls {
        let (action, resource) = needs(call);
        let allowed = statements.iter().any(|s| {
            s["effect"] == "allow"
                && list(s, "action").contains(&action.as_str())
                && list(s, "resource").iter().any(|pattern| matches(pattern, &resource))
        });
        assert!(allowed, "{action} on {resource}, for {call:?}");
        needed.insert(action);
    }
    let held: BTreeSet<String> =
        statements.iter().flat_map(|s| list(s, "action")).map(str::to_owned).collect();
    assert_eq!(held, needed, "nobody calls what is more");
    // Every action that there is a resource for is bound to one, and no other is.
    for statement in statements {
        for action in list(statement, "action") {
            let unbound = action.starts_with("cls:")
                || action.starts_with("tdmq:")
                || WITHOUT_RESOURCE.contains(&action);
            assert_eq!(list(statement, "resource") == ["*"], unbound, "{action}");
        }
    }
}
