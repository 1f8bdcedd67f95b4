//! An HTTP server as a process: started, found at the address it reports, and asked.

use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::error::DriveError;
use crate::http_poster::HttpPoster;
use crate::process::{Process, Program};

/// What a server prints, in a line of JSON, once it takes connections. The names in it are OpenTelemetry's.
const LISTENING: &str = "listening on";

/// A running HTTP server. Like its [`Process`], it is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// The process itself: its output, signals, and its end.
    pub process: Process,
    /// Where it listens, as `127.0.0.1:41234`.
    pub address: String,
    limit: Duration,
}

impl Server {
    /// Starts a server and waits until it reports where it listens: a line of its log, in JSON, with "listening on",
    /// `server.address` and `server.port`. `limit` is for the start, and for each call later.
    ///
    /// # Errors
    ///
    /// As [`Program::start`] and [`Process::wait_for_line`]; [`DriveError::Usage`] if the line names no address.
    pub async fn start(program: &Program, limit: Duration) -> Result<Self, DriveError> {
        let mut process = program.start()?;
        let line = process.wait_for_line(LISTENING, limit).await?;
        Ok(Self { address: address_in(&line)?, process, limit })
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends one request, on a connection of its own.
    ///
    /// # Errors
    ///
    /// As [`HttpPoster::send`].
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Result<Answer, DriveError> {
        HttpPoster::new(self.limit).send(method, &self.url(path), headers, body.into()).await
    }
}

/// The address that such a line names, for who reads a server's output without [`Process`].
///
/// # Errors
///
/// [`DriveError::Usage`] if it names none.
pub fn address_in(line: &str) -> Result<String, DriveError> {
    let members: Value = serde_json::from_str(line).unwrap_or_default();
    match (members["server.address"].as_str(), members["server.port"].as_u64()) {
        (Some(address), Some(port)) => Ok(format!("{address}:{port}")),
        _ => Err(DriveError::Usage(format!(
            "expected a line with server.address and server.port, found {line}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_lines() {
        let line = r#"{"message":"listening on http://127.0.0.1:1","server.address":"127.0.0.1","server.port":8080}"#;
        assert_eq!(address_in(line).unwrap(), "127.0.0.1:8080");
        assert!(address_in("listening on http://127.0.0.1:1").is_err());
    }

    #[tokio::test]
    async fn a_server_is_found_where_it_says() {
        let line = r#"{"message":"listening on","server.address":"127.0.0.1","server.port":9}"#;
        let program = Program::new("/bin/sh").args(["-c", "echo \"$0\"; read -r _", line]);
        let server = Server::start(&program, Duration::from_secs(20)).await.unwrap();
        assert_eq!(server.url("/events"), "http://127.0.0.1:9/events");
        assert!(Server::start(&Program::new("/bin/true"), Duration::from_secs(20)).await.is_err());
    }
}
