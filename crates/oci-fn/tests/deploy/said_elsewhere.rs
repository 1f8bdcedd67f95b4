//! What the scripts, Terraform, the relay and the guides say of each other.

use std::os::unix::fs::PermissionsExt;

use mdss_relay_core::{Role, Settings};

use super::*;

#[test]
fn the_variables_deploy_knows_are_the_relays() {
    let script = fs::read_to_string(folder().join("deploy.sh")).unwrap();
    let list = script.split("settable='").nth(1).unwrap().split('\'').next().unwrap();
    let mut listed: BTreeSet<_> = list.split_whitespace().collect();
    // Options of their own, or without meaning in a function that OCI calls.
    let elsewhere = "APIENDPOINT APIKEY APIKEY_FILE STORAGECLIENTID RELAY_CONFIG RELAY_CONFIG_TOML RELAY_QUEUE_PARTIAL \
        RELAY_LISTEN RELAY_ADMIN_LISTEN RELAY_LOG_FORMAT RELAY_BODY_LIMIT RELAY_TOKEN RELAY_TOKEN_FILE RELAY_AUTH \
        RELAY_TRUSTED_PROXIES RELAY_MODE RELAY_DATA_DIR RELAY_SPOOL_LIMIT RELAY_SPOOL_RATE RELAY_SPOOL_URL RELAY_SPOOL_URL_FILE \
        RELAY_SPOOL_CA_FILE RELAY_SPOOL_DURABILITY RELAY_SPOOL_MIGRATE RELAY_PARK_AFTER \
        RELAY_LEDGER RELAY_LEDGER_DIR RELAY_LEDGER_KEYS RELAY_LEDGER_DAYS RELAY_LEDGER_LIMIT RELAY_LOOP_FILE_API RELAY_LOOP_FILE_API_NAMES RELAY_LOOP_RESEND RELAY_CHECK_EVERY \
        RELAY_OBJECT_NAME RELAY_SEAWEEDFS_BUCKETS";
    listed.extend(elsewhere.split_whitespace());
    let known: BTreeSet<_> = mdss_relay_core::SETTINGS.iter().map(|s| s.variable).collect();
    assert_eq!(listed, known);
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/oci"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(folder().join("../..").join(name)).unwrap()
}

#[test]
fn terraform_makes_what_the_script_makes() {
    let terraform = fs::read_to_string(folder().join("terraform/main.tf")).unwrap();
    let tenancy = Tenancy::new();
    tenancy.run("deploy.sh", &base(&["--with-policy"])).ended(0);
    for (kind, names) in tenancy.everything() {
        for name in names.iter().filter(|_| kind != "log") {
            assert!(terraform.contains(&format!("= \"{name}\"")), "no {kind} {name} in Terraform");
        }
    }
    for event in ["createobject", "updateobject"] {
        assert!(terraform.contains(&format!("\"com.oraclecloud.objectstorage.{event}\"")), "{event}");
    }
}

#[test]
fn the_fn_command_line_gets_the_version_of_the_package() {
    let version = format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(fs::read_to_string(folder().join("func.yaml")).unwrap().contains(&version));
}

#[test]
fn the_routes_in_the_guide_are_one_line_that_the_relay_reads() {
    let guide = page("docs/oci.md");
    let toml = guide.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert!(!toml.contains('\n'), "OCI wants printable characters in a value: {toml}");
    let variables = [("APIENDPOINT", "https://mdss.example"), ("APIKEY", "k"), ("RELAY_CONFIG_TOML", toml)];
    let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Function);
    assert!(draft.mistakes.is_empty(), "{:?}", draft.mistakes);
}

#[test]
fn the_guides_name_only_variables_and_options_that_exist() {
    let help = Tenancy::new().run("deploy.sh", &["--help"]).ended(0).out
        + &Tenancy::new().run("verify.sh", &["--help"]).ended(0).out
        + &Tenancy::new().run("destroy.sh", &["--help"]).ended(0).out;
    let cli = fs::read_to_string(folder().join("tests/cli-options.json")).unwrap();
    for name in ["docs/oci.md", "docs/from-the-vendor-function.md"] {
        let text = page(name);
        // Another cloud's is another test's.
        let text = text.split("\n## Azure\n").next().unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        for word in words {
            if word.starts_with("RELAY_") && word != "RELAY_" && word != "RELAY_KEYS_OCI" {
                assert!(mdss_relay_core::SETTINGS.iter().any(|s| s.variable == word), "{name}: {word}");
            }
            if word.starts_with("--") && word.len() > 3 && word.as_bytes()[2].is_ascii_lowercase() {
                // Of skopeo, of jq, and of mdss-relay secret and ledger.
                let theirs = ["--username", "--raw-output", "--from-stdin", "--data-dir"].contains(&word);
                assert!(
                    help.contains(word) || cli.contains(&format!("\"{word}\"")) || theirs,
                    "{name}: {word}"
                );
            }
        }
    }
}
