//! What the scripts, Terraform, the relay and the guides say of each other.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Role, Settings};

use super::*;

fn page(name: &str) -> String {
    fs::read_to_string(folder().join("../..").join(name)).unwrap()
}

#[test]
fn scripts_may_be_run() {
    for script in
        ["deploy.sh", "destroy.sh", "verify.sh", "redrive.py", "tests/fake/aliyun", "tests/fake/mns.py"]
    {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

/// `.ci/alibaba` looks at the arguments; whether they have the same values is looked at here.
#[test]
fn terraform_and_serverless_devs_make_what_the_script_makes() {
    let terraform = page("deploy/alibaba/terraform/main.tf");
    let serverless = page("deploy/alibaba/s.yaml");
    let account = Account::new();
    account.deploy(&["--contact-group", "ops"]).ended(0);
    let has = |text: &str, words: &str| {
        let plain = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain(text).contains(&plain(words)), "{words} is not in\n{text}");
    };
    let function = account.json("function");
    for (member, argument) in [
        ("cpu", "cpu"),
        ("memorySize", "memory_size"),
        ("diskSize", "disk_size"),
        ("instanceConcurrency", "instance_concurrency"),
        ("runtime", "runtime"),
    ] {
        has(&terraform, &format!("{argument} = {}", function[member]));
        has(&serverless, &format!("{member}: {}", function[member].to_string().trim_matches('"')));
    }
    has(&serverless, &format!("timeout: {}", function["timeout"]));
    has(&terraform, r#"command = ["/code/bootstrap"] port = 9000"#);
    let age = account.json("async");
    for member in ["maxAsyncRetryAttempts", "maxAsyncEventAgeInSeconds"] {
        has(&serverless, &format!("{member}: {}", age[member]));
    }
    let variables = page("deploy/alibaba/terraform/variables.tf");
    for default in [&function["timeout"], &age["maxAsyncRetryAttempts"], &age["maxAsyncEventAgeInSeconds"]] {
        has(&variables, &format!("default = {default} }}"));
    }
    for rule in account.list("rules") {
        let name = rule.strip_prefix("mdss-relay-").unwrap();
        let metric = account.read(&format!("rules/{rule}"));
        assert!(
            terraform.lines().any(|l| l.contains(&format!("\"{name}\""))
                && l.contains(&format!("metric = \"{}\"", metric.trim()))),
            "{name}"
        );
    }
    for role in account.list("roles") {
        let part = role.strip_prefix("mdss-relay-").unwrap();
        has(&terraform, &format!("role_name = \"${{var.name}}-{part}\""));
        let trust = account.json(&format!("roles/{role}"))["Statement"][0]["Principal"]["Service"][0].clone();
        has(&terraform, &format!("Service = [{trust}]"));
    }
}

#[test]
fn the_guides_name_only_options_settings_and_alarms_that_exist() {
    let account = Account::new();
    let help: String = ["deploy.sh", "verify.sh", "destroy.sh"]
        .map(|s| account.run(s, &["--help"], &[]).ended(0).out)
        .concat();
    account.deploy(&["--contact-group", "ops"]).ended(0);
    let cli = fs::read_to_string(folder().join("tests/cli-options.json")).unwrap();
    // Of jq, curl, journalctl, systemctl, base64 and mdss-relay.
    let theirs = "--raw-output --null-input --compact-output --arg --decode --grep --retry --retry-delay --retry-connrefused --now --offline \
        --unit-file --from-stdin --config --print-architecture --look --data-dir";
    for name in ["docs/alibaba.md", "docs/zh/alibaba.md"] {
        let guide = page(name);
        for word in guide.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.')) {
            let word = word.trim_end_matches('.');
            if word.starts_with("RELAY_") && word != "RELAY_KEYS_ALIBABA_OSS" {
                assert!(mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word), "{name}: {word}");
            }
            if word.starts_with("--") && word.len() > 3 && word.as_bytes()[2].is_ascii_alphabetic() {
                let known = help.contains(word)
                    || cli.contains(&format!("\"{word}\""))
                    || theirs.split_whitespace().any(|t| t == word);
                assert!(known, "{name}: {word}");
            }
        }
        for rule in account.list("rules") {
            let alarm = rule.strip_prefix("mdss-relay-").unwrap();
            assert!(guide.contains(&format!("| `{alarm}` |")), "{name}: {alarm}");
        }
    }
}

#[test]
fn the_configuration_in_the_guide_is_one_that_the_function_reads() {
    let guide = page("docs/alibaba.md");
    let toml = guide.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    // The file is in the function's zip, and not here.
    let toml: String = toml.lines().filter(|l| !l.starts_with("ca_file")).map(|l| format!("{l}\n")).collect();
    let variables =
        [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", toml.as_str())];
    let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}
