//! From what happened to the HTTP answer for it.
//!
//! One function, [`answer`], for everything: pages, refusals, limits, reports. It has no `_`, so that whatever can newly happen does
//! not compile until somebody has decided what its sender gets.

use std::borrow::Cow;

use mdss_relay_core::{Answers, Cause, Failure, Outcome, Plan, Reply, Report};
use mdss_relay_gate::{Refusal, Source};

/// What a sender is asked to wait if MDSS has named no time, in seconds.
const RETRY_AFTER: u64 = 10;

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What happened to a request.
#[derive(Debug)]
pub enum Happened<'h> {
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
pub enum Rejection {
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
    /// It is posted to a source of results, and its method is neither POST nor PUT.
    WrongMethodForResults,
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
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
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
pub fn answer(happened: &Happened<'_>, statuses: &Answers) -> Answer {
    match happened {
        Happened::Alive => Answer::text(200, TEXT, "ok\n"),
        Happened::Ready => Answer::text(200, TEXT, "ready\n"),
        // The page is for operators: the sentence names the directory and what is wrong with it.
        Happened::NotReady(why) => Answer::text(503, TEXT, format!("{why}\n")),
        Happened::Counted(page) => Answer::text(200, PROMETHEUS, page),
        Happened::Present => Answer { content_type: None, ..Answer::text(200, TEXT, "") },
        Happened::Refused(refusal) => {
            let status = statuses.refused.unwrap_or(refusal.status.code());
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
            Answer::report(status, &Report::failed((*failure).clone()))
        }
        Happened::Wanted(reply) => Answer {
            headers: reply.headers.clone(),
            ..Answer::text(reply.status, reply.content_type, reply.body.as_str())
        },
        Happened::Delivered(report) => of_report(report, statuses),
    }
}

fn rejected(rejection: Rejection, failure: &Failure, statuses: &Answers) -> Answer {
    let (status, closes) = match rejection {
        Rejection::UnreadableHead => (400, true),
        Rejection::OtherVersion => (505, true),
        Rejection::HeadTooLarge => (431, true),
        Rejection::UnknownPath => (404, false),
        Rejection::WrongMethod | Rejection::WrongMethodForResults | Rejection::WrongMethodOnPage => {
            (405, false)
        }
        // What is left of a body stands in the way of the next request.
        Rejection::BodyTooLarge => (statuses.unacceptable.unwrap_or(413), true),
        Rejection::BodyTooSlow => (statuses.incomplete.unwrap_or(408), true),
        Rejection::BodyBroken => (statuses.incomplete.unwrap_or(400), true),
        Rejection::Stopping | Rejection::NoMemoryForBody => (statuses.transient, true),
        Rejection::KeyUnavailable => (statuses.key_unavailable, false),
        Rejection::NoConnection
        | Rejection::TooManyRequests
        | Rejection::NoMemory
        | Rejection::NotStored
        | Rejection::NotConfirmed => (statuses.transient, false),
        Rejection::Defect => (statuses.config, false),
    };
    let later = [503, 429].contains(&status);
    Answer {
        retry_after: later.then_some(RETRY_AFTER),
        allow: match rejection {
            Rejection::WrongMethod => Some("POST, HEAD"),
            Rejection::WrongMethodForResults => Some("POST, PUT, HEAD"),
            _ => None,
        },
        closes,
        ..Answer::report(status, &Report::failed(failure.clone()))
    }
}

/// The answer to a delivery: what its sender wants to hear, if all is done, else the report.
pub fn delivered(source: &Source, plan: &Plan, report: &Report) -> Answer {
    let statuses = source.answers(plan.dialect);
    match plan.reply.as_ref().or(plan.receipt.as_ref()) {
        Some(reply) if report.outcome == Outcome::Done => answer(&Happened::Wanted(reply), &statuses),
        _ => answer(&Happened::Delivered(report), &statuses),
    }
}

fn of_report(report: &Report, statuses: &Answers) -> Answer {
    let status = match report.outcome {
        Outcome::Done => statuses.done,
        Outcome::Transient => statuses.transient,
        Outcome::Config => statuses.config,
        Outcome::Permanent => statuses.permanent,
        Outcome::Refused => statuses.refused.unwrap_or(403),
    };
    let wait = report.retry_after().map_or(RETRY_AFTER, |wait| wait.as_secs().max(1));
    let retry_after = (report.outcome == Outcome::Transient || status == 503).then_some(wait);
    Answer { retry_after, ..Answer::report(status, report) }
}

/// The longest answer that is remembered as it is.
const MOST_REMEMBERED: usize = 16 * 1024;

impl Answer {
    fn text(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
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

    fn report(status: u16, report: &Report) -> Self {
        Self { outcome: Some(report.outcome), ..Self::text(status, JSON, report.json()) }
    }

    /// Bytes of its body.
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether its sender need not come again.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Takes the body out of it, for whoever puts it on the wire.
    pub fn take_body(&mut self) -> String {
        std::mem::take(&mut self.body)
    }

    /// Its headers, by their lower-case names, except for those that a length or a clock gives.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let retry_after = self.retry_after.map(|seconds| Cow::Owned(seconds.to_string()));
        let headers = [
            ("content-type", self.content_type.map(Cow::Borrowed)),
            ("retry-after", retry_after),
            ("allow", self.allow.map(Cow::Borrowed)),
            ("www-authenticate", self.challenge.map(Cow::Borrowed)),
        ];
        let wanted = self.headers.iter().map(|(name, value)| (*name, Cow::Owned(value.clone())));
        headers.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(wanted)
    }

    /// Whether it is the last one of its connection.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// What is remembered of it: all of it, or, of a long report, what its sender acts on: the status and the outcome. `None` if
    /// it is not to be remembered: a handshake wants back what it has sent, so it is answered anew.
    pub fn remembered(&self) -> Option<Self> {
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
            (WrongMethodForResults, 405, false),
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
            let given = answer(&Happened::Rejected(rejection, &failure), &Answers::DEFAULT);
            let header = |name| given.headers().find(|(n, _)| *n == name).map(|(_, value)| value);
            assert_eq!((given.status, given.closes()), (status, closes), "{rejection:?}");
            assert_eq!(header("retry-after").as_deref(), (status == 503).then_some("10"), "{rejection:?}");
            // The router of the pages adds its own.
            let allow = match rejection {
                WrongMethod => Some("POST, HEAD"),
                WrongMethodForResults => Some("POST, PUT, HEAD"),
                _ => None,
            };
            assert_eq!(header("allow").as_deref(), allow, "{rejection:?}");
            assert_eq!(header("content-type").as_deref(), Some("application/json"), "{rejection:?}");
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
                assert_eq!(given.status, status, "{cause:?} {statuses:?}");
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
                assert_eq!(given.status, status, "{cause:?} {statuses:?}");
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
            assert_eq!(answer(&Happened::Delivered(report), &row).status, *status, "{report:?}");
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
            assert_eq!(given.status, status, "{rejection:?}");
        }
        for (cause, status) in
            [(Cause::Unreadable, 414), (Cause::UnsupportedEncoding, 415), (Cause::BodyTooLarge, 415)]
        {
            let failure = Failure::new(cause, "the sentence");
            assert_eq!(answer(&Happened::Unpackable(&failure), &row).status, status, "{cause:?}");
        }
    }
}
