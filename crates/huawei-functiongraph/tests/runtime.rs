//! The function in a custom runtime: a process that asks FunctionGraph's server for events. `hNN` is a situation of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod platform;

use std::time::{Duration, Instant};

use drive::{Fault, Invocation, Outcome, Process, Program, Runtime, RuntimeApi, Then, until};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use platform::{LIMIT, created, grid, path, program, tells_no_secret};
use serde_json::{Value, json};

struct Function {
    sim: Sim,
    api: RuntimeApi,
    process: Process,
}

async fn start(more: &[(&str, &str)]) -> Function {
    let sim = Sim::start(Config::default()).await.unwrap();
    let api = Runtime::HuaweiFunctionGraph.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let program = program(&sim, &[]).envs(api.env()).envs(more.iter().copied());
    let process = program.start().unwrap();
    api.wait_for_poll(LIMIT).await.unwrap();
    Function { sim, api, process }
}

impl Function {
    /// What is posted of an event: the report, or the name of the failure and the report. Neither it nor the log tells a secret.
    async fn invoke(&self, body: impl Into<String>) -> Result<Value, (String, Value)> {
        self.invoke_with(Invocation::new(body.into(), LIMIT)).await
    }

    async fn invoke_with(&self, invocation: Invocation) -> Result<Value, (String, Value)> {
        let outcome = self.api.invoke_with(invocation).await.unwrap();
        let (Outcome::Response(body) | Outcome::Error { body, .. }) = &outcome;
        tells_no_secret(&self.process, body, &self.api.credentials());
        let report: Value = serde_json::from_slice(body).unwrap();
        match outcome {
            Outcome::Response(_) => Ok(report),
            Outcome::Error { .. } => Err((reason(&report), report)),
        }
    }

    async fn works(&self) {
        let report = self.invoke(created("works")).await.unwrap();
        assert_eq!(report["outcome"], "done", "{report}");
    }
}

/// The name of a failure: the shim's own, or that of the first record that failed.
fn reason(report: &Value) -> String {
    let of_record = || report["records"].as_array()?.iter().find_map(|record| record["reason"].as_str());
    report["errorType"].as_str().or_else(of_record).unwrap().to_owned()
}

#[tokio::test]
async fn h01_an_event_reaches_mdss_and_no_secret_the_log() {
    let mut function = start(&[]).await;
    let invocation = Invocation::new(created("TEST%2F%E4%B8%AD+%E6%96%87.jpg"), LIMIT).request_id("r-1");
    function.invoke_with(invocation).await.unwrap();
    assert_eq!(function.sim.accepted_keys(), ["TEST/中 文.jpg"]);
    let line = function.process.wait_for_line("TEST/中 文.jpg", LIMIT).await.unwrap();
    assert!(line.contains("\"faas.invocation_id\":\"r-1\""), "{line}");
    // Once more when nothing can come any longer.
    function.process.signal("TERM").unwrap();
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0));
    tells_no_secret(&function.process, b"", &function.api.credentials());
}

#[tokio::test]
async fn h02_keys_that_the_subscription_leaves_as_they_are() {
    let function = start(&[("RELAY_KEYS_HUAWEI_OBS", "verbatim")]).await;
    function.invoke(created("TEST/中 文+%41.jpg")).await.unwrap();
    assert_eq!(function.sim.accepted_keys(), ["TEST/中 文+%41.jpg"]);
}

#[tokio::test]
async fn h03_and_h06_what_cannot_be_taken_is_a_failed_call() {
    let function = start(&[]).await;
    function.sim.push_for("down", vec![Step::Unavailable; 9]);
    let (name, report) = function.invoke(created("down")).await.unwrap_err();
    assert_eq!((&*name, &report["outcome"]), ("mdss_unavailable", &json!("transient")));
    for text in ["hello", "", "{\"a\":"] {
        assert_eq!(function.invoke(text).await.unwrap_err().0, "body_not_readable", "{text}");
    }
    assert_eq!(function.invoke(json!({ "hello": 1 }).to_string()).await.unwrap_err().0, "unknown_dialect");
    function.works().await;
}

#[tokio::test]
async fn h04_and_h05_a_server_that_gives_no_event_is_asked_again() {
    let mut function = start(&[]).await;
    for status in [404, 500, 204] {
        function.api.fault(Fault::NextStatus(status));
    }
    let without_id = b"HTTP/1.1 200 OK\r\nx-cff-secret-key: planted-key\r\ncontent-length: 2\r\n\r\n{}";
    function.api.fault(Fault::NextRaw { bytes: without_id, then: Then::Closed });
    let half = b"HTTP/1.1 200 OK\r\nx-cff-request-id: half\r\ncontent-length: 99\r\n\r\n{\"planted-body\":";
    for then in [Then::Closed, Then::Reset] {
        function.api.fault(Fault::NextRaw { bytes: half, then });
    }
    function.works().await;
    for line in [
        "1 time(s) in a row: the answer is 404",
        "4 time(s) in a row: the answer has not one header x-cff-request-id",
    ] {
        function.process.wait_for_line(line, LIMIT).await.unwrap();
    }
    // An event whose head has lost its id is not handled: its caller hears nothing, and MDSS neither.
    let lost = Invocation::new(created("lost"), LIMIT).without_header("x-cff-request-id");
    tokio::select! {
        outcome = function.api.invoke_with(lost) => panic!("{outcome:?}"),
        line = function.process.wait_for_line("1 time(s) in a row: the answer has not one header", LIMIT) => drop(line.unwrap()),
    }
    assert_eq!(function.sim.accepted_keys(), ["works"]);
}

#[tokio::test]
async fn h08_the_time_limit_is_kept() {
    let function = start(&[("RUNTIME_TIMEOUT", "1"), ("RELAY_TIMEOUT", "60s")]).await;
    function.sim.push_for("slow", vec![Step::Hang; 9]);
    let started = Instant::now();
    assert_eq!(function.invoke(created("slow")).await.unwrap_err().0, "deadline");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    function.works().await;
}

#[tokio::test]
async fn h09_an_id_of_odd_characters_is_answered_all_the_same() {
    let function = start(&[]).await;
    for id in ["a/b?c", "../error/x", "%2F", "a b;c=d&e#f"] {
        function.invoke_with(Invocation::new(created("works"), LIMIT).request_id(id)).await.unwrap();
        let failed = Invocation::new("hello", LIMIT).request_id(id);
        assert_eq!(function.invoke_with(failed).await.unwrap_err().0, "body_not_readable", "{id}");
    }
}

#[tokio::test]
async fn h10_a_result_that_is_refused_is_posted_once_and_said_in_a_line() {
    let mut function = start(&[]).await;
    for (fault, why) in
        [(Fault::AnswerStatus(500), "the answer is 500"), (Fault::AnswerClosed, "no answer: ")]
    {
        function.api.fault(fault);
        tokio::select! {
            outcome = function.api.invoke(created("a"), LIMIT) => panic!("{outcome:?}"),
            line = function.process.wait_for_line(why, LIMIT) => drop(line.unwrap()),
        }
    }
    let lines = function.process.stdout();
    assert_eq!(lines.matches("may not have taken what became of the event").count(), 2, "{lines}");
    function.works().await;
}

#[tokio::test]
async fn h11_and_h12_older_triggers_and_topics() {
    let function = start(&[]).await;
    let older = json!({ "Records": [{
        "eventVersion": "2.0", "awsRegion": "cn-north-4", "eventTime": "2026-01-02T03:04:05.000Z", "eventName": "ObjectCreated:Post",
        "s3": { "bucket": { "name": "in", "arn": "arn:aws:s3:::in" }, "object": { "key": "older", "size": 3 } },
    }] });
    function.invoke(older.to_string()).await.unwrap();
    let mut record = grid("topic")["data"].clone();
    record["eventSource"] = json!("OBS");
    let message = json!({ "Records": [record] }).to_string();
    let topic = json!({ "functionname": "relay", "requestId": "1", "timestamp": "2026-01-02T03:04:05Z", "record": [{
        "event_version": "1.0", "event_source": "smn", "event_subscription_urn": "urn:fss:cn-north-4:0:function:default:relay:latest",
        "smn": {
            "topic_urn": "urn:smn:cn-north-4:0:objects", "timestamp": "2026-01-02T03:04:05Z", "message_id": "m",
            "type": "notification", "subject": "s", "message": message,
        },
    }] });
    function.invoke(topic.to_string()).await.unwrap();
    assert_eq!(function.sim.accepted_keys(), ["older", "topic"]);
}

/// A package's program is called `bootstrap`; it then listens on no port that nobody calls.
#[tokio::test]
async fn h13_a_package_without_the_platforms_variable_ends_with_a_line() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bootstrap = folder.path().join("bootstrap");
    // No copy: another test that starts a process at this moment would keep it open for writing, and it could not be started.
    std::fs::hard_link(path(), &bootstrap).unwrap();
    let vars = [
        ("APIENDPOINT", &*sim.url()),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::S3_COMPATIBLE),
    ];
    let mut process = Program::new(bootstrap).envs(vars).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let lines = process.stderr();
    assert!(
        lines.contains("RUNTIME_API_ADDR: expected host and port, which Huawei FunctionGraph sets"),
        "{lines}"
    );
    // No address, but a name: that is a custom runtime, too.
    let mut process = program(&sim, &[("RUNTIME_API_ADDR", "127.0.0.1")]).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.stderr().contains("RUNTIME_API_ADDR: found \"127.0.0.1\", expected host and port"));
}

#[tokio::test]
async fn what_the_environment_lacks_is_taken_from_the_userdata() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let api = Runtime::HuaweiFunctionGraph.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let userdata = json!({
        "APIENDPOINT": sim.url(), "APIKEY": DEFAULT_API_KEY, "STORAGECLIENTID": "not the one", "RELAY_KEYS_HUAWEI_OBS": "verbatim",
    });
    let start = |userdata: String| {
        let vars = [("STORAGECLIENTID", units::S3_COMPATIBLE), ("RUNTIME_USERDATA", &*userdata)];
        Program::new(path()).envs(api.env()).envs(vars).start().unwrap()
    };
    let _function = start(userdata.to_string());
    api.invoke(created("a+b"), LIMIT).await.unwrap();
    assert_eq!(sim.accepted_keys(), ["a+b"]);
    // A mistake in it is one of the settings', and none of it is shown.
    let mut function = start(format!("{{\"APIKEY\":\"{DEFAULT_API_KEY}\""));
    assert_eq!(function.wait(LIMIT).await.unwrap().code(), Some(2));
    let lines = function.output();
    assert!(lines.contains("RUNTIME_USERDATA: found no JSON, line 1 column"), "{lines}");
    assert!(!lines.contains(DEFAULT_API_KEY), "{lines}");
}

#[tokio::test]
async fn a_signal_ends_it_when_the_event_has_been_answered() {
    let mut function = start(&[]).await;
    function.sim.push_for("slow", vec![Step::Delay { ms: 500 }]);
    let call = function.api.invoke(created("slow"), LIMIT);
    let ended = async {
        let sent = async || !function.sim.requests().is_empty();
        until("the request is under way", LIMIT, sent).await.unwrap();
        function.process.signal("TERM").unwrap();
        function.process.wait(LIMIT).await.unwrap().code()
    };
    let (outcome, code) = tokio::join!(call, ended);
    assert!(matches!(outcome.unwrap(), Outcome::Response(_)));
    assert_eq!(code, Some(0));
}
