//! The certificates that a server sends: what stands in them, and which one nobody trusts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::way::Place;

/// One certificate.
pub(super) struct Sent {
    pub(super) subject: String,
    issuer: String,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Sent {
    fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        let moment = |seconds: u64| Timestamp::from_second(i64::try_from(seconds).ok()?).ok();
        Some(Self {
            subject: name(&certificate.subject().to_string()),
            issuer: name(&certificate.issuer().to_string()),
            from: moment(validity.not_before.to_unix_duration().as_secs())?,
            until: moment(validity.not_after.to_unix_duration().as_secs())?,
        })
    }
}

fn name(text: &str) -> String {
    if text.is_empty() { "a name without text".to_owned() } else { text.chars().take(200).collect() }
}

/// What was sent, the server's own certificate first. Of one that cannot be read nothing is known.
pub(super) struct Chain(Vec<Option<Sent>>);

impl Chain {
    pub(super) fn of(sent: &[CertificateDer<'_>]) -> Self {
        Self(sent.iter().map(Sent::of).collect())
    }

    /// The one that ends first.
    pub(super) fn first_to_end(&self) -> Option<&Sent> {
        self.0.iter().flatten().min_by_key(|sent| sent.until)
    }

    /// Which of them is not trusted, and what to do about it; `None` if the error itself says as much as can be said.
    pub(super) fn untrusted(&self, error: &Error, mdss: &Place) -> Option<(String, String)> {
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {}
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => {
                let now = Timestamp::now();
                let bad = |sent: &&Option<Sent>| {
                    sent.as_ref().is_some_and(|sent| now < sent.from || sent.until < now)
                };
                let at = self.0.iter().position(|sent| bad(&sent))?;
                let sent = self.0[at].as_ref()?;
                let number = at + 1;
                return Some(if sent.until < now {
                    (
                        format!("certificate {number} is not trusted: it has expired on {}", sent.until),
                        "renew it where MDSS's TLS ends".into(),
                    )
                } else {
                    (
                        format!(
                            "certificate {number} is not trusted: it is valid from {} on, and here it is {now:.0}",
                            sent.from
                        ),
                        "compare the clocks of both hosts".into(),
                    )
                });
            }
            // That it calls itself an authority, and whatever rustls says next year.
            Error::InvalidCertificate(CertificateError::Other(_)) => {}
            _ => return None,
        }
        // From the server's own up to the last one whose issuer was not sent.
        let mut at = 0;
        let mut top = self.0.first()?.as_ref()?;
        for _ in 0..self.0.len() {
            let above = self.0.iter().position(|sent| sent.as_ref().is_some_and(|s| s.subject == top.issuer));
            match above {
                Some(above) if above != at && top.issuer != top.subject => {
                    at = above;
                    top = self.0[above].as_ref()?;
                }
                _ => break,
            }
        }
        let number = at + 1;
        let sent = format!("openssl s_client -connect {mdss} -showcerts </dev/null prints what is sent");
        Some(if top.issuer == top.subject {
            (
                format!(
                    "certificate {number} is not trusted: it has signed itself, and RELAY_CA_FILE does not list it"
                ),
                format!(
                    "if it is the right one, put it into a file in PEM and name that in RELAY_CA_FILE; {sent}"
                ),
            )
        } else {
            (
                format!(
                    "certificate {number} is not trusted: {} has signed it, who is no public authority, is not listed in RELAY_CA_FILE, and \
                     whose certificate was not sent",
                    top.issuer
                ),
                format!(
                    "put the certificate of {} into a file in PEM and name that in RELAY_CA_FILE; {sent}",
                    top.issuer
                ),
            )
        })
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.len();
        for (index, sent) in self.0.iter().enumerate() {
            let number = index + 1;
            write!(f, "{}certificate {number} of {all}: ", if index == 0 { "" } else { "; " })?;
            match sent {
                Some(Sent { subject, issuer, until, .. }) => {
                    write!(f, "{subject}, issued by {issuer}, valid until {until}")?;
                }
                None => f.write_str("cannot be read")?,
            }
        }
        if all == 0 { f.write_str("no certificate was sent") } else { Ok(()) }
    }
}

/// Takes down what a server sends, believes none of it, and so ends the handshake.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
    provider: Arc<CryptoProvider>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self { seen: Arc::default(), provider: Arc::new(ring::default_provider()) }
    }

    pub(super) fn config(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.clone()))
            .with_no_client_auth()
    }

    pub(super) fn seen(&self) -> Vec<CertificateDer<'static>> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let sent = std::iter::once(presented).chain(intermediates);
        let sent = sent.map(|one| one.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = sent;
        Err(Error::General("only looked at".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only looked at".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only looked at".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
