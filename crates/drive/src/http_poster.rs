//! Any sender of webhooks, over plain HTTP.

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
/// It speaks `http` only: it is for servers on this machine, and a tool that also spoke TLS would be taken for one
/// that may be pointed anywhere. It follows no redirect and repeats nothing.
#[derive(Clone, Debug)]
pub struct HttpPoster {
    client: Client<HttpConnector, Full<Bytes>>,
    limit: Duration,
}

impl HttpPoster {
    /// `limit` is for each call as a whole: connecting, sending, and reading the answer to its end.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        // Otherwise a small request on a kept connection can wait for the delayed acknowledgement of the one before.
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            // It would repeat a request whose kept connection was closed under it. The caller counts deliveries.
            .retry_canceled_requests(false)
            .build(connector);
        Self { client, limit }
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
        let request = request(method, url, headers, body.into())?;
        let started = Instant::now();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| DriveError::Connection {
                what: "the request could not be sent, or the answer could not be read".to_owned(),
                source: error.into(),
            })?;
            Answer::read(response, started).await
        };
        timeout(self.limit, exchange).await.map_err(|_| DriveError::NoAnswer { after: self.limit })?
    }
}

fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, DriveError> {
    let uri: Uri = url.parse().map_err(|_| DriveError::Usage(format!("not a URL: {url:?}")))?;
    match uri.scheme_str() {
        Some("http") => {}
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
            let error = request(method, url, &[header], Bytes::new()).unwrap_err().to_string();
            assert!(error.starts_with(sentence) && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}
