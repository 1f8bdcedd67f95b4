//! What strangers, and whoever reads the log, can do to the server as a process: hold connections, repeat without a pause, take
//! no answer, read nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use drive::{Answer, HttpPoster, Program, Server, address_in, until};
use mdss_sim::units;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);

/// Variables of a server that anybody may post to, and whose MDSS is not there.
fn variables() -> Vec<(&'static str, String)> {
    vec![
        ("RELAY_LISTEN", "127.0.0.1:0".to_owned()),
        ("APIENDPOINT", "http://127.0.0.1:9".to_owned()),
        ("APIKEY", "key-of-the-test".to_owned()),
        ("STORAGECLIENTID", units::S3_COMPATIBLE.to_owned()),
        ("RELAY_AUTH", "none".to_owned()),
    ]
}

/// A server that may have so many files open, with these variables beside the usual ones.
async fn start(files: u32, more: &[(&str, &str)]) -> Server {
    let program = Program::new("/bin/sh")
        .args(["-c", "ulimit -n \"$0\" && exec \"$1\""])
        .args([files.to_string(), env!("CARGO_BIN_EXE_mdss-relay-http").to_owned()])
        .envs(variables())
        .envs(more.iter().copied());
    Server::start(&program, LIMIT).await.unwrap()
}

/// A connection from one of loopback's addresses.
async fn connect(server: &Server, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(server.address.parse().unwrap()).await.unwrap()
}

/// What is answered to these bytes, up to the end of the connection; empty if it was reset.
async fn say(server: &Server, from: &str, bytes: &[u8]) -> String {
    let mut stream = connect(server, from).await;
    let mut answer = Vec::new();
    let exchange = async {
        if stream.write_all(bytes).await.is_ok() {
            let _ = stream.read_to_end(&mut answer).await;
        }
    };
    tokio::time::timeout(LIMIT, exchange).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of a request on a connection of its own, and how long that took.
async fn ask(server: &Server, from: &str, line: &str, body: &str) -> (u16, Duration) {
    let started = Instant::now();
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = say(server, from, head.as_bytes()).await;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer to {line} from {from}: {answer:?}")), started.elapsed())
}

/// The lines of its log whose `error.type` is this.
fn lines_with(server: &Server, error_type: &str) -> Vec<Value> {
    let log = server.process.stderr();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["error.type"] == error_type).collect()
}

async fn stop(server: &mut Server) {
    server.process.signal("TERM").unwrap();
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
}

/// What nobody who is heard at all waits for.
const SOON: Duration = Duration::from_secs(5);

const REMOVED: &str = r#"{"Records":[{"eventSource":"minio:s3","eventName":"s3:ObjectRemoved:Delete","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;

async fn send(address: &str, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let url = format!("http://{address}{path}");
    HttpPoster::new(LIMIT).send(method, &url, &[], body.into()).await.unwrap()
}

/// A process whose output nobody reads; a test that fails leaves none behind.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_serving_nor_stopping() {
    let child = Command::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env_clear()
        .envs(variables())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Unread(child);
    let mut stderr = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
    }
    // From here on nobody reads: 64 KiB go into the pipe, 1 MiB into the relay.
    let address = address_in(&line).unwrap();
    let key = "k".repeat(60_000);
    let event = format!(
        r#"{{"Records":[{{"eventSource":"minio:s3","eventName":"s3:ObjectRemoved:Delete","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#
    );
    for _ in 0..40 {
        assert_eq!(send(&address, "POST", "/events", event.clone()).await.status, 200);
    }
    assert_eq!(send(&address, "GET", "/healthz", "").await.status, 200);
    let metrics = send(&address, "GET", "/metrics", "").await.text();
    let dropped =
        metrics.lines().find_map(|l| l.strip_prefix("mdss_relay_log_lines_dropped_total ")).unwrap();
    assert!((1..40).contains(&dropped.parse::<u32>().unwrap()), "{dropped}");
    let started = Instant::now();
    let kill = format!("kill -s TERM {}", child.0.id());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    let code = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > LIMIT {
            child.0.kill().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn strangers_who_hold_every_seat_with_heads_keep_nobody_out() {
    let mut server = start(256, &[]).await;
    let strangers: Vec<String> = (2..8).map(|n| format!("127.0.0.{n}")).collect();
    let mut held = Vec::new();
    for n in 0..300 {
        held.push(connect(&server, &strangers[n % strangers.len()]).await);
    }
    for round in 0..3 {
        for stream in &mut held {
            let _ = stream.write_all(b"HEAD /events HTTP/1.1\r\nhost: x\r\n\r\n").await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        for (line, body) in [("GET /healthz", ""), ("GET /readyz", ""), ("POST /events", REMOVED)] {
            for from in ["127.0.0.100", "127.0.0.101"] {
                let (status, took) = ask(&server, from, line, body).await;
                assert!(
                    status == 200 && took < SOON,
                    "{line} from {from} in round {round}: {status} after {took:?}"
                );
            }
        }
    }
    // Somebody had to go for that, and it was said; once, not for each.
    let told = lines_with(&server, "connections_short");
    let friends =
        |line: &&Value| line["client.address"].as_str().is_some_and(|a| a.starts_with("127.0.0.10"));
    assert!((1..=2).contains(&told.iter().filter(friends).count()), "{told:?}");
    drop(held);
    stop(&mut server).await;
}

#[tokio::test]
async fn an_address_that_takes_all_it_can_get_costs_itself() {
    let server = start(256, &[]).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(connect(&server, "127.0.0.2").await);
    }
    // It has a quarter; nothing of it was in anybody's way.
    let mut other = Vec::new();
    for _ in 0..48 {
        other.push(connect(&server, "127.0.0.3").await);
    }
    // Its own that have said nothing for a second make room for what it says next.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for from in ["127.0.0.2", "127.0.0.4"] {
        let (status, took) = ask(&server, from, "GET /healthz", "").await;
        assert!(status == 200 && took < SOON, "{from} {status} {took:?}");
    }
    for stream in &mut other {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn with_few_files_silent_strangers_delay_nobody_and_the_log_stays_short() {
    let mut server = start(64, &[]).await;
    let line = server.process.wait_for_line("ulimit -n", LIMIT).await.unwrap();
    assert!(line.contains("16 connections at once"), "{line}");
    let mut silent = Vec::new();
    for n in 0..180 {
        silent.push(
            connect(&server, ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"][n % 5]).await,
        );
        if n % 20 == 19 {
            let (status, took) = ask(&server, "127.0.0.100", "POST /events", REMOVED).await;
            assert!(status == 200 && took < SOON, "with {n}: {status} after {took:?}");
        }
    }
    drop(silent);
    let (status, took) = ask(&server, "127.0.0.100", "GET /healthz", "").await;
    assert!(status == 200 && took < SOON, "{status} {took:?}");
    stop(&mut server).await;
    let log = server.process.stderr();
    let loud =
        log.lines().filter(|l| l.contains("could not be accepted") || l.contains("connections")).count();
    assert!(loud <= 20, "a line an address and reason, and one about the rest: {log}");
}

#[tokio::test]
async fn a_full_house_is_told_from_a_dead_relay() {
    // What a trusted proxy holds is its own.
    let server = start(64, &[("RELAY_TRUSTED_PROXIES", "127.0.0.2")]).await;
    let mut held = Vec::new();
    for _ in 0..12 {
        held.push(connect(&server, "127.0.0.2").await);
    }
    for _ in 0..3 {
        // Each from an address of its own: the last connection of one may not have gone yet.
        assert_eq!(ask(&server, "127.0.0.3", "GET /healthz", "").await.0, 200);
        assert_eq!(ask(&server, "127.0.0.4", "GET /readyz", "").await.0, 200);
        assert_eq!(ask(&server, "127.0.0.5", "POST /events", REMOVED).await.0, 503);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    held.pop();
    let taken = async || ask(&server, "127.0.0.3", "POST /events", REMOVED).await.0 == 200;
    until("there is a place again", LIMIT, taken).await.unwrap();
}

#[tokio::test]
async fn who_repeats_without_a_pause_multiplies_neither_work_nor_lines() {
    let mut server = start(256, &[("RELAY_AUTH", "bearer"), ("RELAY_TOKEN", "t0ken-of-the-test")]).await;
    // One after the other on one connection, as a queue does that is emptied.
    let address = server.address.clone();
    let looping = |path: &'static str| {
        let address = address.clone();
        tokio::spawn(async move {
            let (poster, started, mut count) = (HttpPoster::new(LIMIT), Instant::now(), 0u64);
            while started.elapsed() < Duration::from_secs(3) {
                let url = format!("http://{address}{path}");
                let status = poster.send("POST", &url, &[], REMOVED).await.unwrap().status;
                assert!(matches!(status, 401 | 404), "{status}");
                count += 1;
            }
            count
        })
    };
    let (wrong_token, wrong_path) = (looping("/events"), looping("/event"));
    // Meanwhile the rightful sender at the same address is not slowed.
    let (started, poster) = (Instant::now(), HttpPoster::new(LIMIT));
    let bearer = [("authorization", "Bearer t0ken-of-the-test")];
    for _ in 0..200 {
        let url = format!("http://{}/events", server.address);
        assert_eq!(poster.send("POST", &url, &bearer, REMOVED).await.unwrap().status, 200);
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    let counts = [wrong_token.await.unwrap(), wrong_path.await.unwrap()];
    assert!(counts.iter().all(|count| (6..=12).contains(count)), "{counts:?}");
    // Whoever comes with many connections at once is not slowed, and told of in one line.
    let stranger = b"POST /nope HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for _ in 0..5 {
        assert!(say(&server, "127.0.0.9", stranger).await.starts_with("HTTP/1.1 404"));
    }
    stop(&mut server).await;
    for (error_type, address, count) in [
        ("refused", "127.0.0.1", counts[0]),
        ("unknown_path", "127.0.0.1", counts[1]),
        ("unknown_path", "127.0.0.9", 5),
    ] {
        let told = lines_with(&server, error_type);
        let told: Vec<_> = told.iter().filter(|line| line["client.address"] == address).collect();
        let [first, rest] = told[..] else { panic!("{error_type} {address}: {told:?}") };
        assert_eq!(
            (&first["mdss.repeats"], &rest["mdss.repeats"]),
            (&Value::Null, &json!(count - 1)),
            "{error_type}"
        );
    }
    let line = &lines_with(&server, "unknown_path")[0];
    let message = line["message"].as_str().unwrap();
    assert!(message.ends_with("its path of 6 bytes belongs to no source; there are /events"), "{message}");
}

#[tokio::test]
async fn a_path_that_is_nearly_right_is_told_so() {
    let mut server = start(256, &[]).await;
    for (path, wanted) in [
        ("/events/", "its path is that of source \"events\", except for a slash at its end"),
        ("/Events", "its path is that of source \"events\", except for capital letters"),
    ] {
        let from = if path.ends_with('/') { "127.0.0.2" } else { "127.0.0.3" };
        assert_eq!(ask(&server, from, &format!("POST {path}"), "").await.0, 404);
        server.process.wait_for_line(&wanted.replace('"', "\\\""), LIMIT).await.unwrap();
    }
}

/// The answers in what came over a connection, by the lengths they name: status, head, body. The methods of the requests say
/// which have no body whatever they name.
fn answers<'a>(mut said: &'a str, methods: &[&str]) -> Vec<(u16, &'a str, &'a str)> {
    let mut answers = Vec::new();
    while !said.is_empty() {
        let (head, rest) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("half a head: {said:?}"));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let is_head = methods.get(answers.len()) == Some(&"HEAD");
        let length = if is_head { 0 } else { length.parse().unwrap() };
        let (body, rest) =
            rest.split_at_checked(length).unwrap_or_else(|| panic!("half a body: {head}\n\n{rest}"));
        answers.push((head[9..12].parse().unwrap(), head, body));
        said = rest;
    }
    answers
}

/// That an answer is the last one, and its body the report of one failure; its sentence.
fn failure(head: &str, body: &str) -> String {
    for line in ["connection: close", "content-type: application/json"] {
        assert_eq!(head.lines().filter(|l| *l == line).count(), 1, "{line}: {head}");
    }
    assert!(head.contains("\r\ndate: "), "{head}");
    let report: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {head}\n\n{body:?}"));
    let record = &report["records"][0];
    assert_eq!((&report["outcome"], &report["records"][1]), (&json!("permanent"), &Value::Null), "{body}");
    assert_eq!((&record["result"], &record["reason"]), (&json!("failed"), &json!("unreadable")), "{body}");
    record["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_no_http_is_told_counted_and_answered_with_a_report() {
    let mut server = start(256, &[]).await;
    let many = (0..120).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    let large = format!("x: {}\r\n", "y".repeat(100_000));
    let request = |lines: &str| format!("POST /events HTTP/1.1\r\nhost: x\r\n{lines}\r\n").into_bytes();
    let line = |line: &str| format!("{line}\r\nhost: x\r\n\r\n").into_bytes();
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat();
    let (large_head, head) = ("head_too_large", "unreadable_head");
    let mut counts = std::collections::BTreeMap::new();
    for (n, (bytes, status, error_type, said)) in [
        (request(&many), 431, large_head, "more than 100 lines"),
        (request(&large), 431, large_head, "a head of more than 32768 bytes"),
        (line(&format!("POST /{} HTTP/1.1", "s3cret".repeat(10_000))), 431, large_head, "32768 bytes"),
        (request("a: s3cret\r\n s3cret\r\n"), 400, head, "not an HTTP request"),
        (request("content-length: 1\r\ncontent-length: 2\r\n"), 400, head, "not an HTTP request"),
        (request("content-length: s3cret\r\n"), 400, head, "not an HTTP request"),
        (request("transfer-encoding: s3cret\r\n"), 400, head, "not an HTTP request"),
        (request("a: s3cret\0c\r\n"), 400, head, "not an HTTP request"),
        (request("s3 cret: a\r\n"), 400, head, "not an HTTP request"),
        (line("POST /s3cret HTTP/3.0"), 400, head, "not an HTTP request"),
        (line("POST /s3cret\x7f HTTP/1.1"), 400, head, "not an HTTP request"),
        (line("{\"s3cret\": 1}"), 400, head, "not an HTTP request"),
        (line("HEAD /s3cret HTTP/1.1\r\n: a"), 400, head, "not an HTTP request"),
        (hello, 400, "tls", "TLS on a plain-HTTP port"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), 505, "http2", "HTTP/2"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("127.0.0.{}", n + 2);
        let answer = say(&server, &from, &bytes).await;
        let [(code, head, body)] = answers(&answer, &[])[..] else { panic!("{said}: {answer:?}") };
        assert_eq!(code, status, "{said}: {answer}");
        let detail = failure(head, body);
        assert!(detail.contains(said), "{said}: {detail}");
        assert!(!answer.contains("cret"), "{answer}");
        server.process.wait_for_line(&format!("\"client.address\":\"{from}\""), LIMIT).await.unwrap();
        let told = lines_with(&server, error_type);
        let line = told.iter().find(|line| line["client.address"] == from.as_str());
        let line = line.unwrap_or_else(|| panic!("{said}: {}", server.process.stderr()));
        assert_eq!(line["message"], format!("a request could not be read: {detail}"), "{line}");
        // Once a minute for an address; the answer is the same.
        assert_eq!(answers(&say(&server, &from, &bytes).await, &[])[0].2, body);
        assert_eq!(lines_with(&server, error_type).len(), told.len(), "{said}");
        *counts.entry(status).or_insert(0) += 2;
    }
    let metrics = send(&server.address, "GET", "/metrics", "").await.text();
    for (status, count) in counts {
        let wanted = format!("mdss_relay_requests_total{{source=\"-\",status=\"{status}\"}} {count}\n");
        assert!(metrics.contains(&wanted), "{wanted}{metrics}");
    }
    assert!(!server.process.stderr().contains("cret"), "{}", server.process.stderr());
}

#[tokio::test]
async fn what_came_before_a_request_that_cannot_be_read_is_answered_first_and_whole() {
    let server = start(256, &[]).await;
    let length = REMOVED.len();
    let good = format!("POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{REMOVED}");
    let unread = "POST /nope HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello".to_owned();
    let old = format!(
        "POST /events HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: {length}\r\n\r\n{REMOVED}"
    );
    let bare = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    for (requests, statuses) in [
        (vec![("POST", good.clone())], vec![200]),
        (vec![("POST", good.clone()), ("POST", unread), ("POST", good)], vec![200, 404, 200]),
        // Refusals of ours that have no body.
        (
            vec![
                ("HEAD", bare("HEAD", "/nope")),
                ("HEAD", bare("HEAD", "/events")),
                ("GET", bare("GET", "/healthz")),
            ],
            vec![404, 200, 200],
        ),
        (vec![("POST", old)], vec![200]),
        (vec![("GET", bare("GET", "/metrics")), ("HEAD", bare("HEAD", "/metrics"))], vec![200, 200]),
    ] {
        let methods: Vec<_> = requests.iter().map(|(method, _)| *method).collect();
        let said: String = requests.iter().map(|(_, request)| request.as_str()).collect();
        let answer = say(&server, "127.0.0.2", format!("{said}a b c\r\n\r\n").as_bytes()).await;
        let mut answers = answers(&answer, &methods);
        let (status, head, body) = answers.pop().unwrap();
        assert_eq!(status, 400, "{answer}");
        failure(head, body);
        assert_eq!(answers.iter().map(|(status, ..)| *status).collect::<Vec<_>>(), statuses, "{answer}");
        for ((_, head, body), method) in answers.into_iter().zip(methods) {
            assert!(!head.contains("connection: close"), "{head}");
            if head.contains("application/json") && method != "HEAD" {
                serde_json::from_str::<Value>(body).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn who_reads_late_and_byte_by_byte_gets_all_of_a_refusal() {
    let server = start(256, &[]).await;
    let mut stream = connect(&server, "127.0.0.2").await;
    let begun = format!("POST /events HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(40_000));
    stream.write_all(begun.as_bytes()).await.unwrap();
    let mut answer = vec![stream.read_u8().await.unwrap()];
    // It is answered, and has not heard yet.
    for _ in 0..20 {
        stream.write_all(&[b'y'; 10_000]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.shutdown().await.unwrap();
    let mut byte = [0];
    while tokio::time::timeout(LIMIT, stream.read(&mut byte)).await.unwrap().unwrap() == 1 {
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    let [(431, head, body)] = answers(&answer, &[])[..] else { panic!("{answer:?}") };
    failure(head, body);
}

#[tokio::test]
async fn who_cannot_be_read_and_does_not_hang_up_is_not_waited_for() {
    let mut server = start(256, &[]).await;
    let mut stream = connect(&server, "127.0.0.2").await;
    stream.write_all(b"a b c\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let started = Instant::now();
    while stream.write_all(b"more").await.is_ok() {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(&mut server).await;
}

/// The least a receiver can have; the system gives twice that.
const LITTLE: u32 = 2048;

#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_by_their_bytes() {
    let server = start(1024, &[("RELAY_LOG", "off,mdss_relay_http=info")]).await;
    let bad = format!(r#"{{"Records":[{}1]}}"#, "1,".repeat(19_999));
    let request = format!("POST /events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{bad}", bad.len());
    let mut held = Vec::new();
    for n in 0..180 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(LITTLE).unwrap();
        socket.bind(format!("127.0.0.{}:0", 2 + n % 2).parse().unwrap()).unwrap();
        let mut stream = socket.connect(server.address.parse().unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let peak = server.process.peak_memory_at_rest(LIMIT).await.unwrap() >> 20;
    assert!(peak < 200, "{peak} MB at the most");
    assert_eq!(ask(&server, "127.0.0.9", "GET /healthz", "").await.0, 200);
}

#[tokio::test]
async fn large_bodies_are_taken_as_memory_allows_and_small_ones_do_not_notice() {
    let server = start(1024, &[("RELAY_LOG", "off,mdss_relay_http=info")]).await;
    let test = r#"{"eventSource":"x:s3","eventName":"s3:TestEvent","s":1}"#;
    let many = format!(r#"{{"Records":[{}{test}]}}"#, format!("{test},").repeat(19_999));
    let mut large = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (address, many) = (server.address.clone(), many.clone());
        large.spawn(async move { send(&address, "POST", "/events", many).await.status });
    }
    // Those of usual size, meanwhile.
    for _ in 0..20 {
        let (status, took) = ask(&server, "127.0.0.2", "POST /events", REMOVED).await;
        assert!(status == 200 && took < SOON, "{status} after {took:?}");
    }
    let mut done = 0;
    while let Some(status) = large.join_next().await {
        let status = status.unwrap();
        assert!(matches!(status, 200 | 503), "{status}");
        done += usize::from(status == 200);
    }
    assert!(done > 0);
    let peak = server.process.peak_memory().unwrap() >> 20;
    assert!(peak < 200, "{peak} MB at the most, {done} done");
}
