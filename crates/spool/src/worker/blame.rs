//! Whose trouble a failure tells of: it decides who pauses.

use mdss_relay_core::Cause;

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The endpoint, or the way to it.
    Endpoint,
    /// The storage unit.
    Lane,
    /// This object.
    Object,
}

pub(super) fn blame(cause: Cause) -> Blame {
    // No `_`: a new cause does not compile until someone has decided.
    match cause {
        Cause::MdssUnauthorized
        | Cause::MdssRedirected
        | Cause::MdssUnexpectedAnswer
        | Cause::MdssCertificate
        | Cause::MdssTls
        | Cause::MdssProxy
        | Cause::MdssUnavailable
        | Cause::MdssUnreachable
        | Cause::MdssTimeout
        | Cause::MdssReset
        | Cause::MdssHalfAnswer
        | Cause::Internal => Blame::Endpoint,
        Cause::MdssStorageNotFound
        | Cause::MdssNotEnabled
        | Cause::MdssNotEventBased
        | Cause::MdssRefused => Blame::Lane,
        Cause::MdssTooLarge
        | Cause::MdssObjectRefused
        // None of these is an answer of MDSS's.
        | Cause::Unreadable
        | Cause::UnknownDialect
        | Cause::ObsoleteEvent
        | Cause::UnknownEvent
        | Cause::UnsupportedEncoding
        | Cause::MissingEventName
        | Cause::MissingBucket
        | Cause::MissingKey
        | Cause::InvalidKey
        | Cause::UnknownPath
        | Cause::MethodNotAllowed
        | Cause::BodyTooLarge
        | Cause::BodyIncomplete
        | Cause::Unconfirmed
        | Cause::UnmappedBucket
        | Cause::NoSource
        | Cause::SpoolUnavailable
        | Cause::KeyUnavailable
        | Cause::Deadline => Blame::Object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_blamed_on_whoever_can_mend_it() {
        for (cause, want) in [
            (Cause::MdssUnauthorized, Blame::Endpoint),
            (Cause::MdssUnavailable, Blame::Endpoint),
            (Cause::MdssUnreachable, Blame::Endpoint),
            (Cause::MdssTimeout, Blame::Endpoint),
            (Cause::MdssStorageNotFound, Blame::Lane),
            (Cause::MdssNotEnabled, Blame::Lane),
            (Cause::MdssNotEventBased, Blame::Lane),
            (Cause::MdssTooLarge, Blame::Object),
        ] {
            assert_eq!(blame(cause), want, "{}", cause.name());
        }
    }
}
