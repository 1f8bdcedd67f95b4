//! Who may post to one source: a list of checks, all of which must pass.

use jiff::Timestamp;

use crate::check::{BASIC, BEARER, Bearer, Check, PATH_SECRET};
use crate::head::{Head, Request};
use crate::keys::Keys;
use crate::mistake::Mistake;
use crate::verdict::{Admission, Refusal, Status, Verdict};

/// Who may post to one source. Made from the source's `auth` value by [`Policy::parse`]; `Debug` shows no secret.
///
/// ```
/// use mdss_relay_gate::{Head, Policy, Status, Verdict};
///
/// let policy = Policy::bearer("RELAY_TOKEN", "t0ken").unwrap();
/// let post = |value| {
///     let headers = [("authorization", value)];
///     policy.check_head(&Head { method: "POST", path: "/events", path_rest: None, headers: &headers, client: None })
/// };
/// assert_eq!(post(&b"Bearer t0ken"[..]), Verdict::Admitted(Admission::default()));
/// // One byte more is as wrong as nothing at all; the reason is for the log only.
/// let Verdict::Refused(refusal) = post(b"Bearer t0kens") else { unreachable!() };
/// assert_eq!((refusal.check, refusal.status), ("bearer", Status::Unauthorized));
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    /// Empty only for `none()`: the parser refuses a table without checks, so that nothing is opened by omission.
    checks: Vec<Check>,
}

impl Policy {
    /// Admits everybody. To be used where somebody has written `none`, and nowhere else.
    #[must_use]
    pub fn none() -> Self {
        Self { checks: Vec::new() }
    }

    /// Admits who sends `token` as a bearer token. `place` is the setting's name, for the mistake.
    ///
    /// # Errors
    ///
    /// A mistake without the token in it, if it is empty, longer than 1024 bytes, not printable ASCII, or begins or
    /// ends with a space.
    pub fn bearer(place: &str, token: &str) -> Result<Self, Mistake> {
        let check = Bearer::new(token).map_err(|expected| Mistake::new(place, expected))?;
        Ok(Self { checks: vec![Check::Bearer(check)] })
    }

    pub(crate) fn all(checks: Vec<Check>) -> Self {
        Self { checks }
    }

    /// Whether everybody is admitted: such a source is not authenticated, and what it sends deserves less trust.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.checks.is_empty()
    }

    /// Whether requests carry a secret after the source's path. The router must then let paths through that are one
    /// segment longer, and logs must leave the path out.
    #[must_use]
    pub fn has_path_secret(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::PathSecret(_)))
    }

    /// Judges a request by its head, before its body is read. `Admitted` means that no check objects so far; the
    /// request still has to pass [`check_body`](Self::check_body).
    #[must_use]
    pub fn check_head(&self, head: &Head<'_>) -> Verdict {
        for check in &self.checks {
            let (judged, check, status) = match check {
                Check::Bearer(bearer) => (bearer.judge(head), BEARER, Status::Unauthorized),
                Check::Basic(basic) => (basic.judge(head), BASIC, Status::Unauthorized),
                Check::PathSecret(secret) => (secret.judge(head), PATH_SECRET, Status::Forbidden),
            };
            if let Err(why) = judged {
                return Verdict::Refused(Refusal { check, status, why, certificate_url: None });
            }
        }
        Verdict::Admitted(Admission::default())
    }

    /// Judges a request whose body is complete, after [`check_head`](Self::check_head) has admitted it.
    ///
    /// No check of today looks at a body, so this admits; a check that signs the body will be one more arm here.
    #[must_use]
    pub fn check_body(&self, _request: &Request<'_>, _now: Timestamp, _keys: &Keys) -> Verdict {
        for check in &self.checks {
            match check {
                // The head alone decides these.
                Check::Bearer(_) | Check::Basic(_) | Check::PathSecret(_) => {}
            }
        }
        Verdict::Admitted(Admission::default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{Basic, PathSecret};

    const SECRET: &str = "0123456789abcdef";

    fn both() -> Policy {
        let bearer = Check::Bearer(Bearer::new("t0ken").unwrap());
        Policy::all(vec![Check::PathSecret(PathSecret::new(SECRET).unwrap()), bearer])
    }

    fn refused(check: &'static str, status: Status, why: &'static str) -> Verdict {
        Verdict::Refused(Refusal { check, status, why, certificate_url: None })
    }

    #[test]
    fn all_checks_must_pass() {
        let good = format!("/{SECRET}");
        let no_secret = refused(PATH_SECRET, Status::Forbidden, "the path holds no secret");
        for (rest, token, expected) in [
            (Some(&*good), Some(&b"Bearer t0ken"[..]), Verdict::Admitted(Admission::default())),
            (
                Some(&*good),
                Some(b"Bearer x"),
                refused(BEARER, Status::Unauthorized, "the bearer token is wrong"),
            ),
            (Some(&*good), None, refused(BEARER, Status::Unauthorized, "no Authorization header")),
            (None, Some(b"Bearer t0ken"), no_secret.clone()),
            (None, None, no_secret),
        ] {
            let headers: Vec<_> = token.map(|token| ("authorization", token)).into_iter().collect();
            let head = Head { method: "POST", path: "/jd", path_rest: rest, headers: &headers, client: None };
            assert_eq!(both().check_head(&head), expected, "{rest:?} {token:?}");
        }
    }

    #[test]
    fn none_admits_everybody_and_says_so() {
        let head = Head { method: "POST", path: "/", path_rest: Some("/x"), headers: &[], client: None };
        assert_eq!(Policy::none().check_head(&head), Verdict::Admitted(Admission::default()));
        assert_eq!(
            Policy::none().check_body(&Request { head, body: b"{}" }, Timestamp::UNIX_EPOCH, &Keys::new()),
            Verdict::Admitted(Admission::default())
        );
        assert!(Policy::none().is_none() && !Policy::none().has_path_secret());
        assert!(!both().is_none() && both().has_path_secret());
        assert!(!Policy::bearer("RELAY_TOKEN", "t").unwrap().has_path_secret());
    }

    #[test]
    fn a_bad_token_is_a_mistake_that_does_not_show_it() {
        let mistake = Policy::bearer("RELAY_TOKEN", "t0ken\n").unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "RELAY_TOKEN: expected printable ASCII characters without spaces at the ends"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut policy = both();
        policy.checks.push(Check::Basic(Basic::new("user", "pa55word").unwrap()));
        let shown = format!("{policy:?}");
        for secret in ["t0ken", SECRET, "user", "pa55word"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("Bearer") && shown.contains("PathSecret"), "{shown}");
    }

    proptest! {
        /// Nothing made up at random gets past a policy, in any combination of headers and paths, and nothing panics.
        #[test]
        fn strangers_are_refused(
            headers in proptest::collection::vec(
                (prop_oneof!["(?i:authorization)", "[a-z-]{0,12}"], proptest::collection::vec(any::<u8>(), 0..32)),
                0..4,
            ),
            rest in proptest::option::of("\\PC{0,24}"),
        ) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let head = Head { method: "POST", path: "/jd", path_rest: rest.as_deref(), headers: &headers, client: None };
            prop_assert!(matches!(both().check_head(&head), Verdict::Refused(_)));
        }
    }
}
