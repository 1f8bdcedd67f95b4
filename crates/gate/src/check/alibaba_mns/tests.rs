//! The numbers are those of the table of attacks in the crate's README. What any signature over headers has to withstand is tried in
//! `header_signature/`, with JD Cloud's names.

use std::sync::OnceLock;

use base64::Engine as _;
use jiff::SignedDuration;
use md5::{Digest as _, Md5};
use proptest::prelude::*;

use super::*;
use crate::check::{ContentMd5, Trust};
use crate::encoding::BASE64;
use crate::key::{Hash, Key, Pinned};
use crate::key_url::KeyUrl;
use crate::testing::{Post, Signer, WEAK, at, now, other_tail};
use crate::{Replays, moment};

const URL: &str = "https://mns-cert.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem";
const DATE: &str = "Sat, 21 Nov 2026 11:59:00 GMT";
const BODY: &str = r#"{"events":[{"eventName":"ObjectCreated:PutObject"}]}"#;

const WRONG: Objection = Objection::Refused("the signature is wrong");
const FOREIGN: Objection = Objection::Refused("the topic is not on the list");
const DOUBLED: Objection = Objection::Refused("a signed header is there more than once");

/// As the service posts in the format SIMPLIFIED.
fn post() -> Post {
    let mut post = Post {
        method: "POST",
        path: "/mns/0123456789abcdef".into(),
        rest: "/0123456789abcdef".into(),
        headers: Vec::new(),
        body: BODY.into(),
    };
    post.set("Content-Type", "text/plain;charset=utf-8").set("Date", DATE);
    for (name, value) in [
        ("request-id", "6426A1B2000000000000000A"),
        ("signing-cert-url", &BASE64.encode(URL)),
        ("version", "2015-06-06"),
        ("message-id", "16A0C5B6D0E80001"),
        ("message-tag", ""),
        ("publish-time", "1795262340000"),
        ("subscriber", "1000000000000001"),
        ("subscription-name", "relay"),
        ("topic-name", "intake"),
        ("topic-owner", "1000000000000001"),
    ] {
        post.set(&format!("x-mns-{name}"), value);
    }
    hashed(&mut post);
    post
}

/// As the capture has it: hex in capital letters.
fn hashed(post: &mut Post) -> &mut Post {
    let hex: String = Md5::digest(&post.body).iter().map(|byte| format!("{byte:02X}")).collect();
    post.set("Content-MD5", &hex)
}

/// The string to sign, after the documentation: in the line of the date stands `x-mns-date` where there is no Date.
fn sign_by(signer: &Signer, post: &mut Post) -> Post {
    let mut own: Vec<String> = post
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8(value.clone()).unwrap()))
        .filter(|(name, _)| name.starts_with("x-mns-"))
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    own.sort();
    let date =
        Some(post.value("Date")).filter(|date| !date.is_empty()).unwrap_or_else(|| post.value("x-mns-date"));
    let (md5, kind) = (post.value("Content-MD5"), post.value("Content-Type"));
    let text = format!("{}\n{md5}\n{kind}\n{date}\n{}{}", post.method, own.concat(), post.path);
    post.set("Authorization", &BASE64.encode(signer.sign(Hash::Sha1, text.as_bytes()))).clone()
}

fn sign(post: &mut Post) -> Post {
    sign_by(Signer::one(), post)
}

fn signed() -> Post {
    static SIGNED: OnceLock<Post> = OnceLock::new();
    SIGNED.get_or_init(|| sign(&mut post())).clone()
}

fn changed(change: impl FnOnce(&mut Post) -> &mut Post) -> Post {
    let mut post = signed();
    change(&mut post);
    post
}

/// In the format JSON or XML: nothing but what every message has stands in headers.
fn around(body: &str) -> Post {
    let mut post = post();
    post.headers.retain(|(name, _)| {
        !["message", "publish", "subscri", "topic"]
            .iter()
            .any(|part| name.starts_with(&format!("x-mns-{part}")))
    });
    hashed(post.body(body)).clone()
}

fn json(owner: &str, name: &str) -> String {
    format!(
        r#"{{"TopicOwner":"{owner}","TopicName":"{name}","MessageId":"16A0C5B6D0E80001","Message":"e30=","PublishTime":1795262340000}}"#
    )
}

fn xml(owner: &str, name: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Notification xmlns=\"http://mns.aliyuncs.com/doc/v1/\"><TopicOwner>{owner}</TopicOwner>\
         <TopicName>{name}</TopicName><MessageId>16A0C5B6D0E80001</MessageId><Message>e30=</Message></Notification>"
    )
}

fn check(trust: Trust) -> AlibabaMns {
    let signature = HeaderSignature {
        scheme: &MNS,
        place: "auth".into(),
        trust,
        content_md5: ContentMd5::Required,
        window: SignedDuration::from_mins(15),
    };
    let topics =
        ["2000000000000002/other", "1000000000000001/intake"].map(|topic| MnsTopic::new(topic).unwrap());
    AlibabaMns { signature, topics: topics.to_vec() }
}

fn pinned() -> AlibabaMns {
    let keys = Key::all(Signer::one().plain_certificate().as_bytes()).unwrap();
    check(Trust::Pinned(Pinned { place: "auth".into(), keys }))
}

fn fetching() -> AlibabaMns {
    check(Trust::Listed(vec![KeyUrl::listed(URL, false).unwrap()]))
}

fn judge_at(
    check: &AlibabaMns,
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

#[test]
fn what_the_service_sends_is_admitted_in_each_format() {
    for post in [
        post(),
        around(&json("1000000000000001", "intake")),
        around(&xml("1000000000000001", "intake")),
        // SIMPLIFIED, and the message in base64.
        hashed(post().body("eyJldmVudHMiOltdfQ==")).clone(),
    ] {
        let lower = post.value("Content-MD5").to_lowercase();
        let forms =
            [post.value("Content-MD5"), BASE64.encode(&lower), BASE64.encode(Md5::digest(&post.body)), lower];
        for form in forms {
            let mut post = post.clone();
            assert!(matches!(judge(&sign(post.set("Content-MD5", &form))), Ok(Some(_))), "{form}");
            // Without Date, and with both.
            post.set("x-mns-date", DATE).remove("Date");
            assert!(matches!(judge(&sign(&mut post)), Ok(Some(_))), "{form}");
            post.set("Date", "Sat, 21 Nov 2026 11:58:00 GMT");
            assert!(matches!(judge(&sign(&mut post)), Ok(Some(_))), "{form}");
        }
    }
}

#[test]
fn row_01_a_certificate_of_somebody_elses_bucket_is_never_asked_for() {
    for url in [
        "https://mns-cert.oss-cn-beijing.aliyuncs.com.evil/x509_public_certificate.pem",
        "https://evil.oss-cn-hangzhou.aliyuncs.com/x.pem",
        "https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem",
        "https://mns-cert.oss-cn-beijing.aliyuncs.com/x509_public_certificate.pem",
    ] {
        let unknown = Objection::UnknownUrl("the certificate's URL is not on the list", url.to_owned());
        assert_eq!(
            ask(&sign(post().set("x-mns-signing-cert-url", &BASE64.encode(url)))),
            Err(unknown),
            "{url}"
        );
    }
    assert_eq!(ask(&signed()), Err(Objection::NeedKey(KeyUrl::listed(URL, false).unwrap())));
}

#[test]
fn row_02_another_spelling_of_the_listed_url_is_another_url() {
    let host = "mns-cert.oss-cn-hangzhou.aliyuncs.com";
    for url in [
        format!("{URL}?x"),
        format!("{URL}#x"),
        format!("{URL}.version2"),
        URL.replace("/x509", "/y/../x509"),
        URL.replace("/x509", "/%2e/x509"),
        URL.replace("https", "http"),
        URL.replace(host, &format!("{host}:443")),
        URL.replace(host, &format!("{host}.")),
        URL.replace(host, &format!("u@{host}")),
        URL.replace(host, &host.to_uppercase()),
        URL.replace("aliyuncs.com/", "aliyuncs.com\\"),
        String::new(),
    ] {
        let judged = ask(&sign(post().set("x-mns-signing-cert-url", &BASE64.encode(&url))));
        assert!(matches!(judged, Err(Objection::UnknownUrl(..))), "{url}: {judged:?}");
    }
    let refused = |value: &str, why| {
        assert_eq!(ask(&sign(post().set("x-mns-signing-cert-url", value))), Err(Objection::Refused(why)));
    };
    refused(URL, "the certificate's URL is not base64");
    refused(&"A".repeat(4097), "the certificate's URL is too long");
}

#[test]
fn row_05_another_customers_topic_is_refused_before_anything_is_fetched_and_a_secret_path_is_demanded() {
    for (owner, name) in [
        ("2000000000000002", "intake"),
        ("1000000000000001", "other"),
        ("1000000000000001", "Intake"),
        ("1000000000000001", ""),
        ("", "intake"),
        ("1000000000000001/intake", "intake"),
        (" 1000000000000001", "intake"),
    ] {
        let mut post = post();
        post.set(OWNER, owner).set(NAME, name);
        assert_eq!(judge(&sign(&mut post)), Err(FOREIGN), "{owner} {name}");
        assert_eq!(ask(&sign(&mut post)), Err(FOREIGN), "{owner} {name}");
    }
    // A stranger's topic in the format SIMPLIFIED whose message looks like one of ours around another: the headers count.
    for body in [json("1000000000000001", "intake"), xml("1000000000000001", "intake")] {
        let mut post = post();
        hashed(post.body(&body)).set(OWNER, "3000000000000003");
        assert_eq!(judge(&sign(&mut post)), Err(FOREIGN), "{body}");
        // Taking its headers away breaks the signature.
        let mut post = sign(&mut post);
        post.remove(OWNER).remove(NAME);
        assert_eq!(judge(&post), Err(WRONG), "{body}");
        assert_eq!(
            judge(post.set(NAME, "intake")),
            Err(Objection::Refused("of the topic and its owner only one is named"))
        );
    }
    for body in [
        json("3000000000000003", "intake"),
        xml("3000000000000003", "intake"),
        xml("1000000000000001", "Intake"),
    ] {
        assert_eq!(judge(&sign(&mut around(&body))), Err(FOREIGN), "{body}");
    }
    let unnamed = Objection::Refused("neither headers nor body name the topic and its owner");
    for body in [
        BODY.to_owned(),
        "[]".into(),
        r#"{"TopicOwner":"1000000000000001"}"#.into(),
        r#"{"TopicOwner":1000000000000001,"TopicName":"intake"}"#.into(),
        // Twice, in a comment, in a section of text, in an element of that name in another.
        xml("3000000000000003</TopicOwner><TopicOwner>1000000000000001", "intake"),
        xml("3000000000000003", "intake")
            .replace("<Message>", "<TopicOwner>1000000000000001</TopicOwner><Message>"),
        format!(
            "<!-- <TopicOwner>1000000000000001</TopicOwner><TopicName>intake</TopicName> -->{}",
            xml("3", "x")
        ),
        xml("3000000000000003", "intake")
            .replace("e30=", "<![CDATA[<TopicOwner>1000000000000001</TopicOwner>]]>"),
        xml("<b>1000000000000001</b>", "intake"),
        // In a comment, where the real ones are spelled otherwise.
        "<N><!-- <TopicOwner>1000000000000001</TopicOwner><TopicName>intake</TopicName> --><TopicOwner a='b'>3</TopicOwner></N>".into(),
    ] {
        assert_eq!(judge(&sign(&mut around(&body))), Err(unnamed.clone()), "{body}");
    }
    let parse = |more: &str| {
        let text = format!(
            "{{ alibaba_mns = {{ topics = ['1000000000000001/intake'], certificate_file = '/pem' }}{more} }}"
        );
        crate::Policy::parse_text(&text, "auth", &mut |_| Ok(Signer::one().plain_certificate()))
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    for more in [
        "",
        ", source_addresses = ['192.0.2.0/24']",
        ", shared_secret = { query = 'code', secret = '0123456789abcdef' }",
    ] {
        let mistakes = parse(more).unwrap_err();
        assert!(
            mistakes[0].starts_with(
                "auth.alibaba_mns: found \"a signature without a secret path\", expected path_secret beside it: Alibaba signs for all of its customers"
            ),
            "{mistakes:?}"
        );
    }
    assert!(parse(", path_secret = { secret = '0123456789abcdef' }").is_ok());
    // And the topics.
    let none = crate::Policy::parse_text(
        "{ alibaba_mns = { certificate_file = '/pem' }, path_secret = { secret = '0123456789abcdef' } }",
        "auth",
        &mut |_| Ok(Signer::one().plain_certificate()),
    );
    let mistakes: Vec<_> = none.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        mistakes,
        [
            "auth.alibaba_mns.topics: found \"nothing\", expected a list of topics as OWNER/NAME: Alibaba signs for all of its customers"
        ]
    );
}

#[test]
fn row_06_a_body_that_was_changed_is_refused() {
    let misfit = Objection::Refused("the Content-MD5 header does not fit the body");
    for body in [BODY.replace('e', "E"), String::new(), format!("{BODY}\n")] {
        assert_eq!(judge(&changed(|post| post.body(&body))), Err(misfit.clone()), "{body}");
        // With the hash of what it is now.
        assert_eq!(judge(&changed(|post| hashed(post.body(&body)))), Err(WRONG), "{body}");
    }
}

#[test]
fn row_07_without_a_hash_the_body_is_not_signed() {
    let unsigned = Objection::Refused("no Content-MD5 header, so that the body is not signed");
    assert_eq!(judge(&sign(post().remove("Content-MD5"))), Err(unsigned.clone()));
    assert_eq!(judge(&sign(post().set("Content-MD5", ""))), Err(unsigned));
    let none = Objection::Refused("the Content-MD5 header is no MD5");
    assert_eq!(judge(&sign(post().set("Content-MD5", "x"))), Err(none));
    // There is no setting that does without it.
    let text = "{ alibaba_mns = { topics = ['1/intake'], certificate_file = '/pem', content_md5 = 'optional' }, path_secret = { secret = '0123456789abcdef' } }";
    let parsed = crate::Policy::parse_text(text, "auth", &mut |_| Ok(Signer::one().plain_certificate()));
    assert!(
        parsed.unwrap_err()[0].to_string().starts_with("auth.alibaba_mns.content_md5: found \"content_md5\"")
    );
}

#[test]
fn row_08_a_repetition_is_known_by_its_message_and_an_old_request_is_refused() {
    let key = |post: &mut Post| judge(&sign(post)).unwrap().unwrap();
    let mut replays = Replays::new(8, 1 << 20);
    replays.remember("s", &key(&mut post()), 200, 0, now());
    // The service's own repetition has another date, another request id, and so another signature.
    let again = key(post().set("Date", "Sat, 21 Nov 2026 11:59:20 GMT").set("x-mns-request-id", "another"));
    assert_eq!(replays.find("s", &again, now()), Some(200));
    assert_eq!(replays.find("s", &key(post().set("x-mns-message-id", "another")), now()), None);
    let around = key(&mut around(&json("1000000000000001", "intake")));
    assert_eq!(replays.find("s", &around, now()), None);
    replays.remember("s", &around, 201, 0, now());
    assert_eq!(replays.find("s", &around, now()), Some(201));
    // Without an id nothing is remembered.
    assert_eq!(judge(&sign(post().remove("x-mns-message-id"))), Ok(None));
    assert_eq!(judge(&sign(post().set("x-mns-message-id", ""))), Ok(None));
    for (seconds, expected) in [(-900, true), (-901, false), (900, true), (901, false), (-86_400, false)] {
        let date = at(seconds).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let judged = judge(&sign(post().set("Date", &date)));
        assert_eq!(judged.is_ok(), expected, "{seconds}");
        assert!(
            expected || judged == Err(Objection::OutOfDate("the Date header is outside the window")),
            "{seconds}"
        );
    }
    let unset = judge_at(&pinned(), &signed(), &Keys::new(), Timestamp::UNIX_EPOCH);
    assert_eq!(unset, Err(Objection::Unavailable(moment::NOT_SET)));
}

#[test]
fn row_09_a_date_that_nobody_signed_is_none() {
    let missing = Objection::Refused("no Date header");
    assert_eq!(judge(&sign(post().remove("Date"))), Err(missing.clone()));
    assert_eq!(judge(&sign(post().set("Date", ""))), Err(missing));
    let later = "Sat, 21 Nov 2026 12:00:00 GMT";
    assert_eq!(judge(&changed(|post| post.set("Date", later))), Err(WRONG));
    assert_eq!(judge(&changed(|post| post.set("x-mns-date", later).remove("Date"))), Err(WRONG));
    // Signed with x-mns-date alone: a Date beside it would stand in its line.
    let by_its_own = sign(post().set("x-mns-date", DATE).remove("Date"));
    assert!(judge(&by_its_own).is_ok());
    let mut beside = by_its_own.clone();
    assert_eq!(judge(beside.set("Date", later)), Err(WRONG));
    let mut replaced = by_its_own;
    assert_eq!(judge(replaced.set("x-mns-date", later)), Err(WRONG));
}

#[test]
fn row_10_and_11_an_unsigned_header_and_one_that_is_there_twice() {
    assert_eq!(judge(&changed(|post| post.add("x-mns-new", "1"))), Err(WRONG));
    assert_eq!(judge(&changed(|post| post.remove("x-mns-message-tag"))), Err(WRONG));
    for name in [
        "Authorization",
        "content-md5",
        "CONTENT-TYPE",
        "date",
        "X-MNS-Topic-Owner",
        "x-mns-signing-cert-url",
        "x-mns-message-tag",
    ] {
        for value in [signed().value(name), "x".into(), String::new()] {
            assert_eq!(judge(&changed(|post| post.add(name, &value))), Err(DOUBLED), "{name}: {value}");
        }
    }
}

#[test]
fn row_12_a_key_of_512_bits_is_no_proof_and_that_is_what_is_said() {
    let text = "{ alibaba_mns = { topics = ['1/intake'], certificate_file = '/pem' }, path_secret = { secret = '0123456789abcdef' } }";
    let mistakes = crate::Policy::parse_text(text, "auth", &mut |_| Ok(WEAK.to_owned())).unwrap_err();
    assert_eq!(
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "auth.alibaba_mns.certificate_file: expected an RSA key of at least 1024 bits; this is a key of 512 bits: no proof, because anybody can \
          find out its private half (if the sender has no other key, leave this check out, and let a secret path over HTTPS decide)"
        ]
    );
    let (url, mut keys) = (KeyUrl::listed(URL, false).unwrap(), Keys::new());
    assert!(keys.store(&url, WEAK.as_bytes(), now()).unwrap_err().contains("a key of 512 bits: no proof"));
    let unavailable = Objection::Unavailable("its key could not be had a moment ago");
    assert_eq!(judge_at(&fetching(), &signed(), &keys, now()), Err(unavailable));
}

#[test]
fn row_14_a_signature_is_as_long_as_the_key_and_base64_alone() {
    let good = signed().value("Authorization");
    let raw = BASE64.decode(&good).unwrap();
    let no_base64 = Objection::Refused("the signature is not base64");
    for (case, value, expected) in [
        ("shorter", BASE64.encode(&raw[1..]), WRONG),
        ("longer", BASE64.encode([&raw[..], &[0]].concat()), WRONG),
        ("with zeros before it", BASE64.encode([&[0], &raw[..]].concat()), WRONG),
        ("white space", format!("{} {}", &good[..8], &good[8..]), no_base64.clone()),
        ("another spelling of the tail", other_tail(&good), no_base64.clone()),
        ("a scheme", format!("MNS {good}"), no_base64),
        ("too long", "A".repeat(1369), Objection::Refused("the signature is too long")),
        ("SHA-256", BASE64.encode(Signer::one().sign(Hash::Sha256, b"")), WRONG),
    ] {
        assert_eq!(judge(&changed(|post| post.set("Authorization", &value))), Err(expected), "{case}");
    }
    assert_eq!(judge(&sign_by(Signer::other(), &mut post())), Err(WRONG));
}

/// Only the path is signed. A request that was made for another host with the same path fits, so the path has to be secret.
#[test]
fn row_16_another_path_is_refused_and_another_host_is_why_the_path_is_secret() {
    assert_eq!(judge(&Post { path: "/mns/0123456789abcdeF".into(), ..signed() }), Err(WRONG));
    assert_eq!(judge(&Post { path: "/mns/0123456789abcdef?x".into(), ..signed() }), Err(WRONG));
    assert!(judge(&changed(|post| post.set("Host", "other.example"))).is_ok());
}

#[test]
fn row_17_endless_urls_cause_no_fetch() {
    for number in 0..100 {
        let url = format!("{URL}.version{number}");
        let judged = ask(&sign(post().set("x-mns-signing-cert-url", &BASE64.encode(&url))));
        assert!(matches!(judged, Err(Objection::UnknownUrl(..))), "{url}");
    }
    for change in [
        (|post: &mut Post| post.set("Date", "Sat, 21 Nov 2026 11:00:00 GMT")) as fn(&mut Post) -> &mut Post,
        |post| post.remove("Content-MD5"),
        |post| post.set("Authorization", "***"),
        |post| post.set(OWNER, "3"),
    ] {
        let mut post = signed();
        assert!(matches!(ask(change(&mut post)), Err(Objection::Refused(_) | Objection::OutOfDate(_))));
    }
}

/// The only captured certificate held until 2016 and was in use in 2023.
#[test]
fn row_19_an_expired_certificate_is_a_warning() {
    let (url, mut keys) = (KeyUrl::listed(URL, false).unwrap(), Keys::new());
    let warnings =
        keys.store(&url, Signer::one().certificate("notify", &[], 2025).as_bytes(), now()).unwrap();
    assert!(
        warnings.contains(&"the certificate has expired (2025-12-31T00:00:00Z)".to_owned()),
        "{warnings:?}"
    );
    assert!(judge_at(&fetching(), &signed(), &keys, now()).is_ok());
}

#[test]
fn row_20_of_a_file_with_several_certificates_the_first_counts_and_it_has_to_be_rsa() {
    let url = KeyUrl::listed(URL, false).unwrap();
    let (one, other) = (Signer::one().plain_certificate(), Signer::other().plain_certificate());
    for (file, expected) in [(format!("{one}{other}"), Ok(())), (format!("{other}{one}"), Err(WRONG))] {
        let mut keys = Keys::new();
        keys.store(&url, file.as_bytes(), now()).unwrap();
        assert_eq!(judge_at(&fetching(), &signed(), &keys, now()).map(drop), expected);
    }
    let elliptic = rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap().cert.pem();
    assert_eq!(Keys::new().store(&url, elliptic.as_bytes(), now()), Err("an RSA key"));
    let long = one + &" ".repeat(KeyUrl::MAX_BYTES);
    assert_eq!(Keys::new().store(&url, long.as_bytes(), now()), Err("at most 64 KiB"));
}

#[test]
fn row_24_a_body_that_two_readers_could_read_differently_names_no_topic() {
    let unnamed = Objection::Refused("neither headers nor body name the topic and its owner");
    for body in [
        json("1000000000000001", "intake").replace("\"Message\"", "\"TopicOwner\":\"3\",\"Message\""),
        json("1000000000000001", "intake").replace("\"Message\"", "\"Topic\\u004fwner\":\"3\",\"Message\""),
        json("1000000000000001", "intake")
            .replace("\"e30=\"", &format!("{}{}", "[".repeat(5000), "]".repeat(5000))),
        json("1000000000000001", "intake").replace("1795262340000", "1e999"),
    ] {
        assert_eq!(judge(&sign(&mut around(&body))), Err(unnamed.clone()), "{body:.200}");
    }
}

#[test]
fn topics() {
    for text in ["1000000000000001/intake", "1/a-b_c.9"] {
        assert!(MnsTopic::new(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "intake",
        "/intake",
        "1/",
        "a/intake",
        "1/a/b",
        "1/in take",
        "1/\u{e9}",
        "acs:mns:cn-hangzhou:1:/topics/intake",
    ] {
        assert!(MnsTopic::new(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn strangers_are_refused(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 8),
        body in prop_oneof!["\\PC{0,40}", "<?[TopicOwnerName<>/0-9]{0,60}", Just(json("1000000000000001", "intake"))],
        seconds in any::<i64>(),
    ) {
        let names = ["Authorization", "Content-MD5", "Date", "x-mns-date", "x-mns-signing-cert-url", "x-mns-message-id", OWNER, NAME];
        let headers = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value)).collect();
        let post = Post { headers, body: body.into(), ..post() };
        let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        for check in [pinned(), fetching()] {
            prop_assert!(judge_at(&check, &post, &Keys::new(), moment).is_err());
        }
    }
}
