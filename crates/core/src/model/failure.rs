//! Failures. The kind of a failure is the whole retry policy, so it is computed here and nowhere else.
//!
//! Three questions decide it: could the same bytes succeed later by themselves (transient), would they succeed once
//! an operator has changed something (config), or never (permanent)? Skipping an event is not a failure; see
//! [`SkipReason`](crate::SkipReason).

use std::fmt;
use std::time::Duration;

use crate::plain::line;

/// Who can do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The same bytes may succeed later.
    Transient,
    /// An operator must act; then the same bytes succeed.
    Config,
    /// These bytes never will.
    Permanent,
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// What went wrong; the stable token of reports, logs and alarms.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cause { $($(#[doc = $doc])+ $variant,)+ }

        impl Cause {
            /// Every cause, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable token: `reason` in reports, `error.type` in logs, `error_type` of a failed invocation.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

causes! {
    /// the delivery or the record is not the JSON it ought to be; over HTTP also a request that is no HTTP/1.1
    Unreadable = "unreadable";
    /// no known dialect has this shape
    UnknownDialect = "unknown_dialect";
    /// the body is compressed in another way than gzip (HTTP)
    UnsupportedEncoding = "unsupported_encoding";
    /// an event type that its provider has given up
    ObsoleteEvent = "obsolete_event";
    /// nobody here knows the event, and it speaks of an object
    UnknownEvent = "unknown_event";
    /// the record names no event, so it does not say what happened
    MissingEventName = "missing_event_name";
    /// the record names no bucket
    MissingBucket = "missing_bucket";
    /// the record names no object
    MissingKey = "missing_key";
    /// the key is not Unicode text once decoded
    InvalidKey = "invalid_key";
    /// the request path belongs to no source (HTTP)
    UnknownPath = "unknown_path";
    /// the request is not a POST, or on `/healthz`, `/readyz` or `/metrics` not a GET (HTTP)
    MethodNotAllowed = "method_not_allowed";
    /// the body is larger than `RELAY_BODY_LIMIT` (HTTP)
    BodyTooLarge = "body_too_large";
    /// the body did not arrive, or not whole (HTTP)
    BodyIncomplete = "body_incomplete";
    /// spooled mode: the event could not be put on disk just now, or its source or storage unit has its share of the spool (HTTP)
    SpoolUnavailable = "spool_unavailable";
    /// a result of MDSS could not be written into the ledger just now (HTTP)
    LedgerUnavailable = "ledger_unavailable";
    /// the key that a signature or a token is checked with could not be had just now, or this machine's clock is not set (HTTP)
    KeyUnavailable = "key_unavailable";
    /// a subscription's confirmation URL could not be visited (HTTP)
    Unconfirmed = "unconfirmed";
    /// no route names this bucket
    UnmappedBucket = "unmapped_bucket";
    /// an HTTP request has reached a function that has no `[[source]]`, so nobody has said who may post
    NoSource = "no_source";
    /// MDSS knows no storage unit of this id
    MdssStorageNotFound = "mdss_storage_not_found";
    /// real-time processing is off for this storage unit
    MdssNotEnabled = "mdss_not_enabled";
    /// real-time processing polls instead of taking events
    MdssNotEventBased = "mdss_not_event_based";
    /// MDSS refused the API key (401, 403)
    MdssUnauthorized = "mdss_unauthorized";
    /// the address answers with a redirect, which is never followed
    MdssRedirected = "mdss_redirected";
    /// MDSS refused the request for another reason
    MdssRefused = "mdss_refused";
    /// something before MDSS refuses this object and lets others pass
    MdssObjectRefused = "mdss_object_refused";
    /// a proxy on the way to MDSS wants user and password (407)
    MdssProxy = "mdss_proxy";
    /// a success status without the proof of acceptance
    MdssUnexpectedAnswer = "mdss_unexpected_answer";
    /// the server's certificate is not trusted
    MdssCertificate = "mdss_certificate";
    /// TLS is spoken on one side alone, or in no version that both have
    MdssTls = "mdss_tls";
    /// the submission is larger than MDSS takes (413)
    MdssTooLarge = "mdss_too_large";
    /// MDSS asks to come back later (408, 429, 5xx)
    MdssUnavailable = "mdss_unavailable";
    /// no connection to MDSS
    MdssUnreachable = "mdss_unreachable";
    /// MDSS did not answer in time
    MdssTimeout = "mdss_timeout";
    /// the connection broke before an answer came
    MdssReset = "mdss_reset";
    /// the answer was empty or broke off
    MdssHalfAnswer = "mdss_half_answer";
    /// the time for this delivery ran out
    Deadline = "deadline";
    /// a defect of the relay itself
    Internal = "internal";
}

impl Cause {
    /// The kind, which decides what every sender hears.
    pub fn kind(self) -> FailureKind {
        // No `_`: a new cause does not compile until someone has decided.
        match self {
            Self::Unreadable
            | Self::UnknownDialect
            | Self::ObsoleteEvent
            | Self::UnknownEvent
            | Self::UnsupportedEncoding
            | Self::MissingEventName
            | Self::MissingBucket
            | Self::MissingKey
            | Self::InvalidKey
            | Self::UnknownPath
            | Self::MethodNotAllowed
            | Self::BodyTooLarge
            | Self::MdssTooLarge => FailureKind::Permanent,
            // The three documented errors are all operator configuration errors; the rest of this arm is everything a
            // repetition cannot mend. A defect of ours belongs here too: a new version may read the same bytes.
            Self::UnmappedBucket
            | Self::NoSource
            | Self::MdssStorageNotFound
            | Self::MdssNotEnabled
            | Self::MdssNotEventBased
            | Self::MdssUnauthorized
            | Self::MdssRedirected
            | Self::MdssRefused
            | Self::MdssObjectRefused
            | Self::MdssProxy
            | Self::MdssUnexpectedAnswer
            | Self::MdssCertificate
            | Self::MdssTls
            | Self::Internal => FailureKind::Config,
            Self::MdssUnavailable
            | Self::MdssUnreachable
            | Self::MdssTimeout
            | Self::MdssReset
            | Self::MdssHalfAnswer
            | Self::BodyIncomplete
            | Self::SpoolUnavailable
            | Self::LedgerUnavailable
            | Self::KeyUnavailable
            | Self::Unconfirmed
            | Self::Deadline => FailureKind::Transient,
        }
    }
}

impl FailureKind {
    /// The stable name, also of the [`Outcome`](crate::Outcome) it leads to.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Config => "config",
            Self::Permanent => "permanent",
        }
    }
}

/// One failure: its cause and the sentence that names the place, what was found and what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub cause: Cause,
    /// The sentence: lower case, no full stop. Never holds a secret, a whole body or a URL's query.
    pub detail: String,
    /// How long MDSS asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether MDSS asked for a lower rate (429, 503), rather than reporting a fault (500, 502).
    pub throttled: bool,
}

impl Failure {
    /// A failure without a wish for the time of the next attempt.
    ///
    /// What a stranger wrote may stand in the sentence as it is: characters that are not one line's are escaped here.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: line::one_line(detail.into()), retry_after: None, throttled: false }
    }

    /// The kind of its cause.
    pub fn kind(&self) -> FailureKind {
        self.cause.kind()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.name(), self.detail)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_one_line_that_bends_nothing() {
        for (detail, want) in [
            ("plain, and \u{e9}\u{200d}\u{1f4e6}", "plain, and \u{e9}\u{200d}\u{1f4e6}"),
            ("found `S\rvice`,\n\t{", r"found `S\u000dvice`,\u000a\u0009{"),
            ("\0\u{1b}[2J\u{7f}\u{9b}2J", r"\u0000\u001b[2J\u007f\u009b2J"),
            ("a\u{2028}b\u{202e}fdp.exe\u{2066}", r"a\u2028b\u202efdp.exe\u2066"),
        ] {
            assert_eq!(Failure::new(Cause::Unreadable, detail).detail, want);
        }
    }
}
