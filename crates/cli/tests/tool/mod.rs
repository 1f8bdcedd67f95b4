//! The operator's tool as a process, in the root of the repository and with no environment but what is given.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "support of tests, which clippy takes for production code"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub struct Said {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn root() -> PathBuf {
    std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

pub fn run(command: &str, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mdss-relay"))
        .arg(command)
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that has nothing to read may have gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
