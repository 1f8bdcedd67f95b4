//! `RuntimeApi` against functions: real ones, on `lambda_runtime`, each its own process; and bare pollers, where it
//! matters what is on the wire.
//!
//! The function's process is this test binary, started again; the test `function` then plays it. It is ignored
//! otherwise, and does nothing when somebody asks for it without the variables of a function.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may; clippy knows only #[test] functions as such"
)]

use std::env;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use drive::{DriveError, Fault, HttpPoster, Invocation, Outcome, Process, Program, RuntimeApi};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(100);

#[test]
#[ignore = "is the process the other tests start"]
fn function() {
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(lambda_runtime::run(service_fn(handle))).unwrap();
    }
}

/// Sleeps, meets another, fails or echoes, as the event says.
async fn handle(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    std::io::stdout().write_all(b"at work\n").unwrap();
    if let (Some(mine), Some(other)) = (event.payload["make"].as_str(), event.payload["await"].as_str()) {
        std::fs::write(mine, "").unwrap();
        while !std::path::Path::new(other).exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    if let Some(ms) = event.payload["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if let Some(message) = event.payload["fail"].as_str() {
        return Err(Diagnostic {
            error_type: "mdss_unavailable".to_owned(),
            error_message: message.to_owned(),
        });
    }
    let context = &event.context;
    Ok(json!({
        "event": event.payload,
        "request_id": context.request_id,
        "deadline_ms": u64::try_from(context.deadline().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap(),
        "arn": context.invoked_function_arn,
        "trace": context.xray_trace_id,
        "name": context.env_config.function_name,
    }))
}

fn start_function(api: &RuntimeApi) -> Process {
    Program::new(env::current_exe().unwrap())
        .args(["--exact", "function", "--ignored", "--nocapture"])
        .envs(api.env())
        .start()
        .unwrap()
}

async fn listen() -> RuntimeApi {
    RuntimeApi::listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

fn response(outcome: &Outcome) -> Value {
    let Outcome::Response(body) = outcome else { panic!("{outcome:?}") };
    serde_json::from_slice(body).unwrap()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A poller without a runtime behind it.
struct Bare {
    base: String,
    poster: HttpPoster,
}

impl Bare {
    fn new(api: &RuntimeApi) -> Self {
        Self { base: format!("http://{}", api.address()), poster: HttpPoster::new(SOON) }
    }

    async fn next(&self) -> Result<drive::Answer, DriveError> {
        let url = format!("{}/2018-06-01/runtime/invocation/next", self.base);
        self.poster.send("GET", &url, &[], "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> (u16, Value) {
        let answer = self.poster.send("POST", &format!("{}{path}", self.base), headers, body).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn respond(&self, request_id: &str, body: impl Into<Bytes>) -> (u16, Value) {
        self.post(&format!("/2018-06-01/runtime/invocation/{request_id}/response"), &[], body).await
    }
}

/// Closes a connection for good. Dropping it would not do: a process that another test is starting at this moment
/// holds a copy of it until it runs its program.
fn close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap();
}

// === real functions ===

#[tokio::test]
async fn a_function_answers_and_is_told_what_it_has_to_know() {
    let api = listen().await;
    let _function = start_function(&api);
    let before = now_ms();
    let invocation = Invocation::new(r#"{"a":1}"#, Duration::from_secs(30)).request_id("0123-abc");
    let answer = response(&api.invoke_with(invocation).await.unwrap());
    let after = now_ms();
    assert_eq!(answer["event"], json!({"a": 1}));
    assert_eq!(answer["request_id"], "0123-abc");
    assert_eq!(answer["name"], "driven");
    assert_eq!(answer["arn"], "arn:aws:lambda:us-east-1:123456789012:function:driven");
    assert!(answer["trace"].as_str().unwrap().starts_with("Root=1-"), "{answer}");
    let deadline = answer["deadline_ms"].as_u64().unwrap();
    assert!((before + 30_000..=after + 30_000).contains(&deadline), "{before} {deadline} {after}");
}

#[tokio::test]
async fn a_failure_is_given_with_its_type_message_and_body() {
    let api = listen().await;
    let _function = start_function(&api);
    let outcome = api.invoke(r#"{"fail":"{\"outcome\":\"transient\"}"}"#, SOON).await.unwrap();
    let Outcome::Error { error_type, error_message, body } = outcome else { panic!("{outcome:?}") };
    assert_eq!((&*error_type, &*error_message), ("mdss_unavailable", r#"{"outcome":"transient"}"#));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({"errorType": error_type, "errorMessage": error_message}));
}

#[tokio::test]
async fn any_deadline_can_be_sent() {
    let api = listen().await;
    let _function = start_function(&api);
    // What `cargo lambda` sends, ten minutes after the beginning of 1970.
    for deadline in [0, 600_000, now_ms() - 1, now_ms() + 1_000_000] {
        let invocation = Invocation::new("{}", SOON).deadline_ms(deadline);
        let answer = response(&api.invoke_with(invocation).await.unwrap());
        assert_eq!(answer["deadline_ms"], deadline);
    }
}

#[tokio::test]
async fn a_function_that_answers_too_late_gets_410_and_goes_on() {
    let api = listen().await;
    let mut function = start_function(&api);
    let limit = Duration::from_millis(100);
    let error = api.invoke(r#"{"sleep_ms":300}"#, limit).await.unwrap_err();
    assert!(matches!(error, DriveError::NoAnswer { after } if after == limit), "{error:?}");
    // The answer to the first event must not be taken for the answer to this one.
    let answer = response(&api.invoke(r#"{"second":true}"#, SOON).await.unwrap());
    assert_eq!(answer["event"], json!({"second": true}));
    function.signal("KILL").unwrap();
}

#[tokio::test]
async fn a_function_can_be_killed_and_started_again_at_any_moment() {
    let api = listen().await;
    let mut function = start_function(&api);
    for round in 0..5 {
        api.wait_for_poll(SOON).await.unwrap();
        // Between two events: its poll is open, its process gone.
        drop(function);
        function = start_function(&api);
        let answer = response(&api.invoke(format!("{{\"round\":{round}}}"), SOON).await.unwrap());
        assert_eq!(answer["event"]["round"], round);
    }
    // In the middle of one: it had the event, and nobody else gets it.
    drop(function);
    function = start_function(&api);
    let limit = Duration::from_secs(1);
    let (outcome, ()) = tokio::join!(api.invoke(r#"{"sleep_ms":60000}"#, limit), async {
        function.wait_for_line("at work", SOON).await.unwrap();
        drop(function);
    });
    assert!(matches!(outcome, Err(DriveError::NoAnswer { .. })), "{outcome:?}");
    let _function = start_function(&api);
    response(&api.invoke("{}", SOON).await.unwrap());
}

#[tokio::test]
async fn several_functions_share_the_work() {
    let api = listen().await;
    let _functions = [start_function(&api), start_function(&api)];
    let dir = tempfile::tempdir().unwrap();
    // Each waits for a file the other one makes: one after the other, they would wait for ever.
    let call = |mine: &str, other: &str| {
        let body = json!({"make": dir.path().join(mine), "await": dir.path().join(other), "name": mine});
        api.invoke(body.to_string(), SOON)
    };
    let (one, two) = tokio::join!(call("one", "two"), call("two", "one"));
    assert_eq!(response(&one.unwrap())["event"]["name"], "one");
    assert_eq!(response(&two.unwrap())["event"]["name"], "two");
}

#[tokio::test]
async fn an_empty_poll_does_not_harm_the_runtime() {
    let api = listen().await;
    let _function = start_function(&api);
    // A debug build of `lambda_runtime` asks again after 204 (a release build panics).
    api.fault(Fault::NextStatus(204));
    assert_eq!(response(&api.invoke("{}", SOON).await.unwrap())["event"], json!({}));
}

#[tokio::test]
async fn when_the_api_goes_so_does_the_function() {
    let api = listen().await;
    let mut function = start_function(&api);
    api.wait_for_poll(SOON).await.unwrap();
    drop(api);
    assert!(!function.wait(SOON).await.unwrap().success());
}

// === bare pollers ===

#[tokio::test]
async fn an_event_is_never_handed_to_a_connection_that_has_been_closed() {
    let api = listen().await;
    let mut dead = TcpStream::connect(api.address()).unwrap();
    dead.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    api.wait_for_poll(SOON).await.unwrap();
    // From here to the invocation nothing is awaited: hyper cannot have seen the end of the connection.
    close(&dead);
    let bare = Bare::new(&api);
    let (outcome, ()) = tokio::join!(api.invoke("{}", SOON), async {
        // Comes when the event has been offered to the dead one.
        tokio::time::sleep(BRIEFLY).await;
        let event = bare.next().await.unwrap();
        let request_id = event.header("lambda-runtime-aws-request-id").unwrap();
        assert_eq!(bare.respond(request_id, "\"alive\"").await.0, 202);
    });
    assert_eq!(outcome.unwrap(), Outcome::Response(Bytes::from_static(b"\"alive\"")));
}

#[tokio::test]
async fn a_dead_poller_does_not_count_as_one() {
    let api = listen().await;
    let mut dead = TcpStream::connect(api.address()).unwrap();
    dead.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    api.wait_for_poll(SOON).await.unwrap();
    close(&dead);
    assert!(matches!(api.wait_for_poll(BRIEFLY).await, Err(DriveError::NoPoll { .. })));
}

#[tokio::test]
async fn what_a_poller_gets() {
    let api = listen().await;
    let bare = Bare::new(&api);
    let (outcome, ()) = tokio::join!(api.invoke(&b"\x00 not json"[..], SOON), async {
        let event = bare.next().await.unwrap();
        assert_eq!(event.status, 200);
        assert_eq!(&event.body[..], b"\x00 not json");
        assert_eq!(event.header("content-type"), Some("application/json"));
        for name in ["aws-request-id", "deadline-ms", "invoked-function-arn", "trace-id", "invocation-id"] {
            assert!(event.header(&format!("lambda-runtime-{name}")).is_some_and(|v| !v.is_empty()), "{name}");
        }
        let id = event.header("lambda-runtime-aws-request-id").unwrap();
        // Without a body that says so, the type is the header's.
        let path = format!("/2018-06-01/runtime/invocation/{id}/error");
        let answer = bare.post(&path, &[("Lambda-Runtime-Function-Error-Type", "Runtime.Odd")], "oops").await;
        assert_eq!(answer, (202, json!({"status": "OK"})));
    });
    let expected = Outcome::Error {
        error_type: "Runtime.Odd".to_owned(),
        error_message: String::new(),
        body: Bytes::from_static(b"oops"),
    };
    assert_eq!(outcome.unwrap(), expected);
}

#[tokio::test]
async fn late_doubled_and_made_up_answers() {
    let api = listen().await;
    let bare = Bare::new(&api);
    let late = |status: u16, body: &Value| (status, body["errorType"].clone());
    let (outcome, event) = tokio::join!(api.invoke("{}", BRIEFLY), bare.next());
    assert!(matches!(outcome, Err(DriveError::NoAnswer { .. })), "{outcome:?}");
    let event = event.unwrap();
    let id = event.header("lambda-runtime-aws-request-id").unwrap();
    let (status, body) = bare.respond(id, "{}").await;
    assert_eq!(late(status, &body), (410, json!("ErrorRuntimeInvokeTimeout")));
    let (status, body) = bare.respond("made-up", "{}").await;
    assert_eq!(late(status, &body), (400, json!("InvalidRequestID")));

    // The same request id once more, as after a time-out on the platform: the old answer does not fit.
    let old = event.header("lambda-runtime-invocation-id").unwrap();
    let invocation = Invocation::new("{}", SOON).request_id(id);
    let (outcome, ()) = tokio::join!(api.invoke_with(invocation), async {
        let event = bare.next().await.unwrap();
        assert_eq!(event.header("lambda-runtime-aws-request-id").unwrap(), id);
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        assert_eq!(bare.post(&path, &[("Lambda-Runtime-Invocation-Id", old)], "\"old\"").await.0, 410);
        let new = event.header("lambda-runtime-invocation-id").unwrap();
        assert_eq!(bare.post(&path, &[("Lambda-Runtime-Invocation-Id", new)], "\"new\"").await.0, 202);
        assert_eq!(bare.respond(id, "\"twice\"").await.0, 410);
    });
    assert_eq!(outcome.unwrap(), Outcome::Response(Bytes::from_static(b"\"new\"")));
}

#[tokio::test]
async fn an_invocation_that_is_dropped_is_forgotten() {
    let api = listen().await;
    let bare = Bare::new(&api);
    // Nobody has taken it yet.
    assert!(tokio::time::timeout(BRIEFLY, api.invoke("1", SOON)).await.is_err());
    // Somebody has.
    let event = tokio::select! {
        outcome = api.invoke("2", SOON) => panic!("{outcome:?}"),
        event = bare.next() => event.unwrap(),
    };
    assert_eq!(&event.body[..], b"2");
    assert_eq!(bare.respond(event.header("lambda-runtime-aws-request-id").unwrap(), "{}").await.0, 410);
}

#[tokio::test]
async fn without_a_poller_there_is_no_answer_and_the_event_is_withdrawn() {
    let api = listen().await;
    let error = api.invoke_with(Invocation::new("1", SOON).poll_within(BRIEFLY)).await.unwrap_err();
    assert!(matches!(error, DriveError::NoPoll { after } if after == BRIEFLY), "{error:?}");
    let bare = Bare::new(&api);
    let (_, event) = tokio::join!(api.invoke("2", BRIEFLY), bare.next());
    assert_eq!(&event.unwrap().body[..], b"2");
}

#[tokio::test]
async fn faults_happen_once_and_in_order() {
    let api = listen().await;
    let bare = Bare::new(&api);
    api.fault(Fault::NextStatus(500));
    api.fault(Fault::NextStatus(204));
    api.fault(Fault::NextClosed);
    assert_eq!(bare.next().await.unwrap().status, 500);
    assert_eq!(bare.next().await.unwrap().status, 204);
    assert!(matches!(bare.next().await, Err(DriveError::Connection { .. })));

    // A fault also reaches a poller that is waiting already.
    let (status, ()) = tokio::join!(async { bare.next().await.unwrap().status }, async {
        api.wait_for_poll(SOON).await.unwrap();
        api.fault(Fault::NextStatus(503));
    });
    assert_eq!(status, 503);

    api.fault(Fault::AnswerStatus(500));
    let (outcome, ()) = tokio::join!(api.invoke("{}", Duration::from_secs(1)), async {
        let event = bare.next().await.unwrap();
        let id = event.header("lambda-runtime-aws-request-id").unwrap();
        assert_eq!(bare.respond(id, "{}").await.0, 500);
    });
    assert!(matches!(outcome, Err(DriveError::NoAnswer { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_oversized_answer_is_refused_and_the_caller_told() {
    let api = listen().await;
    let bare = Bare::new(&api);
    let most = 6 * 1024 * 1024 + 100;
    for (size, status) in [(most, 202), (most + 1, 413)] {
        let (outcome, ()) = tokio::join!(api.invoke("{}", SOON), async {
            let event = bare.next().await.unwrap();
            let id = event.header("lambda-runtime-aws-request-id").unwrap();
            assert_eq!(bare.respond(id, vec![b'x'; size]).await.0, status);
        });
        match outcome.unwrap() {
            Outcome::Response(body) => assert_eq!((body.len(), status), (size, 202)),
            Outcome::Error { error_type, .. } => {
                assert_eq!((&*error_type, status), ("Function.ResponseSizeTooLarge", 413));
            }
        }
    }
}

#[tokio::test]
async fn a_function_that_cannot_start_says_so_to_whoever_waits() {
    let api = listen().await;
    let bare = Bare::new(&api);
    let body = r#"{"errorType":"Runtime.InitError","errorMessage":"no settings"}"#;
    let said = |error: DriveError| match error {
        DriveError::InitError { error_type, error_message } => format!("{error_type}: {error_message}"),
        other => panic!("{other:?}"),
    };
    let report = || bare.post("/2018-06-01/runtime/init/error", &[], body);

    let (outcome, answer) = tokio::join!(api.invoke("{}", SOON), report());
    assert_eq!((said(outcome.unwrap_err()), answer.0), ("Runtime.InitError: no settings".to_owned(), 202));
    // Nobody waits: the next one hears of it.
    report().await;
    assert_eq!(said(api.invoke("{}", SOON).await.unwrap_err()), "Runtime.InitError: no settings");
    let (outcome, _) = tokio::join!(api.wait_for_poll(SOON), report());
    assert_eq!(said(outcome.unwrap_err()), "Runtime.InitError: no settings");
}

#[tokio::test]
async fn extensions_register_for_nothing_and_wait() {
    let api = listen().await;
    let bare = Bare::new(&api);
    let register = "/2020-01-01/extension/register";
    let url = format!("{}{register}", bare.base);
    let name = [("Lambda-Extension-Name", "graceful")];
    let answer = bare.poster.send("POST", &url, &name, r#"{"events":[]}"#).await.unwrap();
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body, json!({"functionName": "driven", "functionVersion": "$LATEST", "handler": "bootstrap"}));
    let identifier = answer.header("lambda-extension-identifier").unwrap().to_owned();

    let url = format!("{}/2020-01-01/extension/event/next", bare.base);
    let known =
        HttpPoster::new(BRIEFLY).send("GET", &url, &[("Lambda-Extension-Identifier", &identifier)], "").await;
    assert!(matches!(known, Err(DriveError::NoAnswer { .. })), "{known:?}");
    let unknown = bare.poster.send("GET", &url, &[("Lambda-Extension-Identifier", "x")], "").await.unwrap();
    assert_eq!(unknown.status, 403);
    assert_eq!(bare.post(register, &name, r#"{"events":["INVOKE"]}"#).await.0, 403);
    assert_eq!(bare.post(register, &[], r#"{"events":[]}"#).await.0, 403);
}

#[tokio::test]
async fn other_paths_and_methods_are_not_found() {
    let api = listen().await;
    let bare = Bare::new(&api);
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/2018-06-01/runtime/invocation/next"),
        ("GET", "/2018-06-01/runtime/invocation/a/response"),
        ("GET", "/2018-06-01/runtime/restore/next"),
        ("POST", "/2018-06-01/runtime/invocation/a/b/response"),
    ] {
        let answer = bare.poster.send(method, &format!("{}{path}", bare.base), &[], "").await.unwrap();
        assert_eq!(answer.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn it_is_kept_on_this_machine_unless_told_otherwise() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let error = RuntimeApi::listen(address.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, DriveError::Usage(_)), "{error:?}");
    }
    let api = RuntimeApi::listen_exposed("0.0.0.0:0".parse().unwrap()).await.unwrap();
    assert!(api.address().ip().is_unspecified());
}

#[tokio::test]
async fn request_ids_that_cannot_stand_in_a_path_are_refused() {
    let api = listen().await;
    for id in ["", "a/b", "a b", "a\r\nb", "é", "../x", "a?b"] {
        let error = api.invoke_with(Invocation::new("{}", SOON).request_id(id)).await.unwrap_err();
        assert!(matches!(error, DriveError::Usage(_)), "{id:?}: {error:?}");
    }
}

#[test]
fn a_poll_that_hangs_up_in_the_middle_of_its_head_harms_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let api = listen().await;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(api.address()).await.unwrap();
        stream.write_all(b"GET /2018-06-01/runt").await.unwrap();
        stream.shutdown().await.unwrap();
        // Up to the end: the other side has seen it, and has closed.
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await.unwrap();
        let bare = Bare::new(&api);
        let (_, event) = tokio::join!(api.invoke("2", BRIEFLY), bare.next());
        assert_eq!(&event.unwrap().body[..], b"2");
    });
}
