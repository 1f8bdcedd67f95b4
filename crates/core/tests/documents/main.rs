//! The documents say what the code does, and their links lead somewhere.
//!
//! A table that the code can print stands between two comments, `<!-- begin: NAME -->` and `<!-- end: NAME -->`.
//! `BLESS=1` (or `make bless`) writes it anew; read the diff before you commit it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod fields;
mod functions;
mod links;
mod tables;
mod terraform;
mod twins;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the repository.
fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Two tables of one page are written one after the other.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the part of a page that the code prints with what it prints today; with `BLESS=1` writes it.
fn printed(path: &str, name: &str, today: &str) {
    let _alone = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let text = page(path);
    let (begin, end) = (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (there, after) = rest.split_once(&end)?;
        Some((before, there, after))
    });
    let Some((before, there, after)) = parts else {
        panic!("{path} has no place for this between the lines\n{begin}and\n{end}\n{today}");
    };
    let today = format!("\n{today}\n");
    if there == today {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(root().join(path), [before, &begin, &today, &end, after].concat()).unwrap();
    } else {
        panic!(
            "{path} does not say what the code does; `make bless` puts this between the comments \"{name}\":\n{today}"
        );
    }
}

/// A table in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| {
        let cells: String =
            cells.iter().map(|c| if c.is_empty() { " |".to_owned() } else { format!(" {c} |") }).collect();
        format!("|{cells}\n")
    };
    let rule = format!("|{}\n", " --- |".repeat(N));
    let rows: String = rows.into_iter().map(|row| line(&row)).collect();
    line(&head.map(str::to_owned)) + &rule + &rows
}
