//! One attempt.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, RETRY_AFTER,
    USER_AGENT,
};
use http::uri::InvalidUri;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};
use url::{Position, Url};

use crate::mdss::connect::{AGENT, Connector, header, proxy_authorization};
use crate::mdss::pool::{Connection, Pool};
use crate::mdss::request::Submission;
use crate::mdss::verdict::{Answer, BodyEnd, CorrelationId, is_gateways, judge};
use crate::mdss::way::Way;
use crate::mdss::{retry, trust, way};
use crate::model::failure::{Cause, Failure};
use crate::plain::fields;
use crate::plain::file::plain_text;
use crate::plain::mistake::Mistake;
use crate::plain::secret::Secret;

/// The documented answers are below 200 bytes; a page of the web interface needs not be read to its end.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// What a request has beside what a proxy is sent: its own two, three for every request, and `Content-Length`, which is hyper's.
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
    /// What the requests of an attempt are for.
    target: Uri,
    host: HeaderValue,
    /// For a proxy that requests go through without a tunnel.
    proxy_authorization: Option<HeaderValue>,
    api_key: RwLock<Arc<ApiKey>>,
    http: OnceLock<Result<Pool, String>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Self, Mistake> {
        let key =
            ApiKey::new(endpoint.api_key.clone()).map_err(|expected| Mistake::new("APIKEY", expected))?;
        let host = HeaderValue::from_str(&endpoint.url[Position::BeforeHost..Position::AfterPort]).ok();
        let target = target(&endpoint.url, &endpoint.way).ok();
        let (Some(target), Some(host)) = (target, host) else {
            return Err(Mistake::new("APIENDPOINT", ENDPOINT));
        };
        let plain = endpoint.url.scheme() == "http";
        let proxy_authorization = if plain { proxy_authorization(&endpoint.way) } else { None };
        Ok(Self {
            endpoint,
            target,
            host,
            proxy_authorization,
            api_key: RwLock::new(Arc::new(key)),
            http: OnceLock::new(),
        })
    }

    /// The longest an attempt may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request that submits nothing, on the way of the others, and gives the head of the answer with its connection.
    pub(super) async fn get(
        &self,
        url: &Url,
        credential: Option<(HeaderName, HeaderValue)>,
        end: Instant,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        let http = self.http()?;
        let target = target(url, &self.endpoint.way);
        let target = target.map_err(|e| Failure::new(Cause::Internal, format!("no address: {e}")))?;
        let request = || {
            let mut request = self.request(Method::GET, target.clone(), Bytes::new());
            request.headers_mut().extend(credential.clone());
            request
        };
        let sent = timeout_at(end, send(http, request)).await;
        sent.unwrap_or(Err(Unanswered::Late)).map_err(|why| self.unanswered(&why, self.endpoint.timeout))
    }

    /// Keeps a connection whose last answer has come whole.
    pub(super) fn keep(&self, connection: Connection) {
        if let Ok(http) = self.http() {
            http.keep(connection);
        }
    }

    /// The connections, set up when one is first needed.
    fn http(&self) -> Result<&Pool, Failure> {
        let http = self.http.get_or_init(|| http(&self.endpoint)).as_ref();
        http.map_err(|e| Failure::new(Cause::Internal, format!("the HTTP client could not be set up: {e}")))
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
        let http = self.http()?;
        let sent = timeout_at(end, send(http, || self.submit(submission, api_key))).await;
        let sent = sent.unwrap_or(Err(Unanswered::Late));
        let (mut response, connection) = sent.map_err(|why| self.unanswered(&why, timeout))?;
        let status = response.status().as_u16();
        if let (407, Some(proxy)) = (status, self.endpoint.way.proxy()) {
            return Err(Failure::new(Cause::MdssProxy, proxy_wants_password(&proxy)));
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| retry::retry_after(v, jiff::Timestamp::now()));
        let read = timeout_at(end, read(response.body_mut())).await;
        let (body, end) =
            read.unwrap_or(Err(Unanswered::Late)).map_err(|why| self.unanswered(&why, timeout))?;
        if end == BodyEnd::Complete {
            http.keep(connection);
        }
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

    fn submit(&self, submission: &Submission, api_key: &ApiKey) -> Request<Full<Bytes>> {
        let mut request = self.request(Method::POST, self.target.clone(), submission.body().into());
        let headers = request.headers_mut();
        // `ApiKey` in the documentation; case makes no difference in names (RFC 9110, 5.1).
        headers.insert(HeaderName::from_static("apikey"), api_key.header.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
    }

    /// A request with what each has.
    fn request(&self, method: Method, target: Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, AGENT);
        // Says nothing (RFC 9110, 12.5.1), but there are firewalls that take a request without it for an attack.
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(authorization) = &self.proxy_authorization {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
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
    fn unanswered(&self, why: &Unanswered, timeout: Duration) -> Failure {
        let url = &self.endpoint.url;
        let (server, proxy) = (way::authority(url), self.endpoint.way.proxy());
        let through = proxy.as_ref().map(|proxy| format!(" through {proxy}")).unwrap_or_default();
        let failure = |cause, detail: String| Failure::new(cause, detail);
        let late =
            || failure(Cause::MdssTimeout, format!("no answer from {server}{through} within {timeout:?}"));
        let (error, connecting): (&(dyn Error + 'static), bool) = match why {
            Unanswered::Late => return late(),
            Unanswered::Unconnected(error) => (&**error, true),
            Unanswered::Broken { error, .. } => (error, false),
        };
        let reason = root(error);
        // Without a tunnel it is the proxy that is connected to.
        let proxys =
            proxy.as_ref().filter(|_| connecting && (url.scheme() == "http" || before_tunnel(error)));
        if let Some(tls) = tls_error(error) {
            let whose = proxys.unwrap_or(&server);
            if let Some((cause, detail)) = tls_failure(tls, whose) {
                return failure(cause, detail);
            }
        }
        if timed_out(error) && connecting {
            let limit = self.endpoint.connect_timeout.min(timeout);
            return failure(
                Cause::MdssUnreachable,
                format!("no connection to {server}{through} within {limit:?}"),
            );
        }
        if timed_out(error) {
            return late();
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
        if url.scheme() == "http" && matches!(why, Unanswered::Broken { no_http: true, .. }) {
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

/// An error and what it came from, the innermost last.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

/// Whether the proxy was not even reached.
fn before_tunnel(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string() == NO_WAY_TO_PROXY)
}

/// Whether a wait was over: ours for the connection, or the system's.
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let mut errors = chain(error).filter_map(|error| error.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::TimedOut)
}

pub(super) fn proxy_wants_password(proxy: &str) -> String {
    format!("{proxy} answered 407: it wants a user and a password, or other ones, in its address")
}

/// Why there is no answer.
enum Unanswered {
    /// Its time is over.
    Late,
    /// There was no connection to be had.
    Unconnected(Box<dyn Error + Send + Sync>),
    /// The connection broke before there was the head of an answer.
    Broken {
        error: hyper::Error,
        /// The first that came on a connection made for the request was no HTTP.
        no_http: bool,
    },
}

/// The head of the answer with the connection it came on, or why there is none. What a kept connection has lost goes out once more, on one
/// made for it: the next kept one might be just as stale.
async fn send(
    http: &Pool,
    request: impl Fn() -> Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Connection), Unanswered> {
    if let Some(mut kept) = http.kept().await {
        match kept.send_request(request()).await {
            Ok(response) => return Ok((response, kept)),
            // Somebody has answered, and a repetition is no matter of connections.
            Err(error) if error.is_parse() => return Err(Unanswered::Broken { error, no_http: false }),
            Err(error) => debug!(
                { fields::ERROR } = root(&error),
                "a kept connection turned out to be closed; sending again"
            ),
        }
    }
    // On the heap, because it is large and seldom needed, and each record of a delivery has a future of its own.
    let mut made = Box::pin(http.made()).await.map_err(Unanswered::Unconnected)?;
    match made.send_request(request()).await {
        Ok(response) => Ok((response, made)),
        Err(error) => Err(Unanswered::Broken { no_http: error.is_parse(), error }),
    }
}

/// The body of an answer, or its beginning.
async fn read(body: &mut Incoming) -> Result<(Vec<u8>, BodyEnd), Unanswered> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => read.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref)),
            Err(e) if timed_out(&e) => return Err(Unanswered::Late),
            Err(_) => return Ok((read, BodyEnd::Short)),
        }
        if read.len() > MOST_ANSWER_BYTES {
            return Ok((read, BodyEnd::TooLong));
        }
    }
    Ok((read, BodyEnd::Complete))
}

/// Whether a server with TLS has been asked without, and says so in a page or a line, with 400: nginx
/// (`src/http/ngx_http_special_response.c`: "The plain HTTP request was sent to HTTPS port"), Apache (`modules/ssl/ssl_engine_kernel.c`:
/// "Instead use the HTTPS scheme") and Go (`net/http/server.go`: "Client sent an HTTP request to an HTTPS server").
fn asks_for_https(body: &[u8]) -> bool {
    is_gateways(body) && body.windows(5).any(|word| word == b"HTTPS")
}

/// The largest file of a key: much more than a header may have.
pub(crate) const MOST_KEY_FILE: u64 = 64 * 1024;

/// What MDSS's address is, for a sentence.
pub(crate) const ENDPOINT: &str = "the webhook's URL, such as https://mdss.example/api/webhook/realtime";

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
        let header = header(&secret).map_err(|_| API_KEY.to_owned())?;
        Ok(Self { secret, header, accepted: Mutex::new(None) })
    }

    fn accepted(&self) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn accepted_ago(&self) -> Option<Duration> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).map(|then| then.elapsed())
    }
}

/// The innermost cause: the outer layers only say "client error".
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
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

/// A URL as http's libraries have it: the same text, but for a fragment.
fn uri(url: &Url) -> Result<Uri, InvalidUri> {
    url.as_str().parse()
}

/// What a request is for: the path with its query, or for a proxy, unless it has made a tunnel, the whole address.
fn target(url: &Url, way: &Way) -> Result<Uri, InvalidUri> {
    let uri = uri(url)?;
    let path = uri.path_and_query().filter(|_| *way == Way::Direct || url.scheme() == "https");
    Ok(path.cloned().map_or(uri, Uri::from))
}

fn http(endpoint: &Endpoint) -> Result<Pool, String> {
    let tls = if endpoint.verify_certificates {
        trust::public_tls(&endpoint.listed_certificates)?
    } else {
        trust::unverified_tls()?
    };
    let to = uri(&endpoint.url).map_err(|e| e.to_string())?;
    Ok(Pool::new(Connector::new(to, tls, &endpoint.way, endpoint.connect_timeout)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan::{Decision, plan};
    use crate::{Delivery, Role, Settings};

    /// A client of the discard port, which refuses at once, and what it could submit.
    fn refused() -> (Client, Submission) {
        let vars = [
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
        (settings.client().unwrap(), submission.clone())
    }

    /// A function's platform waits for its start; hence TLS, with its hundred and more authorities, waits for the first
    /// attempt. Nothing seen from outside tells the one from the other.
    #[tokio::test]
    async fn tls_is_set_up_by_the_first_attempt() {
        let (client, submission) = refused();
        assert!(client.http.get().is_none());
        let failure = client.attempt(&submission, &client.key(), Duration::from_secs(10)).await.unwrap_err();
        assert_eq!(failure.cause, Cause::MdssUnreachable, "{failure}");
        assert!(client.http.get().is_some());
    }

    /// Each record of a delivery has one, sent or not, and a delivery may have 20,000 records.
    #[test]
    fn an_attempt_takes_little_room() {
        let (client, submission) = refused();
        let key = client.key();
        let bytes = size_of_val(&client.attempt(&submission, &key, Duration::ZERO));
        assert!(bytes < 1000, "{bytes}");
    }
}
