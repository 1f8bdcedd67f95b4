//! Requests that are rejected: a line for the operator, though not one for each of many that are alike, and the answer for the
//! sender.

use std::net::IpAddr;

use mdss_relay_core::{Cause, Failure};
use mdss_relay_gate::{Answered, Source};
use mdss_relay_request::{self as request, Answer, Rejected, Rejection};

use crate::body::{BODY_TIMEOUT, Unread};
use crate::refusals::Refusals;

/// Where the requests of one client are rejected.
#[derive(Clone, Copy)]
pub(crate) struct Rejections<'r> {
    pub(crate) refusals: &'r Refusals,
    pub(crate) client: Option<IpAddr>,
}

impl Rejections<'_> {
    /// Rejects a request, for a failure that sender and operator may both read.
    pub(crate) fn reject(self, source: Option<&Source>, rejection: Rejection, failure: &Failure) -> Answer {
        self.said(request::rejected(source, rejection, failure))
    }

    /// The answer to a request that has not come through the door.
    pub(crate) fn answered(self, source: Option<&Source>, answered: &Answered) -> Answer {
        self.said(request::answered(source, answered))
    }

    /// A body that has not arrived.
    pub(crate) fn unread(self, source: &Source, unread: &Unread, limit: usize) -> Answer {
        let (rejection, cause, detail) = match unread {
            Unread::TooLarge { seen } => return self.said(request::body_too_large(source, *seen, limit)),
            Unread::TooSlow => {
                let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
                (Rejection::BodyTooSlow, Cause::BodyIncomplete, detail)
            }
            Unread::Broken(why) => {
                let detail = format!("the body did not arrive whole: {why}");
                (Rejection::BodyBroken, Cause::BodyIncomplete, detail)
            }
            Unread::Stopping => {
                let detail = "the relay is stopping, and the body has not arrived".to_owned();
                (Rejection::Stopping, Cause::BodyIncomplete, detail)
            }
            Unread::NoMemory => {
                let detail =
                    "no memory for the body: this source, or all of them, have as many bytes under way as they may"
                    .to_owned();
                (Rejection::NoMemoryForBody, Cause::Deadline, detail)
            }
        };
        self.reject(Some(source), rejection, &Failure::new(cause, detail))
    }

    /// A body that is packed in a way that is not read.
    pub(crate) fn unpackable(self, source: &Source, failure: &Failure) -> Answer {
        self.said(request::unpackable(source, failure))
    }

    /// Writes the line, if it is due.
    fn said(self, Rejected { answer, line }: Rejected) -> Answer {
        if let Some(line) = line {
            let repeats = match line.alike() {
                Some((source, reason)) => self.refusals.line(source, reason, self.client),
                None => Some(0),
            };
            if let Some(repeats) = repeats {
                line.write(self.client, repeats);
            }
        }
        answer
    }
}
