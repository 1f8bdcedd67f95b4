//! Whether the real command line of a provider would take a call, by the options that were taken from it (`cli-options.json`).
//! The tests of several providers take this file in by its path.

use std::path::Path;

use serde_json::{Value, json};

use crate::scripts::Call;

/// What `tests/cli-options.json` below the folder says.
pub(crate) fn options_in(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("tests/cli-options.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Fails unless the command exists, has these options, gets the values that it knows, and nothing is missing.
#[track_caller]
pub(crate) fn takes(cli: &Value, call: &Call) {
    let words: Vec<&str> = call.0.iter().map(String::as_str).collect();
    let named = words.iter().take_while(|w| !w.starts_with("--")).count();
    // The longest that is a command; what follows it stands without a name.
    let command = (1..=named).rev().map(|n| words[..n].join(" ")).find(|c| cli["commands"][c].is_object());
    let command = command.unwrap_or_else(|| panic!("cli-options.json has no command of {call:?}"));
    let known = &cli["commands"][&command];
    let bare = named - command.split(' ').count();
    // How many words without a name there are at least and at most.
    let limit = |at: usize| known["positional"][at].as_u64().map_or(0, |n| usize::try_from(n).unwrap());
    assert!((limit(0)..=limit(1)).contains(&bare), "'{command}' takes {} such words: {call:?}", limit(1));
    let options = &known["options"];
    let global = cli["global"].as_array().unwrap();
    let mut rest = words[named..].iter().copied().peekable();
    let mut given = Vec::new();
    while let Some(name) = rest.next() {
        let about = &options[name];
        assert!(
            name.starts_with("--") && (about.is_object() || global.contains(&json!(name))),
            "'{command}' has no option {name} in the real command line: {call:?}"
        );
        given.push(name);
        if about["flag"] == json!(true) {
            continue;
        }
        let value = rest.next();
        assert!(value.is_some() || about["value-optional"] == json!(true), "{command} {name} has no value");
        if let (Some(choices), Some(value)) = (about["choices"].as_array(), value) {
            assert!(choices.contains(&json!(value)), "{command} {name} {value}: one of {choices:?}");
        }
        // A list goes on until the next option.
        while about["several"] == json!(true) && rest.peek().is_some_and(|w| !w.starts_with("--")) {
            rest.next();
        }
    }
    for (name, about) in options.as_object().unwrap() {
        let also = about["also"].as_array().cloned().unwrap_or_default();
        let is_given = given.iter().any(|o| o == name || also.contains(&json!(o)));
        assert!(about["required"] != json!(true) || is_given, "'{command}' needs {name}: {call:?}");
    }
}
