//! Throw-away signers for tests. Keys are made by another library than the one that verifies, so that both sides of a
//! signature are not wrong together.

use std::sync::OnceLock;

use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, date_time_ymd,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

use crate::key::Hash;

/// `DigestInfo` up to the hash itself: <https://www.rfc-editor.org/rfc/rfc8017#section-9.2>, note 1.
const SHA1_INFO: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
const SHA256_INFO: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// A key pair, and what is made with it.
pub(crate) struct Signer {
    key: RsaPrivateKey,
    public: Vec<u8>,
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl Signer {
    pub(crate) fn new(bits: usize) -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, bits).unwrap();
        let public = key.to_public_key().to_pkcs1_der().unwrap().into_vec();
        Self { key, public }
    }

    /// One of 1024 bits, made once: the smallest that is accepted, and the fastest to make.
    pub(crate) fn one() -> &'static Self {
        static ONE: OnceLock<Signer> = OnceLock::new();
        ONE.get_or_init(|| Self::new(1024))
    }

    /// Another one.
    pub(crate) fn other() -> &'static Self {
        static OTHER: OnceLock<Signer> = OnceLock::new();
        OTHER.get_or_init(|| Self::new(1024))
    }

    pub(crate) fn sign(&self, hash: Hash, message: &[u8]) -> Vec<u8> {
        let (algorithm, prefix) = match hash {
            Hash::Sha1 => (&SHA1_FOR_LEGACY_USE_ONLY, SHA1_INFO),
            Hash::Sha256 => (&SHA256, SHA256_INFO),
        };
        let hashed = digest(algorithm, message);
        let padding = Pkcs1v15Sign { hash_len: Some(hashed.as_ref().len()), prefix: prefix.into() };
        self.key.sign(padding, hashed.as_ref()).unwrap()
    }

    /// A certificate for this key, with these DNS names beside the common name, from 2020 to the end of `until`.
    pub(crate) fn certificate(&self, common_name: &str, names: &[&str], until: i32) -> String {
        let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut wanted = CertificateParams::new(names).unwrap();
        wanted.distinguished_name = DistinguishedName::new();
        wanted.distinguished_name.push(DnType::CommonName, common_name);
        wanted.not_before = date_time_ymd(2020, 1, 1);
        wanted.not_after = date_time_ymd(until, 12, 31);
        wanted.signed_by(self, &issuer).unwrap().pem()
    }

    /// A certificate that says nothing of interest.
    pub(crate) fn plain_certificate(&self) -> String {
        self.certificate("example", &[], 2040)
    }

    /// The bare key.
    pub(crate) fn public_key(&self) -> String {
        pem("PUBLIC KEY", &self.subject_public_key_info())
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
