//! One attempt. With what [`look`](super::look) asks, this is the only file in this crate that opens a socket.

use std::cell::Cell;
use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Proxy, Request, Response, Url, redirect};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;
use tower::util::MapResponseLayer;
use tracing::{debug, info};

use crate::mdss::request::Submission;
use crate::mdss::verdict::{Answer, BodyEnd, CorrelationId, is_gateways, judge};
use crate::mdss::way::Way;
use crate::mdss::{retry, trust, way};
use crate::model::failure::{Cause, Failure};
use crate::plain::fields;
use crate::plain::file::plain_text;
use crate::plain::secret::Secret;

/// The documented answers are below 200 bytes; a page of the web interface needs not be read to its end.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// A function's process is frozen between calls and its idle connections die unseen; a server's are cheap to renew.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// What a request has: two of ours, what `reqwest` sends for itself (`Accept`, `User-Agent`) and hyper for the connection
/// (`Host`, `Content-Length`).
const HEADERS: usize = 6;

/// Where MDSS is and how to talk to it; checked, but not yet used.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) api_key: Secret,
    /// Where the key came from, if it came from a file: read again when MDSS refuses it.
    pub(crate) api_key_file: Option<PathBuf>,
    /// Authorities, and servers, that are trusted beside the public authorities.
    pub(crate) listed_certificates: Vec<CertificateDer<'static>>,
    pub(crate) verify_certificates: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) way: Way,
}

impl std::fmt::Debug for Endpoint {
    /// A URL's query may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.url.host_str())
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

/// The connection to MDSS. Connections are kept and reused; TLS is set up at the first attempt, so that a function's
/// start does not wait for it.
pub struct Client {
    endpoint: Endpoint,
    api_key: RwLock<Arc<ApiKey>>,
    http: OnceLock<Result<reqwest::Client, String>>,
    /// Makes a connection for each request, for those that a kept one has lost. Asked again at once, the pool of `http`
    /// might well give that same connection out, which the server has announced to close but not closed yet.
    http_unkept: OnceLock<Result<reqwest::Client, String>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Self, String> {
        let api_key = RwLock::new(Arc::new(ApiKey::new(endpoint.api_key.clone())?));
        Ok(Self { endpoint, api_key, http: OnceLock::new(), http_unkept: OnceLock::new() })
    }

    /// The longest an attempt may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request that submits nothing, on the way of the others.
    pub(super) async fn get(&self, request: Request) -> Result<Response, Failure> {
        let http = ready(&self.http, || build(&self.endpoint, Keep::Idle))?;
        let sent = send(http, request).await;
        sent.map_err(|(error, broken)| self.unanswered(error, broken, self.endpoint.timeout))
    }

    /// The key that the next attempt sends.
    pub(crate) fn key(&self) -> Arc<ApiKey> {
        self.api_key.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Posts one submission once and judges the answer.
    ///
    /// Once, but for this: a kept connection may have been closed by the other side at the moment of its reuse, and
    /// then the same request goes out once more, at once, on a new one and within the same `timeout`. Were it a failed
    /// attempt, an event would be lost on nothing where there is only one.
    ///
    /// # Errors
    /// The verdict's failure, or what kept an answer from coming. Never holds the endpoint's URL or the key.
    pub(crate) async fn attempt(
        &self,
        submission: &Submission,
        api_key: &ApiKey,
        timeout: Duration,
    ) -> Result<CorrelationId, Failure> {
        let end = Instant::now() + timeout;
        let http = ready(&self.http, || build(&self.endpoint, Keep::Idle))?;
        let sent = match send(http, self.request(submission, api_key, timeout)).await {
            Err((error, Broken::Kept)) => {
                debug!(
                    { fields::ERROR } = root(&error),
                    "a kept connection turned out to be closed; sending again"
                );
                let http = ready(&self.http_unkept, || build(&self.endpoint, Keep::Nothing))?;
                let left = end.saturating_duration_since(Instant::now());
                send(http, self.request(submission, api_key, left)).await
            }
            sent => sent,
        };
        let mut response = sent.map_err(|(e, broken)| self.unanswered(e, broken, timeout))?;
        let status = response.status().as_u16();
        if let (407, Some(proxy)) = (status, self.endpoint.way.proxy()) {
            return Err(Failure::new(Cause::MdssProxy, proxy_wants_password(&proxy)));
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| retry::retry_after(v, jiff::Timestamp::now()));
        let mut body = Vec::new();
        let end = loop {
            match response.chunk().await {
                Ok(None) => break BodyEnd::Complete,
                Ok(Some(chunk)) => {
                    body.extend_from_slice(&chunk);
                    if body.len() > MOST_ANSWER_BYTES {
                        break BodyEnd::TooLong;
                    }
                }
                Err(e) if e.is_timeout() => return Err(self.unanswered(e, Broken::Other, timeout)),
                Err(_) => break BodyEnd::Short,
            }
        };
        if status == 400 && self.endpoint.url.scheme() == "http" && asks_for_https(&body) {
            return Err(self.asked_without_tls("TLS"));
        }
        let verdict = judge(
            &Answer { status, retry_after, body: &body, end, accepted_ago: api_key.accepted_ago() },
            &api_key.secret,
        );
        match verdict {
            Ok(id) => {
                api_key.accepted();
                Ok(id)
            }
            Err(failure) => Err(self.perhaps_the_proxys(status, failure)),
        }
    }

    /// Without TLS a proxy can answer in MDSS's place, and nothing tells the one from the other.
    fn perhaps_the_proxys(&self, status: u16, mut failure: Failure) -> Failure {
        if let Some(proxy) = self.endpoint.way.proxy()
            && self.endpoint.url.scheme() == "http"
            && status >= 400
        {
            failure.detail.push_str(&format!(" (or {proxy} answered in its place)"));
        }
        failure
    }

    fn request(&self, submission: &Submission, api_key: &ApiKey, timeout: Duration) -> Request {
        let mut request = Request::new(Method::POST, self.endpoint.url.clone());
        let mut headers = HeaderMap::with_capacity(HEADERS);
        // `ApiKey` in the documentation; case makes no difference in names (RFC 9110, 5.1).
        headers.insert(HeaderName::from_static("apikey"), api_key.header.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.headers_mut() = headers;
        *request.timeout_mut() = Some(timeout);
        *request.body_mut() = Some(submission.body().into());
        request
    }

    /// Whether a failure may be the key's, and there is another one than the one it was sent with, so that another attempt
    /// makes sense: the file is read again, unless a neighbour has already done so.
    pub(crate) fn has_newer_key(&self, failure: &Failure, refused: &ApiKey) -> bool {
        // A gateway that checks keys looks like one that checks names.
        if !matches!(failure.cause, Cause::MdssUnauthorized | Cause::MdssObjectRefused) {
            return false;
        }
        let Some(path) = &self.endpoint.api_key_file else { return false };
        if self.key().secret != refused.secret {
            return true;
        }
        let Ok(text) = plain_text(path, MOST_KEY_FILE) else { return false };
        match ApiKey::new(Secret::new(&text)) {
            Ok(new) if new.secret != refused.secret => {
                let mut key = self.api_key.write().unwrap_or_else(|e| e.into_inner());
                if key.secret != new.secret {
                    info!("a new API key was read from its file, because MDSS refused the old one");
                    *key = Arc::new(new);
                }
                true
            }
            _ => false,
        }
    }

    /// The endpoint is `http://`, and behind its port is something else.
    fn asked_without_tls(&self, with: &str) -> Failure {
        let server = way::authority(&self.endpoint.url);
        let detail =
            format!("{server} answers with {with}; is https:// or another port meant in its address?");
        Failure::new(Cause::MdssTls, detail)
    }

    /// Why no answer came. Decided by what happened, and by text in a message only where there is nothing else.
    fn unanswered(&self, error: reqwest::Error, broken: Broken, timeout: Duration) -> Failure {
        let url = &self.endpoint.url;
        let (server, proxy) = (way::authority(url), self.endpoint.way.proxy());
        let through = proxy.as_ref().map(|proxy| format!(" through {proxy}")).unwrap_or_default();
        let (connecting, reason) = (error.is_connect(), root(&error));
        let failure = |cause, detail: String| Failure::new(cause, detail);
        // Without a tunnel it is the proxy that is connected to.
        let proxys =
            proxy.as_ref().filter(|_| connecting && (url.scheme() == "http" || before_tunnel(&error)));
        if let Some(tls) = tls_error(&error) {
            let whose = proxys.unwrap_or(&server);
            if let Some((cause, detail)) = tls_failure(tls, whose) {
                return failure(cause, detail);
            }
        }
        if error.is_timeout() && connecting {
            let limit = self.endpoint.connect_timeout.min(timeout);
            return failure(
                Cause::MdssUnreachable,
                format!("no connection to {server}{through} within {limit:?}"),
            );
        }
        if error.is_timeout() {
            return failure(
                Cause::MdssTimeout,
                format!("no answer from {server}{through} within {timeout:?}"),
            );
        }
        if let Some(proxy) = proxys {
            return failure(Cause::MdssUnreachable, format!("no connection to {proxy}: {reason}"));
        }
        if let (Some(proxy), true) = (&proxy, reason.starts_with(TUNNEL)) {
            if reason == WANTS_PASSWORD {
                return failure(Cause::MdssProxy, proxy_wants_password(proxy));
            }
            let reason = reason.trim_start_matches(TUNNEL);
            let detail = format!("{proxy} has not connected to {server} ({reason}); its log says why");
            return failure(Cause::MdssUnreachable, detail);
        }
        if connecting {
            return failure(Cause::MdssUnreachable, format!("no connection to {server}{through}: {reason}"));
        }
        if url.scheme() == "http" && broken == Broken::NoHttp {
            return self.asked_without_tls("what is no HTTP");
        }
        failure(
            Cause::MdssReset,
            format!("the connection to {server}{through} broke before an answer came: {reason}"),
        )
    }
}

/// How hyper-util (0.1.21, `client/legacy/connect/proxy/tunnel.rs`) begins each sentence about a tunnel. It does not export the type.
const TUNNEL: &str = "tunnel error: ";
const WANTS_PASSWORD: &str = "tunnel error: proxy authorization required";
const NO_WAY_TO_PROXY: &str = "tunnel error: failed to create underlying connection";

/// Whether the proxy was not even reached.
fn before_tunnel(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.to_string() == NO_WAY_TO_PROXY {
            return true;
        }
        source = error.source();
    }
    false
}

pub(super) fn proxy_wants_password(proxy: &str) -> String {
    format!("{proxy} answered 407: it wants a user and a password, or other ones, in its address")
}

tokio::task_local! {
    /// The connection that was made for this task's request, by its own address, which no other has meanwhile.
    static MADE: Cell<Option<SocketAddr>>;
}

/// What broke under a request before there was the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// A connection that was there before, and came to its end.
    Kept,
    /// The one made for the request; the first that came on it was no HTTP.
    NoHttp,
    /// The one made for the request, none at all, or a kept one on which something came that is no answer.
    Other,
}

/// The answer, or why there is none. `reqwest` does not tell which connection a request was sent on (0.13.5), but an error
/// has the one it happened on, and the task that asks makes the new ones.
async fn send(http: &reqwest::Client, request: Request) -> Result<Response, (reqwest::Error, Broken)> {
    let sent = async { (http.execute(request).await, MADE.with(Cell::get)) };
    let (sent, made) = MADE.scope(Cell::new(None), sent).await;
    sent.map_err(|error| {
        let broken = broken_connection(&error);
        let broken = match (broken.is_some() && broken != made, answered_wrongly(&error)) {
            (true, false) => Broken::Kept,
            (false, true) => Broken::NoHttp,
            _ => Broken::Other,
        };
        (error, broken)
    })
}

/// Whether something came back that is no HTTP: then somebody has answered, and a repetition is no matter of connections.
fn answered_wrongly(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_parse();
        }
        source = error.source();
    }
    false
}

/// Whether a server with TLS has been asked without, and says so in a page or a line, with 400: nginx
/// (`src/http/ngx_http_special_response.c`: "The plain HTTP request was sent to HTTPS port"), Apache (`modules/ssl/ssl_engine_kernel.c`:
/// "Instead use the HTTPS scheme") and Go (`net/http/server.go`: "Client sent an HTTP request to an HTTPS server").
fn asks_for_https(body: &[u8]) -> bool {
    is_gateways(body) && body.windows(5).any(|word| word == b"HTTPS")
}

/// Sees every new connection. One that is finished after its request has found another belongs to no task.
fn made<C: Connection>(connection: C) -> C {
    let _ = MADE.try_with(|made| made.set(own_address(&connection.connected())));
    connection
}

/// The connection that broke under a request, before there was the head of an answer.
fn broken_connection(error: &reqwest::Error) -> Option<SocketAddr> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return own_address(error.connect_info()?);
        }
        source = error.source();
    }
    None
}

fn own_address(connection: &Connected) -> Option<SocketAddr> {
    let mut extras = http::Extensions::new();
    connection.get_extras(&mut extras);
    extras.get().map(HttpInfo::local_addr)
}

/// The largest file of a key: much more than a header may have.
pub(crate) const MOST_KEY_FILE: u64 = 64 * 1024;

/// What an API key is, for a sentence.
pub(crate) const API_KEY: &str = "an API key of MDSS, visible ASCII characters only";

/// A key, with the header that sends it; no `Debug` print shows either.
#[derive(Debug)]
pub(crate) struct ApiKey {
    pub(super) secret: Secret,
    pub(super) header: HeaderValue,
    /// When MDSS last accepted an object with it.
    accepted: Mutex<Option<Instant>>,
}

impl ApiKey {
    pub(crate) fn new(secret: Secret) -> Result<Self, String> {
        let text = secret.expose();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(API_KEY.into());
        }
        let mut header = HeaderValue::from_str(text).map_err(|_| API_KEY.to_owned())?;
        header.set_sensitive(true);
        Ok(Self { secret, header, accepted: Mutex::new(None) })
    }

    fn accepted(&self) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn accepted_ago(&self) -> Option<Duration> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).map(|then| then.elapsed())
    }
}

/// The innermost cause: the outer layers only say "client error". reqwest's own text holds the whole URL.
fn root(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if inner.downcast_ref::<reqwest::Error>().is_some() {
        "no reason given".into()
    } else {
        inner.to_string()
    }
}

/// What an error of TLS means; `None`: something that may pass.
pub(super) fn tls_failure(error: &rustls::Error, server: &str) -> Option<(Cause, String)> {
    use rustls::Error::{
        AlertReceived, InappropriateHandshakeMessage, InappropriateMessage, InvalidCertificate,
        InvalidMessage, NoApplicationProtocol, NoCertificatesPresented, PeerIncompatible, PeerMisbehaved,
    };
    let cannot = |why: String| Some((Cause::MdssTls, why));
    let nothing_in_common = || {
        cannot(format!(
            "{server} speaks no TLS that the relay does: {error}. The relay has versions 1.2 and 1.3 with the ciphers of today; switch \
             one of them on there, or on the gateway before it"
        ))
    };
    match error {
        InvalidCertificate(why) => Some((Cause::MdssCertificate, trust::certificate_fault(why, server))),
        NoCertificatesPresented => {
            Some((Cause::MdssCertificate, format!("{server} presented no certificate; give MDSS one")))
        }
        InvalidMessage(_) => cannot(format!(
            "{server} answers without TLS; is http:// or another port meant in its address? ({error})"
        )),
        PeerIncompatible(_) | NoApplicationProtocol => nothing_in_common(),
        PeerMisbehaved(_) | InappropriateMessage { .. } | InappropriateHandshakeMessage { .. } => {
            cannot(format!("TLS with {server} fails: {error}"))
        }
        AlertReceived(alert) => match alert {
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity
            | AlertDescription::InappropriateFallback
            | AlertDescription::NoApplicationProtocol
            | AlertDescription::IllegalParameter
            | AlertDescription::DecodeError
            | AlertDescription::UnsupportedExtension
            | AlertDescription::MissingExtension => nothing_in_common(),
            AlertDescription::UnrecognisedName => cannot(format!(
                "{server} does not know this name ({error}); name MDSS in the endpoint as it calls itself"
            )),
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => cannot(format!(
                "{server} wants a certificate of the relay ({error}), and it has none; let it in without"
            )),
            _ => None,
        },
        _ => None,
    }
}

/// An I/O error that wraps another one does not name it as its source, so both ways are followed.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_error(wrapped?))
        .or_else(|| tls_error(error.source()?))
}

/// What becomes of connections when their request is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Idle,
    Nothing,
}

fn ready(
    http: &OnceLock<Result<reqwest::Client, String>>,
    build: impl FnOnce() -> Result<reqwest::Client, String>,
) -> Result<&reqwest::Client, Failure> {
    let ready = http.get_or_init(build).as_ref();
    ready.map_err(|e| Failure::new(Cause::Internal, format!("the HTTP client could not be set up: {e}")))
}

fn build(endpoint: &Endpoint, keep: Keep) -> Result<reqwest::Client, String> {
    let tls = if endpoint.verify_certificates {
        trust::public_tls(&endpoint.listed_certificates)?
    } else {
        trust::unverified_tls()?
    };

    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(endpoint.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(if keep == Keep::Idle { usize::MAX } else { 0 })
        .connector_layer(MapResponseLayer::new(made))
        .tcp_nodelay(true)
        // A followed redirect turns POST into GET, and the key goes where nobody configured it.
        .redirect(redirect::Policy::none())
        // `deliver` repeats, and nobody else. With no repetition to come, none keeps a copy of the request either.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        // Proxies come from the settings; the environment is not read here.
        .no_proxy()
        .user_agent(concat!("mdss-relay/", env!("CARGO_PKG_VERSION")));
    if let Way::Through(proxy) = &endpoint.way {
        // Which hosts are exempt is decided already.
        client = client.proxy(Proxy::all(proxy.clone()).map_err(|_| "the proxy's address".to_owned())?);
    }
    client.build().map_err(|e| root(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan::{Decision, plan};
    use crate::{Delivery, Role, Settings};

    /// A function's platform waits for its start; hence TLS, with its hundred and more authorities, waits for the first
    /// attempt. Nothing seen from outside tells the one from the other.
    #[tokio::test]
    async fn tls_is_set_up_by_the_first_attempt() {
        let vars = [
            // The discard port: refused at once.
            ("APIENDPOINT", "https://127.0.0.1:9/api/webhook/realtime"),
            ("APIKEY", "key"),
            ("STORAGECLIENTID", "unit"),
        ];
        let settings =
            Settings::read(vars.map(|(n, v)| (n.into(), v.into())), Role::Function).finish().unwrap();
        let event = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put",
            "s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
        let plan = plan(&settings.rules, &Delivery::from_function(event, "id"));
        let Decision::Send(submission) = &plan.records[0].decision else { panic!("{plan:?}") };

        let client = settings.client().unwrap();
        assert!(client.http.get().is_none());
        let failure = client.attempt(submission, &client.key(), Duration::from_secs(10)).await.unwrap_err();
        assert_eq!(failure.cause, Cause::MdssUnreachable, "{failure}");
        assert!(client.http.get().is_some());
    }
}
