//! An Alibaba Cloud account in a folder, and the scripts run on it with the recording stand-in for `aliyun` (`deploy/alibaba/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scripts::{Ran, Stage};

/// The stand-in's.
pub(crate) const ACCOUNT: &str = "1000000000000001";

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/alibaba").canonicalize().unwrap()
}

pub(crate) struct Account {
    stage: Stage,
    /// Whether the stand-in looks at the options of every call, which takes as long as all the rest.
    strict: bool,
}

impl Account {
    /// With the buckets `inbox` and `outbox` in cn-hangzhou.
    pub(crate) fn new() -> Self {
        let only_looks = |command: &str| {
            [" Get", " List", " Describe", " GET ", "oss stat"].iter().any(|look| command.contains(look))
        };
        let account = Self { stage: Stage::new(folder(), "FAKE_ALIYUN", only_looks), strict: false };
        for name in ["buckets", "roles", "policies", "attached", "rules", "triggers"] {
            fs::create_dir(account.path(name)).unwrap();
        }
        for (name, text) in [
            ("buckets/inbox", "cn-hangzhou"),
            ("buckets/outbox", "cn-hangzhou"),
            ("buckets/far", "cn-beijing"),
            ("waiting", "0"),
            ("code.zip", "PK\u{3}\u{4}one"),
        ] {
            account.write(name, text);
        }
        account
    }

    /// The same; the stand-in refuses options and paths that the command line does not have.
    pub(crate) fn strict() -> Self {
        Self { strict: true, ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let text = self.read(name);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"))
    }

    /// What a folder of the account holds.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// Everything that the scripts make, with its content.
    pub(crate) fn made(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for name in ["project", "store", "index", "queue", "function", "async", "concurrency"] {
            if self.has(name) {
                found.push((name.to_owned(), self.read(name)));
            }
        }
        for folder in ["roles", "policies", "attached", "rules", "triggers"] {
            for name in self.list(folder) {
                let name = format!("{folder}/{name}");
                found.push((name.clone(), self.read(&name)));
            }
        }
        // What is updated is laid out by jq.
        for (_, text) in &mut found {
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                *text = value.to_string();
            }
        }
        found
    }

    /// The trigger's configuration, which is text in it.
    pub(crate) fn trigger(&self, bucket: &str) -> Value {
        let trigger = self.json(&format!("triggers/oss-{bucket}"));
        serde_json::from_str(trigger["triggerConfig"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.run("deploy.sh", &[&self.base(), more].concat(), &[("APIKEY_FILE", &self.text("key"))])
    }

    /// What every deployment needs, except the key.
    pub(crate) fn base(&self) -> Vec<&'static str> {
        // The folder outlives no test, and neither does what is leaked here.
        let zip: &'static str = Box::leak(self.text("code.zip").into_boxed_str());
        let mut words = vec!["--zip", zip];
        words.extend(
            "--region cn-hangzhou --endpoint https://mdss.example --storage-client-id unit-1 --bucket inbox"
                .split(' '),
        );
        words
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let quick: &[_] = if self.strict { &[] } else { &[("FAKE_QUICK", "1")] };
        self.stage.run(script, arguments, &[variables, quick].concat())
    }

    /// The stand-in first on PATH, for what is run without a script.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 4] {
        self.stage.variables()
    }
}
