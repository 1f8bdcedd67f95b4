//! Scripts of `deploy/aws` and `deploy/oci`, run with a recording stand-in for the provider's command line first on PATH. The
//! tests of both take this file in by its path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Everything that JSON and a shell could trip over, and no white space.
pub(crate) const KEY: &str = r#"s3cr3t"\$(id)'`é"#;

/// One call of the command line, as the stand-in saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call(pub(crate) Vec<String>);

impl Call {
    /// The words before the first option.
    pub(crate) fn command(&self) -> String {
        self.0.iter().take_while(|w| !w.starts_with('-')).cloned().collect::<Vec<_>>().join(" ")
    }

    /// What an option is given, as the next word or behind a sign of equality.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        let joined = self.0.iter().find_map(|w| w.strip_prefix(option)?.strip_prefix('='));
        joined.or_else(|| {
            let at = self.0.iter().position(|w| w == option)?;
            self.0.get(at + 1).map(String::as_str)
        })
    }
}

pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) calls: Vec<Call>,
    only_looks: fn(&str) -> bool,
}

impl Ran {
    pub(crate) fn commands(&self) -> Vec<String> {
        self.calls.iter().map(Call::command).collect()
    }

    /// The commands that change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.commands().into_iter().filter(|c| !(self.only_looks)(c)).collect()
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

/// A folder in which the stand-in keeps what the provider would keep, and the scripts that are run on it.
pub(crate) struct Stage {
    scripts: PathBuf,
    /// The variable that names the folder to the stand-in.
    variable: &'static str,
    /// Whether a command changes nothing.
    only_looks: fn(&str) -> bool,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn new(scripts: PathBuf, variable: &'static str, only_looks: fn(&str) -> bool) -> Self {
        let stage = Self { scripts, variable, only_looks, folder: tempfile::tempdir().unwrap() };
        for name in ["calls", "given", "tmp"] {
            fs::create_dir(stage.path(name)).unwrap();
        }
        fs::write(stage.path("key"), format!("{KEY}\r\n")).unwrap();
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the stand-in needs to know: where it is found, and where it keeps things.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 4] {
        let path =
            format!("{}:{}", self.scripts.join("tests/fake").display(), std::env::var("PATH").unwrap());
        [
            ("PATH", path.into()),
            ("TMPDIR", self.path("tmp")),
            (self.variable, self.folder.path().to_owned()),
            ("RELAY_DEPLOY_PAUSE", "0".into()),
        ]
    }

    /// Every run, whatever it is for, is checked for what must hold always.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        for folder in ["calls", "given"] {
            fs::remove_dir_all(self.path(folder)).unwrap();
            fs::create_dir(self.path(folder)).unwrap();
        }
        let mut command = Command::new(self.scripts.join(script));
        for ours in ["APIKEY", "APIKEY_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "ALIBABA_CLOUD_REGION_ID"] {
            command.env_remove(ours);
        }
        let output = command
            .args(arguments)
            .envs(self.variables())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut names = self.files("calls");
        names.sort();
        let read = |p: &PathBuf| Call(fs::read_to_string(p).unwrap().lines().map(str::to_owned).collect());
        let ran = Ran {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            calls: names.iter().map(read).collect(),
            only_looks: self.only_looks,
        };
        self.keeps_the_key(&ran);
        let left = self.files("tmp");
        assert!(left.is_empty(), "left behind: {left:?}");
        ran
    }

    fn files(&self, name: &str) -> Vec<PathBuf> {
        fs::read_dir(self.path(name)).unwrap().map(|e| e.unwrap().path()).collect()
    }

    /// Neither printed nor an argument, and in no file that others may read.
    fn keeps_the_key(&self, ran: &Ran) {
        let escaped = serde_json::to_string(KEY).unwrap();
        for secret in [KEY, escaped.trim_matches('"')] {
            let printed = ran.out.contains(secret) || ran.err.contains(secret);
            assert!(!printed, "the key is printed:\n{}{}", ran.out, ran.err);
            for call in &ran.calls {
                assert!(!call.0.iter().any(|w| w.contains(secret)), "the key is an argument: {call:?}");
            }
        }
        for mode in fs::read_to_string(self.path("modes")).unwrap_or_default().lines() {
            // What lies in the repository is everybody's to read.
            let theirs = is_below(mode, &self.scripts);
            assert!(theirs || mode.starts_with("600 ") || mode.starts_with("700 "), "others may read {mode}");
        }
    }
}

fn is_below(mode: &str, folder: &Path) -> bool {
    mode.contains(&*folder.to_string_lossy())
}
