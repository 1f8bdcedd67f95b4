//! What the gate answers. A refusal has two readers: the caller, who gets a status and no reason, and the operator,
//! who gets the reason in the log.

use crate::key_url::KeyUrl;
use crate::replay::ReplayKey;

/// The gate's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check asked so far has passed.
    Admitted(Admission),
    /// A check failed. Nothing of the request may be used.
    Refused(Refusal),
    /// Nothing speaks against the request so far, but a signature or a token needs the key at this URL. The adapter fetches it,
    /// puts what it got into [`Keys`](crate::Keys) (or says there that it got nothing), and asks again: then the answer
    /// is another one.
    NeedKey {
        /// The name of the check that needs it.
        check: &'static str,
        /// Where it is.
        url: KeyUrl,
    },
    /// The key that a check needs cannot be had just now, and to ask for it again would be too soon; or nobody has listed its URL, of a sender
    /// that is known to change it; or the clock is not set. The answer is 503
    /// and never 401: this is no reason to call a sender a stranger.
    Unavailable(Unavailable),
}

/// What the checks that have passed know of an admitted request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// By which a repetition of this very request is known, if a check's signature covers both an id and the body.
    pub replay: Option<ReplayKey>,
}

/// Which check failed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The check's name as in the settings, `bearer` for instance.
    pub check: &'static str,
    /// The status for the caller.
    pub status: Status,
    /// A short reason for the log. Not for the caller, to whom it would say what to try next. It holds nothing of
    /// what was sent.
    pub why: &'static str,
    /// Whether it was refused for the time at which it was signed, and for nothing else that was looked at before: the sign of a clock that is
    /// wrong, or of a window that is narrower than the sender's repetitions.
    pub out_of_date: bool,
    /// The certificate's URL as the sender named it, if it is not on the operator's list: to be logged once, so that an
    /// operator who trusts it can put it there. Printable ASCII, at most 300 characters, without user, password, query
    /// and fragment; a `?...` at its end says that something was left out.
    pub certificate_url: Option<String>,
}

/// Which check could not be made, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The check's name as in the settings.
    pub check: &'static str,
    /// A short reason for the log, with nothing of what was sent.
    pub why: &'static str,
    /// The certificate's URL as the sender named it, if that nobody has listed it is why; as in [`Refusal::certificate_url`].
    pub certificate_url: Option<String>,
}

impl Refusal {
    /// The `WWW-Authenticate` value that belongs to a 401; `None` for a 403.
    ///
    /// A 401 must carry a challenge: <https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2> (`realm` is mandatory
    /// for Basic: <https://www.rfc-editor.org/rfc/rfc7617#section-2>; of a token it can say what is wrong with it:
    /// <https://www.rfc-editor.org/rfc/rfc6750#section-3.1>).
    #[must_use]
    pub fn challenge(&self) -> Option<&'static str> {
        match self.status {
            Status::Unauthorized if self.check == crate::check::BASIC => Some("Basic realm=\"events\""),
            Status::Unauthorized if self.check == crate::check::JWT => Some("Bearer error=\"invalid_token\""),
            Status::Unauthorized => Some("Bearer"),
            Status::Forbidden => None,
        }
    }
}

/// The two statuses a refusal can have.
///
/// 401 has to name a scheme with which the caller may try again (RFC 9110, section 15.5.2), so only `bearer`, `basic` and `jwt`
/// have it. No registered scheme describes a signature of JD Cloud or SNS, a secret in a URL or an address; a made-up
/// challenge would help nobody. To these senders both statuses say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 401: the caller did not say who it is, or not convincingly.
    Unauthorized,
    /// 403: no credential that HTTP has a scheme for would help.
    Forbidden,
}

impl Status {
    /// The number, 401 or 403.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_401_carries_the_challenge_of_its_check_and_a_403_none() {
        let refusal =
            |check, status| Refusal { check, status, why: "", out_of_date: false, certificate_url: None };
        assert_eq!(refusal("bearer", Status::Unauthorized).challenge(), Some("Bearer"));
        let invalid = Some("Bearer error=\"invalid_token\"");
        assert_eq!(refusal("jwt", Status::Unauthorized).challenge(), invalid);
        assert_eq!(refusal("basic", Status::Unauthorized).challenge(), Some("Basic realm=\"events\""));
        assert_eq!(refusal("path_secret", Status::Forbidden).challenge(), None);
        assert_eq!((Status::Unauthorized.code(), Status::Forbidden.code()), (401, 403));
    }
}
