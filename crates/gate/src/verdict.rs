//! What the gate answers. A refusal has two readers: the caller, who gets a status and no reason, and the operator,
//! who gets the reason in the log.

/// The gate's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every check asked so far has passed.
    Admitted,
    /// A check failed. Nothing of the request may be used.
    Refused(Refusal),
    /// The gate cannot say before it has the key at this URL. The adapter fetches it, under its own rules about which
    /// hosts may be visited, and asks again. If the key cannot be had just now, the answer is 503 and not 401.
    NeedKey(String),
}

/// Which check failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The check's name as in the settings, `bearer` for instance.
    pub check: &'static str,
    /// The status for the caller.
    pub status: Status,
    /// A short reason for the log. Not for the caller, to whom it would say what to try next. It holds nothing of
    /// what was sent.
    pub why: &'static str,
}

impl Refusal {
    /// The `WWW-Authenticate` value that belongs to a 401; `None` for a 403.
    ///
    /// A 401 must carry a challenge: <https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2> (`realm` is mandatory
    /// for Basic: <https://www.rfc-editor.org/rfc/rfc7617#section-2>).
    #[must_use]
    pub fn challenge(&self) -> Option<&'static str> {
        match self.status {
            Status::Unauthorized if self.check == crate::check::BASIC => Some("Basic realm=\"events\""),
            Status::Unauthorized => Some("Bearer"),
            Status::Forbidden => None,
        }
    }
}

/// The two statuses a refusal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 401: the caller did not say who it is, or not convincingly.
    Unauthorized,
    /// 403: no credential in a header would help.
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
        let refusal = |check, status| Refusal { check, status, why: "" };
        assert_eq!(refusal("bearer", Status::Unauthorized).challenge(), Some("Bearer"));
        assert_eq!(refusal("basic", Status::Unauthorized).challenge(), Some("Basic realm=\"events\""));
        assert_eq!(refusal("path_secret", Status::Forbidden).challenge(), None);
        assert_eq!((Status::Unauthorized.code(), Status::Forbidden.code()), (401, 403));
    }
}
