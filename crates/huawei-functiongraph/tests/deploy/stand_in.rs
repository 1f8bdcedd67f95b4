//! That the recording stand-in refuses what Huawei Cloud's SDKs do not know; without that the other tests would prove little.

use std::process::Command;

use super::*;

/// What the stand-in answers to a call with this body.
fn answer(words: &[&str], body: &Value) -> String {
    let project = Project::new();
    let file = project.path("body.json");
    fs::write(&file, json!({ "body": body }).to_string()).unwrap();
    let mut call = Command::new(folder().join("tests/fake/hcloud"));
    call.env("FAKE_HUAWEI", project.path("")).args(words);
    if !body.is_null() {
        call.arg(format!("--cli-jsonInput={}", file.display()));
    }
    let output = call.output().unwrap();
    // KooCLI ends with 0.
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_stand_in_refuses_what_the_models_do_not_know() {
    let group = &["LTS", "CreateLogGroup", "--cli-region=cn-north-4", "--project_id=p"];
    let tries = &["FunctionGraph", "UpdateFunctionAsyncInvokeConfig", "--function_urn=u"];
    let to = |param: Value| json!({ "destination_config": { "on_failure": { "destination": "OBS", "param": param.to_string() } } });
    let subscription = |detail: Value| {
        let source = json!({ "name": "HC.OBS.DWR", "provider_type": "OFFICIAL", "detail": detail });
        let target = json!({ "name": "HC.FunctionGraph", "provider_type": "OFFICIAL", "transform": { "type": "ORIGINAL" } });
        json!({ "name": "n", "channel_id": "c", "sources": [source], "targets": [target] })
    };
    for (words, body, sentence) in [
        (&["LTS", "CreateLogGroups"][..], json!({}), "there is no LTS CreateLogGroups"),
        (group, Value::Null, "CreateLogGroup needs a body"),
        (group, json!({ "log_group_name": "a" }), "body: CreateLogGroupParams needs ttl_in_days"),
        (
            group,
            json!({ "log_group_name": "a", "ttl_in_days": "7" }),
            "body.ttl_in_days: expected a whole number",
        ),
        (
            group,
            json!({ "log_group_name": "a", "ttl_in_days": 7, "ttl": 7 }),
            "body: CreateLogGroupParams has no ttl",
        ),
        (
            &["LTS", "CreateLogGroup", "--name=a"],
            json!({ "log_group_name": "a", "ttl_in_days": 7 }),
            "has no parameter name",
        ),
        (&["LTS", "DeleteLogGroup", "--project_id=p"], Value::Null, "DeleteLogGroup needs log_group_id"),
        (
            tries,
            json!({ "max_async_retry_attempts": "3" }),
            "body.max_async_retry_attempts: expected a whole number",
        ),
        (tries, to(json!({ "bucket": "b", "folder": "f" })), "param: nobody knows folder"),
        (
            &["EG", "CreateSubscription"],
            subscription(json!({ "bucket": "b", "keyEncode": true })),
            "detail: nobody knows keyEncode",
        ),
        (
            &["EG", "CreateSubscription"],
            subscription(json!({ "objectKeyEncode": "true" })),
            "expected true or false",
        ),
    ] {
        let said = answer(words, &body);
        assert!(
            said.starts_with("[USE_ERROR]") && said.contains(sentence),
            "{words:?}: {sentence} is not in {said}"
        );
    }
    let said = answer(group, &json!({ "log_group_name": "a", "ttl_in_days": 7 }));
    assert!(!said.contains("ERROR"), "{said}");
}
