//! Calls, as the agent makes them and as it should not.
//!
//! A number in a name stays with its situation, so that it can be referred to.

mod container;

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use container::{AGENT_HEADERS, Connection, Container, agent_call, chunked, deadline_in, ends_within, sized};
use serde_json::json;

const MIB: usize = 1024 * 1024;

/// A JSON string of that many bytes.
fn json_of(size: usize) -> String {
    format!("\"{}\"", "x".repeat(size - 2))
}

/// fdk-go, `TestHTTPStreamSock`.
#[test]
fn a01_call_is_answered() {
    let container = Container::start();
    let reply = container.call("{\"hello\": \"there\"}");
    assert_eq!((reply.status, reply.text()), (200, "{\"hello\": \"there\"}"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("fn-fdk-version"), Some(concat!("fn-shim/", env!("CARGO_PKG_VERSION"))));
    assert!(reply.header("fn-fdk-runtime").is_some_and(|runtime| runtime.starts_with("rust/1.")));
    assert_eq!(reply.header("connection"), None, "the connection is kept");
}

/// What `serde_json::Value` would change or refuse stays as it was sent, both ways.
#[test]
fn a01_payload_is_byte_exact() {
    let container = Container::start();
    let mut connection = container.connect();
    for body in [
        "{ \"a\" : 1 ,\n\t\"a\" : 2 }",
        "1.0e400",
        "12345678901234567890123",
        "{\"b\":1,\"a\":1.10}",
        r#""\u00e9 \/ é 😀""#,
        "null",
    ] {
        let reply = connection.call(body);
        assert_eq!((reply.status, reply.text()), (200, body));
    }
}

/// The agent keeps an idle connection for a second and then dials again (fnproject/fn, `api/agent/agent.go`),
/// and may go back to keeping it for longer.
#[test]
fn a02_connection_is_kept_and_a_new_one_taken() {
    let container = Container::start();
    let mut kept = container.connect();
    assert_eq!(kept.call("1").status, 200);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(kept.call("2").status, 200);
    drop(kept);
    assert_eq!(container.call("3").status, 200);
}

/// fdk-java, `shouldHandleMultipleRequests`.
#[test]
fn a03_two_hundred_calls_on_one_connection() {
    let container = Container::start();
    let mut connection = container.connect();
    for number in 0..200 {
        let size = number * 1997;
        let body = if size == 0 { String::new() } else { json_of(size) };
        let reply = connection.call(&body);
        // An empty body is no JSON.
        let want = if size == 0 { 502 } else { 200 };
        assert_eq!(reply.status, want, "{size} bytes");
        assert!(size == 0 || reply.text() == body, "{size} bytes");
    }
}

/// fdk-java, `shouldHandleLargeBodies`.
#[test]
fn a04_ten_mebibytes_are_refused_and_survived() {
    let container = Container::start();
    let mut connection = container.connect();
    for request in [agent_call("", &json_of(10 * MIB)), sized("POST", "/call", "", &json_of(10 * MIB))] {
        let reply = connection.ask(&request);
        assert_eq!((reply.status, reply.error_type()), (502, "body_too_large".to_owned()));
    }
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

/// Both sides of OCI's limit.
#[test]
fn a05_six_mebibytes_and_one_more() {
    let container = Container::start();
    let mut connection = container.connect();
    let (fits, too_large) = (json_of(6 * MIB), json_of(6 * MIB + 1));
    for frame in [agent_call, |headers: &str, body: &str| sized("POST", "/call", headers, body)] {
        let reply = connection.ask(&frame("", &fits));
        assert_eq!(reply.status, 200);
        assert!(reply.text() == fits);
        let reply = connection.ask(&frame("", &too_large));
        assert_eq!((reply.status, reply.error_type()), (502, "body_too_large".to_owned()));
    }
    container.assert_well();
}

#[test]
fn a_body_without_end_is_given_up() {
    let container = Container::start();
    let mut connection = container.connect();
    let mut writer = connection.stream.try_clone().unwrap();
    let pouring = thread::spawn(move || {
        use std::io::Write;
        let head = format!("POST /call HTTP/1.1\r\n{AGENT_HEADERS}Transfer-Encoding: chunked\r\n\r\n");
        writer.write_all(head.as_bytes()).unwrap();
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(MIB));
        while writer.write_all(chunk.as_bytes()).is_ok() {}
    });
    let reply = connection.receive();
    assert_eq!((reply.status, reply.error_type()), (502, "body_too_large".to_owned()));
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(connection.is_closed());
    pouring.join().unwrap();
    container.assert_well();
}

/// fdk-java takes it for what it says; here a deadline before the process began is none, but still told.
#[test]
fn a06_deadline_long_ago_is_no_deadline() {
    let container = Container::start();
    let request = agent_call("Fn-Deadline: 2002-10-02T10:00:00.992Z\r\n", "{\"behave\":\"context\"}");
    let reply = container.connect().ask(&request);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["deadline"], json!(1_033_552_800_992_u64));
}

/// fdk-java, `shouldRejectFnMissingHeaders`, on purpose not followed: fdk-go and fdk-python go on.
#[test]
fn a07_call_id_and_deadline_may_be_missing() {
    let container = Container::start();
    let request =
        "POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{\"behave\":\"context\"}";
    let reply = container.connect().ask(request.as_bytes());
    assert_eq!(reply.status, 200);
    let context = reply.json();
    assert_eq!((&context["request_id"], &context["deadline"]), (&json!(""), &json!(0)));
}

/// fdk-go, `fdk.go`.
#[test]
fn a08_unreadable_deadline_is_no_deadline() {
    let container = Container::start();
    for deadline in ["garbage", "", "2099-01-01", "\u{e9}"] {
        let headers = format!("Fn-Deadline: {deadline}\r\n");
        let reply = container.connect().ask(&agent_call(&headers, "{\"behave\":\"context\"}"));
        assert_eq!(reply.status, 200, "{deadline}");
        assert_eq!(reply.json()["deadline"], json!(0), "{deadline}");
    }
}

/// The agent writes its local offset (fnproject/fn, `api/agent/agent.go`, `createUDSRequest`).
#[test]
fn a09_deadline_with_an_offset() {
    let container = Container::start_with(&[("FN_FN_NAME", "echo"), ("FN_FN_ID", "ocid1.fnfunc.1")]);
    for deadline in ["2099-01-01T02:00:00+02:00", "2098-12-31T16:00:00-08:00", "2099-01-01T00:00:00Z"] {
        let headers = format!("Fn-Deadline: {deadline}\r\n");
        let reply = container.connect().ask(&agent_call(&headers, "{\"behave\":\"context\"}"));
        assert_eq!(reply.status, 200, "{deadline}");
        let context = reply.json();
        assert_eq!(context["deadline"], json!(4_070_908_800_000_u64), "{deadline}");
        assert_eq!(context["request_id"], json!("01ABC"));
        assert_eq!(context["invoked_function_arn"], json!("ocid1.fnfunc.1"));
        assert_eq!(context["env_config"]["function_name"], json!("echo"));
        assert_eq!(context["env_config"]["memory"], json!(128));
        assert_eq!(context["xray_trace_id"], json!(null));
    }
}

/// fdk-python, `test_errored_func` and `test_enforced_response_codes_502`, `_504`.
#[test]
fn a10_a12_handler_failures() {
    let container = Container::start();
    let mut connection = container.connect();
    let table = [
        ("fail", 502, r#"{"errorType":"Asked","errorMessage":"as you wish"}"#),
        ("report", 502, r#"{"outcome": "as you wish"}"#),
        ("late", 504, r#"{"errorType":"deadline","errorMessage":"there was no time"}"#),
        ("panic", 502, r#"{"errorType":"panic","errorMessage":"the function panicked"}"#),
        ("nothing", 200, "null"),
    ];
    for (behaviour, status, body) in table {
        let reply = connection.call(&format!("{{\"behave\":\"{behaviour}\"}}"));
        assert_eq!((reply.status, reply.text()), (status, body), "{behaviour}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{behaviour}");
        assert!(reply.header("fn-fdk-version").is_some(), "{behaviour}");
        assert!(reply.header("fn-fdk-runtime").is_some(), "{behaviour}");
    }
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

/// fdk-python, `test_parse_request_without_data`, and fnproject/fn, `TestFnInvokeRunnerExecEmptyBody`: a body
/// is not required there, but a handler that takes JSON has nothing to take.
#[test]
fn a13_bodies_that_are_not_json() {
    let container = Container::start();
    let mut connection = container.connect();
    let no_body = format!("POST /call HTTP/1.1\r\n{AGENT_HEADERS}\r\n").into_bytes();
    let not_utf8 =
        [b"POST /call HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n".as_slice(), b"\"\xff\""].concat();
    let requests = [
        no_body,
        not_utf8,
        agent_call("", ""),
        sized("POST", "/call", "", ""),
        agent_call("", " "),
        agent_call("", "{"),
        agent_call("", "{} {}"),
        agent_call("", "{\"a\":1,}"),
        agent_call("", "\u{feff}{}"),
    ];
    for request in requests {
        let reply = connection.ask(&request);
        let request = String::from_utf8_lossy(&request);
        assert_eq!((reply.status, reply.error_type()), (502, "body_not_readable".to_owned()), "{request}");
    }
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

/// fdk-python, `test_none_func`, answers nothing; `lambda_runtime` answers `null`, and so does this crate.
#[test]
fn a14_empty_response_is_null() {
    let container = Container::start();
    let reply = container.call("{\"behave\":\"nothing\"}");
    assert_eq!((reply.status, reply.text()), (200, "null"));
}

/// fdk-python, `test_log_frame_header`.
#[test]
fn a20_log_frame_on_both_streams() {
    let container = Container::start_with(&[("FN_LOGFRAME_NAME", "foo"), ("FN_LOGFRAME_HDR", "Fn-Call-Id")]);
    container.assert_well();
    assert_eq!(container.printed(), ("\nfoo=01ABC\n".to_owned(), "\nfoo=01ABC\n".to_owned()));
}

/// fdk-go, `handler.go`, `logFrameHeader`.
#[test]
fn a21_no_log_frame_without_all_of_it() {
    let nothing = (String::new(), String::new());
    for vars in [
        &[("FN_LOGFRAME_NAME", "foo")][..],
        &[("FN_LOGFRAME_HDR", "Fn-Call-Id")],
        &[("FN_LOGFRAME_NAME", "foo"), ("FN_LOGFRAME_HDR", "No-Such-Header")],
    ] {
        let container = Container::start_with(vars);
        container.assert_well();
        assert_eq!(container.printed(), nothing, "{vars:?}");
    }
}

#[test]
fn a29_chunks_of_any_size() {
    let container = Container::start();
    let mut connection = container.connect();
    let body = json!({"text": "é😀".repeat(500)}).to_string();
    for size in [1, 3, 7, 1021, 1_000_000] {
        let reply = connection.ask(&chunked("", &body, size));
        assert_eq!((reply.status, reply.text()), (200, body.as_str()), "by {size}");
    }
    let reply = connection.ask(&sized("POST", "/call", "", &body));
    assert_eq!((reply.status, reply.text()), (200, body.as_str()));
}

#[test]
fn a29_bodies_that_wait_to_be_asked_for() {
    let container = Container::start();
    let mut connection = container.connect();
    let request = sized("POST", "/call", "Expect: 100-continue\r\n", "{\"a\": 1}");
    let (head, body) = request.split_at(request.len() - "{\"a\": 1}".len());
    connection.send(head);
    assert_eq!(connection.receive().status, 100);
    connection.send(body);
    let reply = connection.receive();
    assert_eq!((reply.status, reply.text()), (200, "{\"a\": 1}"));
}

/// fnproject/fn, `TestInvokeRunnerTimeout`: what follows a broken call is answered.
#[test]
fn a30_client_gone_amid_a_body() {
    let container = Container::start();
    for start in [
        "POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        "POST /call HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        "POST /call HTTP/1.1\r\nHost: loc",
    ] {
        container.connect().send(start.as_bytes());
        container.assert_well();
    }
}

#[test]
fn a30_chunks_that_are_none() {
    let container = Container::start();
    let request = format!("POST /call HTTP/1.1\r\n{AGENT_HEADERS}Transfer-Encoding: chunked\r\n\r\nnope\r\n");
    let reply = container.connect().ask(request.as_bytes());
    assert_eq!((reply.status, reply.error_type()), (502, "body_incomplete".to_owned()));
    container.assert_well();
}

#[test]
fn a30_client_gone_amid_a_call_frees_the_handler() {
    let container = Container::start();
    container.connect().send(&agent_call("", "{\"behave\":\"sleep\",\"ms\":600000}"));
    // Without a deadline, only the client's going can end it.
    container.assert_well();
}

/// 404 and 405 would cost the container.
#[test]
fn a31_other_methods_and_paths_are_502() {
    let container = Container::start();
    let mut connection = container.connect();
    for (method, path) in [
        ("GET", "/call"),
        ("PUT", "/call"),
        ("OPTIONS", "*"),
        ("BREW", "/call"),
        ("POST", "/other"),
        ("POST", "/"),
        ("POST", "/call/"),
    ] {
        let reply = connection.ask(&sized(method, path, "", "{}"));
        assert_eq!((reply.status, reply.error_type()), (502, "unknown_route".to_owned()), "{method} {path}");
    }
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

#[test]
fn a32_handler_over_its_deadline_is_504_before_it() {
    let container = Container::start();
    let mut connection = container.connect();
    ends_within(Duration::from_millis(2000), || {
        let sent = Instant::now();
        let request = agent_call(&deadline_in(2000), "{\"behave\":\"sleep\",\"ms\":600000}");
        let reply = connection.ask(&request);
        let took = sent.elapsed();
        assert_eq!((reply.status, reply.error_type()), (504, "deadline".to_owned()));
        assert!(took > Duration::from_millis(1700), "{took:?}");
        took
    });
    assert_eq!(connection.call("1").status, 200, "the next call, on the same connection");
}

#[test]
fn a32_deadline_just_over_is_504_without_the_handler() {
    let container = Container::start();
    let mut connection = container.connect();
    assert_eq!(connection.call("1").status, 200);
    thread::sleep(Duration::from_millis(100));
    for deadline in [deadline_in(-50), deadline_in(200)] {
        let reply = connection.ask(&agent_call(&deadline, "{\"behave\":\"context\"}"));
        assert_eq!((reply.status, reply.error_type()), (504, "deadline".to_owned()), "{deadline}");
    }
    assert_eq!(connection.call("1").status, 200, "on the same connection");
}

#[test]
fn a32_body_that_does_not_come_is_504() {
    let container = Container::start();
    let mut connection = container.connect();
    let head =
        format!("POST /call HTTP/1.1\r\n{AGENT_HEADERS}{}Content-Length: 9\r\n\r\n{{", deadline_in(1000));
    let reply = connection.ask(head.as_bytes());
    assert_eq!((reply.status, reply.error_type()), (504, "deadline".to_owned()));
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(connection.is_closed());
    container.assert_well();
}

/// A process that was stopped, as a frozen container is, goes on where it was.
#[test]
fn a34_call_after_a_freeze() {
    let container = Container::start();
    let mut connection = container.connect();
    assert_eq!(connection.call("1").status, 200);
    container.signal("STOP");
    thread::sleep(Duration::from_millis(1200));
    connection.send(&agent_call(&deadline_in(5000), "2"));
    container.signal("CONT");
    assert_eq!(connection.receive().status, 200);
}

#[test]
fn a36_second_connection_waits_its_turn() {
    let container = Container::start();
    let sleep = "{\"behave\":\"sleep\",\"ms\":400}";
    let mut connections: Vec<Connection> = (0..3).map(|_| container.connect()).collect();
    let sent = Instant::now();
    for connection in &mut connections {
        connection.send(&agent_call("", sleep));
    }
    for connection in &mut connections {
        let reply = connection.receive();
        assert_eq!((reply.status, reply.text()), (200, sleep));
    }
    assert!(sent.elapsed() >= Duration::from_millis(1200), "one at a time: {:?}", sent.elapsed());
}

#[test]
fn a36_deadline_runs_while_waiting() {
    let mut container = Container::start();
    let mut first = container.connect();
    first.send(&agent_call("", "{\"behave\":\"sleep\",\"ms\":2500}"));
    assert_eq!(container.next_line(), "asleep\n");
    let mut second = container.connect();
    let reply = second.ask(&agent_call(&deadline_in(1000), "2"));
    assert_eq!((reply.status, reply.error_type()), (504, "deadline".to_owned()));
    // The first one has not ended meanwhile.
    first.stream.set_nonblocking(true).unwrap();
    let nothing = first.stream.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    first.stream.set_nonblocking(false).unwrap();
    assert_eq!(second.call("3").status, 200, "once it is its turn");
    assert_eq!(first.receive().status, 200);
}

#[test]
fn a37_many_headers() {
    let container = Container::start();
    let headers: String = (0..150).map(|number| format!("Caller-{number}: {number}\r\n")).collect();
    assert_eq!(container.connect().ask(&agent_call(&headers, "1")).status, 200);
    let large = format!("Caller: {}\r\n", "x".repeat(MIB));
    assert_eq!(container.connect().ask(&agent_call(&large, "1")).status, 200);
}

/// hyper answers these by itself, with 400, 414 and 431.
#[test]
fn a37_heads_that_cannot_be_read_are_502() {
    let container = Container::start();
    let many: String = (0..2000).map(|number| format!("Caller-{number}: {number}\r\n")).collect();
    let requests = [
        ("many headers", agent_call(&many, "1")),
        ("no HTTP", b"nonsense\r\n\r\n".to_vec()),
        ("another version", b"POST /call HTTP/9.9\r\n\r\n".to_vec()),
        ("a header without a colon", b"POST /call HTTP/1.1\r\nnonsense\r\n\r\n".to_vec()),
        ("a length that is none", b"POST /call HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_vec()),
        ("a head of two megabytes", agent_call(&format!("Caller: {}\r\n", "x".repeat(2 * MIB)), "1")),
        ("a long path", sized("POST", &format!("/{}", "x".repeat(70_000)), "", "1")),
        ("a path that is none", b"POST /\x01 HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, request) in requests {
        let mut connection = container.connect();
        let reply = connection.ask(&request);
        assert_eq!((reply.status, reply.error_type()), (502, "malformed_request".to_owned()), "{what}");
        assert_eq!(reply.header("connection"), Some("close"), "{what}");
        assert!(reply.header("fn-fdk-version").is_some(), "{what}");
        assert!(connection.is_closed(), "{what}");
        container.assert_well();
    }
}

/// And after an answer on the same connection, too.
#[test]
fn a37_head_that_cannot_be_read_after_one_that_could() {
    let container = Container::start();
    let mut connection = container.connect();
    assert_eq!(connection.call("1").status, 200);
    assert_eq!(connection.ask(b"nonsense\r\n\r\n").status, 502);
}

/// fdk-go and fdk-python, tracing tests. There is no tracing here: what is sent for it does no harm, and the collector
/// hears nothing.
#[test]
fn a38_tracing_is_ignored_without_harm() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    collector.set_nonblocking(true).unwrap();
    let url = format!("http://{}/20200101/observations/public-span", collector.local_addr().unwrap());
    for enabled in ["0", "1"] {
        let vars = [("OCI_TRACING_ENABLED", enabled), ("OCI_TRACE_COLLECTOR_URL", url.as_str())];
        let container = Container::start_with(&vars);
        for headers in [
            "",
            "X-B3-TraceId: 213454321432\r\nX-B3-SpanId: 244342r1\r\nX-B3-ParentSpanId: 24\r\n\
             X-B3-Sampled: 1\r\nX-B3-Flags: 1\r\n",
            "x-b3-traceid: \r\nx-b3-sampled: nonsense\r\nx-b3-flags: \u{e9}\r\n",
        ] {
            let reply = container.connect().ask(&agent_call(headers, "{\"behave\":\"context\"}"));
            assert_eq!(reply.status, 200, "{enabled} {headers}");
            assert_eq!(reply.json()["xray_trace_id"], json!(null), "{enabled} {headers}");
        }
        assert_eq!(container.printed(), (String::new(), String::new()), "{enabled}");
    }
    assert_eq!(collector.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn accepting_survives_a_shortage_of_files() {
    let container = Container::start_with_files(20);
    let mut crowd: Vec<Connection> = (0..40).map(|_| container.connect()).collect();
    // Otherwise files were never short: others wait at the door, and there is not one more to be had.
    container.await_all_files(20);
    assert_eq!(crowd[0].call("1").status, 200, "who is in is served");
    assert!(container.has_all_files(20));
    drop(crowd);
    container.assert_well();
}
