use std::collections::BTreeSet;
use std::ffi::OsString;

use super::*;
use crate::settings::groups::{Role, Settings};
use crate::settings::reader::Reader;

/// What a row makes of a value: the fields then, or what was expected.
fn filled(setting: &Setting, value: &str) -> Result<String, String> {
    let mut given = defaults();
    match setting.reads {
        Reads::Value { fill, .. } => fill(value, &mut given)?,
        Reads::List { fill, .. } => {
            fill(Listed { name: String::new(), texts: vec![value.into()] }, &mut given)
        }
    }
    Ok(format!("{given:?}"))
}

fn defaults() -> Given {
    let mut reader = Reader::new(Role::Http, []);
    reader.fill(|_| true);
    assert_eq!(reader.mistakes, []);
    reader.given
}

/// What the reader makes of variables: the fields, before and after it has read the TOML.
fn read(variable: &str, value: &str) -> [String; 2] {
    let mut reader = Reader::new(Role::Http, [(OsString::from(variable), OsString::from(value))]);
    reader.fill(|setting| setting.toml.is_none());
    let before = format!("{:?}", reader.given);
    reader.read_table();
    reader.fill(|setting| setting.toml.is_some());
    assert_eq!(reader.mistakes, [], "{variable}={value}");
    [before, format!("{:?}", reader.given)]
}

/// Values of every kind. A row that takes none of them needs one more.
fn candidates(dir: &std::path::Path) -> Vec<String> {
    let pem = dir.join("ca.pem");
    let own = rcgen::generate_simple_self_signed(["mdss.example".to_owned()]).unwrap();
    std::fs::write(&pem, own.cert.pem()).unwrap();
    let words = [
        "none",
        "fail",
        "send",
        "on",
        "off",
        "spooled",
        "server",
        "text",
        "amazon-s3",
        "bucket/key",
        "[log]",
        "127.0.0.1:1",
    ];
    let amounts = ["7", "2s", "2MiB", "2d", "https://mdss.example/a"];
    let all = words.into_iter().chain(amounts).map(str::to_owned);
    all.chain([pem.to_str().unwrap().to_owned()]).collect()
}

#[test]
fn every_row_is_read_from_its_variable_and_from_its_member() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path());
    let without = format!("{:?}", defaults());
    let mut fields = BTreeSet::new();
    for setting in SETTINGS {
        let fits = |value: &&String| filled(setting, value).is_ok_and(|given| given != without);
        let value = candidates.iter().find(fits);
        let value = value.unwrap_or_else(|| panic!("{} fills no field", setting.variable));
        assert!(fields.insert(filled(setting, value)), "{} fills the field of another row", setting.variable);
        let Some(member) = setting.toml else {
            let mut reader = Reader::new(Role::Http, [(setting.variable.into(), value.into())]);
            reader.fill(|setting| setting.toml.is_none());
            assert_ne!(format!("{:?}", reader.given), read("RELAY_LOG", "")[0], "{}", setting.variable);
            continue;
        };
        let [_, variable] = read(setting.variable, value);
        let (table, name) = member.split_once('.').unwrap();
        let [_, toml] = read("RELAY_CONFIG_TOML", &format!("[{table}]\n{name} = {value:?}"));
        assert_ne!(variable, without, "{}", setting.variable);
        // A list knows the name under which it was found.
        assert_eq!(toml.replace(member, setting.variable), variable, "{member}");
    }
}

#[test]
fn a_process_does_not_start_without_what_is_required() {
    let draft = Settings::read([("RELAY_MODE".into(), "spooled".into())], Role::Http);
    let missing: Vec<_> = draft.mistakes.iter().map(|m| m.name.as_str()).collect();
    let required: Vec<_> =
        SETTINGS.iter().filter(|s| s.without == Without::Required).map(|s| s.variable).collect();
    assert!(required.iter().all(|name| missing.contains(name)), "{required:?} {missing:?}");
}

#[test]
fn a_name_stands_once() {
    let mut names: Vec<_> =
        SETTINGS.iter().flat_map(|s| [Some(s.variable), s.toml]).flatten().collect::<Vec<_>>();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// The documentation shows what the reader takes, and the mistake says the same.
#[test]
fn what_a_row_says_is_what_it_takes() {
    let mut bounds = 0;
    let mut words = 0;
    for setting in SETTINGS {
        let values = setting.values();
        let name = setting.variable;
        let (plain, quoted): (Vec<_>, Vec<_>) = values.split(", ").partition(|part| !part.starts_with('`'));
        for word in &quoted {
            words += 1;
            assert!(filled(setting, word.trim_matches('`')).is_ok(), "{name}: {word}");
        }
        for (least, most) in plain.iter().filter_map(|part| part.split_once(" to ")) {
            bounds += 1;
            for value in [least, most] {
                assert!(filled(setting, value).is_ok(), "{name}: {value}");
            }
            let expected = filled(setting, "?").unwrap_err();
            assert!(expected.contains(&format!("from {least} to {most}")), "{name}: {expected}");
            for value in ["0", "0ms", "0KiB", "9999h", "17TiB", "1000000"] {
                assert_eq!(filled(setting, value), Err(expected.clone()), "{name}: {value}");
            }
        }
        if let Without::Value(text) = setting.without {
            assert!(filled(setting, text).is_ok(), "{name}: {text}");
        }
    }
    assert!(bounds >= 8 && words >= 20, "{bounds} bounds, {words} words");
}

#[test]
fn a_mistake_shows_a_value_only_where_no_secret_can_be() {
    for setting in SETTINGS {
        let shown = matches!(setting.holds, Holds::Plain);
        for value in ["https://user:s3cret@mdss.example", "s3cret#"] {
            let mistake = setting.mistake(setting.variable, value, String::new());
            assert_eq!(mistake.found.is_some(), shown, "{}={value}", setting.variable);
        }
    }
    let secrets: Vec<_> = SETTINGS.iter().filter(|s| s.holds == Holds::Secret).map(|s| s.variable).collect();
    assert_eq!(secrets, ["APIKEY", "RELAY_CONFIG_TOML", "RELAY_TOKEN", "RELAY_AUTH", "RELAY_SPOOL_URL"]);
}
