use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Signer as Rsa, now};

const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:uploads";
const URL: &str = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const WRONG: Objection = Objection::Refused("the signature is wrong");
const URL_WRONG: &str = "the SigningCertURL is not of the topic's region";

/// A notification as SNS sends it, with a message that needs every kind of escape. The string to sign is written out here
/// once more, after the documentation.
fn notification() -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon S3 Notification",
        "Message": "{\"Records\":[]}\n\t\u{0}\u{e9}\u{4e2d}\u{1f600}\\/\"",
        "Timestamp": "2026-11-21T11:30:00.655Z",
        "SignatureVersion": "1",
        "SigningCertURL": URL,
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe"
    })
}

fn confirmation(kind: &str) -> Value {
    json!({
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.",
        "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=23",
        "Timestamp": "2026-11-21T11:30:00.655Z",
        "SignatureVersion": "2",
        "SigningCertURL": URL
    })
}

fn text(of: &Value) -> String {
    let names: &[&str] = match of["Type"].as_str() {
        Some("Notification") if of.get("Subject").is_none() => {
            &["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
        }
        Some("Notification") => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    names.iter().map(|name| format!("{name}\n{}\n", of[name].as_str().unwrap())).collect()
}

fn signed_by(signer: &Rsa, mut message: Value) -> Value {
    let hash = if message["SignatureVersion"] == "2" { Hash::Sha256 } else { Hash::Sha1 };
    message["Signature"] = BASE64.encode(signer.sign(hash, text(&message).as_bytes())).into();
    message
}

fn signed() -> Value {
    static SIGNED: OnceLock<Value> = OnceLock::new();
    SIGNED.get_or_init(|| signed_by(Rsa::one(), notification())).clone()
}

fn check() -> Sns {
    let topics =
        vec![Topic::new("arn:aws:sns:us-east-1:123456789012:other").unwrap(), Topic::new(TOPIC).unwrap()];
    Sns { topics, pinned: None, window: SignedDuration::from_hours(1) }
}

fn certificate(common_name: &str, names: &[&str]) -> String {
    Rsa::one().certificate(common_name, names, 2040)
}

fn holding(certificate: &str) -> Keys {
    let mut keys = Keys::new();
    keys.store(&KeyUrl::derived(URL), certificate.as_bytes(), now()).unwrap();
    keys
}

fn keys() -> Keys {
    holding(&certificate("sns.amazonaws.com", &[]))
}

fn judge_with(
    check: &Sns,
    headers: &[(&str, &[u8])],
    body: &[u8],
    keys: &Keys,
) -> Result<Option<ReplayKey>, Objection> {
    let head = Head { method: "POST", path: "/sns", path_rest: None, headers, client: None };
    check.judge(&Request { head, body }, now(), keys)
}

fn judge(body: &[u8]) -> Result<Option<ReplayKey>, Objection> {
    judge_with(&check(), &[], body, &keys())
}

fn json_of(message: &Value) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

#[test]
fn what_sns_sends_is_admitted() {
    let mut without_subject = notification();
    without_subject.as_object_mut().unwrap().remove("Subject");
    let mut empty_subject = notification();
    empty_subject["Subject"] = "".into();
    let mut version_2 = notification();
    version_2["SignatureVersion"] = "2".into();
    for message in [
        notification(),
        without_subject.clone(),
        empty_subject,
        version_2,
        confirmation("SubscriptionConfirmation"),
        confirmation("UnsubscribeConfirmation"),
    ] {
        let message = signed_by(Rsa::one(), message);
        assert!(matches!(judge(&json_of(&message)), Ok(Some(_))), "{message}");
    }
    // The signature is over what is meant, however it is escaped and in whatever order it comes.
    let escaped: String = String::from_utf8(json_of(&signed()))
        .unwrap()
        .chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
            }
        })
        .collect();
    assert!(escaped.is_ascii() && escaped.contains("\\uD83D"));
    assert!(judge(escaped.as_bytes()).is_ok());
    assert!(judge(&serde_json::to_vec_pretty(&signed()).unwrap()).is_ok());
    // A Subject that is null is none.
    let mut null = signed_by(Rsa::one(), without_subject);
    null["Subject"] = Value::Null;
    assert!(judge(&json_of(&null)).is_ok());
    // Headers that agree, and one that says what is so anyway.
    let headers: [(&str, &[u8]); 4] = [
        ("X-Amz-Sns-Message-Type", b"Notification"),
        ("x-amz-sns-message-id", b"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        ("x-amz-sns-topic-arn", TOPIC.as_bytes()),
        ("x-amz-sns-rawdelivery", b"false"),
    ];
    assert!(judge_with(&check(), &headers, &json_of(&signed()), &keys()).is_ok());
}

/// SNS gives a message up after a 403, and a machine whose clock is in 1970 finds every message too new.
#[test]
fn with_a_clock_that_nobody_has_set_the_message_may_come_again() {
    let post = |now| {
        let head = Head { method: "POST", path: "/sns", path_rest: None, headers: &[], client: None };
        let body = json_of(&signed());
        check().judge(&Request { head, body: &body }, now, &keys())
    };
    assert!(post(now()).is_ok());
    assert_eq!(post(Timestamp::UNIX_EPOCH), Err(Objection::Unavailable(moment::NOT_SET)));
}

/// Each changes one member after the message was signed.
#[test]
fn attacks_on_members() {
    let refused = Objection::Refused;
    let missing = refused("a member that is signed is missing in the body");
    let line = refused("a member that is one line is empty, too long or holds a control character");
    let json = refused("the body is no JSON object of SNS, or a member stands in it twice");
    let window = Objection::OutOfDate("the Timestamp is outside the window");
    let version = refused("the SignatureVersion is neither 1 nor 2");
    let topic = refused("the topic is not on the list");
    let longest = "x".repeat(4096);
    let long = "x".repeat(4097);
    for (name, value, expected) in [
        ("Message", json!("{\"Records\":[]}"), WRONG),
        ("Message", json!(""), WRONG),
        ("Message", Value::Null, missing.clone()),
        ("Message", json!({ "Records": [] }), json.clone()),
        ("Message", json!(7), json.clone()),
        ("MessageId", json!("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325"), WRONG),
        ("MessageId", Value::Null, missing.clone()),
        ("MessageId", json!(""), line.clone()),
        ("MessageId", json!(longest), WRONG),
        ("MessageId", json!(long), line.clone()),
        ("Subject", json!("amazon S3 Notification"), WRONG),
        ("Subject", Value::Null, WRONG),
        ("Subject", json!("a\nb"), refused("the Subject holds a control character")),
        ("Timestamp", json!("2026-11-21T11:30:00.656Z"), WRONG),
        ("Timestamp", json!("2026-11-21T12:30:00.655+01:00"), WRONG),
        ("Timestamp", json!("2026-11-21T10:59:59Z"), window.clone()),
        ("Timestamp", json!("2026-11-21T13:00:01Z"), window),
        ("Timestamp", json!("yesterday"), refused("the Timestamp in the body is no time")),
        (
            "TopicArn",
            json!("arn:aws:sns:us-east-1:123456789012:other"),
            Objection::WrongUrl(URL_WRONG, URL.into()),
        ),
        ("TopicArn", json!("arn:aws:sns:eu-central-1:123456789013:uploads"), topic.clone()),
        ("TopicArn", json!("arn:aws:sns:eu-central-1:123456789012:Uploads"), topic.clone()),
        ("TopicArn", json!(format!("{TOPIC} ")), topic),
        ("TopicArn", Value::Null, missing.clone()),
        ("Type", json!("SubscriptionConfirmation"), missing.clone()),
        ("Type", json!("notification"), refused("the Type is none of the three that SNS has")),
        ("Type", Value::Null, missing),
        ("SignatureVersion", json!("2"), WRONG),
        ("SignatureVersion", json!("3"), version.clone()),
        ("SignatureVersion", json!(""), version.clone()),
        ("SignatureVersion", Value::Null, version),
        ("SignatureVersion", json!(1), json),
        ("Signature", Value::Null, refused("no Signature in the body")),
        ("Signature", json!("***"), refused("the Signature is not base64")),
        ("Signature", json!(""), WRONG),
        ("Signature", json!(BASE64.encode([0; 128])), WRONG),
        ("SigningCertURL", Value::Null, refused("no SigningCertURL in the body")),
    ] {
        let mut message = signed();
        message[name] = value.clone();
        assert_eq!(judge(&json_of(&message)), Err(expected), "{name} {value}");
    }
    // Not signed, so of no importance.
    let mut message = signed();
    message["UnsubscribeURL"] = "http://evil.example/".into();
    message["More"] = json!([{ "Message": "x" }]);
    assert!(judge(&json_of(&message)).is_ok());
    let other = signed_by(Rsa::other(), notification());
    assert_eq!(judge(&json_of(&other)), Err(WRONG));
    // A confirmation's own members.
    let confirmation = signed_by(Rsa::one(), confirmation("SubscriptionConfirmation"));
    for (name, value) in [
        ("SubscribeURL", "https://evil.example/"),
        ("Token", "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d93"),
        ("Type", "UnsubscribeConfirmation"),
    ] {
        let mut message = confirmation.clone();
        message[name] = value.into();
        assert_eq!(judge(&json_of(&message)), Err(WRONG), "{name}");
    }
}

#[test]
fn attacks_on_the_body_and_the_headers() {
    let json = Err(Objection::Refused("the body is no JSON object of SNS, or a member stands in it twice"));
    let good = String::from_utf8(json_of(&signed())).unwrap();
    let twice = |more: &str| good.replacen('{', &format!("{{{more},"), 1);
    for (case, body) in [
        ("empty", String::new()),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("trailing bytes", format!("{good} {{}}")),
        ("byte order mark", format!("\u{feff}{good}")),
        ("a list", format!("[{good}]")),
        ("a text", "\"x\"".to_owned()),
        ("a member twice", twice("\"Message\":\"x\"")),
        ("a member twice, with an escape", twice("\"M\\u0065ssage\":\"x\"")),
        ("the type twice", twice("\"Type\":\"SubscriptionConfirmation\"")),
        ("a member twice, once null", twice("\"Subject\":null")),
        ("an unsigned member twice", twice("\"UnsubscribeURL\":\"x\"")),
        ("half a surrogate pair", good.replace("Amazon S3", "\\ud83d")),
        ("deep", format!("{}{}", twice("\"x\":").replace(":,", ":"), "[".repeat(100_000))),
    ] {
        assert_eq!(judge(body.as_bytes()), json, "{case}");
    }
    // Even where it is ignored.
    let mut ignored = twice("\"x\":\"?\"").into_bytes();
    let at = ignored.iter().position(|byte| *byte == b'?').unwrap();
    ignored[at] = 0xff;
    for body in [[good.as_bytes(), b"\xff"].concat(), ignored] {
        assert_eq!(judge(&body), Err(Objection::Refused("the body is not UTF-8")));
    }
    let says = "a header of SNS says otherwise than the body";
    let raw = "raw delivery, which SNS does not sign";
    for (name, value, why) in [
        ("x-amz-sns-message-type", &b"SubscriptionConfirmation"[..], says),
        ("x-amz-sns-message-type", b"notification", says),
        ("x-amz-sns-message-id", b"", says),
        ("X-Amz-Sns-Topic-Arn", b"arn:aws:sns:us-east-1:123456789012:other", says),
        ("x-amz-sns-rawdelivery", b"true", raw),
        ("X-AMZ-SNS-RAWDELIVERY", b"True", raw),
        ("x-amz-sns-rawdelivery", b"", raw),
    ] {
        let judged = judge_with(&check(), &[(name, value)], good.as_bytes(), &keys());
        assert_eq!(judged, Err(Objection::Refused(why)), "{name}");
    }
    let doubled: [(&str, &[u8]); 2] = [
        ("x-amz-sns-message-type", b"Notification"),
        ("x-amz-sns-message-type", b"SubscriptionConfirmation"),
    ];
    assert_eq!(judge_with(&check(), &doubled, good.as_bytes(), &keys()), Err(Objection::Refused(says)));
}

/// The parts of the string to sign are separated by line feeds, and the message may hold any: a signed string must not be
/// divisible in another way.
#[test]
fn a_signed_string_cannot_be_divided_otherwise() {
    let mut message = notification();
    // Whoever may write the message prepares it so that it holds what looks like further parts.
    message["Message"] = "harmless\nMessageId\nchosen\nSubject\nrest".into();
    message.as_object_mut().unwrap().remove("Subject");
    let message = signed_by(Rsa::one(), message);
    assert!(judge(&json_of(&message)).is_ok());
    let mut divided = message.clone();
    divided["Message"] = "harmless".into();
    divided["MessageId"] = "chosen".into();
    divided["Subject"] = format!("rest\nMessageId\n{}", message["MessageId"].as_str().unwrap()).into();
    assert_eq!(text(&divided), text(&message), "the strings are the same, so the signature fits");
    assert_eq!(judge(&json_of(&divided)), Err(Objection::Refused("the Subject holds a control character")));
    let mut divided = message.clone();
    divided["Message"] = "harmless".into();
    divided["MessageId"] =
        format!("chosen\nSubject\nrest\nMessageId\n{}", message["MessageId"].as_str().unwrap()).into();
    assert_eq!(text(&divided), text(&message));
    let line = "a member that is one line is empty, too long or holds a control character";
    assert_eq!(judge(&json_of(&divided)), Err(Objection::Refused(line)));
}

/// Where the certificate may come from: nothing else is ever asked for.
#[test]
fn no_other_url_is_asked_for() {
    let ask = |url: &str| {
        let mut message = signed();
        message["SigningCertURL"] = url.into();
        judge_with(&check(), &[], &json_of(&message), &Keys::new())
    };
    assert_eq!(ask(URL), Err(Objection::NeedKey(KeyUrl::derived(URL))));
    let file = "SimpleNotificationService-0123456789abcdef.pem";
    let name = "a".repeat(200);
    assert!(matches!(
        ask(&format!("https://sns.eu-central-1.amazonaws.com/{name}.pem")),
        Err(Objection::NeedKey(_))
    ));
    for url in [
        format!("HTTPS://sns.eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.us-east-1.amazonaws.com/{file}"),
        format!("https://SNS.eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com./{file}"),
        format!("https://sns.eu-central-1.amazonaws.com.cn/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com.evil.example/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com:443/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com@evil.example/{file}"),
        format!("https://evil.example/https://sns.eu-central-1.amazonaws.com/{file}"),
        format!("https://evil.example\\@sns.eu-central-1.amazonaws.com/{file}"),
        format!("https://evil@sns.eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com\\{file}"),
        format!("https://s3.eu-central-1.amazonaws.com/{file}"),
        "https://169.254.169.254/latest/meta-data/x.pem".to_owned(),
        "file:///etc/passwd.pem".to_owned(),
        String::new(),
    ] {
        assert_eq!(ask(&url), Err(Objection::WrongUrl(URL_WRONG, shown(url.as_bytes()))), "{url}");
    }
    // At the right host none of these is fetched either, but the sender may come again: SNS itself may call its file so one day.
    for url in [
        format!("http://sns.eu-central-1.amazonaws.com/{file}"),
        format!("https://sns.eu-central-1.amazonaws.com/{file}?x"),
        format!("https://sns.eu-central-1.amazonaws.com/?x={file}"),
        format!("https://sns.eu-central-1.amazonaws.com/#{file}"),
        format!("https://sns.eu-central-1.amazonaws.com/../{file}"),
        format!("https://sns.eu-central-1.amazonaws.com//{file}"),
        format!("https://sns.eu-central-1.amazonaws.com/%2e%2e%2f{file}"),
        format!("https://sns.eu-central-1.amazonaws.com/{file}\n"),
        format!("https://sns.eu-central-1.amazonaws.com/a{name}.pem"),
        "https://sns.eu-central-1.amazonaws.com/.pem".to_owned(),
        "https://sns.eu-central-1.amazonaws.com/a.pem.exe".to_owned(),
        "https://sns.eu-central-1.amazonaws.com/".to_owned(),
    ] {
        let unknown = Objection::UnknownUrl("the SigningCertURL is not one of SNS", shown(url.as_bytes()));
        assert_eq!(ask(&url), Err(unknown), "{url}");
    }
    // And nothing at all for a stranger's topic, or a message that is too old.
    for (name, value) in
        [("TopicArn", "arn:aws:sns:eu-central-1:999999999999:x"), ("Timestamp", "2020-01-01T00:00:00Z")]
    {
        let mut message = signed();
        message[name] = value.into();
        let judged = judge_with(&check(), &[], &json_of(&message), &Keys::new());
        assert!(matches!(judged, Err(Objection::Refused(_) | Objection::OutOfDate(_))), "{name}");
    }
}

#[test]
fn a_certificate_must_be_one_for_sns() {
    let other = Err(Objection::Refused("the certificate is not one for SNS in the topic's region"));
    for (common_name, names, expected) in [
        ("sns.amazonaws.com", &[][..], Ok(())),
        ("sns-signing.eu-central-1.amazonaws.com", &[], Ok(())),
        ("x", &["sns-signing.eu-central-1.amazonaws.com", "sns.eu-central-1.amazonaws.com"], Ok(())),
        ("sns.eu-central-1.amazonaws.com", &[], other.clone()),
        ("sns-signing.us-east-1.amazonaws.com", &[], other.clone()),
        ("sns.amazonaws.com", &["evil.example"], other.clone()),
        ("*.amazonaws.com", &[], other.clone()),
        ("sns.amazonaws.com.evil.example", &[], other.clone()),
        ("evil.example", &[], other.clone()),
    ] {
        let found =
            judge_with(&check(), &[], &json_of(&signed()), &holding(&certificate(common_name, names)));
        assert_eq!(found.map(drop), expected, "{common_name} {names:?}");
    }
    // A bare key says nothing of its owner.
    let bare = holding(&Rsa::one().public_key());
    assert_eq!(judge_with(&check(), &[], &json_of(&signed()), &bare).map(drop), other);
    let expired = holding(&Rsa::one().certificate("sns.amazonaws.com", &[], 2025));
    let not_valid = Err(Objection::Refused("the certificate is not valid at this time"));
    assert_eq!(judge_with(&check(), &[], &json_of(&signed()), &expired).map(drop), not_valid);
}

#[test]
fn a_pinned_certificate_needs_no_url_and_no_name() {
    let keys = Key::all(Rsa::one().certificate("x", &[], 2025).as_bytes()).unwrap();
    let pinned = Sns { pinned: Some(Pinned { place: "auth".into(), keys }), ..check() };
    for url in [json!(URL), json!("https://evil.example/"), Value::Null] {
        let mut message = signed();
        message["SigningCertURL"] = url;
        assert!(judge_with(&pinned, &[], &json_of(&message), &Keys::new()).is_ok());
    }
    let other = signed_by(Rsa::other(), notification());
    assert_eq!(judge_with(&pinned, &[], &json_of(&other), &Keys::new()), Err(WRONG));
    // What was fetched for others does not count.
    let pinned_other = Key::all(Rsa::other().plain_certificate().as_bytes()).unwrap();
    let pinned = Sns { pinned: Some(Pinned { place: "auth".into(), keys: pinned_other }), ..check() };
    assert_eq!(judge_with(&pinned, &[], &json_of(&signed()), &self::keys()), Err(WRONG));
}

#[test]
fn topics_and_who_signs_for_them() {
    for (arn, host, first) in [
        (TOPIC, Some("sns.eu-central-1.amazonaws.com"), "sns.amazonaws.com"),
        (
            "arn:aws-cn:sns:cn-north-1:123456789012:t.fifo",
            Some("sns.cn-north-1.amazonaws.com.cn"),
            "sns-cn-north-1.amazonaws.com.cn",
        ),
        (
            "arn:aws-us-gov:sns:us-gov-east-1:123456789012:t",
            Some("sns.us-gov-east-1.amazonaws.com"),
            "sns-us-gov-west-1.amazonaws.com",
        ),
        ("arn:aws-iso:sns:us-iso-east-1:123456789012:t", None, ""),
    ] {
        let signer = Topic::new(arn).unwrap().signer;
        assert_eq!(signer.as_ref().map(|signer| signer.host.as_str()), host, "{arn}");
        assert_eq!(signer.map(|signer| signer.names[0].clone()).unwrap_or_default(), first, "{arn}");
    }
    for arn in [
        "",
        "uploads",
        "arn:aws:sqs:eu-central-1:123456789012:t",
        "arn:aws:sns:eu-central-1:12345678901:t",
        "arn:aws:sns:eu-central-1:12345678901x:t",
        "arn:aws:sns:eu-central-1:123456789012:",
        "arn:aws:sns:eu-central-1:123456789012:*",
        "arn:aws:sns:eu-central-1:123456789012:t:0b1c2d3e",
        "arn:aws:sns:*:123456789012:t",
        "arn:aws:sns::123456789012:t",
        "arn:aws:sns:x.evil.example/:123456789012:t",
        "arn:aws:sns:EU-central-1:123456789012:t",
        "arn:evil:sns:eu-central-1:123456789012:t",
        " arn:aws:sns:eu-central-1:123456789012:t",
    ] {
        assert!(Topic::new(arn).is_err(), "{arn}");
    }
}

#[test]
fn a_repetition_is_known_by_what_is_signed() {
    let key = |body: &[u8]| judge(body).unwrap().unwrap();
    let mut replays = crate::Replays::new(8, 1 << 20);
    let mut other = notification();
    other["MessageId"] = "another".into();
    replays.remember("sns", &key(&json_of(&signed())), 200, 0, now());
    assert_eq!(replays.find("sns", &key(&json_of(&signed())), now()), Some(200));
    assert_eq!(replays.find("sns", &key(&json_of(&signed_by(Rsa::one(), other))), now()), None);
    // The same message in other bytes, and with a member that nobody signed, is the same message.
    let pretty = serde_json::to_vec_pretty(&signed()).unwrap();
    assert_eq!(replays.find("sns", &key(&pretty), now()), Some(200));
    let mut more = signed();
    more["x"] = 1.into();
    assert_eq!(replays.find("sns", &key(&json_of(&more)), now()), Some(200));
}

proptest! {
    #[test]
    fn strangers_are_refused(body in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "\\{(\"(Type|Message|MessageId|Signature)\":\"(Notification|1)\",?){0,5}\\}".prop_map(String::into_bytes),
    ]) {
        prop_assert!(judge(&body).is_err());
    }

    /// One byte anywhere: refused, or it is still the same message.
    #[test]
    fn a_change_of_one_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut body = json_of(&signed());
        let at = at.index(body.len());
        body[at] ^= flip;
        if judge(&body).is_ok() {
            let changed: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(text(&changed), text(&signed()));
        }
    }
}
