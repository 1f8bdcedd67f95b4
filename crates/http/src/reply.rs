//! From a report to an HTTP answer, in direct mode.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mdss_relay_core::{Outcome, Reply, Report};
use mdss_relay_gate::Refusal;

/// What a sender is asked to wait if MDSS has named no time, in seconds.
const RETRY_AFTER: u64 = 10;

/// The status for a report. A sender that repeats without end hears 200 for an event that can never be used: the
/// error line is in the log, and a 400 would only fill it.
pub(crate) fn status(report: &Report, redelivers_forever: bool) -> Response {
    let status = match report.outcome {
        Outcome::Done => StatusCode::OK,
        Outcome::Transient => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::Config => StatusCode::INTERNAL_SERVER_ERROR,
        Outcome::Permanent if redelivers_forever => StatusCode::OK,
        Outcome::Permanent => StatusCode::BAD_REQUEST,
        Outcome::Refused => StatusCode::FORBIDDEN,
    };
    let mut response = body(status, report);
    if report.outcome == Outcome::Transient {
        let wait = report.retry_after().map_or(RETRY_AFTER, |wait| wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// The answer to a request that never became a delivery.
pub(crate) fn turned_away(status: StatusCode, report: &Report) -> Response {
    let mut response = body(status, report);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    }
    response
}

/// The answer for a sender the gate did not let in.
pub(crate) fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status.code()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = body(status, &Report::refused());
    if let Some(challenge) = refusal.challenge() {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// What a handshake or a client library wants to hear.
pub(crate) fn wanted(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, reply.content_type)], reply.body.clone()).into_response()
}

fn body(status: StatusCode, report: &Report) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], report.json()).into_response()
}
