//! A sender that signs its posts with a key of its own, made here and thrown away. Keys are made by another library than the
//! one that verifies, so that both sides of a signature are not wrong together.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, date_time_ymd,
};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

/// `DigestInfo` up to the hash itself: <https://www.rfc-editor.org/rfc/rfc8017#section-9.2>, note 1.
const SHA1_INFO: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
const SHA256_INFO: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// The smallest key that the relay takes, and the fastest to make.
const BITS: usize = 1024;

/// An RSA key pair, and what is made with it: signatures, certificates, signed posts.
pub struct Signer {
    key: RsaPrivateKey,
    public: Vec<u8>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
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
    /// A new key of 1024 bits.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    pub fn new() -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, BITS).expect("1024 bits are enough for a key");
        let public =
            key.to_public_key().to_pkcs1_der().expect("a key that was just made is whole").into_vec();
        Self { key, public }
    }

    /// One for everybody, made once: making a key takes its time.
    #[must_use]
    pub fn one() -> &'static Self {
        static ONE: OnceLock<Signer> = OnceLock::new();
        ONE.get_or_init(Self::new)
    }

    /// Another one.
    #[must_use]
    pub fn other() -> &'static Self {
        static OTHER: OnceLock<Signer> = OnceLock::new();
        OTHER.get_or_init(Self::new)
    }

    /// SHA1withRSA, PKCS#1 v1.5.
    #[must_use]
    pub fn sign_sha1(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&SHA1_FOR_LEGACY_USE_ONLY, SHA1_INFO, message)
    }

    /// SHA256withRSA, PKCS#1 v1.5.
    #[must_use]
    pub fn sign_sha256(&self, message: &[u8]) -> Vec<u8> {
        self.sign(&SHA256, SHA256_INFO, message)
    }

    fn sign(&self, algorithm: &'static Algorithm, info: &[u8], message: &[u8]) -> Vec<u8> {
        let hashed = digest(algorithm, message);
        let padding = Pkcs1v15Sign { hash_len: Some(hashed.as_ref().len()), prefix: info.into() };
        self.key.sign(padding, hashed.as_ref()).expect("1024 bits have room for either hash")
    }

    /// A certificate for this key in PEM, with these DNS names beside the common name, from 2020 to the end of `until`.
    #[must_use]
    pub fn certificate(&self, common_name: &str, names: &[&str], until: i32) -> String {
        let issuer = KeyPair::generate().expect("a key of elliptic curves can be made");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut wanted = CertificateParams::new(names).expect("the names are ASCII");
        wanted.distinguished_name = DistinguishedName::new();
        wanted.distinguished_name.push(DnType::CommonName, common_name);
        wanted.not_before = date_time_ymd(2020, 1, 1);
        wanted.not_after = date_time_ymd(until, 12, 31);
        let signed = wanted.signed_by(self, &Issuer::new(CertificateParams::default(), issuer));
        signed.expect("the issuer's key was just made").pem()
    }

    /// A certificate that says nothing of interest.
    #[must_use]
    pub fn plain_certificate(&self) -> String {
        self.certificate("signer.example", &[], 2040)
    }

    /// The headers with which JD Cloud's notification service posts this body to a path, signed now. The form is what
    /// `crates/gate` documents of it.
    #[must_use]
    pub fn jdcloud(
        &self,
        id: &str,
        path: &str,
        certificate_url: &str,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let hash: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        let (md5, kind) = (STANDARD.encode(hash), "text/xml;charset=utf-8");
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let url = STANDARD.encode(format!("{certificate_url}\n"));
        let text = format!(
            "POST\n{md5}\n{kind}\n{date}\nx-jdcloud-message-type:Notification\nx-jdcloud-request-id:{id}\n\
             x-jdcloud-signing-cert-url:{url}\nx-jdcloud-version:2015-06-06\n{path}"
        );
        vec![
            ("authorization", STANDARD.encode(self.sign_sha1(text.as_bytes()))),
            ("content-md5", md5),
            ("content-type", kind.to_owned()),
            ("date", date),
            ("x-jdcloud-message-type", "Notification".to_owned()),
            ("x-jdcloud-request-id", id.to_owned()),
            ("x-jdcloud-signing-cert-url", url),
            ("x-jdcloud-version", "2015-06-06".to_owned()),
        ]
    }
}
