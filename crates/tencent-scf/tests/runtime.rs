//! The function in a custom runtime: a process that asks SCF's server for events. `tNN` is a situation of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod platform;

use std::time::{Duration, Instant};

use drive::{Fault, Invocation, Outcome, Process, Runtime, RuntimeApi, Then};
use mdss_sim::{Config, Sim, StatusCode, Step};
use platform::{LIMIT, created, path, program, record, tells_no_secret};
use serde_json::{Value, json};

struct Function {
    sim: Sim,
    api: RuntimeApi,
    process: Process,
}

async fn start(more: &[(&str, &str)]) -> Function {
    let sim = Sim::start(Config::default()).await.unwrap();
    let api = Runtime::TencentScf.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let process = program(&sim, more).envs(api.env()).start().unwrap();
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
        let report = self.invoke(created(&["works"])).await.unwrap();
        assert_eq!(report["outcome"], "done", "{report}");
    }
}

/// The name of a failure: the shim's own, or that of the first record that failed.
fn reason(report: &Value) -> String {
    let of_record = || report["records"].as_array()?.iter().find_map(|record| record["reason"].as_str());
    report["errorType"].as_str().or_else(of_record).unwrap().to_owned()
}

#[tokio::test]
async fn t01_and_t02_an_event_reaches_mdss_and_no_secret_the_log() {
    let mut function = start(&[]).await;
    let report = function.invoke(created(&["a b.bin"])).await.unwrap();
    assert_eq!(report["records"][0]["bucket"], "in-1250000000", "{report}");
    assert_eq!(function.sim.accepted_keys(), ["a b.bin"]);
    let line = function.process.wait_for_line("a b.bin", LIMIT).await.unwrap();
    assert!(line.contains("in-1250000000") && line.contains("faas.invocation_id"), "{line}");
    // Once more when nothing can come any longer.
    function.process.signal("TERM").unwrap();
    function.process.wait(LIMIT).await.unwrap();
    tells_no_secret(&function.process, b"", &function.api.credentials());
}

#[tokio::test]
async fn t03_and_t04_what_mdss_does_not_take_is_a_failed_call() {
    let function = start(&[]).await;
    function.sim.push_for("down", vec![Step::status(StatusCode::INTERNAL_SERVER_ERROR); 9]);
    let (name, report) = function.invoke(created(&["down"])).await.unwrap_err();
    assert_eq!((&*name, &report["outcome"]), ("mdss_unavailable", &json!("transient")));
    // The whole event is repeated, and then both are taken.
    function.sim.push_for("later", vec![Step::Unavailable; 2]);
    assert_eq!(function.invoke(created(&["one", "later"])).await.unwrap_err().0, "mdss_unavailable");
    assert_eq!(function.sim.accepted_keys(), ["one"]);
    let report = function.invoke(created(&["one", "later"])).await.unwrap();
    assert_eq!(report["outcome"], "done", "{report}");
    let mut keys = function.sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["later", "one"]);
    // What can never be used fails as well: the platform may keep it.
    assert_eq!(function.invoke(json!({ "hello": 1 }).to_string()).await.unwrap_err().0, "unknown_dialect");
    assert_eq!(function.invoke("hello").await.unwrap_err().0, "body_not_readable");
}

#[tokio::test]
async fn t05_and_t06_a_server_that_breaks_ends_no_process() {
    let mut function = start(&[]).await;
    let half = b"HTTP/1.1 200 OK\r\nrequest_id: half\r\ncontent-length: 99\r\n\r\n{\"planted-body\":";
    for then in [Then::Endless, Then::Closed, Then::Reset] {
        function.api.fault(Fault::NextRaw { bytes: half, then });
    }
    function.api.fault(Fault::NextRaw { bytes: b"planted-nonsense\r\n\r\n", then: Then::Closed });
    function.api.fault(Fault::NextStatus(500));
    function.api.fault(Fault::NextClosed);
    function.works().await;
    // What the trouble is, and not each time.
    let line = function
        .process
        .wait_for_line("no event from GET /runtime/invocation/next, 4 time(s)", LIMIT)
        .await
        .unwrap();
    assert!(line.contains("WARN"), "{line}");
    assert!(!function.process.output().contains("3 time(s)"), "{}", function.process.output());
}

#[tokio::test]
async fn t07_without_an_id_an_event_is_handled() {
    let function = start(&[]).await;
    let invocation = Invocation::new(created(&["a"]), LIMIT).without_header("request_id");
    function.invoke_with(invocation).await.unwrap();
    // One that is hardly an id is at least no line of its own.
    let odd = Invocation::new(created(&["b"]), LIMIT).header("request_id", b"\xffodd\t{\"x\":1}");
    function.invoke_with(odd).await.unwrap();
    assert_eq!(function.sim.accepted_keys(), ["a", "b"]);
    for line in function.process.stdout().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[tokio::test]
async fn t08_the_time_limit_is_kept() {
    let function = start(&[("RELAY_TIMEOUT", "60s")]).await;
    function.sim.push_for("slow", vec![Step::Hang; 9]);
    let started = Instant::now();
    let slow = Invocation::new(created(&["slow"]), LIMIT).header("time_limit_in_ms", "1000");
    assert_eq!(function.invoke_with(slow).await.unwrap_err().0, "deadline");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    // What is no limit is none, and the relay's own holds.
    for limit in ["0", "soon", "-1", "99999999999999999999"] {
        let invocation = Invocation::new(created(&["works"]), LIMIT).header("time_limit_in_ms", limit);
        function.invoke_with(invocation).await.unwrap();
    }
    function.works().await;
}

#[tokio::test]
async fn t09_a_result_that_is_refused_is_posted_once_and_said_in_a_line() {
    let mut function = start(&[]).await;
    // What was not answered is handed out once more, so the caller hears of it in the end.
    // The first, the second and the fourth time in a row have a line.
    for fault in
        [Fault::AnswerStatus(413), Fault::AnswerStatus(500), Fault::AnswerStatus(500), Fault::AnswerClosed]
    {
        function.api.fault(fault);
    }
    function.invoke(created(&["a"])).await.unwrap();
    for why in ["the answer is 413", "the answer is 500", "no answer: "] {
        function.process.wait_for_line(why, LIMIT).await.unwrap();
    }
    let lines = function.process.stdout();
    assert_eq!(lines.matches("may not have taken what became of the event").count(), 3, "{lines}");
    // The object itself went to MDSS once: the function remembers what it has just sent.
    assert_eq!(function.sim.accepted().iter().map(|object| object.times).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn t10_a_function_that_cannot_start_ends_with_a_line() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let vars = [("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", &*unused)];
    let mut refused = program(&sim, &vars).start().unwrap();
    assert_eq!(refused.wait(LIMIT).await.unwrap().code(), Some(1));
    let lines = refused.stdout();
    let line = lines.lines().last().unwrap();
    assert!(
        line.contains("the function cannot be served") && line.contains("/runtime/init/ready"),
        "{lines}"
    );
    // Half of the address, and a setting that is missing: all mistakes at once, one a line.
    let mut half = program(&sim, &[("SCF_RUNTIME_API", "127.0.0.1"), ("APIKEY", "")]).start().unwrap();
    assert_eq!(half.wait(LIMIT).await.unwrap().code(), Some(2));
    let lines = half.stderr();
    assert!(
        lines.contains("SCF_RUNTIME_API_PORT: expected a port, 1 to 65535, which Tencent SCF sets"),
        "{lines}"
    );
    assert!(lines.contains("APIKEY"), "{lines}");
}

/// A package's program is called `bootstrap`; it then listens on no port that nobody calls.
#[tokio::test]
async fn a_package_without_the_platforms_variables_ends_with_a_line() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bootstrap = folder.path().join("bootstrap");
    // No copy: another test that starts a process at this moment would keep it open for writing, and it could not be started.
    std::fs::hard_link(path(), &bootstrap).unwrap();
    let mut process = drive::Program::new(bootstrap)
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", mdss_sim::DEFAULT_API_KEY)
        .env("STORAGECLIENTID", mdss_sim::units::S3_COMPATIBLE)
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let lines = process.stderr();
    assert!(
        lines.contains("SCF_RUNTIME_API: expected a host without port, which Tencent SCF sets"),
        "{lines}"
    );
}

#[tokio::test]
async fn t12_the_prefix_of_a_key_is_taken_away_once() {
    let function = start(&[]).await;
    function.invoke(created(&["/1250000000/in/x"])).await.unwrap();
    // Without any, as in the console's template.
    function.invoke(json!({ "Records": [record("plain")] }).to_string()).await.unwrap();
    assert_eq!(function.sim.accepted_keys(), ["/1250000000/in/x", "plain"]);
}

fn bridged(key: &str) -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "cos.cloud.tencent", "type": "cos:created:object",
        "subject": "qcs::cos:ap-guangzhou:uid1250000000:in", "time": "1767323045123", "region": "ap-guangzhou",
        "datacontenttype": "application/json;charset=utf-8", "data": record(key),
    })
}

#[tokio::test]
async fn t13_and_t14_what_eventbridge_brings_is_taken_or_fails_and_is_never_lost() {
    let function = start(&[]).await;
    let mut misspelt = bridged("/1250000000/in/two");
    let subject = misspelt.as_object_mut().unwrap().remove("subject").unwrap();
    misspelt["subjuect"] = subject;
    misspelt["specversion"] = json!("0");
    for event in [bridged("/1250000000/in/one"), misspelt] {
        function.invoke(event.to_string()).await.unwrap();
    }
    let list = json!({ "EventList": [bridged("three"), bridged("four")] });
    function.invoke(list.to_string()).await.unwrap();
    let mut keys = function.sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["four", "one", "three", "two"]);
    // Another shape than the trigger's is no success.
    for data in [json!({}), json!(null), json!({ "object": { "key": "x" } }), json!("text")] {
        let mut event = bridged("x");
        event["data"] = data.clone();
        assert!(function.invoke(event.to_string()).await.is_err(), "{data}");
        let list = json!({ "EventList": [event, bridged("four")] });
        assert!(function.invoke(list.to_string()).await.is_err(), "{data}");
    }
}

#[tokio::test]
async fn an_event_of_enormous_size_is_a_failed_call() {
    let function = start(&[]).await;
    let large = format!("\"{}\"", "x".repeat(6 * 1024 * 1024));
    assert_eq!(function.invoke(large).await.unwrap_err().0, "body_too_large");
    function.works().await;
}

#[tokio::test]
async fn a_signal_ends_it_when_the_event_has_been_answered() {
    let mut function = start(&[]).await;
    function.sim.push_for("slow", vec![Step::Delay { ms: 500 }]);
    let call = function.api.invoke(created(&["slow"]), LIMIT);
    let ended = async {
        let sent = async || !function.sim.requests().is_empty();
        drive::until("the request is under way", LIMIT, sent).await.unwrap();
        function.process.signal("TERM").unwrap();
        function.process.wait(LIMIT).await.unwrap().code()
    };
    let (outcome, code) = tokio::join!(call, ended);
    assert!(matches!(outcome.unwrap(), Outcome::Response(_)));
    assert_eq!(code, Some(0));
}
