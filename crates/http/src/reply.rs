//! From a report to an HTTP answer, in direct mode.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use mdss_relay_core::{Outcome, Reply, Report};
use mdss_relay_gate::Refusal;

/// What a sender is asked to wait if MDSS has named no time, in seconds.
const RETRY_AFTER: u64 = 10;

/// An answer, before it is put on the wire; one that was given can be given again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    content_type: &'static str,
    body: String,
    /// Seconds.
    retry_after: Option<u64>,
    /// Of the report, if that is what it says.
    outcome: Option<Outcome>,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl Answer {
    /// Bytes of its body.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// As a response that holds `held` until its last byte is handed to the system, or its connection has gone.
    pub(crate) fn holding<H: Send + 'static>(mut self, held: H) -> Response {
        struct Owner<H>(String, H);
        impl<H> AsRef<[u8]> for Owner<H> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        // What owns the bytes goes with them: `hyper` lets the body go as soon as it has taken them into its queue.
        let body = Bytes::from_owner(Owner(std::mem::take(&mut self.body), held));
        self.into_response().map(|_| Body::from(body))
    }
}

impl Answer {
    /// As the last bytes of a connection, for one that `hyper` has given up and encodes nothing for any more.
    pub(crate) fn last(&self) -> String {
        let Self { status, content_type, body, .. } = self;
        let length = body.len();
        // Left out if the clock shows a year that the format has no room for.
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&Timestamp::now())
            .map_or_else(|_| String::new(), |date| format!("date: {date}\r\n"));
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n{date}\r\n{body}"
        )
    }
}

/// The longest answer that is remembered as it is.
const MOST_REMEMBERED: usize = 16 * 1024;

impl Answer {
    /// What is remembered of it: all of it, or, of a long report, what its sender acts on: the status and the outcome. `None` if
    /// it is not to be remembered: a handshake wants back what it has sent, so it is answered anew.
    pub(crate) fn remembered(&self) -> Option<Self> {
        if self.body.len() <= MOST_REMEMBERED {
            return Some(self.clone());
        }
        let outcome = self.outcome?;
        Some(Self { body: Report { outcome, records: Vec::new() }.json(), ..self.clone_head() })
    }

    fn clone_head(&self) -> Self {
        Self { body: String::new(), ..*self }
    }
}

/// The answer for a report. A sender that repeats without end hears 200 for an event that can never be used: the error
/// line is in the log, and a 400 would only fill it.
pub(crate) fn status(report: &Report, redelivers_forever: bool) -> Answer {
    let status = match report.outcome {
        Outcome::Done => StatusCode::OK,
        Outcome::Transient => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Config => StatusCode::INTERNAL_SERVER_ERROR,
        Outcome::Permanent if redelivers_forever => StatusCode::OK,
        Outcome::Permanent => StatusCode::BAD_REQUEST,
        Outcome::Refused => StatusCode::FORBIDDEN,
    };
    let wait = report.retry_after().map_or(RETRY_AFTER, |wait| wait.as_secs().max(1));
    Answer { retry_after: (report.outcome == Outcome::Transient).then_some(wait), ..told(status, report) }
}

/// The answer to a request that never became a delivery.
pub(crate) fn turned_away(status: StatusCode, report: &Report) -> Answer {
    let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
    Answer { retry_after: unavailable.then_some(RETRY_AFTER), ..told(status, report) }
}

/// The answer for a sender the gate did not let in.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status.code()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = told(status, &Report::refused()).into_response();
    if let Some(challenge) = refusal.challenge() {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// What a handshake or a client library wants to hear.
pub(crate) fn wanted(reply: &Reply) -> Answer {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    Answer {
        status,
        content_type: reply.content_type,
        body: reply.body.clone(),
        retry_after: None,
        outcome: None,
    }
}

fn told(status: StatusCode, report: &Report) -> Answer {
    let outcome = Some(report.outcome);
    Answer { status, content_type: "application/json", body: report.json(), retry_after: None, outcome }
}
