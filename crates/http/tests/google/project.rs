//! A project of Google Cloud in a folder, and the scripts run on it with the recording stand-in for `gcloud`
//! (`deploy/google/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli;
use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/google").canonicalize().unwrap()
}

/// What every deployment needs, except the key.
pub(crate) const BASE: &[&str] = &[
    "--project",
    "demo-project",
    "--region",
    "europe-west1",
    "--image",
    "europe-west1-docker.pkg.dev/demo-project/relay/mdss-relay-http:0.1.0",
    "--endpoint",
    "https://mdss.example",
    "--storage-client-id",
    "unit-1",
    "--bucket",
    "inbox",
];

pub(crate) struct Project {
    stage: Stage,
}

impl Project {
    /// With the buckets `inbox`, which has somebody else's notification, and `outbox`.
    pub(crate) fn new() -> Self {
        let only_looks = |command: &str| {
            [" describe", " list", " read", " pull", " access", "service-agent"]
                .iter()
                .any(|look| command.contains(look))
        };
        let project = Self { stage: Stage::new(folder(), "FAKE_GCLOUD", only_looks) };
        for name in ["there", "buckets"] {
            fs::create_dir(project.path(name)).unwrap();
        }
        let theirs = r#"[{"id":"1","topic":"//pubsub.googleapis.com/projects/demo-project/topics/theirs"}]"#;
        project.write("buckets/inbox", theirs);
        project.write("buckets/outbox", "[]");
        project.write("rights", "");
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

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Ids and prefixes of a bucket's notifications for our topic.
    pub(crate) fn notifications(&self, bucket: &str) -> Vec<(String, String)> {
        let all: Value = serde_json::from_str(&self.read(&format!("buckets/{bucket}"))).unwrap();
        let ours = all.as_array().unwrap().iter();
        let ours = ours.filter(|n| n["topic"].as_str().unwrap().ends_with("/topics/mdss-relay"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ours.map(|n| (text(&n["id"]), text(&n["object_name_prefix"]))).collect()
    }

    /// What exists.
    pub(crate) fn there(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("there")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Everything that a run leaves behind.
    pub(crate) fn state(&self) -> Vec<String> {
        let mut state: Vec<_> =
            self.there().iter().map(|n| format!("{n}: {}", self.read(&format!("there/{n}")))).collect();
        state.extend(["rights", "variables", "secret", "version"].map(|name| self.read(name)));
        state.extend(["inbox", "outbox"].iter().map(|b| format!("{b}: {:?}", self.notifications(b))));
        state
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.run("deploy.sh", &[BASE, more].concat(), &[("APIKEY_FILE", &self.text("key"))])
    }

    /// Every call is one that the real command line would take.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let ran = self.stage.run(script, arguments, variables);
        let cli = cli::options_in(&folder());
        ran.calls.iter().for_each(|call| cli::takes(&cli, call));
        ran
    }
}
