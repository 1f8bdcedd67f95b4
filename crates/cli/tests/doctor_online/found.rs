//! What doctor found, run as a process.

use std::path::Path;
use std::time::{Duration, Instant};

use mdss_sim::{DEFAULT_API_KEY, units};
use serde_json::Value;

use crate::tool;

pub(crate) const TOKEN: &str = "t0ken-of-the-test-of-doctor";

/// What doctor found.
pub(crate) struct Found {
    pub(crate) status: i32,
    pub(crate) took: Duration,
    pub(crate) checks: Vec<Value>,
    pub(crate) text: String,
}

impl Found {
    pub(crate) fn all(&self, id: &str) -> Vec<&Value> {
        self.checks.iter().filter(|check| check["id"] == id).collect()
    }

    pub(crate) fn one(&self, id: &str) -> &Value {
        match self.all(id)[..] {
            [one] => one,
            ref found => panic!("{id}: {found:#?} in {}", self.text),
        }
    }

    pub(crate) fn status_of(&self, id: &str) -> &str {
        self.one(id)["status"].as_str().unwrap()
    }

    /// Each of them was skipped because of this other one.
    pub(crate) fn assert_skipped(&self, ids: &[&str], by: &str) {
        for id in ids {
            for check in self.all(id) {
                assert_eq!((&check["status"], &check["by"]), (&"skipped".into(), &by.into()), "{check}");
            }
            assert!(!self.all(id).is_empty(), "{id}: {}", self.text);
        }
    }
}

/// What stands in one member of a check.
pub(crate) fn said<'c>(check: &'c Value, member: &str) -> &'c str {
    check[member].as_str().unwrap_or_else(|| panic!("{member} of {check}"))
}

/// Runs it with these variables beside those of a server on a port where nobody listens.
pub(crate) async fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Found {
    let defaults = [
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::S3_COMPATIBLE),
        ("RELAY_TOKEN", TOKEN),
        ("RELAY_LISTEN", "127.0.0.1:9"),
    ];
    let unset = defaults.iter().filter(|(name, _)| variables.iter().all(|(given, _)| given != name));
    let variables: Vec<(String, String)> =
        unset.chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let arguments: Vec<String> = ["--json"].iter().chain(arguments).map(|a| (*a).to_owned()).collect();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let started = Instant::now();
        let said = tool::run("doctor", &arguments, &variables, "");
        let answer: Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr));
        Found {
            status: said.status,
            took: started.elapsed(),
            checks: answer["checks"].as_array().unwrap().clone(),
            text: said.stdout + &said.stderr,
        }
    };
    let found = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(!found.text.contains("s3cret"), "{}", found.text);
    found
}

pub(crate) const NETWORK: [&str; 6] = [
    "network.connect",
    "network.proxy",
    "network.tls",
    "network.tls_expiry",
    "network.clock",
    "network.latency",
];
pub(crate) const MDSS: [&str; 4] = ["mdss.api", "mdss.key", "mdss.unit", "mdss.rate"];

pub(crate) fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
