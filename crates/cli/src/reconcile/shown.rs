//! What a run has found, for people and for programs.

use std::time::Duration;

use mdss_relay_reconcile::{Counts, MissingObject, Outcome, Question, Resumed, Target};
use serde_json::{Map, Value, json};

use crate::columns::columns;
use crate::visible::visible;

/// Where a run goes on.
pub(super) fn resumed(resumed: &Resumed) -> String {
    let (begun, listed) = (resumed.begun, resumed.filed.counts.listed);
    let why = match &resumed.cursor {
        Some(cursor) => {
            return format!(
                "goes on with the run of {begun}, behind {listed} objects, after {}",
                key(cursor.last())
            );
        }
        None if listed == 0 => "it had not come far",
        None if !resumed.filed.ordered => "the store lists in no order",
        None => "the ledger does not keep how far it had come, because that is a key",
    };
    format!("begins the run of {begun} again from the start: {why}")
}

/// How far it has come, in a line.
pub(super) fn progress(counts: &Counts, waits: Option<&str>) -> String {
    let mut line =
        format!("{} listed, {} covered, {} missing", counts.listed, counts.covered, counts.all_missing());
    if counts.forwarded > 0 {
        line += &format!(", {} forwarded", counts.forwarded);
    }
    if let Some(why) = waits {
        line += &format!("; waiting: {why}");
    }
    line
}

/// A key on one line; bytes that are no text are escaped.
fn key(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) => visible(text),
        Err(_) => key.escape_ascii().to_string(),
    }
}

pub(super) fn outcome(
    target: &Target<'_>,
    question: &Question,
    outcome: &Outcome,
    took: Duration,
    json: bool,
) -> String {
    if json {
        return visible(&as_json(target, question, outcome, took).to_string());
    }
    let counts = &outcome.counts;
    let mut lines = vec![format!(
        "bucket {} of store {}, {}{}",
        target.bucket,
        target.store.name,
        outcome.begun,
        if question.forward { "" } else { ", a dry run" }
    )];
    lines.extend(columns(&rows(counts, question)));
    if !outcome.first.is_empty() {
        lines.push(String::new());
        lines.push(match counts.all_missing() {
            all if all > outcome.first.len() as u64 => format!("the first {} of them:", outcome.first.len()),
            _ => "these are missing:".to_owned(),
        });
        let row = |missing: &MissingObject| {
            let written = missing.modified.map_or_else(|| "?".to_owned(), |time| time.to_string());
            let newer = if missing.newer { "newer" } else { "" };
            vec![written, newer.to_owned(), key(&missing.key)]
        };
        lines.extend(columns(&outcome.first.iter().map(row).collect::<Vec<_>>()));
    }
    if let Some(entered) = &outcome.entered {
        lines.push(String::new());
        lines.push(format!("entry {} of the ledger, SHA-256 {}", entered.seq, entered.digest));
    }
    lines.join("\n")
}

/// A row for each count; those that are zero and say nothing then are left out.
pub(super) fn rows(counts: &Counts, question: &Question) -> Vec<Vec<String>> {
    let row = |name: &str, count: u64, remark: String| vec![name.to_owned(), count.to_string(), remark];
    let parts = |parts: &std::collections::BTreeMap<String, u64>| {
        parts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let oldest =
        counts.oldest_missing.map_or_else(String::new, |time| format!("the oldest last written {time}"));
    let mut rows = vec![
        row("listed", counts.listed, String::new()),
        row("covered", counts.covered, String::new()),
        row("in the spool", counts.in_spool.values().sum(), parts(&counts.in_spool)),
        row("in flight", counts.in_flight, format!("younger than {} s", question.grace.as_secs())),
        row("missing", counts.missing, oldest),
        row("missing (newer)", counts.missing_newer, "written again after it was accepted".to_owned()),
        row("undecidable", counts.undecidable, "a route asks what a listing does not say".to_owned()),
        row("excluded", counts.all_excluded(), parts(&counts.excluded)),
    ];
    rows.push(match counts.gone {
        Some(gone) => row("gone since", gone, "accepted, and not listed any more".to_owned()),
        None => vec!["gone since".into(), "?".into(), "not counted: no order, or keys are not kept".into()],
    });
    for (name, count, remark) in [
        (
            "by MDSS's word",
            counts.by_mdss,
            "covered: scanned since they were written, although nobody has told MDSS".to_owned(),
        ),
        ("no objects", counts.passed.values().sum(), parts(&counts.passed)),
        ("not Unicode", counts.unsendable, "missing, and cannot be named to MDSS".to_owned()),
        ("repeated", counts.repeated, "were in the spool or accepted when they came there".to_owned()),
        ("not entered", counts.behind, "facts had not arrived in the ledger when this began".to_owned()),
        ("refused", counts.refused, "the settings would not send them".to_owned()),
    ] {
        if count > 0 {
            rows.push(row(name, count, remark));
        }
    }
    if question.forward {
        rows.push(row("forwarded", counts.forwarded, "into the spool".to_owned()));
    }
    let unknown = match counts.unknown() {
        0 => String::new(),
        unknown => format!("and unknown in {unknown} places that could not be read"),
    };
    rows.push(vec!["coverage".into(), counts.coverage_shown(), unknown]);
    rows
}

fn as_json(target: &Target<'_>, question: &Question, outcome: &Outcome, took: Duration) -> Value {
    let missing = |missing: &MissingObject| {
        let mut one = Map::new();
        match std::str::from_utf8(&missing.key) {
            Ok(key) => one.insert("key".into(), key.into()),
            Err(_) => one.insert("key_escaped".into(), missing.key.escape_ascii().to_string().into()),
        };
        one.insert("modified".into(), missing.modified.map(|time| time.to_string()).into());
        one.insert("newer".into(), missing.newer.into());
        Value::Object(one)
    };
    json!({
        "store": target.store.name,
        "bucket": target.bucket,
        "route": target.route.as_ref().map(|(name, _)| name),
        "forward": question.forward,
        "run": outcome.number,
        "begun": outcome.begun.to_string(),
        "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "complete": outcome.complete,
        "ordered": outcome.ordered,
        "resumed_behind": outcome.resumed.as_ref().filter(|r| r.cursor.is_some()).map(|r| r.filed.counts.listed),
        "counts": outcome.counts,
        "missing": outcome.counts.all_missing(),
        "coverage": outcome.counts.coverage(),
        "first_missing": outcome.first.iter().map(missing).collect::<Vec<_>>(),
        "entry": outcome.entered.map(|entered| entered.seq),
        "digest": outcome.entered.map(|entered| entered.digest.to_string()),
    })
}
