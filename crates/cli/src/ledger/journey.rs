//! The life of objects, for people and for programs.

use std::time::Duration;

use mdss_relay_ledger::{Entry, Fact, Filter, Keys, Kind, MENU, MOST_WRITES, Moment, Shown, Sure, Unscanned};
use serde_json::{Map, Value, json};

use super::plural;
use crate::columns::columns;
use crate::visible::visible;

/// Everything about one object, with its line ends.
pub(super) fn object(shown: &[Shown], bucket: &str, key: &str, json: bool) -> String {
    if json {
        return shown.iter().map(|shown| line(&shown.entry, shown.result.as_ref())).collect();
    }
    if shown.is_empty() {
        return String::new();
    }
    let writes = shown.iter().filter(|shown| shown.entry.fact.kind == Kind::Accepted);
    let scanned = writes.clone().filter(|shown| shown.result.is_some()).count();
    let writes = plural(writes.count() as u64, "write", "writes");
    let mut text = visible(&format!("{bucket}/{key}: {writes} accepted, {scanned} with a result")) + "\n";
    if shown.len() >= MOST_WRITES {
        text += &format!("  these are the {MOST_WRITES} newest entries; `ledger export` has all\n");
    }
    for one in shown {
        text += &entry(&one.entry, one.result.as_ref());
    }
    text
}

/// One entry about an object, a few lines.
fn entry(entry: &Entry, result: Option<&Entry>) -> String {
    let fact = &entry.fact;
    let happened = fact.settled_time.unwrap_or(entry.at);
    let mut lines = vec![format!("\nentry {}: {} {happened}", entry.seq, fact.kind)];
    let mut what = Vec::new();
    let mut part = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            what.push(format!("{name} {value}"));
        }
    };
    part("version", fact.version.clone());
    part("etag", fact.etag.clone());
    part("size", fact.size.map(|size| plural(size, "byte", "bytes")));
    part("unit", fact.unit.as_ref().map(ToString::to_string));
    part("origin", fact.origin.map(|origin| origin.to_string()));
    part("by", fact.actor.clone());
    part("reason", fact.reason.clone());
    if !what.is_empty() {
        lines.push(what.join(", "));
    }
    let times = [
        fact.event_time.map(|time| format!("written {time}")),
        fact.received_time.map(|time| format!("received {time}")),
        (fact.kind == Kind::Accepted).then(|| {
            let tried = fact.attempts.map(|count| format!(" after {}", plural(count, "request", "requests")));
            format!("accepted {happened}{}", tried.unwrap_or_default())
        }),
        fact.correlation_id.as_ref().map(|id| format!("correlation {id}")),
    ];
    let times: Vec<_> = times.into_iter().flatten().collect();
    if !times.is_empty() {
        lines.push(times.join(", "));
    }
    match (result, fact.kind) {
        (Some(result), _) => lines.push(scanned(result)),
        (None, Kind::Accepted) => lines.push("no result received".to_owned()),
        (None, _) => {}
    }
    lines
        .iter()
        .enumerate()
        .map(|(n, line)| if n == 0 { visible_after(line) } else { format!("  {}\n", visible(line)) })
        .collect()
}

/// The first line keeps the empty line before it.
fn visible_after(line: &str) -> String {
    format!("\n{}\n", visible(line.trim_start_matches('\n')))
}

fn scanned(result: &Entry) -> String {
    let fact = &result.fact;
    let when = fact.scan_time.unwrap_or(result.at);
    let text = fact.result.as_deref().unwrap_or("no words about what was found");
    let state = fact.file_state.as_ref().map(|state| format!(" ({state})")).unwrap_or_default();
    let file = fact.file_id.as_ref().map(|id| format!(", file {id}")).unwrap_or_default();
    let sure = fact.confidence.as_ref().map(|by| format!(", matched by {by}")).unwrap_or_default();
    let words: String = said(fact)
        .iter()
        .map(|(name, text)| format!(", {name}: {}", text.as_str().unwrap_or_default()))
        .collect();
    format!("scanned {when}: {text}{state}{file}{sure}{words}")
}

/// What else MDSS has said of the scan, by the names that it uses.
fn said(result: &Fact) -> Map<String, Value> {
    result.detail.as_deref().and_then(|detail| serde_json::from_str(detail).ok()).unwrap_or_default()
}

/// That nothing is without a result, of what was asked for. What is younger was not asked for, so nothing is said of it.
pub(super) fn nothing(filter: &Filter) -> String {
    let Some(older) = filter.older else {
        return "nothing: a result is known of every accepted object that was asked for".to_owned();
    };
    let of = match (&filter.unit, &filter.bucket) {
        (None, None) => "",
        _ => "of what was asked for, ",
    };
    format!("{of}nothing accepted longer ago than {} is without a result", span(older))
}

/// A span of time exactly, as it may be asked for.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let whole = units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// What has no result, with its line ends.
pub(super) fn unscanned(found: &Unscanned, filter: &Filter, json: bool) -> String {
    if json {
        let mut text: String = found.writes.iter().map(|entry| line(entry, None)).collect();
        for unit in &found.units {
            let all = json!({
                "unit": unit.unit.as_deref(), "open": unit.open, "oldest": unit.oldest.to_string(), "results": unit.results,
                "last_result": unit.last_result.map(|time| time.to_string()), "sure": name(unit.sure),
            });
            text += &(visible(&all.to_string()) + "\n");
        }
        return text;
    }
    if found.units.is_empty() {
        return nothing(filter) + "\n";
    }
    let mut rows =
        vec![["UNIT", "NO RESULT", "OLDEST", "RESULTS", "LAST RESULT"].map(str::to_owned).to_vec()];
    for unit in &found.units {
        let last = unit.last_result.map_or_else(|| "never".to_owned(), |time| time.to_string());
        let id = unit.unit.as_ref().map_or("-", |unit| unit).to_owned();
        rows.push(vec![id, unit.open.to_string(), unit.oldest.to_string(), unit.results.to_string(), last]);
    }
    let mut lines = columns(&rows);
    lines.push(String::new());
    for unit in &found.units {
        let id = unit.unit.as_ref().map_or("without a unit", |unit| unit);
        lines.push(visible(&format!("{id}: {}", sentence(unit.sure))));
    }
    if !found.writes.is_empty() {
        lines.push(String::new());
        let mut rows =
            vec![["ENTRY", "ACCEPTED", "UNIT", "OBJECT", "CORRELATION"].map(str::to_owned).to_vec()];
        for entry in &found.writes {
            let fact = &entry.fact;
            let object = format!("{}/{}", fact.bucket.as_deref().unwrap_or("-"), key(entry));
            rows.push(vec![
                entry.seq.to_string(),
                fact.settled_time.unwrap_or(entry.at).to_string(),
                fact.unit.as_deref().unwrap_or("-").to_owned(),
                object,
                fact.correlation_id.clone().unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        lines.extend(columns(&rows));
    }
    let open: u64 = found.units.iter().map(|unit| unit.open).sum();
    if open > found.writes.len() as u64 {
        lines.push(format!("the oldest {} of {open}; a larger --limit shows more", found.writes.len()));
    }
    lines.join("\n") + "\n"
}

fn name(sure: Sure) -> &'static str {
    match sure {
        Sure::NoResults => "no_results",
        Sure::BlockedOnly => "blocked_only",
        Sure::ToldOnly => "told_only",
        Sure::Asked => "asked",
    }
}

fn sentence(sure: Sure) -> String {
    match sure {
        Sure::NoResults => format!(
            "no result was ever received, so whether MDSS scans these is unknown. If it tells of blocked files only, none comes for a file that it allows: choose all scanned files ({MENU})"
        ),
        Sure::BlockedOnly => format!(
            "only results of blocked files have come, so whether these were scanned is unknown: MDSS may tell of blocked files only, and of a file that it allows none comes then. Choose all scanned files ({MENU})"
        ),
        Sure::ToldOnly => {
            "results do come, and none for these; MDSS sends each once and it may be lost, so this is no proof that it has not scanned".to_owned()
        }
        Sure::Asked => "MDSS was asked, and has no scan of these".to_owned(),
    }
}

/// What is left of a key.
fn key(entry: &Entry) -> String {
    match (&entry.fact.key, entry.keys) {
        (Some(key), Keys::Clear) => String::from_utf8_lossy(key).into_owned(),
        (Some(hashed), Keys::Hashed) => format!("(hashed) {}", hexadecimal(hashed)),
        _ if entry.forgotten_by.is_some() => "(erased)".to_owned(),
        _ => "(not kept)".to_owned(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry as a line of JSON, with the names that an export has.
fn line(entry: &Entry, result: Option<&Entry>) -> String {
    let fact = &entry.fact;
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            all.insert(name.to_owned(), value);
        }
    };
    let time = |moment: Option<Moment>| moment.map(|moment| moment.to_string());
    put("seq", entry.seq.into());
    put("at", entry.at.to_string().into());
    put("kind", fact.kind.name().into());
    put("source", json!(fact.source.as_deref()));
    put("dialect", json!(fact.dialect.as_deref()));
    put("bucket", json!(fact.bucket.as_deref()));
    put("namespace", json!(fact.namespace.as_deref()));
    match &fact.key {
        Some(key) if entry.keys == Keys::Clear => match std::str::from_utf8(key) {
            Ok(key) => put("key", key.into()),
            Err(_) => put("key_hex", hexadecimal(key).into()),
        },
        Some(hashed) => put("key_hashed", hexadecimal(hashed).into()),
        None => {}
    }
    put("version", json!(fact.version));
    put("etag", json!(fact.etag));
    put("size", json!(fact.size));
    put("event_time", json!(time(fact.event_time)));
    put("received_time", json!(time(fact.received_time)));
    put("settled_time", json!(time(fact.settled_time)));
    put("attempts", json!(fact.attempts));
    put("unit", json!(fact.unit.as_deref()));
    put("correlation_id", json!(fact.correlation_id));
    put("origin", json!(fact.origin.map(|origin| origin.name())));
    put("actor", json!(fact.actor));
    put("count", json!(fact.count));
    put("reason", json!(fact.reason));
    put("hash", entry.hash.to_string().into());
    if let Some(result) = result {
        let fact = &result.fact;
        let all = json!({
            "seq": result.seq, "file_id": fact.file_id, "result": fact.result, "file_state": fact.file_state,
            "scan_time": time(fact.scan_time), "confidence": fact.confidence, "detail": said(fact),
        });
        put("scanned", all);
    }
    visible(&Value::Object(all).to_string()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is younger than what was asked for may well be without a result.
    #[test]
    fn that_nothing_is_without_a_result_is_said_of_what_was_asked_for_alone() {
        let older = |seconds| Filter { older: Some(Duration::from_secs(seconds)), ..Filter::default() };
        let said = nothing(&older(3600));
        assert_eq!(said, "nothing accepted longer ago than 1h is without a result");
        // Not rounded: of what lies between it was not asked.
        assert!(nothing(&older(9000)).contains("longer ago than 150m"));
        let said = nothing(&Filter { unit: Some("u".into()), ..older(90) });
        assert_eq!(said, "of what was asked for, nothing accepted longer ago than 90s is without a result");
        assert!(nothing(&Filter::default()).contains("of every accepted object that was asked for"));
    }

    /// With "blocked only" nothing comes for a file that is allowed: that is no sign that it was not scanned, and the sentence says what to choose.
    #[test]
    fn what_blocked_only_would_hide_is_unknown_and_the_menu_is_named() {
        for sure in [Sure::NoResults, Sure::BlockedOnly] {
            let said = sentence(sure);
            assert!(said.contains("unknown") && said.contains("blocked files only"), "{said}");
            assert!(said.contains("Settings, Notifications") && said.contains("all scanned files"), "{said}");
        }
        assert!(!sentence(Sure::ToldOnly).contains("blocked") && sentence(Sure::Asked).contains("was asked"));
    }
}
