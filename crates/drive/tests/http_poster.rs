//! `HttpPoster` against a server that does exactly what the test says, byte by byte.

#![expect(clippy::unwrap_used, reason = "tests may; clippy knows only #[test] functions as such")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drive::{DriveError, HttpPoster};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(10);

/// What to do with one request.
#[derive(Clone, Copy)]
enum Do {
    Answer(&'static str),
    /// Answer as soon as the head is there, and close without reading the body.
    AnswerEarly(&'static str),
    Hang,
    Close,
}

/// A server, and every request it got, by connection.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    async fn start(script: Do) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut all = all.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(connection(stream, script, number, Arc::clone(&all)));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }
}

async fn connection(mut stream: TcpStream, script: Do, number: usize, all: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length || matches!(script, Do::AnswerEarly(_)) {
                all.lock().unwrap()[number].push(text.clone());
                bytes.clear();
                match script {
                    Do::Answer(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                    Do::AnswerEarly(answer) => {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        return;
                    }
                    Do::Hang => std::future::pending().await,
                    Do::Close => return,
                }
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_given_and_its_connection_is_kept() {
    let server =
        Server::start(Do::Answer("HTTP/1.1 207 Multi\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n\r\nabc"))
            .await;
    let poster = HttpPoster::new(SOON);
    let url = format!("{}/a%2Fb/../c?x=%41&y", server.url);
    for body in ["one", "zwei é"] {
        let headers = [("Authorization", "Bearer a"), ("authorization", "Bearer b"), ("x-name", "é")];
        let answer = poster.send("POST", &url, &headers, body).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (207, "abc"));
        let values: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name == "x-a").map(|(_, v)| &**v).collect();
        assert_eq!((values, answer.header("X-A")), (vec!["1", "2"], Some("1")));
        assert!(answer.elapsed < SOON);
    }
    let [connection] = &server.seen()[..] else { panic!("{:?}", server.seen()) };
    let host = server.url.trim_start_matches("http://");
    // Nothing decoded, nothing normalised, the doubled header doubled.
    let expected = |length, body| {
        format!(
            "POST /a%2Fb/../c?x=%41&y HTTP/1.1\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\nx-name: é\r\n\
             host: {host}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    assert_eq!(connection[..], [expected(3, "one"), expected(7, "zwei é")]);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let server =
        Server::start(Do::Answer("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"))
            .await;
    let answer = HttpPoster::new(SOON).send("POST", &server.url, &[], "x").await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some("/other")));
    assert_eq!(server.seen()[0].len(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_sent_is_read() {
    let server = Server::start(Do::AnswerEarly(
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
    ))
    .await;
    let answer = HttpPoster::new(SOON).send("POST", &server.url, &[], vec![b'x'; 64 * 1024]).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
}

#[tokio::test]
async fn silence_ends_with_the_time_out() {
    let server = Server::start(Do::Hang).await;
    let limit = Duration::from_millis(50);
    let error = HttpPoster::new(limit).send("POST", &server.url, &[], "x").await.unwrap_err();
    assert!(matches!(error, DriveError::NoAnswer { after } if after == limit), "{error:?}");
}

#[tokio::test]
async fn a_closed_connection_is_an_error_and_the_request_is_not_repeated() {
    let server = Server::start(Do::Close).await;
    let error = HttpPoster::new(SOON).send("POST", &server.url, &[], "x").await.unwrap_err();
    assert!(matches!(error, DriveError::Connection { .. }), "{error:?}");
    assert_eq!(server.seen().concat().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = HttpPoster::new(SOON).send("POST", &format!("http://{address}"), &[], "x").await.unwrap_err();
    assert!(matches!(error, DriveError::Connection { .. }), "{error:?}");
}

#[tokio::test]
async fn half_an_answer_is_an_error() {
    let server = Server::start(Do::AnswerEarly("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")).await;
    let error = HttpPoster::new(SOON).send("POST", &server.url, &[], "").await.unwrap_err();
    assert!(matches!(error, DriveError::Connection { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_16_mib() {
    let most = 16 * 1024 * 1024;
    for size in [most, most + 1] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            // No length announced: the answer ends where the connection does. The client may hang up before.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let _ = stream.write_all(&vec![b'x'; size]).await;
        });
        let answer = HttpPoster::new(SOON).send("GET", &url, &[], "").await;
        if size == most {
            assert_eq!(answer.unwrap().body.len(), most);
        } else {
            assert!(matches!(answer, Err(DriveError::TooLong { limit }) if limit == most), "{answer:?}");
        }
    }
}
