mod attacks;

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::check::JDCLOUD;
use crate::key::Pinned;
use crate::testing::{Signer, now};

const BODY: &[u8] = br#"{"Records":[{"eventVersion":"1.0","eventSource":"oss"}]}"#;
const URL: &str = "https://keys.example/jd.pem";
const DATE: &str = "Sat, 21 Nov 2026 11:59:00 GMT";

const WRONG: Objection = Objection::Refused("the signature is wrong");
const DOUBLED: Objection = Objection::Refused("a signed header is there more than once");

/// A request that can be signed, changed and judged.
#[derive(Clone)]
struct Post {
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Post {
    /// As JD sends it: the hash is base64 of hex, the certificate's URL is followed by a line feed.
    fn new() -> Self {
        let mut post =
            Self { method: "POST", path: "/notifications".into(), headers: Vec::new(), body: BODY.to_vec() };
        let hex: String = Md5::digest(BODY).iter().map(|byte| format!("{byte:02x}")).collect();
        post.set("Content-MD5", &BASE64.encode(hex));
        post.set("Content-Type", "text/xml;charset=utf-8");
        post.set("Date", DATE);
        post.set("X-JDCloud-Version", "2015-06-06");
        post.set("x-jdcloud-request-id", "57458276F0E3D56D7C00054B");
        post.set("x-jdcloud-signing-cert-url", &BASE64.encode(format!("{URL}\n")));
        post.set("x-jdcloud-message-type", "Notification");
        post.set("User-Agent", "NS");
        post
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.remove(name);
        self.add(name, value)
    }

    fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn remove(&mut self, name: &str) -> &mut Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self
    }

    fn value(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
    }

    /// Signs what is there now. The text is put together from the document, not from the code that is tested.
    fn sign(&mut self, signer: &Signer) -> &mut Self {
        let mut own: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), String::from_utf8(value.clone()).unwrap()))
            .filter(|(name, _)| name.starts_with("x-jdcloud-"))
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        own.sort();
        let text = format!(
            "{}\n{}\n{}\n{}\n{}{}",
            self.method,
            self.value("Content-MD5"),
            self.value("Content-Type"),
            self.value("Date"),
            own.concat(),
            self.path
        );
        let signature = BASE64.encode(signer.sign(Hash::Sha1, text.as_bytes()));
        self.set("Authorization", &signature)
    }

    fn judge_with(&self, check: &HeaderSignature, keys: &Keys) -> Result<Option<ReplayKey>, Objection> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let head =
            Head { method: self.method, path: &self.path, path_rest: None, headers: &headers, client: None };
        check.judge(&Request { head, body: &self.body }, now(), keys)
    }

    fn judge(&self) -> Result<Option<ReplayKey>, Objection> {
        self.judge_with(&pinned(), &Keys::new())
    }
}

fn signed() -> Post {
    static SIGNED: OnceLock<Post> = OnceLock::new();
    SIGNED.get_or_init(|| Post::new().sign(Signer::one()).clone()).clone()
}

fn check(trust: Trust) -> HeaderSignature {
    let window = SignedDuration::from_mins(15);
    HeaderSignature {
        scheme: &JDCLOUD,
        place: "auth".into(),
        trust,
        content_md5: ContentMd5::Required,
        window,
    }
}

fn pinned() -> HeaderSignature {
    let keys = Key::all(Signer::one().plain_certificate().as_bytes()).unwrap();
    check(Trust::Pinned(Pinned { place: "auth".into(), keys }))
}

fn fetching() -> HeaderSignature {
    check(Trust::Listed(vec![url("https://other.example/jd.pem"), url(URL)]))
}

fn url(text: &str) -> KeyUrl {
    KeyUrl::listed(text, false).unwrap()
}

/// The text of the documented example (chapter on the signature, "Example"), and what our own reader makes of its headers.
#[test]
fn the_documented_string_to_sign() {
    let certificate =
        "aHR0cDovL25zdGVzdC5vc3MuY24tbm9ydGgtMS5qY2xvdWRjcy5jb20veDUwOV9wdWJsaWNfY2VydGlmaWNhdGUucGVtCg==";
    let headers: Vec<(&str, &[u8])> = vec![
        ("x-jdcloud-version", b"2015-06-06"),
        ("X-Jdcloud-Signing-Cert-Url", certificate.as_bytes()),
        ("Date", b"Wed, 25 May 2016 10:46:14 GMT"),
        ("content-type", b"text/xml;charset=utf-8"),
        ("X-JDCLOUD-REQUEST-ID", b"57458276F0E3D56D7C00054B"),
        ("Content-md5", b"ZDgxNjY5ZjFlMDQ5MGM0YWMwMWE5ODlmZDVlYmQxYjI="),
        ("Host", b"example"),
    ];
    let head =
        Head { method: "POST", path: "/notifications", path_rest: None, headers: &headers, client: None };
    let text = Signed::of(&head, &JDCLOUD).unwrap().text(&head);
    let expected = format!(
        "POST\nZDgxNjY5ZjFlMDQ5MGM0YWMwMWE5ODlmZDVlYmQxYjI=\ntext/xml;charset=utf-8\nWed, 25 May 2016 10:46:14 GMT\n\
         x-jdcloud-request-id:57458276F0E3D56D7C00054B\nx-jdcloud-signing-cert-url:{certificate}\n\
         x-jdcloud-version:2015-06-06\n/notifications"
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    // By name, as documented, and not by the joined lines, as in the sample: they differ where a name begins another.
    let pair: [(&str, &[u8]); 2] = [("x-jdcloud-a-b", b"2"), ("x-jdcloud-a", b"1")];
    let named = Head { headers: &pair, ..head };
    let text = Signed::of(&named, &JDCLOUD).unwrap().text(&named);
    assert_eq!(text, b"POST\n\n\n\nx-jdcloud-a:1\nx-jdcloud-a-b:2\n/notifications");
    // Where everything optional is missing there are empty lines, and no headers of the namespace.
    let bare = Head { headers: &[], ..head };
    assert_eq!(Signed::of(&bare, &JDCLOUD).unwrap().text(&bare), b"POST\n\n\n\n/notifications");
}

#[test]
fn what_jd_sends_is_admitted() {
    assert!(matches!(signed().judge(), Ok(Some(_))));
    for change in [
        (|post: &mut Post| post.set("Content-MD5", &BASE64.encode(Md5::digest(BODY))))
            as fn(&mut Post) -> &mut Post,
        |post| post.set("Content-MD5", &hex_md5()),
        |post| post.set("Content-MD5", &hex_md5().to_uppercase()),
        |post| post.set("Content-MD5", &BASE64.encode(hex_md5().to_uppercase())),
        |post| post.set("Date", "2026-11-21T11:59:00Z"),
        |post| post.set("Date", "Sat, 21 Nov 2026 12:15:00 GMT"),
        |post| post.set("Date", "Sat, 21 Nov 2026 11:45:00 GMT"),
        |post| post.remove("Content-Type"),
        |post| post.set("Content-Type", "application/json"),
        |post| post.set("x-jdcloud-new", "anything"),
        |post| post.remove("x-jdcloud-message-type"),
        // A pinned certificate makes the URL a matter of no importance, but it stays signed.
        |post| post.set("x-jdcloud-signing-cert-url", "???"),
        |post| {
            post.path = "/notifications/s3cret%2F?a=b%20c".into();
            post
        },
    ] {
        let mut post = Post::new();
        change(&mut post).sign(Signer::one());
        assert!(matches!(post.judge(), Ok(Some(_))), "{:?}", post.headers);
    }
    // Unsigned headers come and go, in any number.
    let mut post = signed();
    post.add("X-Forwarded-For", "10.0.0.1").add("X-Forwarded-For", "10.0.0.2").remove("User-Agent");
    assert!(post.judge().is_ok());
}

fn hex_md5() -> String {
    Md5::digest(BODY).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_body_that_is_not_signed_is_admitted_only_where_that_is_written_and_not_remembered() {
    let optional = HeaderSignature { content_md5: ContentMd5::Optional, ..pinned() };
    let keys = Keys::new();
    let mut post = Post::new();
    post.remove("Content-MD5").sign(Signer::one());
    assert_eq!(post.judge_with(&optional, &keys), Ok(None));
    assert!(post.judge().is_err());
    // With the header it is looked at as ever.
    assert!(matches!(signed().judge_with(&optional, &keys), Ok(Some(_))));
    let mut post = signed();
    post.body.push(b' ');
    let misfit = Objection::Refused("the Content-MD5 header does not fit the body");
    assert_eq!(post.judge_with(&optional, &keys), Err(misfit));
    // Taking it away breaks the signature.
    assert_eq!(signed().remove("Content-MD5").judge_with(&optional, &keys), Err(WRONG));
}

#[test]
fn a_repetition_is_known_by_id_and_body() {
    let key = |change: fn(&mut Post) -> &mut Post| {
        let mut post = Post::new();
        change(&mut post).sign(Signer::one()).judge().unwrap()
    };
    let first = key(|post| post).unwrap();
    // JD's own repetition has another date and so another signature.
    let again = key(|post| post.set("Date", "Sat, 21 Nov 2026 11:59:20 GMT")).unwrap();
    let other = key(|post| post.set("x-jdcloud-request-id", "another")).unwrap();
    let mut replays = crate::Replays::new(8, 1 << 20);
    replays.remember("jd", &first, 200, 0, now());
    assert_eq!(replays.find("jd", &again, now()), Some(200));
    assert_eq!(replays.find("jd", &other, now()), None);
    // Without an id nothing is remembered.
    assert_eq!(key(|post| post.remove("x-jdcloud-request-id")), None);
    assert_eq!(key(|post| post.set("x-jdcloud-request-id", "")), None);
}

#[test]
fn an_expired_certificate_is_a_warning() {
    let keys = Key::all(Signer::one().certificate("jd", &[], 2025).as_bytes()).unwrap();
    let expired = check(Trust::Pinned(Pinned { place: "auth.certificate".into(), keys }));
    assert!(signed().judge_with(&expired, &Keys::new()).is_ok());
    assert_eq!(
        expired.warnings(now())[1],
        "auth.certificate: the certificate has expired (2025-12-31T00:00:00Z)"
    );
    let mut keys = Keys::new();
    let text = Signer::one().certificate("jd", &[], 2025);
    let warnings = keys.store(&url(URL), text.as_bytes(), now()).unwrap();
    assert_eq!(warnings[1], "the certificate has expired (2025-12-31T00:00:00Z)");
    assert!(signed().judge_with(&fetching(), &keys).is_ok());
}

#[test]
fn several_pinned_certificates_for_a_rotation() {
    let text = format!("{}{}", Signer::one().plain_certificate(), Signer::other().public_key());
    let keys = Key::all(text.as_bytes()).unwrap();
    let both = check(Trust::Pinned(Pinned { place: "auth".into(), keys }));
    let mut post = Post::new();
    for signer in [Signer::one(), Signer::other()] {
        assert!(post.sign(signer).judge_with(&both, &Keys::new()).is_ok());
    }
}

#[test]
fn a_certificate_is_fetched_from_the_list_only() {
    let check = fetching();
    let named = |url: &str| {
        let mut post = Post::new();
        post.set("x-jdcloud-signing-cert-url", &BASE64.encode(url)).sign(Signer::one());
        post.judge_with(&check, &Keys::new())
    };
    let strange =
        |shown: &str| Err(Objection::WrongUrl("the certificate's URL is not on the list", shown.to_owned()));
    for url in [URL, "https://keys.example/jd.pem\n", " https://keys.example/jd.pem\r\n"] {
        assert_eq!(named(url), Err(Objection::NeedKey(KeyUrl::listed(URL, false).unwrap())), "{url}");
    }
    for (url, shown) in [
        // A neighbour's bucket, under the domain of all buckets.
        (
            "https://evil.oss.cn-north-1.jcloudcs.com/jd.pem",
            "https://evil.oss.cn-north-1.jcloudcs.com/jd.pem",
        ),
        ("http://keys.example/jd.pem", "http://keys.example/jd.pem"),
        ("https://keys.example/jd.pem?x=s3cret", "https://keys.example/jd.pem?..."),
        ("https://keys.example/jd.pem#x", "https://keys.example/jd.pem?..."),
        ("https://keys.example/JD.pem", "https://keys.example/JD.pem"),
        ("https://keys.example/jd.pem/", "https://keys.example/jd.pem/"),
        ("https://keys.example/x/../jd.pem", "https://keys.example/x/../jd.pem"),
        ("https://keys.example:443/jd.pem", "https://keys.example:443/jd.pem"),
        ("https://keys.example.evil.example/jd.pem", "https://keys.example.evil.example/jd.pem"),
        ("https://s3cret@keys.example/jd.pem", "https://keys.example/jd.pem"),
        ("http://169.254.169.254/latest/meta-data", "http://169.254.169.254/latest/meta-data"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        (
            "https://keys.example/jd.pem\n\nhttps://keys.example/jd.pem",
            "https://keys.example/jd.pem..https://keys.example/jd.pem",
        ),
        ("", ""),
    ] {
        assert_eq!(named(url), strange(shown), "{url}");
    }
    let mut post = Post::new();
    post.remove("x-jdcloud-signing-cert-url").sign(Signer::one());
    let refused = |why| Err(Objection::Refused(why));
    assert_eq!(post.judge_with(&check, &Keys::new()), refused("no header with the certificate's URL"));
    for (value, why) in [
        (URL.to_owned(), "the certificate's URL is not base64"),
        ("A".repeat(4097), "the certificate's URL is too long"),
    ] {
        post.set("x-jdcloud-signing-cert-url", &value).sign(Signer::one());
        assert_eq!(post.judge_with(&check, &Keys::new()), refused(why));
    }
    // Zeros, as long as may be.
    post.set("x-jdcloud-signing-cert-url", &"A".repeat(4096)).sign(Signer::one());
    assert_eq!(post.judge_with(&check, &Keys::new()), strange(&".".repeat(300)));
    post.set("x-jdcloud-signing-cert-url", &BASE64.encode(URL)).add("X-JDCloud-Signing-Cert-URL", "x");
    assert_eq!(post.judge_with(&check, &Keys::new()), Err(DOUBLED));
}

/// A stranger makes nobody fetch anything with what could be refused without a key.
#[test]
fn the_key_is_asked_for_last() {
    let keys = Keys::new();
    for change in [
        (|post: &mut Post| post.set("Date", "Sat, 21 Nov 2026 11:00:00 GMT")) as fn(&mut Post) -> &mut Post,
        |post| post.remove("Content-MD5"),
        |post| post.set("Content-MD5", "x"),
        |post| post.remove("Authorization"),
        |post| post.set("Authorization", "***"),
        |post| {
            post.body.clear();
            post
        },
    ] {
        let mut post = signed();
        let judged = change(&mut post).judge_with(&fetching(), &keys);
        assert!(matches!(judged, Err(Objection::Refused(_) | Objection::OutOfDate(_))), "{judged:?}");
    }
    assert!(matches!(signed().judge_with(&fetching(), &keys), Err(Objection::NeedKey(_))));
}

#[test]
fn a_fetched_certificate_is_used_and_renewed_when_it_does_not_fit() {
    let (check, url) = (fetching(), url(URL));
    let at = |seconds: i64| now().saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    let mut keys = Keys::new();
    // The key came six minutes ago; since then the certificate at that URL was exchanged.
    let old = Signer::other().plain_certificate();
    let warnings = keys.store(&url, old.as_bytes(), at(-360)).unwrap();
    assert_eq!(warnings, ["the key has 1024 bits, fewer than 2048"]);
    assert_eq!(signed().judge_with(&check, &keys), Err(Objection::NeedKey(url.clone())));
    // It could not be fetched: then the old one decides.
    keys.failed(&url, at(0));
    assert_eq!(signed().judge_with(&check, &keys), Err(WRONG));
    keys.store(&url, Signer::one().plain_certificate().as_bytes(), at(0)).unwrap();
    assert!(signed().judge_with(&check, &keys).is_ok());
    // And a stranger's signature makes nobody fetch it again so soon.
    let mut post = Post::new();
    assert_eq!(post.sign(Signer::other()).judge_with(&check, &keys), Err(WRONG));
}

#[test]
fn a_broken_certificate_is_not_the_senders_fault() {
    let (check, url) = (fetching(), url(URL));
    let big = Signer::one().plain_certificate() + &" ".repeat(KeyUrl::MAX_BYTES);
    for (case, text, expected) in [
        ("HTML", "<html>not found</html>", "a certificate or a public key in PEM"),
        ("oversized", &big, "at most 64 KiB"),
        ("empty", "", "a certificate or a public key in PEM"),
    ] {
        let mut keys = Keys::new();
        assert_eq!(keys.store(&url, text.as_bytes(), now()), Err(expected), "{case}");
        let judged = signed().judge_with(&check, &keys);
        assert_eq!(judged, Err(Objection::Unavailable("its key could not be had a moment ago")), "{case}");
    }
}

proptest! {
    /// Nothing made up gets in, whatever headers, path and body, and nothing panics.
    #[test]
    fn strangers_are_refused(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 8),
        names in proptest::collection::vec(
            prop_oneof![Just("authorization"), Just("content-md5"), Just("date"), Just("x-jdcloud-a"),
                        Just("x-jdcloud-signing-cert-url"), Just("x-jdcloud-request-id"), Just("content-type")],
            0..8,
        ),
        path in "\\PC{0,20}",
        body in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let headers: Vec<_> = names.iter().zip(&values).map(|(name, value)| (*name, &**value)).collect();
        let head = Head { method: "POST", path: &path, path_rest: None, headers: &headers, client: None };
        for check in [pinned(), fetching()] {
            let judged = check.judge(&Request { head, body: &body }, now(), &Keys::new());
            prop_assert!(judged.is_err());
        }
    }

    /// One byte anywhere in what is covered.
    #[test]
    fn a_change_of_one_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut post = signed();
        post.remove("User-Agent");
        let covered: usize = post.headers.iter().map(|(_, value)| value.len()).sum::<usize>() + post.body.len();
        let mut at = at.index(covered);
        let places = post.headers.iter_mut().map(|(_, value)| value).chain([&mut post.body]);
        for place in places {
            if at < place.len() {
                place[at] ^= flip;
                break;
            }
            at -= place.len();
        }
        prop_assert!(post.judge().is_err());
    }
}
