//! Who may post to one source: a list of checks, all of which must pass.

use jiff::Timestamp;
use mdss_relay_core::{Dialect, Mistake};

use crate::check::{Bearer, Check, Objection, bearer_remark};
use crate::head::{Head, Request};
use crate::keys::Keys;
use crate::secret::plain;
use crate::verdict::{Admission, Refusal, Status, Unavailable, Verdict};

/// Who may post to one source. Made from the source's `auth` value by [`Policy::parse`]; `Debug` shows no secret.
///
/// ```
/// use mdss_relay_gate::{Head, Keys, Policy, Status, Verdict};
///
/// let policy = Policy::bearer("RELAY_TOKEN", "t0ken").unwrap();
/// let post = |value| {
///     let headers = [("authorization", value)];
///     let head = Head { method: "POST", path: "/events", path_rest: None, headers: &headers, client: None };
///     policy.check_head(&head, jiff::Timestamp::now(), &Keys::new())
/// };
/// assert!(matches!(post(&b"Bearer t0ken"[..]), Verdict::Admitted(_)));
/// // One byte more is as wrong as nothing at all; the reason is for the log only.
/// let Verdict::Refused(refusal) = post(b"Bearer t0kens") else { unreachable!() };
/// assert_eq!((refusal.check, refusal.status), ("bearer", Status::Unauthorized));
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    /// Empty only for `none()`: the parser refuses a table without checks, so that nothing is opened by omission.
    checks: Vec<Check>,
    /// What was to be seen when it was read.
    remarks: Vec<String>,
}

impl Policy {
    /// Admits everybody. To be used where somebody has written `none`, and nowhere else.
    #[must_use]
    pub fn none() -> Self {
        Self { checks: Vec::new(), remarks: Vec::new() }
    }

    /// Admits who sends `token` as a bearer token. `place` is the setting's name, for the mistake.
    ///
    /// # Errors
    ///
    /// A mistake without the token in it, if it is empty, longer than 1024 bytes, not printable ASCII, of several lines, or
    /// begins or ends with a space.
    pub fn bearer(place: &str, token: &str) -> Result<Self, Mistake> {
        let check = plain(token).and_then(|()| Bearer::new(token));
        let check = check.map_err(|expected| Mistake::new(place, expected))?;
        let remarks = bearer_remark(place, token).into_iter().collect();
        Ok(Self { checks: vec![Check::Bearer(check)], remarks })
    }

    pub(crate) fn all(checks: Vec<Check>) -> Self {
        Self { checks, remarks: Vec::new() }
    }

    pub(crate) fn remarked(self, remarks: Vec<String>) -> Self {
        Self { remarks, ..self }
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

    /// Whether the check of this name is one of those that have to pass.
    #[must_use]
    pub fn has(&self, check: &str) -> bool {
        self.checks.iter().any(|known| known.name() == check)
    }

    /// Whether a request that [`check_head`](Self::check_head) admits has proven something: some check looks at the head, and
    /// none at the body.
    #[must_use]
    pub fn is_proven_by_head(&self) -> bool {
        let needs_body = |check: &Check| match check {
            Check::Hmac(_)
            | Check::JdcloudSignature(_)
            | Check::AlibabaEventbridge(_)
            | Check::AlibabaMns(_)
            | Check::HuaweiSmn(_)
            | Check::Sns(_) => true,
            Check::Jwt(jwt) => jwt.needs_body(),
            Check::Bearer(_)
            | Check::Basic(_)
            | Check::PathSecret(_)
            | Check::SharedSecret(_)
            | Check::SourceAddresses(_) => false,
        };
        !self.checks.is_empty() && !self.checks.iter().any(needs_body)
    }

    /// The one dialect of whose messages a check proves anything, with the check's name. Its signature covers some members of the
    /// body and not the others, so only that dialect's reader may be given the body: any other one would believe what nobody has
    /// signed.
    #[must_use]
    pub fn signed_dialect(&self) -> Option<(&'static str, Dialect)> {
        self.checks.iter().find_map(|check| {
            let signed = |dialect: &&Dialect| dialect.own_signature() == Some(check.name());
            Some((check.name(), *Dialect::ALL.iter().find(signed)?))
        })
    }

    /// What an operator should know: short tokens, a signature that proves too little alone, weak or expired keys that are
    /// pinned, plain HTTP, bodies that need not be signed.
    /// Each is a sentence with the setting's place. To be logged at the start, and perhaps once a day.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = self.remarks.clone();
        for check in &self.checks {
            match check {
                Check::JdcloudSignature(signature) => warnings.extend(signature.warnings(now)),
                Check::AlibabaEventbridge(signature) => warnings.extend(signature.warnings(now)),
                Check::AlibabaMns(mns) => warnings.extend(mns.signature.warnings(now)),
                Check::HuaweiSmn(smn) => {
                    warnings.extend(smn.pinned.iter().flat_map(|pinned| pinned.warnings(now)));
                }
                Check::Jwt(jwt) => warnings.extend(jwt.warnings()),
                Check::Sns(sns) => warnings.extend(sns.pinned.iter().flat_map(|pinned| pinned.warnings(now))),
                Check::Bearer(_)
                | Check::Basic(_)
                | Check::PathSecret(_)
                | Check::SharedSecret(_)
                | Check::SourceAddresses(_)
                | Check::Hmac(_) => {}
            }
        }
        warnings
    }

    /// Judges a request by its head, before its body is read, at this moment and with the `keys` that were fetched so far. `Admitted`
    /// means that no check objects so far; the request still has to pass [`check_body`](Self::check_body).
    ///
    /// After [`Verdict::NeedKey`] it is to be asked again, as there.
    #[must_use]
    pub fn check_head(&self, head: &Head<'_>, now: Timestamp, keys: &Keys) -> Verdict {
        let mut waiting = None;
        for check in &self.checks {
            let (judged, status) = match check {
                Check::Bearer(bearer) => (bearer.judge(head).map_err(Objection::from), Status::Unauthorized),
                Check::Basic(basic) => (basic.judge(head).map_err(Objection::from), Status::Unauthorized),
                Check::PathSecret(secret) => (secret.judge(head).map_err(Objection::from), Status::Forbidden),
                Check::SharedSecret(secret) => {
                    (secret.judge(head).map_err(Objection::from), Status::Forbidden)
                }
                Check::SourceAddresses(known) => {
                    (known.judge(head).map_err(Objection::from), Status::Forbidden)
                }
                Check::Jwt(jwt) => (jwt.judge(head, now, keys), Status::Unauthorized),
                // These need the body.
                Check::Hmac(_)
                | Check::JdcloudSignature(_)
                | Check::AlibabaEventbridge(_)
                | Check::AlibabaMns(_)
                | Check::HuaweiSmn(_)
                | Check::Sns(_) => continue,
            };
            if let Err(objection) = judged {
                match verdict(check, status, objection) {
                    refused @ Verdict::Refused(_) => return refused,
                    // A later check may yet refuse, and then nothing has to be fetched.
                    other => waiting = waiting.or(Some(other)),
                }
            }
        }
        waiting.unwrap_or(Verdict::Admitted(Admission::default()))
    }

    /// Judges a request whose body is complete, after [`check_head`](Self::check_head) has admitted it. `now` is the
    /// moment of receipt, `keys` what was fetched for this server so far.
    ///
    /// Pure and total: any head, any body, any moment gives a verdict. After [`Verdict::NeedKey`] the adapter tells
    /// `keys` what became of the fetch and asks again; the same key is not asked for twice in a row.
    #[must_use]
    pub fn check_body(&self, request: &Request<'_>, now: Timestamp, keys: &Keys) -> Verdict {
        let mut admission = Admission::default();
        let mut waiting = None;
        for check in &self.checks {
            let judged = match check {
                // The head alone decides these.
                Check::Bearer(_)
                | Check::Basic(_)
                | Check::PathSecret(_)
                | Check::SharedSecret(_)
                | Check::SourceAddresses(_) => continue,
                Check::Jwt(jwt) => jwt.judge_body(request).map(|()| None),
                Check::Hmac(hmac) => hmac.judge(request, now),
                Check::JdcloudSignature(signature) => signature.judge(request, now, keys),
                Check::AlibabaEventbridge(signature) => signature.judge(request, now, keys),
                Check::AlibabaMns(mns) => mns.judge(request, now, keys),
                Check::HuaweiSmn(smn) => smn.judge(request, now, keys),
                Check::Sns(sns) => sns.judge(request, now, keys),
            };
            match judged.map_err(|objection| verdict(check, Status::Forbidden, objection)) {
                Ok(replay) => admission.replay = admission.replay.or(replay),
                Err(refused @ Verdict::Refused(_)) => return refused,
                // A later check may yet refuse, and then nothing has to be fetched.
                Err(other) => waiting = waiting.or(Some(other)),
            }
        }
        waiting.unwrap_or(Verdict::Admitted(admission))
    }
}

/// What an objection of a check comes to; `status` if it is a refusal.
fn verdict(check: &Check, status: Status, objection: Objection) -> Verdict {
    let check = check.name();
    let refused = |why| Refusal { check, status, why, out_of_date: false, certificate_url: None };
    match objection {
        Objection::NeedKey(url) => Verdict::NeedKey { check, url },
        Objection::Unavailable(why) => {
            Verdict::Unavailable(Unavailable { check, why, certificate_url: None })
        }
        Objection::UnknownUrl(why, url) => {
            Verdict::Unavailable(Unavailable { check, why, certificate_url: Some(url) })
        }
        Objection::Refused(why) => Verdict::Refused(refused(why)),
        Objection::OutOfDate(why) => Verdict::Refused(Refusal { out_of_date: true, ..refused(why) }),
        Objection::WrongUrl(why, url) => {
            Verdict::Refused(Refusal { certificate_url: Some(url), ..refused(why) })
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;
    use crate::check::{
        BASIC, BEARER, Basic, HMAC, JDCLOUD_SIGNATURE, PATH_SECRET, PathSecret, SHARED_SECRET, SNS,
        SOURCE_ADDRESSES,
    };
    use crate::encoding::BASE64;
    use crate::key::Hash;
    use crate::key_url::KeyUrl;
    use crate::testing::{Signer, now};

    const SECRET: &str = "0123456789abcdef";

    fn both() -> Policy {
        let bearer = Check::Bearer(Bearer::new("t0ken").unwrap());
        Policy::all(vec![Check::PathSecret(PathSecret::new(SECRET).unwrap()), bearer])
    }

    fn refused(check: &'static str, status: Status, why: &'static str) -> Verdict {
        Verdict::Refused(Refusal { check, status, why, out_of_date: false, certificate_url: None })
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
            assert_eq!(both().check_head(&head, now(), &Keys::new()), expected, "{rest:?} {token:?}");
        }
    }

    #[test]
    fn none_admits_everybody_and_says_so() {
        let head = Head { method: "POST", path: "/", path_rest: Some("/x"), headers: &[], client: None };
        assert_eq!(
            Policy::none().check_head(&head, now(), &Keys::new()),
            Verdict::Admitted(Admission::default())
        );
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
        assert_eq!(mistake.to_string(), "RELAY_TOKEN: expected a single line");
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

    const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:t";

    fn parsed(text: &str) -> Policy {
        let mut read = |path: &str| match path {
            "/pem" => Ok(Signer::one().plain_certificate()),
            _ => Err("no such file".to_owned()),
        };
        Policy::parse_text(text, "auth", &mut read).unwrap()
    }

    fn every_body_check() -> Policy {
        parsed(&format!(
            "{{ hmac = {{ header = 'X-Signature', secret = '{SECRET}' }}, jdcloud_signature = {{ certificate_urls = \
             ['https://keys.example/jd.pem'] }}, sns = {{ topics = ['{TOPIC}'] }} }}"
        ))
    }

    fn body_verdict(policy: &Policy, headers: &[(&str, &[u8])], body: &[u8]) -> Verdict {
        let head = Head { method: "POST", path: "/jd", path_rest: None, headers, client: None };
        policy.check_body(&Request { head, body }, now(), &Keys::new())
    }

    #[test]
    fn what_a_head_cannot_pass_is_403_but_for_the_two_schemes_that_http_has() {
        let table = [
            ("source_addresses = ['10.0.0.1']", SOURCE_ADDRESSES, 403),
            ("shared_secret = { header = 'X-Key', secret = '0123456789abcdef' }", SHARED_SECRET, 403),
            ("shared_secret = { query = 'code', secret = '0123456789abcdef' }", SHARED_SECRET, 403),
            ("path_secret = { secret = '0123456789abcdef' }", PATH_SECRET, 403),
            ("bearer = { token = 't' }", BEARER, 401),
            ("basic = { user = 'u', password = 'p' }", BASIC, 401),
        ];
        let head = Head { method: "POST", path: "/jd", path_rest: None, headers: &[], client: None };
        for (text, check, code) in table {
            let Verdict::Refused(refusal) =
                parsed(&format!("{{ {text} }}")).check_head(&head, now(), &Keys::new())
            else {
                panic!("{text}")
            };
            assert_eq!((refusal.check, refusal.status.code()), (check, code), "{text}");
            assert_eq!(refusal.challenge().is_some(), code == 401, "{text}");
        }
        for (text, check) in [
            ("hmac = { header = 'X-Signature', secret = '0123456789abcdef' }", HMAC),
            ("jdcloud_signature = { certificate_file = '/pem' }", JDCLOUD_SIGNATURE),
            ("sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:t'] }", SNS),
        ] {
            let policy = parsed(&format!("{{ {text} }}"));
            // The head is no proof of a body, and not yet a reason to turn anybody away.
            assert!(matches!(policy.check_head(&head, now(), &Keys::new()), Verdict::Admitted(_)), "{text}");
            let Verdict::Refused(refusal) = body_verdict(&policy, &[], b"{}") else { panic!("{text}") };
            assert_eq!((refusal.check, refusal.status), (check, Status::Forbidden), "{text}");
        }
    }

    /// Whatever the other checks say: one that fails is enough, and then nothing is fetched.
    #[test]
    fn a_refusal_comes_before_a_fetch() {
        let listed = "https://keys.example/jd.pem";
        let md5 = "1B2M2Y8AsgTpgAmY7PhCfg==";
        let date = "Sat, 21 Nov 2026 12:00:00 GMT";
        let url = BASE64.encode(listed);
        let jd: [(&str, &[u8]); 4] = [
            ("Authorization", b"AAAA"),
            ("Content-MD5", md5.as_bytes()),
            ("Date", date.as_bytes()),
            ("x-jdcloud-signing-cert-url", url.as_bytes()),
        ];
        let alone = parsed("{ jdcloud_signature = { certificate_urls = ['https://keys.example/jd.pem'] } }");
        assert!(
            matches!(body_verdict(&alone, &jd, b""), Verdict::NeedKey { url: needed, .. } if needed.as_str() == listed)
        );
        // Before it in the order, and after it.
        for other in [
            "hmac = { header = 'X-Signature', secret = '0123456789abcdef' }",
            "sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:t'] }",
        ] {
            let both = parsed(&format!(
                "{{ jdcloud_signature = {{ certificate_urls = ['https://keys.example/jd.pem'] }}, {other} }}"
            ));
            assert!(matches!(body_verdict(&both, &jd, b""), Verdict::Refused(_)), "{other}");
        }
        let mut keys = Keys::new();
        keys.failed(&KeyUrl::listed(listed, false).unwrap(), now());
        let head = Head { method: "POST", path: "/jd", path_rest: None, headers: &jd, client: None };
        let why = "its key could not be had a moment ago";
        assert_eq!(
            alone.check_body(&Request { head, body: b"" }, now(), &keys),
            Verdict::Unavailable(Unavailable { check: JDCLOUD_SIGNATURE, why, certificate_url: None })
        );
    }

    #[test]
    fn a_refusal_shows_the_url_that_could_be_listed() {
        let url = BASE64.encode("http://u:s3cret@oss.example/jd.pem?s3cret\n");
        let policy = parsed("{ jdcloud_signature = { certificate_urls = ['https://keys.example/jd.pem'] } }");
        let refused = body_verdict(&policy, &[("x-jdcloud-signing-cert-url", url.as_bytes())], b"");
        let Verdict::Refused(refusal) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.certificate_url.as_deref(), Some("http://oss.example/jd.pem?..."));
    }

    /// Two checks of the body, both passed: the one with an id gives the key.
    #[test]
    fn an_admission_carries_what_a_repetition_is_known_by() {
        let policy = parsed(&format!(
            "{{ hmac = {{ header = 'X-Signature', secret = '{SECRET}' }}, sns = {{ topics = ['{TOPIC}'], \
             certificate_file = '/pem' }} }}"
        ));
        let line = |name: &str, value: &str| format!("{name}\n{value}\n");
        let parts = [
            ("Message", "m"),
            ("MessageId", "i"),
            ("Timestamp", "2026-11-21T12:00:00Z"),
            ("TopicArn", TOPIC),
            ("Type", "Notification"),
        ];
        let text: String = parts.iter().map(|(name, value)| line(name, value)).collect();
        let signature = BASE64.encode(Signer::one().sign(Hash::Sha256, text.as_bytes()));
        let members: String = parts.iter().map(|(name, value)| format!("\"{name}\":\"{value}\",")).collect();
        let body = format!("{{{members}\"SignatureVersion\":\"2\",\"Signature\":\"{signature}\"}}");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag: String =
            ring::hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let admitted = body_verdict(&policy, &[("x-signature", tag.as_bytes())], body.as_bytes());
        assert!(matches!(admitted, Verdict::Admitted(Admission { replay: Some(_) })), "{admitted:?}");
        assert!(matches!(
            body_verdict(&policy, &[], body.as_bytes()),
            Verdict::Refused(Refusal { check: HMAC, .. })
        ));
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
            prop_assert!(matches!(both().check_head(&head, now(), &Keys::new()), Verdict::Refused(_)));
        }

        /// Any head, any body, any moment: a verdict, and never an admission.
        #[test]
        fn check_body_is_total(
            headers in proptest::collection::vec(
                (
                    prop_oneof![
                        "(?i:authorization|content-md5|content-type|date|x-signature)",
                        "(?i:x-jdcloud-(request-id|signing-cert-url|[a-z]{1,4}))",
                        "(?i:x-amz-sns-(message-type|rawdelivery))",
                        "\\PC{0,12}",
                    ],
                    proptest::collection::vec(any::<u8>(), 0..64),
                ),
                0..10,
            ),
            path in "\\PC{0,24}",
            body in proptest::collection::vec(any::<u8>(), 0..128),
            seconds in any::<i64>(),
        ) {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let head = Head { method: "POST", path: &path, path_rest: Some(&path), headers: &headers, client: None };
            let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
            for policy in [
                every_body_check(),
                parsed("{ jdcloud_signature = { certificate_file = '/pem', content_md5 = 'optional' } }"),
                parsed("{ sns = { topics = ['arn:aws:sns:eu-central-1:123456789012:t'], certificate_file = '/pem' } }"),
            ] {
                let verdict = policy.check_body(&Request { head, body: &body }, moment, &Keys::new());
                prop_assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
            }
        }
    }
}
