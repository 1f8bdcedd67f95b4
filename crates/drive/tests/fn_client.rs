//! `FnClient` against a small function: hyper on a Unix socket, recording what the agent would have sent.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may; clippy knows only #[test] functions as such"
)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use drive::{DriveError, FnClient};
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::time::sleep;

const SOON: Duration = Duration::from_secs(10);

/// One call as the function saw it.
#[derive(Clone, Debug)]
struct Call {
    connection: usize,
    line: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(given, _)| given == name).map(|(_, value)| &**value);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[derive(Default)]
struct Seen {
    connections: usize,
    /// Which connections have been closed.
    closed: Vec<usize>,
    calls: Vec<Call>,
}

struct Function {
    client: FnClient,
    seen: Arc<Mutex<Seen>>,
    _dir: TempDir,
}

impl Function {
    /// The body of a call says what to do: `hang`, `close`, `502`, `502 empty`; anything else is answered with 200.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lsnr.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = {
                    let mut all = all.lock().unwrap();
                    all.connections += 1;
                    all.connections
                };
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, connection, &all));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    all.lock().unwrap().closed.push(connection);
                });
            }
        });
        Self { client: FnClient::new(path), seen, _dir: dir }
    }

    fn calls(&self) -> Vec<Call> {
        self.seen.lock().unwrap().calls.clone()
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

async fn answer(
    request: http::Request<Incoming>,
    connection: usize,
    all: &Mutex<Seen>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let headers =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    all.lock().unwrap().calls.push(Call {
        connection,
        line: format!("{} {} {:?}", head.method, head.uri, head.version),
        headers: headers.collect(),
        body: body.clone(),
    });
    let reply = |status, body: &'static str| {
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(response)
    };
    match &body[..] {
        b"hang" => std::future::pending::<Result<_, Infallible>>().await.map_err(|never| match never {}),
        b"close" => Err(std::io::Error::other("closed on purpose")),
        b"502" => reply(502, "the report"),
        b"502 empty" => reply(502, ""),
        _ => reply(200, "done"),
    }
}

#[tokio::test]
async fn a_call_looks_like_the_agents() {
    let function = Function::start().await;
    let limit = Duration::from_secs(30);
    let before = Timestamp::now();
    let answer =
        function.client.call("{}", limit, &[("Fn-Intent", "cloudevent"), ("x", "1"), ("x", "2")]).await;
    let after = Timestamp::now();
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));

    let [call] = &function.calls()[..] else { panic!("one call") };
    assert_eq!(call.line, "POST /call HTTP/1.1");
    assert_eq!(&call.body[..], b"{}");
    for (name, value) in [
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
        ("fn-intent", "cloudevent"),
    ] {
        assert_eq!(call.header(name), value);
    }
    assert!(call.headers.iter().all(|(name, _)| name != "content-length"));
    assert_eq!(call.headers.iter().filter(|(name, _)| name == "x").count(), 2);
    assert_eq!(call.header("fn-call-id").len(), 26);

    // Whole seconds, cut off: at most a second too early, never too late.
    let deadline: Timestamp = call.header("fn-deadline").parse().unwrap();
    assert_eq!(call.header("fn-deadline").len(), "2026-11-21T18:57:00Z".len());
    assert!(deadline <= after + limit, "{deadline} {after}");
    assert!(deadline > before + limit - Duration::from_secs(1), "{deadline} {before}");
}

#[tokio::test]
async fn every_call_has_its_own_id() {
    let function = Function::start().await;
    for _ in 0..3 {
        function.client.call("{}", SOON, &[]).await.unwrap();
    }
    let mut ids: Vec<_> = function.calls().iter().map(|call| call.header("fn-call-id").to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_test_can_send_a_deadline_of_its_own() {
    let function = Function::start().await;
    let past = [("Fn-Deadline", "2002-10-02T10:00:00.992Z"), ("fn-call-id", "01ABC")];
    function.client.call("{}", SOON, &past).await.unwrap();
    let [call] = &function.calls()[..] else { panic!("one call") };
    assert_eq!(call.header("fn-deadline"), "2002-10-02T10:00:00.992Z");
    assert_eq!(call.header("fn-call-id"), "01ABC");
}

#[tokio::test]
async fn bodies_of_any_size_arrive_whole() {
    let function = Function::start().await;
    for size in [0, 1, 32 * 1024, 32 * 1024 + 1, 1024 * 1024] {
        let body = vec![b'x'; size];
        assert_eq!(function.client.call(body.clone(), SOON, &[]).await.unwrap().status, 200);
        let calls = function.calls();
        let call = calls.last().unwrap();
        assert_eq!(call.body, body, "{size}");
        assert_eq!(call.header("transfer-encoding"), "chunked", "{size}");
    }
    assert_eq!(function.connections(), 1);
}

#[tokio::test]
async fn a_connection_is_kept_for_a_second_and_then_closed() {
    let function = Function::start().await;
    for body in ["1", "2"] {
        function.client.call(body, SOON, &[]).await.unwrap();
    }
    assert_eq!(function.connections(), 1);

    // The timer of the last call runs out soon after this one, and must not end what this one keeps.
    sleep(Duration::from_millis(700)).await;
    let kept = Instant::now();
    function.client.call("3", SOON, &[]).await.unwrap();
    let connection = function.calls()[2].connection;
    while !function.seen.lock().unwrap().closed.contains(&connection) {
        assert!(kept.elapsed() < SOON, "never closed");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(kept.elapsed() >= Duration::from_secs(1), "closed after {:?}", kept.elapsed());

    function.client.call("4", SOON, &[]).await.unwrap();
    assert_eq!(function.calls()[3].connection, connection + 1);
}

#[tokio::test]
async fn after_a_failure_with_a_body_the_next_call_makes_a_new_connection() {
    let function = Function::start().await;
    let answer = function.client.call("502", SOON, &[]).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (502, "the report"));
    assert_eq!(function.client.call("502 empty", SOON, &[]).await.unwrap().status, 502);
    function.client.call("{}", SOON, &[]).await.unwrap();
    assert_eq!(function.calls().iter().map(|call| call.connection).collect::<Vec<_>>(), [1, 2, 2]);
}

#[tokio::test]
async fn a_connection_closed_under_a_call_fails_it_and_it_is_not_repeated() {
    let function = Function::start().await;
    function.client.call("{}", SOON, &[]).await.unwrap();
    let error = function.client.call("close", SOON, &[]).await.unwrap_err();
    assert!(matches!(error, DriveError::Connection { .. }), "{error:?}");
    assert_eq!(function.calls().len(), 2);
    assert_eq!(function.client.call("{}", SOON, &[]).await.unwrap().status, 200);
}

#[tokio::test]
async fn silence_ends_with_the_time_out_and_so_does_the_connection() {
    let function = Function::start().await;
    let limit = Duration::from_millis(50);
    let error = function.client.call("hang", limit, &[]).await.unwrap_err();
    assert!(matches!(error, DriveError::NoAnswer { after } if after == limit), "{error:?}");
    function.client.call("{}", SOON, &[]).await.unwrap();
    assert_eq!(function.calls().iter().map(|call| call.connection).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn calls_at_the_same_time_have_their_own_connections() {
    let function = Function::start().await;
    let (one, two) = tokio::join!(function.client.call("1", SOON, &[]), function.client.call("2", SOON, &[]));
    assert_eq!((one.unwrap().status, two.unwrap().status), (200, 200));
    assert_eq!(function.connections(), 2);
}

#[tokio::test]
async fn without_a_function_there_is_an_error_with_the_path() {
    let error = FnClient::new("/nowhere/lsnr.sock").call("{}", SOON, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to the socket /nowhere/lsnr.sock");
}

#[tokio::test]
async fn a_time_out_beyond_all_dates_is_refused() {
    let error = FnClient::new("/nowhere").call("{}", Duration::MAX, &[]).await.unwrap_err();
    assert!(matches!(error, DriveError::Usage(_)), "{error:?}");
}
