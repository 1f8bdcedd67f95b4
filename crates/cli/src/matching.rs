//! `match`: tries a condition on events, or suggests one, before a route or a rule of OCI relies on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use mdss_relay_core::{Condition, Mismatch, Subject, subjects, suggest};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::input;
use crate::visible::visible;

/// Tries a condition on events: shows which events match, and for each other event the first field that does not.
///
/// A condition is the filter of an OCI Events rule; routes use the same language. An event is what a route's condition
/// looks at: a whole OCI event, or each element of the Records of other providers, also inside queue messages. Prints one
/// line per event. Events that could not be read are reported on standard error.
///
/// Exit status: 0 if every event matched, 1 if one did not, 2 if the condition or an event could not be read.
#[derive(Args)]
#[command(group(ArgGroup::new("task").required(true)))]
pub(crate) struct Arguments {
    /// The condition: a file of JSON, or the JSON itself.
    #[arg(long, group = "task", value_name = "FILE|JSON")]
    condition: Option<String>,
    /// Prints a condition that matches all the given OCI events instead, made of their types, buckets, namespaces and the common beginning of their names.
    #[arg(long, group = "task")]
    suggest: bool,
    /// Prints one line of JSON per event, also for those that could not be read.
    #[arg(long, conflicts_with = "suggest")]
    json: bool,
    /// Events: a bare body, or {"method","path","headers","body"}; - is standard input.
    #[arg(value_name = "EVENT", required = true)]
    events: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Some(condition) = &arguments.condition else { return suggested(&arguments.events) };
    let condition = match read_condition(condition) {
        Ok(condition) => condition,
        Err(sentences) => {
            for sentence in sentences {
                say(&sentence);
            }
            return ExitCode::from(2);
        }
    };
    for warning in condition.warnings() {
        say(&format!("warning: {warning}"));
    }
    let mut status = 0;
    for file in &arguments.events {
        for event in read_events(file) {
            let verdict = match &event.json {
                Ok(json) => condition.mismatch(json),
                Err(sentence) => Err(sentence.clone()),
            };
            status = status.max(match &verdict {
                Ok(None) => 0,
                Ok(Some(_)) => 1,
                Err(_) => 2,
            });
            let line = match verdict {
                verdict if arguments.json => line(&event, verdict),
                Ok(None) => visible(&format!("match {}", event.name())),
                Ok(Some(mismatch)) => visible(&format!("no match {}: {mismatch}", event.name())),
                Err(sentence) => {
                    say(&format!("{}: {sentence}", event.name()));
                    continue;
                }
            };
            if writeln!(std::io::stdout(), "{line}").is_err() {
                // Whoever reads has left.
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::from(status)
}

fn suggested(files: &[PathBuf]) -> ExitCode {
    let events: Vec<Event> = files.iter().flat_map(|file| read_events(file)).collect();
    let mut texts = Vec::new();
    for event in &events {
        match &event.json {
            Ok(json) => texts.push(json.as_str()),
            Err(sentence) => say(&format!("{}: {sentence}", event.name())),
        }
    }
    if texts.len() < events.len() {
        return ExitCode::from(2);
    }
    match suggest(&texts) {
        Ok(condition) if writeln!(std::io::stdout(), "{}", visible(&condition)).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err((index, sentence)) => {
            say(&format!("{}: {sentence}", events.get(index).map(Event::name).unwrap_or_default()));
            ExitCode::from(2)
        }
    }
}

/// What begins like JSON is a condition, everything else names a file that holds one.
fn read_condition(argument: &str) -> Result<Condition, Vec<String>> {
    let text = if argument.trim_start().starts_with(['{', '[', '"']) {
        argument.to_owned()
    } else {
        std::fs::read_to_string(argument).map_err(|e| {
            vec![format!("{argument}: expected a file with a condition, or JSON that begins with {{ ({e})")]
        })?
    };
    Condition::from_json(&text).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

/// One event of a file.
struct Event {
    file: String,
    /// Its path in the delivery; `None` if the file could not be read that far.
    item: Option<String>,
    /// Whether it is the only one of its file.
    alone: bool,
    json: Result<String, String>,
}

impl Event {
    fn name(&self) -> String {
        match &self.item {
            Some(item) if !self.alone => format!("{} (item {item})", self.file),
            _ => self.file.clone(),
        }
    }
}

/// Every event of a file; at least one, which may say why there is none.
fn read_events(file: &Path) -> Vec<Event> {
    let name = file.to_string_lossy().into_owned();
    let unread =
        |sentence: String| vec![Event { file: name.clone(), item: None, alone: true, json: Err(sentence) }];
    let delivery = match input::delivery(file) {
        Ok(delivery) => delivery,
        Err(error) => return unread(error.to_string()),
    };
    let subjects = subjects(&delivery);
    if subjects.is_empty() {
        return unread("it holds no event, only an empty list of records".into());
    }
    let alone = subjects.len() == 1;
    let event = |subject: Subject| Event {
        file: name.clone(),
        item: Some(subject.item),
        alone,
        json: subject.event.map_err(|failure| failure.detail),
    };
    subjects.into_iter().map(event).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    item: Option<&'a str>,
    /// Null if the event could not be read.
    #[serde(rename = "match")]
    matches: Option<bool>,
    /// The first field that decided.
    field: Option<String>,
    /// Whether the event has no such field; a field that is there may be null.
    absent: bool,
    seen: Option<Box<RawValue>>,
    wanted: Option<Box<RawValue>>,
    error: Option<String>,
}

fn line(event: &Event, verdict: Result<Option<Mismatch>, String>) -> String {
    let json = |text: String| RawValue::from_string(text).ok();
    let mut line = Line {
        file: &event.file,
        item: event.item.as_deref(),
        matches: None,
        field: None,
        absent: false,
        seen: None,
        wanted: None,
        error: None,
    };
    match verdict {
        Ok(None) => line.matches = Some(true),
        Ok(Some(mismatch)) => {
            line.matches = Some(false);
            line.field = Some(mismatch.field);
            line.absent = mismatch.seen.is_none();
            line.seen = mismatch.seen.and_then(json);
            line.wanted = json(mismatch.wanted);
        }
        Err(sentence) => line.error = Some(sentence),
    }
    visible(&serde_json::to_string(&line).expect("texts, flags and JSON always serialise"))
}

/// A line for people; nobody minds if they have gone.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "mdss-relay match: {}", visible(sentence));
}
