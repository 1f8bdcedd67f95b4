//! Reading a request's body: counted while it comes, and never waited for without end.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::budget::{Room, SMALL_BODY};

/// A sender that is admitted and then sends nothing holds a place, so it gets only so long.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body may still take once the server has been asked to stop.
const LAST_CALL: Duration = Duration::from_secs(2);

/// How much of a refused body is read on, and for how long.
const MOST_DRAINED: usize = 32 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a body could not be had.
#[derive(Debug)]
pub(crate) enum Unread {
    /// More than the limit; the bytes that were announced or seen.
    TooLarge {
        /// Bytes, at least.
        seen: u64,
    },
    TooSlow,
    Broken(String),
    Stopping,
    /// Other bodies have the room.
    NoMemory,
}

/// The whole body, of at most `limit` bytes, with `room` for it.
pub(crate) async fn read(
    body: Body,
    headers: &HeaderMap,
    limit: usize,
    stopping: watch::Receiver<bool>,
    room: &mut Room<'_>,
) -> Result<Vec<u8>, Unread> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let Some(seen) = announced.filter(|n| *n > limit as u64) {
        tokio::select! {
            _ = drain(body) => {}
            () = last_call(stopping) => {}
        }
        return Err(Unread::TooLarge { seen });
    }
    tokio::select! {
        whole = timeout(BODY_TIMEOUT, whole(body, announced, limit, room)) => whole.unwrap_or(Err(Unread::TooSlow)),
        () = last_call(stopping) => Err(Unread::Stopping),
    }
}

async fn whole(
    mut body: Body,
    announced: Option<u64>,
    limit: usize,
    room: &mut Room<'_>,
) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    // Where a length is announced it is waited for as a whole, before anything is read: two halves of two bodies would wait for
    // each other. It is no more than the limit, and `hyper` reads no more than it says.
    let mut expected = announced.and_then(|n| usize::try_from(n).ok()).unwrap_or(SMALL_BODY);
    if !room.hold(expected).await {
        return Err(Unread::NoMemory);
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Unread::Broken(e.to_string()))?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let length = bytes.len() + data.len();
        if length > limit {
            drop(bytes);
            let seen = (length + drain(body).await) as u64;
            return Err(Unread::TooLarge { seen });
        }
        if length > expected {
            expected = length.max(2 * expected).min(limit);
            if !room.hold(expected).await {
                return Err(Unread::NoMemory);
            }
        }
        if length > bytes.capacity() {
            // As it comes, and not as it is announced: an announcement costs nothing.
            let capacity = length.max(2 * bytes.capacity()).min(expected);
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

async fn last_call(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_ok() {
        sleep(LAST_CALL).await;
    }
}

/// Reads on for a while without keeping anything, and counts: most senders read no answer before they have sent
/// everything, and a connection closed under them would look like a broken network instead of a 413.
async fn drain(mut body: Body) -> usize {
    let mut seen = 0;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST_DRAINED {
                break;
            }
        }
    };
    let _ = timeout(DRAIN_TIMEOUT, rest).await;
    seen
}
