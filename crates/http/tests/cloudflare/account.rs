//! A Cloudflare account in a folder, and the scripts run on it with the recording stand-in (`deploy/cloudflare/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli;
use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/cloudflare").canonicalize().unwrap()
}

pub(crate) struct Account {
    stage: Stage,
}

impl Account {
    /// With the bucket `inbox`.
    pub(crate) fn new() -> Self {
        let only_looks = |command: &str| ["info", "list", "tail "].iter().any(|look| command.contains(look));
        let account = Self { stage: Stage::new(folder(), "FAKE_CF", only_looks) };
        fs::create_dir(account.path("queues")).unwrap();
        account
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn secrets(&self) -> Value {
        serde_json::from_str(&self.read("secrets.json")).unwrap()
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        let base = ["--url", "https://relay.example/r2?a=b&c=d", "--bucket", "inbox"];
        self.run("deploy.sh", &[&base, more].concat(), &[("RELAY_SECRET_FILE", &self.text("key"))])
    }

    /// Every call is one that the real command line would take.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let ran = self.stage.run(script, arguments, variables);
        let cli = cli::options_in(&folder());
        ran.calls.iter().for_each(|call| cli::takes(&cli, call));
        ran
    }
}
