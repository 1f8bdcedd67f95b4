//! One request and its answer. TLS, trust and proxies are the core's; connections are reqwest's, because a store has many hosts:
//! its buckets', and those that give credentials.

use std::error::Error;
use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use mdss_relay_core::public_tls;
use reqwest::redirect;
use reqwest::tls::Version;
use url::{Host, Url};

use crate::settings::StoreSettings;

/// The most that is read of an answer. A thousand keys of a thousand bytes, each byte escaped, are six megabytes.
const MOST_BODY: usize = 8 << 20;

const AGENT: &str = concat!("mdss-relay/", env!("CARGO_PKG_VERSION"));

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

impl Answer {
    /// Whether it is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl std::fmt::Debug for Answer {
    /// Headers and bodies may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Sends requests, each once.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    http: reqwest::Client,
}

impl Wire {
    pub(crate) fn new(settings: &StoreSettings) -> Result<Self, String> {
        let tls = public_tls(&settings.certificates)?;
        let proxies = settings.proxies.clone();
        let through = move |to: &Url| if is_machines_own(to) { None } else { proxies.through(to) };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .tls_version_min(Version::TLS_1_2)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(through))
            .redirect(redirect::Policy::none())
            .user_agent(AGENT)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .build()
            .map_err(|e| reason(&e.without_url()))?;
        Ok(Self { http })
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// Why there is none, or none that is whole, without the URL: a query may hold a signature.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Answer, String> {
        let place = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let failed = |e: reqwest::Error| {
            let what = match () {
                () if e.is_connect() => "no connection to",
                () if e.is_timeout() => "no answer in time from",
                () if e.is_body() || e.is_decode() => "half an answer from",
                () => "no answer from",
            };
            let hint = if untrusted(&e) { "; give its authority in ca_file" } else { "" };
            format!("{what} {place}: {}{hint}", reason(&e.without_url()))
        };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut response = self.http.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MOST_BODY {
                return Err(format!("an answer of more than {MOST_BODY} bytes from {place}"));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, headers, body: body.into() })
    }
}

/// For those who give credentials.
impl reqsign_core::HttpSend for Wire {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        let answer = self.send(request).await.map_err(reqsign_core::Error::unexpected)?;
        let mut response = Response::new(answer.body);
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// Whether an address is of the machine itself: there a cloud tells the machine who it is. A proxy would answer for its own machine.
fn is_machines_own(url: &Url) -> bool {
    match url.host() {
        // 169.254.169.254, 169.254.170.2 and the like (RFC 3927); `fd00:ec2::254` of Amazon.
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            matches!(IpAddr::V6(address), IpAddr::V6(v6) if v6.segments()[..2] == [0xfd00, 0x0ec2])
        }
        Some(Host::Domain(name)) => name == "metadata.google.internal",
        None => false,
    }
}

/// Whether the certificate of the other side is not believed.
fn untrusted(error: &(dyn Error + 'static)) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// An I/O error that wraps another one does not name it as its source, so both ways are followed.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_error(wrapped?))
        .or_else(|| tls_error(error.source()?))
}

/// The innermost cause: the outer layers only say "error sending request".
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
