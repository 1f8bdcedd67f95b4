//! The numbers are those of the table of attacks in the crate's README.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::key::Pinned;
use crate::key_url::KeyUrl;
use crate::testing::{Post, SIGNER, Signer, WEAK, at, now, other_tail};
use crate::{Replays, Verdict};

const URL: &str =
    "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_20230101.pem";
const TARGET: &str = "https://relay.example/alibaba/0123456789abcdef?a=b";
const BODY: &str =
    r#"{"id":"1","source":"acs.oss","specversion":"1.0","type":"oss:ObjectCreated:PutObject","data":{}}"#;

const WRONG: Objection = Objection::Refused("the signature is wrong");
const DOUBLED: Objection = Objection::Refused("a signed header is there more than once");
const OLD: Objection = Objection::OutOfDate("the timestamp is outside the window");

fn millis(seconds: i64) -> String {
    at(seconds).as_millisecond().to_string()
}

fn post() -> Post {
    let mut post = Post {
        method: "POST",
        path: "/alibaba/0123456789abcdef?a=b".into(),
        rest: "/0123456789abcdef".into(),
        headers: Vec::new(),
        body: BODY.into(),
    };
    post.set("X-EventBridge-Signature-Timestamp", &millis(-5))
        .set("X-EventBridge-Hash-Method", "SHA256")
        .set("X-EventBridge-Signature-Version", "1.0")
        .set("X-EventBridge-Signature-Url", URL)
        .set("Content-Type", "application/cloudevents+json");
    post
}

/// The string to sign, after the documentation: `end` is behind the body.
fn text(post: &Post, target: &str, with_token: bool, end: &str) -> Vec<u8> {
    let mut text = format!("{target}\n");
    for name in
        ["signature-timestamp", "hash-method", "signature-version", "signature-url", "signature-token"]
    {
        let name = format!("x-eventbridge-{name}");
        if name.ends_with("token") && !with_token {
            continue;
        }
        text += &format!("{name}: {}\n", post.value(&name));
    }
    [text.as_bytes(), &post.body, end.as_bytes()].concat()
}

fn sign_text(post: &mut Post, signer: &Signer, text: &[u8]) {
    post.set("X-EventBridge-Signature-V2", &BASE64.encode(signer.sign(Hash::Sha256, text)));
}

fn sign(post: &mut Post) -> Post {
    let text = text(post, TARGET, !post.value(TOKEN).is_empty(), "\n");
    sign_text(post, Signer::one(), &text);
    post.clone()
}

fn signed() -> Post {
    static SIGNED: OnceLock<Post> = OnceLock::new();
    SIGNED.get_or_init(|| sign(&mut post())).clone()
}

fn check(trust: Trust) -> AlibabaEventbridge {
    AlibabaEventbridge {
        place: "auth".into(),
        trust,
        public_url: "https://relay.example/alibaba".into(),
        window: SignedDuration::from_mins(1),
    }
}

fn pinned_to(pem: &str) -> AlibabaEventbridge {
    check(Trust::Pinned(Pinned { place: "auth".into(), keys: Key::all(pem.as_bytes()).unwrap() }))
}

fn pinned() -> AlibabaEventbridge {
    pinned_to(&Signer::one().plain_certificate())
}

fn fetching() -> AlibabaEventbridge {
    check(Trust::Listed(vec![KeyUrl::listed(URL, false).unwrap()]))
}

fn judge_at(
    check: &AlibabaEventbridge,
    post: &Post,
    keys: &Keys,
    at: Timestamp,
) -> Result<Option<ReplayKey>, Objection> {
    post.shown(|request| check.judge(request, at, keys))
}

fn judge(post: &Post) -> Result<Option<ReplayKey>, Objection> {
    judge_at(&pinned(), post, &Keys::new(), now())
}

fn ask(post: &Post) -> Result<Option<ReplayKey>, Objection> {
    judge_at(&fetching(), post, &Keys::new(), now())
}

fn changed(change: impl FnOnce(&mut Post) -> &mut Post) -> Post {
    let mut post = signed();
    change(&mut post);
    post
}

#[test]
fn each_of_the_four_strings_is_taken_and_no_fifth_one() {
    for (token, with_token, end, expected) in [
        ("", false, "\n", true),
        ("", false, "", true),
        ("t0ken of mine", true, "\n", true),
        ("t0ken of mine", true, "", true),
        ("t0ken of mine", false, "\n", true),
        ("t0ken of mine", false, "", true),
        ("", false, "\n\n", false),
        ("", false, "\r\n", false),
        ("", false, " ", false),
    ] {
        let mut post = post();
        if !token.is_empty() {
            post.set(TOKEN, token);
        }
        let text = text(&post, TARGET, with_token, end);
        sign_text(&mut post, Signer::one(), &text);
        assert_eq!(judge(&post).is_ok(), expected, "{token:?} {with_token} {end:?}");
        assert!(post.shown(|request| Signed::of(&request.head).unwrap().texts("", b"").len()) <= 4);
    }
    // A separator of a colon alone, names in other letters, another order.
    let good = String::from_utf8(text(&post(), TARGET, false, "\n")).unwrap();
    for other in [
        good.replace(": ", ":"),
        good.replace("x-eventbridge", "X-EventBridge"),
        good.replacen('\n', "\r\n", 1),
    ] {
        let mut post = post();
        sign_text(&mut post, Signer::one(), other.as_bytes());
        assert_eq!(judge(&post), Err(WRONG), "{other}");
    }
}

#[test]
fn row_01_a_certificate_of_somebody_elses_bucket_is_never_asked_for() {
    for url in [
        "https://x-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_20230101.pem",
        "https://evil.oss-cn-hangzhou.aliyuncs.com/x.pem",
        "https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com.evil/x509_public_certificate_20230101.pem",
        "https://evil-cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x509_public_certificate_20230101.pem",
    ] {
        let post = sign(post().set(CERTIFICATE_URL, url));
        let unknown = Objection::UnknownUrl("the certificate's URL is not on the list", url.to_owned());
        assert_eq!(ask(&post), Err(unknown), "{url}");
    }
    assert_eq!(ask(&signed()), Err(Objection::NeedKey(KeyUrl::listed(URL, false).unwrap())));
}

#[test]
fn row_02_another_spelling_of_the_listed_url_is_another_url() {
    let host = "cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com";
    for url in [
        format!("{URL}?x"),
        format!("{URL}#x"),
        format!("{URL}/"),
        format!(" {URL}"),
        URL.replace(".pem", ".PEM"),
        URL.replace("/x509", "/y/../x509"),
        URL.replace("/x509", "//x509"),
        URL.replace("/x509", "/%2e/x509"),
        URL.replace("https", "http"),
        URL.replace(host, &format!("{host}:443")),
        URL.replace(host, &format!("{host}.")),
        URL.replace(host, &format!("u@{host}")),
        URL.replace(host, &host.to_uppercase()),
        URL.replace("aliyuncs.com/", "aliyuncs.com\\"),
        String::new(),
    ] {
        let post = sign(post().set(CERTIFICATE_URL, &url));
        assert!(matches!(ask(&post), Err(Objection::UnknownUrl(..))), "{url}");
    }
}

/// The list is one of URLs, so another region's certificate is simply not on it.
#[test]
fn row_04_a_certificate_of_another_region_is_not_on_the_list() {
    let post = sign(post().set(CERTIFICATE_URL, &URL.replace("cn-hangzhou", "cn-beijing")));
    assert!(matches!(ask(&post), Err(Objection::UnknownUrl(..))));
}

#[test]
fn row_05_another_customers_signature_is_not_enough_and_settings_without_a_secret_are_a_mistake() {
    let parse = |more: &str| {
        let text = format!(
            "{{ alibaba_eventbridge = {{ public_url = 'https://relay.example/alibaba', certificate_file = '/pem' }}{more} }}"
        );
        crate::Policy::parse_text(&text, "auth", &mut |_| Ok(Signer::one().plain_certificate()))
    };
    for more in [
        "",
        ", source_addresses = ['192.0.2.0/24']",
        ", hmac = { header = 'X', secret = '0123456789abcdef' }",
    ] {
        let mistakes: Vec<_> = parse(more).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(
            mistakes[0].starts_with("auth.alibaba_eventbridge: found \"a signature without a secret\", expected a secret beside it (path_secret"),
            "{mistakes:?}"
        );
        assert!(mistakes[0].contains("signs for all of its customers"), "{mistakes:?}");
    }
    // Signed, for the right URL, by the bus of a stranger who does not know the secret.
    let mut stranger = post();
    stranger.path = "/alibaba".into();
    stranger.rest = String::new();
    let text = text(&stranger, "https://relay.example/alibaba", false, "\n");
    sign_text(&mut stranger, Signer::one(), &text);
    assert!(judge(&stranger).is_ok());
    for (more, check) in [
        (", path_secret = { secret = '0123456789abcdef' }", "path_secret"),
        (
            ", shared_secret = { header = 'x-eventbridge-signature-token', secret = '0123456789abcdef' }",
            "shared_secret",
        ),
        (", bearer = { token = '0123456789abcdef' }", "bearer"),
        (", basic = { user = 'u', password = '0123456789abcdef' }", "basic"),
    ] {
        let policy = parse(more).unwrap();
        let verdict = stranger.shown(|request| policy.check_head(&request.head, now(), &Keys::new()));
        assert!(matches!(verdict, Verdict::Refused(refusal) if refusal.check == check), "{more}");
    }
}

#[test]
fn row_06_a_body_that_was_changed_is_refused() {
    for body in [
        BODY.replace("acs", "Acs"),
        BODY[1..].to_owned(),
        format!("{BODY} "),
        format!("\n{BODY}"),
        String::new(),
    ] {
        assert_eq!(judge(&changed(|post| post.body(&body))), Err(WRONG), "{body}");
    }
}

#[test]
fn row_08_a_repetition_is_known_by_its_signature_and_an_old_request_is_refused() {
    let key = |post: &Post| judge(post).unwrap().unwrap();
    let mut replays = Replays::new(8, 1 << 20);
    replays.remember("s", &key(&signed()), 200, 0, now());
    assert_eq!(replays.find("s", &key(&signed()), now()), Some(200));
    // The same string, read in another way: the vendor's line feed sent as a part of the body.
    let again = changed(|post| post.body(&format!("{BODY}\n")));
    assert_eq!(replays.find("s", &key(&again), now()), Some(200));
    let other = sign(post().set(TIMESTAMP, &millis(-4)));
    assert_eq!(replays.find("s", &key(&other), now()), None);
    for (seconds, expected) in
        [(-90, true), (-91, false), (0, true), (30, true), (31, false), (-86_400, false)]
    {
        let judged = judge(&sign(post().set(TIMESTAMP, &millis(seconds))));
        assert_eq!(judged.is_ok(), expected, "{seconds}");
        assert!(expected || judged == Err(OLD), "{seconds}");
    }
    // The memory lasts as long as the request would be let in.
    let last = judge_at(&pinned(), &signed(), &Keys::new(), at(85)).unwrap().unwrap();
    replays.remember("t", &last, 200, 0, at(85));
    assert_eq!((replays.find("t", &last, at(85)), replays.find("t", &last, at(86))), (Some(200), None));
    assert_eq!(judge_at(&pinned(), &signed(), &Keys::new(), at(86)), Err(OLD));
    // A clock that nobody has set is this side's fault.
    let unset = judge_at(&pinned(), &signed(), &Keys::new(), Timestamp::UNIX_EPOCH);
    assert_eq!(unset, Err(Objection::Unavailable(moment::NOT_SET)));
}

#[test]
fn row_09_the_time_is_the_signed_one() {
    assert_eq!(judge(&changed(|post| post.set(TIMESTAMP, &millis(-4)))), Err(WRONG));
    let missing = Objection::Refused("a header of EventBridge's signature is missing");
    assert_eq!(
        judge(&changed(|post| post.remove(TIMESTAMP).set("Date", "Sat, 21 Nov 2026 12:00:00 GMT"))),
        Err(missing)
    );
    let no_time = Objection::Refused("the timestamp is no number of milliseconds since 1970");
    for value in ["", "-1", "+1795262400000", "1795262400.000", " 1795262400000", "9999999999999999", "now"] {
        assert_eq!(judge(&sign(post().set(TIMESTAMP, value))), Err(no_time.clone()), "{value}");
    }
    // Seconds are a time long ago.
    assert_eq!(judge(&sign(post().set(TIMESTAMP, "1795262400"))), Err(OLD));
}

#[test]
fn row_10_and_11_a_header_that_is_there_twice_is_refused() {
    for name in [SIGNATURE, METHOD, TIMESTAMP, VERSION, CERTIFICATE_URL, TOKEN] {
        for value in [signed().value(name), "x".into(), String::new()] {
            let mut post = signed();
            if name == TOKEN {
                post.set(TOKEN, "t");
            }
            assert_eq!(judge(post.add(&name.to_uppercase(), &value)), Err(DOUBLED), "{name}: {value}");
        }
    }
    // Headers that nobody signed may come and go: nothing reads them.
    assert!(judge(&changed(|post| post.add("x-eventbridge-new", "1").add("x-eventbridge-new", "2"))).is_ok());
}

#[test]
fn row_12_a_weak_key_is_no_key() {
    let keys = Key::all(WEAK.as_bytes());
    assert!(keys.unwrap_err().contains("a key of 512 bits: no proof"));
    let (url, mut keys) = (KeyUrl::listed(URL, false).unwrap(), Keys::new());
    assert!(keys.store(&url, WEAK.as_bytes(), now()).unwrap_err().contains("a key of 512 bits: no proof"));
    let judged = judge_at(&fetching(), &signed(), &keys, now());
    assert_eq!(judged, Err(Objection::Unavailable("its key could not be had a moment ago")));
}

#[test]
fn row_13_no_other_algorithm_and_no_other_version() {
    for method in ["SHA1", "sha256", "none", "", "SHA512", "SHA256 "] {
        let judged = judge(&sign(post().set(METHOD, method)));
        assert_eq!(judged, Err(Objection::Refused("the hash method is not SHA256")), "{method}");
    }
    // Signed with SHA-1, and the header says SHA256.
    let mut weaker = post();
    let text = text(&weaker, TARGET, false, "\n");
    let signature = BASE64.encode(Signer::one().sign(Hash::Sha1, &text));
    assert_eq!(judge(weaker.set(SIGNATURE, &signature)), Err(WRONG));
    // Headers of version 1 beside those of version 2 mean nothing; alone they are refused with their reason.
    let old = |post: &mut Post| {
        post.set(OLD_SIGNATURE, "AAAA")
            .set("x-eventbridge-signature-method", "HMAC-SHA1")
            .set("x-eventbridge-signature-secret", "AAAA");
        post.clone()
    };
    assert!(judge(&old(&mut signed())).is_ok());
    let alone = old(signed().remove(SIGNATURE));
    let why = "a signature of version 1 alone, whose key travels in the request: it is not taken for a proof";
    assert_eq!(judge(&alone), Err(Objection::Refused(why)));
    assert_eq!(
        judge(signed().remove(SIGNATURE)),
        Err(Objection::Refused("no header X-EventBridge-Signature-V2"))
    );
    assert_eq!(judge(&changed(|post| post.set(VERSION, "2.0"))), Err(WRONG));
}

#[test]
fn row_14_a_signature_is_as_long_as_the_key_and_base64_alone() {
    let good = signed().value(SIGNATURE);
    let raw = BASE64.decode(&good).unwrap();
    let refused = Objection::Refused;
    for (case, value, expected) in [
        ("shorter", BASE64.encode(&raw[1..]), WRONG),
        ("longer", BASE64.encode([&raw[..], &[0]].concat()), WRONG),
        ("with zeros before it", BASE64.encode([&[0], &raw[..]].concat()), WRONG),
        ("of zeros", BASE64.encode([0; 128]), WRONG),
        ("white space", format!("{} {}", &good[..8], &good[8..]), refused("the signature is not base64")),
        ("white space before", format!(" {good}"), refused("the signature is not base64")),
        // 128 bytes end with one digit of four bits that say nothing.
        ("another spelling of the tail", other_tail(&good), refused("the signature is not base64")),
        ("of URLs", good.replace(['+', '/'], "-"), refused("the signature is not base64")),
        ("empty", String::new(), WRONG),
        ("too long", "A".repeat(1369), refused("the signature is too long")),
        ("not ASCII", "\u{e9}".into(), refused("a signed header is no text")),
    ] {
        assert_eq!(judge(&changed(|post| post.set(SIGNATURE, &value))), Err(expected), "{case}");
    }
}

#[test]
fn row_15_no_part_can_be_taken_for_another_one() {
    let no_text = Objection::Refused("a signed header is no text");
    for name in [METHOD, TIMESTAMP, VERSION, CERTIFICATE_URL, TOKEN, SIGNATURE] {
        for value in ["a\nb", "a\rb", "a\0b"] {
            assert_eq!(judge(&changed(|post| post.set(name, value))), Err(no_text.clone()), "{name}");
        }
    }
    // A token moved from its header into the body, where the string to sign is the same.
    let with_token = sign(post().set(TOKEN, "t"));
    let mut moved = with_token.clone();
    moved.remove(TOKEN).body(&format!("{TOKEN}: t\n{BODY}"));
    assert_eq!(judge(&moved), Err(Objection::Refused("the body begins like a signed header")));
    // And a body that begins so, whose first line is offered as the token.
    let mut begun = post();
    begun.body(&format!("{TOKEN}: t\n{BODY}"));
    let mut lifted = sign(&mut begun);
    lifted.set(TOKEN, "t").body(BODY);
    assert!(judge(&begun).is_err());
    // Nobody can tell it from one that was signed with that token: it is the same string. The token's own check has the last word.
    assert!(judge(&lifted).is_ok());
    let mut broken = signed();
    broken.path = "/alibaba/0123456789abcdef?a=b\nx".into();
    assert_eq!(judge(&broken), Err(Objection::Refused("the request target holds a control character")));
    assert!(matches!(
        judge(&Post { method: "PUT", ..signed() }),
        Err(Objection::Refused("the method is not POST"))
    ));
}

#[test]
fn row_16_only_the_url_of_the_settings_is_the_one_that_was_signed() {
    for target in [
        "http://relay.example/alibaba/0123456789abcdef?a=b",
        "https://other.example/alibaba/0123456789abcdef?a=b",
        "https://relay.example:443/alibaba/0123456789abcdef?a=b",
        "https://relay.example/alibaba/0123456789abcdef",
        "https://relay.example/other/0123456789abcdef?a=b",
        "https://RELAY.example/alibaba/0123456789abcdef?a=b",
        "/alibaba/0123456789abcdef?a=b",
    ] {
        let mut post = post();
        let text = text(&post, target, false, "\n");
        sign_text(&mut post, Signer::one(), &text);
        // Whatever its headers say of the host.
        post.set("Host", "other.example")
            .set("X-Forwarded-Host", "other.example")
            .set("X-Forwarded-Proto", "http");
        assert_eq!(judge(&post), Err(WRONG), "{target}");
    }
    // A proxy that changes the path in front of the secret is no matter: the settings say what it was.
    let rewritten = Post { path: "/s/0123456789abcdef?a=b".into(), ..signed() };
    assert!(judge(&rewritten).is_ok());
    for (path, rest) in [
        ("/alibaba/0123456789abcdef", "/0123456789abcdef"),
        ("/alibaba/0123456789abcdef?a=c", "/0123456789abcdef"),
        ("/alibaba/0123456789abcdeg?a=b", "/0123456789abcdeg"),
        ("/alibaba?a=b", ""),
    ] {
        assert_eq!(judge(&Post { path: path.into(), rest: rest.into(), ..signed() }), Err(WRONG), "{path}");
    }
    // An empty query is one.
    let mut empty = post();
    empty.path = "/alibaba/0123456789abcdef?".into();
    let text = text(&empty, "https://relay.example/alibaba/0123456789abcdef?", false, "");
    sign_text(&mut empty, Signer::one(), &text);
    assert!(judge(&empty).is_ok());
}

/// However many URLs are named: only the listed one is asked for, and it is bounded how often (`keys.rs`).
#[test]
fn row_17_endless_urls_cause_no_fetch() {
    for number in 0..100 {
        let url = URL.replace("20230101", &format!("{number:08}"));
        assert!(matches!(ask(&sign(post().set(CERTIFICATE_URL, &url))), Err(Objection::UnknownUrl(..))));
    }
    // Nor does what could be refused without a key.
    for change in [
        (|post: &mut Post| post.set(TIMESTAMP, "0")) as fn(&mut Post) -> &mut Post,
        |post| post.set(METHOD, "SHA1"),
        |post| post.set(SIGNATURE, "***"),
        |post| post.remove(SIGNATURE),
    ] {
        let mut post = signed();
        assert!(matches!(ask(change(&mut post)), Err(Objection::Refused(_) | Objection::OutOfDate(_))));
    }
    let mut keys = Keys::new();
    keys.failed(&KeyUrl::listed(URL, false).unwrap(), now());
    let judged = judge_at(&fetching(), &signed(), &keys, now());
    assert_eq!(judged, Err(Objection::Unavailable("its key could not be had a moment ago")));
}

#[test]
fn row_19_an_expired_certificate_is_a_warning() {
    let expired = pinned_to(&Signer::one().certificate("eventbridge", &[], 2025));
    assert!(judge_at(&expired, &signed(), &Keys::new(), now()).is_ok());
    let warnings = expired.warnings(now());
    assert!(
        warnings.contains(&"auth: the certificate has expired (2025-12-31T00:00:00Z)".to_owned()),
        "{warnings:?}"
    );
    let (url, mut keys) = (KeyUrl::listed(URL, false).unwrap(), Keys::new());
    let warnings =
        keys.store(&url, Signer::one().certificate("eventbridge", &[], 2025).as_bytes(), now()).unwrap();
    assert!(
        warnings.contains(&"the certificate has expired (2025-12-31T00:00:00Z)".to_owned()),
        "{warnings:?}"
    );
    assert!(judge_at(&fetching(), &signed(), &keys, now()).is_ok());
}

#[test]
fn row_20_of_a_file_with_several_certificates_the_first_counts_and_it_has_to_be_rsa() {
    let (url, one, other) = (
        KeyUrl::listed(URL, false).unwrap(),
        Signer::one().plain_certificate(),
        Signer::other().plain_certificate(),
    );
    for (case, file, expected) in [
        ("its own, and one more", format!("{one}{other}"), Ok(true)),
        ("its own as the second", format!("{other}{one}"), Ok(false)),
        (
            "another kind",
            rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap().cert.pem(),
            Err("an RSA key"),
        ),
        ("no certificate", "<html>".into(), Err("a certificate or a public key in PEM")),
        ("too long", format!("{one}{}", " ".repeat(KeyUrl::MAX_BYTES)), Err("at most 64 KiB")),
    ] {
        let mut keys = Keys::new();
        let stored = keys.store(&url, file.as_bytes(), now()).map(drop);
        assert_eq!(stored, expected.map(drop), "{case}");
        let judged = judge_at(&fetching(), &signed(), &keys, now());
        match expected {
            Ok(true) => assert!(judged.is_ok(), "{case}"),
            Ok(false) => assert_eq!(judged, Err(WRONG), "{case}"),
            Err(_) => assert!(matches!(judged, Err(Objection::Unavailable(_))), "{case}"),
        }
    }
}

/// The body is bytes to this check: nothing in it is parsed, so nothing in it can choose anything.
#[test]
fn row_24_whatever_a_signed_body_is() {
    for body in [r#"{"a":1,"a":2}"#, &"[".repeat(100_000), r#"{"size":1e999}"#, "\u{feff}{}", ""] {
        assert!(judge(&sign(post().body(body))).is_ok(), "{body:.20}");
    }
}

#[test]
fn what_an_operator_is_told() {
    let plain = AlibabaEventbridge { public_url: "http://relay.example/alibaba".into(), ..pinned_to(SIGNER) };
    let told =
        "auth.public_url: is plain HTTP, where anybody on the way can read the secret beside the signature";
    assert_eq!(
        plain.warnings(now()),
        ["auth: the certificate is not valid yet (from 2026-11-27T05:56:35Z)", told]
    );
    let http = KeyUrl::listed("http://keys.example/a.pem", true).unwrap();
    let told = "auth: http://keys.example/a.pem is fetched over plain HTTP, where anybody on the way can exchange it";
    assert_eq!(check(Trust::Listed(vec![http])).warnings(now()), [told]);
}

proptest! {
    #[test]
    fn strangers_are_refused(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 7),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        seconds in any::<i64>(),
    ) {
        let names = [SIGNATURE, OLD_SIGNATURE, METHOD, TIMESTAMP, VERSION, CERTIFICATE_URL, TOKEN];
        let headers = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value)).collect();
        let post = Post { headers, body, ..post() };
        let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        for check in [pinned(), fetching()] {
            prop_assert!(judge_at(&check, &post, &Keys::new(), moment).is_err());
        }
    }

    #[test]
    fn a_change_of_one_byte_is_refused(index in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut post = signed();
        post.remove("Content-Type");
        let covered: usize = post.headers.iter().map(|(_, value)| value.len()).sum::<usize>() + post.body.len();
        let mut at = index.index(covered);
        for place in post.headers.iter_mut().map(|(_, value)| value).chain([&mut post.body]) {
            if at < place.len() {
                place[at] ^= flip;
                break;
            }
            at -= place.len();
        }
        prop_assert!(judge(&post).is_err());
    }
}
