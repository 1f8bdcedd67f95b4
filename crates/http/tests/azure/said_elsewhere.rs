//! What the templates, the scripts, the relay and the guide say of each other. What Bicep and Terraform are by themselves, and
//! whether both make the same, is for `.ci/azure`, which can parse them.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Cause, Role, Settings, fields};

use super::*;

fn template(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn words_after<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    text.lines()
        .filter_map(|l| l.trim_start().strip_prefix(start))
        .filter_map(|l| l.split(' ').next())
        .collect()
}

#[test]
fn the_script_gives_the_templates_only_what_they_take() {
    let script = template("deploy.sh");
    for (function, file, defaults) in [
        ("of_relay() {", "relay.bicep", &["location", "deployedAt", "apiKey"][..]),
        ("of_events() {", "events.bicep", &[]),
    ] {
        let body = script.split(function).nth(1).unwrap().split("\n}").next().unwrap();
        let mut given = words_after(body, "parameter ");
        given.extend(words_after(body, "bare_parameter "));
        given.extend(defaults);
        assert_eq!(given, words_after(&template(file), "param "), "{file}");
    }
}

#[test]
fn the_alarms_count_words_the_relay_logs() {
    let text = template("relay.bicep");
    let queries: Vec<_> = text.lines().filter(|l| l.contains("parse_json(message)")).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        let words: Vec<_> = query.split('"').collect();
        let [_, _, _, field, _, kind, _] = words[..] else { panic!("{query}") };
        assert!(fields::ALL.iter().any(|f| f.name == field), "{field}");
        assert!(Cause::ALL.iter().any(|c| c.kind().name() == kind), "{kind}");
    }
}

#[test]
fn the_functions_variables_are_the_relays() {
    let text = template("relay.bicep");
    let settings = text.split("appSettings: [").nth(1).unwrap().split("\n      ]").next().unwrap();
    let names: Vec<_> =
        settings.lines().filter_map(|l| l.trim().strip_prefix("name: '")?.strip_suffix('\'')).collect();
    let pairs = names.iter().filter_map(|name| {
        let value = match *name {
            "APIENDPOINT" => "https://mdss.example",
            "APIKEY" => "k",
            "STORAGECLIENTID" => "unit-1",
            "RELAY_ON_PERMANENT" => "fail",
            // An empty variable is one that was not set.
            name if name.starts_with("RELAY_") => "",
            _ => return None,
        };
        Some(((*name).into(), value.into()))
    });
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), 5, "{names:?}");
    let draft = Settings::read(pairs, Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "redrive.sh", "tests/fake/az"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

#[test]
fn the_guides_name_only_variables_options_and_alarms_that_exist() {
    let page = |name: &str| fs::read_to_string(folder().join("../..").join(name)).unwrap();
    let vendor = page("docs/from-the-vendor-function.md");
    let guides =
        page("docs/azure.md") + vendor.split("\n## Azure\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let subscription = Subscription::new();
    let help: String = ["deploy.sh", "verify.sh", "redrive.sh", "destroy.sh"]
        .map(|s| subscription.run(s, &["--help"], &[]).ended(0).out)
        .concat();
    let cli = cli::options_in(&folder()).to_string();
    // Docker's, jq's, and those of mdss-relay secret and ledger.
    let theirs = ["--platform", "--tag", "--raw-output", "--from-stdin", "--data-dir"];
    for word in guides.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')) {
        if word.starts_with("RELAY_") {
            let keys = word.strip_prefix("RELAY_KEYS_");
            let known = mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word);
            assert!(known || keys == Some("AZURE_BLOB"), "{word}");
        }
        if word.len() > 3 && word.starts_with("--") && word.as_bytes()[2].is_ascii_lowercase() {
            let known = help.contains(word) || cli.contains(&format!("\"{word}\""));
            assert!(known || theirs.contains(&word), "{word}");
        }
    }
    let templates = template("relay.bicep") + &template("events.bicep");
    let alarms = templates.split("var alarms = [").skip(1).map(|part| part.split("\n]").next().unwrap());
    let alarms: Vec<_> = alarms
        .flat_map(str::lines)
        .filter_map(|l| l.trim().strip_prefix("name: '")?.strip_suffix('\''))
        .collect();
    assert_eq!(alarms.len(), 7, "{alarms:?}");
    for alarm in alarms {
        assert!(guides.contains(&format!("alarm `{alarm}`")), "{alarm} is not explained");
    }
}

/// The words of a line as a shell takes them apart, without what it would do with `$`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_guides_commands_are_ones_that_az_takes() {
    let cli = cli::options_in(&folder());
    let mut seen = 0;
    for page in ["docs/azure.md", "docs/from-the-vendor-function.md"] {
        let page = fs::read_to_string(folder().join("../..").join(page)).unwrap();
        let fences = page.split("```sh\n").skip(1).map(|p| p.split("```").next().unwrap());
        for line in fences.collect::<String>().replace("\\\n", " ").lines() {
            let mut line = line.to_owned();
            let mut calls = Vec::new();
            // The innermost `$(…)` first.
            while let Some(end) =
                line.match_indices(')').map(|(at, _)| at).find(|at| line[..*at].contains("$("))
            {
                let start = line[..end].rfind("$(").unwrap();
                calls.push(line[start + 2..end].to_owned());
                line.replace_range(start..=end, "VALUE");
            }
            calls.extend(line.split(" && ").map(|call| call.split(" #").next().unwrap().to_owned()));
            for call in calls.iter().filter_map(|call| call.trim().strip_prefix("az ")) {
                seen += 1;
                // What reads its output is another program.
                cli::takes(&cli, &scripts::Call(words(call.split(" | ").next().unwrap_or_default())));
            }
        }
    }
    assert!(seen >= 35, "{seen}");
}
