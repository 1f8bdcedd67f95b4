//! From what happened to the HTTP answer for it.
//!
//! One function, [`answer`], for everything: pages, refusals, limits, reports. It has no `_`, so that whatever can newly happen does
//! not compile until somebody has decided what its sender gets.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use mdss_relay_core::{Answers, Cause, Failure, Outcome, Reply, Report};
use mdss_relay_gate::Refusal;

/// What a sender is asked to wait if MDSS has named no time, in seconds.
const RETRY_AFTER: u64 = 10;

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What happened to a request.
#[derive(Debug)]
pub(crate) enum Happened<'h> {
    /// Somebody has asked whether the process lives.
    Alive,
    /// Events are taken.
    Ready,
    /// Events cannot be taken just now, and why.
    NotReady(String),
    /// Somebody has asked for the counters; here they are.
    Counted(String),
    /// Somebody has asked whether a source is there.
    Present,
    /// The gate has refused it.
    Refused(&'h Refusal),
    /// It was rejected for another reason.
    Rejected(Rejection, &'h Failure),
    /// Its body is packed in a way that is not read.
    Unpackable(&'h Failure),
    /// It was delivered, and its sender wants to hear just this.
    Wanted(&'h Reply),
    /// It was delivered; what became of its records.
    Delivered(&'h Report),
}

/// Why a request is rejected, other than by the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// `hyper` cannot read its head.
    UnreadableHead,
    /// It is HTTP/2.
    OtherVersion,
    /// Its head is too large.
    HeadTooLarge,
    /// Every connection is taken but those for the pages.
    NoConnection,
    /// No source has its path.
    UnknownPath,
    /// It is posted to a source with another method than POST.
    WrongMethod,
    /// Another method than GET on one of the pages, whose router says which are allowed.
    WrongMethodOnPage,
    /// A check needs a key that cannot be had just now.
    KeyUnavailable,
    /// Its source has as many requests under way as it may have.
    TooManyRequests,
    /// There is no room in memory for what would become of it.
    NoMemory,
    /// Its body is larger than the limit.
    BodyTooLarge,
    /// Its body does not arrive in time.
    BodyTooSlow,
    /// Its body does not arrive whole.
    BodyBroken,
    /// The relay stops before its body has arrived.
    Stopping,
    /// There is no room in memory for its body.
    NoMemoryForBody,
    /// It could not be put on disk.
    NotStored,
    /// The confirmation it asks for could not be given.
    NotConfirmed,
    /// A defect of the relay.
    Defect,
}

/// An answer, before it is put on the wire; one that was given can be given again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `None`: it has no body.
    content_type: Option<&'static str>,
    body: String,
    /// Seconds.
    retry_after: Option<u64>,
    /// Which methods there are.
    allow: Option<&'static str>,
    /// How to show who one is.
    challenge: Option<&'static str>,
    /// Whether it is the last one of its connection.
    closes: bool,
    /// Of the report, if that is what it says.
    outcome: Option<Outcome>,
    /// What a handshake wants to hear beside the body.
    headers: Vec<(&'static str, String)>,
}

/// The answer for what happened, in the statuses of the sender's dialect.
pub(crate) fn answer(happened: &Happened<'_>, statuses: &Answers) -> Answer {
    match happened {
        Happened::Alive => Answer::text(StatusCode::OK, TEXT, "ok\n"),
        Happened::Ready => Answer::text(StatusCode::OK, TEXT, "ready\n"),
        // The page is for operators: the sentence names the directory and what is wrong with it.
        Happened::NotReady(why) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
        Happened::Counted(page) => Answer::text(StatusCode::OK, PROMETHEUS, page),
        Happened::Present => Answer { content_type: None, ..Answer::text(StatusCode::OK, TEXT, "") },
        Happened::Refused(refusal) => {
            let status = code(statuses.refused.unwrap_or(refusal.status.code()));
            Answer { challenge: refusal.challenge(), ..Answer::report(status, &Report::refused()) }
        }
        Happened::Rejected(rejection, failure) => rejected(*rejection, failure, statuses),
        Happened::Unpackable(failure) => {
            let status = if failure.cause == Cause::UnsupportedEncoding {
                statuses.unacceptable.unwrap_or(415)
            } else if failure.cause == Cause::BodyTooLarge {
                statuses.unacceptable.unwrap_or(413)
            } else {
                // It is damaged.
                statuses.permanent
            };
            Answer::report(code(status), &Report::failed((*failure).clone()))
        }
        Happened::Wanted(reply) => Answer {
            headers: reply.headers.clone(),
            ..Answer::text(code(reply.status), reply.content_type, reply.body.as_str())
        },
        Happened::Delivered(report) => delivered(report, statuses),
    }
}

/// A status of a table. What is in none of HTTP's classes would be a defect of the table.
fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn rejected(rejection: Rejection, failure: &Failure, statuses: &Answers) -> Answer {
    let (status, closes) = match rejection {
        Rejection::UnreadableHead => (StatusCode::BAD_REQUEST, true),
        Rejection::OtherVersion => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, true),
        Rejection::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, true),
        Rejection::UnknownPath => (StatusCode::NOT_FOUND, false),
        Rejection::WrongMethod | Rejection::WrongMethodOnPage => (StatusCode::METHOD_NOT_ALLOWED, false),
        // What is left of a body stands in the way of the next request.
        Rejection::BodyTooLarge => (code(statuses.unacceptable.unwrap_or(413)), true),
        Rejection::BodyTooSlow => (code(statuses.incomplete.unwrap_or(408)), true),
        Rejection::BodyBroken => (code(statuses.incomplete.unwrap_or(400)), true),
        Rejection::Stopping | Rejection::NoMemoryForBody => (code(statuses.transient), true),
        Rejection::KeyUnavailable => (code(statuses.key_unavailable), false),
        Rejection::NoConnection
        | Rejection::TooManyRequests
        | Rejection::NoMemory
        | Rejection::NotStored
        | Rejection::NotConfirmed => (code(statuses.transient), false),
        Rejection::Defect => (code(statuses.config), false),
    };
    let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    Answer {
        retry_after: later.then_some(RETRY_AFTER),
        allow: (rejection == Rejection::WrongMethod).then_some("POST, HEAD"),
        closes,
        ..Answer::report(status, &Report::failed(failure.clone()))
    }
}

fn delivered(report: &Report, statuses: &Answers) -> Answer {
    let status = match report.outcome {
        Outcome::Done => statuses.done,
        Outcome::Transient => statuses.transient,
        Outcome::Config => statuses.config,
        Outcome::Permanent => statuses.permanent,
        Outcome::Refused => statuses.refused.unwrap_or(403),
    };
    let wait = report.retry_after().map_or(RETRY_AFTER, |wait| wait.as_secs().max(1));
    let retry_after = (report.outcome == Outcome::Transient || status == 503).then_some(wait);
    Answer { retry_after, ..Answer::report(code(status), report) }
}

/// The longest answer that is remembered as it is.
const MOST_REMEMBERED: usize = 16 * 1024;

impl Answer {
    fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: Some(content_type),
            body: body.into(),
            retry_after: None,
            allow: None,
            challenge: None,
            closes: false,
            outcome: None,
            headers: Vec::new(),
        }
    }

    fn report(status: StatusCode, report: &Report) -> Self {
        Self { outcome: Some(report.outcome), ..Self::text(status, JSON, report.json()) }
    }

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

    /// As the last bytes of a connection, for one that `hyper` has given up and encodes nothing for any more.
    pub(crate) fn last(&self) -> String {
        let Self { status, body, .. } = self;
        let content_type = self.content_type.unwrap_or(TEXT);
        let length = body.len();
        // Left out if the clock shows a year that the format has no room for.
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&Timestamp::now())
            .map_or_else(|_| String::new(), |date| format!("date: {date}\r\n"));
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n{date}\r\n{body}"
        )
    }

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
        Self { body: String::new(), headers: self.headers.clone(), ..*self }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let fixed = |text: &'static str| HeaderValue::from_static(text);
        let headers: [(HeaderName, Option<HeaderValue>); 5] = [
            (header::CONTENT_TYPE, self.content_type.map(fixed)),
            (header::RETRY_AFTER, self.retry_after.map(HeaderValue::from)),
            (header::ALLOW, self.allow.map(fixed)),
            (header::WWW_AUTHENTICATE, self.challenge.map(fixed)),
            (header::CONNECTION, self.closes.then(|| fixed("close"))),
        ];
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        response.headers_mut().extend(headers);
        let wanted = self.headers.into_iter();
        let wanted =
            wanted.filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::try_from(value).ok()?)));
        response.headers_mut().extend::<Vec<(HeaderName, HeaderValue)>>(wanted.collect());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_has_its_status_and_whoever_may_come_again_is_told_when() {
        use Rejection::*;
        for (rejection, status, closes) in [
            (UnreadableHead, 400, true),
            (OtherVersion, 505, true),
            (HeadTooLarge, 431, true),
            (NoConnection, 503, false),
            (UnknownPath, 404, false),
            (WrongMethod, 405, false),
            (WrongMethodOnPage, 405, false),
            (KeyUnavailable, 503, false),
            (TooManyRequests, 503, false),
            (NoMemory, 503, false),
            (BodyTooLarge, 413, true),
            (BodyTooSlow, 408, true),
            (BodyBroken, 400, true),
            (Stopping, 503, true),
            (NoMemoryForBody, 503, true),
            (NotStored, 503, false),
            (NotConfirmed, 503, false),
            (Defect, 500, false),
        ] {
            let failure = Failure::new(Cause::Deadline, "the sentence");
            let response =
                answer(&Happened::Rejected(rejection, &failure), &Answers::DEFAULT).into_response();
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(response.status().as_u16(), status, "{rejection:?}");
            assert_eq!(header(header::CONNECTION), closes.then_some("close"), "{rejection:?}");
            assert_eq!(header(header::RETRY_AFTER), (status == 503).then_some("10"), "{rejection:?}");
            // The router of the pages adds its own.
            let allow = (rejection == WrongMethod).then_some("POST, HEAD");
            assert_eq!(header(header::ALLOW), allow, "{rejection:?}");
            assert_eq!(header(header::CONTENT_TYPE), Some("application/json"), "{rejection:?}");
        }
    }

    #[test]
    fn an_event_that_can_never_be_used_is_done_for_a_sender_that_repeats_without_end() {
        for (cause, once, forever) in [
            (Cause::Unreadable, 400, 200),
            (Cause::UnsupportedEncoding, 415, 415),
            (Cause::BodyTooLarge, 413, 413),
        ] {
            let failure = Failure::new(cause, "the sentence");
            for (statuses, status) in [(Answers::DEFAULT, once), (Answers::DEFAULT.for_endless(), forever)] {
                let given = answer(&Happened::Unpackable(&failure), &statuses);
                assert_eq!(given.status.as_u16(), status, "{cause:?} {statuses:?}");
            }
        }
        for (cause, once, forever) in [
            (Cause::UnknownDialect, 400, 200),
            (Cause::UnmappedBucket, 500, 500),
            (Cause::MdssUnavailable, 503, 503),
        ] {
            let report = &Report::failed(Failure::new(cause, "the sentence"));
            for (statuses, status) in [(Answers::DEFAULT, once), (Answers::DEFAULT.for_endless(), forever)] {
                let given = answer(&Happened::Delivered(report), &statuses);
                assert_eq!(given.status.as_u16(), status, "{cause:?} {statuses:?}");
            }
        }
    }

    /// A row that is unlike every other: each thing that can happen to a delivery is answered by its own column.
    /// A redirect would take the sender's token elsewhere, if the sender follows it: SeaweedFS's webhook does, with its
    /// `Authorization` (seaweedfs/seaweedfs, `weed/notification/webhook/http.go`).
    #[test]
    fn nobody_is_sent_elsewhere() {
        for dialect in mdss_relay_core::Dialect::ALL {
            let row = dialect.answers();
            let own = [row.done, row.transient, row.config, row.permanent, row.key_unavailable];
            let more = [row.unacceptable, row.incomplete, row.refused].into_iter().flatten();
            for status in own.into_iter().chain(more) {
                assert!(!(300..400).contains(&status), "{dialect}: {status}");
            }
        }
    }

    #[test]
    fn what_a_sender_hears_is_in_its_dialects_row() {
        let row = Answers {
            done: 211,
            transient: 512,
            config: 513,
            permanent: 414,
            unacceptable: Some(415),
            incomplete: Some(516),
            refused: Some(417),
            key_unavailable: 518,
        };
        let failed = |cause| Report::failed(Failure::new(cause, "the sentence"));
        let reports = [
            (Report::kept(&mdss_relay_core::Plan::default(), &[], std::time::Duration::ZERO, ""), 211),
            (failed(Cause::MdssUnavailable), 512),
            (failed(Cause::UnmappedBucket), 513),
            (failed(Cause::UnknownDialect), 414),
            (Report::refused(), 417),
        ];
        for (report, status) in &reports {
            assert_eq!(answer(&Happened::Delivered(report), &row).status.as_u16(), *status, "{report:?}");
        }
        let failure = Failure::new(Cause::Unreadable, "the sentence");
        for (rejection, status) in [
            (Rejection::BodyTooLarge, 415),
            (Rejection::BodyTooSlow, 516),
            (Rejection::BodyBroken, 516),
            (Rejection::Stopping, 512),
            (Rejection::NoMemoryForBody, 512),
            (Rejection::TooManyRequests, 512),
            (Rejection::NoMemory, 512),
            (Rejection::NotStored, 512),
            (Rejection::NotConfirmed, 512),
            (Rejection::KeyUnavailable, 518),
            (Rejection::Defect, 513),
            // Of no sender's dialect.
            (Rejection::UnknownPath, 404),
            (Rejection::WrongMethod, 405),
        ] {
            let given = answer(&Happened::Rejected(rejection, &failure), &row);
            assert_eq!(given.status.as_u16(), status, "{rejection:?}");
        }
        for (cause, status) in
            [(Cause::Unreadable, 414), (Cause::UnsupportedEncoding, 415), (Cause::BodyTooLarge, 415)]
        {
            let failure = Failure::new(cause, "the sentence");
            assert_eq!(answer(&Happened::Unpackable(&failure), &row).status.as_u16(), status, "{cause:?}");
        }
    }
}
