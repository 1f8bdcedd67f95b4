//! An Azure subscription in a folder, and the scripts run on it with the recording stand-in for `az` (`deploy/azure/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli;
use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/azure").canonicalize().unwrap()
}

pub(crate) struct Subscription {
    stage: Stage,
}

impl Subscription {
    /// With the storage account `acct` and its containers `inbox` and `outbox`.
    pub(crate) fn new() -> Self {
        let only_looks =
            |command: &str| [" show", " list", " get", "rest"].iter().any(|look| command.contains(look));
        let subscription = Self { stage: Stage::new(folder(), "FAKE_AZ", only_looks) };
        for name in ["queue", "poison", "dead", "waiting", "alarms"] {
            fs::create_dir(subscription.path(name)).unwrap();
        }
        for (name, text) in [
            ("kind", "StorageV2\n"),
            ("containers", "inbox\noutbox\n$web\n"),
            ("waiting/queue", "0\n"),
            ("waiting/poison", "None\n"),
            ("code.zip", "PK\u{3}\u{4}one"),
        ] {
            subscription.write(name, text);
        }
        subscription
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

    /// A parameter of what was deployed last: `relay` or `events`.
    pub(crate) fn parameter(&self, deployment: &str, name: &str) -> Value {
        let text = fs::read_to_string(self.path(&format!("{deployment}.json"))).unwrap();
        let parameters: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{deployment}: {e}: {text}"));
        parameters["parameters"][name]["value"].clone()
    }

    /// The names in a folder of the stand-in.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What every deployment needs, except the key.
    pub(crate) fn base(&self) -> Vec<&'static str> {
        // The folder outlives no test, and neither does what is leaked here.
        let zip: &'static str = Box::leak(self.text("code.zip").into_boxed_str());
        let mut words = vec!["--zip", zip];
        words.extend(
            "--resource-group relay --location northeurope --endpoint https://mdss.example --storage-client-id unit-1 --account acct --container inbox"
                .split(' '),
        );
        words
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.run("deploy.sh", &[&self.base(), more].concat(), &[("APIKEY_FILE", &self.text("key"))])
    }

    /// Every call is one that the real command line would take.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let ran = self.stage.run(script, arguments, variables);
        let cli = cli::options_in(&folder());
        ran.calls.iter().for_each(|call| cli::takes(&cli, call));
        ran
    }
}
