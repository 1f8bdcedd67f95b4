//! Requests that are rejected: a line for the operator, though not one for each of many that are alike, and the answer for the
//! sender.

use std::net::IpAddr;

use mdss_relay_core::{Answers, Cause, Failure, fields};
use mdss_relay_gate::{Answered, Refusal, Source};
use tracing::{error, warn};

use crate::answers::{Answer, Happened, Rejection, answer};
use crate::body::{BODY_TIMEOUT, Unread};
use crate::refusals::{Reason, Refusals};

/// Where the requests of one client are rejected.
#[derive(Clone, Copy)]
pub(crate) struct Rejections<'r> {
    pub(crate) refusals: &'r Refusals,
    pub(crate) client: Option<IpAddr>,
}

impl Rejections<'_> {
    /// Rejects a request, for a failure that sender and operator may both read.
    pub(crate) fn reject(self, source: Option<&Source>, rejection: Rejection, failure: &Failure) -> Answer {
        self.line(source, failure, &failure.detail, None);
        answer(&Happened::Rejected(rejection, failure), &statuses(source))
    }

    /// The answer to a request that has not come through the door.
    pub(crate) fn answered(self, source: Option<&Source>, answered: &Answered) -> Answer {
        let rejection = match answered {
            Answered::Present => return answer(&Happened::Present, &statuses(source)),
            Answered::Refused(refusal) => return self.refused(source, refusal),
            // The path is not shown: it may hold a secret, or nearly hold one.
            Answered::UnknownPath { failure, hint } => {
                self.line(source, failure, hint, None);
                return answer(&Happened::Rejected(Rejection::UnknownPath, failure), &statuses(source));
            }
            Answered::WrongMethod(_) => Rejection::WrongMethod,
            Answered::Unavailable(_) => Rejection::KeyUnavailable,
        };
        match answered.failure() {
            Some(failure) => self.reject(source, rejection, &failure),
            None => answer(&Happened::Present, &statuses(source)),
        }
    }

    /// A refusal has two readers: the sender gets a status, the operator reads which check failed and why.
    fn refused(self, source: Option<&Source>, refusal: &Refusal) -> Answer {
        let name = source.map(|source| source.name.as_str());
        let reason = Reason { error_type: "refused", check: Some(refusal.check) };
        if let Some(more) = self.refusals.line(name, reason, self.client) {
            let more = (more > 0).then_some(more);
            warn!(
                { fields::SOURCE } = name,
                { fields::CHECK } = reason.check,
                { fields::ERROR_TYPE } = reason.error_type,
                { fields::CLIENT_ADDRESS } = self.address(),
                { fields::REPEATS } = more,
                "refused: {}",
                refusal.why
            );
        }
        answer(&Happened::Refused(refusal), &statuses(source))
    }

    /// A body that has not arrived.
    pub(crate) fn unread(self, source: &Source, unread: &Unread, limit: usize) -> Answer {
        let (rejection, cause, detail, size) = match unread {
            Unread::TooLarge { seen } => {
                let detail =
                    format!("a body of at least {seen} bytes, expected at most {limit} (RELAY_BODY_LIMIT)");
                (Rejection::BodyTooLarge, Cause::BodyTooLarge, detail, Some(*seen))
            }
            Unread::TooSlow => {
                let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
                (Rejection::BodyTooSlow, Cause::BodyIncomplete, detail, None)
            }
            Unread::Broken(why) => {
                let detail = format!("the body did not arrive whole: {why}");
                (Rejection::BodyBroken, Cause::BodyIncomplete, detail, None)
            }
            Unread::Stopping => {
                let detail = "the relay is stopping, and the body has not arrived".to_owned();
                (Rejection::Stopping, Cause::BodyIncomplete, detail, None)
            }
            Unread::NoMemory => {
                let detail =
                    "no memory for the body: this source, or all of them, have as many bytes under way as they may"
                    .to_owned();
                (Rejection::NoMemoryForBody, Cause::Deadline, detail, None)
            }
        };
        let failure = Failure::new(cause, detail);
        self.line(Some(source), &failure, &failure.detail, size);
        answer(&Happened::Rejected(rejection, &failure), &source.answers(None))
    }

    /// A body that is packed in a way that is not read.
    pub(crate) fn unpackable(self, source: &Source, failure: &Failure) -> Answer {
        let answer = answer(&Happened::Unpackable(failure), &source.answers(None));
        if answer.status.is_success() {
            // The line is all there is of it.
            error!(
                { fields::SOURCE } = source.name,
                { fields::ERROR_TYPE } = failure.cause.name(),
                { fields::FAILURE_KIND } = failure.kind().name(),
                { fields::CLIENT_ADDRESS } = self.address(),
                "event cannot be used: {}",
                failure.detail
            );
        } else {
            self.line(Some(source), failure, &failure.detail, None);
        }
        answer
    }

    fn address(self) -> Option<String> {
        self.client.map(|client| client.to_string())
    }

    fn line(self, source: Option<&Source>, failure: &Failure, detail: &str, size_bytes: Option<u64>) {
        let source = source.map(|s| s.name.as_str());
        let (error_type, kind) = (failure.cause.name(), failure.kind().name());
        if let Some(more) = self.refusals.line(source, error_type, self.client) {
            let more = (more > 0).then_some(more);
            warn!(
                { fields::SOURCE } = source,
                { fields::ERROR_TYPE } = error_type,
                { fields::FAILURE_KIND } = kind,
                { fields::SIZE_BYTES } = size_bytes,
                { fields::CLIENT_ADDRESS } = self.address(),
                { fields::REPEATS } = more,
                "request rejected: {detail}"
            );
        }
    }
}

/// A defect of ours: the panic's own line says where, this one says for what.
pub(crate) fn defect(source: &Source, delivery: &str) -> Answer {
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
