//! A project of Huawei Cloud in a folder, and the scripts run on it with the recording stand-in for `hcloud` (`deploy/huawei/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/huawei").canonicalize().unwrap()
}

/// Whether a command changes nothing.
pub(crate) fn only_looks(command: &str) -> bool {
    let operation = command.split(' ').nth(1).unwrap_or_default();
    ["List", "Show", "KeystoneList"].iter().any(|look| operation.starts_with(look))
}

pub(crate) struct Project {
    stage: Stage,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self { stage: Stage::new(folder(), "FAKE_HUAWEI", only_looks) };
        project.write("code.zip", "PK\u{3}\u{4}one");
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"))
    }

    /// What EventGrid has.
    pub(crate) fn subscriptions(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("subscriptions.json")).unwrap_or_default();
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
    }

    /// As another one is.
    pub(crate) fn like(other: &Self) -> Self {
        let project = Self::new();
        for entry in fs::read_dir(other.path("")).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), project.path(entry.file_name().to_str().unwrap())).unwrap();
            }
        }
        project
    }

    /// What every deployment needs, but for the key.
    pub(crate) fn base(&self) -> Vec<&'static str> {
        // The folder outlives no test, and neither does what is leaked here.
        let zip: &'static str = Box::leak(self.text("code.zip").into_boxed_str());
        let mut words = vec!["--zip", zip];
        words.extend(
            "--region cn-north-4 --dead-letters dead --endpoint https://mdss.example --storage-client-id unit-1 --bucket inbox"
                .split(' '),
        );
        words
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.deploy_with(more, &[])
    }

    pub(crate) fn deploy_with(&self, more: &[&str], variables: &[(&str, &str)]) -> Ran {
        let key = self.text("key");
        self.run(
            "deploy.sh",
            &[&self.base(), more].concat(),
            &[&[("APIKEY_FILE", key.as_str())], variables].concat(),
        )
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hcloud-seen");
        fs::create_dir_all(&seen).unwrap();
        let variables = [&[("FAKE_SEEN", seen.to_str().unwrap())], variables].concat();
        let ran = self.stage.run(script, arguments, &variables);
        // The key as a text of JSON inside a file of JSON, which is how the function's variables travel.
        let once = serde_json::to_string(crate::KEY).unwrap();
        let twice = serde_json::to_string(once.trim_matches('"')).unwrap();
        let printed = ran.out.contains(twice.trim_matches('"')) || ran.err.contains(twice.trim_matches('"'));
        assert!(!printed, "the key is printed:\n{}{}", ran.out, ran.err);
        ran
    }
}
