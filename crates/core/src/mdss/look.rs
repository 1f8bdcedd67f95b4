//! The way to MDSS step by step, and what may be asked there that submits nothing: for whoever examines a set-up. A relay at work
//! uses nothing of this.

use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, DATE, HeaderName};
use http_body_util::BodyExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::mdss::client::{Client, proxy_wants_password, tls_failure};
use crate::mdss::connect::header;
use crate::mdss::trust;
use crate::mdss::way::{Way, authority, place};
use crate::model::failure::{Cause, Failure};
use crate::plain::secret::Secret;

/// What is read of a page. The list of a thousand storage units is some hundred kilobytes.
const MOST_PAGE: usize = 4 << 20;

/// How MDSS is reached, as the settings have it.
#[derive(Clone)]
pub struct Approach {
    /// The host of the endpoint; an address of version 6 without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is asked with TLS.
    pub tls: bool,
    /// The path of the webhook.
    pub path: String,
    /// The proxy that is to be passed.
    pub proxy: Option<ProxyPlace>,
    /// Whether certificates are checked (`RELAY_TLS_VERIFY`).
    pub verify: bool,
    /// The longest that a connection may take, with its TLS.
    pub connect_timeout: Duration,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// A proxy on the way.
#[derive(Clone, Debug)]
pub struct ProxyPlace {
    /// Its name for a sentence, without anything secret: `http://proxy.example:3128`.
    pub name: String,
    /// Its host; an address of version 6 without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is asked with TLS itself.
    pub tls: bool,
    /// What it is sent as `Proxy-Authorization`.
    pub authorization: Option<Secret>,
}

impl Approach {
    /// Checks certificates, waits for nothing and trusts nobody of its own: the settings fill that in.
    pub(crate) fn new(url: &Url, way: &Way) -> Option<Self> {
        let proxy = match way {
            Way::Direct => None,
            Way::Through(proxy) => Some(ProxyPlace {
                name: place(proxy),
                host: host(proxy)?,
                port: proxy.port_or_known_default()?,
                tls: proxy.scheme() == "https",
                authorization: way.authorization(),
            }),
        };
        Some(Self {
            host: host(url)?,
            port: url.port_or_known_default()?,
            tls: url.scheme() == "https",
            path: url.path().to_owned(),
            proxy,
            verify: true,
            connect_timeout: Duration::ZERO,
            certificates: Vec::new(),
        })
    }

    /// TLS as the relay has it.
    ///
    /// # Errors
    /// If `ring` and rustls do not fit each other, which a build would have shown.
    pub fn tls(&self) -> Result<rustls::ClientConfig, String> {
        if self.verify { trust::public_tls(&self.certificates) } else { trust::unverified_tls() }
    }

    /// What an error of TLS means and what to do about it, in the words of the log; `None`: something that may pass.
    pub fn tls_fault(error: &rustls::Error, server: &str) -> Option<String> {
        tls_failure(error, server).map(|(_, sentence)| sentence)
    }
}

impl fmt::Debug for Approach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approach")
            .field("host", &self.host)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

fn host(url: &Url) -> Option<String> {
    Some(url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// With what a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Nothing,
    /// The API key in its own header.
    Key,
    /// The API key as a bearer token. OPSWAT's example sends the token of a log-in so (`OPSWAT/metadefender-k8s`,
    /// `terraform/mdss-tf-config-examples/main.tf`).
    Bearer,
}

/// A page that came back. No `Debug`: it holds a whole body.
pub struct Page {
    /// Its status.
    pub status: u16,
    /// What the server takes for the time (`Date`).
    pub date: Option<Timestamp>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// From the call to the head of the answer, including a new connection if one was needed.
    pub took: Duration,
}

impl Client {
    /// Gets a path of the endpoint's host, perhaps with a query, on the way on which objects go. Nothing is submitted by it.
    ///
    /// # Errors
    /// What kept an answer from coming, or the proxy's word. Never holds the endpoint's URL or the key.
    pub async fn look(&self, path: &str, with: Credential) -> Result<Page, Failure> {
        let (endpoint, key) = (self.endpoint(), self.key());
        let mut url = endpoint.url.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        let credential = match with {
            Credential::Nothing => None,
            Credential::Key => Some((HeaderName::from_static("apikey"), key.header.clone())),
            Credential::Bearer => {
                let bearer = Secret::new(&format!("Bearer {}", key.secret.expose()));
                Some((AUTHORIZATION, header(&bearer).expect("a key is visible ASCII")))
            }
        };
        let started = Instant::now();
        let end = started + endpoint.timeout;
        let (mut response, connection) = self.get(&url, credential, end).await?;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        if let (407, Some(proxy)) = (status, endpoint.way.proxy()) {
            return Err(Failure::new(Cause::MdssProxy, proxy_wants_password(&proxy)));
        }
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date
            .and_then(|date| rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(date).ok());
        let mut body = Vec::new();
        loop {
            match timeout_at(end, response.frame()).await {
                Ok(Some(Ok(frame))) => body.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Ok(None) => {
                    self.keep(connection);
                    break;
                }
                Ok(Some(Err(_))) | Err(_) => break,
            }
            if body.len() > MOST_PAGE {
                break;
            }
        }
        Ok(Page { status, date, body, took })
    }

    /// Host and port of the endpoint, for a sentence.
    pub fn server(&self) -> String {
        authority(&self.endpoint().url)
    }
}
