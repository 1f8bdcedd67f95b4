//! The tables a person reads.

use std::time::Duration;

use mdss_relay_spool::{Entry, Moment, State, Stock};
use serde_json::Value;

use crate::visible::visible;

/// One line an item, and the sentence for what failed below it.
pub(super) fn entries(
    entries: &[Entry],
    pause: impl Fn(&str, State) -> Option<String>,
    now: Moment,
) -> String {
    let mut rows =
        vec![(["ID", "STATE", "AGE", "TRIED", "NEXT", "LANE", "OBJECT", "REASON"].map(String::from), None)];
    for entry in entries {
        let next = match entry.state {
            State::Parked => "-".into(),
            _ if entry.not_before <= now => "now".into(),
            _ => age(entry.not_before.since(now)),
        };
        let object = match (&entry.bucket, &entry.key) {
            (Some(bucket), Some(key)) => format!("{bucket}/{}", tail(key)),
            (bucket, _) => bucket.clone().unwrap_or_else(|| "-".into()),
        };
        let cells = [
            entry.id.get().to_string(),
            entry.state.to_string(),
            age(now.since(entry.received)),
            entry.attempts.to_string(),
            next,
            entry.lane.clone(),
            object,
            reason(entry.reason.as_ref(), pause(&entry.lane, entry.state)),
        ];
        rows.push((cells, entry.detail.clone()));
    }
    aligned(&rows)
}

/// Items by lane, state and reason; then how old the oldest are, and how much there is.
pub(super) fn stats(stock: &Stock, pause: impl Fn(&str, State) -> Option<String>, now: Moment) -> String {
    let mut rows = vec![(["LANE", "STATE", "REASON", "ITEMS", "BYTES"].map(String::from), None)];
    for depth in &stock.depths {
        let reason = reason(Some(&depth.reason).filter(|r| !r.is_empty()), pause(&depth.lane, depth.state));
        let cells =
            [&depth.lane, depth.state.name(), &reason, &depth.items.to_string(), &depth.bytes.to_string()];
        rows.push((cells.map(String::from), None));
    }
    let mut text = aligned(&rows);
    for (lane, since) in &stock.oldest {
        text += &format!("\noldest of {}: {}", visible(lane), age(now.since(*since)));
    }
    if let Some(leased) = stock.leased {
        text += &format!("\n{leased} under lease: a relay holds them, to send them");
    }
    text + &format!("\n{} bytes in use", stock.used_bytes)
}

/// One item, a member a line; the body last, because it may be long.
pub(super) fn one(all: &Value) -> String {
    let (mut lines, mut body) = (Vec::new(), Vec::new());
    for (name, value) in all.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if name.starts_with("body") {
            body.push(format!("{name}:"));
            body.extend(text.lines().map(|line| format!("    {}", visible(line))));
        } else {
            lines.push(format!("{name:10}  {}", visible(&text)));
        }
    }
    lines.append(&mut body);
    lines.join("\n")
}

/// Why an item waits: it has failed, or others have and it waits with them.
fn reason(own: Option<&String>, pause: Option<String>) -> String {
    own.cloned().or_else(|| pause.map(|reason| format!("paused ({reason})"))).unwrap_or_else(|| "-".into())
}

fn aligned<const N: usize>(rows: &[([String; N], Option<String>)]) -> String {
    let shown: Vec<_> =
        rows.iter().map(|(cells, detail)| (cells.each_ref().map(|c| visible(c)), detail)).collect();
    let width = |column: usize| shown.iter().map(|(c, _)| c[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut lines = Vec::new();
    for (cells, detail) in shown {
        let cells: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        lines.extend(detail.as_deref().map(|detail| format!("    {}", visible(detail))));
    }
    lines.join("\n")
}

/// The end of a name tells more than its beginning.
fn tail(key: &str) -> String {
    const MOST: usize = 50;
    let count = key.chars().count();
    if count <= MOST {
        key.to_owned()
    } else {
        format!("…{}", key.chars().skip(count - MOST).collect::<String>())
    }
}

pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
