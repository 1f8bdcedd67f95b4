//! `notification`: a bucket's notification configuration, written, checked and tried, before a store relies on it.

mod check;
mod format;
mod matching;
mod write;

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;
use mdss_relay_core::Mistake;

use crate::visible::visible;

/// Writes, checks and tries the document in which a bucket says which events it sends, and where (JD Cloud, S3 and stores like it).
///
/// MinIO keeps such a document, too, but takes it from its own tool: `write --s3-queue arn:minio:sqs::NAME:webhook --format mc` prints the
/// lines for `mc event add`. OCI, Azure and Google have none: their rules name events, and `match` tries an OCI rule's condition.
#[derive(Subcommand)]
pub(crate) enum Command {
    Write(write::Arguments),
    Check(check::Arguments),
    Match(matching::Arguments),
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Write(arguments) => write::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Match(arguments) => matching::run(arguments),
    }
}

/// Prints a line; false if whoever reads has left.
fn print(line: &str) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}

/// A line for people; nobody minds if they have gone.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay notification: {}", visible(sentence));
}

fn say_all(what: &str, mistakes: &[Mistake]) {
    for mistake in mistakes {
        say(&format!("{what}: {mistake}"));
    }
}
