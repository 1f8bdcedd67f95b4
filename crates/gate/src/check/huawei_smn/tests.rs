//! The numbers are those of the table of attacks in the crate's README.

mod certificate;

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Post, Signer, WEAK, at, now, other_tail};
use crate::{Policy, Replays, Verdict};

const TOPIC: &str = "urn:smn:cn-north-4:28a70000000000000000000000000005:intake";
const URL: &str =
    "https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-4_b98100eca1bf44e2b2b8b0d5a4a2b9ee.pem";
const WRONG: Objection = Objection::Refused("the signature is wrong");
const TWICE: Objection =
    Objection::Refused("the body is no JSON object of SMN, or a member stands in it twice");
const LINE: Objection =
    Objection::Refused("a member that is one line is empty, too long or holds a control character");

/// With a message that needs every kind of escape.
fn notification() -> Value {
    json!({
        "signature": "",
        "topic_urn": TOPIC,
        "message_id": "88c726942175432bac921eafd0036163",
        "signature_version": "v1",
        "type": "Notification",
        "subject": "demo",
        "message": "{\"Records\":[]}\n\t\u{0}\u{e9}\u{4e2d}\u{1f600}\\/\"",
        "unsubscribe_url": "https://console.huaweicloud.com/smn/subscription/unsubscribe?region=cn-north-4",
        "signing_cert_url": URL,
        "timestamp": "2026-11-21T11:30:00Z"
    })
}

fn confirmation(kind: &str) -> Value {
    let mut message = notification();
    let members = message.as_object_mut().unwrap();
    members.retain(|name, _| !["subject", "unsubscribe_url"].contains(&name.as_str()));
    members["type"] = kind.into();
    members["message"] = "You are invited to subscribe.\nTo confirm, visit the subscribe_url.".into();
    let url = format!(
        "https://console.huaweicloud.com/smn/subscription/confirm?token=t&topic_urn={TOPIC}&region=cn-north-4"
    );
    members.insert("subscribe_url".into(), url.into());
    message
}

/// The string to sign, after the documentation: these members, in this order.
fn text(of: &Value, names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}\n{}\n", of[name].as_str().unwrap_or_default())).collect()
}

fn names(of: &Value) -> &'static [&'static str] {
    match (of.get("subscribe_url"), of.get("subject")) {
        (Some(_), _) => &["message", "message_id", "subscribe_url", "timestamp", "topic_urn", "type"],
        (None, Some(_)) => &["message", "message_id", "subject", "timestamp", "topic_urn", "type"],
        (None, None) => &["message", "message_id", "timestamp", "topic_urn", "type"],
    }
}

fn signed_over(mut message: Value, names: &[&str]) -> Value {
    let signature = Signer::one().sign(Hash::Sha256, text(&message, names).as_bytes());
    message["signature"] = BASE64.encode(signature).into();
    message
}

fn sign(message: Value) -> Value {
    let names = names(&message);
    signed_over(message, names)
}

fn signed() -> Value {
    static SIGNED: OnceLock<Value> = OnceLock::new();
    SIGNED.get_or_init(|| sign(notification())).clone()
}

fn with(mut message: Value, name: &str, value: impl Into<Value>) -> Value {
    message[name] = value.into();
    message
}

fn without(mut message: Value, name: &str) -> Value {
    message.as_object_mut().unwrap().remove(name);
    message
}

fn check() -> HuaweiSmn {
    let topics = ["urn:smn:cn-south-1:28a70000000000000000000000000005:other", TOPIC];
    let topics = topics.map(|topic| SmnTopic::new(topic).unwrap()).to_vec();
    HuaweiSmn { topics, pinned: None, hosts: Vec::new(), window: SignedDuration::from_hours(1) }
}

fn holding(pem: &str) -> Keys {
    let mut keys = Keys::new();
    keys.store(&KeyUrl::derived(URL), pem.as_bytes(), now()).unwrap();
    keys
}

fn keys() -> Keys {
    static PEM: OnceLock<String> = OnceLock::new();
    holding(PEM.get_or_init(|| Signer::one().plain_certificate()))
}

fn judge_at(
    check: &HuaweiSmn,
    headers: &[(&str, &str)],
    body: &[u8],
    keys: &Keys,
    at: Timestamp,
) -> Result<Option<ReplayKey>, Objection> {
    let headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let post =
        Post { method: "POST", path: "/huawei".into(), rest: String::new(), headers, body: body.to_vec() };
    post.shown(|request| check.judge(request, at, keys))
}

fn judge(message: &Value) -> Result<Option<ReplayKey>, Objection> {
    judge_at(&check(), &[], message.to_string().as_bytes(), &keys(), now())
}

fn judge_body(body: &str) -> Result<Option<ReplayKey>, Objection> {
    judge_at(&check(), &[], body.as_bytes(), &keys(), now())
}

#[test]
fn what_smn_sends_is_admitted() {
    for message in [
        notification(),
        without(notification(), "subject"),
        with(notification(), "signature_version", "V1"),
        without(notification(), "unsubscribe_url"),
        confirmation("SubscriptionConfirmation"),
        confirmation("UnsubscribeConfirmation"),
        // How these are signed is not published: both of the known ways are taken.
        without(with(notification(), "type", "HttpSubscriptionUserConfirm"), "subject"),
        confirmation("HttpSubscriptionUserConfirm"),
        confirmation("HttpSubscriptionUserUnsubscribe"),
    ] {
        let message = sign(message);
        assert!(matches!(judge(&message), Ok(Some(_))), "{message}");
    }
    let message = confirmation("HttpSubscriptionUserUnsubscribe");
    assert!(judge(&signed_over(message, NOTIFICATION)).is_ok());
    // An empty subject, signed as one that is not there and as one that is empty; and one that is null.
    for subject in [json!(""), Value::Null] {
        let message = with(notification(), "subject", subject);
        assert!(judge(&signed_over(message, NOTIFICATION)).is_ok());
    }
    assert!(judge(&signed_over(with(notification(), "subject", ""), WITH_SUBJECT)).is_ok());
    // One that says something is signed.
    assert_eq!(judge(&signed_over(notification(), NOTIFICATION)), Err(WRONG));
    // The signature is over what is meant, however it is escaped.
    let escaped = signed().to_string().replace("Notification", "\\u004eotification");
    assert!(judge_body(&escaped).is_ok());
}

#[test]
fn row_05_another_customers_topic_is_refused_before_anything_is_fetched() {
    let foreign = Objection::Refused("the topic is not on the list");
    for topic in [
        "urn:smn:cn-north-4:28a70000000000000000000000000005:other",
        "urn:smn:cn-north-4:99999999999999999999999999999999:intake",
        "urn:smn:cn-south-1:28a70000000000000000000000000005:intake",
        "urn:smn:cn-north-4:28a70000000000000000000000000005:Intake",
        "urn:smn:cn-north-4:28a70000000000000000000000000005:intake ",
    ] {
        let message = sign(with(notification(), "topic_urn", topic));
        assert_eq!(judge(&message), Err(foreign.clone()), "{topic}");
        let judged = judge_at(&check(), &[], message.to_string().as_bytes(), &Keys::new(), now());
        assert_eq!(judged, Err(foreign.clone()), "{topic}");
    }
    // The settings do not do without a list.
    let mistakes = |text: &str| -> Vec<String> {
        let parsed = Policy::parse_text(text, "auth", &mut |_| Ok(Signer::one().plain_certificate()));
        parsed.unwrap_err().iter().map(ToString::to_string).collect()
    };
    for text in [
        "{ huawei_smn = {} }",
        "{ huawei_smn = { certificate_file = '/pem' }, path_secret = { secret = '0123456789abcdef' } }",
    ] {
        assert_eq!(
            mistakes(text),
            [
                "auth.huawei_smn.topics: found \"nothing\", expected a list of topics' URNs: Huawei signs for all of its customers"
            ]
        );
    }
    assert_eq!(
        mistakes("{ huawei_smn = { topics = [] } }"),
        ["auth.huawei_smn.topics: found \"an empty list\", expected a list of 1 to 64 texts"]
    );
    assert_eq!(
        mistakes(
            "{ huawei_smn = { topics = ['urn:smn:x:y:z'], certificate_file = '/pem', certificate_hosts = ['a.example'] } }"
        ),
        ["auth.huawei_smn.certificate_hosts: expected nothing: beside a pinned certificate none is fetched"]
    );
}

#[test]
fn row_06_whatever_is_signed_and_was_changed_is_refused() {
    for name in ["message", "message_id", "subject", "timestamp", "topic_urn", "type"] {
        let old = signed()[name].as_str().unwrap().to_owned();
        for value in [old.replacen(['e', '0', 'N'], "1", 1), format!("{old}x"), old[1..].to_owned()] {
            assert!(judge(&with(signed(), name, value)).is_err(), "{name}");
        }
        assert!(judge(&without(signed(), name)).is_err(), "{name}");
    }
    let confirming = sign(confirmation("SubscriptionConfirmation"));
    assert_eq!(judge(&with(confirming.clone(), "subscribe_url", "https://evil.example/")), Err(WRONG));
    assert_eq!(judge(&with(confirming.clone(), "type", "UnsubscribeConfirmation")), Err(WRONG));
    assert!(judge(&with(confirming, "type", "Notification")).is_err());
    assert_eq!(
        judge(&with(signed(), "message", json!({}))),
        Err(Objection::Refused("a member that is signed is missing in the body, or no text"))
    );
}

#[test]
fn row_08_a_repetition_is_known_by_its_message_and_an_old_one_is_refused() {
    let key = |message: &Value| judge(message).unwrap().unwrap();
    let mut replays = Replays::new(8, 1 << 20);
    replays.remember("s", &key(&signed()), 200, 0, now());
    // SMN repeats the same message. Nor do members that nobody signed make another one of it.
    for message in [signed(), with(signed(), "unsubscribe_url", "x"), with(signed(), "Records", json!([1]))] {
        assert_eq!(replays.find("s", &key(&message), now()), Some(200), "{message}");
    }
    let other = sign(with(notification(), "message_id", "another"));
    assert_eq!(replays.find("s", &key(&other), now()), None);
    // An empty subject that is taken away, or put there.
    let empty = signed_over(with(notification(), "subject", ""), NOTIFICATION);
    replays.remember("t", &key(&empty), 200, 0, now());
    for message in [without(empty.clone(), "subject"), with(empty, "subject", Value::Null)] {
        assert_eq!(replays.find("t", &key(&message), now()), Some(200), "{message}");
    }
    for (seconds, expected) in [(-3600, true), (-3601, false), (3600, true), (3601, false)] {
        let judged = judge(&sign(with(
            notification(),
            "timestamp",
            at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )));
        assert_eq!(judged.is_ok(), expected, "{seconds}");
        assert!(
            expected || judged == Err(Objection::OutOfDate("the timestamp is outside the window")),
            "{seconds}"
        );
    }
    // With a clock that nobody has set the message may come again: SMN would not repeat it after a 403.
    let unset = judge_at(&check(), &[], signed().to_string().as_bytes(), &keys(), Timestamp::UNIX_EPOCH);
    assert_eq!(unset, Err(Objection::Unavailable(moment::NOT_SET)));
}

#[test]
fn row_09_the_time_is_the_signed_one() {
    assert_eq!(judge(&with(signed(), "timestamp", "2026-11-21T11:30:01Z")), Err(WRONG));
    let no_time = Objection::Refused("the timestamp in the body is no time");
    assert_eq!(judge(&sign(with(notification(), "timestamp", "1795262340"))), Err(no_time.clone()));
    assert_eq!(judge(&sign(with(notification(), "timestamp", "2026-11-21T11:30:00"))), Err(no_time));
}

#[test]
fn row_11_a_member_that_is_there_twice_is_refused() {
    let text = signed().to_string();
    for name in [
        "message",
        "message_id",
        "type",
        "topic_urn",
        "signature",
        "signing_cert_url",
        "timestamp",
        "unsubscribe_url",
        "subject",
    ] {
        let value = signed()[name].to_string();
        for twice in [
            format!("\"{name}\":{value}"),
            format!("\"{name}\":\"x\""),
            format!("\"\\u{:04x}{}\":\"x\"", name.as_bytes()[0], &name[1..]),
        ] {
            assert_eq!(judge_body(&text.replacen('{', &format!("{{{twice},"), 1)), Err(TWICE), "{twice}");
        }
    }
}

#[test]
fn row_12_a_weak_key_is_no_key() {
    let mut keys = Keys::new();
    let stored = keys.store(&KeyUrl::derived(URL), WEAK.as_bytes(), now());
    assert!(stored.unwrap_err().contains("a key of 512 bits: no proof"));
    let judged = judge_at(&check(), &[], signed().to_string().as_bytes(), &keys, now());
    assert_eq!(judged, Err(Objection::Unavailable("its key could not be had a moment ago")));
    let text = format!("{{ huawei_smn = {{ topics = ['{TOPIC}'], certificate_file = '/pem' }} }}");
    let mistakes = Policy::parse_text(&text, "auth", &mut |_| Ok(WEAK.to_owned())).unwrap_err();
    assert!(mistakes[0].to_string().contains("a key of 512 bits: no proof"), "{mistakes:?}");
}

/// A certificate signed with MD5 is tried among the vectors.
#[test]
fn row_13_no_other_algorithm_and_no_other_version() {
    let sha1 = BASE64.encode(Signer::one().sign(Hash::Sha1, text(&notification(), WITH_SUBJECT).as_bytes()));
    assert_eq!(judge(&with(signed(), "signature", sha1)), Err(WRONG));
    let version = Objection::Refused("the signature_version is not v1");
    for value in [json!("v2"), json!(""), json!("none"), json!(1), Value::Null] {
        assert_eq!(judge(&with(signed(), "signature_version", value)), Err(version.clone()));
    }
    assert_eq!(judge(&without(signed(), "signature_version")), Err(version));
}

#[test]
fn row_14_a_signature_is_as_long_as_the_key_and_base64_alone() {
    let good = signed()["signature"].as_str().unwrap().to_owned();
    let raw = BASE64.decode(&good).unwrap();
    let no_base64 = Objection::Refused("the signature is not base64");
    for (case, value, expected) in [
        ("shorter", BASE64.encode(&raw[1..]), WRONG),
        ("longer", BASE64.encode([&raw[..], &[0]].concat()), WRONG),
        ("with zeros before it", BASE64.encode([&[0], &raw[..]].concat()), WRONG),
        ("of zeros", BASE64.encode([0; 128]), WRONG),
        ("white space", format!("{}\n{}", &good[..8], &good[8..]), no_base64.clone()),
        ("another spelling of the tail", other_tail(&good), no_base64),
        ("empty", String::new(), WRONG),
        ("too long", "A".repeat(1369), Objection::Refused("the signature is too long")),
    ] {
        assert_eq!(judge(&with(signed(), "signature", value)), Err(expected), "{case}");
    }
    assert_eq!(judge(&without(signed(), "signature")), Err(Objection::Refused("no signature in the body")));
    assert_eq!(
        judge(&with(signed(), "signature", Value::Null)),
        Err(Objection::Refused("no signature in the body"))
    );
}

#[test]
fn row_15_no_part_can_be_taken_for_another_one_and_headers_say_what_the_body_says() {
    for name in ["message_id", "timestamp", "topic_urn", "type"] {
        for value in ["a\nb", "a\rb", "a\u{0}b", "", &"a".repeat(4097)] {
            assert_eq!(judge(&sign(with(notification(), name, value))), Err(LINE), "{name}: {value:.9?}");
        }
    }
    let subject = Objection::Refused("the subject holds a control character");
    for value in ["a\nb", "demo\ntimestamp\n2026-11-21T11:30:00Z", "\u{85}"] {
        assert_eq!(judge(&sign(with(notification(), "subject", value))), Err(subject.clone()));
    }
    assert_eq!(judge(&with(signed(), "subject", 1)), Err(Objection::Refused("the subject is no text")));
    // A message may hold line feeds, and be read in one way only: the end of this one looks like an id and a subject.
    let id = notification()["message_id"].as_str().unwrap().to_owned();
    let long =
        with(without(notification(), "subject"), "message", format!("m\nmessage_id\n{id}\nsubject\ns"));
    let signature = sign(long)["signature"].clone();
    let short = with(with(notification(), "message", "m"), "subject", "s");
    assert_eq!(judge(&with(short, "signature", signature)), Err(WRONG));
    assert_eq!(
        judge(&sign(with(notification(), "subject", "\u{4e2d} demo"))).map(|key| key.is_some()),
        Ok(true)
    );

    let otherwise = Objection::Refused("a header of SMN says otherwise than the body");
    let body = signed().to_string();
    let headed = |headers: &[(&str, &str)]| judge_at(&check(), headers, body.as_bytes(), &keys(), now());
    let right =
        [("X-SMN-MESSAGE-TYPE", "Notification"), ("X-SMN-MESSAGE-ID", &id), ("X-SMN-TOPIC-URN", TOPIC)];
    assert!(headed(&right).is_ok());
    for (name, value) in right {
        for other in ["", "x", "SubscriptionConfirmation", &value.to_uppercase(), &format!("{value} ")] {
            assert_eq!(headed(&[(&name.to_lowercase(), other)]), Err(otherwise.clone()), "{name}: {other}");
            assert_eq!(headed(&[(name, value), (name, other)]), Err(otherwise.clone()), "{name}: {other}");
        }
    }
    let unknown = Objection::Refused("the type is none of the five that SMN has");
    for kind in ["notification", "Confirmation", "Notification ", "x"] {
        assert_eq!(judge(&sign(with(notification(), "type", kind))), Err(unknown.clone()), "{kind}");
    }
}

/// Nothing of the request line is signed, nor is the host: the topic's list is what ties a message to this source.
#[test]
fn row_16_a_message_of_the_topic_is_taken_wherever_it_was_posted_and_no_other_one() {
    let headers = [("Host", "other.example"), ("X-Forwarded-Host", "other.example")];
    assert!(judge_at(&check(), &headers, signed().to_string().as_bytes(), &keys(), now()).is_ok());
    let of_another =
        with(notification(), "topic_urn", "urn:smn:cn-north-4:28a70000000000000000000000000005:other");
    assert_eq!(judge(&sign(of_another)), Err(Objection::Refused("the topic is not on the list")));
}

/// This check visits nothing. What a confirmation may lead to is tried where it is read, in the core's `smn.rs`.
#[test]
fn row_18_a_url_that_nobody_signed_counts_for_nothing() {
    let message = with(signed(), "unsubscribe_url", "http://169.254.169.254/");
    assert!(judge(&message).is_ok());
    let confirming =
        with(sign(confirmation("UnsubscribeConfirmation")), "unsubscribe_url", "http://169.254.169.254/");
    assert!(judge(&confirming).is_ok());
    assert!(judge(&without(sign(confirmation("SubscriptionConfirmation")), "subscribe_url")).is_err());
}

#[test]
fn row_24_a_body_that_two_readers_could_read_differently_is_refused() {
    let text = signed().to_string();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for body in [
        text.replacen('{', "{\"a\":1,\"a\":2,", 1),
        text.replacen('{', &format!("{{\"a\":{deep},"), 1),
        text.replacen('{', "{\"a\":1e999,", 1),
        text.replacen('{', "{\"a\":\"\\ud800\",", 1),
        format!("{text}{text}"),
        format!("[{text}]"),
        format!("\u{feff}{text}"),
        String::new(),
    ] {
        assert_eq!(judge_body(&body), Err(TWICE), "{body:.60}");
    }
    assert_eq!(judge_at(&check(), &[], b"{\"a\":\"\xff\"}", &keys(), now()), Err(TWICE));
}

#[test]
fn topics() {
    for urn in [TOPIC, "urn:smn:ru-moscow-1:0:a_b-C"] {
        assert!(SmnTopic::new(urn).is_ok(), "{urn}");
    }
    for urn in [
        "",
        "urn:smn:cn-north-4:28a7:",
        "urn:smn:cn-north-4::intake",
        "urn:smn::28a7:intake",
        "urn:smn:CN-north-4:28a7:intake",
        "urn:smn:-north:28a7:intake",
        "urn:smn:cn.evil.example/:28a7:intake",
        "urn:smn:cn-north-4:28a7:intake:x",
        "urn:sns:cn-north-4:28a7:intake",
        "arn:aws:sns:eu-central-1:123456789012:intake",
    ] {
        assert!(SmnTopic::new(urn).is_err(), "{urn}");
    }
}

proptest! {
    #[test]
    fn strangers_are_refused(
        members in proptest::collection::btree_map(
            "(message|message_id|subject|timestamp|topic_urn|type|signature|signature_version|signing_cert_url|subscribe_url|x)",
            prop_oneof!["\\PC{0,30}", Just(TOPIC.to_owned()), Just(URL.to_owned()), Just("v1".to_owned()), Just("Notification".to_owned()),
                        Just("2026-11-21T11:30:00Z".to_owned())],
            0..11,
        ),
        raw in proptest::collection::vec(any::<u8>(), 0..60),
        seconds in any::<i64>(),
    ) {
        let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        for body in [serde_json::to_vec(&members).unwrap(), raw] {
            for at in [moment, now()] {
                prop_assert!(judge_at(&check(), &[], &body, &keys(), at).is_err());
            }
        }
    }

    #[test]
    fn no_other_url_than_that_of_the_rule_is_asked_for(url in prop_oneof!["\\PC{0,80}", "https://smn[.]cn-north-[45][.]myhuaweicloud[.]com/smn/SMN_[a-z0-9_-]{0,50}[.]pem"]) {
        if let Err(Objection::NeedKey(asked)) = certificate::ask(&url) {
            let hash = url.strip_prefix("https://smn.cn-north-4.myhuaweicloud.com/smn/SMN_cn-north-4_").and_then(|rest| rest.strip_suffix(".pem"));
            prop_assert!(asked.as_str() == url && hash.is_some_and(|hash| hash.len() == 32));
        }
    }
}
