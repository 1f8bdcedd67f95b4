//! Reading a request's body: whole, up to the platform's limit, and beyond it only to get rid of it.
//!
//! A refused body is read to its end all the same, because a client still writing when the connection closes
//! may never come to read the answer; and Fn's agent shuts a container down whose answer it cannot read.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

/// How much more than the limit is read and thrown away before the connection is given up instead.
const DRAIN_LIMIT: usize = 32 * 1024 * 1024;

/// Whether the end of a body was seen. Only then can its connection carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was read to its end.
    Reached,
    /// There may be more of it on the connection.
    Abandoned,
}

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    Whole(Vec<u8>),
    /// More bytes than the limit; none of them kept.
    TooLarge(Ending),
    /// The client went away, or its chunks are no chunks.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize) -> Intake {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    if announced > limit {
        return Intake::TooLarge(drain(body).await);
    }
    let mut whole = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Intake::Broken };
        // Anything but data is a trailer, and the contract has none.
        let Some(data) = frame.data_ref() else { continue };
        if whole.len() + data.len() > limit {
            drop(whole);
            return Intake::TooLarge(drain(body).await);
        }
        whole.extend_from_slice(data);
    }
    Intake::Whole(whole)
}

/// Reads a body that nobody wants, up to a bound.
pub async fn drain<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Ending {
    let mut left = DRAIN_LIMIT;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ending::Abandoned };
        let size = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return Ending::Abandoned,
        }
    }
    Ending::Reached
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    const LIMIT: usize = 6 * 1024 * 1024;

    /// A body without an announced length, in pieces: what chunked coding gives.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn pieces(size: usize) -> Pieces {
        let whole = Bytes::from(vec![b'x'; size]);
        Pieces((0..size).step_by(65_521).map(|from| whole.slice(from..size.min(from + 65_521))).collect())
    }

    #[tokio::test]
    async fn the_limit_itself_is_accepted() {
        let table = [
            (0, None),
            (1, None),
            (LIMIT, None),
            (LIMIT + 1, Some(Ending::Reached)),
            (DRAIN_LIMIT, Some(Ending::Reached)),
            (LIMIT + DRAIN_LIMIT + 200_000, Some(Ending::Abandoned)),
        ];
        for (size, too_large) in table {
            let want = || too_large.map_or_else(|| Intake::Whole(vec![b'x'; size]), Intake::TooLarge);
            // Not `assert_eq`: nobody wants to read six megabytes.
            assert!(
                read(Full::new(Bytes::from(vec![b'x'; size])), LIMIT).await == want(),
                "{size} announced"
            );
            assert!(read(pieces(size), LIMIT).await == want(), "{size} in pieces");
        }
    }
}
