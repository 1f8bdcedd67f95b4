//! A client that shows what is on the wire: nothing is retried, followed or reused behind a test's back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mdss_sim::DEFAULT_API_KEY;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer than this for anything that should come at once.
const AT_ONCE: Duration = Duration::from_secs(10);

pub(crate) struct Client<S = TcpStream> {
    socket: S,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The id of an accepted object.
    pub(crate) fn correlation_id(&self) -> String {
        let json = self.json();
        assert_eq!(json.as_object().map(|members| members.len()), Some(1), "{self:?}");
        json["correlationId"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap())
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(socket: S) -> Self {
        Self { socket, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Reads one answer; the error is the socket's, or `UnexpectedEof` if the connection closed first.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.more().await?;
        }
        answer.body = self.read.drain(..length).collect();
        Ok(answer)
    }

    /// What has come and is not part of a whole answer.
    pub(crate) fn rest(&self) -> String {
        String::from_utf8(self.read.clone()).unwrap()
    }

    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await.unwrap()
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let read = timeout(AT_ONCE, self.socket.read(&mut bytes)).await??;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read.extend_from_slice(&bytes[..read]);
        Ok(())
    }
}

/// The request a correct forwarder sends for an object of a `Name` unit.
pub(crate) fn object(storage_client_id: &str, key: &str) -> String {
    post(&body(storage_client_id, json!({ "Name": key })))
}

pub(crate) fn body(storage_client_id: &str, metadata: Value) -> String {
    json!({ "storageClientId": storage_client_id, "metadata": metadata.to_string() }).to_string()
}

pub(crate) fn post(body: &str) -> String {
    request("POST", mdss_sim::WEBHOOK_PATH, &format!("ApiKey: {DEFAULT_API_KEY}\r\n"), body)
}

/// `headers` are lines, each with its end.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: mdss\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}
