//! An AWS account in a folder, and the scripts run on it with the recording stand-in for `aws` (`deploy/aws/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/aws").canonicalize().unwrap()
}

pub(crate) struct Account {
    stage: Stage,
}

impl Account {
    /// With the buckets `inbox`, `outbox` and `code` in eu-west-1.
    pub(crate) fn new() -> Self {
        Self::with_scripts(folder())
    }

    /// The same, with a copy of the scripts.
    pub(crate) fn with_scripts(scripts: PathBuf) -> Self {
        let only_looks = |command: &str| {
            [" get-", " describe-", " filter-", " wait"].iter().any(|look| command.contains(look))
        };
        let account = Self { stage: Stage::new(scripts, "FAKE_AWS", only_looks) };
        for name in ["region", "notification"] {
            fs::create_dir(account.path(name)).unwrap();
        }
        for (name, text) in [
            ("region/inbox", "eu-west-1\n"),
            ("region/outbox", "eu-west-1\n"),
            ("region/code", "eu-west-1\n"),
            ("waiting", "0.0\n"),
            ("code.zip", "PK\u{3}\u{4}one"),
        ] {
            account.write(name, text);
        }
        account
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"))
    }

    /// A parameter of the stack.
    pub(crate) fn parameter(&self, key: &str) -> Option<String> {
        let parameters = self.json("parameters");
        let mut pairs = parameters.as_array().unwrap().iter().filter_map(|p| p.as_str()?.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.run("deploy.sh", &[&self.base(), more].concat(), &[("APIKEY_FILE", &self.text("key"))])
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What every deployment needs, but for the key.
    pub(crate) fn base(&self) -> Vec<&'static str> {
        // The folder outlives no test, and neither does what is leaked here.
        let zip: &'static str = Box::leak(self.text("code.zip").into_boxed_str());
        let mut words = vec!["--zip", zip];
        words.extend(
            "--region eu-west-1 --code-bucket code --endpoint https://mdss.example --storage-client-id unit-1 --bucket inbox"
                .split(' '),
        );
        words
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.stage.run(script, arguments, variables)
    }
}
