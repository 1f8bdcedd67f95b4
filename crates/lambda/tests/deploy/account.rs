//! An AWS account in a folder, and the scripts run on it with the recording stand-in for `aws` (`deploy/aws/tests/fake`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Everything that JSON and a shell could trip over, and no white space.
pub(crate) const KEY: &str = r#"s3cr3t"\$(id)'`é"#;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/aws").canonicalize().unwrap()
}

/// One call of `aws`, as the stand-in saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call(pub(crate) Vec<String>);

impl Call {
    /// Service and operation.
    pub(crate) fn command(&self) -> String {
        self.0.iter().take_while(|w| !w.starts_with('-')).cloned().collect::<Vec<_>>().join(" ")
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
        let looks = [" get-", " describe-", " filter-", " wait"];
        self.commands().into_iter().filter(|c| !looks.iter().any(|l| c.contains(l))).collect()
    }

    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, sentence: &str) -> Self {
        assert!(self.err.contains(sentence), "{sentence} is not in:\n{}", self.err);
        self
    }
}

pub(crate) struct Account {
    folder: TempDir,
}

impl Account {
    /// With the buckets `inbox` and `outbox` in eu-west-1.
    pub(crate) fn new() -> Self {
        let account = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["calls", "given", "region", "notification", "tmp"] {
            fs::create_dir(account.path(name)).unwrap();
        }
        for (name, text) in [
            ("region/inbox", "eu-west-1\n"),
            ("region/outbox", "eu-west-1\n"),
            ("waiting", "0.0\n"),
            ("key", &format!("{KEY}\r\n")),
            ("code.zip", "PK\u{3}\u{4}one"),
        ] {
            account.write(name, text);
        }
        account
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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

    /// Every run, whatever it is for, is checked for what must hold always.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        for folder in ["calls", "given"] {
            fs::remove_dir_all(self.path(folder)).unwrap();
            fs::create_dir(self.path(folder)).unwrap();
        }
        let path = format!("{}:{}", folder().join("tests/fake").display(), std::env::var("PATH").unwrap());
        let output = Command::new(folder().join(script))
            .args(arguments)
            .env_remove("APIKEY")
            .env_remove("APIKEY_FILE")
            .env_remove("AWS_REGION")
            .env_remove("AWS_DEFAULT_REGION")
            .env("PATH", path)
            .env("TMPDIR", self.path("tmp"))
            .env("FAKE_AWS", self.folder.path())
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
            let ours = !mode.contains(&*folder().to_string_lossy());
            assert!(!ours || mode.starts_with("600 ") || mode.starts_with("700 "), "others may read {mode}");
        }
        ran
    }
}
