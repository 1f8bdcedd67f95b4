//! Sends the notifications, one attempt each: what does not arrive is lost, as in MDSS, which repeats none (OPSWAT, "Scan completed
//! Notifications": a destination that cannot be reached is written to the audit page).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::notify::{FileIdForm, Finding, Notify};
use crate::shared::Shared;

/// How long MDSS waits for an answer is not documented; ours is that of many clients.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer is looked at for its status alone.
const ANSWER_LIMIT: usize = 64 * 1024;

/// One scan: what was accepted, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) unit: String,
    pub(crate) key: String,
    pub(crate) file_id: String,
    pub(crate) accepted: Timestamp,
    pub(crate) completed: Timestamp,
    pub(crate) finding: Finding,
}

/// One notification that was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Notified {
    /// `FilePath`.
    pub path: String,
    /// The whole body.
    pub body: Value,
    /// What was answered; none: no answer at all.
    pub status: Option<u16>,
}

/// The scans and notifications so far, and those that wait for others to overtake them.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    pub(crate) done: VecDeque<Scan>,
    pub(crate) notified: VecDeque<Notified>,
    held: Vec<(Timestamp, Value)>,
    count: u64,
}

/// An object was accepted, so it is scanned, and somebody may be told.
pub(crate) fn scanned(shared: &Arc<Shared>, unit: &str, key: &str, correlation_id: &str) {
    let config = &shared.config;
    let notify = config.notify.as_ref();
    let accepted = Timestamp::now();
    let finding = notify.map_or(Finding::Allowed, |notify| notify.finding_of(key));
    let takes = notify.map_or(Duration::ZERO, |notify| notify.scan);
    let completed = accepted + SignedDuration::try_from(takes).unwrap_or_default();
    let mut scans = shared.scans();
    scans.count += 1;
    let file_id = match notify.map(|notify| notify.file_id) {
        Some(FileIdForm::Correlation) => correlation_id.to_owned(),
        Some(FileIdForm::Own) | None => file_id(accepted, scans.count),
    };
    let scan = Scan { unit: unit.to_owned(), key: key.to_owned(), file_id, accepted, completed, finding };
    if finding != Finding::Never {
        scans.done.push_back(scan.clone());
        while scans.done.len() > config.keep_requests {
            scans.done.pop_front();
        }
    }
    let Some(notify) = notify else { return };
    if finding == Finding::Never || notify.blocked_only && finding.file_status() != "Blocked" {
        return;
    }
    let due = completed + SignedDuration::try_from(notify.delay).unwrap_or_default();
    scans.held.push((due, body(notify, &scan)));
    if scans.held.len() < notify.reversed.get() {
        return;
    }
    let held = std::mem::take(&mut scans.held);
    drop(scans);
    let shared = Arc::clone(shared);
    // One after the other, so that their order is this one and not that of the network.
    tokio::spawn(async move {
        for (due, body) in held.into_iter().rev() {
            let wait = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
            sleep(wait).await;
            let notify = shared.config.notify.as_ref();
            let times = notify.map_or(0, |notify| notify.times);
            for _ in 0..times {
                send(&shared, body.clone()).await;
            }
        }
    });
}

/// The members that the documents show, under their names.
fn body(notify: &Notify, scan: &Scan) -> Value {
    let name = scan.key.rsplit('/').next().unwrap_or_default();
    let remediation = match scan.finding {
        Finding::Allowed => "AllowedKept: Applied",
        Finding::FailedRemediation => "BlockedDelete: Failed",
        Finding::Blocked | Finding::Failed | Finding::Canceled | Finding::Never => "",
    };
    let failed = scan.finding == Finding::Failed;
    json!({
        "FileId": scan.file_id,
        "FileName": name,
        "FilePath": notify.path_of(&scan.unit, &scan.key),
        "FileStatus": scan.finding.file_status(),
        "CoreScanResult": scan.finding.core_scan_result(),
        "FileState": scan.finding.file_state(),
        "RemediationResult": remediation,
        // Microseconds, as in the documents' example.
        "ScanCompletedTimeStamp": format!("{:.6}", scan.completed),
        "WorkflowName": "MetaDefender Storage Security",
        "Rules": [],
        "ExceptionDetails": if failed { "the object could not be read" } else { "" },
        "RemediationErrors": [],
        "WebhookNotificationType": "FileScanned",
    })
}

async fn send(shared: &Shared, body: Value) {
    let status = match shared.config.notify.as_ref() {
        Some(notify) => timeout(PATIENCE, attempt(notify, &body)).await.ok().and_then(Result::ok),
        None => None,
    };
    let path = body["FilePath"].as_str().unwrap_or_default().to_owned();
    let mut scans = shared.scans();
    scans.notified.push_back(Notified { path, body, status: status.map(|status| status.as_u16()) });
    while scans.notified.len() > shared.config.keep_requests {
        scans.notified.pop_front();
    }
}

async fn attempt(notify: &Notify, body: &Value) -> io::Result<StatusCode> {
    let host = notify.url.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = notify.url.port_u16().unwrap_or(80);
    let tcp = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let target = notify.url.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::builder()
        .method(notify.method.method())
        .uri(target)
        .header(header::HOST, notify.url.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json");
    for header in &notify.headers.0 {
        request = request.header(&header.0, &header.1);
    }
    let request = request.body(Full::new(Bytes::from(body.to_string()))).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other);
    let status = answer.as_ref().map(|answer| answer.status()).ok();
    if let Ok(answer) = answer {
        let _ = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
    }
    drop(sender);
    driver.abort();
    status.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A UUID of version 7 in its form, as the documents' example `0198f02f-…` looks: the time in milliseconds, then a counter.
fn file_id(now: Timestamp, count: u64) -> String {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or_default() & 0xffff_ffff_ffff;
    format!(
        "{:08x}-{:04x}-7{:03x}-8000-{:012x}",
        ms >> 16,
        ms & 0xffff,
        count >> 48,
        count & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_id_has_the_form_of_the_example() {
        let id = file_id("2025-08-28T10:00:00Z".parse().unwrap(), 7);
        assert_eq!(id, "0198f01e-b100-7000-8000-000000000007");
        assert_eq!(id.len(), "0198f02f-0000-7000-8000-000000000000".len());
    }
}
