//! What the template, the scripts, the relay and the guide say of each other.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Cause, Role, Settings, fields};

use super::*;

fn template() -> String {
    fs::read_to_string(folder().join("template.yaml")).unwrap()
}

/// The names at the first level below a section.
fn names(section: &str) -> BTreeSet<String> {
    let text = template();
    let below = text.split(&format!("\n{section}:\n")).nth(1).unwrap();
    let below = below.lines().take_while(|l| l.is_empty() || l.starts_with([' ', '#']));
    let name = |l: &str| Some(l.strip_prefix("  ")?.strip_suffix(':')?.to_owned());
    below.filter_map(name).filter(|n| !n.starts_with(' ')).collect()
}

#[test]
fn the_script_gives_the_template_only_what_it_takes() {
    let script = fs::read_to_string(folder().join("deploy.sh")).unwrap();
    let given: BTreeSet<_> = script
        .lines()
        .filter_map(|l| l.split_once("parameter ").map(|(_, rest)| rest))
        .filter_map(|rest| rest.split(' ').next())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(str::to_owned)
        .collect();
    let mut takes = names("Parameters");
    assert!(takes.remove("OldestEvent"), "which has no option");
    assert_eq!(given, takes);
}

#[test]
fn the_queue_waits_six_times_as_long_as_the_function_runs() {
    let text = template();
    let rows: Vec<_> =
        text.lines().filter(|l| l.contains("Visibility: ")).filter(|l| l.contains("Deadline")).collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let numbers: Vec<u32> =
            row.split(|c: char| !c.is_ascii_digit()).filter_map(|w| w.parse().ok()).collect();
        let [timeout, visibility, deadline] = numbers[..] else { panic!("{row}") };
        assert!(visibility >= 6 * timeout && deadline < timeout, "{row}");
    }
}

#[test]
fn partial_answers_are_switched_on_at_both_ends() {
    let text = template();
    assert!(
        text.contains("RELAY_QUEUE_PARTIAL: 'on'")
            && text.contains("FunctionResponseTypes: [ReportBatchItemFailures]")
    );
}

#[test]
fn the_metrics_count_words_the_relay_logs() {
    let text = template();
    let patterns: Vec<_> = text.lines().filter_map(|l| l.trim().strip_prefix("FilterPattern: ")).collect();
    assert_eq!(patterns.len(), 3);
    for pattern in patterns {
        let words: Vec<_> =
            pattern.split(['\'', '"']).filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase())).collect();
        let [field, kind] = words[..] else { panic!("{pattern}: {words:?}") };
        assert!(fields::ALL.iter().any(|f| f.name == field), "{field}");
        assert!(Cause::ALL.iter().any(|c| c.kind().name() == kind), "{kind}");
    }
}

#[test]
fn the_functions_variables_are_the_relays() {
    let text = template();
    let variables = text.split("        Variables:\n").nth(1).unwrap();
    let variables: Vec<_> = variables.lines().map_while(|l| l.strip_prefix("          ")).collect();
    let mut pairs = Vec::new();
    for line in variables.iter().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.split_once(": ").unwrap();
        let value = match name {
            "APIENDPOINT" => "https://mdss.example",
            "APIKEY" => "k",
            // Never both; an empty one is left out by its condition.
            "STORAGECLIENTID" => continue,
            "RELAY_DEADLINE" => "25s",
            "RELAY_CONFIG_TOML" => r#"route = [{ bucket = "*", storage_client_id = "unit-1" }]"#,
            _ => value.trim_matches('\''),
        };
        pairs.push((name.into(), value.into()));
    }
    assert!(pairs.len() >= 5, "{pairs:?}");
    let draft = Settings::read(pairs, Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/aws"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

#[test]
fn the_guide_names_only_options_and_resources_that_exist() {
    let guide = fs::read_to_string(folder().join("../../docs/aws.md")).unwrap();
    let account = Account::new();
    let help: String = ["deploy.sh", "verify.sh", "destroy.sh"]
        .map(|s| account.run(s, &["--help"], &[]).ended(0).out)
        .concat();
    // Of aws itself, and the last one of mdss-relay secret.
    let theirs = [
        "--source-arn",
        "--follow",
        "--filter-pattern",
        "--bucket",
        "--function-name",
        "--auth-type",
        "--statement-id",
        "--action",
        "--principal",
        "--function-url-auth-type",
        "--invoked-via-function-url",
        "--policy-name",
        "--policy-document",
        "--policy-arn",
        "--user-name",
        "--query",
        "--output",
        "--name",
        "--topic-arn",
        "--protocol",
        "--notification-endpoint",
        "--stack-name",
        "--logical-resource-id",
        "--alarm-name",
        "--state-value",
        "--state-reason",
        "--from-stdin",
        "--live",
        "--config",
        "--role-name",
        "--set-as-default",
        "--log-group-name",
        "--start-time",
        "--filter-pattern",
        // Of jq, and of mdss-relay ledger.
        "--raw-output",
        "--data-dir",
    ];
    let words = guide.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    for word in words {
        if word.starts_with("RELAY_") {
            assert!(mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word), "{word}");
        }
        if word.len() > 3 && word.starts_with("--") && word.as_bytes()[2].is_ascii_lowercase() {
            assert!(help.contains(word) || theirs.contains(&word), "{word}");
        }
        if word.ends_with("Alarm") && word.len() > 5 {
            assert!(names("Resources").contains(word), "{word}");
        }
    }
    let toml = guide.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    // The file is in the function's zip, and not here.
    let toml: String = toml.lines().filter(|l| !l.starts_with("ca_file")).map(|l| format!("{l}\n")).collect();
    let variables =
        [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", toml.as_str())];
    let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}
