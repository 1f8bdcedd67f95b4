//! The configurations in the guides are ones that the server reads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::path::Path;

use mdss_relay_core::{Role, Settings};

#[test]
fn every_configuration_in_a_guide_is_read() {
    for name in ["minio.md", "jdcloud.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        let guide = std::fs::read_to_string(path).unwrap();
        // One file may be shown in several pieces.
        let pieces = guide.split("```toml\n").skip(1).map(|p| p.split("```").next().unwrap());
        let toml: String = pieces.collect();
        assert!(toml.contains("[[source]]"), "{name}");
        let variables = [("APIKEY", "k".to_owned()), ("RELAY_CONFIG_TOML", toml)];
        let draft = Settings::read(variables.map(|(n, v)| (n.into(), v.into())), Role::Http);
        assert!(draft.mistakes.is_empty(), "{name}: {:?}", draft.mistakes);
    }
}
