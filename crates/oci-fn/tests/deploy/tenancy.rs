//! A tenancy in a folder, and the scripts run on it with the recording stand-in for `oci` (`deploy/oci/tests/fake`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::scripts::{Ran, Stage};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/oci").canonicalize().unwrap()
}

/// A tenancy in a folder.
pub(crate) struct Tenancy {
    pub(crate) stage: Stage,
}

impl Tenancy {
    pub(crate) fn new() -> Self {
        // `fn function create` is only asked for its help.
        let only_looks = |command: &str| {
            let looks = [" list", " get", " create --help", " search-logs"];
            looks.iter().any(|look| command.ends_with(look)) || command == "fn function create"
        };
        let tenancy = Self { stage: Stage::new(folder(), "FAKE_OCI", only_looks) };
        fs::create_dir(tenancy.path("things")).unwrap();
        let help = "Commands:\n  container-function  Creates a new function.\n";
        fs::write(tenancy.path("help"), help).unwrap();
        tenancy
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.stage.path(name)
    }

    pub(crate) fn has(&self, kind: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("things").join(kind)) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn everything(&self) -> BTreeMap<&'static str, Vec<String>> {
        ["application", "function", "loggroup", "log", "rule", "policy"].map(|k| (k, self.has(k))).into()
    }

    pub(crate) fn put(&self, kind: &str, name: &str) {
        let folder = self.path("things").join(kind);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), format!("ocid1.{kind}.oc1..{name}\n")).unwrap();
    }

    /// The file an option named, in the last call that gave it.
    pub(crate) fn given(&self, option: &str) -> String {
        let mut names: Vec<_> =
            fs::read_dir(self.path("given")).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        let last = names.iter().rfind(|p| p.to_str().unwrap().ends_with(option));
        fs::read_to_string(last.unwrap_or_else(|| panic!("no call gave {option} a file"))).unwrap()
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Ran {
        self.run_with(script, arguments, &[("APIKEY_FILE", self.path("key").to_str().unwrap())])
    }

    /// Whatever it is for, what is called is compared with what the real command line takes.
    pub(crate) fn run_with(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let ran = self.stage.run(script, arguments, variables);
        for call in &ran.calls {
            cli::takes(call);
        }
        ran
    }
}
