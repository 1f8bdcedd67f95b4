//! The function as a process against a Runtime API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drive::{Fault, Invocation, Outcome, Process, Program, RuntimeApi, until};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, Refusal, Sim, StatusCode, Step, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(20);

/// What `lambda_runtime` itself calls an event that is no JSON; the crate's README names it.
const NOT_JSON: &str = "&lambda_runtime::deserializer::DeserializeError";

struct Function {
    process: Process,
    api: RuntimeApi,
}

async fn start(sim: &Sim, more: &[(&str, &str)]) -> Function {
    let more: Vec<_> = [("RELAY_ATTEMPTS", "2")].iter().chain(more).copied().collect();
    start_at(&sim.url(), &more).await
}

/// With the defaults, but for `more`.
async fn start_at(endpoint: &str, more: &[(&str, &str)]) -> Function {
    let api = RuntimeApi::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda"))
        .envs(api.env())
        .env("APIENDPOINT", endpoint)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::AMAZON_S3);
    for (name, value) in more {
        program = program.env(*name, *value);
    }
    let process = program.start().unwrap();
    api.wait_for_poll(LIMIT).await.unwrap();
    Function { process, api }
}

impl Function {
    async fn invoke(&self, body: impl Into<String>) -> Result<Value, (String, Value)> {
        outcome(self.api.invoke(body.into(), LIMIT).await.unwrap())
    }
}

/// The report, or the error type and what its message says.
fn outcome(outcome: Outcome) -> Result<Value, (String, Value)> {
    match outcome {
        Outcome::Response(body) => Ok(serde_json::from_slice(&body).unwrap()),
        Outcome::Error { error_type, error_message, .. } => {
            let report = serde_json::from_str(&error_message).unwrap_or(Value::String(error_message));
            Err((error_type, report))
        }
    }
}

fn created(keys: &[&str]) -> String {
    mdss_sim::created("aws:s3", "b", keys)
}

fn queue(messages: &[(&str, String)]) -> String {
    queue_named("q", messages)
}

fn queue_named(name: &str, messages: &[(&str, String)]) -> String {
    let arn = format!("arn:aws:sqs:eu-west-1:1:{name}");
    let message = |(id, body): &(&str, String)| json!({ "messageId": id, "eventSource": "aws:sqs", "eventSourceARN": arn, "body": body });
    json!({ "Records": messages.iter().map(message).collect::<Vec<_>>() }).to_string()
}

/// An S3 event as EventBridge passes it on.
fn bridged(key: &str) -> String {
    json!({ "detail-type": "Object Created", "source": "aws.s3",
            "detail": { "bucket": { "name": "b" }, "object": { "key": key } } })
    .to_string()
}

/// What a topic puts around a message, in a queue.
fn published(id: &str, message: &str) -> Value {
    json!({ "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message })
}

/// The call a topic makes.
fn topic(messages: &[(&str, String)]) -> String {
    let record =
        |(id, message): &(&str, String)| json!({ "EventSource": "aws:sns", "Sns": published(id, message) });
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() }).to_string()
}

fn failures(ids: &[&str]) -> Value {
    json!({ "batchItemFailures": ids.iter().map(|id| json!({ "itemIdentifier": id })).collect::<Vec<_>>() })
}

#[tokio::test]
async fn an_event_reaches_mdss() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut function = start(&sim, &[]).await;
    let way = format!("MDSS at {}, directly", sim.base_url());
    function.process.wait_for_line(&way, LIMIT).await.unwrap();
    for key in ["rote+Blume.jpg", "two"] {
        let report = function.invoke(created(&[key])).await.unwrap();
        assert_eq!(report["outcome"], "done");
    }
    assert_eq!(sim.accepted_keys(), ["rote Blume.jpg", "two"]);
}

#[tokio::test]
async fn a_restart_of_mdss_costs_no_event() {
    let away = Away::new().unwrap();
    let function = start_at(&away.url(), &[]).await;
    let call = function.api.invoke(created(&["a"]), Duration::from_secs(60));
    let (sim, answer) = tokio::join!(away.restarted(), call);
    let report = outcome(answer.unwrap()).unwrap();
    assert_eq!(report["outcome"], "done", "{report}");
    let accepted: Vec<_> = sim.unwrap().accepted().into_iter().map(|a| (a.key, a.times)).collect();
    assert_eq!(accepted, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn topics_and_bridges_call_asynchronously() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    let function = start(&sim, &[]).await;
    // S3 form-encodes its keys, and EventBridge does not: the envelope around the record changes neither.
    let mut keys = Vec::new();
    for (call, sent) in [
        (bridged("a+b"), vec!["a+b"]),
        (topic(&[("t1", created(&["c+d", "e"]))]), vec!["c d", "e"]),
        (topic(&[("t1", bridged("f+g"))]), vec!["f+g"]),
        (topic(&[("t1", created(&["h"])), ("t2", bridged("i"))]), vec!["h", "i"]),
    ] {
        let report = function.invoke(call.clone()).await.unwrap();
        assert_eq!(report["outcome"], "done", "{call}: {report}");
        keys.extend(sent);
        assert_eq!(sim.accepted_keys(), keys, "{call}");
    }
    // Among good messages a bad one fails the call, and costs the others nothing.
    for (call, name, item, done) in [
        (bridged("later"), "mdss_unavailable", "0", vec![]),
        (topic(&[("t1", created(&["later"]))]), "mdss_unavailable", "t1/0", vec![]),
        (
            topic(&[("t1", created(&["j"])), ("t2", "garbage".into()), ("t3", bridged("k"))]),
            "unreadable",
            "t2/0",
            vec!["j", "k"],
        ),
        (topic(&[("t1", "garbage".into()), ("t2", bridged("later"))]), "mdss_unavailable", "t2/0", vec![]),
        (
            r#"{"source":"aws.s3","detail-type":"Object Created","detail":{}}"#.into(),
            "missing_bucket",
            "0",
            vec![],
        ),
    ] {
        let (error_type, report) = function.invoke(call.clone()).await.unwrap_err();
        assert_eq!(error_type, name, "{call}: {report}");
        let failed = report["records"].as_array().unwrap().iter().find(|r| r["reason"] == name);
        assert_eq!(failed.map(|r| &r["item"]), Some(&json!(item)), "{call}: {report}");
        keys.extend(done);
        assert_eq!(sim.accepted_keys(), keys, "{call}");
    }
}

#[tokio::test]
async fn failures_give_the_event_back_under_stable_names() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    sim.push_for("config", vec![Step::status(StatusCode::FORBIDDEN); 99]);
    let function = start(&sim, &[]).await;
    for (body, name, outcome) in [
        (created(&["good", "later", "config"]), "mdss_unavailable", "transient"),
        (created(&["good", "config"]), "mdss_unauthorized", "config"),
        (created(&["good", "%ff"]), "invalid_key", "permanent"),
        (r#"{"hello":1}"#.to_owned(), "unknown_dialect", "permanent"),
    ] {
        let (error_type, report) = function.invoke(body.clone()).await.unwrap_err();
        assert_eq!((error_type.as_str(), report["outcome"].as_str()), (name, Some(outcome)), "{body}");
    }
    assert_eq!(function.invoke(created(&["good", "folder/"])).await.unwrap()["outcome"], "done");
    // What is no JSON never reaches the handler; the function lives on.
    let (error_type, sentence) = function.invoke("not json").await.unwrap_err();
    assert_eq!(error_type, NOT_JSON, "{sentence}");
    assert!(function.invoke(created(&["good"])).await.is_ok());
}

/// One name for each way in which MDSS can disappoint, so that an alarm on a name means one thing.
#[tokio::test]
async fn every_answer_of_mdss_has_its_name() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let redirect = Step::Redirect { status: StatusCode::FOUND, location: "/elsewhere".parse().unwrap() };
    let function = start(&sim, &[]).await;
    for (key, step, name) in [
        ("401", Step::status(StatusCode::UNAUTHORIZED), "mdss_unauthorized"),
        ("403", Step::status(StatusCode::FORBIDDEN), "mdss_unauthorized"),
        ("400", Step::status(StatusCode::BAD_REQUEST), "mdss_refused"),
        ("413", Step::status(StatusCode::PAYLOAD_TOO_LARGE), "mdss_too_large"),
        ("429", Step::status(StatusCode::TOO_MANY_REQUESTS), "mdss_unavailable"),
        ("500", Step::status(StatusCode::INTERNAL_SERVER_ERROR), "mdss_unavailable"),
        ("302", redirect, "mdss_redirected"),
        ("page", Step::WebPage, "mdss_unexpected_answer"),
        ("{}", Step::EmptyObject, "mdss_unexpected_answer"),
        ("empty", Step::EmptyBody, "mdss_half_answer"),
        ("half", Step::HalfBody, "mdss_half_answer"),
        ("reset", Step::Reset, "mdss_reset"),
        ("unit", Step::OkButRefused(Refusal::StorageNotFound), "mdss_storage_not_found"),
        ("off", Step::OkButRefused(Refusal::NotEnabled), "mdss_not_enabled"),
        ("polls", Step::OkButRefused(Refusal::NotEventBased), "mdss_not_event_based"),
    ] {
        sim.push_for(key, vec![step; 9]);
        let (error_type, report) = function.invoke(created(&["good", key])).await.unwrap_err();
        assert_eq!(error_type, name, "{key}: {report}");
        assert_eq!(report["records"][1]["reason"], name, "{key}: {report}");
    }
}

#[tokio::test]
async fn a_queue_fails_as_a_whole_unless_it_may_fail_in_part() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    let batch = queue(&[
        ("m1", created(&["good"])),
        ("m2", created(&["good", "later"])),
        ("m3", "garbage".into()),
        ("m4", r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#.into()),
    ]);
    let whole = start(&sim, &[]).await;
    assert_eq!(whole.invoke(batch.clone()).await.unwrap_err().0, "mdss_unavailable");

    let partial = start(&sim, &[("RELAY_QUEUE_PARTIAL", "on")]).await;
    let answer = partial.invoke(batch).await.unwrap();
    assert_eq!(answer, failures(&["m2", "m3"]));
    let good = partial.invoke(queue(&[("m1", created(&["good"]))])).await.unwrap();
    assert_eq!(good, failures(&[]));
    // Not a queue: nothing changes.
    assert_eq!(partial.invoke(created(&["later"])).await.unwrap_err().0, "mdss_unavailable");
}

#[tokio::test]
async fn messages_of_topics_and_bridges_fail_in_part_too() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    sim.push_for("config", vec![Step::status(StatusCode::FORBIDDEN); 99]);
    let in_topic = |message: String| published("t", &message).to_string();
    let good = || in_topic(created(&["good"]));
    let batch = [
        ("m1", good()),
        ("m2", in_topic(created(&["good", "later"]))),
        ("m3", bridged("good")),
        ("m4", in_topic("garbage".into())),
        ("m5", in_topic(bridged("good"))),
        ("m6", r#"{"Type":"Notification","TopicArn":"arn","Message":7}"#.into()),
        ("m7", bridged("config")),
        ("m8", in_topic(bridged("later"))),
        ("m9", created(&["good"])),
    ];
    let whole = start(&sim, &[]).await;
    assert_eq!(whole.invoke(queue(&batch)).await.unwrap_err().0, "mdss_unavailable");
    // What no repetition mends is given back as well, until the dead-letter queue has it.
    assert_eq!(whole.invoke(queue(&batch[2..6])).await.unwrap_err().0, "unreadable");

    let partial = start(&sim, &[("RELAY_QUEUE_PARTIAL", "on")]).await;
    let ids = ["m2", "m4", "m6", "m7", "m8"];
    assert_eq!(partial.invoke(queue(&batch)).await.unwrap(), failures(&ids));
    // One unreadable message of a topic among good ones, and it alone comes again.
    assert_eq!(partial.invoke(queue(&batch[2..5])).await.unwrap(), failures(&["m4"]));
    // In a FIFO queue nothing may overtake what failed, whatever kept it back.
    for (from, to, ids) in [
        (0, 9, &["m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9"][..]),
        (2, 5, &["m4", "m5"]),
        (6, 7, &["m7"]),
        (8, 9, &[]),
    ] {
        let answer = partial.invoke(queue_named("q.fifo", &batch[from..to])).await.unwrap();
        assert_eq!(answer, failures(ids), "{from}..{to}");
    }
}

#[tokio::test]
async fn deadlines_are_kept_and_impossible_ones_ignored() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("hang", vec![Step::Hang; 99]);
    let function = start(&sim, &[("RELAY_TIMEOUT", "60s")]).await;
    let report = function.api.invoke(created(&["hang"]), Duration::from_secs(2)).await.unwrap();
    assert_eq!(outcome(report).unwrap_err().0, "deadline");
    // What an emulator sends: ten minutes after 1970.
    let odd = Invocation::new(created(&["good"]), LIMIT).deadline_ms(600_000);
    assert!(outcome(function.api.invoke_with(odd).await.unwrap()).is_ok());
    // A second ago, but later than our start: no time is left, and nothing is sent.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let past = Invocation::new(created(&["good"]), LIMIT).deadline_ms(now - 1000);
    let requests = sim.requests().len();
    assert_eq!(outcome(function.api.invoke_with(past).await.unwrap()).unwrap_err().0, "deadline");
    assert_eq!(sim.requests().len(), requests);
}

/// A Runtime API that answers each request with the same bytes.
async fn answering(head: &str) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\n{{}}");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                while stream.read(&mut asked).await.is_ok_and(|n| n > 0) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_runtime_api_that_gives_no_event_ends_the_function_with_a_sentence() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let id = "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd";
    for head in [
        "500 Internal Server Error".to_owned(),
        "410 Gone".to_owned(),
        "403 Forbidden".to_owned(),
        format!("200 OK\r\n{id}"),
        format!("200 OK\r\n{id}\r\nLambda-Runtime-Deadline-Ms: soon"),
        "200 OK\r\nLambda-Runtime-Deadline-Ms: 1542409706888".to_owned(),
    ] {
        let api = answering(&head).await;
        let mut process = Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda"))
            .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("STORAGECLIENTID", units::AMAZON_S3)
            .start()
            .unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(1), "{head}: {}", process.output());
        let output = process.output();
        assert!(output.contains("the Runtime API cannot be served"), "{head}: {output}");
        assert!(output.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{head}: {output}");
    }
    assert_eq!(sim.connections(), 0);
}

#[tokio::test]
async fn no_attempt_begins_without_time_for_it() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("hang", vec![Step::Hang; 99]);
    let busy = |seconds| Step::RetryAfter { status: StatusCode::SERVICE_UNAVAILABLE, seconds };
    sim.push_for("in a minute", vec![busy(60); 99]);
    sim.push_for("soon", [busy(1)]);
    // The platform's deadline alone is to decide.
    let settings = [("RELAY_TIMEOUT", "300s"), ("RELAY_DEADLINE", "300s"), ("RELAY_CONCURRENCY", "1")];
    let function = start(&sim, &settings).await;
    let asked_for =
        |key: &str| sim.requests().iter().filter(|r| String::from_utf8_lossy(&r.body).contains(key)).count();
    let result = |report: &Value, record: usize| {
        let record = &report["records"][record];
        (record["reason"].as_str().map(str::to_owned), record["attempts"].as_u64())
    };

    // The first record's turn lasts until the deadline, so the others' never comes; none is left out of the report.
    let call = function.api.invoke(created(&["hang", "unasked-1", "unasked-2"]), Duration::from_secs(3));
    let (error_type, report) = outcome(call.await.unwrap()).unwrap_err();
    assert_eq!(error_type, "deadline");
    let late = |attempts| (Some("deadline".to_owned()), Some(attempts));
    assert_eq!([0, 1, 2].map(|n| result(&report, n)), [late(1), late(0), late(0)], "{report}");
    assert_eq!((asked_for("hang"), asked_for("unasked")), (1, 0));

    // MDSS wants a pause that is longer than what is left; where it is shorter, there is a second attempt.
    let call = function.api.invoke(created(&["in a minute"]), Duration::from_secs(20));
    let (error_type, report) = outcome(call.await.unwrap()).unwrap_err();
    assert_eq!((error_type.as_str(), result(&report, 0).1), ("mdss_unavailable", Some(1)), "{report}");
    assert_eq!(asked_for("in a minute"), 1);
    let call = function.api.invoke(created(&["soon"]), Duration::from_secs(60));
    assert_eq!(outcome(call.await.unwrap()).unwrap()["records"][0]["attempts"], 2);

    // A queue hears of those that were not reached.
    let partial = start(&sim, &[settings[0], settings[1], settings[2], ("RELAY_QUEUE_PARTIAL", "on")]).await;
    let batch =
        queue(&[("m1", created(&["hang"])), ("m2", created(&["unasked-3"])), ("m3", "garbage".into())]);
    let answer = outcome(partial.api.invoke(batch, Duration::from_secs(3)).await.unwrap()).unwrap();
    assert_eq!(answer, failures(&["m1", "m2", "m3"]));
    assert_eq!(asked_for("unasked"), 0);
}

#[tokio::test]
async fn an_answer_the_platform_loses_is_its_own_matter() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = start(&sim, &[]).await;
    function.api.fault(Fault::AnswerStatus(413));
    assert!(function.api.invoke(created(&["a"]), Duration::from_secs(2)).await.is_err());
    assert!(function.invoke(created(&["b"])).await.is_ok());
}

#[tokio::test]
async fn sigterm_ends_at_once_and_the_platform_repeats() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Hang]);
    let mut function = start(&sim, &[]).await;
    let call = function.api.invoke(created(&["a"]), Duration::from_secs(2));
    let signal = async {
        until("the call is in flight", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        function.process.signal("TERM").unwrap();
    };
    let (lost, ()) = tokio::join!(call, signal);
    assert!(lost.is_err(), "{lost:?}");
    assert!(!function.process.wait(LIMIT).await.unwrap().success());
}

#[tokio::test]
async fn a_wrong_start_is_a_sentence_and_not_a_panic() {
    let mut process =
        Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda")).env("APIKEY", "s3cret-\u{e9}").start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    for name in
        ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "APIENDPOINT", "APIKEY", "STORAGECLIENTID"]
    {
        assert!(output.contains(&format!("- {name}")), "{name}: {output}");
    }
    assert!(!output.contains("s3cret") && !output.contains("panicked"), "{output}");
}

#[tokio::test]
async fn the_api_key_and_the_event_are_in_no_line_of_a_failing_run() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // The first reset comes on a kept connection and is no attempt.
    sim.push([Step::status(StatusCode::UNAUTHORIZED), Step::Reset, Step::Reset, Step::Reset]);
    let mut function = start(&sim, &[("RELAY_LOG", "trace")]).await;
    let marked = r#"{"secretMember":"do-not-log","Records":[]}"#;
    assert!(function.invoke(marked).await.is_ok());
    for _ in 0..2 {
        assert!(function.invoke(created(&["a"])).await.is_err());
    }
    function.process.signal("TERM").unwrap();
    function.process.wait(LIMIT).await.unwrap();
    let output = function.process.output();
    assert!(output.contains("mdss_unauthorized"), "{output}");
    assert!(!output.contains(DEFAULT_API_KEY) && !output.contains("do-not-log"), "{output}");
}

#[tokio::test]
async fn it_says_what_it_is() {
    let run = async |argument: &str| {
        let mut process =
            Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda")).arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-lambda ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("RELAY_CONFIG"), "{help}");
    // Its own settings, and nobody else's.
    assert!(help.contains("RELAY_QUEUE_PARTIAL (function.queue_partial)"), "{help}");
    for other in ["RELAY_LISTEN", "RELAY_ON_PERMANENT", "RELAY_DATA_DIR"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
    // Platforms have arguments of their own; what is wrong then is the settings.
    let (code, _, told) = run("handler").await;
    assert!(code == Some(2) && told.contains("- APIENDPOINT"), "{told}");
}
