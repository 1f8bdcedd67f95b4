//! The man pages and the completions, as `mdss-relay pages` writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod tool;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use mdss_relay_core::{Applies, SETTINGS};
use tempfile::TempDir;

fn written() -> TempDir {
    let share = tempfile::tempdir().unwrap();
    let said = tool::run("pages", &[share.path().to_str().unwrap()], &[], "");
    assert_eq!((said.status, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
    share
}

fn read(share: &TempDir, name: &str) -> String {
    fs::read_to_string(share.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A page as it is read: roff writes a dash as `\-`, and begins no line with a dot that is text.
fn plain(page: &str) -> String {
    page.replace("\\-", "-").replace("\\&", "")
}

#[test]
fn the_servers_page_has_every_variable_and_the_files_page_every_member() {
    let share = written();
    let (server, file) = (
        plain(&read(&share, "man/man8/mdss-relay-http.8")),
        plain(&read(&share, "man/man5/mdss-relay.toml.5")),
    );
    for setting in SETTINGS {
        let here = server.contains(&format!("\\fB{}\\fR", setting.variable));
        assert_eq!(here, setting.means_something_in(Applies::Http), "{}", setting.variable);
        if let Some(member) = setting.toml {
            assert!(file.contains(&format!("\\fB{member}\\fR")), "{member}");
        }
    }
    assert!(server.contains(concat!("mdss-relay ", env!("CARGO_PKG_VERSION"))), "{server}");
}

#[test]
fn every_command_has_a_page_and_every_shell_knows_the_commands() {
    let share = written();
    let help = tool::run("--help", &[], &[], "").stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 4, "{help}");
    for command in &commands {
        let page = plain(&read(&share, &format!("man/man1/mdss-relay-{command}.1")));
        assert!(page.contains(&format!("mdss-relay-{command}")), "{page}");
        let title = format!(
            ".TH mdss-relay-{command} 1 \"\" \"mdss-relay {}\" mdss-relay",
            env!("CARGO_PKG_VERSION")
        );
        assert!(page.contains(&title), "{title} is not in {page}");
    }
    for place in [
        "bash-completion/completions/mdss-relay",
        "zsh/site-functions/_mdss-relay",
        "fish/vendor_completions.d/mdss-relay.fish",
    ] {
        let text = read(&share, place);
        for command in commands.iter().copied().chain(["purge", "--data-dir"]) {
            assert!(text.contains(command.trim_start_matches('-')), "{place}: {command}");
        }
    }
}

#[test]
fn bash_completes_a_command() {
    let share = written();
    let script = share.path().join("bash-completion/completions/mdss-relay");
    let asks = "source \"$0\" && COMP_WORDS=(mdss-relay spool pur) COMP_CWORD=2 && _mdss__relay mdss-relay pur spool && echo \"${COMPREPLY[*]}\"";
    let out = Command::new("bash").arg("-c").arg(asks).arg(script).stderr(Stdio::inherit()).output();
    match out {
        Ok(out) => assert_eq!(String::from_utf8_lossy(&out.stdout), "purge\n"),
        // Not every system has a bash.
        Err(_) => eprintln!("SKIPPED: bash is not here"),
    }
}

#[test]
fn the_same_tool_writes_the_same_pages() {
    let (one, other) = (written(), written());
    let mut seen = 0;
    compare(one.path(), other.path(), &mut seen);
    assert!(seen > 10, "{seen}");
}

fn compare(one: &Path, other: &Path, seen: &mut usize) {
    for entry in fs::read_dir(one).unwrap() {
        let path = entry.unwrap().path();
        let twin = other.join(path.file_name().unwrap());
        if path.is_dir() {
            compare(&path, &twin, seen);
        } else {
            assert_eq!(fs::read(&path).unwrap(), fs::read(&twin).unwrap(), "{}", path.display());
            *seen += 1;
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = file.path().join("share");
    let said = tool::run("pages", &[place.to_str().unwrap()], &[], "");
    assert_eq!(said.status, 1);
    assert!(said.stderr.contains(place.to_str().unwrap()), "{}", said.stderr);
}
