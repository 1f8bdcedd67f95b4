//! Whose certificate is believed.
//!
//! Authorities are checked by webpki, as everywhere. But on premises a server is often set up with a certificate that it
//! has signed itself (`openssl req -x509`), and such a one fits no chain: it may call itself an authority, which webpki takes from
//! no server, or none, and then it has no issuer. An operator who lists it in `RELAY_CA_FILE` means that one, so a server that presents a
//! listed certificate, byte for byte, is believed as far as the certificate itself goes: for its own names and dates.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef};

use crate::plain::line;

/// `id-at-commonName`: <https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1>.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// `id-ce-subjectAltName`: <https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6>.
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Certificates in PEM.
///
/// # Errors
/// What was found instead.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if found.is_empty() {
        return Err("no certificate in it".into());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        roots.add(certificate.clone()).map_err(|e| e.to_string())?;
    }
    Ok(found)
}

/// TLS with `ring` and the public roots that are compiled in: an image that holds nothing but a binary has no others.
/// `listed` are trusted beside them, as authorities and each for itself.
///
/// # Errors
/// If `ring` and rustls do not fit each other, which a build would have shown.
pub fn public_tls(listed: &[CertificateDer<'static>]) -> Result<rustls::ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in listed {
        roots.add(certificate.clone()).map_err(|e| e.to_string())?;
    }
    let builder = builder()?;
    if listed.is_empty() {
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let authorities = authorities.build().map_err(|e| e.to_string())?;
    let verifier = Listed { listed: listed.to_vec(), authorities };
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// What `RELAY_TLS_VERIFY=off` asks for.
///
/// # Errors
/// As [`public_tls`].
pub(crate) fn unverified_tls() -> Result<rustls::ClientConfig, String> {
    let verifier = Arc::new(AnyCertificate(provider()));
    Ok(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, String> {
    rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())
}

/// Believes the authorities, and each listed certificate for itself.
#[derive(Debug)]
struct Listed {
    listed: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.listed.iter().any(|listed| listed == presented) {
            return by_itself(presented, name, now).map(|()| ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(presented, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Whether a certificate is valid now and for this name, whoever signed it. That the server has its key is proven by the
/// handshake's signature, which is checked as ever.
fn by_itself(presented: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate =
        Certificate::from_der(presented).map_err(|_| Error::from(CertificateError::BadEncoding))?;
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if now < UnixTime::since_unix_epoch(from) {
        let not_before = UnixTime::since_unix_epoch(from);
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > UnixTime::since_unix_epoch(until) {
        let not_after = UnixTime::since_unix_epoch(until);
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let fits = rustls::client::verify_server_name(&ParsedCertificate::try_from(presented)?, name);
    match fits {
        // `openssl req -x509` as it is puts the name where names stood before there were alternative ones (RFC 6125, 6.4.4: only if
        // there are none).
        Err(_) if common_name(&certificate).is_some_and(|own| own.eq_ignore_ascii_case(&name.to_str())) => {
            Ok(())
        }
        fits => fits,
    }
}

/// The name of a certificate that has no alternative names.
fn common_name(certificate: &Certificate) -> Option<String> {
    let certificate = certificate.tbs_certificate();
    if certificate.extensions().into_iter().flatten().any(|e| e.extn_id == ALTERNATIVE_NAMES) {
        return None;
    }
    let names = certificate.subject().as_ref().iter().flat_map(|part| part.as_ref().iter());
    let value = &names.filter(|part| part.oid == COMMON_NAME).last()?.value;
    let utf8 = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let printable = || value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned());
    utf8.or_else(|_| printable()).ok()
}

/// Signatures are checked; who signed is not.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with the certificate of `server`, and what to do about it.
pub(crate) fn certificate_fault(error: &CertificateError, server: &str) -> String {
    let this = format!("the certificate of {server}");
    match error {
        CertificateError::Expired => format!("{this} has expired; renew it"),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("{this} has expired on {}; renew it", Moment(*not_after))
        }
        CertificateError::NotValidYet => {
            format!("{this} is not valid yet; compare the clocks of both hosts")
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "{this} is valid from {} on, and here it is {}; compare the clocks of both hosts",
            Moment(*not_before),
            Moment(*time)
        ),
        CertificateError::NotValidForName => {
            format!("{this} is for another name; name MDSS in the endpoint as its certificate does")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.iter().take(5).map(|name| bare(name)).collect::<Vec<_>>();
            format!(
                "{this} is for other names ({}); name MDSS in the endpoint as its certificate does, or give it one for the \
                 name there",
                if names.is_empty() { "it has none".to_owned() } else { names.join(", ") }
            )
        }
        CertificateError::UnknownIssuer => format!(
            "{this} was signed by nobody that is trusted; give its authority in RELAY_CA_FILE, or the certificate itself if \
             it has signed itself"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{this} is not one for a server; give MDSS another one")
        }
        CertificateError::Revoked => format!("{this} has been revoked; give MDSS another one"),
        // Among them that it calls itself an authority, which is in order once it is listed.
        CertificateError::Other(why) => {
            format!("{this} is not trusted: {}; give the certificate itself in RELAY_CA_FILE", why.0)
        }
        other => format!("{this} is not trusted: {other}; give the certificate itself in RELAY_CA_FILE"),
    }
}

/// A name that a certificate has, as rustls prints it: `DnsName("mdss.example")`, `IpAddress(192.0.2.7)`.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    line::clip(inner.trim_matches('"'), 100)
}

/// A moment in a sentence.
struct Moment(UnixTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second =
            i64::try_from(self.0.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
        match second {
            Some(second) => write!(f, "{second}"),
            None => f.write_str("a day far away"),
        }
    }
}
