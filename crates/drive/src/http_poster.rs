//! Any sender of webhooks.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::error::DriveError;

/// Posts to an HTTP server, and keeps connections alive between the calls.
///
/// It speaks `http` only, unless it was told whose certificates it may trust: most of its users are tests, on loopback. It follows no
/// redirect and repeats nothing.
#[derive(Clone, Debug)]
pub struct HttpPoster {
    client: Way,
    limit: Duration,
}

#[derive(Clone, Debug)]
enum Way {
    Plain(Client<HttpConnector, Full<Bytes>>),
    #[cfg(feature = "tls")]
    Tls(Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl HttpPoster {
    /// `limit` is for each call as a whole: connecting, sending, and reading the answer to its end.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { client: Way::Plain(builder().build(connector())), limit }
    }

    /// The same for `https` too, with servers whose certificates `tls` accepts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(limit: Duration, tls: rustls::ClientConfig) -> Self {
        let mut connector = connector();
        connector.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self { client: Way::Tls(builder().build(connector)), limit }
    }

    /// Sends one request. `headers` go out as given, doubled ones doubled; `Host` and `Content-Length` are added
    /// unless they are given. A value may hold any bytes a header can, not only ASCII.
    ///
    /// # Errors
    ///
    /// [`DriveError::Usage`] for a URL that is not plain `http://`, and for a method or header that is none;
    /// [`DriveError::Connection`], [`DriveError::NoAnswer`], [`DriveError::TooLong`].
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, DriveError> {
        let request = request(method, url, headers, body.into(), self.schemes())?;
        let started = Instant::now();
        let exchange = async {
            let response = match &self.client {
                Way::Plain(client) => client.request(request).await,
                #[cfg(feature = "tls")]
                Way::Tls(client) => client.request(request).await,
            };
            let response = response.map_err(|error| DriveError::Connection {
                what: "the request could not be sent, or the answer could not be read".to_owned(),
                source: error.into(),
            })?;
            Answer::read(response, started).await
        };
        timeout(self.limit, exchange).await.map_err(|_| DriveError::NoAnswer { after: self.limit })?
    }

    fn schemes(&self) -> &'static [&'static str] {
        match self.client {
            Way::Plain(_) => &["http"],
            #[cfg(feature = "tls")]
            Way::Tls(_) => &["http", "https"],
        }
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    // Otherwise a small request on a kept connection can wait for the delayed acknowledgement of the one before.
    connector.set_nodelay(true);
    connector
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    // It would repeat a request whose kept connection was closed under it. The caller counts deliveries.
    builder.retry_canceled_requests(false);
    builder
}

fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
    schemes: &[&str],
) -> Result<Request<Full<Bytes>>, DriveError> {
    let uri: Uri = url.parse().map_err(|_| DriveError::Usage(format!("not a URL: {url:?}")))?;
    match uri.scheme_str() {
        Some(scheme) if schemes.contains(&scheme) => {}
        Some("https") => {
            let sentence = "the URL is https://, and only http:// is supported: put a proxy in front";
            return Err(DriveError::Usage(sentence.to_owned()));
        }
        _ => return Err(DriveError::Usage(format!("expected a URL beginning with http://, found {url:?}"))),
    }
    let method: Method =
        method.parse().map_err(|_| DriveError::Usage(format!("not an HTTP method: {method:?}")))?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for (name, value) in headers {
        // A header's value may be the secret, its name is not.
        let (name, value) = header(name, value)?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// A header from texts. The value is not quoted in the error: it may be a credential.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), DriveError> {
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        DriveError::Usage(format!("the value of the header {name:?} holds a control character"))
    })?;
    let name = name.parse().map_err(|_| DriveError::Usage(format!("not a header's name: {name:?}")))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_http_is_refused_with_a_sentence() {
        for (method, url, header, sentence) in [
            ("POST", "https://localhost/", ("a", "b"), "the URL is https://, and only http:// is supported"),
            ("POST", "localhost:8080", ("a", "b"), "expected a URL beginning with http://"),
            ("POST", "/events", ("a", "b"), "expected a URL beginning with http://"),
            ("POST", "http://a b/", ("a", "b"), "not a URL"),
            ("PO ST", "http://localhost/", ("a", "b"), "not an HTTP method"),
            ("POST", "http://localhost/", ("a b", "b"), "not a header's name"),
            (
                "POST",
                "http://localhost/",
                ("a", "s3cret\r\nb: c"),
                "the value of the header \"a\" holds a control",
            ),
        ] {
            let error = request(method, url, &[header], Bytes::new(), &["http"]).unwrap_err().to_string();
            assert!(error.starts_with(sentence) && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}
