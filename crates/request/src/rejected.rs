//! Requests that are rejected: the answer for the sender, and the line for the operator. Whether the line is due is for the adapter
//! to say: a server writes one for many that are alike.

use std::net::IpAddr;

use mdss_relay_core::{Answers, Cause, Failure, fields};
use mdss_relay_gate::{Answered, Refusal, Source, Takes};
use tracing::{error, warn};

use crate::answers::{Answer, Happened, Rejection, answer};

/// A request that is rejected.
pub struct Rejected {
    /// What its sender gets.
    pub answer: Answer,
    /// What the operator reads; `None`: nothing is wrong.
    pub line: Option<Line>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// As in the log's `error.type`.
    pub error_type: &'static str,
    /// The gate's check, if it was one.
    pub check: Option<&'static str>,
}

impl From<&'static str> for Reason {
    fn from(error_type: &'static str) -> Self {
        Self { error_type, check: None }
    }
}

/// The operator's line about a rejected request.
pub struct Line {
    source: Option<String>,
    reason: Reason,
    /// The kind of the failure; `None`: the gate has refused it.
    kind: Option<&'static str>,
    detail: String,
    size_bytes: Option<u64>,
    /// Whether the sender believes that all is well, so that the line is all there is of its event.
    is_all: bool,
}

impl Line {
    fn of(source: Option<&Source>, failure: &Failure, detail: &str) -> Self {
        Self {
            source: source.map(|source| source.name.clone()),
            reason: failure.cause.name().into(),
            kind: Some(failure.kind().name()),
            detail: detail.to_owned(),
            size_bytes: None,
            is_all: false,
        }
    }

    /// Whose line it is: lines of one source, reason and client are alike. `None` for a line that must not be left out.
    pub fn alike(&self) -> Option<(Option<&str>, Reason)> {
        (!self.is_all).then_some((self.source.as_deref(), self.reason))
    }

    /// Writes it. `repeats` is the number of those like it that had none.
    pub fn write(&self, client: Option<IpAddr>, repeats: u64) {
        let Self { source, reason, kind, detail, size_bytes, is_all } = self;
        let repeats = (repeats > 0).then_some(repeats);
        let client = client.map(|client| client.to_string());
        if *is_all {
            error!(
                { fields::SOURCE } = source,
                { fields::ERROR_TYPE } = reason.error_type,
                { fields::FAILURE_KIND } = kind,
                { fields::CLIENT_ADDRESS } = client,
                "event cannot be used: {detail}"
            );
        } else if kind.is_none() {
            warn!(
                { fields::SOURCE } = source,
                { fields::CHECK } = reason.check,
                { fields::ERROR_TYPE } = reason.error_type,
                { fields::CLIENT_ADDRESS } = client,
                { fields::REPEATS } = repeats,
                "refused: {detail}"
            );
        } else {
            warn!(
                { fields::SOURCE } = source,
                { fields::ERROR_TYPE } = reason.error_type,
                { fields::FAILURE_KIND } = kind,
                { fields::SIZE_BYTES } = size_bytes,
                { fields::CLIENT_ADDRESS } = client,
                { fields::REPEATS } = repeats,
                "request rejected: {detail}"
            );
        }
    }
}

/// A request that is rejected for a failure that sender and operator may both read.
pub fn rejected(source: Option<&Source>, rejection: Rejection, failure: &Failure) -> Rejected {
    Rejected {
        answer: answer(&Happened::Rejected(rejection, failure), &statuses(source)),
        line: Some(Line::of(source, failure, &failure.detail)),
    }
}

/// A request that has not come through the door.
pub fn answered(source: Option<&Source>, answered: &Answered) -> Rejected {
    let rejection = match answered {
        Answered::Present => return present(source),
        Answered::Refused(refusal) => return refused(source, refusal),
        // The path is not shown: it may hold a secret, or nearly hold one.
        Answered::UnknownPath { failure, hint } => {
            return Rejected {
                line: Some(Line::of(source, failure, hint)),
                ..rejected(source, Rejection::UnknownPath, failure)
            };
        }
        Answered::WrongMethod(_) if source.is_some_and(|source| source.takes == Takes::Results) => {
            Rejection::WrongMethodForResults
        }
        Answered::WrongMethod(_) => Rejection::WrongMethod,
        Answered::Unavailable(_) => Rejection::KeyUnavailable,
    };
    match answered.failure() {
        Some(failure) => rejected(source, rejection, &failure),
        None => present(source),
    }
}

fn present(source: Option<&Source>) -> Rejected {
    Rejected { answer: answer(&Happened::Present, &statuses(source)), line: None }
}

/// A refusal has two readers: the sender gets a status, the operator reads which check failed and why.
fn refused(source: Option<&Source>, refusal: &Refusal) -> Rejected {
    let line = Line {
        source: source.map(|source| source.name.clone()),
        // Apart from the others: it is the sign of a wrong clock, or of repetitions that come later than the window allows.
        reason: Reason {
            error_type: if refusal.out_of_date { "refused_out_of_date" } else { "refused" },
            check: Some(refusal.check),
        },
        kind: None,
        detail: refusal.why.to_owned(),
        size_bytes: None,
        is_all: false,
    };
    Rejected { answer: answer(&Happened::Refused(refusal), &statuses(source)), line: Some(line) }
}

/// A body of at least `seen` bytes, of which `limit` are taken.
pub fn body_too_large(source: &Source, seen: u64, limit: usize) -> Rejected {
    let by = if source.takes == Takes::Results { "as results are smaller" } else { "RELAY_BODY_LIMIT" };
    let detail = format!("a body of at least {seen} bytes, expected at most {limit} ({by})");
    let failure = Failure::new(Cause::BodyTooLarge, detail);
    let Rejected { answer, line } = rejected(Some(source), Rejection::BodyTooLarge, &failure);
    Rejected { answer, line: line.map(|line| Line { size_bytes: Some(seen), ..line }) }
}

/// A body that is packed in a way that is not read.
pub fn unpackable(source: &Source, failure: &Failure) -> Rejected {
    let answer = answer(&Happened::Unpackable(failure), &source.answers(None));
    let line = Line::of(Some(source), failure, &failure.detail);
    Rejected { line: Some(Line { is_all: answer.is_success(), ..line }), answer }
}

/// A defect of ours: the panic's own line says where, this one says for what.
pub fn defect(source: &Source, delivery: &str) -> Answer {
    let failure = Failure::new(Cause::Internal, "the relay failed in an unforeseen way; please report it");
    error!(
        { fields::SOURCE } = source.name,
        { fields::INVOCATION } = delivery,
        { fields::ERROR_TYPE } = failure.cause.name(),
        "{}",
        failure.detail
    );
    answer(&Happened::Rejected(Rejection::Defect, &failure), &source.answers(None))
}

/// The statuses of a source; of a request that has reached none, the default.
fn statuses(source: Option<&Source>) -> Answers {
    source.map_or(Answers::DEFAULT, |source| source.answers(None))
}
