//! Senders that hang up or stall, and the end of the process.

use drive::{HttpPoster, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn a_sender_that_hangs_up_loses_its_answer_and_not_its_event() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Unavailable]);
    let server = start(simple(&sim)).await;
    let body = created(&["a"]);
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // Gone while the relay waits to try again.
    until("the first attempt", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
    drop(stream);
    until("the second attempt", LIMIT, async || sim.accepted().len() == 1).await.unwrap();
}

/// Sends a head that announces a body, and nothing of it.
async fn stall(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_source_that_stalls_keeps_no_other_one_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim).env("RELAY_DEADLINE", "2s")).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(stall(&server, "/open").await);
    }
    let bearer = format!("Bearer {TOKEN}");
    let good = post(&server, "/minio", &[("authorization", &bearer)], created(&["a"])).await;
    assert_eq!(good.status, 200, "{}", good.text());
    // The stalled source itself hears so in time.
    let started = Instant::now();
    let busy = post(&server, "/open", &[], created(&["b"])).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("10")), "{}", busy.text());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// The connections that the server has accepted, and read whatever was sent on them, as the system knows them.
fn taken(server: &Server) -> usize {
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
    let ours = |state| {
        let port = &port;
        rows.iter().filter(move |row| row[1].ends_with(port) && row[3] == state)
    };
    // Of a listening socket (0A), the second number is how many wait to be accepted.
    let unread = |row: &&Vec<&str>| row[4].split(':').nth(1) != Some("00000000");
    if ours("0A").any(|row| unread(&row)) {
        return 0;
    }
    ours("01").filter(|row| !unread(row)).count()
}

#[tokio::test]
async fn sigterm_waits_for_nobody_who_stalls() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let mut stalled = stall(&server, "/open").await;
    let idle = TcpStream::connect(&server.address).await.unwrap();
    until("the server has taken both", LIMIT, async || taken(&server) == 2).await.unwrap();
    let started = Instant::now();
    server.process.signal("TERM").unwrap();
    let mut answer = String::new();
    stalled.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("body_incomplete"), "{answer}");
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    drop(idle);
}

#[tokio::test]
async fn sigterm_finishes_the_call_in_flight() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Delay { ms: 1500 }]);
    let mut server = start(simple(&sim)).await;
    let url = server.url("/events");
    let call = tokio::spawn(async move {
        let bearer = format!("Bearer {TOKEN}");
        HttpPoster::new(LIMIT).send("POST", &url, &[("authorization", &bearer)], created(&["a"])).await
    });
    until("the call is in flight", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
    server.process.signal("TERM").unwrap();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
    assert!(TcpStream::connect(&server.address).await.is_err(), "the port is closed");
    let log = server.process.stderr();
    let last: Value = serde_json::from_str(log.lines().next_back().unwrap()).unwrap();
    assert_eq!(last["message"], "stopped by SIGTERM: 1 request finished, 0 cut", "{log}");
    let counts = (&last["signal"], &last["mdss.calls.finished"], &last["mdss.calls.cut"]);
    assert_eq!(counts, (&json!("SIGTERM"), &json!(1), &json!(0)));
}
