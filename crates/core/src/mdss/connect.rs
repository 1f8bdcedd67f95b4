//! How a connection to MDSS is made: directly or through a proxy, with TLS or without. This is the only file in this crate that opens a socket.

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector, HttpInfo};
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

tokio::task_local! {
    /// The connection that was made for this task's request, by its own address, which no other has meanwhile.
    static MADE: Cell<Option<SocketAddr>>;
}

/// What a request came to, and the connection that was made for it meanwhile, if one was. One that is finished after its request has
/// found another belongs to no task.
pub(super) async fn with_made<T>(request: impl Future<Output = T>) -> (T, Option<SocketAddr>) {
    MADE.scope(Cell::new(None), async { (request.await, MADE.with(Cell::get)) }).await
}

/// This side's address of a connection.
pub(super) fn own_address(connection: &Connected) -> Option<SocketAddr> {
    let mut extras = http::Extensions::new();
    connection.get_extras(&mut extras);
    extras.get().map(HttpInfo::local_addr)
}

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

/// Makes connections. A clone is the same one: hyper's client clones it for each request.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
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
    pub(super) fn new(tls: ClientConfig, way: &Way, timeout: Duration) -> Result<Self, String> {
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
        Ok(Self(Arc::new(Inner { https: HttpsConnector::from((tcp, tls.clone())), tls, proxy, timeout })))
    }
}

impl Inner {
    async fn connect(&self, to: Uri) -> Result<Stream, Box<dyn Error + Send + Sync>> {
        let mut https = self.https.clone();
        let Some((proxy, headers)) = &self.proxy else {
            return Ok(Stream { io: MaybeHttpsStream::Http(https.call(to).await?), proxied: false });
        };
        if to.scheme() == Some(&Scheme::HTTPS) {
            let tunnel = Tunnel::new(proxy.clone(), https).with_headers(headers.clone());
            let io = HttpsConnector::from((tunnel, self.tls.clone())).call(to).await?;
            return Ok(Stream { io, proxied: false });
        }
        Ok(Stream { io: MaybeHttpsStream::Http(https.call(proxy.clone()).await?), proxied: true })
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let stream = timeout(inner.timeout, inner.connect(to)).await.map_err(io::Error::from)??;
            let _ = MADE.try_with(|made| made.set(own_address(&stream.connected())));
            Ok(stream)
        })
    }
}

/// A connection: TCP or TLS, and inside a tunnel TLS once more.
pub(super) struct Stream {
    io: MaybeHttpsStream<MaybeHttpsStream<TokioIo<TcpStream>>>,
    /// Whether requests go to a proxy, which wants to be told the whole address in each.
    proxied: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.proxied)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
