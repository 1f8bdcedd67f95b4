//! The connection to MDSS, made by hand: resolved, connected, through the proxy, with TLS. The relay's own client does all of it at once,
//! and does not say how far it came, nor what a proxy answered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mdss_relay_core::{Approach, ProxyPlace};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The longest for one step: less than the frame gives a check, so that what hangs is a failure with a sentence.
const STEP: Duration = Duration::from_secs(4);

/// The longest for the resolver, which asks its servers one after the other.
const RESOLVER: Duration = Duration::from_millis(2500);

/// The head of a proxy's answer is shorter.
const LONGEST_HEAD: usize = 8192;

/// Bytes both ways, whatever carries them.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A host and a port.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why it went no further.
pub(super) enum Stopped {
    /// The proxy's status line, if it is not a 2xx.
    Status(String),
    Tls(rustls::Error),
    Broken(String),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        tls.map_or_else(|| Self::Broken(error.to_string()), |tls| Self::Tls(tls.clone()))
    }
}

pub(super) struct Way<'a> {
    approach: &'a Approach,
    /// What is connected to: the proxy, or MDSS.
    pub(super) first: Place,
    /// Its addresses, once they are known.
    pub(super) addresses: Vec<SocketAddr>,
}

impl<'a> Way<'a> {
    pub(super) fn new(approach: &'a Approach) -> Self {
        let (host, port) = match &approach.proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (approach.host.clone(), approach.port),
        };
        Self { approach, first: Place { host, port }, addresses: Vec::new() }
    }

    /// Asks the system's resolver, as the relay does.
    ///
    /// # Errors
    /// Its answer.
    pub(super) async fn resolve(&mut self) -> Result<(), String> {
        let asked = lookup_host((self.first.host.as_str(), self.first.port));
        let found = timeout(RESOLVER, asked).await;
        let found = found.map_err(|_| format!("none within {} s", RESOLVER.as_secs_f64()))?;
        self.addresses = found.map_err(|error| error.to_string())?.collect();
        self.addresses.sort_by_key(SocketAddr::is_ipv6);
        self.addresses.dedup();
        if self.addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(()) }
    }

    /// The longest that a step may take.
    fn limit(&self) -> Duration {
        STEP.min(self.approach.connect_timeout)
    }

    /// A connection to the first address that takes one.
    ///
    /// # Errors
    /// What each of them said.
    pub(super) async fn connect(&self) -> Result<(TcpStream, SocketAddr, Duration), String> {
        let mut said = Vec::new();
        let each = async {
            for address in &self.addresses {
                let started = Instant::now();
                match TcpStream::connect(address).await {
                    Ok(stream) => return Some((stream, *address, started.elapsed())),
                    Err(error) => said.push(format!("{} says {error}", address.ip())),
                }
            }
            None
        };
        match timeout(self.limit(), each).await {
            Ok(Some(connected)) => Ok(connected),
            Ok(None) => Err(said.join(", ")),
            Err(_) => {
                said.push(format!("no answer within {:?}", self.limit()));
                Err(said.join(", "))
            }
        }
    }

    /// A connection on which MDSS is the next to speak: through the proxy's tunnel, if the endpoint has TLS. Without TLS the proxy is
    /// asked for each request, and this is the connection to it.
    pub(super) async fn to_mdss(&self) -> Result<Box<dyn Stream>, Stopped> {
        let (stream, ..) = self.connect().await.map_err(Stopped::Broken)?;
        let Some(proxy) = &self.approach.proxy else { return Ok(Box::new(stream)) };
        let mut stream: Box<dyn Stream> = if proxy.tls {
            let config = self.approach.tls().map_err(Stopped::Broken)?;
            Box::new(self.within(with_tls(stream, config, &proxy.host)).await?)
        } else {
            Box::new(stream)
        };
        if self.approach.tls {
            let mdss = Place { host: self.approach.host.clone(), port: self.approach.port };
            let head = format!("CONNECT {mdss} HTTP/1.1\r\nHost: {mdss}\r\n{}\r\n", authorization(proxy));
            let status = self.within(asked(&mut stream, &head)).await?;
            if !status.starts_with('2') {
                return Err(Stopped::Status(status));
            }
        }
        Ok(stream)
    }

    /// The status with which a proxy answers a request for MDSS without TLS.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn ask_plainly(
        &self,
        mut stream: Box<dyn Stream>,
        proxy: &ProxyPlace,
    ) -> Result<String, String> {
        let mdss = Place { host: self.approach.host.clone(), port: self.approach.port };
        let head = format!(
            "HEAD http://{mdss}/ HTTP/1.1\r\nHost: {mdss}\r\n{}Connection: close\r\n\r\n",
            authorization(proxy)
        );
        self.within(asked(&mut stream, &head)).await.map_err(|stopped| match stopped {
            Stopped::Status(why) | Stopped::Broken(why) => why,
            Stopped::Tls(error) => error.to_string(),
        })
    }

    /// The certificates that MDSS sends in a handshake of this configuration.
    pub(super) async fn handshake(
        &self,
        config: ClientConfig,
    ) -> Result<Vec<CertificateDer<'static>>, Stopped> {
        let stream = self.to_mdss().await?;
        let tls = self.within(with_tls(stream, config, &self.approach.host)).await?;
        let (_, connection) = tls.get_ref();
        Ok(connection
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|one| one.clone().into_owned())
            .collect())
    }

    async fn within<T>(&self, step: impl Future<Output = Result<T, Stopped>>) -> Result<T, Stopped> {
        let limit = self.limit();
        let late = |_| Stopped::Broken(format!("no answer within {limit:?}"));
        timeout(limit, step).await.map_err(late)?
    }
}

fn authorization(proxy: &ProxyPlace) -> String {
    let value = proxy.authorization.as_ref();
    value.map_or_else(String::new, |value| format!("Proxy-Authorization: {}\r\n", value.expose()))
}

async fn with_tls<S: Stream>(
    stream: S,
    config: ClientConfig,
    host: &str,
) -> Result<tokio_rustls::client::TlsStream<S>, Stopped> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Stopped::Broken(format!("{host:?} is no name that a certificate can have")))?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// The status and reason of the answer to this head; nothing behind the head is read.
async fn asked(stream: &mut Box<dyn Stream>, head: &str) -> Result<String, Stopped> {
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == LONGEST_HEAD {
            return Err(Stopped::Broken(format!("an answer of more than {LONGEST_HEAD} bytes")));
        }
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(_) if answer.is_empty() => {
                return Err(Stopped::Broken("the connection was closed without an answer".into()));
            }
            Err(_) => break,
        }
    }
    let line = answer.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' ')).map(|(_, status)| status);
    match status {
        Some(status) => Ok(status.trim().chars().take(60).collect()),
        None => Err(Stopped::Broken("the answer is no HTTP".into())),
    }
}
