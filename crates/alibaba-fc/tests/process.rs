//! The function as a process, called the way Function Compute does. `fNN` and `a37` are situations of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use drive::{Answer, Program, Server, until};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// What the platform gives a function to use its account with.
const SECRETS: [(&str, &str); 4] = [
    ("x-fc-access-key-id", "STS.planted-key-id"),
    ("x-fc-access-key-secret", "planted-key-secret"),
    ("x-fc-security-token", "planted-security-token"),
    ("Authorization", "acs planted-authorization"),
];

async fn sim() -> Sim {
    Sim::start(Config::default()).await.unwrap()
}

fn program(sim: &Sim, more: &[(&str, &str)]) -> Program {
    Program::new(drive::binary(env!("CARGO_BIN_EXE_mdss-relay-alibaba-fc")))
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::ALIBABA)
        .env("RELAY_ATTEMPTS", "1")
        .env("FC_FUNCTION_NAME", "mdss-relay")
        .env("FC_SERVER_PORT", "9000")
        .env("PORT_SHIM_LISTEN", "127.0.0.1:0")
        .envs(more.iter().copied())
}

async fn start(sim: &Sim, more: &[(&str, &str)]) -> Server {
    Server::start(&program(sim, more), LIMIT).await.unwrap()
}

/// The headers of an event, with the credentials that a role gives.
fn headers<'a>(id: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![
        ("Content-Type", "application/octet-stream"),
        ("x-fc-request-id", id),
        ("x-fc-control-path", "/invoke"),
        ("x-fc-function-name", "mdss-relay"),
        ("x-fc-function-timeout", "60"),
        ("x-fc-account-id", "100000000001"),
        ("x-fc-region", "cn-hangzhou"),
    ];
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    headers.extend(SECRETS);
    headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    headers
}

async fn invoke(function: &Server, id: &str, body: impl Into<Vec<u8>>) -> Answer {
    function.send("POST", "/invoke", &headers(id, &[]), body.into()).await.unwrap()
}

/// One element of the list.
fn element(name: &str, key: &str) -> Value {
    json!({
        "eventName": name, "eventSource": "acs:oss", "eventTime": "2026-01-02T03:04:05.000Z", "eventVersion": "1.0",
        "oss": {
            "bucket": { "arn": "acs:oss:cn-hangzhou:100000000001:in", "name": "in", "ownerIdentity": "100000000001", "virtualBucket": "" },
            "object": { "deltaSize": 3, "eTag": "900150983CD24FB0D6963F7D28E17F72", "key": key, "size": 3 },
            "ossSchemaVersion": "1.0", "ruleId": "r1",
        },
        "region": "cn-hangzhou", "requestParameters": { "sourceIPAddress": "192.0.2.1" },
        "responseElements": { "requestId": format!("request of {key}") }, "userIdentity": { "principalId": "100000000001" },
    })
}

fn created(key: &str) -> String {
    json!({ "events": [element("ObjectCreated:PutObject", key)] }).to_string()
}

/// The same through EventBridge.
fn cloud_event(key: &str) -> Value {
    json!({
        "id": format!("id of {key}"), "source": "acs.oss", "specversion": "1.0", "type": "oss:ObjectCreated:PutObject",
        "subject": format!("acs:oss:cn-hangzhou:100000000001:in/{key}"), "aliyunregionid": "cn-hangzhou",
        "data": element("ObjectCreated:PutObject", key),
    })
}

/// A success as the platform knows one.
#[track_caller]
fn taken(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("x-fc-status")), (200, Some("200")), "{}", answer.text());
    assert!(answer.header("content-length").is_some() && answer.header("transfer-encoding").is_none());
    serde_json::from_slice(&answer.body).unwrap()
}

/// A failure as the platform knows one: the status alone would be a success.
#[track_caller]
fn failed(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.header("x-fc-status")), (404, Some("404")), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// What the process has printed, once `text` is in it: its pipe may be read a moment later than its answer.
async fn printed(function: &Server, text: &str) -> String {
    let there = async || function.process.stdout().contains(text);
    until(&format!("{text:?} in the output"), LIMIT, there).await.unwrap();
    function.process.stdout()
}

/// The platform's own lines, in order, up to the end of what has this id.
async fn lines(function: &Server, id: &str) -> Vec<String> {
    let output = printed(function, &format!(" End RequestId: {id}")).await;
    output.lines().filter(|line| line.starts_with("FC ")).map(str::to_owned).collect()
}

/// Nothing that the process has said holds a credential.
#[track_caller]
fn no_secret_in(text: &str) {
    for (name, value) in SECRETS {
        assert!(!text.contains(value), "{name}: {text}");
    }
}

#[tokio::test]
async fn f01_an_event_is_taken_and_its_lines_enclose_the_relay_s_own() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let report = taken(&invoke(&function, "1-6566aa00-0000-0001", created("a b+c%20d/日.bin")).await);
    assert_eq!(
        (&report["outcome"], &report["records"][0]["key"]),
        (&json!("done"), &json!("a b+c%20d/日.bin"))
    );
    assert_eq!(sim.accepted_keys(), ["a b+c%20d/日.bin"]);
    let stdout = printed(&function, "FC Invoke End RequestId").await;
    let at = |text: &str| stdout.find(text).unwrap_or_else(|| panic!("{text}: {stdout}"));
    let start = at("FC Invoke Start RequestId: 1-6566aa00-0000-0001\n");
    let own = at("\"faas.document.name\":\"a b+c%20d/日.bin\"");
    let end = at("FC Invoke End RequestId: 1-6566aa00-0000-0001\n");
    assert!(start < own && own < end, "{stdout}");
    assert!(stdout.contains("\"faas.invocation_id\":\"1-6566aa00-0000-0001\""), "{stdout}");
}

#[tokio::test]
async fn f02_what_mdss_does_not_take_is_a_failure_that_the_platform_knows() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable; 9]);
    sim.push_for("config", vec![Step::status(StatusCode::UNAUTHORIZED); 9]);
    sim.push_for("page", vec![Step::WebPage; 9]);
    let function = start(&sim, &[]).await;
    for (key, outcome) in [("later", "transient"), ("config", "config"), ("page", "config")] {
        let report = failed(&invoke(&function, key, created(key)).await);
        assert_eq!(report["outcome"], json!(outcome), "{report}");
    }
    // And afterwards it is as if nothing had been.
    taken(&invoke(&function, "good", created("good")).await);
    let pair = |id, failed| {
        [format!("FC Invoke Start RequestId: {id}"), format!("FC Invoke End RequestId: {id}{failed}")]
    };
    let unhandled = ["later", "config", "page"].map(|id| pair(id, ", Error: Unhandled function error"));
    let want: Vec<_> = unhandled.into_iter().chain([pair("good", "")]).flatten().collect();
    assert_eq!(lines(&function, "good").await, want);
}

#[tokio::test]
async fn f02_without_an_mdss_at_all_an_event_is_not_taken() {
    let sim = sim().await;
    let function = start(&sim, &[("APIENDPOINT", "http://127.0.0.1:1/")]).await;
    assert_eq!(failed(&invoke(&function, "r", created("a")).await)["outcome"], json!("transient"));
}

#[tokio::test]
async fn f03_f04_what_is_no_event_is_a_failure() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    for body in [
        &b"hello"[..],
        b"",
        b"null",
        b"{\"events\":",
        b"{}",
        b"[]",
        br#"{"hello":"world"}"#,
        b"\xff",
        // Base64 of nothing that is an event.
        b"aGVsbG8=",
    ] {
        failed(&invoke(&function, "odd", body).await);
        taken(&invoke(&function, "good", created(&body.len().to_string())).await);
    }
    // Row 24: what parsers stumble over. The first of two members is not silently the one that counts.
    let (deep, twice) =
        ("[".repeat(100_000), created("a").replacen("{\"events\"", "{\"events\":[],\"events\"", 1));
    let numbers = created("b").replace("\"size\":3", "\"size\":1e999");
    failed(&invoke(&function, "deep", deep).await);
    failed(&invoke(&function, "twice", twice).await);
    // What no number is, is no size. The object is reported all the same.
    taken(&invoke(&function, "numbers", numbers).await);
    taken(&invoke(&function, "good", created("last")).await);
    let accepted = sim.accepted_keys();
    assert!(accepted.iter().all(|key| key != "a") && accepted.iter().any(|key| key == "b"), "{accepted:?}");
}

#[tokio::test]
async fn f05_a_part_of_an_upload_is_no_object() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let part = json!({ "events": [element("ObjectCreated:UploadPart", "part")] }).to_string();
    taken(&invoke(&function, "r", part).await);
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn f06_a_request_of_an_http_trigger_is_refused_and_nobody_hears_of_it() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    for control in [
        &["/http-invoke"][..],
        &["/initialize"],
        &["/invoke", "/http-invoke"],
        &["/Invoke"],
        &["/invoke/"],
        &["é"],
    ] {
        let mut headers = headers("r", &[("x-fc-control-path", "")]);
        headers.extend(control.iter().map(|value| ("x-fc-control-path", *value)));
        let answer = function.send("POST", "/invoke", &headers, created("stranger")).await.unwrap();
        assert_eq!(failed(&answer)["errorType"], json!("unknown_route"), "{control:?}");
    }
    // Row 22: whatever else somebody asks through such a trigger.
    for (method, path) in
        [("GET", "/invoke"), ("PUT", "/invoke"), ("POST", "/"), ("POST", "/x"), ("POST", "/invoke/")]
    {
        let control = headers("r", &[("x-fc-control-path", "/http-invoke")]);
        let answer = function.send(method, path, &control, created("stranger")).await.unwrap();
        assert_eq!(failed(&answer)["errorType"], json!("unknown_route"), "{method} {path}");
    }
    // Nor are the platform's own questions somebody else's to ask, except the one that anything may ask.
    for (method, path) in [("POST", "/initialize"), ("GET", "/pre-freeze"), ("GET", "/pre-stop")] {
        for control in ["/http-invoke", "/invoke", "/"] {
            let control = headers("r", &[("x-fc-control-path", control)]);
            let answer = function.send(method, path, &control, "").await.unwrap();
            assert_eq!(failed(&answer)["errorType"], json!("unknown_route"), "{method} {path}");
        }
    }
    for control in ["/http-invoke", "/x", ""] {
        let control = headers("r", &[("x-fc-control-path", control)]);
        let answer = function.send("GET", "/", &control, "").await.unwrap();
        assert_eq!((answer.status, answer.header("x-fc-status")), (200, Some("200")));
    }
    assert!(sim.requests().is_empty());
    // A header that is missing is no caller's work: it is taken, and one line says so.
    for id in ["1", "2"] {
        let headers = headers(id, &[("x-fc-control-path", "")]);
        taken(&function.send("POST", "/invoke", &headers, created(id)).await.unwrap());
    }
    // These were calls, and nothing else was one.
    assert_eq!(lines(&function, "2").await.len(), 4, "{}", function.process.output());
    let said = function.process.stdout().matches("without the header by which Function Compute says").count();
    assert_eq!(said, 1, "{}", function.process.output());
}

#[tokio::test]
async fn f07_f08_f09_hooks_and_probes_are_answered_without_the_handler() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    for (method, path) in
        [("GET", "/"), ("HEAD", "/"), ("POST", "/initialize"), ("GET", "/pre-freeze"), ("GET", "/pre-stop")]
    {
        let headers = headers(path, &[("x-fc-control-path", path)]);
        let answer = function.send(method, path, &headers, "").await.unwrap();
        assert_eq!((answer.status, answer.header("x-fc-status")), (200, Some("200")), "{method} {path}");
    }
    let want = [("Initialize", "/initialize"), ("PreFreeze", "/pre-freeze"), ("PreStop", "/pre-stop")]
        .map(|(what, id)| ["Start", "End"].map(|moment| format!("FC {what} {moment} RequestId: {id}")));
    assert_eq!(lines(&function, "/pre-stop").await, want.concat());
    assert!(sim.requests().is_empty());
    // Nothing else was said of them: what is left is of the start.
    let output = function.process.stdout();
    let own = output.lines().rfind(|line| !line.starts_with("FC ")).unwrap();
    assert!(own.contains("listening on"), "{own}");
}

#[tokio::test]
async fn f10_a_call_is_answered_before_the_platform_gives_up() {
    let sim = sim().await;
    sim.push_for("slow", vec![Step::Delay { ms: 5000 }; 9]);
    let function = start(&sim, &[("RELAY_TIMEOUT", "60s")]).await;
    let started = Instant::now();
    let headers = headers("r", &[("x-fc-function-timeout", "1")]);
    let answer = function.send("POST", "/invoke", &headers, created("slow")).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    failed(&answer);
    printed(&function, "FC Invoke End RequestId: r, Error: Unhandled function error\n").await;
}

#[tokio::test]
async fn f11_row_23_odd_headers_harm_nobody() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    for (index, time) in
        ["", "abc", "0", "-1", "1e9", "99999999999999999999", "999999999", " ", "60s", "é", "0x10"]
            .iter()
            .enumerate()
    {
        let (id, key) = (format!("id{index}"), format!("key{index}"));
        let headers = headers(&id, &[("x-fc-function-timeout", time)]);
        let answer = function.send("POST", "/invoke", &headers, created(&key)).await.unwrap();
        taken(&answer);
    }
    // An id is bounded, and its line stays one line.
    let long = "x".repeat(50_000);
    for (id, shown) in [("a\tb é\u{85}FC", "a?b?????FC"), (long.as_str(), &"x".repeat(128)), ("", "")] {
        let headers = headers(id, &[]);
        let answer =
            function.send("POST", "/invoke", &headers, created(&format!("of {shown}"))).await.unwrap();
        taken(&answer);
        if !shown.is_empty() {
            let last = lines(&function, shown).await.pop().unwrap();
            assert!(last.starts_with("FC Invoke End RequestId: ") && last.len() < 200, "{last}");
            assert!(last.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{last}");
        }
    }
}

/// A request as bytes, on a connection that stays open.
fn raw(connection: &mut TcpStream, id: &str, body: &str) -> String {
    let head = format!(
        "POST /invoke HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nx-fc-control-path: /invoke\r\nx-fc-request-id: {id}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = connection.read(&mut piece).unwrap();
        assert!(read > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
        answer.extend(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        if let (Some(length), Some((_, body))) = (length, text.split_once("\r\n\r\n"))
            && body.len() >= length.parse().unwrap()
        {
            return text.into_owned();
        }
    }
}

/// That ten minutes lie between the two is tried where time can be told to pass: `port-shim`, `tests/idle.rs`.
#[tokio::test]
async fn f12_two_calls_come_on_one_connection() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let address = function.address.clone();
    let answers = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        ["1", "2"].map(|id| raw(&mut connection, id, &created(id)))
    });
    for answer in answers.await.unwrap() {
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nx-fc-status: 200\r\n"),
            "{answer}"
        );
        assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    assert_eq!(sim.accepted_keys(), ["1", "2"]);
}

#[tokio::test]
async fn f13_f14_what_eventbridge_hands_on_is_taken_and_of_a_batch_all_of_it() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable]);
    let function = start(&sim, &[]).await;
    taken(&invoke(&function, "one", cloud_event("a.bin").to_string()).await);
    let batch = |keys: [&str; 2]| Value::from(keys.map(cloud_event).to_vec()).to_string();
    taken(&invoke(&function, "batch", batch(["b", "c"])).await);
    let report = failed(&invoke(&function, "half", batch(["d", "later"])).await);
    assert_eq!(report["outcome"], json!("transient"), "{report}");
    taken(&invoke(&function, "again", batch(["d", "later"])).await);
    let mut keys = sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["a.bin", "b", "c", "d", "later"], "each once");
}

#[tokio::test]
async fn f15_f16_what_a_topic_hands_on_is_taken_in_each_of_its_forms() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let base64 = |key: &str| BASE64.encode(created(key));
    let message = json!({
        "TopicOwner": "100000000001", "TopicName": "t", "Subscriber": "100000000001", "SubscriptionName": "s", "MessageId": "1",
        "MessageMD5": "900150983CD24FB0D6963F7D28E17F72", "Message": base64("f15"), "PublishTime": 1_767_323_045_000_u64,
    });
    taken(&invoke(&function, "f15", message.to_string()).await);
    taken(&invoke(&function, "f16", base64("f16")).await);
    taken(&invoke(&function, "f16", created("f16b")).await);
    assert_eq!(sim.accepted_keys(), ["f15", "f16", "f16b"]);
}

#[tokio::test]
async fn row_21_what_is_too_large_or_packed_is_a_failure() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let large = format!("{{\"events\":[],\"x\":\"{}\"}}", "x".repeat(32 * 1024 * 1024));
    assert_eq!(failed(&invoke(&function, "large", large).await)["errorType"], json!("body_too_large"));
    // `gzip -n` of `{}`.
    let packed = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 174, 5, 0, 67, 191, 166, 163, 2, 0, 0, 0];
    let headers = headers("packed", &[("Content-Encoding", "gzip")]);
    failed(&function.send("POST", "/invoke", &headers, packed).await.unwrap());
    taken(&invoke(&function, "good", created("good")).await);
    assert_eq!(sim.accepted_keys(), ["good"]);
}

/// hyper answers these by itself, with 400, 414 and 431, which without `x-fc-status` are successes.
#[tokio::test]
async fn a37_heads_that_cannot_be_read_are_failures() {
    let sim = sim().await;
    let function = start(&sim, &[]).await;
    let head = |more: &str| format!("POST /invoke HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let many: String = (0..150).map(|number| format!("Caller-{number}: x\r\n")).collect();
    let requests = [
        ("many headers", head(&many)),
        ("no HTTP", "nonsense\r\n\r\n".to_owned()),
        ("another version", "POST /invoke HTTP/9.9\r\n\r\n".to_owned()),
        ("a header without a colon", head("nonsense\r\n")),
        ("a length that is none", head("Content-Length: -1\r\n")),
        ("a head of half a megabyte", head(&format!("Caller: {}\r\n", "x".repeat(512 * 1024)))),
        ("a long path", format!("POST /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000))),
        ("a path that is none", "POST /\u{1} HTTP/1.1\r\n\r\n".to_owned()),
    ];
    let count = requests.len();
    for (what, request) in requests {
        let address = function.address.clone();
        let (first, answer) = tokio::task::spawn_blocking(move || {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.set_read_timeout(Some(LIMIT)).unwrap();
            // After an answer on the same connection, too.
            let first = raw(&mut connection, "first", &created("first"));
            // The other side may have enough before it has read everything.
            let _ = connection.write_all(request.as_bytes());
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer);
            (first, String::from_utf8(answer).unwrap())
        })
        .await
        .unwrap();
        assert!(first.starts_with("HTTP/1.1 200 "), "{what}: {first}");
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{what}: {answer}");
        for part in
            ["\r\nx-fc-status: 404\r\n", "\r\nconnection: close\r\n", "\"errorType\":\"malformed_request\""]
        {
            assert!(answer.contains(part), "{what}: {part}: {answer}");
        }
    }
    taken(&invoke(&function, "good", created("good")).await);
    let lines = async || function.process.stdout().matches("\"error.type\":\"malformed_request\"").count();
    until("a line of each", LIMIT, async || lines().await == count).await.unwrap();
}

#[tokio::test]
async fn credentials_of_the_platform_are_in_nothing_that_comes_out() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Reset; 9]);
    let mut function = start(&sim, &[("RELAY_LOG", "trace")]).await;
    let mut said = String::new();
    for (id, body) in [("good", created("good")), ("later", created("later")), ("odd", "hello".to_owned())] {
        let answer = invoke(&function, id, body).await;
        said += &format!("{answer:?} {}", answer.text());
    }
    let request = headers("r", &[("x-fc-control-path", "/http-invoke")]);
    said += &function.send("POST", "/invoke", &request, "{}").await.unwrap().text();
    said += &function
        .send("POST", "/initialize", &headers("r", &[("x-fc-control-path", "/initialize")]), "")
        .await
        .unwrap()
        .text();
    function.process.signal("TERM").unwrap();
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
    said += &function.process.output();
    for request in sim.requests() {
        said += &format!("{request:?}");
    }
    assert!(said.contains("good") && said.contains("\"level\":\"DEBUG\""), "{said}");
    no_secret_in(&said);
    assert!(!function.process.output().contains(DEFAULT_API_KEY), "{}", function.process.output());
    assert_eq!(function.process.stderr(), "");
}

// === start and end ===

#[tokio::test]
async fn a_wrong_start_says_everything_and_serves_nothing() {
    let sim = sim().await;
    let more = [("RELAY_DEADLINE", "25"), ("PORT_SHIM_LISTEN", ""), ("FC_SERVER_PORT", "ninety")];
    let mut process = program(&sim, &more).env("APIENDPOINT", "").start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    for name in ["APIENDPOINT", "RELAY_DEADLINE", "FC_SERVER_PORT"] {
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
    let (url, headers) = (function.url("/invoke"), headers("r", &[]));
    let stopped = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        function.process.signal("TERM").unwrap();
    };
    let (answer, ()) = tokio::join!(poster.send("POST", &url, &headers, created("a")), stopped);
    taken(&answer.unwrap());
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
    assert_eq!(sim.accepted_keys(), ["a"]);
}

#[tokio::test]
async fn a_call_whose_client_goes_away_ends_with_its_lines() {
    let sim = sim().await;
    sim.push_for("hangs", vec![Step::Hang; 9]);
    let function = start(&sim, &[("RELAY_TIMEOUT", "60s")]).await;
    let (address, body) = (function.address.clone(), created("hangs"));
    let gone = tokio::task::spawn_blocking(move || {
        let head = "POST /invoke HTTP/1.1\r\nHost: x\r\nx-fc-request-id: gone\r\n";
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        connection
    });
    let connection = gone.await.unwrap();
    until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
    drop(connection);
    printed(&function, "FC Invoke End RequestId: gone, Error: Unhandled function error\n").await;
    printed(&function, "a call was dropped: nobody waits for its answer any longer").await;
    taken(&invoke(&function, "good", created("good")).await);
    assert_eq!(lines(&function, "good").await.len(), 4, "{}", function.process.output());
}

#[tokio::test]
async fn it_says_what_it_is() {
    let run = async |argument: &str| {
        let program = Program::new(drive::binary(env!("CARGO_BIN_EXE_mdss-relay-alibaba-fc")));
        let mut process = program.arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-alibaba-fc ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("STORAGECLIENTID"), "{help}");
    for other in ["RELAY_LISTEN", "RELAY_QUEUE_PARTIAL", "RELAY_ON_PERMANENT", "RELAY_BODY_LIMIT"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
}
