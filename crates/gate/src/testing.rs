//! Throw-away signers for tests, with the names that this crate has for things.

use std::ops::Deref;
use std::sync::OnceLock;

use jiff::Timestamp;
use rcgen::PublicKeyData as _;

use crate::key::Hash;

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
