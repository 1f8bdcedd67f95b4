//! Taking connections, and attending to each until its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use mdss_relay_core::{Answers, Cause, Failure, fields};
use mdss_relay_request::{Happened, answer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use crate::connection::{Connection, HEAD_TIMEOUT, Unreadable, connection, drive};
use crate::refusals::Refusals;
use crate::request::Peer;
use crate::response::last;
use crate::slots::{Assigned, Slot, Slots};
use crate::state::Shared;

/// The longest a head may take in a probe-only slot, and the longest such a connection may stay. A probe has one line to say.
const PROBE_HEAD: Duration = Duration::from_secs(2);
const PROBE: Duration = Duration::from_secs(15);

/// The pause after a connection that could not be accepted. Mostly there are no file descriptors left, and some are closed soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections, for ever; each is attended to on one of `tasks`.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    slots: &Slots,
    router: &Router,
    tasks: &mut JoinSet<()>,
) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                if let Some(more) = shared.refusals.line(None, "accept", None) {
                    let more = (more > 0).then_some(more);
                    warn!({ fields::ERROR } = %error, { fields::REPEATS } = more, "a connection could not be accepted");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let trusted = shared.running.borrow().proxies.trust(address);
        let Assigned { slot, evicted } = slots.take(address, trusted).await;
        if evicted {
            closed(
                &shared.refusals,
                address,
                "connections_short",
                "connections that had not authenticated were closed to make room for new ones",
            );
        }
        let Some(slot) = slot else {
            closed(
                &shared.refusals,
                address,
                "connections_taken",
                "new connections from this address are closed at once: it has as many as one address may have, or all are in use; if \
                 it is a proxy, name it in trusted_proxies",
            );
            continue;
        };
        let _ = stream.set_nodelay(true);
        let probe_only = slot.is_probe_only();
        let router =
            router.clone().layer(Extension(Peer { address, connection: slot.connection(), probe_only }));
        let head_timeout = if probe_only { PROBE_HEAD } else { HEAD_TIMEOUT };
        let connection = connection(stream, router, head_timeout, !probe_only);
        // Those that have ended are forgotten.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(attend(shared.clone(), slot, address, connection));
    }
}

/// Attends to a connection until its end, or until it is evicted.
async fn attend(shared: Arc<Shared>, slot: Slot, peer: IpAddr, connection: Connection<TcpStream>) {
    let state = slot.connection();
    tokio::select! {
        () = converse(&shared, peer, connection) => {}
        () = state.wait_for_eviction() => {}
        () = sleep(PROBE), if slot.is_probe_only() => {}
    }
}

/// Drives a connection to its end. A request that could not be read gets what every other rejected one gets: a line, a count, and
/// a report.
async fn converse(shared: &Shared, peer: IpAddr, connection: Connection<TcpStream>) {
    let mut stopping = shared.stopping.subscribe();
    let stop = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let Err(broken) = drive(connection, stop).await else { return };
    let Some(Unreadable { rejection, error_type, why }) = broken.unreadable() else {
        tracing::debug!({ fields::ERROR } = %broken.error, { fields::CLIENT_ADDRESS } = %peer, "a connection ended early");
        return;
    };
    let failure = Failure::new(Cause::Unreadable, why);
    let answer = answer(&Happened::Rejected(rejection, &failure), &Answers::DEFAULT);
    let status = answer.status;
    shared.counters.answered(None, status);
    if let Some(more) = shared.refusals.line(None, error_type, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!(
            { fields::ERROR_TYPE } = error_type,
            { fields::CLIENT_ADDRESS } = %peer,
            { fields::STATUS } = status,
            { fields::REPEATS } = more,
            "a request could not be read: {}", failure.detail
        );
    }
    broken.answer(last(&answer).as_bytes()).await;
}

/// Logs that connections were closed, once a minute for each address.
fn closed(refusals: &Refusals, peer: IpAddr, reason: &'static str, what: &str) {
    if let Some(more) = refusals.line(None, reason, Some(peer)) {
        let more = (more > 0).then_some(more);
        warn!({ fields::ERROR_TYPE } = reason, { fields::CLIENT_ADDRESS } = %peer, { fields::REPEATS } = more, "{what}");
    }
}

/// Logs how many refusals had no line of their own.
pub(crate) fn log_more(refusals: &Refusals, end: bool) {
    for more in refusals.more(end) {
        let address = more.host.map(|host| host.to_string());
        warn!(
            { fields::SOURCE } = more.source,
            { fields::CHECK } = more.reason.check,
            { fields::ERROR_TYPE } = more.reason.error_type,
            { fields::CLIENT_ADDRESS } = address,
            { fields::REPEATS } = more.count,
            "{} more of the same since the last line about it",
            more.count
        );
    }
}
