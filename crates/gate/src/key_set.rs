//! The keys with which an issuer signs its tokens, as it publishes them: a JSON Web Key Set
//! (<https://www.rfc-editor.org/rfc/rfc7517>), with keys as in <https://www.rfc-editor.org/rfc/rfc7518#section-6>.
//!
//! A set may hold keys for other purposes and of other kinds, so what cannot be used here is passed over. Anything odd in a key
//! is reason enough for that: an exponent other than 65537, which no issuer uses and which makes some forgeries possible; a
//! modulus with zeros before it, which could be another key's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

use crate::members::Members;

/// The most keys of one set. Google publishes 2 or 3, Entra for one tenant fewer than 10.
const MOST_KEYS: usize = 32;

/// What the signature library accepts at most; fewer bits than 2048 prove nothing that should be believed today
/// (<https://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-131Ar2.pdf>, section 3).
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// The longest key id, in bytes.
const LONGEST_ID: usize = 128;

/// How a token is signed. No other algorithm is read: <https://www.rfc-editor.org/rfc/rfc8725#section-3.1>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The keys of one issuer that can be used.
#[derive(Clone, PartialEq)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Clone, PartialEq)]
struct Key {
    id: String,
    material: Material,
}

#[derive(Clone, PartialEq)]
enum Material {
    Rsa {
        n: Vec<u8>,
    },
    /// The point, uncompressed: the byte 4 and both coordinates.
    P256([u8; 65]),
}

impl KeySet {
    /// # Errors
    ///
    /// What was expected, if this is no key set, or none with a key that can be used.
    pub(crate) fn read(text: &[u8]) -> Result<Self, &'static str> {
        let set = Members::read(text).ok_or("a JSON Web Key Set")?;
        let keys =
            set.get("keys").and_then(Value::as_array).ok_or("a JSON Web Key Set with its list of keys")?;
        if keys.len() > MOST_KEYS {
            return Err("a JSON Web Key Set of at most 32 keys");
        }
        let keys: Vec<_> = keys.iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(
                "a JSON Web Key Set with a key that can be used: an id, and RSA of at least 2048 bits or P-256",
            );
        }
        Ok(Self(keys))
    }

    /// Whether `signature` is one of `message`, by the key that has this id; `None` if there is no such key.
    pub(crate) fn verifies(
        &self,
        id: &str,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        // An id names one key of a kind; where it names two, an exchange may be under way.
        let verified = self.0.iter().filter(|key| key.id == id).filter_map(|key| {
            let verified = match (&key.material, algorithm) {
                (Material::Rsa { n }, Algorithm::Rs256) => {
                    RsaPublicKeyComponents { n: &n[..], e: &EXPONENT[..] }.verify(
                        &RSA_PKCS1_2048_8192_SHA256,
                        message,
                        signature,
                    )
                }
                (Material::P256(point), Algorithm::Es256) => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
                }
                _ => return None,
            };
            Some(verified.is_ok())
        });
        verified.reduce(|one, other| one || other)
    }
}

impl Key {
    /// `None` if it is none that can be used.
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let absent_or = |name: &str, expected: &str| match value.get(name) {
            None => true,
            Some(given) => given.as_str() == Some(expected),
        };
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let id = text("kid").filter(|id| is_key_id(id))?.to_owned();
        if !absent_or("use", "sig") {
            return None;
        }
        let material = match text("kty")? {
            "RSA" if absent_or("alg", "RS256") => {
                let (n, e) = (number("n")?, number("e")?);
                let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
                (n[0] != 0 && BITS.contains(&bits) && e == EXPONENT).then_some(Material::Rsa { n })?
            }
            "EC" if absent_or("alg", "ES256") && text("crv") == Some("P-256") => {
                let (x, y): ([u8; 32], [u8; 32]) =
                    (number("x")?.try_into().ok()?, number("y")?.try_into().ok()?);
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Material::P256(point)
            }
            _ => return None,
        };
        Some(Self { id, material })
    }
}

/// Whether a text can be the id of a key: visible ASCII, and not more than an issuer needs for it.
pub(crate) fn is_key_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'!'..=b'~'))
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use drive::TokenSigner;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(keys: &[Value]) -> Result<KeySet, &'static str> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A key with some members exchanged; null takes one away.
    fn with(key: &Value, changes: &Value) -> Value {
        let mut key = key.clone();
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key
    }

    fn number(bytes: &[u8]) -> Value {
        URL_SAFE_NO_PAD.encode(bytes).into()
    }

    /// The sample of an RFC: <https://www.rfc-editor.org/rfc/rfc7515#appendix-A.3>, signed with ES256.
    #[test]
    fn the_published_vector() {
        let keys = set(&[json!({ "kid": "1", "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })])
        .unwrap();
        let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
                    Ijp0cnVlfQ";
        let signature = URL_SAFE_NO_PAD
            .decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
            .unwrap();
        let verifies = |id, algorithm, text: &str| keys.verifies(id, algorithm, text.as_bytes(), &signature);
        assert_eq!(verifies("1", Algorithm::Es256, text), Some(true));
        assert_eq!(verifies("1", Algorithm::Es256, &text[1..]), Some(false));
        assert_eq!(verifies("1", Algorithm::Rs256, text), None);
        assert_eq!(verifies("2", Algorithm::Es256, text), None);
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        let (rsa, curve) = (TokenSigner::one().rsa_key("r"), TokenSigner::one().curve_key("c"));
        let modulus = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
        for (case, key, good) in [
            ("RSA", rsa.clone(), true),
            ("P-256", curve.clone(), true),
            ("without use and alg", with(&rsa, &json!({ "use": null, "alg": null })), true),
            ("a certificate beside it", with(&rsa, &json!({ "x5c": ["AAAA"], "x5t": "AAAA" })), true),
            // J8
            ("1024 bits", with(&rsa, &json!({ "n": number(&modulus[..128]) })), false),
            ("2047 bits", with(&rsa, &json!({ "n": number(&[&[0x7f], &modulus[1..]].concat()) })), false),
            (
                "2048 bits, of which the first 1024 are zero",
                with(&rsa, &json!({ "n": number(&[&[0; 128], &modulus[..128]].concat()) })),
                false,
            ),
            ("zeros before it", with(&rsa, &json!({ "n": number(&[&[0], &modulus[..]].concat()) })), false),
            ("8200 bits", with(&rsa, &json!({ "n": number(&[0xff; 1025]) })), false),
            ("no modulus", with(&rsa, &json!({ "n": "" })), false),
            ("exponent 1", with(&rsa, &json!({ "e": "AQ" })), false),
            ("exponent 3", with(&rsa, &json!({ "e": "Aw" })), false),
            ("exponent with zeros before it", with(&rsa, &json!({ "e": number(&[0, 1, 0, 1]) })), false),
            ("padding", with(&rsa, &json!({ "e": "AQAB====" })), false),
            ("for encryption", with(&rsa, &json!({ "use": "enc" })), false),
            ("for another algorithm", with(&rsa, &json!({ "alg": "RS512" })), false),
            ("an algorithm of the other kind", with(&rsa, &json!({ "alg": "ES256" })), false),
            ("another kind", with(&rsa, &json!({ "kty": "EC" })), false),
            ("a secret", json!({ "kid": "s", "kty": "oct", "k": "AAAA", "alg": "HS256" }), false),
            ("another curve", with(&curve, &json!({ "crv": "P-384" })), false),
            ("a short coordinate", with(&curve, &json!({ "x": number(&[1; 31]) })), false),
            ("no id", with(&rsa, &json!({ "kid": null })), false),
            ("an id that is a number", with(&rsa, &json!({ "kid": 1 })), false),
            ("an id with a space", with(&rsa, &json!({ "kid": "a b" })), false),
            ("no object", json!("key"), false),
        ] {
            assert_eq!(set(std::slice::from_ref(&key)).is_ok(), good, "{case}");
            // Beside one that can be used it costs nothing.
            let beside = set(&[key, TokenSigner::one().rsa_key("other")]).unwrap();
            assert_eq!(beside.0.len(), if good { 2 } else { 1 }, "{case}");
        }
    }

    #[test]
    fn what_is_no_key_set_is_named() {
        let usable =
            "a JSON Web Key Set with a key that can be used: an id, and RSA of at least 2048 bits or P-256";
        let rsa = TokenSigner::one().rsa_key("r");
        for (text, expected) in [
            ("", "a JSON Web Key Set"),
            ("<html>", "a JSON Web Key Set"),
            ("[]", "a JSON Web Key Set"),
            (r#"{"keys":[],"keys":[]}"#, "a JSON Web Key Set"),
            ("{}", "a JSON Web Key Set with its list of keys"),
            (r#"{"keys":{}}"#, "a JSON Web Key Set with its list of keys"),
            (r#"{"keys":[]}"#, usable),
            (r#"{"keys":[1]}"#, usable),
        ] {
            assert_eq!(KeySet::read(text.as_bytes()), Err(expected), "{text}");
        }
        assert!(set(&vec![rsa.clone(); 32]).is_ok());
        assert_eq!(set(&vec![rsa; 33]), Err("a JSON Web Key Set of at most 32 keys"));
    }

    /// Two keys of one id: whichever fits.
    #[test]
    fn an_exchange_under_one_id() {
        let (one, other) = (TokenSigner::one(), TokenSigner::other());
        let keys = set(&[one.rsa_key("k"), one.curve_key("k"), other.rsa_key("k")]).unwrap();
        for signer in [one, other] {
            let signature = signer.sign_rs256(b"message");
            assert_eq!(keys.verifies("k", Algorithm::Rs256, b"message", &signature), Some(true));
            assert_eq!(keys.verifies("k", Algorithm::Es256, b"message", &signature), Some(false));
        }
        assert_eq!(format!("{keys:?}"), "KeySet(3 keys)");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), n in any::<Vec<u8>>(), e in any::<Vec<u8>>()) {
            let _ = KeySet::read(&bytes);
            let key = json!({ "kid": "k", "kty": "RSA", "n": number(&n), "e": number(&e) });
            prop_assert!(set(&[key]).is_err());
            let point = json!({ "kid": "k", "kty": "EC", "crv": "P-256", "x": number(&[7; 32]), "y": number(&[n.first().copied().unwrap_or(1); 32]) });
            // A point beside the curve verifies nothing.
            let keys = set(&[point]).unwrap();
            prop_assert_eq!(keys.verifies("k", Algorithm::Es256, &e, &bytes), Some(false));
        }
    }
}
