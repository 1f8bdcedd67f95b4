//! HTTPS, and what goes wrong with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_sim::{Config, Sim, Step, Tls, units};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

use crate::client::{Client, object};

struct Certificate {
    tls: Tls,
    der: CertificateDer<'static>,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let tls = Tls {
        certificate_pem: made.cert.pem().into_bytes(),
        key_pem: made.signing_key.serialize_pem().into_bytes(),
    };
    Certificate { tls, der: made.cert.der().clone() }
}

async fn connect(sim: &Sim, trusted: &Certificate) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(sim.addr()).await?;
    let name = "127.0.0.1".try_into().unwrap();
    Ok(Client::over(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?))
}

async fn start(certificate: &Certificate) -> Sim {
    Sim::start(Config { tls: Some(certificate.tls.clone()), ..Config::default() }).await.unwrap()
}

#[tokio::test]
async fn the_contract_holds_over_tls() {
    let certificate = certificate();
    let sim = start(&certificate).await;
    assert_eq!(sim.url(), format!("https://{}/api/webhook/realtime", sim.addr()));
    let mut client = connect(&sim, &certificate).await.unwrap();
    client.ask(object(units::ORACLE, "k")).await.correlation_id();
    client.ask(object(units::ORACLE, "k")).await.correlation_id();
    assert_eq!((sim.accepted()[0].times, sim.connections()), (2, 1));

    assert!(connect(&sim, &self::certificate()).await.is_err(), "a certificate nobody trusts");
    assert_eq!((sim.connections(), sim.requests().len()), (2, 2));
}

#[tokio::test]
async fn faults_reach_through_tls() {
    let certificate = certificate();
    let sim = start(&certificate).await;
    sim.push([Step::Reset, Step::HalfBody, Step::ResetAfterHalfBody]);
    for (kind, body) in [
        (std::io::ErrorKind::ConnectionReset, false),
        (std::io::ErrorKind::UnexpectedEof, true),
        (std::io::ErrorKind::ConnectionReset, true),
    ] {
        let mut client = connect(&sim, &certificate).await.unwrap();
        client.send(object(units::ORACLE, "k")).await;
        assert_eq!(client.answer().await.unwrap_err().kind(), kind);
        assert_eq!(client.rest().starts_with("{\"corr"), body, "{kind:?}");
    }
}

#[tokio::test]
async fn a_handshake_can_be_slow() {
    let certificate = certificate();
    let sim = start(&certificate).await;
    sim.push([Step::SlowHandshake { ms: 200 }]);
    let start = Instant::now();
    let mut slow = connect(&sim, &certificate).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    slow.ask(object(units::ORACLE, "k")).await.correlation_id();
    assert_eq!(sim.steps_left(), 0);
}

#[tokio::test]
async fn every_handshake_can_be_slow_or_hang() {
    let certificate = certificate();
    let delayed = |delay| Config {
        tls: Some(certificate.tls.clone()),
        handshake_delay: Duration::from_millis(delay),
        ..Config::default()
    };
    let slow = Sim::start(delayed(100)).await.unwrap();
    for _ in 0..2 {
        let start = Instant::now();
        connect(&slow, &certificate).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    }
    let hanging = Sim::start(delayed(3_600_000)).await.unwrap();
    let connecting = connect(&hanging, &certificate);
    assert!(tokio::time::timeout(Duration::from_millis(200), connecting).await.is_err());
    assert_eq!(hanging.connections(), 1);
}

#[tokio::test]
async fn pem_that_is_none_does_not_start() {
    let Certificate { tls, .. } = certificate();
    assert_eq!(format!("{tls:?}"), "Tls([redacted])");
    let other = certificate().tls;
    for (tls, sentence) in [
        (Tls { certificate_pem: Vec::new(), ..tls.clone() }, "TLS certificate: no PEM certificate found"),
        (Tls { key_pem: b"x".to_vec(), ..tls.clone() }, "TLS key: "),
        (Tls { key_pem: other.key_pem, ..tls }, "TLS certificate and key: "),
    ] {
        let error = Sim::start(Config { tls: Some(tls), ..Config::default() }).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(sentence), "{error}");
    }
}
