//! Requests signed by OpenSSL with a key that was thrown away, as a script that knows nothing of this crate wrote them down. They lie in the corpus of
//! the fuzz target, which starts from them.

use jiff::Timestamp;

use super::*;
use crate::head::Request;
use crate::key::Key;
use crate::testing::{SIGNER, WEAK};

const EVENTBRIDGE: &str = "{ path_secret = { secret = 'push-s3cret-0123' }, alibaba_eventbridge = { public_url = 'https://relay.example/alibaba', \
                           certificate_file = '/signer' } }";
const MNS: &str = "{ path_secret = { secret = 'push-s3cret-0123' }, alibaba_mns = { topics = ['1000000000000001/intake'], certificate_file = '/signer' } }";
const SMN: &str = "{ huawei_smn = { topics = ['urn:smn:cn-north-4:28a70000000000000000000000000005:landed'], certificate_file = '/signer' } }";

macro_rules! vector {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../../../fuzz/corpus/gate/", $name)).as_slice())
    };
}

/// The verdict on a request of the corpus: its reason, or nothing.
fn judged(auth: &str, bytes: &[u8]) -> &'static str {
    let mut read =
        |path: &str| if path == "/signer" { Ok(SIGNER.to_owned()) } else { Err("no such file".to_owned()) };
    let policy = Policy::parse_text(auth, "auth", &mut read).unwrap();
    let now = Timestamp::from_second(1_772_612_142).unwrap();
    let at = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let (head, body) = (std::str::from_utf8(&bytes[..at]).unwrap(), &bytes[at + 2..]);
    let mut lines = head.lines();
    let first: Vec<_> = lines.next().unwrap().split(' ').collect();
    let headers: Vec<(&str, &[u8])> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let (path, path_rest) = (first[1], first.get(2).copied());
    let head = Head { method: first[0], path, path_rest, headers: &headers, client: None };
    let verdict = match policy.check_head(&head, now, &Keys::new()) {
        Verdict::Admitted(_) => policy.check_body(&Request { head, body }, now, &Keys::new()),
        refused => refused,
    };
    match verdict {
        Verdict::Admitted(admission) => {
            assert!(admission.replay.is_some());
            ""
        }
        Verdict::Refused(refusal) => refusal.why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_openssl_has_signed_is_admitted_and_nothing_else() {
    const WRONG: &str = "the signature is wrong";
    for (auth, (name, bytes), expected) in [
        (EVENTBRIDGE, vector!("eventbridge-signed"), ""),
        (EVENTBRIDGE, vector!("eventbridge-signed-token"), ""),
        (EVENTBRIDGE, vector!("eventbridge-signed-token-apart"), ""),
        (EVENTBRIDGE, vector!("eventbridge-signed-without-end"), ""),
        (EVENTBRIDGE, vector!("eventbridge-signed-without-secret"), "the path holds no secret"),
        (EVENTBRIDGE, vector!("eventbridge-signed-another-body"), WRONG),
        (MNS, vector!("mns-signed"), ""),
        (MNS, vector!("mns-signed-json"), ""),
        (MNS, vector!("mns-signed-xml"), ""),
        (MNS, vector!("mns-signed-foreign-topic"), "the topic is not on the list"),
        (MNS, vector!("mns-signed-another-body"), "the Content-MD5 header does not fit the body"),
        (SMN, vector!("smn-signed"), ""),
        (SMN, vector!("smn-signed-without-subject"), ""),
        (SMN, vector!("smn-signed-empty-subject"), ""),
        (SMN, vector!("smn-signed-empty-subject-left-out"), ""),
        (SMN, vector!("smn-signed-confirmation"), ""),
        (SMN, vector!("smn-signed-unsubscribed"), ""),
        (SMN, vector!("smn-signed-user-confirmed"), ""),
        (SMN, vector!("smn-signed-another-message"), WRONG),
        // The certificate is signed with MD5. What is signed with its key has to be SHA-256 nevertheless.
        (SMN, vector!("smn-signed-sha1"), WRONG),
        (SMN, vector!("smn-signed-md5"), WRONG),
    ] {
        assert_eq!(judged(auth, bytes), expected, "{name}");
    }
}

#[test]
fn a_certificate_of_512_bits_is_no_proof() {
    let found = Key::first(WEAK.as_bytes()).unwrap_err();
    assert!(found.contains("a key of 512 bits: no proof"), "{found}");
    assert_eq!(Key::all(WEAK.as_bytes()), Err(found));
}
