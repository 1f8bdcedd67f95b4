//! What Terraform, the scripts, the relay and the guide say of each other. What Terraform is by itself is for `.ci/tencent`, which can
//! parse it.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Cause, fields};

use super::*;

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn the_alarms_count_words_the_relay_logs() {
    let kinds: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.kind().name()).collect();
    let (script, terraform) = (text("deploy.sh"), text("terraform/main.tf"));
    for kind in ["config", "permanent", "transient"] {
        assert!(kinds.contains(kind));
        assert!(script.contains(&format!("$(line {kind})")), "{kind}");
        assert!(terraform.contains(&format!("local.line[\"{kind}\"]")), "{kind}");
    }
    for field in ["mdss.failure_kind", "mdss.reason", "faas.document.name", "message", "level"] {
        let known = fields::ALL.iter().any(|f| f.name == field) || ["message", "level"].contains(&field);
        assert!(known && script.contains(field) && terraform.contains(&format!("\"{field}\"")), "{field}");
    }
    let names = text("calls.sh");
    let names = names.lines().find_map(|l| l.strip_prefix("alarm_names='")).unwrap().trim_end_matches('\'');
    let guide = text("../../docs/tencent.md");
    for name in names.split(' ') {
        assert!(terraform.contains(&format!("\"{name}\"")), "main.tf: {name}");
        assert!(guide.contains(&format!("| `{name}` |")), "docs/tencent.md: {name}");
    }
}

/// One who has read the script gets the same from Terraform.
#[test]
fn terraform_makes_what_the_script_makes() {
    let script = text("deploy.sh");
    let terraform = format!("{}{}", text("terraform/main.tf"), text("terraform/variables.tf"));
    for (in_script, in_terraform) in [
        ("runtime=CustomRuntime", "\"CustomRuntime\""),
        ("runtime=CustomImage", "\"CustomImage\""),
        ("\"Type\":\"Event\"", "func_type         = \"Event\""),
        ("index.main_handler", "index.main_handler"),
        ("\"MemorySize\":128", "mem_size          = 128"),
        ("timeout=300", "default     = 300"),
        ("retries=2", "default     = 2"),
        ("age=21600", "default     = 21600"),
        ("{concurrency:-20} * 128", "default     = 20"),
        ("* 128", "* 128"),
        ("{dead_retention:-43200}", "default     = 43200"),
        ("dead_type=CMQ-QUEUE", "default     = \"CMQ-QUEUE\""),
        ("$relay-dead", "${var.name}-dead"),
        ("init=30", "? 30 : 90"),
        ("\"ImagePort\":9000", "image_port  = 9000"),
        ("timeout - 10", "var.function_timeout - 10"),
        ("not in (200, 202)", "not in (200, 202)"),
        ("in (405, 433, 434, 439)", "in (405, 433, 434, 439)"),
        ("\"AlarmPeriod\":60", "alarm_period     = 60"),
        ("in_a_row=3", "in_a_row = 3"),
    ] {
        assert!(script.contains(in_script), "deploy.sh: {in_script}");
        assert!(terraform.contains(in_terraform), "main.tf: {in_terraform}");
    }
    assert!(
        text("calls.sh")
            .contains(r#"{"event":"cos:ObjectCreated:*","filter":{"Prefix":"%s","Suffix":"%s"}}"#)
    );
    assert!(
        terraform.contains(r#"jsonencode({ event = "cos:ObjectCreated:*", filter = {"#),
        "no space in it"
    );
    for role in [&script, &terraform] {
        assert!(!role.contains("\"Role\"") && !role.contains("role  "), "the function has no role");
    }
}

/// Every command in the guide, and the one in Terraform, is one that the real command line takes, by its own tables.
#[test]
fn the_guide_and_terraform_call_what_there_is() {
    let shapes: Value = serde_json::from_str(&text("tests/shapes.json")).unwrap();
    let guide =
        format!("{}{}", text("../../docs/tencent.md").replace("\\\n", " "), text("terraform/main.tf"));
    let mut count = 0;
    for call in guide.split("tccli ").skip(1) {
        // Up to the end of the line, of the code in a sentence, or of a shell's bracket.
        let call = call.split(['\n', '`', '|', '(', ')']).next().unwrap();
        let words: Vec<_> = call.split_whitespace().collect();
        // Not where it is only spoken of, nor what sets it up.
        let lower = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
        if words.len() < 2 || !words.first().is_some_and(lower) || !words[1].starts_with(char::is_uppercase) {
            continue;
        }
        let known = &shapes["actions"][words[..2].join(" ")];
        assert!(known.is_object(), "shapes.json has no {:?}", &words[..2]);
        for option in words.iter().filter_map(|word| word.strip_prefix("--")) {
            let global = ["filter", "output", "cli-input-json", "region"].contains(&option);
            assert!(global || known[option].is_object(), "{:?} has no --{option}", &words[..2]);
        }
        count += 1;
    }
    assert!(count >= 8, "{count} commands");
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/tccli"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}
