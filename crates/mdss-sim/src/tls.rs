//! HTTPS, with a certificate the caller brings.

use std::sync::Arc;
use std::{fmt, io};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate chain and its private key, both PEM. The key is never printed.
///
/// TLS 1.2 and 1.3 are offered, as in the nginx template before MDSS (`OPSWAT/metadefender-k8s`,
/// `config-template.yml`).
#[derive(Clone)]
pub struct Tls {
    /// The chain, the server's own certificate first.
    pub certificate_pem: Vec<u8>,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls([redacted])")
    }
}

impl Tls {
    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| invalid(format!("TLS certificate: {error}")))?;
        if chain.is_empty() {
            return Err(invalid("TLS certificate: no PEM certificate found, expected at least one"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem)
            .map_err(|error| invalid(format!("TLS key: {error}")))?;
        // The provider is named, so that a process with another default provider, or none, changes nothing.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| invalid(format!("TLS certificate and key: {error}")))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn invalid(sentence: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, sentence.into())
}
