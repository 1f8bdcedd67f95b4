//! Throw-away signers for tests, with the names that this crate has for things.

use std::ops::Deref;
use std::sync::OnceLock;

use jiff::Timestamp;
use rcgen::PublicKeyData as _;

use crate::head::{Head, Request};
use crate::key::Hash;

/// 2048 bits, made by OpenSSL, in a certificate that is signed with MD5 and RSA.
pub(crate) const SIGNER: &str = include_str!("testing/signer.pem");

/// 512 bits, made by OpenSSL, with the subject of the only captured certificate of Alibaba's message service.
pub(crate) const WEAK: &str = include_str!("testing/weak.pem");

/// A key pair, and what is made with it.
pub(crate) struct Signer(&'static drive::Signer);

impl Deref for Signer {
    type Target = drive::Signer;

    fn deref(&self) -> &drive::Signer {
        self.0
    }
}

impl Signer {
    pub(crate) fn one() -> &'static Self {
        static ONE: OnceLock<Signer> = OnceLock::new();
        ONE.get_or_init(|| Self(drive::Signer::one()))
    }

    /// Another one.
    pub(crate) fn other() -> &'static Self {
        static OTHER: OnceLock<Signer> = OnceLock::new();
        OTHER.get_or_init(|| Self(drive::Signer::other()))
    }

    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Vec<u8> {
        match hash {
            Hash::Sha1 => self.0.sign_sha1(message),
            Hash::Sha256 => self.0.sign_sha256(message),
        }
    }

    /// The bare key.
    pub(crate) fn public_key(&self) -> String {
        pem("PUBLIC KEY", &self.0.subject_public_key_info())
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = crate::encoding::BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A moment at which the certificates above hold.
pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// A post that can be changed and judged.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) method: &'static str,
    /// The target as its sender wrote it.
    pub(crate) path: String,
    /// What is behind the source's path in it.
    pub(crate) rest: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Post {
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.remove(name);
        self.add(name, value)
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn remove(&mut self, name: &str) -> &mut Self {
        self.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn body(&mut self, body: &str) -> &mut Self {
        self.body = body.into();
        self
    }

    /// The first value of a header; empty, if there is none.
    pub(crate) fn value(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
    }

    /// Shows it to `judge`.
    pub(crate) fn shown<T>(&self, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (method, path) = (self.method, &*self.path);
        let head = Head { method, path, path_rest: Some(&self.rest), headers: &headers, client: None };
        judge(&Request { head, body: &self.body })
    }
}

/// A moment, so many seconds after [`now`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    now().saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
}

/// The same base64 with an unused bit of its last digit set.
pub(crate) fn other_tail(good: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (digits, padding) = good.split_at(good.find('=').unwrap());
    let last = digits.as_bytes()[digits.len() - 1];
    let next = DIGITS[DIGITS.iter().position(|digit| *digit == last).unwrap() + 1];
    format!("{}{}{padding}", &digits[..digits.len() - 1], char::from(next))
}
