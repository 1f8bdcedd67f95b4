//! Whose trouble a failure reports. It decides who pauses, and whether MDSS itself counts as failing.

use crate::model::failure::Cause;

/// Who has to do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The endpoint, or the way to it.
    Endpoint,
    /// The storage unit.
    Lane,
    /// This object.
    Object,
}

impl Cause {
    /// Who has to do something about it.
    pub fn blame(self) -> Blame {
        // No `_`: a new cause does not compile until someone has decided.
        match self {
            Self::MdssUnauthorized
            | Self::MdssRedirected
            | Self::MdssUnexpectedAnswer
            | Self::MdssCertificate
            | Self::MdssTls
            | Self::MdssProxy
            | Self::MdssUnavailable
            | Self::MdssUnreachable
            | Self::MdssTimeout
            | Self::MdssReset
            | Self::MdssHalfAnswer
            | Self::Internal => Blame::Endpoint,
            Self::MdssStorageNotFound
            | Self::MdssNotEnabled
            | Self::MdssNotEventBased
            | Self::MdssRefused => Blame::Lane,
            Self::MdssTooLarge
            | Self::MdssObjectRefused
            // None of these is an answer of MDSS's.
            | Self::Unreadable
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
            | Self::BodyIncomplete
            | Self::Unconfirmed
            | Self::UnmappedBucket
            | Self::NoSource
            | Self::SpoolUnavailable
            | Self::LedgerUnavailable
            | Self::KeyUnavailable
            | Self::Deadline => Blame::Object,
        }
    }

    /// Whether it is an answer: of MDSS, or of something in its place.
    pub fn is_answer(self) -> bool {
        let unheard = matches!(
            self,
            Self::MdssUnreachable
                | Self::MdssTimeout
                | Self::MdssReset
                | Self::MdssCertificate
                | Self::MdssTls
                | Self::MdssProxy
        );
        self.name().starts_with("mdss_") && !unheard
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
            assert_eq!(cause.blame(), want, "{}", cause.name());
        }
    }
}
