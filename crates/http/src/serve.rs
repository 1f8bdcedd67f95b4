//! The life of a server: it listens, attends to connections, and stops.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Extension;
use mdss_relay_core::{Cause, Failure};
use mdss_relay_spool::Keeping;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::admit::Memory;
use crate::answers::{Happened, answer};
use crate::budget::Budget;
use crate::configuration::{Configuration, InForce};
use crate::connection::{Connection, HEAD_TIMEOUT, Unreadable, connection, drive};
use crate::keeping;
use crate::metrics::Meter;
use crate::pages::pages;
use crate::patience::Patience;
use crate::refusals::Refusals;
use crate::request::{Visit, receive};
use crate::seats::{House, Seat, Seats};
use crate::state::Shared;

/// The longest a stop waits for the spool's file to be closed. It need not be: that only makes the next start quicker.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest a head may take where there is only standing room, and the longest such a connection may stay. Whoever watches
/// has one line to say.
const STANDING_HEAD: Duration = Duration::from_secs(2);
const STANDING: Duration = Duration::from_secs(15);

/// How often is looked for what is to be said of refusals that had no line.
const LOOK: Duration = Duration::from_secs(5);

/// A server: its configuration, which can be exchanged while it runs, and what it has counted.
pub struct Server {
    pub(crate) running: watch::Sender<Arc<InForce>>,
    pub(crate) meter: Arc<Meter>,
}

/// Listens where the settings say.
///
/// # Errors
/// The operating system's word, with the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))
}

impl Server {
    /// One that has not begun to serve.
    pub fn new(configuration: Configuration) -> Self {
        let meter = Meter::default();
        meter.expect(configuration.sources.names());
        Self { running: watch::Sender::new(Arc::new(InForce::first(configuration))), meter: Arc::new(meter) }
    }

    /// Serves until `stop` is over. Then the port closes, bodies that are still on their way get two seconds, and calls in
    /// flight are finished: one deadline later, at the latest, and a little for the answers, connections are cut; one more, for
    /// what the worker has under way, and it returns. What is on disk stays there for the next start.
    ///
    /// # Errors
    /// If the listener's own address cannot be told, or the system has no thread for the spool. A connection that fails
    /// concerns nobody else.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let address = listener.local_addr()?;
        let running = self.running.subscribe();
        let first = running.borrow().clone();
        let grace = first.relay.settings().deadline + HEAD_TIMEOUT;
        let (spool, kept) = match &first.relay.settings().spool {
            Some(settings) => {
                let (spool, kept) = keeping::open(settings)?;
                (Some(spool), Some(kept))
            }
            None => (None, None),
        };
        let (alive, mut all_done) = mpsc::channel(1);
        let stop_worker = watch::Sender::new(false);
        let worker = spool
            .clone()
            .map(|spool| tokio::spawn(keeping::empty(spool, running.clone(), stop_worker.subscribe())));
        let shared = Arc::new(Shared {
            running,
            spool,
            memory: Arc::new(Memory::new()),
            budget: Budget::new(),
            refusals: Arc::new(Refusals::new()),
            meter: self.meter.clone(),
            patience: Patience::default(),
            stopping: watch::Sender::new(false),
            count: AtomicU64::new(0),
            _alive: alive,
        });
        let router = pages().fallback(receive).with_state(shared.clone());
        if let Some(way) = first.way() {
            info!("{way}");
        }
        info!({ "server.address" = %address.ip(), "server.port" = address.port() }, "listening on http://{address}");

        let house = House::of(files(), first.relay.settings().concurrency);
        if let (seats, true) = house.size() {
            warn!("{seats} connections at once, because no more files may be open (ulimit -n)");
        }
        let mut tasks = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let seats = Seats::new(house);
        let refusals = shared.refusals.clone();
        let teller = tokio::spawn(async move {
            loop {
                sleep(LOOK).await;
                tell_more(&refusals, false);
            }
        });
        loop {
            let next = async {
                let (stream, peer) = listener.accept().await?;
                let trusted = shared.running.borrow().proxies.trust(peer.ip());
                let welcome = seats.take(peer.ip(), trusted).await;
                if welcome.at_cost {
                    crowded(
                        &shared,
                        peer.ip(),
                        "connections_short",
                        "connections that had proven nothing were closed, to make room",
                    );
                }
                Ok::<_, std::io::Error>((stream, peer.ip(), welcome.seat))
            };
            let (stream, peer, seat) = tokio::select! {
                next = next => match next {
                    Ok((stream, peer, Some(seat))) => (stream, peer, seat),
                    Ok((_, peer, None)) => {
                        crowded(
                            &shared,
                            peer,
                            "connections_taken",
                            "connections are closed at once: this address has all that one may have, or all are taken; if it is a \
                             proxy, name it in trusted_proxies",
                        );
                        continue;
                    }
                    Err(error) => {
                        // Out of file descriptors, mostly: some will be closed soon.
                        if let Some(more) = shared.refusals.line(None, "accept", None) {
                            let more = (more > 0).then_some(more);
                            warn!({ %error, "mdss.repeats" = more }, "a connection could not be accepted");
                        }
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let _ = stream.set_nodelay(true);
            let visit = Visit { peer, guest: seat.guest(), standing: seat.is_standing() };
            let router = router.clone().layer(Extension(visit));
            let patience = if seat.is_standing() { STANDING_HEAD } else { HEAD_TIMEOUT };
            let connection = connection(stream, router, patience, !seat.is_standing());
            // Those that have ended are forgotten.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(attend(shared.clone(), seat, peer, connection));
        }
        teller.abort();
        let refusals = shared.refusals.clone();
        shared.stopping.send_replace(true);
        drop(listener);
        info!("stopping; calls in flight are finished first");
        let finish = async {
            // Connections share it until their last answer is written, and deliveries whose sender has gone meanwhile as well.
            drop((router, shared));
            let _ = all_done.recv().await;
        };
        if timeout(grace, finish).await.is_err() {
            warn!("stopped with calls in flight; their senders have had no answer and repeat them");
        }
        // A client that does not read has a connection that never ends; with it goes what it holds of the spool.
        tasks.shutdown().await;
        tell_more(&refusals, true);
        // The worker goes last: what the last calls have put on disk it may still send. What it has under way is finished.
        stop_worker.send_replace(true);
        if let Some(worker) = worker
            && timeout(grace, worker).await.is_err()
        {
            warn!(
                "stopped while MDSS was asked; what it has not answered is asked again after the next start"
            );
            return Ok(());
        }
        if let Some(kept) = kept
            && timeout(CLOSE_TIMEOUT, closed(kept)).await.is_err()
        {
            warn!("stopped while the spool's file was not closed; what is in it is read at the next start");
        }
        Ok(())
    }
}

/// How many files this process may have open; `None` if there is no limit.
fn files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Attends to a connection until its end, or until its seat is wanted for somebody else.
async fn attend(shared: Arc<Shared>, seat: Seat, peer: IpAddr, connection: Connection<TcpStream>) {
    let guest = seat.guest();
    tokio::select! {
        () = converse(&shared, peer, connection) => {}
        () = guest.told_to_leave() => {}
        () = sleep(STANDING), if seat.is_standing() => {}
    }
}

/// Drives a connection to its end. A request that could not be read gets what every other one gets that is refused: a line, a
/// count, and a report.
async fn converse(shared: &Shared, peer: IpAddr, connection: Connection<TcpStream>) {
    let mut stopping = shared.stopping.subscribe();
    let stop = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let Err(broken) = drive(connection, stop).await else { return };
    let Some(Unreadable { rejection, error_type, why }) = broken.unreadable() else {
        tracing::debug!(error = %broken.error, client.address = %peer, "a connection ended early");
        return;
    };
    let failure = Failure::new(Cause::Unreadable, why);
    let answer = answer(&Happened::Rejected(rejection, &failure));
    let status = answer.status.as_u16();
    shared.meter.answered(None, status);
    if let Some(more) = shared.refusals.line(None, error_type, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!(
            { "error.type" = error_type, "client.address" = %peer, "http.response.status_code" = status,
              "mdss.repeats" = more },
            "a request could not be read: {}", failure.detail
        );
    }
    broken.answer(answer.last().as_bytes()).await;
}

/// Says that connections were closed, once a minute for each address.
fn crowded(shared: &Shared, peer: IpAddr, reason: &'static str, what: &str) {
    if let Some(more) = shared.refusals.line(None, reason, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!({ "error.type" = reason, "client.address" = %peer, "mdss.repeats" = more }, "{what}");
    }
}

/// Says how many refusals had no line of their own.
fn tell_more(refusals: &Refusals, end: bool) {
    for more in refusals.more(end) {
        let address = more.host.map(|host| host.to_string());
        warn!(
            { "mdss.source" = more.source, "mdss.check" = more.reason.check, "error.type" = more.reason.error_type,
              "client.address" = address, "mdss.repeats" = more.count },
            "the same came {} more times after the last line about it", more.count
        );
    }
}

/// Waits until the spool's file is closed: on a thread that a process that ends does not wait for, because the disk may not
/// answer.
async fn closed(kept: Keeping) {
    let (done, waited) = oneshot::channel();
    let closing = std::thread::Builder::new().name("closing".into()).spawn(move || {
        kept.wait();
        let _ = done.send(());
    });
    if closing.is_ok() {
        let _ = waited.await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use mdss_relay_spool::{Config, Spool, SystemClock};

    use super::*;

    #[test]
    fn a_file_that_is_not_closed_keeps_no_process_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { dir: dir.path().to_owned(), limit: 1 << 30 };
        let (spool, kept) = Spool::start(config, Arc::new(SystemClock)).unwrap();
        let (done, ended) = channel();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            let outcome = runtime.block_on(async { timeout(CLOSE_TIMEOUT, closed(kept)).await });
            // Waits for blocking tasks, as the end of `main` does.
            drop(runtime);
            let _ = done.send(outcome.is_ok());
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(30)), Ok(false));
        drop(spool);
    }
}
