//! How a connection to MDSS is made: directly or through a proxy, with TLS or without. This is the only file in this crate that opens
//! a socket.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

use crate::mdss::way::{Way, place};
use crate::plain::secret::Secret;

/// What the relay calls itself.
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("mdss-relay/", env!("CARGO_PKG_VERSION")));

/// A peer that has gone without a word is noticed after a minute while nothing is on the way to it, and after half of that while
/// something is.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// TCP or TLS, and inside a tunnel TLS once more.
pub(super) type Stream = MaybeHttpsStream<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// A secret as a header, which no `Debug` prints.
pub(super) fn header(secret: &Secret) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut header = HeaderValue::from_str(secret.expose())?;
    header.set_sensitive(true);
    Ok(header)
}

/// What a proxy is sent as `Proxy-Authorization`.
pub(super) fn proxy_authorization(way: &Way) -> Option<HeaderValue> {
    way.authorization().map(|secret| header(&secret).expect("base64 is visible ASCII"))
}

/// Makes connections to one place.
pub(super) struct Connector {
    to: Uri,
    /// TCP, and TLS above it for addresses that begin with `https`.
    https: HttpsConnector<HttpConnector>,
    tls: Arc<ClientConfig>,
    /// Where the proxy is, with what it is sent in a request for a tunnel.
    proxy: Option<(Uri, HeaderMap)>,
    timeout: Duration,
}

impl Connector {
    /// # Errors
    /// That the proxy's address is none for a request.
    pub(super) fn new(to: Uri, tls: ClientConfig, way: &Way, timeout: Duration) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let tls = Arc::new(tls);
        let proxy = match way {
            Way::Direct => None,
            Way::Through(url) => {
                let address = place(url).parse().map_err(|_| "the proxy's address".to_owned())?;
                let mut headers = HeaderMap::from_iter([(USER_AGENT, AGENT)]);
                headers.extend(proxy_authorization(way).map(|value| (PROXY_AUTHORIZATION, value)));
                Some((address, headers))
            }
        };
        Ok(Self { to, https: HttpsConnector::from((tcp, tls.clone())), tls, proxy, timeout })
    }

    /// A new connection.
    ///
    /// # Errors
    /// Why there is none; an I/O error of the kind `TimedOut` if it has taken too long.
    pub(super) async fn connect(&self) -> Result<Stream, Box<dyn Error + Send + Sync>> {
        let connecting = async {
            let (to, mut https) = (self.to.clone(), self.https.clone());
            match &self.proxy {
                None => https.call(to).await.map(MaybeHttpsStream::Http),
                Some((proxy, headers)) if to.scheme() == Some(&Scheme::HTTPS) => {
                    let tunnel = Tunnel::new(proxy.clone(), https).with_headers(headers.clone());
                    HttpsConnector::from((tunnel, self.tls.clone())).call(to).await
                }
                Some((proxy, _)) => https.call(proxy.clone()).await.map(MaybeHttpsStream::Http),
            }
        };
        timeout(self.timeout, connecting).await.map_err(io::Error::from)?
    }
}
