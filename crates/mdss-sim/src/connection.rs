//! One connection: hyper serves it until it ends, or until an answer needs what hyper does not do.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use crate::config::Date;
use crate::ending::{Socket, Visit};
use crate::front;
use crate::shared::Shared;

/// Serves one connection to its end.
pub(crate) async fn serve<S: Socket>(shared: Arc<Shared>, visit: Visit, socket: S) {
    let (end, mut ended) = mpsc::channel(1);
    let dated = shared.config.date != Date::Absent;
    let service = service_fn(move |request| {
        let (shared, end) = (Arc::clone(&shared), end.clone());
        async move {
            match front::attend(&shared, visit, request).await {
                Ok(reply) => Ok::<Response<Full<Bytes>>, Infallible>(reply.into()),
                Err(ending) => {
                    // The connection takes over and drops this future with the rest.
                    let _ = end.send(ending).await;
                    std::future::pending().await
                }
            }
        }
    });
    let mut serving =
        http1::Builder::new().auto_date_header(dated).serve_connection(TokioIo::new(socket), service);
    let ending = tokio::select! {
        _ = &mut serving => return,
        Some(ending) = ended.recv() => ending,
    };
    ending.enact(serving.into_parts().io.into_inner()).await;
}
