//! An issuer of tokens (JWT) with keys of its own, made here and thrown away. The RSA key is made by another library than the
//! one that verifies; that one signs, because it does so a hundred times faster.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use serde_json::{Value, json};

/// The smallest key with which a token may be signed.
const BITS: usize = 2048;

/// An RSA key and one of the curve P-256, and the tokens that are signed with them.
pub struct TokenSigner {
    rsa: RsaKeyPair,
    curve: EcdsaKeyPair,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").finish_non_exhaustive()
    }
}

impl TokenSigner {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = RsaPrivateKey::new(&mut OsRng, BITS).expect("2048 bits are enough for a key");
        let key = key.to_pkcs1_der().expect("a key that was just made is whole");
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .expect("a key of elliptic curves can be made");
        Self {
            rsa: RsaKeyPair::from_der(key.as_bytes()).expect("both libraries read PKCS #1"),
            curve: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, curve.as_ref(), &random)
                .expect("a key that was just made is whole"),
        }
    }

    /// One for everybody, made once: making a key takes its time.
    #[must_use]
    pub fn one() -> &'static Self {
        static ONE: OnceLock<TokenSigner> = OnceLock::new();
        ONE.get_or_init(Self::new)
    }

    /// Another one.
    #[must_use]
    pub fn other() -> &'static Self {
        static OTHER: OnceLock<TokenSigner> = OnceLock::new();
        OTHER.get_or_init(Self::new)
    }

    /// Its RSA key as an element of a key set (<https://www.rfc-editor.org/rfc/rfc7517>).
    #[must_use]
    pub fn rsa_key(&self, id: &str) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({ "kid": id, "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": e })
    }

    /// Its key of P-256 as such an element.
    #[must_use]
    pub fn curve_key(&self, id: &str) -> Value {
        // A point: the byte 4, and two coordinates of 32 bytes.
        let point = self.curve.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({ "kid": id, "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y })
    }

    /// A token with this header and these claims, signed with RS256 whatever the header says.
    #[must_use]
    pub fn rs256(&self, header: &str, claims: &str) -> String {
        signed(header, claims, |text| self.sign_rs256(text))
    }

    /// The same with ES256.
    #[must_use]
    pub fn es256(&self, header: &str, claims: &str) -> String {
        signed(header, claims, |text| {
            let signature = self.curve.sign(&SystemRandom::new(), text);
            signature.expect("the system has random numbers").as_ref().to_vec()
        })
    }

    /// SHA256withRSA, PKCS#1 v1.5.
    #[must_use]
    pub fn sign_rs256(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("2048 bits have room for the hash");
        signature
    }
}

fn signed(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}
