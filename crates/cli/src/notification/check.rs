//! `notification check`: whether the store would take a document, and what it says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mdss_relay_core::{Affix, Mistake, Notification, Rule};
use serde::Serialize;

use crate::columns::columns;
use crate::input;
use crate::notification::{print, say};
use crate::visible::visible;

/// Checks documents: every mistake with its line, warnings, and the rules as a table.
///
/// Addresses are shown up to the host, because a path may hold a secret.
///
/// Exit status: 0 if every document is valid, 1 if one is not, 2 if a file could not be read.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Prints one line of JSON per file.
    #[arg(long)]
    json: bool,
    /// Documents; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let mut status = 0;
    for file in &arguments.files {
        let name = file.to_string_lossy();
        let read = read(file);
        status = status.max(match &read {
            Ok(Ok(_)) => 0,
            Ok(Err(_)) => 1,
            Err(_) => 2,
        });
        let printed = match &read {
            _ if arguments.json => print(&json(&name, &read)),
            Ok(Ok(notification)) => table(&name, notification).iter().all(|line| print(line)),
            Ok(Err(mistakes)) => {
                let lines = mistakes.iter().map(|m| format!("  {}", visible(&m.to_string())));
                let head = format!("{}: invalid, {} wrong", visible(&name), mistakes.len());
                std::iter::once(head).chain(lines).all(|line| print(&line))
            }
            Err(error) => {
                say(&format!("{name}: {error}"));
                true
            }
        };
        if !printed {
            // Whoever reads has left.
            return ExitCode::from(2);
        }
    }
    ExitCode::from(status)
}

pub(super) type Read = std::io::Result<Result<Notification, Vec<Mistake>>>;

pub(super) fn read(file: &Path) -> Read {
    let document = if file.as_os_str() == "-" { input::read(file)? } else { Notification::read_file(file)? };
    Ok(Notification::parse(&document))
}

fn table(name: &str, notification: &Notification) -> Vec<String> {
    let rules = notification.rules();
    let noun = if rules.len() == 1 { "rule" } else { "rules" };
    let mut lines =
        vec![visible(&format!("{name}: valid, {}, {} {noun}", notification.store().name(), rules.len()))];
    let head = ["RULE", "LINE", "ID", "EVENTS", "PREFIX", "SUFFIX", "TARGET"].map(str::to_owned).to_vec();
    let row = |(index, rule): (usize, &Rule)| {
        let affix = |affix: &Option<Affix>| {
            affix.as_ref().map_or_else(|| "-".into(), |a| format!("{:?}", a.as_str()))
        };
        vec![
            index.to_string(),
            rule.line.to_string(),
            rule.id.clone().unwrap_or_else(|| "-".into()),
            if rule.events.is_empty() { "all".into() } else { rule.events.join(", ") },
            affix(&rule.prefix),
            affix(&rule.suffix),
            rule.target.to_string(),
        ]
    };
    if !rules.is_empty() {
        let rows: Vec<_> = std::iter::once(head).chain(rules.iter().enumerate().map(row)).collect();
        lines.extend(columns(&rows).into_iter().map(|line| format!("  {line}")));
    }
    lines.extend(notification.warnings().iter().map(|w| format!("  warning: {}", visible(w))));
    lines
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    /// Null if the file could not be read.
    valid: Option<bool>,
    store: Option<&'static str>,
    rules: Vec<JsonRule<'a>>,
    mistakes: Vec<JsonMistake<'a>>,
    warnings: &'a [String],
    error: Option<String>,
}

#[derive(Serialize)]
struct JsonRule<'a> {
    rule: usize,
    line: usize,
    id: Option<&'a str>,
    events: &'a [String],
    prefix: Option<&'a str>,
    suffix: Option<&'a str>,
    target: String,
}

#[derive(Serialize)]
struct JsonMistake<'a> {
    place: &'a str,
    found: Option<&'a str>,
    expected: &'a str,
}

fn json(name: &str, read: &Read) -> String {
    let mut line = Line {
        file: name,
        valid: None,
        store: None,
        rules: Vec::new(),
        mistakes: Vec::new(),
        warnings: &[],
        error: None,
    };
    match read {
        Ok(Ok(notification)) => {
            line.valid = Some(true);
            line.store = Some(notification.store().name());
            line.warnings = notification.warnings();
            let rules = notification.rules().iter().enumerate().map(|(rule, r)| JsonRule {
                rule,
                line: r.line,
                id: r.id.as_deref(),
                events: &r.events,
                prefix: r.prefix.as_ref().map(Affix::as_str),
                suffix: r.suffix.as_ref().map(Affix::as_str),
                target: r.target.to_string(),
            });
            line.rules = rules.collect();
        }
        Ok(Err(mistakes)) => {
            line.valid = Some(false);
            let mistakes = mistakes.iter().map(|m| JsonMistake {
                place: &m.name,
                found: m.found.as_deref(),
                expected: &m.expected,
            });
            line.mistakes = mistakes.collect();
        }
        Err(error) => line.error = Some(error.to_string()),
    }
    visible(&serde_json::to_string(&line).expect("texts, numbers and flags always serialise"))
}
