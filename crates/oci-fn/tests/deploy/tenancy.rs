//! A tenancy in a folder, and the scripts run on it with the recording stand-in for `oci` (`deploy/oci/tests/fake`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::cli;

/// Everything that JSON and a shell could trip over, and no white space.
pub(crate) const KEY: &str = r#"s3cr3t"\$(id)'`é"#;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/oci").canonicalize().unwrap()
}

/// One call of `oci`, as the stand-in saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call(pub(crate) Vec<String>);

impl Call {
    /// The words before the first option.
    pub(crate) fn command(&self) -> String {
        let words = self.0.iter().take_while(|w| !w.starts_with('-')).map(String::as_str);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Options with their values; of an option given twice, all of them.
    pub(crate) fn options(&self, is_flag: impl Fn(&str) -> bool) -> Vec<(String, Option<String>)> {
        let mut words = self.0.iter().skip_while(|w| !w.starts_with('-'));
        let mut options = Vec::new();
        while let Some(name) = words.next() {
            let value = if is_flag(name) { None } else { Some(words.next().cloned().unwrap_or_default()) };
            options.push((name.clone(), value));
        }
        options
    }

    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        let at = self.0.iter().position(|w| w == option)?;
        self.0.get(at + 1).map(String::as_str)
    }
}

pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) calls: Vec<Call>,
}

impl Ran {
    pub(crate) fn commands(&self) -> Vec<String> {
        self.calls.iter().map(Call::command).collect()
    }

    /// The commands that change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        let looks = [" list", " get", " create --help", " search-logs"];
        self.commands()
            .into_iter()
            .filter(|c| !looks.iter().any(|l| c.ends_with(l)) && c != "fn function create")
            .collect()
    }

    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }
}

/// A tenancy in a folder.
pub(crate) struct Tenancy {
    pub(crate) folder: TempDir,
}

impl Tenancy {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["calls", "given", "things", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("help"), "Commands:\n  container-function  Creates a new function.\n")
            .unwrap();
        fs::write(folder.path().join("key"), format!("{KEY}\r\n")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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

    /// Every run, whatever it is for, is checked for what must hold always.
    pub(crate) fn run_with(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        for folder in ["calls", "given"] {
            fs::remove_dir_all(self.path(folder)).unwrap();
            fs::create_dir(self.path(folder)).unwrap();
        }
        let path = format!("{}:{}", folder().join("tests/fake").display(), std::env::var("PATH").unwrap());
        let output = Command::new(folder().join(script))
            .args(arguments)
            .env_remove("APIKEY")
            .env_remove("APIKEY_FILE")
            .env("PATH", path)
            .env("TMPDIR", self.path("tmp"))
            .env("FAKE_OCI", self.folder.path())
            .env("RELAY_DEPLOY_PAUSE", "0")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut names: Vec<_> =
            fs::read_dir(self.path("calls")).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        let read = |p: &PathBuf| Call(fs::read_to_string(p).unwrap().lines().map(str::to_owned).collect());
        let ran = Ran {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            calls: names.iter().map(read).collect(),
        };
        let escaped = serde_json::to_string(KEY).unwrap();
        for secret in [KEY, escaped.trim_matches('"')] {
            assert!(
                !ran.out.contains(secret) && !ran.err.contains(secret),
                "the key is printed:\n{}{}",
                ran.out,
                ran.err
            );
            for call in &ran.calls {
                assert!(!call.0.iter().any(|w| w.contains(secret)), "the key is an argument: {call:?}");
            }
        }
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        for mode in fs::read_to_string(self.path("modes")).unwrap_or_default().lines() {
            assert!(mode.starts_with("600 ") || mode.starts_with("700 "), "others may read {mode}");
        }
        for call in &ran.calls {
            cli::takes(call);
        }
        ran
    }
}
