//! `mdss-relay secret`: what the file holds, who can read it, and what never happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod tool;

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tool::{Said, run};

fn secret(arguments: &[&str], file: &Path, stdin: &str) -> Said {
    run("secret", &[arguments, &[file.to_str().unwrap()]].concat(), &[], stdin)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    (folder, file)
}

#[test]
fn a_new_secret_is_random_and_its_owners_alone() {
    let (folder, file) = folder();
    let said = secret(&[], &file, "");
    assert_eq!(said.status, 0, "{}", said.stderr);
    let first = std::fs::read_to_string(&file).unwrap();
    let made = first.strip_suffix('\n').unwrap();
    assert!(
        made.len() == 43 && made.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{made}"
    );
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
    let path = file.display();
    let expected = format!(
        "{path}: made, and only its owner can read it\nfor the other side, which needs the same secret: cat {path}\n"
    );
    assert_eq!((said.stdout, said.stderr), (expected, String::new()));

    let other = folder.path().join("other");
    secret(&[], &other, "");
    assert_ne!(std::fs::read_to_string(&other).unwrap(), first);
}

#[test]
fn the_mode_does_not_depend_on_the_umask() {
    let (_folder, file) = folder();
    let line = format!("umask 000; exec {} secret {}", env!("CARGO_BIN_EXE_mdss-relay"), file.display());
    assert!(Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn nothing_is_written_over() {
    let (folder, file) = folder();
    std::fs::write(&file, "the old one").unwrap();
    let link = folder.path().join("link");
    symlink(folder.path().join("elsewhere"), &link).unwrap();
    for (file, arguments) in [(&file, &[][..]), (&file, &["--from-stdin"]), (&link, &[])] {
        let said = secret(arguments, file, "a-new-one");
        assert_eq!(said.status, 1);
        assert!(said.stderr.contains("exists, and a secret is never written over"), "{}", said.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the old one");
    assert!(!folder.path().join("elsewhere").exists());

    let said = secret(&[], &folder.path().join("none/token"), "");
    assert!(said.status == 1 && said.stderr.contains("its folder does not exist"), "{}", said.stderr);
}

#[test]
fn a_given_secret_is_stored_and_never_shown() {
    for (typed, kept) in [("k3y+/=\n", "k3y+/="), ("k3y+/=\r\n", "k3y+/="), ("two words", "two words")] {
        let (_folder, file) = folder();
        let said = secret(&["--from-stdin"], &file, typed);
        assert_eq!((said.status, said.stderr.as_str()), (0, ""), "{typed:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{kept}\n"));
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(said.stdout, format!("{}: made, and only its owner can read it\n", file.display()));
    }
    let long = "s3cr3t".repeat(1000);
    for (typed, expected) in [
        ("", "a secret, found nothing"),
        ("\n", "a secret, found nothing"),
        ("s3cr3t\nanother\n", "one line, found more"),
        ("s3cr3t \n", "without a blank at its beginning and end, found one"),
        ("s3c\x1br3t\n", "without control characters, found one"),
        (&long, "at most 4096 bytes, found more"),
    ] {
        let (_folder, file) = folder();
        let said = secret(&["--from-stdin"], &file, typed);
        assert!(said.status == 1 && said.stderr.contains(expected), "{typed:?}: {}", said.stderr);
        assert!(
            !said.stderr.contains("s3c") && said.stdout.is_empty() && !file.exists(),
            "{typed:?}: {}",
            said.stderr
        );
    }
}

/// A terminal in which `command` runs and `typed` is typed; {0} in both is the file that has what the terminal shows. What it has shown in the
/// end, and whether the command succeeded; nothing where there is no `script`, which makes terminals.
fn at_a_terminal(folder: &Path, command: &str, typed: &str) -> Option<(bool, String)> {
    let version =
        Command::new("script").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !drive::available("script", version.is_ok_and(|status| status.success())).unwrap() {
        return None;
    }
    let screen = folder.join("screen");
    let name = screen.to_str().unwrap();
    let shell = format!("{{ {typed}; }} | script --quiet --return --flush --command \"{command}\" {{0}}");
    let status = Command::new("sh").args(["-c", &shell.replace("{0}", name)]).stdout(Stdio::null()).status();
    Some((status.unwrap().success(), std::fs::read_to_string(&screen).unwrap()))
}

/// Typed when the question is there.
const ANSWER: &str = "until grep -q 'not shown' {0} 2> /dev/null; do sleep 0.01; done; echo s3cr3t";

#[test]
fn a_secret_that_is_typed_does_not_appear() {
    let (folder, file) = folder();
    let command = format!("{} secret --from-stdin {}", env!("CARGO_BIN_EXE_mdss-relay"), file.display());
    let Some((succeeded, seen)) = at_a_terminal(folder.path(), &command, ANSWER) else { return };
    assert!(succeeded, "{seen}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "s3cr3t\n");
    assert!(seen.contains("the secret for") && !seen.contains("s3cr3t"), "{seen}");
    assert!(!seen.contains("thrown away"), "{seen}");
}

#[test]
fn what_was_pasted_behind_the_command_is_no_secret_and_does_not_vanish_unsaid() {
    let (folder, file) = folder();
    // The terminal echoes what is typed, so that the command begins when the next line is there already.
    let command = format!(
        "until grep -q 'the next line' {{0}} 2> /dev/null; do sleep 0.01; done; {} secret --from-stdin {}",
        env!("CARGO_BIN_EXE_mdss-relay"),
        file.display()
    );
    let typed = format!("echo the next line; {ANSWER}");
    let Some((succeeded, seen)) = at_a_terminal(folder.path(), &command, &typed) else { return };
    assert!(succeeded, "{seen}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "s3cr3t\n");
    assert!(seen.contains("behind this command is thrown away"), "{seen}");
}
