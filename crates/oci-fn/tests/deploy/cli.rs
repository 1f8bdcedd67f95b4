//! What the real command line takes, as `cli-options.json` has it.

use std::fs;

use serde_json::{Value, json};

use crate::scripts::Call;
use crate::tenancy::folder;

pub(crate) fn options() -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join("tests/cli-options.json")).unwrap()).unwrap()
}

/// Options with their values; of an option given twice, all of them.
fn options_of(call: &Call, is_flag: impl Fn(&str) -> bool) -> Vec<(String, Option<String>)> {
    let mut words = call.0.iter().skip_while(|w| !w.starts_with('-'));
    let mut options = Vec::new();
    while let Some(name) = words.next() {
        let value = if is_flag(name) { None } else { Some(words.next().cloned().unwrap_or_default()) };
        options.push((name.clone(), value));
    }
    options
}

#[track_caller]
pub(crate) fn takes(call: &Call) {
    let cli = options();
    let command = call.command();
    if command == "fn function create" {
        assert_eq!(call.0[3..], ["--help"], "a group takes nothing else");
        return;
    }
    let known = &cli["commands"][&command]["options"];
    assert!(known.is_object(), "cli-options.json has no '{command}'");
    let global = cli["global"].as_array().unwrap();
    let flag = |name: &str| name == "--raw-output" || known[name]["flag"] == json!(true);
    let options = options_of(call, flag);
    for (name, value) in &options {
        assert!(
            global.contains(&json!(name)) || known[name].is_object(),
            "'{command}' has no option {name} in the real command line"
        );
        if let (Some(choices), Some(value)) = (known[name]["choices"].as_array(), value) {
            assert!(choices.contains(&json!(value)), "{command} {name} {value}: one of {choices:?}");
        }
        let times = options.iter().filter(|(other, _)| other == name).count();
        assert!(
            times == 1 || known[name]["multiple"] == json!(true),
            "{command}: {name} is given {times} times"
        );
    }
    for (name, about) in known.as_object().unwrap() {
        if about["required"] == json!(true) {
            let also = about["also"].as_array().cloned().unwrap_or_default();
            let given = options.iter().any(|(o, _)| o == name || also.contains(&json!(o)));
            assert!(given, "'{command}' needs {name}: {call:?}");
        }
    }
}

/// Whether every member of `value` is one the skeleton knows. A list with a sentence first is a choice of objects.
pub(crate) fn fits(value: &Value, skeleton: &Value) -> bool {
    match (value, skeleton) {
        (Value::Object(members), Value::Object(known)) => members
            .iter()
            .all(|(name, v)| known.get(name).or_else(|| known.get("string1")).is_some_and(|s| fits(v, s))),
        (Value::Array(items), Value::Array(known)) => items.iter().all(|i| known.iter().any(|k| fits(i, k))),
        (_, Value::Array(known)) => known.iter().any(|k| fits(value, k)),
        (Value::String(text), Value::String(choices)) => {
            choices == "string"
                || !choices.contains('|') && choices == text
                || choices.split('|').any(|c| c == text)
        }
        (Value::Bool(_), Value::Bool(_)) | (Value::Number(_), Value::Number(_)) => true,
        _ => false,
    }
}
