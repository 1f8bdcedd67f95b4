//! What Terraform, the scripts, the relay and the guide say of each other. What Terraform is by itself is for `.ci/huawei`, which can
//! parse it.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Role, Settings};

use super::*;

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Without quotes and the spaces that align.
fn bare(text: &str) -> String {
    text.replace(['"', '\\'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One who has read the scripts gets the same from Terraform.
#[test]
fn terraform_makes_what_the_script_makes() {
    let (script, terraform) =
        (bare(&text("deploy.sh")), bare(&(text("terraform/main.tf") + &text("terraform/variables.tf"))));
    for (in_script, in_terraform) in [
        (
            "runtime: Custom, handler: bootstrap.main",
            "? Custom : Custom Image handler = var.image == null ? bootstrap.main",
        ),
        ("code_type: Custom-Image-Swr", "? zip : Custom-Image-Swr"),
        ("objectKeyEncode: true", "objectKeyEncode = true"),
        ("pair RELAY_KEYS_HUAWEI_OBS form", "RELAY_KEYS_HUAWEI_OBS = form"),
        (
            "OBS:DWR:ObjectCreated:PUT, OBS:DWR:ObjectCreated:POST, OBS:DWR:ObjectCreated:COPY, OBS:DWR:ObjectCreated:CompleteMultipartUpload",
            "OBS:DWR:ObjectCreated:PUT, OBS:DWR:ObjectCreated:POST, OBS:DWR:ObjectCreated:COPY, OBS:DWR:ObjectCreated:CompleteMultipartUpload",
        ),
        ("invoke_type: ASYNC", "invoke_type = ASYNC"),
        ("transform: {type: ORIGINAL, value: }", "jsonencode({ type = ORIGINAL, value = })"),
        ("on_failure: {destination: OBS", "on_failure { destination = OBS"),
        ("expires: 0", "expires = 0"),
        ("timeout=60", "Seconds for one call default = 60"),
        ("memory=128", "type = number default = 128"),
        ("instances=10", "what is above waits default = 10"),
        ("retries=3", "further tries after a failed call default = 3"),
        ("age=86400", "at most 86400 default = 86400"),
        ("eg_agency=EG_TARGET_AGENCY", "default = EG_TARGET_AGENCY"),
        ("policy failcount)", "failcount, rejectcount"),
        (
            "period: 300, filter: sum, comparison_operator: >=, value: 1",
            "period = 300 filter = sum comparison_operator = >= value = 1",
        ),
        (
            "keywords: ERROR, condition: >, number: 0, search_time_range: 5",
            "keywords = ERROR condition = > number = 0",
        ),
        (
            "package-functionname, value: default-%s",
            "name = package-functionname value = default-${var.name}",
        ),
    ] {
        assert!(script.contains(in_script), "deploy.sh: {in_script}");
        assert!(terraform.contains(in_terraform), "main.tf: {in_terraform}");
    }
}

/// The function's variables are settings that the relay has, with values that it takes.
#[test]
fn the_functions_variables_are_the_relays() {
    let project = Project::new();
    project.deploy(&[]).ended(0);
    let function = project.json("function.json");
    let mut pairs = Vec::new();
    for part in ["user_data", "encrypted_user_data"] {
        let variables: Value = serde_json::from_str(function[part].as_str().unwrap()).unwrap();
        pairs.extend(
            variables.as_object().unwrap().iter().map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())),
        );
    }
    // "The parameter name starts with a letter" (functiongraph_01_0154), and RUNTIME_ is the platform's.
    assert!(
        pairs
            .iter()
            .all(|(n, _)| n.starts_with(|c: char| c.is_ascii_alphabetic()) && !n.starts_with("RUNTIME_"))
    );
    for (name, value) in &mut pairs {
        if name == "APIKEY" {
            "key".clone_into(value);
        }
    }
    let draft = Settings::read(pairs.into_iter().map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn the_guide_names_every_operation_that_it_calls_and_the_models_know_it() {
    let models: Value = serde_json::from_str(&text("tests/models.json")).unwrap();
    for page in ["huawei.md", "zh/huawei.md"] {
        let guide = fs::read_to_string(folder().join("../../docs").join(page)).unwrap();
        let mut count = 0;
        for (at, _) in guide.match_indices("hcloud ") {
            let words: Vec<_> = guide[at..].split_whitespace().skip(1).take(2).collect();
            if ["FunctionGraph", "EG", "LTS", "CES", "IAM", "SMN"].contains(&words[0]) {
                let command = words.join(" ");
                let command = command.trim_end_matches('`');
                assert!(models["operations"][command].is_object(), "{page}: {command}");
                count += 1;
            }
        }
        assert!(count > 5, "{page}: {count}");
    }
}

#[test]
fn scripts_can_be_run() {
    for name in ["deploy.sh", "destroy.sh", "verify.sh", "redrive.sh", "tests/fake/hcloud"] {
        let mode = fs::metadata(folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name}");
    }
}
