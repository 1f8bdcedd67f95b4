//! `reconcile --last`: who compared a bucket last, when, and what was found.

use mdss_relay_ledger::{Ledger, Options, Place, Run};
use mdss_relay_reconcile::{Filed, Question};
use serde_json::{Value, json};

use super::{Arguments, print, say, shown};
use crate::columns::columns;
use crate::visible::visible;

/// # Errors
/// A sentence: there is no ledger, or it cannot be read.
pub(super) async fn run(
    place: Option<&Place>,
    bucket: Option<&str>,
    arguments: &Arguments,
) -> Result<u8, String> {
    let Some(place) = place else {
        return Err("there is no ledger, so nobody has written down when a bucket was compared".into());
    };
    let ledger = Ledger::open(place, Options::reading()).await;
    let last = match ledger {
        Ok(ledger) => ledger.last_run(bucket).await,
        Err(trouble) => Err(trouble),
    };
    let Some(run) = last.map_err(|trouble| trouble.to_string())? else {
        say("no bucket was compared yet");
        return Ok(1);
    };
    let filed: Filed = serde_json::from_str(&run.report).unwrap_or_default();
    print(&if arguments.json {
        visible(&as_json(&run, &filed).to_string())
    } else {
        for_people(&run, &filed)
    });
    let short = arguments.fail_under.and_then(|percent| filed.counts.short_of(percent));
    if let Some(why) = &short {
        say(why);
    }
    Ok(u8::from(short.is_some() || run.end.is_none()))
}

fn for_people(run: &Run, filed: &Filed) -> String {
    let question: Value = serde_json::from_str(&run.start.question).unwrap_or_default();
    let asked = Question {
        forward: question["forward"] == true,
        grace: std::time::Duration::from_secs(question["grace_seconds"].as_u64().unwrap_or(0)),
        ..Question::about(run.start.bucket.clone(), run.start.actor.clone())
    };
    let how = if asked.forward { "" } else { ", a dry run" };
    let mut lines = vec![format!(
        "bucket {} of store {}, {}, by {}{how}",
        visible(&run.start.bucket),
        visible(&run.start.store),
        run.begun,
        visible(&run.start.actor)
    )];
    lines.extend(columns(&shown::rows(&filed.counts, &asked)));
    lines.push(String::new());
    lines.push(match &run.end {
        Some(end) => {
            format!("{} at {}, entry {} of the ledger, SHA-256 {}", end.state, end.ended, end.seq, end.digest)
        }
        None => format!("not finished: last heard of at {}; the same command goes on", run.updated),
    });
    lines.join("\n")
}

fn as_json(run: &Run, filed: &Filed) -> Value {
    json!({
        "run": run.id.0,
        "store": run.start.store,
        "bucket": run.start.bucket,
        "route": run.start.route,
        "actor": run.start.actor,
        "question": serde_json::from_str::<Value>(&run.start.question).unwrap_or_default(),
        "begun": run.begun.to_string(),
        "heard": run.updated.to_string(),
        "state": run.end.as_ref().map(|end| end.state.as_str()),
        "ended": run.end.as_ref().map(|end| end.ended.to_string()),
        "entry": run.end.as_ref().map(|end| end.seq),
        "digest": run.end.as_ref().map(|end| end.digest.to_string()),
        "counts": filed.counts,
        "coverage": filed.coverage,
    })
}
