//! The configurations in the guides are ones that the server takes, with files where they name some.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::path::Path;

use drive::Signer;
use mdss_relay_http::Configuration;

/// Where the guides have files: on a host, handed over by systemd, and in a function of Lambda.
const FOLDERS: [&str; 3] = ["/etc/mdss-relay/", "/run/credentials/mdss-relay-http.service/", "/var/task/"];

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
    FOLDERS.iter().fold(toml.to_owned(), |toml, named| toml.replace(named, &format!("{}/", folder.display())))
}

/// The relay's files that a guide shows. One may be shown in several pieces: its first line then says beside what a piece stands, or
/// nothing. Another name in the first line is that of a file of another program.
fn files(guide: &str) -> Vec<String> {
    let mut files = vec![String::new()];
    for piece in guide.split("```toml\n").skip(1).filter_map(|piece| piece.split("```").next()) {
        let first = piece.lines().next().unwrap_or_default();
        let name = first.strip_prefix("# ").filter(|name| name.contains(".toml"));
        match name {
            Some(name) if !name.contains("relay.toml") => {}
            Some(name) if !name.contains("beside") => files.push(piece.to_owned()),
            _ => files.last_mut().unwrap().push_str(piece),
        }
    }
    files
}

#[test]
fn every_configuration_in_a_guide_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The folder of another language has the same blocks, which the documents' test compares.
    let guides = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.is_file());
    let mut seen = 0;
    for path in guides.chain([root.join("README.md")]) {
        let guide = std::fs::read_to_string(&path).unwrap();
        for toml in files(&guide).into_iter().filter(|toml| toml.contains("[[source]]")) {
            seen += 1;
            let folder = tempfile::tempdir().unwrap();
            let toml = with_files(&toml, folder.path());
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
