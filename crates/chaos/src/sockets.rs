//! Senders that misbehave, on bare sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::oracle::Object;
use crate::sender::Sender;

/// How long a sender of this kind waits for its answer. It has time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a URL leads, and what is asked for there.
pub(crate) struct Target<'u> {
    authority: &'u str,
    path: &'u str,
}

impl<'u> Target<'u> {
    /// Of a URL that begins with `http://`; port 80 unless it says another.
    pub(crate) fn of(url: &'u str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("expected a URL beginning with http://, found {url:?}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self { authority, path: if path.is_empty() { "/" } else { path } })
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        match self.authority.contains(':') {
            true => TcpStream::connect(self.authority).await,
            false => TcpStream::connect((self.authority, 80)).await,
        }
    }

    fn head(&self, length: usize) -> Vec<u8> {
        let Self { authority, path } = self;
        format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes()
    }
}

/// What a socket is good for, in the order in which they are tried.
const KINDS: usize = 5;

/// One sender after the other: silent, half a head, half a body, trickling, hanging up. The first two are put into `held`,
/// open for as long as the caller likes.
pub(crate) async fn misbehave(
    sender: &Sender,
    which: usize,
    object: Object,
    held: &mut Vec<TcpStream>,
) -> Result<(), String> {
    let target = Target::of(&sender.url)?;
    let body = sender.body(&[object], &[]);
    let mut request = target.head(body.len());
    let head = request.len();
    request.extend_from_slice(&body);
    let Ok(mut socket) = target.connect().await else {
        sender.book.unanswered(&[object]);
        return Ok(());
    };
    let done = match which % KINDS {
        0 => {
            held.push(socket);
            false
        }
        1 => {
            let _ = socket.write_all(&request[..head / 2]).await;
            held.push(socket);
            false
        }
        2 => {
            let _ = socket.write_all(&request[..head + body.len() / 2]).await;
            false
        }
        3 => {
            let mut sent = Ok(());
            for piece in request.chunks(request.len() / 8 + 1) {
                sent = sent.and(socket.write_all(piece).await);
                sleep(Duration::from_millis(40)).await;
            }
            sent.is_ok() && timeout(PATIENCE, accepted(&mut socket)).await.is_ok_and(|done| done)
        }
        // The answer is never read; what was sent may be kept.
        _ => {
            let _ = socket.write_all(&request).await;
            false
        }
    };
    if done {
        sender.book.acknowledged(&[object]);
    } else {
        sender.book.unanswered(&[object]);
    }
    Ok(())
}

/// Whether the first line of an answer is a 2xx.
async fn accepted(socket: &mut TcpStream) -> bool {
    let mut line = [0; 13];
    socket.read_exact(&mut line).await.is_ok() && line.starts_with(b"HTTP/1.1 2") && line[12] == b' '
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, want) in [
            ("http://127.0.0.1:1/events", Some(("127.0.0.1:1", "/events"))),
            ("http://relay", Some(("relay", "/"))),
            ("http://relay/a/b?c", Some(("relay", "/a/b?c"))),
            ("https://relay/", None),
            ("relay:80", None),
        ] {
            let target = Target::of(url).ok().map(|t| (t.authority.to_owned(), t.path.to_owned()));
            assert_eq!(target, want.map(|(a, p)| (a.to_owned(), p.to_owned())), "{url}");
        }
    }
}
