//! What the real command line takes, as `cli-options.json` has it.

use std::fs;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::scripts::Call;
use crate::subscription::folder;

static OPTIONS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(&fs::read_to_string(folder().join("tests/cli-options.json")).unwrap()).unwrap()
});

/// The options of a command in the real command line, if it has such a command.
pub(crate) fn options_of(command: &str) -> Option<&'static Value> {
    OPTIONS["commands"].get(command).map(|c| &c["options"])
}

pub(crate) fn is_global(option: &str) -> bool {
    OPTIONS["global"].as_array().unwrap().contains(&json!(option))
}

#[track_caller]
pub(crate) fn takes(call: &Call) {
    let command = call.command();
    let known = options_of(&command).unwrap_or_else(|| panic!("cli-options.json has no '{command}'"));
    let mut words = call.0.iter().skip_while(|w| !w.starts_with("--")).peekable();
    let mut given = Vec::new();
    while let Some(name) = words.next() {
        assert!(
            name.starts_with("--") && (is_global(name) || known[name].is_object()),
            "'{command}' has no option {name} in the real command line: {call:?}"
        );
        given.push(name);
        if known[name]["flag"] == json!(true) {
            continue;
        }
        let value = words.next();
        assert!(
            value.is_some() || known[name]["value-optional"] == json!(true),
            "{command} {name} has no value"
        );
        if let (Some(choices), Some(value)) = (known[name]["choices"].as_array(), value) {
            assert!(choices.contains(&json!(value)), "{command} {name} {value}: one of {choices:?}");
        }
        // A list goes on until the next option.
        while known[name]["several"] == json!(true) && words.peek().is_some_and(|w| !w.starts_with("--")) {
            words.next();
        }
    }
    for (name, about) in known.as_object().unwrap() {
        let also = about["also"].as_array().cloned().unwrap_or_default();
        let is_given = given.iter().any(|o| *o == name || also.contains(&json!(o)));
        assert!(about["required"] != json!(true) || is_given, "'{command}' needs {name}: {call:?}");
    }
}
