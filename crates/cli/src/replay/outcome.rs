//! What came back for one delivery, whatever the adapter's envelope.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One delivery and its end.
#[derive(Debug, Serialize)]
pub(super) struct Delivered {
    pub(super) file: String,
    /// The HTTP status, where there is one.
    status: Option<u16>,
    /// The report's outcome; `answered` for a handshake's or an empty answer, `left_out`, `unanswered`.
    pub(super) outcome: String,
    pub(super) records: Vec<Row>,
    /// Of a long report: how many records have each result; only some of those that failed are listed then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) counts: BTreeMap<String, usize>,
    ms: u64,
    /// What kept an answer from coming, or from being a report.
    error: Option<String>,
}

/// One object.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row {
    pub(super) item: String,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    pub(super) result: String,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) correlation_id: Option<String>,
    attempts: u32,
    pub(super) ms: u64,
}

#[derive(Deserialize)]
struct Report {
    outcome: String,
    records: Vec<Row>,
    #[serde(default)]
    counts: BTreeMap<String, usize>,
}

/// What a queue is answered: only the messages that failed.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    message: String,
}

/// Status and body of the response that a platform would make of a function's answer: API Gateway and its like, or the Azure
/// Functions host.
fn response(answer: &[u8]) -> Option<(u16, String)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let response = answer.get("Outputs").map_or(&answer, |outputs| &outputs["res"]);
    let status = &response["statusCode"];
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    Some((status.try_into().ok()?, response["body"].as_str().unwrap_or_default().to_owned()))
}

impl Row {
    /// A line for a delivery of which no single record is known.
    fn whole(item: &str, result: &str, reason: Option<&str>, detail: Option<&str>, ms: u64) -> Self {
        Self {
            item: item.to_owned(),
            bucket: None,
            key: None,
            result: result.to_owned(),
            reason: reason.map(str::to_owned),
            detail: detail.map(str::to_owned),
            correlation_id: None,
            attempts: 0,
            ms,
        }
    }
}

impl Delivered {
    /// An answer: a report, a queue's answer, or something else that only its status explains.
    pub(super) fn answered(file: &str, status: Option<u16>, body: &[u8], took: Duration) -> Self {
        // The answer to an HTTP request that a function was handed: what its platform makes the response of.
        if let Some((status, body)) = response(body) {
            return Self::answered(file, Some(status), body.as_bytes(), took);
        }
        let ms = took.as_millis().try_into().unwrap_or(u64::MAX);
        let delivered = |outcome: String, records| Self {
            file: file.to_owned(),
            status,
            outcome,
            records,
            counts: BTreeMap::new(),
            ms,
            error: None,
        };
        if let Ok(report) = serde_json::from_slice::<Report>(body) {
            let refused = report.outcome == "refused";
            let reason = status.map(|s| format!("http_{s}"));
            let row = || Row::whole("", "refused", reason.as_deref(), None, ms);
            let records = if refused { vec![row()] } else { report.records };
            return Self { counts: report.counts, ..delivered(report.outcome, records) };
        }
        if let Ok(batch) = serde_json::from_slice::<Batch>(body) {
            let row = |f: &Failure| Row::whole(&f.message, "failed", Some("batch_item_failure"), None, ms);
            let records: Vec<_> = batch.failures.iter().map(row).collect();
            let outcome = if records.is_empty() { "done" } else { "failed" };
            return delivered(outcome.into(), records);
        }
        let text = String::from_utf8_lossy(body);
        let shown: String = text.chars().take(200).collect();
        let detail = (!shown.is_empty()).then_some(shown.as_str());
        match status {
            Some(200..=299) | None => {
                delivered("answered".into(), vec![Row::whole("", "answered", None, detail, ms)])
            }
            Some(status) => {
                // An adapter's own answer: a path it does not know, a body it did not take.
                let (reason, detail) = error_of(body).unwrap_or((format!("http_{status}"), shown.clone()));
                delivered("failed".into(), vec![Row::whole("", "failed", Some(&reason), Some(&detail), ms)])
            }
        }
    }

    /// A function's error; its message is the report, unless the event never reached the relay.
    pub(super) fn failed(file: &str, error_type: &str, message: &str, took: Duration) -> Self {
        let answered = Self::answered(file, None, message.as_bytes(), took);
        if answered.outcome != "answered" {
            return answered;
        }
        let row = Row::whole("", "failed", Some(error_type), Some(message), answered.ms);
        Self { outcome: "failed".into(), records: vec![row], ..answered }
    }

    /// Not sent on purpose.
    pub(super) fn left_out(file: &str, why: &str) -> Self {
        let row = Row::whole("", "left out", None, Some(why), 0);
        Self {
            file: file.to_owned(),
            status: None,
            outcome: "left_out".into(),
            records: vec![row],
            counts: BTreeMap::new(),
            ms: 0,
            error: None,
        }
    }

    /// No answer came.
    pub(super) fn unanswered(file: &str, why: String) -> Self {
        let row = Row::whole("", "unanswered", None, Some(&why), 0);
        let records = vec![row];
        Self {
            file: file.to_owned(),
            status: None,
            outcome: "unanswered".into(),
            records,
            counts: BTreeMap::new(),
            ms: 0,
            error: Some(why),
        }
    }

    /// Whether the relay did not believe who posts.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == Some(401)
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.outcome.as_str(), "done" | "answered" | "left_out")
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// `{"errorType","errorMessage"}`, as a function's shim writes what did not reach the handler.
fn error_of(body: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |name| value.get(name)?.as_str().map(str::to_owned);
    Some((text("errorType")?, text("errorMessage")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: Option<u16>, body: &str) -> Delivered {
        Delivered::answered("f", status, body.as_bytes(), Duration::from_millis(3))
    }

    #[test]
    fn answers_of_all_kinds_are_understood() {
        let record = r#"{"item":"0","dialect":"oci","bucket":"b","key":"k","result":"accepted","reason":null,"detail":null,"correlation_id":"c","attempts":1,"ms":2}"#;
        for (status, body, outcome, result, good) in [
            (Some(200), format!(r#"{{"outcome":"done","records":[{record}]}}"#), "done", "accepted", true),
            (
                Some(503),
                format!(r#"{{"outcome":"transient","records":[{record}]}}"#),
                "transient",
                "accepted",
                false,
            ),
            (Some(401), r#"{"outcome":"refused","records":[]}"#.into(), "refused", "refused", false),
            (Some(200), "aGVsbG8=".into(), "answered", "answered", true),
            (Some(404), String::new(), "failed", "failed", false),
            (Some(502), r#"{"errorType":"x","errorMessage":"y"}"#.into(), "failed", "failed", false),
            (None, r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#.into(), "failed", "failed", false),
            // What a function's platform makes a response of.
            (Some(200), r#"{"statusCode":404,"headers":{},"body":""}"#.into(), "failed", "failed", false),
            (None, format!(r#"{{"statusCode":200,"body":{:?}}}"#, format!(r#"{{"outcome":"done","records":[{record}]}}"#)), "done", "accepted", true),
            (
                None,
                r#"{"Outputs":{"res":{"statusCode":"401","body":"{\"outcome\":\"refused\",\"records\":[]}"}},"ReturnValue":null}"#.into(),
                "refused",
                "refused",
                false,
            ),
        ] {
            let delivered = of(status, &body);
            assert_eq!(
                (delivered.outcome.as_str(), delivered.records[0].result.as_str()),
                (outcome, result),
                "{body}"
            );
            assert_eq!(delivered.is_good(), good, "{body}");
        }
        assert!(of(None, r#"{"batchItemFailures":[]}"#).is_good());
        let report = format!(r#"{{"outcome":"config","records":[{record}]}}"#);
        assert_eq!(Delivered::failed("f", "mdss_refused", &report, Duration::ZERO).outcome, "config");
        let other = Delivered::failed("f", "DeserializeError", "not JSON", Duration::ZERO);
        assert_eq!(
            (other.outcome.as_str(), other.records[0].reason.as_deref()),
            ("failed", Some("DeserializeError"))
        );
        assert!(!Delivered::unanswered("f", "gone".into()).is_good());
    }
}
