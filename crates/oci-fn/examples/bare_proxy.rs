//! A floor for `make bench`: a hyper server on a Unix socket that posts each body on to a URL over a kept connection. The
//! same two hops as the function, and not one decision.
#![expect(clippy::unwrap_used, reason = "a floor ends where it fails")]

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (socket, url, key, body) = (
        arguments.next().unwrap(),
        arguments.next().unwrap(),
        arguments.next().unwrap(),
        arguments.next().unwrap(),
    );
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (client, url, key, body) = (client.clone(), url.clone(), key.clone(), body.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (client, url, key, body) = (client.clone(), url.clone(), key.clone(), body.clone());
            async move {
                request.into_body().collect().await.unwrap();
                let onward = Request::post(url)
                    .header("ApiKey", key)
                    .header("content-type", "application/json")
                    .body(Full::from(body))
                    .unwrap();
                let answer = client.request(onward).await.unwrap();
                let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(Response::new(Full::new(bytes)))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}
