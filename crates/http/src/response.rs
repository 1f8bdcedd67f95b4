//! An answer as bytes on a connection.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use mdss_relay_request::Answer;

/// Who answers, and which version of it: what `--version` prints, as a product of RFC 9110, 10.2.4.
const SERVER: &str = concat!("mdss-relay/", env!("CARGO_PKG_VERSION"));

/// An answer as a response.
pub(crate) fn response(answer: Answer) -> Response {
    holding(answer, ())
}

/// An answer as a response that holds `held` until its last byte is handed to the system, or its connection has gone.
pub(crate) fn holding<H: Send + 'static>(mut answer: Answer, held: H) -> Response {
    struct Owner<H>(String, H);
    impl<H> AsRef<[u8]> for Owner<H> {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    // What owns the bytes goes with them: `hyper` lets the body go as soon as it has taken them into its queue.
    let body = Bytes::from_owner(Owner(answer.take_body(), held));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status(&answer);
    let headers = answer.headers().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    });
    response.headers_mut().extend(headers);
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static(SERVER));
    if answer.closes() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An answer as the last bytes of a connection, for one that `hyper` has given up and encodes nothing for any more.
pub(crate) fn last(answer: &Answer) -> String {
    let (status, body) = (status(answer), answer.body());
    let content_type = answer.headers().find(|(name, _)| *name == "content-type");
    let content_type = content_type.map_or_else(|| "text/plain; charset=utf-8".into(), |(_, value)| value);
    let length = body.len();
    // Left out if the clock shows a year that the format has no room for.
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&Timestamp::now())
        .map_or_else(|_| String::new(), |date| format!("date: {date}\r\n"));
    format!(
        "HTTP/1.1 {status}\r\nserver: {SERVER}\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n{date}\r\n{body}"
    )
}

/// What is in none of HTTP's classes would be a defect of a table of statuses.
fn status(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
