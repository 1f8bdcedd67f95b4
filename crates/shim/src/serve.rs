//! The platform's side: connections, and on each of them one request after the other.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service;

use crate::desk::Desk;
use crate::wire::Wire;
use crate::work::{GRACE, Turns, asked_to_stop, work};

/// After a refused `accept`: long enough not to spin while file descriptors are short (EMFILE), short enough
/// for a call.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much of a request is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most headers of a head.
    pub headers: usize,
    /// The most bytes of a head, request line and headers together.
    pub head_bytes: usize,
}

/// How a runner serves.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    /// How many calls the handler has in its hands.
    pub turns: Turns,
    /// The largest body that is taken, in bytes.
    pub body_limit: usize,
    /// How long what the acceptor gave may take, after the end, to come to its own: a runner that asks for its events has a result to
    /// post, which nobody fetches. Zero for those whose clients do.
    pub parting: Duration,
}

/// Serves `handler` until `shutdown` completes and the calls that have been accepted are answered.
///
/// `acceptor` is given the desk and what says that the end is asked for, and gives the future in which connections are accepted
/// ([`accept`]); it is spawned before `ready` is called, which says to the platform that calls may come; what
/// it gives is dropped when the end is asked for, so that nobody is invited any longer. Connections that are amid
/// sending a request at the end get one more second; then what the acceptor gave is dropped, after [`Serving::parting`]. Dropping the future ends everything at once.
///
/// # Errors
///
/// What `ready` says; and the handler's own error if its `poll_ready` failed, after which a `tower::Service` must not be used again
/// (tower-service, `Service::poll_ready`).
pub async fn serve<A, F, R, C, G, E>(
    handler: F,
    serving: Serving,
    acceptor: impl FnOnce(Desk, watch::Receiver<bool>) -> C,
    ready: impl FnOnce() -> Result<G, E>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), E>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + Debug,
    A: for<'de> Deserialize<'de>,
    R: Serialize,
    C: Future<Output = ()> + Send + 'static,
    E: From<Diagnostic>,
{
    let Serving { turns, body_limit, parting } = serving;
    let (stop, stopping) = watch::channel(false);
    // One place: whoever else comes waits on its own connection, in order, and leaves when its time is over.
    let (calls, queue) = mpsc::channel(1);
    let mut connections = JoinSet::new();
    connections.spawn(acceptor(Desk { calls, body_limit }, stopping.clone()));
    let invitation = ready()?;

    let closing = async {
        shutdown.await;
        drop(invitation);
        stop.send_replace(true);
        // What remains is `work`'s: it ends when everybody has been answered.
        std::future::pending::<Infallible>().await
    };
    let outcome = tokio::select! {
        outcome = work(handler, turns, queue, stopping) => outcome,
        never = closing => match never {},
    };
    stop.send_replace(true);
    // The answer that goes with an error is still on its way out.
    let parting = if outcome.is_err() { parting.max(GRACE) } else { parting };
    if !parting.is_zero() && timeout(parting, connections.join_next()).await.is_err() {
        tracing::warn!("what was still under way is cut off: the process ends");
    }
    Ok(outcome?)
}

/// Accepts connections until told to stop, and outlives them. `next` is the listener's `poll_accept`, `serve` what becomes of a
/// connection.
pub async fn accept<S, C: Future<Output = ()> + Send + 'static>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>>,
    mut stopping: watch::Receiver<bool>,
    serve: impl Fn(S) -> C,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked_to_stop(&mut stopping) => break,
            accepted = poll_fn(&mut next) => match accepted {
                Ok(stream) => drop(connections.spawn(serve(stream))),
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Only to forget the ones that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop((next, serve));
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end, which is the client's to choose: this side never closes an idle one, or
/// a POST sent at that very moment would be lost (neither Go nor .NET repeats it). Hence no timer and no time-out for
/// reading heads, which in hyper also runs between requests (hyper 1.12.0, `src/proto/h1/conn.rs`,
/// `poll_read_head`).
///
/// `malformed` is answered to a head that cannot be read or is above the limits, which no `answer` is asked about: hyper's own answer would be
/// none of the platform's. Whatever else is answered with 4xx needs a `Content-Type`, by which it is told from hyper's.
pub async fn connection<A: Future<Output = Response<Full<Bytes>>>>(
    stream: impl Read + Write + Unpin,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
    malformed: impl Fn() -> Response<Full<Bytes>> + Unpin,
    answer: impl Fn(Request<Incoming>) -> A,
) {
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes)
        .serve_connection(Wire::new(stream, malformed), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asked_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away amid a request, for the most part.
        tracing::debug!(%error, "a connection broke");
    }
}
