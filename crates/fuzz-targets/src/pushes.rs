//! Requests that three clouds sign, at the gate: what is let in is one of those that were signed.

use mdss_relay_gate::Request;

use crate::gate::{Proof, holds, in_header, in_path, members};
use crate::head::{self, Parts};

/// The `auth` texts, each with its proof.
pub(crate) const PUSHES: &[(&str, Proof)] = &[
    (
        "{ path_secret = { secret = 'push-s3cret-0123' }, alibaba_eventbridge = { public_url = 'https://relay.example/alibaba', \
         certificate_file = '/pusher' } }",
        |request| in_path(request, b"push-s3cret-0123") && is_signed_as_by_eventbridge(request),
    ),
    (
        "{ shared_secret = { header = 'x-eventbridge-signature-token', secret = 'sh4red-s3cret-0123' }, alibaba_eventbridge = { \
         public_url = 'https://relay.example/alibaba', certificate_file = '/pusher' } }",
        |request| in_header(request, b"sh4red-s3cret-0123") && is_signed_as_by_eventbridge(request),
    ),
    (
        "{ path_secret = { secret = 'push-s3cret-0123' }, alibaba_mns = { topics = ['1000000000000001/intake'], certificate_file = '/pusher' } }",
        |request| in_path(request, b"push-s3cret-0123") && is_signed_as_by_mns(request),
    ),
    (
        "{ huawei_smn = { topics = ['urn:smn:cn-north-4:28a70000000000000000000000000005:landed'], certificate_file = '/pusher' } }",
        is_signed_as_by_smn,
    ),
];

/// What the requests were signed with, by OpenSSL. The key was thrown away.
pub(crate) const PUSHER: &str = include_str!("../../gate/src/testing/signer.pem");

const EVENTBRIDGE: &[&[u8]] = &[
    include_bytes!("../../../fuzz/corpus/gate/eventbridge-signed"),
    include_bytes!("../../../fuzz/corpus/gate/eventbridge-signed-token"),
    include_bytes!("../../../fuzz/corpus/gate/eventbridge-signed-token-apart"),
    include_bytes!("../../../fuzz/corpus/gate/eventbridge-signed-without-end"),
    include_bytes!("../../../fuzz/corpus/gate/eventbridge-signed-without-secret"),
];

const MNS: &[&[u8]] = &[
    include_bytes!("../../../fuzz/corpus/gate/mns-signed"),
    include_bytes!("../../../fuzz/corpus/gate/mns-signed-json"),
    include_bytes!("../../../fuzz/corpus/gate/mns-signed-xml"),
];

const SMN: &[&[u8]] = &[
    include_bytes!("../../../fuzz/corpus/gate/smn-signed"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-without-subject"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-empty-subject"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-empty-subject-left-out"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-confirmation"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-unsubscribed"),
    include_bytes!("../../../fuzz/corpus/gate/smn-signed-user-confirmed"),
];

/// Whether one of the signed requests passes a comparison.
fn is_one_of(signed: &[&[u8]], same: impl Fn(&Parts<'_>) -> bool) -> bool {
    signed.iter().any(|signed| same(&head::split(signed).expect("it has a first line")))
}

/// The signature that stands in the first header, but for the last digit of base64, which has bits that say nothing.
fn has_signature(request: &Request<'_>, signed: &Parts<'_>) -> bool {
    let (_, signature) = signed.headers.first().expect("it has a signature");
    request.head.headers.iter().any(|(_, value)| holds(value, &signature[..341]))
}

/// The headers that a signature covers, in one order.
fn covered<'a>(headers: &[(&str, &'a [u8])], is_covered: fn(&str) -> bool) -> Vec<(String, &'a [u8])> {
    let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value));
    let mut covered: Vec<_> = headers.filter(|(name, _)| is_covered(name)).collect();
    covered.sort_unstable();
    covered
}

/// Whether URL, body and headers are those of a signed request. The token is left out, because it need not be signed, and a line feed at the
/// body's end, because the string to sign may have it or not.
fn is_signed_as_by_eventbridge(request: &Request<'_>) -> bool {
    const NAMES: fn(&str) -> bool = |name| {
        ["signature-timestamp", "hash-method", "signature-version", "signature-url"]
            .iter()
            .any(|end| name.strip_prefix("x-eventbridge-") == Some(end))
    };
    let text = |body: &'_ [u8]| String::from_utf8_lossy(body).trim_end_matches('\n').to_owned();
    is_one_of(EVENTBRIDGE, |signed| {
        let mut words = signed.first.split(' ').skip(1);
        let (path, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let query = |path: &str| path.split_once('?').map(|(_, query)| query.to_owned());
        request.head.path_rest.unwrap_or_default() == rest
            && query(request.head.path) == query(path)
            && text(request.body) == text(signed.body)
            && covered(request.head.headers, NAMES) == covered(&signed.headers, NAMES)
            && has_signature(request, signed)
    })
}

fn is_signed_as_by_mns(request: &Request<'_>) -> bool {
    const NAMES: fn(&str) -> bool =
        |name| name.starts_with("x-mns-") || ["content-md5", "content-type", "date"].contains(&name);
    is_one_of(MNS, |signed| {
        let target = signed.first.split(' ').nth(1).unwrap_or_default();
        request.head.path == target
            && request.body == signed.body
            && covered(request.head.headers, NAMES) == covered(&signed.headers, NAMES)
            && has_signature(request, signed)
    })
}

/// An empty subject counts as none: whether it is signed is for the signer to say.
fn is_signed_as_by_smn(request: &Request<'_>) -> bool {
    is_one_of(SMN, |signed| {
        let (wanted, given) = (members(signed.body), members(request.body));
        let same = |name: &&str| {
            wanted.get(*name).filter(|text| !text.is_empty())
                == given.get(*name).filter(|text| !text.is_empty())
        };
        ["message", "message_id", "subject", "timestamp", "topic_urn", "type"].iter().all(same)
            && (given["type"] == "Notification"
                || same(&"subscribe_url")
                || !wanted.contains_key("subscribe_url"))
            && given.get("signature").is_some_and(|text| text.get(..341) == Some(&wanted["signature"][..341]))
    })
}
