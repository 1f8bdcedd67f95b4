//! Connections to MDSS that are kept from one call to the next, and what it costs when the other side has closed one
//! meanwhile: no attempt and no event. `RELAY_ATTEMPTS` is 1 throughout, so an attempt lost is an event lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drive::until;
use mdss_relay_core::{Deadline, Delivery, Outcome, Relay, Report, Role, Settings};
use mdss_sim::{Config, Sim, Step, Tls, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// What a connection's server does with its first request and with its second.
#[derive(Clone, Debug)]
struct Manners {
    first: First,
    then: Then,
}

#[derive(Clone, Debug)]
enum First {
    Answer,
    /// Answers once that many have asked, so that there are as many connections.
    AnswerTogether(Arc<Barrier>),
    Close,
}

#[derive(Clone, Debug)]
enum Then {
    /// Closes this long after the answer, with nobody asking.
    CloseAfter(Duration),
    /// Reads the next request and closes instead of answering: what a client sees whose request crossed the close.
    Close,
    /// The same with RST, which the kernel sends for a request to a socket that is already closed.
    Reset,
    /// The same once that many connections have come so far, so that they all break together.
    CloseTogether(Arc<Barrier>),
    /// Reads the next request and says nothing.
    Hang,
    /// Answers the next request with something that is no HTTP.
    Garbage,
    /// Goes on answering.
    Answer,
}

/// An MDSS whose `n`th connection has the `n`th manners; the last manners hold for all that follow. It lives on a thread
/// of its own, so that what it does and what the client does may meet anywhere.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    fn start(manners: Vec<Manners>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = Self {
            url: format!("http://{}/api/webhook/realtime", listener.local_addr().unwrap()),
            connections: Arc::default(),
            requests: Arc::default(),
            accepted: Arc::default(),
        };
        let (connections, requests, accepted) =
            (server.connections.clone(), server.requests.clone(), server.accepted.clone());
        let accept = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let manners = manners.get(number).or(manners.last()).unwrap().clone();
                tokio::spawn(serve(stream, manners, requests.clone(), accepted.clone()));
            }
        };
        std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(accept);
        });
        server
    }

    /// Connections whose client has not closed its side, as the system knows them.
    fn open_connections(&self) -> usize {
        let port = self.url.rsplit(':').next().unwrap().split('/').next().unwrap();
        let port = format!(":{:04X}", port.parse::<u16>().unwrap());
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Of the client's own row: the other side's port, and established (01) or closed by the other side alone (08).
        let open = |row: &str| {
            let cells: Vec<_> = row.split_whitespace().collect();
            cells[2].ends_with(&port) && ["01", "08"].contains(&cells[3])
        };
        table.lines().skip(1).filter(|row| open(row)).count()
    }

    /// Connections, requests read, requests answered.
    fn seen(&self) -> (usize, usize, usize) {
        let [connections, requests, accepted] =
            [&self.connections, &self.requests, &self.accepted].map(|n| n.load(Ordering::SeqCst));
        (connections, requests, accepted)
    }
}

async fn serve(
    mut stream: TcpStream,
    manners: Manners,
    requests: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
) {
    let mut number = 0;
    while read_request(&mut stream).await {
        requests.fetch_add(1, Ordering::SeqCst);
        number += 1;
        if number == 1 {
            match &manners.first {
                First::Close => return,
                First::AnswerTogether(barrier) => {
                    barrier.wait().await;
                }
                First::Answer => {}
            }
        } else {
            match &manners.then {
                Then::Close => return,
                Then::Reset => return stream.set_zero_linger().unwrap(),
                Then::CloseTogether(barrier) => {
                    barrier.wait().await;
                    return;
                }
                Then::Hang => return std::future::pending().await,
                Then::Garbage => {
                    stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await.unwrap();
                    return;
                }
                Then::CloseAfter(_) | Then::Answer => {}
            }
        }
        accepted.fetch_add(1, Ordering::SeqCst);
        let body = r#"{"correlationId":"0123456789abcdef01234567"}"#;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        if let Then::CloseAfter(pause) = manners.then {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            return;
        }
    }
}

/// Reads one request to its end; false if the client has gone.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return true;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(size) => read.extend_from_slice(&buffer[..size]),
        }
    }
}

fn relay(server: &Server, more: &[(&str, &str)]) -> Relay {
    relay_to(&server.url, more)
}

fn relay_to(url: &str, more: &[(&str, &str)]) -> Relay {
    let vars = [
        ("APIENDPOINT", url),
        ("APIKEY", mdss_sim::DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::AMAZON_S3),
        ("RELAY_ATTEMPTS", "1"),
    ];
    let vars = vars.iter().chain(more).map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let settings =
        Settings::read(vars, Role::Function).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    Relay::new(settings).unwrap()
}

async fn call(relay: &Relay, objects: usize) -> Report {
    let record = |number| {
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": format!("k{number}") } } })
    };
    let records: Vec<Value> = (0..objects).map(record).collect();
    let delivery = Delivery::from_function(json!({ "Records": records }).to_string(), "call");
    let plan = relay.plan(&delivery);
    relay.deliver(&plan, Deadline::new(None, Duration::from_secs(25)), "call").await
}

fn assert_done(report: &Report, what: &str) {
    assert_eq!(report.outcome, Outcome::Done, "{what}: {}", report.json());
    assert!(report.records.iter().all(|record| record.attempts == 1), "{what}: {}", report.json());
}

/// For a test that has failed.
const LIMIT: Duration = Duration::from_secs(20);

const POLITE: Manners = Manners { first: First::Answer, then: Then::Answer };

#[tokio::test]
async fn a_connection_is_kept() {
    let server = Server::start(vec![POLITE]);
    let relay = relay(&server, &[]);
    for _ in 0..5 {
        assert_done(&call(&relay, 1).await, "kept");
    }
    assert_eq!(server.seen(), (1, 5, 5));
}

#[tokio::test]
async fn a_connection_closed_between_two_calls_is_noticed_before_it_is_used() {
    let closing = Manners { first: First::Answer, then: Then::CloseAfter(Duration::from_millis(20)) };
    let server = Server::start(vec![closing, POLITE]);
    let relay = relay(&server, &[]);
    assert_done(&call(&relay, 1).await, "first");
    until("the client has closed its side", LIMIT, async || server.open_connections() == 0).await.unwrap();
    assert_done(&call(&relay, 1).await, "second");
    assert_eq!(server.seen(), (2, 2, 2), "no request was sent twice");
}

/// The calls follow one another at once, so the close of one connection meets the next request anywhere: before it is
/// sent, while, and after.
///
/// The client has one thread, as it has in a function. With several, hyper 1.12.0 may lose a request whose connection ends
/// on another thread at the same instant, until the attempt's time-out (hyperium/hyper, issue 4122, open in 2026-11).
#[tokio::test]
async fn a_connection_closed_at_any_moment_costs_nothing() {
    for pause_us in [0, 1, 50, 100, 200, 400, 800] {
        let then = Then::CloseAfter(Duration::from_micros(pause_us));
        let server = Server::start(vec![Manners { first: First::Answer, then }]);
        let relay = relay(&server, &[]);
        for number in 0..100 {
            assert_done(&call(&relay, 1).await, &format!("{pause_us} us, call {number}"));
        }
        assert_eq!(server.seen().2, 100);
    }
}

#[tokio::test]
async fn a_connection_closed_as_it_is_used_again_costs_nothing() {
    for then in [Then::Close, Then::Reset] {
        let what = format!("{then:?}");
        let server = Server::start(vec![Manners { first: First::Answer, then }, POLITE]);
        let relay = relay(&server, &[]);
        assert_done(&call(&relay, 1).await, &what);
        assert_done(&call(&relay, 1).await, &what);
        assert_eq!(server.seen(), (2, 3, 2), "{what}: sent again, on a new connection, once");
    }
}

/// Every call but the first meets a closed connection, and is sent again on one that nobody has used.
#[tokio::test]
async fn a_server_that_closes_every_kept_connection_costs_nothing() {
    let server = Server::start(vec![Manners { first: First::Answer, then: Then::Reset }]);
    let relay = relay(&server, &[]);
    for number in 0..4 {
        assert_done(&call(&relay, 1).await, &format!("call {number}"));
    }
    assert_eq!(server.seen(), (4, 7, 4));
}

/// Between the socket and the request there may be TLS.
#[tokio::test]
async fn a_connection_with_tls_closed_as_it_is_used_again_costs_nothing() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls =
        Tls { certificate_pem: made.cert.pem().into(), key_pem: made.signing_key.serialize_pem().into() };
    let sim = Sim::start(Config { tls: Some(tls), ..Config::default() }).await.unwrap();
    sim.push([Step::Accept, Step::Reset]);
    let url = format!("https://localhost:{}/api/webhook/realtime", sim.addr().port());
    let relay = relay_to(&url, &[("RELAY_TLS_VERIFY", "off")]);
    assert_done(&call(&relay, 1).await, "first");
    assert_done(&call(&relay, 1).await, "second");
    assert_eq!((sim.connections(), sim.requests().len(), sim.accepted()[0].times), (2, 3, 2));
}

/// A server that restarts closes all it has. Every request meets another one's closed connection.
#[tokio::test]
async fn many_connections_closed_as_they_are_used_again_cost_nothing() {
    const OBJECTS: usize = 8;
    let barrier = Arc::new(Barrier::new(OBJECTS));
    let first = First::AnswerTogether(barrier.clone());
    let mut manners = vec![Manners { first, then: Then::CloseTogether(barrier) }; OBJECTS];
    manners.push(POLITE);
    let server = Server::start(manners);
    let relay = relay(&server, &[]);
    assert_done(&call(&relay, OBJECTS).await, "first");
    assert_eq!(server.seen(), (OBJECTS, OBJECTS, OBJECTS));
    assert_done(&call(&relay, OBJECTS).await, "second");
    let (_, requests, accepted) = server.seen();
    assert_eq!((requests, accepted), (3 * OBJECTS, 2 * OBJECTS), "each was sent again once");
}

/// A firewall that forgets idle connections answers for each of them with RST. What is sent again does not go out on the
/// next of them.
#[tokio::test]
async fn however_many_connections_are_stale_a_request_is_sent_again_once() {
    const OBJECTS: usize = 8;
    let first = First::AnswerTogether(Arc::new(Barrier::new(OBJECTS)));
    let mut manners = vec![Manners { first, then: Then::Reset }; OBJECTS];
    manners.push(POLITE);
    let server = Server::start(manners);
    let relay = relay(&server, &[]);
    assert_done(&call(&relay, OBJECTS).await, "first");
    assert_done(&call(&relay, 1).await, "second");
    assert_eq!(server.seen(), (OBJECTS + 1, OBJECTS + 2, OBJECTS + 1));
}

/// On a connection made for it, a request that breaks off says that something is wrong, and counts.
#[tokio::test]
async fn a_new_connection_that_breaks_is_a_failed_attempt() {
    let server = Server::start(vec![Manners { first: First::Close, then: Then::Answer }]);
    let relay = relay(&server, &[]);
    let report = call(&relay, 1).await;
    assert_eq!(report.worst().unwrap().cause.name(), "mdss_reset", "{}", report.json());
    assert_eq!(server.seen(), (1, 1, 0));
}

/// A server that takes its time has the request, and a connection that answers by and by is not stale.
#[tokio::test]
async fn a_kept_connection_without_an_answer_is_a_failed_attempt() {
    let server = Server::start(vec![Manners { first: First::Answer, then: Then::Hang }]);
    let relay = relay(&server, &[("RELAY_TIMEOUT", "300ms")]);
    assert_done(&call(&relay, 1).await, "first");
    let report = call(&relay, 1).await;
    assert_eq!(report.worst().unwrap().cause.name(), "mdss_timeout", "{}", report.json());
    assert_eq!(server.seen(), (1, 2, 1), "not sent again");
}

/// A server that closes every second request costs one more request each time, and no more.
#[tokio::test]
async fn a_server_that_never_answers_twice_is_not_asked_for_ever() {
    let bad = Manners { first: First::Close, then: Then::Answer };
    let once = Manners { first: First::Answer, then: Then::Reset };
    let server = Server::start(vec![once, bad]);
    let relay = relay(&server, &[]);
    assert_done(&call(&relay, 1).await, "first");
    let report = call(&relay, 1).await;
    assert_eq!(report.worst().unwrap().cause.name(), "mdss_reset", "{}", report.json());
    assert_eq!(server.seen(), (2, 3, 1), "once on the kept connection, once on a new one");
}

/// Whoever answers has not closed: what is sent again might be accepted twice, and there is nothing to heal.
#[tokio::test]
async fn an_answer_that_is_no_http_is_not_asked_for_again() {
    let server = Server::start(vec![Manners { first: First::Answer, then: Then::Garbage }, POLITE]);
    let relay = relay(&server, &[("RELAY_ATTEMPTS", "1")]);
    assert_done(&call(&relay, 1).await, "first");
    let report = call(&relay, 1).await;
    assert_eq!(report.records[0].reason, Some("mdss_reset"), "{}", report.json());
    assert_eq!(server.seen().1, 2, "two requests for two events");
}
