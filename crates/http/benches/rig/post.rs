//! A kept connection that posts, as thin as it gets: a time that is taken with it is the server's.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Instant;

pub(crate) struct Connection<S> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Posts a body, with a line of the head if there is one, and waits for an answer of 200. Returns when the request was written.
    pub(crate) fn post(&mut self, path: &str, line: &str, body: &str) -> Instant {
        let (written, refusal) = self.try_post(path, line, body).unwrap();
        assert!(refusal.is_none(), "{}", refusal.unwrap_or_default());
        written
    }

    /// The same; any other answer comes back as text.
    pub(crate) fn try_post(
        &mut self,
        path: &str,
        line: &str,
        body: &str,
    ) -> std::io::Result<(Instant, Option<String>)> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{line}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        let written = Instant::now();
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim().to_ascii_lowercase();
            match text.strip_prefix("content-length:") {
                _ if text.is_empty() => break,
                Some(bytes) => length = bytes.trim().parse().unwrap(),
                None if status.is_empty() => status = text,
                None => {}
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let refused = !status.contains(" 200");
        Ok((written, refused.then(|| format!("{status}: {}", String::from_utf8_lossy(&answer)))))
    }
}
