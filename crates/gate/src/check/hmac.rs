//! HMAC-SHA256 over the body, in a header: how most webhooks are signed.
//!
//! Header, encoding and prefix differ from sender to sender, so all three are settings. Backblaze B2 sends
//! `X-Bz-Event-Notification-Signature: v1=<hex>` and, while a secret is being exchanged, two such values with a comma
//! between them: <https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide>.
//!
//! The body is all that is covered: neither the path nor a date nor an id. A repetition cannot be told from the first
//! post, so nothing is remembered of it.

use base64::Engine as _;
use ring::hmac::{HMAC_SHA256, Key, sign};
use subtle::{Choice, ConstantTimeEq};

use crate::encoding::{BASE64, hex};
use crate::head::Request;

/// The shortest secret. A shorter one can be found out at leisure by whoever has seen one signed body.
const SHORTEST: usize = 16;

/// The most signatures looked at in one header; during an exchange of secrets there are two.
const MOST_SIGNATURES: usize = 8;

/// How the signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Two digits a byte, in either case.
    Hex,
    /// The standard alphabet, with or without padding.
    Base64,
}

#[derive(Clone, Debug)]
pub(crate) struct Hmac {
    header: String,
    prefix: String,
    encoding: Encoding,
    keys: Vec<Key>,
}

impl Hmac {
    pub(crate) fn new(header: &str, prefix: &str, encoding: Encoding) -> Self {
        Self { header: header.to_owned(), prefix: prefix.to_owned(), encoding, keys: Vec::new() }
    }

    /// One more secret; a signature with any of them suffices.
    ///
    /// # Errors
    ///
    /// What was expected, never the secret.
    pub(crate) fn accept(&mut self, secret: &str) -> Result<(), &'static str> {
        if secret.len() < SHORTEST {
            return Err("at least 16 bytes");
        }
        self.keys.push(Key::new(HMAC_SHA256, secret.as_bytes()));
        Ok(())
    }

    pub(crate) fn judge(&self, request: &Request<'_>) -> Result<(), &'static str> {
        let value = request
            .head
            .only(&self.header)
            .map_err(|_| "the header with the signature is there more than once")?;
        let value = value.ok_or("the header with the signature is missing")?;
        let given: Vec<[u8; 32]> = value
            .split(|byte| *byte == b',')
            .take(MOST_SIGNATURES)
            .filter_map(|one| self.decode(one.trim_ascii()))
            .collect();
        if given.is_empty() {
            return Err("the header holds no signature of the form expected");
        }
        let mut fits = Choice::from(0);
        for key in &self.keys {
            let tag = sign(key, request.body);
            for given in &given {
                fits |= tag.as_ref().ct_eq(given);
            }
        }
        bool::from(fits).then_some(()).ok_or("no signature in the header fits the body")
    }

    fn decode(&self, text: &[u8]) -> Option<[u8; 32]> {
        let text = text.strip_prefix(self.prefix.as_bytes())?;
        match self.encoding {
            Encoding::Hex => hex(text),
            Encoding::Base64 => BASE64.decode(text).ok()?.try_into().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::head::Head;

    const SECRET: &str = "0123456789abcdef";
    const BODY: &[u8] = b"{\"Records\":[]}";

    fn tag(secret: &str, body: &[u8]) -> Vec<u8> {
        sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body).as_ref().to_vec()
    }

    fn hex_of(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn judge(check: &Hmac, values: &[&[u8]], body: &[u8]) -> Result<(), &'static str> {
        let headers: Vec<_> = values.iter().map(|value| ("x-signature", *value)).collect();
        let head = Head { method: "POST", path: "/", path_rest: None, headers: &headers, client: None };
        check.judge(&Request { head, body })
    }

    fn check(prefix: &str, encoding: Encoding) -> Hmac {
        let mut check = Hmac::new("X-Signature", prefix, encoding);
        check.accept(SECRET).unwrap();
        check
    }

    /// The oracle is not ours: test case 2 of RFC 4231 (its key is too short for a setting, so it is given directly).
    #[test]
    fn the_published_vector() {
        let mut check = Hmac::new("x-signature", "", Encoding::Hex);
        check.keys.push(Key::new(HMAC_SHA256, b"Jefe"));
        let expected = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(judge(&check, &[expected], b"what do ya want for nothing?"), Ok(()));
        assert_eq!(
            judge(&check, &[expected], b"what do ya want for nothing!"),
            Err("no signature in the header fits the body")
        );
    }

    #[test]
    fn attacks() {
        let good = hex_of(&tag(SECRET, BODY));
        let wrong = Err("no signature in the header fits the body");
        let form = Err("the header holds no signature of the form expected");
        let other = hex_of(&tag("0123456789abcdeF", BODY));
        let many = |last: &str| format!("{}{last}", format!("v1={other},").repeat(MOST_SIGNATURES));
        for (case, value, expected) in [
            ("exact", format!("v1={good}"), Ok(())),
            ("capitals", format!("v1={}", good.to_uppercase()), Ok(())),
            ("the second fits", format!("v1={other},v1={good}"), Ok(())),
            ("the first fits", format!("v1={good}, v1={other}"), Ok(())),
            ("the second fits, after a space", format!("v1={other}, v1={good}"), Ok(())),
            ("beside another version", format!("v0=abc,v1={good}"), Ok(())),
            ("empty", String::new(), form),
            ("prefix alone", "v1=".to_owned(), form),
            ("no prefix", good.clone(), form),
            ("prefix in capitals", format!("V1={good}"), form),
            ("truncated", format!("v1={}", &good[..62]), form),
            ("one digit less", format!("v1={}", &good[..63]), form),
            ("one byte more", format!("v1={good}00"), form),
            ("not hex", format!("v1={}", "g".repeat(64)), form),
            ("base64", format!("v1={}", BASE64.encode(tag(SECRET, BODY))), form),
            ("other secret", format!("v1={other}"), wrong),
            ("zeros", format!("v1={}", "0".repeat(64)), wrong),
            ("beyond the limit", many(&format!("v1={good}")), wrong),
        ] {
            let found = judge(&check("v1=", Encoding::Hex), &[value.as_bytes()], BODY);
            assert_eq!(found, expected, "{case}");
        }
        let value = format!("v1={good}");
        let value = value.as_bytes();
        let strict = check("v1=", Encoding::Hex);
        assert_eq!(judge(&strict, &[], BODY), Err("the header with the signature is missing"));
        let doubled = Err("the header with the signature is there more than once");
        assert_eq!(judge(&strict, &[value, value], BODY), doubled);
        assert_eq!(judge(&strict, &[value, b""], BODY), doubled);
        assert_eq!(judge(&strict, &[b"v1=\xff\xfe"], BODY), form);
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(judge(&strict, &[value], &body), wrong, "byte {at}");
        }
        assert_eq!(judge(&strict, &[value], b""), wrong);
        assert_eq!(judge(&strict, &[value], &[BODY, b"\n"].concat()), wrong);
    }

    #[test]
    fn base64_with_and_without_padding() {
        let check = check("sha256=", Encoding::Base64);
        let good = BASE64.encode(tag(SECRET, BODY));
        for (value, expected) in [
            (format!("sha256={good}"), true),
            (format!("sha256={}", good.trim_end_matches('=')), true),
            (format!("sha256={}", good.to_lowercase()), false),
            (format!("sha256={}", hex_of(&tag(SECRET, BODY))), false),
            (good.clone(), false),
        ] {
            assert_eq!(judge(&check, &[value.as_bytes()], BODY).is_ok(), expected, "{value}");
        }
    }

    #[test]
    fn either_of_two_secrets_suffices() {
        let mut check = check("", Encoding::Hex);
        check.accept("a second secret!").unwrap();
        for (secret, expected) in [(SECRET, true), ("a second secret!", true), ("a third secret!!", false)] {
            let value = hex_of(&tag(secret, BODY));
            assert_eq!(judge(&check, &[value.as_bytes()], BODY).is_ok(), expected, "{secret}");
        }
        assert_eq!(check.accept("0123456789abcde").unwrap_err(), "at least 16 bytes");
        assert!(!format!("{check:?}").contains(SECRET));
    }

    proptest! {
        #[test]
        fn strangers_are_refused(
            value in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..100),
                "(v1=[0-9a-f]{64},?){0,3}".prop_map(String::into_bytes),
            ],
            body in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert!(judge(&check("v1=", Encoding::Hex), &[&value], &body).is_err());
            prop_assert!(judge(&check("", Encoding::Base64), &[&value], &body).is_err());
        }
    }
}
