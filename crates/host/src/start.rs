//! The first lines of every process: its command line, its settings, its log.

use std::ffi::OsString;

use crate::logs::logs_as;
use crate::{Exit, Logs, Others, Shown, Writing, arguments, settings_failure};

/// A program, as its command line and its log know it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it does, to follow the name in `--help`.
    pub about: &'static str,
    /// The part of `--help` that lists its settings.
    pub settings: fn() -> String,
    /// What becomes of arguments.
    pub others: Others,
    /// How its log is written.
    pub writing: Writing,
    /// The name of the setting that holds the log's filter.
    pub filter_name: &'static str,
}

/// Settings as a program has read them.
#[derive(Debug)]
pub struct Read<T> {
    /// The log's filter.
    pub filter: String,
    /// How a line of a queued log is shown; `None`: as JSON.
    pub shown: Option<Shown>,
    /// What should be seen although it is no mistake.
    pub warnings: Vec<String>,
    /// What the program runs with, or every mistake.
    pub outcome: Result<T, Vec<String>>,
}

/// Starts a program: looks at its command line, has its variables read, starts its log. The log is kept until the process ends.
///
/// # Errors
/// The exit code with which the process must end, before it has opened anything: after `--help`, `--version` or a refused
/// argument; or after every mistake was printed, and the one in the filter if there is one.
pub fn start<T>(
    program: &Program,
    read: impl FnOnce(Vec<(OsString, OsString)>) -> Read<T>,
) -> Result<(T, Logs), Exit> {
    let Program { name, about, settings, others, writing, filter_name } = *program;
    if let Some(exit) = arguments(name, about, settings, others, std::env::args_os().skip(1)) {
        return Err(exit);
    }
    let read = read(std::env::vars_os().collect());
    let (outcome, logs) = match (read.outcome, logs_as(read.shown, &read.filter, writing)) {
        (Ok(outcome), Ok(logs)) => (outcome, logs),
        (outcome, logs) => {
            let mut mistakes = outcome.err().unwrap_or_default();
            mistakes.extend(logs.err().map(|mistake| format!("{filter_name}: {mistake}")));
            return Err(settings_failure(name, &mistakes));
        }
    };
    for warning in &read.warnings {
        tracing::warn!("{warning}");
    }
    Ok((outcome, logs))
}
