//! An account at Tencent Cloud in a folder, and the scripts run on it with the recording stand-in for `tccli`
//! (`deploy/tencent/tests/fake`), which refuses what Tencent's own models do not know.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tencent").canonicalize().unwrap()
}

pub(crate) const HOST: &str = "in-1250000000.cos.ap-guangzhou.myqcloud.com";
pub(crate) const DESTROY: &[&str] = &["--region", "ap-guangzhou", "--yes"];

pub(crate) struct Account {
    stage: Stage,
}

impl Account {
    /// With the buckets `in` and `out`, and nothing else.
    pub(crate) fn new() -> Self {
        let only_looks = |command: &str| {
            [" Get", " List", " Describe", " Search", " Invoke"].iter().any(|look| command.contains(look))
        };
        let account = Self { stage: Stage::new(folder(), "FAKE_TCCLI", only_looks) };
        account.write("account.json", r#"{"buckets":["in-1250000000","out-1250000000"]}"#);
        account.write("waiting", "0");
        account.write("code.zip", "PK\u{3}\u{4}one");
        account
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

    /// All that there is.
    pub(crate) fn there(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("account.json")).unwrap()).unwrap()
    }

    pub(crate) fn change(&self, edit: impl FnOnce(&mut Value)) {
        let mut there = self.there();
        edit(&mut there);
        self.write("account.json", &there.to_string());
    }

    pub(crate) fn function(&self) -> Value {
        self.there()["functions"]["mdss-relay"].clone()
    }

    /// A variable of the function.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let function = self.function();
        let mut all = function["Environment"]["Variables"].as_array().unwrap().iter();
        all.find(|v| v["Key"] == name).map(|v| v["Value"].as_str().unwrap().to_owned())
    }

    /// Host and description of each trigger.
    pub(crate) fn triggers(&self) -> Vec<(String, String)> {
        let function = self.function();
        let text = |t: &Value, name: &str| t[name].as_str().unwrap().to_owned();
        let triggers = function["triggers"].as_array().unwrap();
        triggers.iter().map(|t| (text(t, "TriggerName"), text(t, "TriggerDesc"))).collect()
    }

    /// What every deployment needs, but for the key.
    pub(crate) fn base(&self) -> Vec<&'static str> {
        // The folder outlives no test, and neither does what is leaked here.
        let zip: &'static str = Box::leak(self.text("code.zip").into_boxed_str());
        let mut words = vec!["--zip", zip];
        words.extend(
            "--region ap-guangzhou --endpoint https://mdss.example --storage-client-id unit-1 --bucket in-1250000000"
                .split(' '),
        );
        words
    }

    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.deploy_with(more, &[])
    }

    pub(crate) fn deploy_with(&self, more: &[&str], variables: &[(&str, &str)]) -> Ran {
        let key = self.text("key");
        let variables = [&[("APIKEY_FILE", key.as_str())], variables].concat();
        self.run("deploy.sh", &[&self.base(), more].concat(), &variables)
    }

    /// No call may have been one that the stand-in does not know, or that Tencent's models refuse.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let ran = self.stage.run(script, arguments, variables);
        assert!(!ran.err.contains("status 64"), "{}", ran.err);
        ran
    }
}

/// The description of a trigger, as it has to be: JSON without a space.
pub(crate) fn described(prefix: &str, suffix: &str) -> String {
    let filter = json!({ "Prefix": prefix, "Suffix": suffix });
    format!(r#"{{"event":"cos:ObjectCreated:*","filter":{filter}}}"#)
}
