//! The way to MDSS over real sockets: certificates, versions of TLS, proxies, answers that break off.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mdss_relay_core::{Deadline, Delivery, Failure, FailureKind, Outcome, Relay, Report, Role, Settings};
use mdss_sim::{Config, Sim};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 28\r\n\r\n{\"correlationId\":\"67ea85a3\"}";

// === what is asked ===

/// One attempt at one object.
async fn ask(vars: &[(&str, &str)]) -> Report {
    let vars =
        [("APIKEY", "s3cret-key"), ("STORAGECLIENTID", "unit"), ("RELAY_ATTEMPTS", "1")].iter().chain(vars);
    let vars = vars.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let relay = Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap();
    let event = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } }] });
    let plan = relay.plan(&Delivery::from_function(event.to_string(), "id"));
    relay.deliver(&plan, Deadline::new(None, std::time::Duration::from_secs(25)), "id").await
}

/// The failure of one attempt; its sentence holds no secret and no path.
async fn failure(vars: &[(&str, &str)]) -> Failure {
    let report = ask(vars).await;
    let failure = report.worst().unwrap_or_else(|| panic!("{vars:?}: {}", report.json())).clone();
    assert!(!report.json().contains("s3cret") && !report.json().contains("realtime\""), "{}", report.json());
    failure
}

fn told(failure: &Failure) -> (&'static str, FailureKind) {
    (failure.cause.name(), failure.kind())
}

/// What `serve` does with each connection, on a port of its own.
async fn listen<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A server that says this to whoever has said something, and closes.
async fn says(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes: Arc<[u8]> = bytes.into().into();
    listen(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // Until the other side has read it: closed with bytes unread, a connection is reset.
            while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn accept(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let head = head(stream).await;
    if !head.is_empty() {
        let _ = stream.write_all(ANSWER.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

// === certificates ===

/// Presents a certificate and signs with a key, whether they belong together or not.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesServerCert for Presents {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

async fn tls(certificate: CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = provider.key_provider.load_private_key(der).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Presents(Arc::new(CertifiedKey::new(vec![certificate], signer)))));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                accept(&mut stream).await;
            }
        }
    })
    .await
}

fn params(names: &[&str], common_name: &str, ca: IsCa) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = ca;
    params
}

fn signed_itself(params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

fn file(pem: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    file
}

const CA: IsCa = IsCa::Ca(BasicConstraints::Unconstrained);

#[tokio::test]
async fn a_certificate_that_is_listed_is_trusted_for_itself() {
    for (what, params, host) in [
        // `openssl req -x509 -subj /CN=localhost`: an authority, without a name where names stand today.
        ("openssl's", params(&[], "localhost", CA), "localhost"),
        ("openssl's, of an address", params(&[], "127.0.0.1", CA), "127.0.0.1"),
        ("openssl's, with -addext subjectAltName", params(&["localhost", "127.0.0.1"], "x", CA), "127.0.0.1"),
        ("with CA:FALSE", params(&["localhost"], "x", IsCa::ExplicitNoCa), "localhost"),
        ("that says nothing of authorities", params(&["localhost"], "x", IsCa::NoCa), "localhost"),
    ] {
        let (certificate, key) = signed_itself(&params);
        let url = format!("https://{host}:{}", tls(certificate.der().clone(), &key).await.port());
        let unlisted = failure(&[("APIENDPOINT", &url)]).await;
        assert_eq!(told(&unlisted), ("mdss_certificate", FailureKind::Config), "{what}: {unlisted}");
        // Among others, and not the first.
        let (other, _) = signed_itself(&CertificateParams::new(vec!["other.example".into()]).unwrap());
        let listed = file(&[other.pem(), certificate.pem()].concat());
        let vars = [("APIENDPOINT", url.as_str()), ("RELAY_CA_FILE", listed.path().to_str().unwrap())];
        let report = ask(&vars).await;
        assert_eq!(report.outcome, Outcome::Done, "{what}: {}", report.json());
    }
}

#[tokio::test]
async fn a_listed_certificate_has_its_own_names_and_dates() {
    let from_to = |from, to| {
        let mut params = params(&["localhost"], "localhost", CA);
        (params.not_before, params.not_after) = (date_time_ymd(from, 2, 3), date_time_ymd(to, 2, 3));
        params
    };
    for (what, params, sentence) in [
        ("expired", from_to(2020, 2021), "has expired on 2021-02-03T00:00:00Z; renew it"),
        ("early", from_to(2090, 2091), "is valid from 2090-02-03T00:00:00Z on, and here it is 20"),
        ("other name", params(&["mdss.example"], "x", CA), "is for other names (mdss.example); name MDSS"),
        // Where there are names, the old place does not count.
        ("old name", params(&["mdss.example"], "localhost", CA), "is for other names (mdss.example)"),
        ("no name", params(&[], "mdss.example", CA), "is for other names (it has none)"),
    ] {
        let (certificate, key) = signed_itself(&params);
        let url = format!("https://localhost:{}", tls(certificate.der().clone(), &key).await.port());
        let listed = file(&certificate.pem());
        let vars = [("APIENDPOINT", url.as_str()), ("RELAY_CA_FILE", listed.path().to_str().unwrap())];
        let failure = failure(&vars).await;
        assert_eq!(told(&failure), ("mdss_certificate", FailureKind::Config), "{what}: {failure}");
        assert!(failure.detail.contains(sentence), "{what}: {failure}");
        assert!(!failure.detail.contains("RELAY_CA_FILE"), "advice that fits another error: {failure}");
    }
}

#[tokio::test]
async fn a_listed_certificate_is_that_one_and_its_owner_alone() {
    let params = params(&["localhost"], "localhost", CA);
    let (certificate, key) = signed_itself(&params);
    let listed = file(&certificate.pem());
    let listed = listed.path().to_str().unwrap();
    // Somebody else's of the same name.
    let (imitation, its_key) = signed_itself(&params);
    let url = format!("https://localhost:{}", tls(imitation.der().clone(), &its_key).await.port());
    let refused = failure(&[("APIENDPOINT", &url), ("RELAY_CA_FILE", listed)]).await;
    assert_eq!(told(&refused), ("mdss_certificate", FailureKind::Config), "{refused}");
    // The listed one, presented by somebody who has not its key.
    let url = format!("https://localhost:{}", tls(certificate.der().clone(), &its_key).await.port());
    let stolen = failure(&[("APIENDPOINT", &url), ("RELAY_CA_FILE", listed)]).await;
    assert_eq!(told(&stolen), ("mdss_certificate", FailureKind::Config), "{stolen}");

    // As an authority it is one as ever, also for those whom it has not signed.
    let issuer = Issuer::from_params(&params, &key);
    let (leaf_key, leaf) =
        (KeyPair::generate().unwrap(), CertificateParams::new(vec!["localhost".into()]).unwrap());
    let signed = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let url = format!("https://localhost:{}", tls(signed.der().clone(), &leaf_key).await.port());
    assert_eq!(ask(&[("APIENDPOINT", &url), ("RELAY_CA_FILE", listed)]).await.outcome, Outcome::Done);
    let unknown = failure(&[("APIENDPOINT", &url)]).await;
    assert!(unknown.detail.contains("give its authority in RELAY_CA_FILE"), "{unknown}");
}

// === versions of TLS, and none at all ===

/// A fatal alert (RFC 8446, 6).
fn alert(description: u8) -> Vec<u8> {
    vec![0x15, 3, 1, 0, 2, 2, description]
}

/// The hello of a server that has TLS 1.1 and nothing newer (RFC 4346, 7.4.1.3): no session, `TLS_RSA_WITH_AES_128_CBC_SHA`.
fn hello_of_tls_1_1() -> Vec<u8> {
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 0x2f], &[0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 2, 0, length + 4, 2, 0, 0, length][..], &body].concat()
}

#[tokio::test]
async fn what_tls_cannot_agree_on_is_for_an_operator() {
    for (what, bytes, cause, kind, sentence) in [
        ("protocol_version", alert(70), "mdss_tls", FailureKind::Config, "speaks no TLS that the relay does"),
        ("a server of TLS 1.1", hello_of_tls_1_1(), "mdss_tls", FailureKind::Config, "1.2 and 1.3"),
        (
            "handshake_failure: no cipher in common",
            alert(40),
            "mdss_tls",
            FailureKind::Config,
            "speaks no TLS that",
        ),
        ("insufficient_security", alert(71), "mdss_tls", FailureKind::Config, "speaks no TLS that"),
        ("no_application_protocol", alert(120), "mdss_tls", FailureKind::Config, "speaks no TLS that"),
        ("unrecognized_name", alert(112), "mdss_tls", FailureKind::Config, "does not know this name"),
        (
            "certificate_required",
            alert(116),
            "mdss_tls",
            FailureKind::Config,
            "wants a certificate of the relay",
        ),
        (
            "a plain port",
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec(),
            "mdss_tls",
            FailureKind::Config,
            "answers without TLS; is http:// or another port meant",
        ),
        (
            "another protocol",
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            "mdss_tls",
            FailureKind::Config,
            "answers without TLS",
        ),
        // What may pass.
        (
            "internal_error",
            alert(80),
            "mdss_unreachable",
            FailureKind::Transient,
            "no connection to localhost:",
        ),
        ("close_notify", alert(0), "mdss_unreachable", FailureKind::Transient, "no connection to localhost:"),
        ("nothing", Vec::new(), "mdss_unreachable", FailureKind::Transient, "no connection to localhost:"),
    ] {
        let url = format!("https://localhost:{}", says(bytes).await.port());
        let failure = failure(&[("APIENDPOINT", &url)]).await;
        assert_eq!(told(&failure), (cause, kind), "{what}: {failure}");
        assert!(
            failure.detail.contains(sentence) && failure.detail.contains("localhost:"),
            "{what}: {failure}"
        );
    }
}

#[tokio::test]
async fn a_port_with_tls_that_is_asked_without_is_for_an_operator() {
    let (certificate, key) = signed_itself(&params(&["localhost"], "x", CA));
    let refuses = |content_type: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let nginx = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n</html>\r\n";
    let apache = "<!DOCTYPE HTML>\n<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.<br />\n</p>";
    let go = "Client sent an HTTP request to an HTTPS server.\n";
    let meant = "; is https:// or another port meant in its address?";
    for (what, address, sentence) in [
        ("an alert", tls(certificate.der().clone(), &key).await, "answers with what is no HTTP"),
        ("SSH", says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await, "answers with what is no HTTP"),
        ("nginx", says(refuses("text/html", nginx)).await, "answers with TLS"),
        ("Apache", says(refuses("text/html", apache)).await, "answers with TLS"),
        ("Go", says(refuses("text/plain", go)).await, "answers with TLS"),
    ] {
        let url = format!("http://localhost:{}", address.port());
        let failure = failure(&[("APIENDPOINT", &url)]).await;
        assert_eq!(told(&failure), ("mdss_tls", FailureKind::Config), "{what}: {failure}");
        assert_eq!(failure.detail, format!("localhost:{} {sentence}{meant}", address.port()), "{what}");
    }
    // Other bad requests are not about TLS.
    let (page, own) = ("<html><h1>400 Bad Request</h1></html>", r#"{"responseMessage":"HTTPS"}"#);
    for (what, answer) in [("a page", refuses("text/html", page)), ("MDSS", refuses("application/json", own))]
    {
        let url = format!("http://localhost:{}", says(answer).await.port());
        assert_eq!(failure(&[("APIENDPOINT", &url)]).await.cause.name(), "mdss_refused", "{what}");
    }
}

#[tokio::test]
async fn a_wrong_path_is_asked_for() {
    let sim = Sim::start(Config { prefix: "/mdss".into(), ..Config::default() }).await.unwrap();
    let page = "<!doctype html>\n<html></html>";
    let page =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len());
    for (what, url, sentence) in [
        (
            "nginx before MDSS",
            format!("http://{}/api/webhook/realtime", sim.addr()),
            "answered 405 and sent HTML",
        ),
        (
            "its API",
            format!("{}/api/webhook", sim.base_url()),
            "answered 404 and said message: \"Not Found\"",
        ),
        ("the web interface", format!("http://{}/", says(page).await), "answered 200 and sent HTML"),
    ] {
        let failure = failure(&[("APIENDPOINT", &url)]).await;
        assert_eq!(failure.kind(), FailureKind::Config, "{what}: {failure}");
        let path = "check that the endpoint is MDSS's webhook URL (…/api/webhook/realtime)";
        assert!(failure.detail.contains(sentence) && failure.detail.ends_with(path), "{what}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_in_the_middle_is_half_an_answer() {
    let answer = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}")
    };
    let url = format!("http://{}", says(answer("{\"correlationId\":\"67ea")).await);
    let failure = failure(&[("APIENDPOINT", &url)]).await;
    assert_eq!(told(&failure), ("mdss_half_answer", FailureKind::Transient), "{failure}");
    assert!(failure.detail.contains("broke off after 22 bytes"), "{failure}");
    let url = format!("http://{}", says(answer("{\"correlationId\":\"67ea\"}")).await);
    assert_eq!(ask(&[("APIENDPOINT", &url)]).await.outcome, Outcome::Done);
}

// === proxies ===

/// A proxy that has a word for each request, or, without one, makes the connection.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(word: Option<&'static str>) -> Self {
        let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (seen, count) = (heads.clone(), connections.clone());
        let address = listen(move |mut stream| {
            let seen = seen.clone();
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                let head = head(&mut stream).await;
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push(head);
                match word {
                    Some(word) => {
                        let _ = stream.write_all(word.as_bytes()).await;
                        let _ = stream.shutdown().await;
                        while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
                    }
                    None => {
                        let mut server = TcpStream::connect(target).await.unwrap();
                        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                        let _ = copy_bidirectional(&mut stream, &mut server).await;
                    }
                }
            }
        })
        .await;
        Self { address, heads, connections }
    }

    fn url(&self) -> String {
        format!("http://relay:s3cret-password@{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_proxy_is_passed_and_mdss_is_asked_through_it() {
    let (certificate, key) = signed_itself(&params(&["localhost", "127.0.0.1"], "x", CA));
    let port = tls(certificate.der().clone(), &key).await.port();
    let listed = file(&certificate.pem());
    let proxy = Proxy::start(None).await;
    let (proxy_url, ca) = (proxy.url(), listed.path().to_str().unwrap());
    for (host, no_proxy, through) in [
        ("localhost", "", true),
        ("127.0.0.1", "localhost,10.0.0.0/8", true),
        ("127.0.0.1", "*", false),
        ("localhost", "*", false),
        ("127.0.0.1", "127.0.0.0/8", false),
        ("localhost", "*.example, LOCALHOST.", false),
        ("localhost", &format!("localhost:{port}"), false),
        ("localhost", "localhost:1", true),
    ] {
        let before = proxy.connections();
        let url = format!("https://{host}:{port}");
        let vars = [
            ("APIENDPOINT", url.as_str()),
            ("RELAY_CA_FILE", ca),
            ("https_proxy", &proxy_url),
            ("no_proxy", no_proxy),
        ];
        let report = ask(&vars).await;
        assert_eq!(report.outcome, Outcome::Done, "{host} {no_proxy}: {}", report.json());
        assert_eq!(proxy.connections() - before, usize::from(through), "{host} {no_proxy}");
    }
    let heads = proxy.heads.lock().unwrap();
    assert!(heads[0].starts_with(&format!("CONNECT localhost:{port} HTTP/1.1")), "{heads:?}");
    assert!(heads.iter().all(|head| !head.contains("s3cret-key")), "the key is for MDSS alone: {heads:?}");
}

#[tokio::test]
async fn a_proxy_is_told_who_asks_and_for_what() {
    let who = "\r\nproxy-authorization: Basic cmVsYXk6czNjcmV0LXBhc3N3b3Jk\r\n";
    for (scheme, word, what) in [
        ("http", ANSWER, "POST http://mdss.example/hook?a=b HTTP/1.1\r\nhost: mdss.example\r\n"),
        ("https", "", "CONNECT mdss.example:443 HTTP/1.1\r\nHost: mdss.example:443\r\n"),
    ] {
        let proxy = Proxy::start(Some(word)).await;
        let (url, proxy_url) = (format!("{scheme}://mdss.example/hook?a=b"), proxy.url());
        let report = ask(&[("APIENDPOINT", &url), ("all_proxy", &proxy_url)]).await;
        assert_eq!(report.outcome == Outcome::Done, scheme == "http", "{}", report.json());
        let heads = proxy.heads.lock().unwrap();
        assert!(heads[0].starts_with(what) && heads[0].contains(who), "{heads:?}");
        assert_eq!(heads[0].contains("s3cret-key"), scheme == "http", "{heads:?}");
    }
}

#[tokio::test]
async fn a_proxy_with_tls_is_asked_with_tls() {
    let (certificate, key) = signed_itself(&params(&["localhost"], "x", CA));
    let address = tls(certificate.der().clone(), &key).await;
    let (listed, proxy) = (file(&certificate.pem()), format!("https://localhost:{}", address.port()));
    let vars = [("APIENDPOINT", "http://mdss.example"), ("http_proxy", &proxy)];
    assert_eq!(told(&failure(&vars).await), ("mdss_certificate", FailureKind::Config));
    let report = ask(&[vars[0], vars[1], ("RELAY_CA_FILE", listed.path().to_str().unwrap())]).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.json());
}

#[tokio::test]
async fn what_a_proxy_refuses_is_the_proxys() {
    const WANTS: &str = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n";
    const FORBIDS: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied";
    const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    for (scheme, word, cause, kind, sentence) in [
        ("https", WANTS, "mdss_proxy", FailureKind::Config, "answered 407: it wants a user and a password"),
        ("http", WANTS, "mdss_proxy", FailureKind::Config, "answered 407: it wants a user and a password"),
        // Of a tunnel that is refused nobody tells the status; MDSS may be away.
        ("https", FORBIDS, "mdss_unreachable", FailureKind::Transient, "has not connected to mdss.example:"),
        ("https", AWAY, "mdss_unreachable", FailureKind::Transient, "has not connected to mdss.example:"),
        ("https", "", "mdss_unreachable", FailureKind::Transient, "has not connected to mdss.example:"),
        ("http", FORBIDS, "mdss_unauthorized", FailureKind::Config, "answered in its place"),
        ("http", AWAY, "mdss_unavailable", FailureKind::Transient, "answered in its place"),
    ] {
        let proxy = Proxy::start(Some(word)).await;
        let (url, proxy_url) = (format!("{scheme}://mdss.example"), proxy.url());
        let failure = failure(&[("APIENDPOINT", &url), ("all_proxy", &proxy_url)]).await;
        assert_eq!(told(&failure), (cause, kind), "{scheme} {word}: {failure}");
        let named = format!("the proxy http://{}", proxy.address);
        assert!(
            failure.detail.contains(sentence) && failure.detail.contains(&named),
            "{scheme} {word}: {failure}"
        );
        assert_eq!(proxy.connections(), 1, "{scheme} {word}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let away = mdss_sim::Away::new().unwrap();
    let proxy = away.url().replace("/api/webhook/realtime", "");
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://mdss.example");
        let failure = failure(&[("APIENDPOINT", &url), ("all_proxy", &proxy)]).await;
        assert_eq!(told(&failure), ("mdss_unreachable", FailureKind::Transient), "{failure}");
        assert!(failure.detail.starts_with(&format!("no connection to the proxy {proxy}: ")), "{failure}");
    }
    // And without one it is MDSS, with its port.
    let failure = failure(&[("APIENDPOINT", &away.url())]).await;
    let place = proxy.trim_start_matches("http://");
    assert!(failure.detail.starts_with(&format!("no connection to {place}: ")), "{failure}");
}

#[tokio::test]
async fn the_way_is_told_without_a_secret() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let way = |vars: &[(&str, &str)]| {
        let vars = [("APIKEY", "s3cret-key"), ("STORAGECLIENTID", "unit")].iter().chain(vars);
        let vars = vars.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Settings::read(vars, Role::Explain).finish().unwrap().way()
    };
    assert_eq!(way(&[("APIENDPOINT", &sim.url())]).unwrap(), format!("MDSS at {}, directly", sim.base_url()));
    let proxied = [
        ("APIENDPOINT", "https://mdss.example/hook?token=s3cret"),
        ("https_proxy", "http://u:s3cret@proxy:3128"),
    ];
    assert_eq!(
        way(&proxied).unwrap(),
        "MDSS at https://mdss.example:443, through the proxy http://proxy:3128"
    );
    let exempt = [proxied[0], proxied[1], ("no_proxy", "*")];
    assert_eq!(way(&exempt).unwrap(), "MDSS at https://mdss.example:443, directly");
    assert_eq!(way(&[]), None);
}
