//! `notification match`: which rule an event would have fired.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use mdss_relay_core::{Decision, Notification, NotificationVerdict, Planned, Rule, Rules, plan};
use serde::Serialize;

use crate::columns::columns;
use crate::input;
use crate::notification::{check, print, say, say_all};
use crate::visible::visible;

/// Shows which rule of a document each event would have fired, or, for each rule, the first thing that kept it from firing.
///
/// An event is any record the relay reads, of any bucket; its key is decoded as its dialect does. With JD Cloud only the
/// first rule that fits fires, with S3 every rule that fits.
///
/// Exit status: 0 if every event fired a rule, 1 if one did not, 2 if the document or an event could not be read.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Prints one line of JSON per event, also for those that could not be read.
    #[arg(long)]
    json: bool,
    /// The document.
    #[arg(value_name = "FILE")]
    document: PathBuf,
    /// Events: a bare body, or {"method","path","headers","body"}; - is standard input.
    #[arg(value_name = "EVENT", required = true)]
    events: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let name = arguments.document.to_string_lossy();
    let notification = match check::read(&arguments.document) {
        Ok(Ok(notification)) => notification,
        Ok(Err(mistakes)) => {
            say_all(&name, &mistakes);
            return ExitCode::from(2);
        }
        Err(error) => {
            say(&format!("{name}: {error}"));
            return ExitCode::from(2);
        }
    };
    for warning in notification.warnings() {
        say(&format!("warning: {name}: {warning}"));
    }
    let tried: Vec<Tried> =
        arguments.events.iter().flat_map(|file| read_events(file, &notification)).collect();
    let printed = if arguments.json {
        tried.iter().all(|event| print(&line(event, &notification)))
    } else {
        for event in &tried {
            if let Finding::Unread(sentence) = &event.verdict {
                say(&format!("{}: {sentence}", event.name()));
            }
        }
        table(&tried, &notification).iter().all(|line| print(line))
    };
    if !printed {
        // Whoever reads has left.
        return ExitCode::from(2);
    }
    let status = tried.iter().map(|event| match event.verdict {
        Finding::Tried(NotificationVerdict::Fired(_)) => 0,
        Finding::Tried(NotificationVerdict::Not(_)) | Finding::NoObject => 1,
        Finding::Unread(_) => 2,
    });
    ExitCode::from(status.max().unwrap_or(0))
}

/// One event of a file.
struct Tried {
    file: String,
    /// Its path in the delivery; `None` if the file could not be read that far.
    item: Option<String>,
    /// Whether it is the only one of its file.
    alone: bool,
    event: Option<String>,
    key: Option<String>,
    verdict: Finding,
}

enum Finding {
    Tried(NotificationVerdict),
    /// A test event, say: no rule is about it.
    NoObject,
    Unread(String),
}

impl Tried {
    fn name(&self) -> String {
        match &self.item {
            Some(item) if !self.alone => format!("{} (item {item})", self.file),
            _ => self.file.clone(),
        }
    }
}

/// Every event of a file; at least one, which may say why there is none.
fn read_events(file: &Path, notification: &Notification) -> Vec<Tried> {
    let name = file.to_string_lossy().into_owned();
    let unread = |sentence: String| {
        let verdict = Finding::Unread(sentence);
        vec![Tried { file: name.clone(), item: None, alone: true, event: None, key: None, verdict }]
    };
    let delivery = match input::delivery(file) {
        Ok(delivery) => delivery,
        Err(error) => return unread(error.to_string()),
    };
    // Without a route, so that nothing but the document decides.
    let plan = plan(&Rules::default(), &delivery);
    if plan.records.is_empty() {
        return unread("it holds no event, only an empty list of records".into());
    }
    let alone = plan.records.len() == 1;
    let tried = |record: Planned| {
        for warning in &record.warnings {
            say(&format!("warning: {name}: {}: {warning}", record.item));
        }
        let verdict = match (&record.kind, &record.key, &record.decision) {
            (None, _, Decision::Fail(failure)) => Finding::Unread(failure.detail.clone()),
            (_, None, _) => Finding::NoObject,
            (_, Some(key), _) => {
                let event = record.details.event_name.as_deref().unwrap_or_default();
                Finding::Tried(notification.verdict(event, key.as_str()))
            }
        };
        Tried {
            file: name.clone(),
            item: Some(record.item),
            alone,
            event: record.details.event_name,
            key: record.key.map(|key| key.as_str().to_owned()),
            verdict,
        }
    };
    plan.records.into_iter().map(tried).collect()
}

/// A row an event, and below those that fired nothing a line a rule.
fn table(tried: &[Tried], notification: &Notification) -> Vec<String> {
    let mut rows = vec![["EVENT", "NAME", "KEY", "RULE", "ID", "TARGET"].map(str::to_owned).to_vec()];
    let mut below: Vec<Vec<String>> = vec![Vec::new()];
    for event in tried {
        let mut row = vec![event.name()];
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        row.extend([shown(&event.event), shown(&event.key)]);
        let mut lines = Vec::new();
        match &event.verdict {
            Finding::Tried(NotificationVerdict::Fired(fired)) => {
                let rules = || fired.iter().filter_map(|i| Some((i, notification.rules().get(*i)?)));
                let joined =
                    |cell: fn((&usize, &Rule)) -> String| rules().map(cell).collect::<Vec<_>>().join(", ");
                row.push(joined(|(index, _)| index.to_string()));
                row.push(joined(|(_, rule)| rule.id.clone().unwrap_or_else(|| "-".into())));
                row.push(joined(|(_, rule)| rule.target.to_string()));
            }
            Finding::Tried(NotificationVerdict::Not(misses)) => {
                row.extend(["none", "-", "-"].map(str::to_owned));
                lines.extend(misses.iter().enumerate().map(|(index, miss)| {
                    let id = notification.rules().get(index).and_then(|rule| rule.id.as_deref());
                    let id = id.map(|id| format!(" (id {id:?})")).unwrap_or_default();
                    visible(&format!("    rule {index}{id}: {miss}"))
                }));
                if misses.is_empty() {
                    lines.push("    the document has no rules".into());
                }
            }
            Finding::NoObject => {
                row.extend(["none", "-", "-"].map(str::to_owned));
                lines.push("    the event names no object, so no rule can fire for it".into());
            }
            Finding::Unread(_) => continue,
        }
        rows.push(row);
        below.push(lines);
    }
    if rows.len() == 1 {
        return Vec::new();
    }
    columns(&rows).into_iter().zip(below).flat_map(|(row, below)| std::iter::once(row).chain(below)).collect()
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    item: Option<&'a str>,
    event: Option<&'a str>,
    key: Option<&'a str>,
    /// Null if the event could not be read.
    #[serde(rename = "match")]
    matches: Option<bool>,
    /// The rules that fired.
    rules: Vec<Named<'a>>,
    /// Why each rule did not, if none did.
    misses: Vec<JsonMiss<'a>>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Named<'a> {
    rule: usize,
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonMiss<'a> {
    #[serde(flatten)]
    rule: Named<'a>,
    field: &'static str,
    seen: &'a str,
    wanted: &'a str,
}

fn line(tried: &Tried, notification: &Notification) -> String {
    let named =
        |rule: usize| Named { rule, id: notification.rules().get(rule).and_then(|r| r.id.as_deref()) };
    let mut line = Line {
        file: &tried.file,
        item: tried.item.as_deref(),
        event: tried.event.as_deref(),
        key: tried.key.as_deref(),
        matches: None,
        rules: Vec::new(),
        misses: Vec::new(),
        error: None,
    };
    match &tried.verdict {
        Finding::Tried(NotificationVerdict::Fired(fired)) => {
            line.matches = Some(true);
            line.rules = fired.iter().map(|rule| named(*rule)).collect();
        }
        Finding::Tried(NotificationVerdict::Not(misses)) => {
            line.matches = Some(false);
            let misses = misses.iter().enumerate().map(|(index, m)| JsonMiss {
                rule: named(index),
                field: m.field.name(),
                seen: &m.seen,
                wanted: &m.wanted,
            });
            line.misses = misses.collect();
        }
        Finding::NoObject => line.matches = Some(false),
        Finding::Unread(sentence) => line.error = Some(sentence),
    }
    visible(&serde_json::to_string(&line).expect("texts, numbers and flags always serialise"))
}
