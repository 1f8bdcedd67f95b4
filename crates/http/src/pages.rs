//! The relay's own pages, for those who watch it: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use mdss_relay_core::{Answers, Cause, Failure, Watch};
use mdss_relay_request::{Happened, Rejection, answer};
use mdss_relay_spool::seam::Engine;
use mdss_relay_spool::{Clock, Spool, SystemClock};
use tokio::time::timeout;

use crate::arrived::pairs;
use crate::connection::HEAD_TIMEOUT;
use crate::ledger::{Book, Seen};
use crate::metrics::{Cluster, Counters, results_text};
use crate::rejections::Rejections;
use crate::request::{Peer, given};
use crate::response::response;
use crate::results::Results;
use crate::state::Shared;

/// The longest `/metrics` waits for the spool. Prometheus waits 10 s for a page
/// (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>, `scrape_timeout`), and would take a relay whose disk
/// hangs for one that is down.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(2);

/// The pages, beside something else.
pub(crate) fn pages() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(|| async { response(answer(&Happened::Alive, &Answers::DEFAULT)) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(watched))
}

/// The pages, on a port where there is nothing else.
pub(crate) fn pages_alone() -> Router<Arc<Shared>> {
    pages().fallback(wrong_port)
}

/// When connections are short, one on which nothing is asked goes before one on which a page is.
async fn watched(Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    let _guard = peer.connection.begin_request();
    next.run(request).await
}

/// Whether events are taken: in direct mode a relay that listens is ready, with a spool it must be possible to write to it.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let Some(spool) = &shared.spool else {
        return response(answer(&Happened::Ready, &Answers::DEFAULT));
    };
    let happened = match timeout(HEAD_TIMEOUT, spool.ready()).await {
        Ok(Ok(())) => Happened::Ready,
        Ok(Err(trouble)) => Happened::NotReady(trouble.to_string()),
        Err(_) => Happened::NotReady("what keeps the events does not answer".to_owned()),
    };
    response(answer(&happened, &Answers::DEFAULT))
}

/// Counters and gauges, for Prometheus.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let ledger = shared.book.as_ref().map(Book::seen);
    let results = shared.results.as_ref().map(Results::seen);
    let (ledger, results) = (ledger.as_ref(), results.as_ref());
    let mut page = page(&shared.counters, &shared.watch, shared.spool.as_ref(), ledger).await;
    if let Some(seen) = results {
        page.push_str(&results_text(seen));
    }
    response(answer(&Happened::Counted(page), &Answers::DEFAULT))
}

async fn page(counters: &Counters, watch: &Watch, spool: Option<&Spool>, ledger: Option<&Seen>) -> String {
    let Some(spool) = spool else { return counters.text(&watch.read(), None, None, None) };
    let (snapshot, cluster) = tokio::join!(timeout(SCRAPE_TIMEOUT, spool.snapshot()), cluster(spool));
    match snapshot {
        Ok(Ok(snapshot)) => {
            counters.text(&watch.read(), Some((&snapshot.counts, Some(&snapshot))), cluster.as_ref(), ledger)
        }
        _ => counters.text(&watch.read(), Some((&spool.counts(), None)), cluster.as_ref(), ledger),
    }
}

/// What is known of the database; `None` where a file keeps the events.
async fn cluster(spool: &Spool) -> Option<Cluster> {
    let engine = spool.engine();
    let Engine::Postgres(_) = engine else { return None };
    let (sharing, replicas, noted) = tokio::join!(
        timeout(SCRAPE_TIMEOUT, engine.sharing()),
        timeout(SCRAPE_TIMEOUT, engine.replicas()),
        timeout(SCRAPE_TIMEOUT, engine.noted()),
    );
    let noted = noted.ok().and_then(Result::ok).flatten();
    Some(Cluster {
        standing: engine.standing(),
        replicas: replicas.ok().and_then(Result::ok).unwrap_or_default(),
        sharing: sharing.ok().flatten(),
        accepted: noted.map(|noted| noted.health.last_minute(SystemClock.now()).1),
    })
}

/// Another method than GET on one of them. The router adds which are allowed.
async fn wrong_method(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let client = shared.running.borrow().proxies.client(peer.address, &pairs(request.headers()));
    let detail = format!("expected a GET, found {:?}", request.method().as_str());
    let failure = Failure::new(Cause::MethodNotAllowed, detail);
    let rejections = Rejections { refusals: &shared.refusals, client };
    let answer = rejections.reject(None, Rejection::WrongMethodOnPage, &failure);
    given(&shared, None, client, response(answer)).await
}

/// Anything else, where there are only pages.
async fn wrong_port(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let client = shared.running.borrow().proxies.client(peer.address, &pairs(request.headers()));
    let detail =
        "this port has /metrics, /readyz and /healthz alone (RELAY_ADMIN_LISTEN); events go to the other one";
    let failure = Failure::new(Cause::UnknownPath, detail);
    let rejections = Rejections { refusals: &shared.refusals, client };
    let answer = rejections.reject(None, Rejection::UnknownPath, &failure);
    given(&shared, None, client, response(answer)).await
}

#[cfg(test)]
mod tests {
    use mdss_relay_spool::{Clock, Config, Moment, Place, SystemClock};

    use super::*;

    /// Does not come back on the spool's own thread, as a disk may not.
    struct Hanging;

    impl Clock for Hanging {
        fn now(&self) -> Moment {
            while std::thread::current().name() == Some("spool") {
                std::thread::park();
            }
            SystemClock.now()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counters_are_shown_before_prometheus_gives_up_on_a_disk_that_hangs() {
        let dir = tempfile::tempdir().unwrap();
        // It is set aside under a name with the time.
        std::fs::write(dir.path().join("spool.db"), "this is no database").unwrap();
        let config = Config { place: Place::Directory(dir.path().to_owned()), limit: 1 << 30 };
        let (spool, _) = Spool::start(config, Arc::new(Hanging)).unwrap();
        let started = tokio::time::Instant::now();
        let text = page(&Counters::default(), &Watch::default(), Some(&spool), None).await;
        assert!(text.contains("\nmdss_relay_spool_up 0\n"), "{text}");
        assert!(text.contains("\nmdss_relay_spool_spooled_total 0\n"), "{text}");
        assert_eq!(started.elapsed().as_secs(), SCRAPE_TIMEOUT.as_secs());
    }
}
