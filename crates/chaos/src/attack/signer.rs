//! A sender that signs as JD Cloud's notification service does: of the signatures that the relay knows, one whose key can be made
//! here. The form is what `crates/gate` documents of it.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest, Md5};
use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};

use super::victim::post;

/// `DigestInfo` of SHA-1 without its hash (RFC 8017, 9.2, note 1).
const SHA1_INFO: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";

pub(super) struct Signer {
    key: RsaPrivateKey,
    certificate: String,
}

struct Public(Vec<u8>);

impl PublicKeyData for Public {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl Signer {
    /// A new key, the smallest that the relay takes.
    pub(super) fn new() -> Result<Self, String> {
        let key = RsaPrivateKey::new(&mut OsRng, 1024).map_err(|e| e.to_string())?;
        let public = key.to_public_key().to_pkcs1_der().map_err(|e| e.to_string())?.into_vec();
        let made = || -> Result<String, rcgen::Error> {
            let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate()?);
            Ok(CertificateParams::new(vec!["signer.example".to_owned()])?
                .signed_by(&Public(public), &issuer)?
                .pem())
        };
        Ok(Self { key, certificate: made().map_err(|e| e.to_string())? })
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A signed notification.
    pub(super) fn post(&self, to: SocketAddr, path: &str, id: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let hash: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        let (md5, kind) = (STANDARD.encode(hash), "text/xml;charset=utf-8");
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let url = STANDARD.encode("https://signer.example/c.pem\n");
        let text = format!(
            "POST\n{md5}\n{kind}\n{date}\nx-jdcloud-message-type:Notification\nx-jdcloud-request-id:{id}\n\
             x-jdcloud-signing-cert-url:{url}\nx-jdcloud-version:2015-06-06\n{path}"
        );
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let padding = Pkcs1v15Sign { hash_len: Some(20), prefix: SHA1_INFO.into() };
        let signature = self.key.sign(padding, digest.as_ref()).map_err(|e| e.to_string())?;
        let headers = [
            ("authorization", STANDARD.encode(signature)),
            ("content-md5", md5),
            ("content-type", kind.to_owned()),
            ("date", date),
            ("x-jdcloud-message-type", "Notification".to_owned()),
            ("x-jdcloud-request-id", id.to_owned()),
            ("x-jdcloud-signing-cert-url", url),
            ("x-jdcloud-version", "2015-06-06".to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(post(to, path, &headers, body))
    }
}
