//! Which zip is deployed if none is named: what `make dist` has left.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::account::{Account, folder};
use crate::scripts::Ran;

/// A repository with the scripts and with these zips in `dist/lambda`.
fn repository(architectures: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let status =
        Command::new("cp").arg("-r").arg(folder().parent().unwrap()).arg(root.path()).status().unwrap();
    assert!(status.success());
    fs::create_dir_all(root.path().join("dist/lambda")).unwrap();
    for architecture in architectures {
        let zip = root.path().join(format!("dist/lambda/mdss-relay-lambda-{architecture}.zip"));
        fs::write(zip, format!("PK\u{3}\u{4}{architecture}")).unwrap();
    }
    root
}

/// The architecture of the stack that is made without `--zip`.
fn deployed(made: &[&str], more: &[&str]) -> (Ran, Option<String>) {
    let root = repository(made);
    let account = Account::with_scripts(root.path().join("deploy/aws").canonicalize().unwrap());
    let words = [&account.base()[2..], more].concat();
    let ran = account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))]);
    let architecture = if ran.status == Some(0) { account.parameter("Architecture") } else { None };
    (ran, architecture)
}

#[test]
fn what_was_built_is_what_is_deployed() {
    for (made, more, expected) in [
        (&["x86_64"][..], &[][..], "x86_64"),
        (&["arm64"], &[], "arm64"),
        (&["arm64", "x86_64"], &[], "arm64"),
        (&["arm64", "x86_64"], &["--architecture", "x86_64"], "x86_64"),
    ] {
        let (ran, architecture) = deployed(made, more);
        ran.ended(0);
        assert_eq!(architecture.as_deref(), Some(expected), "{made:?} {more:?}");
    }
}

#[test]
fn without_a_zip_it_says_what_makes_one() {
    let missing = "--zip: missing, and there is no zip in dist/lambda; 'make dist' makes one";
    deployed(&[], &[]).0.ended(2).says(missing);
    deployed(&["x86_64"], &["--architecture", "arm64"])
        .0
        .ended(2)
        .says("there is no arm64 zip in dist/lambda");
}

#[test]
fn a_zip_of_another_architecture_is_a_mistake() {
    let root = repository(&["x86_64"]);
    let zip = root.path().join("dist/lambda/mdss-relay-lambda-x86_64.zip");
    let account = Account::new();
    let words = [&account.base()[2..], &["--architecture", "arm64", "--zip", zip.to_str().unwrap()]].concat();
    account.run("deploy.sh", &words, &[]).ended(2).says("by its name the zip");
    // A name that says nothing leaves it to who deploys.
    let words = [account.base().as_slice(), &["--architecture", "x86_64"]].concat();
    account.run("deploy.sh", &words, &[("APIKEY_FILE", &account.text("key"))]).ended(0);
    assert_eq!(account.parameter("Architecture").as_deref(), Some("x86_64"));
}
