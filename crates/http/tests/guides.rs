//! The configurations in the guides are ones that the server takes, with files where they name some.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::path::Path;

use drive::Signer;
use mdss_relay_http::Configuration;

/// Where the guides have files: on a host, and in a function of Lambda.
const FOLDERS: [&str; 2] = ["/etc/mdss-relay/", "/var/task/"];

/// Puts a file wherever the text names one below these folders, and names that instead.
fn with_files(toml: &str, folder: &Path) -> String {
    let below = |text| FOLDERS.iter().find_map(|folder| str::strip_prefix(text, folder));
    for named in toml.split('"').filter_map(below) {
        let path = folder.join(named);
        if named.ends_with(".pem") {
            std::fs::write(&path, Signer::one().plain_certificate()).unwrap();
        } else {
            std::fs::write(&path, "a-secret-of-more-than-32-characters-0123\n").unwrap();
        }
    }
    // What stands for a secret in a guide is shorter than one may be.
    let toml = toml.replace("\"SECRET\"", "\"a-secret-of-more-than-32-characters-0123\"");
    FOLDERS.iter().fold(toml, |toml, named| toml.replace(named, &format!("{}/", folder.display())))
}

#[test]
fn every_configuration_in_a_guide_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in guides.chain([root.join("README.md")]) {
        let guide = std::fs::read_to_string(&path).unwrap();
        let pieces = guide.split("```toml\n").skip(1).map(|p| p.split("```").next().unwrap());
        // One file may be shown in several pieces; a comment with its name begins another one.
        let mut files = vec![String::new()];
        for piece in pieces {
            if piece.lines().next().is_some_and(|line| line.starts_with("# ") && line.contains(".toml")) {
                files.push(String::new());
            }
            files.last_mut().unwrap().push_str(piece);
        }
        for toml in files.iter().filter(|toml| toml.contains("[[source]]")) {
            seen += 1;
            let folder = tempfile::tempdir().unwrap();
            let toml = with_files(toml, folder.path());
            // What a guide leaves out is set.
            let mut variables = vec![("RELAY_CONFIG_TOML", toml.clone())];
            for (member, name, value) in [
                ("endpoint = ", "APIENDPOINT", "https://mdss.example"),
                ("api_key_file = ", "APIKEY", "k"),
                ("storage_client_id = ", "STORAGECLIENTID", "unit-1"),
            ] {
                if !toml.contains(member) {
                    variables.push((name, value.to_owned()));
                }
            }
            let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
            let mistakes = Configuration::read(variables).outcome.err();
            assert_eq!(mistakes, None, "{}", path.display());
        }
    }
    assert!(seen >= 3, "{seen} guides show a configuration of sources");
}
