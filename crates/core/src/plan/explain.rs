//! The `explain` line: a plan as one line of JSON. Checks outside this project read it, so its shape is fixed.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::mdss::request::Submission;
use crate::model::dialect::Dialect;
use crate::plan::plan::{Decision, Plan, Planned};
use crate::select::rules::Rules;

/// Whether the gate let the delivery in.
#[derive(Debug)]
pub enum Door<'p> {
    /// It did; this became of it.
    Open(&'p Plan),
    /// It refused the sender; nothing of the body is shown then.
    Unauthorized,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    dialect: Option<&'a str>,
    outcome: &'static str,
    response: Option<Value>,
    confirm: Option<&'a str>,
    records: Vec<RecordLine<'a>>,
}

#[derive(Serialize)]
struct RecordLine<'a> {
    dialect: Option<&'a str>,
    item: &'a str,
    bucket: Option<&'a str>,
    key: Option<&'a str>,
    kind: Option<&'static str>,
    size: Option<u64>,
    etag: Option<&'a str>,
    version_id: Option<&'a str>,
    event_name: Option<&'a str>,
    region: Option<&'a str>,
    time: Option<String>,
    sequencer: Option<&'a str>,
    action: &'static str,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
    request: Option<&'a Submission>,
    /// What the routes call the unit; absent where none has a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unit_names: Vec<String>,
    untrusted: &'a Map<String, Value>,
}

/// One compact JSON line about one file, without a line feed.
pub fn explain(file: &str, door: &Door<'_>) -> String {
    explain_by(&Rules::default(), file, door)
}

/// The same, with the names that the routes of `rules` give to their storage units.
pub fn explain_by(rules: &Rules, file: &str, door: &Door<'_>) -> String {
    let line = match door {
        Door::Unauthorized => Line {
            file,
            dialect: None,
            outcome: "unauthorized",
            response: None,
            confirm: None,
            records: Vec::new(),
        },
        Door::Open(plan) => Line {
            file,
            dialect: plan.dialect.map(Dialect::name),
            outcome: outcome(plan),
            response: response(plan),
            confirm: plan.confirm.as_ref().map(|c| c.url.as_str()),
            records: plan.records.iter().map(|planned| record(rules, planned)).collect(),
        },
    };
    serde_json::to_string(&line).expect("strings, numbers and string-keyed maps always serialise")
}

fn outcome(plan: &Plan) -> &'static str {
    let failed = plan.records.iter().filter(|r| matches!(r.decision, Decision::Fail(_))).count();
    match failed {
        0 => "ok",
        n if n == plan.records.len() => "reject",
        _ => "partial",
    }
}

fn response(plan: &Plan) -> Option<Value> {
    let reply = plan.reply.as_ref().map(|reply| {
        let mut headers = Map::from_iter([("content-type".to_owned(), reply.content_type.into())]);
        headers.extend(reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
        json!({ "status": reply.status, "headers": headers, "body": reply.body })
    });
    reply.or_else(|| plan.queue_answer())
}

fn record<'a>(rules: &Rules, record: &'a Planned) -> RecordLine<'a> {
    let (action, reason, detail, request) = match &record.decision {
        Decision::Send(submission) => ("send", None, None, Some(submission)),
        Decision::Skip(reason) => ("skip", Some(reason.name()), record.skip_detail.as_deref(), None),
        Decision::Fail(failure) => ("fail", Some(failure.cause.name()), Some(failure.detail.as_str()), None),
    };
    let unit = request.and_then(|request| rules.unit(request.storage_client_id()));
    let details = &record.details;
    RecordLine {
        dialect: record.dialect.map(Dialect::name),
        item: &record.item,
        bucket: record.bucket.as_ref().map(|b| b.as_str()),
        key: record.key.as_ref().map(|k| k.as_str()),
        kind: record.kind.map(|k| k.name()),
        size: details.size,
        etag: details.etag.as_deref(),
        version_id: details.version_id.as_deref(),
        event_name: details.event_name.as_deref(),
        region: details.region.as_deref(),
        time: details.time.map(|t| t.to_string()),
        sequencer: details.sequencer.as_deref(),
        action,
        reason,
        detail,
        request,
        unit_names: unit.map_or_else(Vec::new, |unit| unit.names),
        untrusted: &details.untrusted,
    }
}
