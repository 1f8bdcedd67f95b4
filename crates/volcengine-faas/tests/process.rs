//! The function as a process, called the way veFaaS does. `vNN` is a situation of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::time::{Duration, Instant};

use drive::{Answer, Program, Server, until};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// What the platform gives a function to use its account with.
const SECRETS: [(&str, &str); 4] = [
    ("X-Faas-Access-Key-Id", "planted-access-key-id"),
    ("X-Faas-Secret-Access-Key", "planted-secret-access-key"),
    ("X-Faas-Session-Token", "planted-session-token"),
    ("Authorization", "planted-authorization"),
];

async fn sim() -> Sim {
    Sim::start(Config::default()).await.unwrap()
}

fn program(sim: &Sim, more: &[(&str, &str)]) -> Program {
    Program::new(drive::binary(env!("CARGO_BIN_EXE_mdss-relay-volcengine-faas")))
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_ATTEMPTS", "1")
        .env("_FAAS_RUNTIME_PORT", "8000")
        .env("_FAAS_FUNC_TIMEOUT", "60")
        .env("PORT_SHIM_LISTEN", "127.0.0.1:0")
        .envs(more.iter().copied())
}

async fn start(sim: &Sim, more: &[(&str, &str)]) -> Server {
    Server::start(&program(sim, more), LIMIT).await.unwrap()
}

/// The headers of an event of the store; those given in `more` replace others, and an empty one takes its header away.
fn headers<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("X-Faas-Event-Type", "cloudevent"),
        ("X-Faas-Request-Id", "r1"),
        ("ce-specversion", "1.0"),
        ("ce-type", "faas.tos.event"),
        ("ce-source", "tos"),
        ("ce-id", "1"),
    ];
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    headers.extend(SECRETS);
    headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    headers
}

async fn invoke(function: &Server, more: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    function.send("POST", "/", &headers(more), body.into()).await.unwrap()
}

fn created(key: &str) -> String {
    let event = json!({
        "eventName": "tos:ObjectCreated:Put", "eventSource": "tos", "eventTime": "2026-01-02T03:04:05Z", "eventVersion": "1.0",
        "tos": {
            "bucket": { "trn": "trn:tos:::in", "name": "in", "ownerIdentify": "1" },
            "object": { "eTag": format!("etag of {key}"), "key": key, "size": 3, "versionId": "" },
            "tosSchemaVersion": "1.0", "ruleId": "r", "region": "cn-beijing", "requestParameters": {},
            "responseElements": { "requestId": format!("request of {key}") }, "userIdentity": { "principalId": "1" },
        },
    });
    json!({ "events": [event] }).to_string()
}

/// Several events as the platform writes them.
fn batch(events: &[(&str, &str)]) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
    let mut body = number(events.len()).to_vec();
    for (headers, data) in events {
        for part in [headers, data] {
            body.extend(number(part.len()));
            body.extend(part.as_bytes());
        }
    }
    body
}

const EVENT: &str = "Content-Type: application/json\r\nce-specversion:1.0\r\nCe-Type: faas.tos.event\r\nce-source: tos\r\nce-id: 1\r\nce-time: 2026-01-02T03:04:05Z\r\n";

/// What the process has printed, once `text` is in it: its pipe may be read a moment later than its answer.
async fn printed(function: &Server, text: &str) -> String {
    let there = async || function.process.stdout().contains(text);
    until(&format!("{text:?} in the output"), LIMIT, there).await.unwrap();
    function.process.stdout()
}

#[track_caller]
fn taken(answer: &Answer) -> Value {
    assert_eq!(
        (answer.status, answer.header("x-faas-response-error-code")),
        (200, None),
        "{}",
        answer.text()
    );
    let duration = answer.header("x-faas-execution-duration").unwrap();
    assert!(duration.parse::<f64>().is_ok_and(|ms| (0.0..20_000.0).contains(&ms)), "{duration}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[track_caller]
fn failed(answer: &Answer, status: u16, code: &str) -> Value {
    let got = (answer.status, answer.header("x-faas-response-error-code"));
    assert_eq!(got, (status, Some(code)), "{}", answer.text());
    assert!(answer.header("x-faas-response-error-message").is_some_and(|message| !message.is_empty()));
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn v1_an_event_is_taken_on_any_path() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let report = taken(&invoke(&function, &[], created("a b.bin")).await);
    assert_eq!((&report["outcome"], &report["records"][0]["key"]), (&json!("done"), &json!("a b.bin")));
    assert_eq!(report["records"][0]["dialect"], json!("volcengine-tos"), "{report}");
    let event = created("路径+%20");
    taken(&function.send("POST", "/any/path?x=1", &headers(&[]), event).await.unwrap());
    // The type that older functions are given; and a body that is a CloudEvent itself.
    taken(&invoke(&function, &[("ce-type", "bytefaas.tos.event")], created("older")).await);
    let none = [("ce-specversion", ""), ("ce-type", ""), ("ce-source", ""), ("ce-id", "")];
    taken(&invoke(&function, &none, created("bare")).await);
    let data: Value = serde_json::from_str(&created("whole")).unwrap();
    let whole =
        json!({ "specversion": "1.0", "type": "faas.tos.event", "source": "tos", "id": "1", "data": data });
    taken(&invoke(&function, &none, whole.to_string()).await);
    assert_eq!(sim.accepted().len(), 5, "{:?}", sim.accepted_keys());
    assert!(sim.accepted_keys().contains(&"路径+%20".to_owned()), "{:?}", sim.accepted_keys());
    assert!(
        function.process.stdout().contains("\"faas.invocation_id\":\"r1\""),
        "{}",
        function.process.output()
    );
}

#[tokio::test]
async fn v1_events_of_a_batch_are_taken_together() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable]);
    let function = start(&sim, &[]).await;
    let version = ("X-Faas-Batch-Events-Version", "1.0");
    let both = |keys: [&str; 2]| batch(&keys.map(created).each_ref().map(|data| (EVENT, data.as_str())));
    taken(&invoke(&function, &[version], both(["a", "b"])).await);
    // What such a request is called is not known: anything but what an HTTP trigger's is called.
    taken(&invoke(&function, &[version, ("X-Faas-Event-Type", "multicloudevent")], both(["c", "d"])).await);
    let older = ("X-Bytefaas-Batch-Events-Version", "1.0");
    taken(&invoke(&function, &[older], both(["e", "f"])).await);
    let report =
        failed(&invoke(&function, &[version], both(["g", "later"])).await, 500, "function_execution_error");
    assert_eq!(report["outcome"], json!("transient"), "{report}");
    taken(&invoke(&function, &[version], both(["g", "later"])).await);
    let mut keys = sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["a", "b", "c", "d", "e", "f", "g", "later"], "each once");
}

#[tokio::test]
async fn v1_a_batch_that_is_not_whole_is_refused_whole() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let version = ("X-Faas-Batch-Events-Version", "1.0");
    let (a, b) = (created("a"), created("b"));
    let whole = batch(&[(EVENT, &a), (EVENT, &b)]);
    let mut more = whole.clone();
    more.push(0);
    let mut fewer = whole.clone();
    fewer[3] = 1;
    let mut endless = whole.clone();
    endless[0] = 255;
    for body in [
        whole[..whole.len() - 1].to_vec(),
        whole[..7].to_vec(),
        more,
        fewer,
        endless,
        Vec::new(),
        vec![0; 4],
        batch(&[("no colon\r\n", &a)]),
        batch(&[(&format!("{EVENT}ce-type: x\r\n"), &a)]),
        batch(&[("", "hello")]),
        a.clone().into_bytes(),
    ] {
        let answer = invoke(&function, &[version], body.clone()).await;
        let error = failed(&answer, 400, "invalid_cloud_event");
        assert_eq!(error["errorType"], json!("body_not_readable"), "{}", body.escape_ascii());
    }
    failed(
        &invoke(&function, &[("X-Faas-Batch-Events-Version", "2.0")], whole).await,
        400,
        "invalid_cloud_event",
    );
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn v2_what_mdss_does_not_take_comes_again() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable]);
    sim.push_for("page", vec![Step::WebPage]);
    let function = start(&sim, &[]).await;
    for (key, outcome) in [("later", "transient"), ("page", "config")] {
        let report = failed(&invoke(&function, &[], created(key)).await, 500, "function_execution_error");
        assert_eq!(report["outcome"], json!(outcome), "{report}");
        taken(&invoke(&function, &[], created(key)).await);
    }
    let away = start(&sim, &[("APIENDPOINT", "http://127.0.0.1:1/")]).await;
    failed(&invoke(&away, &[], created("away")).await, 500, "function_execution_error");
}

#[tokio::test]
async fn v2_a_call_is_answered_before_the_platform_gives_up() {
    let sim = sim().await;
    sim.push([Step::Hang]);
    let function = start(&sim, &[("_FAAS_FUNC_TIMEOUT", "1"), ("RELAY_TIMEOUT", "60s")]).await;
    let started = Instant::now();
    failed(&invoke(&function, &[], created("slow")).await, 500, "function_execution_error");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // A number that is none says nothing.
    let odd = start(&sim, &[("_FAAS_FUNC_TIMEOUT", "soon")]).await;
    taken(&invoke(&odd, &[], created("good")).await);
}

#[tokio::test]
async fn v3_the_platform_s_own_requests_do_not_reach_the_handler() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let internal = [("X-Faas-Internal-Request", "true")];
    let event = headers(&internal);
    for (method, path, headers, status) in [
        ("POST", "/v1/initialize", &internal[..], 200),
        ("GET", "/v1/version", &internal, 200),
        ("GET", "/v1/ping", &internal, 200),
        ("GET", "/v1/ping", &[], 200),
        ("GET", "/v1/initialize", &internal, 400),
        ("POST", "/v1/other", &internal, 400),
        ("POST", "/", &event, 400),
        // Without the mark it is anybody's.
        ("POST", "/v1/initialize", &[], 400),
        ("GET", "/v1/version", &[("X-Faas-Internal-Request", "false")], 400),
    ] {
        let answer = function.send(method, path, headers, created("a")).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {headers:?}: {}", answer.text());
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn v4_a_timer_is_ignored_with_a_warning() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    for body in [r#"{"payload":"tick"}"#, "tick", ""] {
        let timer = [("ce-type", "faas.timer.event"), ("ce-source", "/faas/event/timer/t")];
        taken(&invoke(&function, &timer, body).await);
    }
    assert!(sim.requests().is_empty());
    let warned = |output: &str| {
        output.lines().filter(|l| l.contains("\"level\":\"WARN\"") && l.contains("a timer calls")).count()
    };
    let all = async || warned(&function.process.stdout()) == 3;
    until("a warning for each", LIMIT, all).await.unwrap();
}

#[tokio::test]
async fn row_22_a_request_of_an_http_trigger_is_no_event() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let batch_version = ("X-Faas-Batch-Events-Version", "1.0");
    for kind in ["http", "", "any", "Cloudevent"] {
        let answer = invoke(&function, &[("X-Faas-Event-Type", kind)], created("stranger")).await;
        failed(&answer, 400, "invalid_event_type");
    }
    for kind in ["http", ""] {
        let batch = batch(&[(EVENT, &created("stranger"))]);
        let answer = invoke(&function, &[("X-Faas-Event-Type", kind), batch_version], batch).await;
        failed(&answer, 400, "invalid_event_type");
    }
    // Whoever adds a header of his own to the platform's.
    let mut two = headers(&[]);
    two.push(("X-Faas-Event-Type", "http"));
    failed(&function.send("POST", "/", &two, created("stranger")).await.unwrap(), 400, "invalid_event_type");
    for method in ["GET", "PUT", "OPTIONS"] {
        let answer = function.send(method, "/", &headers(&[]), created("stranger")).await.unwrap();
        failed(&answer, 400, "invalid_event_type");
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn rows_21_23_24_odd_requests_are_failures_and_harm_nobody() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let long = "x".repeat(50_000);
    for (more, body, code) in [
        (&[][..], b"hello".to_vec(), "function_execution_error"),
        (&[], b"\xff".to_vec(), "function_execution_error"),
        (&[], b"{\"events\":".to_vec(), "function_execution_error"),
        (&[], "[".repeat(100_000).into_bytes(), "function_execution_error"),
        (&[("Content-Encoding", "gzip")], vec![31, 139, 8, 0, 0, 0, 0, 0, 0, 3], "function_execution_error"),
        (
            &[("ce-type", "faas.tos.event"), ("Ce-Type", "faas.timer.event")],
            b"{}".to_vec(),
            "invalid_cloud_event",
        ),
        (&[("ce-type", "")], b"hello".to_vec(), "invalid_cloud_event"),
        (&[("ce-type", "faas.kafka.event")], b"{}".to_vec(), "function_execution_error"),
        // Larger than what is taken: it may be an event, and 4xx would be final.
        (&[], "x".repeat(7 * 1024 * 1024).into_bytes(), "function_execution_error"),
        (&[("ce-subject", &long)], b"{}".to_vec(), "function_execution_error"),
    ] {
        let answer = invoke(&function, more, body).await;
        let status = if code == "invalid_cloud_event" { 400 } else { 500 };
        failed(&answer, status, code);
        assert!(answer.header("x-faas-response-error-message").unwrap().len() <= 200);
    }
    for id in ["", "a\tb é", long.as_str()] {
        taken(&invoke(&function, &[("X-Faas-Request-Id", id)], created(&id.len().to_string())).await);
    }
    let longest = printed(&function, "a?b???").await.lines().map(str::len).max();
    assert!(longest < Some(4000), "{longest:?}");
}

#[tokio::test]
async fn credentials_of_the_platform_are_in_nothing_that_comes_out() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Reset; 9]);
    let mut function = start(&sim, &[("RELAY_LOG", "trace")]).await;
    let mut said = String::new();
    for (more, body) in [
        (&[][..], created("good")),
        (&[], created("later")),
        (&[("ce-type", "")], "hello".to_owned()),
        (&[("X-Faas-Event-Type", "http")], created("stranger")),
        (&[("X-Faas-Internal-Request", "true")], String::new()),
    ] {
        said += &format!("{:?}", invoke(&function, more, body).await);
    }
    function.process.signal("TERM").unwrap();
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
    said += &function.process.output();
    for request in sim.requests() {
        said += &format!("{request:?}");
    }
    assert!(said.contains("good") && said.contains("\"level\":\"DEBUG\""), "{said}");
    for (name, value) in SECRETS {
        assert!(!said.contains(value), "{name}: {said}");
    }
    assert_eq!(function.process.stderr(), "");
}

// === start and end ===

#[tokio::test]
async fn a_wrong_start_says_everything_and_serves_nothing() {
    let sim = sim().await;
    let more = [("RELAY_DEADLINE", "25"), ("PORT_SHIM_LISTEN", "8000"), ("_FAAS_RUNTIME_PORT", "0")];
    let mut process = program(&sim, &more).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    for name in ["RELAY_DEADLINE", "PORT_SHIM_LISTEN: found \"8000\", expected an address and a port"] {
        assert!(process.stderr().contains(&format!("- {name}")), "{name}: {}", process.stderr());
    }
    assert_eq!(process.stdout(), "");
}

#[tokio::test]
async fn a_signal_finishes_the_call_in_flight() {
    let sim = sim().await;
    sim.push([Step::Delay { ms: 700 }]);
    let mut function = start(&sim, &[]).await;
    let poster = drive::HttpPoster::new(LIMIT);
    let (url, headers) = (function.url("/"), headers(&[]));
    let stopped = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        function.process.signal("TERM").unwrap();
    };
    let (answer, ()) = tokio::join!(poster.send("POST", &url, &headers, created("a")), stopped);
    taken(&answer.unwrap());
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn it_says_what_it_is() {
    let program = Program::new(drive::binary(env!("CARGO_BIN_EXE_mdss-relay-volcengine-faas")));
    let mut process = program.arg("--version").start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(0));
    assert_eq!(process.stdout(), concat!("mdss-relay-volcengine-faas ", env!("CARGO_PKG_VERSION"), "\n"));
}
