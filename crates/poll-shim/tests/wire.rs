//! What is on the wire, byte for byte, also where the server keeps to nothing. `tNN` and `hNN` are situations of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod server;

use std::time::Duration;

use poll_shim::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};
use serde_json::{Value, json};
use server::{LIMIT, TAKEN, asked, environment, event, handle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const READY: &str = "POST /runtime/init/ready";
const NEXT: &str = "GET /runtime/invocation/next";
const RESPONSE: &str = "POST /runtime/invocation/response";
const ERROR: &str = "POST /runtime/invocation/error";
const REQUEST: &str = "GET /v1/runtime/invocation/request";

/// Method and path of each request.
fn lines(asked: &[String]) -> Vec<&str> {
    asked.iter().map(|request| request.split(" HTTP/1.1\r\n").next().unwrap()).collect()
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The body of a failure.
fn failed(request: &str) -> (String, String) {
    let body = body(request);
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

#[tokio::test]
async fn t01_and_t02_a_function_says_that_it_has_started_and_what_became_of_an_event() {
    let given =
        event("request_id: r-1\r\nmemory_limit_in_mb: 128\r\ntime_limit_in_ms: 60000\r\n", "{\"a\": 1}");
    let asked = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
    assert_eq!(lines(&asked), [READY, NEXT, RESPONSE, NEXT]);
    // One space; no other header than these.
    let (head, content) = asked[0].split_once("\r\n\r\n").unwrap();
    assert_eq!(content, " ");
    let mut headers: Vec<_> = head.lines().skip(1).map(|line| line.split(": ").next().unwrap()).collect();
    headers.sort_unstable();
    assert_eq!(headers, ["connection", "content-length", "content-type", "host"]);
    assert_eq!(body(&asked[2]), json!({ "event": { "a": 1 }, "id": "r-1", "deadline": true }));
}

#[tokio::test]
async fn h01_the_id_stands_at_the_end_of_the_path() {
    let given = event("X-Cff-Request-Id: r-1\r\nX-CFF-Secret-Key: s3cret\r\n", "{}");
    let answers = [&*given, TAKEN];
    let of = [("RUNTIME_TIMEOUT", "60")];
    let requests = asked(&HUAWEI_FUNCTIONGRAPH, &of, &answers).await;
    assert_eq!(lines(&requests), [REQUEST, "POST /v1/runtime/invocation/response/r-1", REQUEST]);
    assert_eq!(body(&requests[1]), json!({ "event": {}, "id": "r-1", "deadline": true }));
    // Without the variable there is no deadline.
    let requests = asked(&HUAWEI_FUNCTIONGRAPH, &[], &answers).await;
    assert_eq!(body(&requests[1])["deadline"], false);
}

#[tokio::test]
async fn h09_an_odd_id_never_stands_in_a_path_as_it_is() {
    for (id, path) in
        [("a/b?c", "a%2Fb%3Fc"), ("../../x", "%2E%2E%2F%2E%2E%2Fx"), ("a b#c%41", "a%20b%23c%2541")]
    {
        let given = event(&format!("x-cff-request-id: {id}\r\n"), "nope");
        let asked = asked(&HUAWEI_FUNCTIONGRAPH, &[], &[&given, TAKEN]).await;
        assert_eq!(lines(&asked), [REQUEST, &format!("POST /v1/runtime/invocation/error/{path}"), REQUEST]);
    }
}

#[tokio::test]
async fn t07_an_event_without_an_id_is_handled_where_no_answer_needs_one() {
    for head in ["", "request_id: \r\n", "request_id: a\r\nrequest_id: b\r\n"] {
        let asked = asked(&TENCENT_SCF, &[], &[TAKEN, &event(head, "{}"), TAKEN]).await;
        assert_eq!(lines(&asked), [READY, NEXT, RESPONSE, NEXT], "{head}");
        assert_eq!(body(&asked[2])["id"], "", "{head}");
    }
}

#[tokio::test]
async fn h05_an_event_without_an_id_is_not_handled_where_each_answer_needs_one() {
    let started = std::time::Instant::now();
    let answers = [
        event("", "{}"),
        event("x-cff-request-id:\r\n", "{}"),
        event("x-cff-request-id: a\r\nx-cff-request-id: b\r\n", "{}"),
    ];
    let answers: Vec<&str> = answers.iter().map(|answer| &**answer).collect();
    let asked = asked(&HUAWEI_FUNCTIONGRAPH, &[], &answers).await;
    assert_eq!(lines(&asked), [REQUEST; 4]);
    assert!(started.elapsed().as_millis() >= 150, "{:?}", started.elapsed());
}

#[tokio::test]
async fn h04_and_t06_an_answer_without_an_event_is_asked_for_again_after_a_pause() {
    let status = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    let answers =
        ["404 Not Found", "500 Internal Server Error", "204 No Content", "302 Found", "429 Slow"].map(status);
    let answers: Vec<&str> = answers.iter().map(|answer| &**answer).collect();
    let started = std::time::Instant::now();
    let requests = asked(&HUAWEI_FUNCTIONGRAPH, &[], &answers).await;
    assert_eq!(lines(&requests), [REQUEST; 6]);
    assert!(started.elapsed().as_millis() >= 250, "{:?}", started.elapsed());
    let answers: Vec<&str> = [TAKEN].into_iter().chain(answers[..3].iter().copied()).collect();
    let started = std::time::Instant::now();
    let requests = asked(&TENCENT_SCF, &[], &answers).await;
    assert_eq!(lines(&requests), [READY, NEXT, NEXT, NEXT, NEXT]);
    // 50, 100 and 200 ms.
    assert!(started.elapsed().as_millis() >= 350, "{:?}", started.elapsed());
}

#[tokio::test]
async fn t05_half_an_answer_is_no_event_and_no_failure() {
    let id = "x-cff-request-id: r-1\r\n";
    for half in [
        String::new(),
        "HTTP/1.1 200".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{id}"),
        format!("HTTP/1.1 200 OK\r\n{id}content-length: 100\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{id}content-length: 100\r\n\r\n{{\"a\":"),
        format!("HTTP/1.1 200 OK\r\n{id}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
        format!("HTTP/1.1 200 OK\r\n{id}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{id}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
        format!("HTTP/1.1 200 OK\r\n{id}\u{1}: x\r\ncontent-length: 2\r\n\r\n{{}}"),
        format!("HTTP/1.1 200 OK\r\n{id}x: {}\r\ncontent-length: 2\r\n\r\n{{}}", "y".repeat(70_000)),
        format!("HTTP/1.1 200 OK\r\n{id}{}content-length: 2\r\n\r\n{{}}", "x: y\r\n".repeat(200)),
    ] {
        let whole = event(id, "{}");
        let asked = asked(&HUAWEI_FUNCTIONGRAPH, &[], &[&half, &whole, TAKEN]).await;
        let want = [REQUEST, REQUEST, "POST /v1/runtime/invocation/response/r-1", REQUEST];
        assert_eq!(lines(&asked), want, "{half:.99}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_taken_is_a_failed_call() {
    for (given, name) in [
        ("hello", "body_not_readable"),
        ("", "body_not_readable"),
        ("{\"a\":1}x", "body_not_readable"),
        ("{\"panic\":1}", "panic"),
        ("{\"fail\":\"no\"}", "boom"),
    ] {
        let given = event("request_id: r-1\r\n", given);
        let asked = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
        assert_eq!(lines(&asked), [READY, NEXT, ERROR, NEXT], "{given}");
        let (error_type, message) = failed(&asked[2]);
        assert_eq!(error_type, name);
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[tokio::test]
async fn an_event_of_enormous_size_is_a_failed_call_and_not_kept() {
    // What is announced is believed before it comes, and what comes is counted.
    let limit = 6 * 1024 * 1024;
    let announced = "HTTP/1.1 200 OK\r\nrequest_id: r-1\r\ncontent-length: 99999999999\r\n\r\n".to_owned();
    let counted = format!(
        "HTTP/1.1 200 OK\r\nrequest_id: r-1\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        limit + 1,
        " ".repeat(limit + 1)
    );
    for given in [announced, counted] {
        let asked = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
        assert_eq!(lines(&asked), [READY, NEXT, ERROR, NEXT]);
        assert_eq!(failed(&asked[2]).0, "body_too_large");
    }
    let given = event("request_id: r-1\r\n", &format!("\"{}\"", "x".repeat(limit - 2)));
    let asked = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
    assert_eq!(lines(&asked), [READY, NEXT, RESPONSE, NEXT], "the limit itself");
}

#[tokio::test]
async fn t08_and_h08_the_deadline_is_a_failed_call_before_it_is_over() {
    let slow = "{\"sleep_ms\":60000}";
    let given = event("request_id: r-1\r\ntime_limit_in_ms: 1000\r\n", slow);
    let started = std::time::Instant::now();
    let requests = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
    assert_eq!((lines(&requests)[2], &*failed(&requests[2]).0), (ERROR, "deadline"));
    assert!(started.elapsed().as_millis() < 1000, "{:?}", started.elapsed());
    let given = event("x-cff-request-id: r-1\r\n", slow);
    let started = std::time::Instant::now();
    let requests = asked(&HUAWEI_FUNCTIONGRAPH, &[("RUNTIME_TIMEOUT", "1")], &[&given, TAKEN]).await;
    assert_eq!(failed(&requests[1]).0, "deadline");
    assert!(started.elapsed().as_millis() < 1000, "{:?}", started.elapsed());
    // A limit that is none is no deadline.
    let given = event("request_id: r-1\r\ntime_limit_in_ms: soon\r\n", "{}");
    let requests = asked(&TENCENT_SCF, &[], &[TAKEN, &given, TAKEN]).await;
    assert_eq!(body(&requests[2])["deadline"], false);
}

#[tokio::test]
async fn t09_and_h10_a_result_is_posted_once_whatever_becomes_of_it() {
    let refused = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    for answer in [
        refused("400 Bad Request"),
        refused("410 Gone"),
        refused("500 Internal Server Error"),
        refused("302 Found"),
        String::new(),
        "nonsense\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\nhalf".to_owned(),
    ] {
        for (content, what) in [("{}", "response"), ("nope", "error")] {
            let given = event("request_id: r-1\r\n", content);
            let requests = asked(&TENCENT_SCF, &[], &[TAKEN, &given, &answer]).await;
            let post = format!("POST /runtime/invocation/{what}");
            assert_eq!(lines(&requests), [READY, NEXT, &post, NEXT], "{answer}");
            let given = event("x-cff-request-id: r-1\r\n", content);
            let requests = asked(&HUAWEI_FUNCTIONGRAPH, &[], &[&given, &answer]).await;
            let post = format!("POST /v1/runtime/invocation/{what}/r-1");
            assert_eq!(lines(&requests), [REQUEST, &post, REQUEST], "{answer}");
        }
    }
}

#[tokio::test]
async fn t09_a_result_that_is_refused_again_and_again_is_no_loop_without_a_pause() {
    let given = event("request_id: r-1\r\n", "{}");
    let refused = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
    let rounds = [&*given, refused].repeat(5);
    let answers: Vec<&str> = [TAKEN].into_iter().chain(rounds).collect();
    let started = std::time::Instant::now();
    let requests = asked(&TENCENT_SCF, &[], &answers).await;
    let want: Vec<&str> = [READY].into_iter().chain([NEXT, RESPONSE].repeat(5)).chain([NEXT]).collect();
    assert_eq!(lines(&requests), want);
    // 50, 100, 200, 400 and 800 ms.
    assert!(started.elapsed().as_millis() >= 1550, "{:?}", started.elapsed());
    // One that is taken is the end of it: 50 ms, none, 50 ms.
    let answers = [TAKEN, &given, refused, &given, TAKEN, &given, refused];
    let started = std::time::Instant::now();
    let requests = asked(&TENCENT_SCF, &[], &answers).await;
    assert_eq!(lines(&requests), [READY, NEXT, RESPONSE, NEXT, RESPONSE, NEXT, RESPONSE, NEXT]);
    assert!((100..1000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

/// The platform's server, for one call: the event in `given`, and 200 to its result after `pause`. Gives the result.
async fn one_call(listener: TcpListener, given: &str, asked: oneshot::Sender<()>, pause: Duration) -> String {
    let mut asked = Some(asked);
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).into_owned();
        if request.starts_with("POST") {
            tokio::time::sleep(pause).await;
            stream.write_all(TAKEN.as_bytes()).await.unwrap();
            return request;
        }
        if let Some(asked) = asked.take() {
            stream.write_all(given.as_bytes()).await.unwrap();
            asked.send(()).unwrap();
        }
    }
}

/// One call of Huawei's, at whose event the end is asked for; the server takes the result after `pause`.
async fn ended(given: &str, pause: Duration) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let environment = environment(&HUAWEI_FUNCTIONGRAPH, listener.local_addr().unwrap().port(), &[]);
    let (asked, was_asked) = oneshot::channel();
    let server = one_call(listener, given, asked, pause);
    let stop = async move { was_asked.await.unwrap() };
    let serving = poll_shim::serve(environment, lambda_runtime::service_fn(handle), stop);
    tokio::pin!(server);
    tokio::select! {
        request = &mut server => return Some(request),
        outcome = serving => outcome.unwrap(),
    }
    // The shim has ended: has the server got something?
    tokio::time::timeout(Duration::from_millis(100), server).await.ok()
}

#[tokio::test]
async fn a_result_is_posted_after_the_end_was_asked_for_however_long_the_platform_takes() {
    let given = event("x-cff-request-id: r-1\r\n", "{\"sleep_ms\":200}");
    let request = ended(&given, Duration::from_secs(2)).await.unwrap();
    assert!(request.starts_with("POST /v1/runtime/invocation/response/r-1 "), "{request}");
}

/// The event and the end come in the same moment: the platform has handed it out, and gives it to nobody else.
#[tokio::test]
async fn an_event_that_is_on_its_way_when_the_end_is_asked_for_is_handled() {
    let given = event("x-cff-request-id: r-1\r\n", "{}");
    for _ in 0..5 {
        let request = ended(&given, Duration::ZERO).await.expect("the event was thrown away");
        assert!(request.starts_with("POST /v1/runtime/invocation/response/r-1 "), "{request}");
    }
}

#[tokio::test]
async fn t10_who_cannot_say_that_it_has_started_does_not_start() {
    for answer in
        ["HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", ""]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let environment = environment(&TENCENT_SCF, listener.local_addr().unwrap().port(), &[]);
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
        };
        let serving =
            poll_shim::serve(environment, lambda_runtime::service_fn(handle), std::future::pending());
        let (outcome, ()) = tokio::join!(tokio::time::timeout(LIMIT, serving), answering);
        let error = outcome.unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with("the platform's server did not take POST /runtime/init/ready: "),
            "{error}"
        );
    }
}
