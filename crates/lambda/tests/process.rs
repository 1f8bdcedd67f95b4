//! The function as a process against a Runtime API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drive::{Fault, Invocation, Outcome, Process, Program, RuntimeApi};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

struct Function {
    process: Process,
    api: RuntimeApi,
}

async fn start(sim: &Sim, more: &[(&str, &str)]) -> Function {
    let api = RuntimeApi::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-lambda"))
        .envs(api.env())
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::AMAZON_S3)
        .env("RELAY_ATTEMPTS", "2");
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

fn record(key: &str) -> Value {
    json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } })
}

fn created(keys: &[&str]) -> String {
    json!({ "Records": keys.iter().map(|k| record(k)).collect::<Vec<_>>() }).to_string()
}

fn queue(messages: &[(&str, String)]) -> String {
    let message = |(id, body): &(&str, String)| json!({ "messageId": id, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q", "body": body });
    json!({ "Records": messages.iter().map(message).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn an_event_reaches_mdss() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = start(&sim, &[]).await;
    for key in ["rote+Blume.jpg", "two"] {
        let report = function.invoke(created(&[key])).await.unwrap();
        assert_eq!(report["outcome"], "done");
    }
    let keys: Vec<_> = sim.accepted().into_iter().map(|a| a.key).collect();
    assert_eq!(keys, ["rote Blume.jpg", "two"]);
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
    assert!(function.invoke("not json").await.is_err());
    assert!(function.invoke(created(&["good"])).await.is_ok());
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
    assert_eq!(
        answer,
        json!({ "batchItemFailures": [{ "itemIdentifier": "m2" }, { "itemIdentifier": "m3" }] })
    );
    // The crate that models the answer reads it the same way.
    let oracle: aws_lambda_events::sqs::SqsBatchResponse = serde_json::from_value(answer).unwrap();
    let ids: Vec<_> = oracle.batch_item_failures.iter().map(|f| f.item_identifier.as_str()).collect();
    assert_eq!(ids, ["m2", "m3"]);
    let good = partial.invoke(queue(&[("m1", created(&["good"]))])).await.unwrap();
    assert_eq!(good, json!({ "batchItemFailures": [] }));
    // Not a queue: nothing changes.
    assert_eq!(partial.invoke(created(&["later"])).await.unwrap_err().0, "mdss_unavailable");
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
        while sim.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
