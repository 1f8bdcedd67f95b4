//! Requests at the gate: nobody is let in without the credential, whatever else the request holds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use jiff::Timestamp;
use mdss_relay_gate::{Head, Keys, Policy, Request, Verdict};
use serde_json::value::RawValue;

use crate::head;
use crate::pushes::{PUSHER, PUSHES};
use crate::token::ISSUER_KEYS;

/// Whether a request holds what a policy asks for, judged without the gate's own code.
///
/// It may say yes too often (the token stands in the wrong header), never no to a request that is rightly let in. For a signature:
/// the request is one of those that were signed, because nobody makes up another.
pub type Proof = fn(&Request<'_>) -> bool;

/// The `auth` texts that are tried, each with its proof.
pub static POLICIES: LazyLock<Vec<(&str, Proof)>> = LazyLock::new(|| [OTHERS, PUSHES].concat());

const OTHERS: &[(&str, Proof)] = &[
    ("none", |_| true),
    ("{ bearer = { token = 'b34rer-t0ken' } }", |request| in_header(request, b"b34rer-t0ken")),
    ("{ bearer = { token_file = '/two-words' } }", |request| in_header(request, b"Token two-w0rds")),
    ("{ basic = { user = 'user', password = 'pa:ss w0rd' } }", |request| {
        // base64 of "user:pa:ss w0rd".
        in_header(request, b"dXNlcjpwYTpzcyB3MHJk")
    }),
    ("{ path_secret = { secret = 'path-s3cret-0123' } }", |request| in_path(request, b"path-s3cret-0123")),
    ("{ path_secret = { secret = 'path-s3cret-0123' }, bearer = { token = 'b34rer-t0ken' } }", |request| {
        in_path(request, b"path-s3cret-0123") && in_header(request, b"b34rer-t0ken")
    }),
    ("{ shared_secret = { header = 'X-Api-Key', secret = 'sh4red-s3cret-0123' } }", |request| {
        in_header(request, b"sh4red-s3cret-0123")
    }),
    ("{ shared_secret = { query = 'code', secret = 'qu3ry-s3cret-0123' } }", |request| {
        request.head.path.contains('?') && holds(&decoded(request.head.path), b"qu3ry-s3cret-0123")
    }),
    ("{ source_addresses = ['192.0.2.0/24', '2001:db8::/32', '203.0.113.7'] }", is_known),
    (
        "{ hmac = { header = 'X-Bz-Event-Notification-Signature', prefix = 'v1=', secret = 'hm4c-s3cret-0123' } }",
        |request| is_tagged(request, HMAC_HEX, 64),
    ),
    ("{ hmac = { header = 'X-Signature', encoding = 'base64', secret = 'hm4c-s3cret-0123' } }", |request| {
        is_tagged(request, HMAC_BASE64, 42)
    }),
    (
        "{ hmac = { header = 'X-Relay-Signature', prefix = 'v1=', timed = true, secret = 'hm4c-s3cret-0123' } }",
        |request| is_tagged_with_a_time(request, HMAC_TIMED),
    ),
    (
        "{ jwt = { issuer = 'google', audience = 'https://relay.example/gcs', email = 'push@demo.iam.gserviceaccount.com', jwks_file = '/jwks' } }",
        |request| in_header(request, token_of(JWT_GOOGLE)),
    ),
    (
        "{ jwt = { issuer = 'entra', tenant = '72f988bf-0000-41af-91ab-2d7cd011db47', audience = 'api://relay', jwks_file = '/jwks' } }",
        |request| in_header(request, token_of(JWT_ENTRA)),
    ),
    (
        "{ jwt = { issuer_url = 'https://issuer.example', jwks_file = '/jwks', audience = 'relay', claims = { sub = 'poster' } } }",
        |request| in_header(request, token_of(JWT_ES256)),
    ),
    ("{ jdcloud_signature = { certificate_file = '/signer' } }", is_signed_as_by_jd),
    (
        "{ sns = { topics = ['arn:aws:sns:eu-central-1:111122223333:landed'], certificate_file = '/signer' } }",
        is_signed_as_by_sns,
    ),
    (
        "{ shared_secret = { header = 'X-Api-Key', secret = 'sh4red-s3cret-0123' }, \
         source_addresses = ['192.0.2.0/24'], \
         hmac = { header = 'X-Signature', encoding = 'base64', secret = 'hm4c-s3cret-0123' } }",
        |request| {
            in_header(request, b"sh4red-s3cret-0123")
                && is_known(request)
                && is_tagged(request, HMAC_BASE64, 42)
        },
    ),
];

// The requests that were signed. The RSA key was thrown away.
const HMAC_HEX: &[u8] = include_bytes!("../../../fuzz/corpus/gate/hmac-hex");
const HMAC_BASE64: &[u8] = include_bytes!("../../../fuzz/corpus/gate/hmac-base64");
const HMAC_TIMED: &[u8] = include_bytes!("../../../fuzz/corpus/gate/hmac-timed");
const JWT_GOOGLE: &[u8] = include_bytes!("../../../fuzz/corpus/gate/jwt-google");
const JWT_ENTRA: &[u8] = include_bytes!("../../../fuzz/corpus/gate/jwt-entra");
const JWT_ES256: &[u8] = include_bytes!("../../../fuzz/corpus/gate/jwt-es256");
const JDCLOUD: &[u8] = include_bytes!("../../../fuzz/corpus/gate/jd-signed");
const SNS: &[&[u8]] = &[
    include_bytes!("../../../fuzz/corpus/gate/sns-signed"),
    include_bytes!("../../../fuzz/corpus/gate/sns-signed-confirmation"),
];

/// What they were signed with, for JD Cloud and for SNS.
const SIGNER: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAza2ZV3AXvMBkHgCjJKaI
NCyIDrZW0bmMWVcy9mrLt14v9Vk6vLEMPG26wKVd6/Jb/wZrAwqJs/PERFMQttUo
HoLw4soWr7UqBkhHxvbw7hAVn1ofLct4+U4iSiLpjdmxugZGhMesC4ziy3wjT/8l
urfhrmlAZ3Pu9o7WaCQaNu1YbHdwEUg8Ya24rcohEotB+5IrJD5jAYwZjwRzMxWc
I71P+HcZ1xM2xhKNX3p/fsAkqN6dCq4NC/4Yw8Bta96Yacl9xATkmY+f+gkGSg8i
Ixc/TnrdpExLZujCkqEWfYHzz2RcEqu5GVuabbqw+fioCsdXHjDco6D7B1Js4FA3
tQIDAQAB
-----END PUBLIC KEY-----
";

/// The files that the texts above name.
pub(crate) fn file(path: &str) -> Result<String, String> {
    match path {
        "/two-words" => Ok("Token two-w0rds\n".into()),
        "/signer" => Ok(SIGNER.into()),
        "/pusher" => Ok(PUSHER.into()),
        "/jwks" => Ok(ISSUER_KEYS.into()),
        _ => Err("no such file".into()),
    }
}

static PARSED: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let parse = |(text, _): &(&str, Proof)| {
        Policy::parse_text(text, "auth", &mut file).expect("the texts above are good")
    };
    POLICIES.iter().map(parse).collect()
});

/// Which of [`POLICIES`] let a request in, by their place in the list.
pub type Admitted = Vec<usize>;

/// Sends a request past every policy.
///
/// The first line is the method, the path, what comes behind the source's path, and the client's address, with single
/// spaces between them, the last three optional; headers follow up to an empty line, then the body. The body is also read as an
/// `auth` text, and kept as the key if a check asks for one.
pub fn gate(bytes: &[u8]) -> Admitted {
    let Some(parts) = head::split(bytes) else { return Vec::new() };
    let mut words = parts.first.split(' ');
    let mut word = || words.next().filter(|word| !word.is_empty());
    let (method, path, path_rest) = (word().unwrap_or("POST"), word().unwrap_or("/"), word());
    let client = word().and_then(|address| address.parse().ok());
    let head = Head { method, path, path_rest, headers: &parts.headers, client };
    let request = Request { head, body: parts.body };

    let mut admitted = Vec::new();
    for (index, (policy, (text, proof))) in PARSED.iter().zip(POLICIES.iter()).enumerate() {
        if passes(policy, &request) {
            assert!(proof(&request), "let in by {text} without the credential: {request:?}");
            admitted.push(index);
        }
    }

    if let Ok(text) = str::from_utf8(parts.body) {
        match Policy::parse_text(text, "auth", &mut file) {
            // TOML can write a letter as an escape.
            Ok(policy) => {
                let written = text.contains("none") || text.contains('\\');
                assert!(!policy.is_none() || written, "opened to everybody by {text:?}");
            }
            Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a reason: {text:?}"),
        }
    }
    admitted
}

/// Both halves of the gate, with one fetch in between for a check that needs a key.
fn passes(policy: &Policy, request: &Request<'_>) -> bool {
    let now: Timestamp = Timestamp::from_second(1_772_612_142).expect("2026 is in range");
    let mut keys = Keys::new();
    let judged = |keys: &Keys| match policy.check_head(&request.head, now, keys) {
        Verdict::Admitted(_) => policy.check_body(request, now, keys),
        objection => objection,
    };
    let verdict = match judged(&keys) {
        Verdict::NeedKey { url, .. } => {
            // Whether it is a key, and whose, is what the checks have to find out.
            let _ = keys.store(&url, request.body, now);
            judged(&keys)
        }
        verdict => verdict,
    };
    matches!(verdict, Verdict::Admitted(_))
}

pub(crate) fn in_header(request: &Request<'_>, secret: &[u8]) -> bool {
    request.head.headers.iter().any(|(_, value)| holds(value, secret))
}

pub(crate) fn in_path(request: &Request<'_>, secret: &[u8]) -> bool {
    request.head.path_rest.is_some_and(|rest| holds(rest.as_bytes(), secret))
}

pub(crate) fn holds(text: &[u8], secret: &[u8]) -> bool {
    text.windows(secret.len()).any(|part| part == secret)
}

/// Percent-decoded, once.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let pair = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        let pair = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(pair.unwrap_or(*first));
        rest = if pair.is_some() { &behind[2..] } else { behind };
    }
    bytes
}

/// Whether it comes from one of the networks above.
fn is_known(request: &Request<'_>) -> bool {
    let known = |[a, b, c, d]: [u8; 4]| [a, b, c] == [192, 0, 2] || [a, b, c, d] == [203, 0, 113, 7];
    match request.head.client {
        Some(IpAddr::V4(address)) => known(address.octets()),
        // An IPv4 address as it is seen by who listens on [::] (RFC 4291, section 2.5.5.2).
        Some(IpAddr::V6(address)) => match address.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => known([a, b, c, d]),
            [0x20, 0x01, 0x0d, 0xb8, ..] => true,
            _ => false,
        },
        None => false,
    }
}

/// Whether the body is the signed one and its tag stands in a header; hex digits may be in either case. `length` is how much
/// of the tag has one spelling only: the last digit of base64 has bits that say nothing, and may have padding behind it.
fn is_tagged(request: &Request<'_>, signed: &[u8], length: usize) -> bool {
    let signed = head::split(signed).expect("it has a first line");
    let (_, value) = signed.headers.first().expect("it has a tag");
    let tag = &value.strip_prefix(b"v1=").unwrap_or(value)[..length];
    let is_there = |(_, value): &(&str, &[u8])| holds(value, tag) || holds(&value.to_ascii_lowercase(), tag);
    request.body == signed.body && request.head.headers.iter().any(is_there)
}

/// Whether the body is the signed one, and its time and its tag stand in a header.
fn is_tagged_with_a_time(request: &Request<'_>, signed: &[u8]) -> bool {
    let signed = head::split(signed).expect("it has a first line");
    let (_, value) = signed.headers.first().expect("it has a tag");
    let parts: Vec<_> = value.split(|byte| *byte == b',').collect();
    let (time, tag) = (parts[0], &parts[1][3..]);
    let is_there = |(_, value): &(&str, &[u8])| {
        holds(value, time) && (holds(value, tag) || holds(&value.to_ascii_lowercase(), tag))
    };
    request.body == signed.body && request.head.headers.iter().any(is_there)
}

/// The token of a request in the corpus.
fn token_of(signed: &'static [u8]) -> &'static [u8] {
    let signed = head::split(signed).expect("it has a first line");
    let (_, value) = signed.headers.first().copied().expect("it has a token");
    value.strip_prefix(b"Bearer ").expect("it has a scheme")
}

/// Whether everything that JD Cloud's signature covers is as it was signed, and the signature is there.
fn is_signed_as_by_jd(request: &Request<'_>) -> bool {
    let signed = head::split(JDCLOUD).expect("it has a first line");
    let target = format!("{} {}", request.head.method, request.head.path);
    let (_, signature) = signed.headers.first().expect("it has a signature");
    target == signed.first
        && request.body == signed.body
        && covered_by_jd(request.head.headers) == covered_by_jd(&signed.headers)
        && in_header(request, &signature[..341])
}

/// The headers that JD Cloud's signature covers, in one order.
fn covered_by_jd<'a>(headers: &[(&str, &'a [u8])]) -> Vec<(String, &'a [u8])> {
    let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value));
    let mut covered: Vec<_> = headers
        .filter(|(name, _)| {
            name.starts_with("x-jdcloud-") || ["content-md5", "content-type", "date"].contains(&name.as_str())
        })
        .collect();
    covered.sort_unstable();
    covered
}

/// Whether the members that SNS signs are those of a message that was signed, and so is the signature, but for the
/// spelling of its last digit.
fn is_signed_as_by_sns(request: &Request<'_>) -> bool {
    SNS.iter().any(|signed| {
        let signed = head::split(signed).expect("it has a first line");
        let (wanted, given) = (members(signed.body), members(request.body));
        ["Type", "MessageId", "TopicArn", "Timestamp", "Message", "Token", "SubscribeURL", "Subject"]
            .iter()
            .all(|name| wanted.get(*name) == given.get(*name))
            && given.get("Signature").is_some_and(|text| text.get(..341) == Some(&wanted["Signature"][..341]))
    })
}

/// The members of an object that are texts, whatever the others are.
pub(crate) fn members(body: &[u8]) -> BTreeMap<String, String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name, serde_json::from_str(value.get()).ok()?)))
        .collect()
}
