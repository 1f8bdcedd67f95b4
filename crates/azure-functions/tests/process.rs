//! The function as a process, started, called and repeated the way the Functions host does. `afNN` is a situation of the table in the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod app;
mod storage_queue;

use std::time::{Duration, Instant};

use app::{LIMIT, accepted, created, program, refused, start, start_with, variables};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use drive::{Fate, FunctionsHost, Invoked, Triggered, request, until};
use futures_util::future::join_all;
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step};
use serde_json::{Value, json};

async fn sim() -> Sim {
    Sim::start(Config::default()).await.unwrap()
}

#[tokio::test]
async fn af01_readiness_is_answered_at_once_without_a_line_whatever_goes_on() {
    let sim = sim().await;
    sim.push([Step::Delay { ms: 1500 }]);
    let mut host = start(&sim).await;
    host.process().wait_for_line("listening on", LIMIT).await.unwrap();
    let before = host.process().output();
    let body = request("event", &Triggered::Object(created("slow")), &json!({}));
    let call = async {
        let invoked = host.invoke("ScanEvent", &body).await;
        (invoked, Instant::now())
    };
    let pings = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        for method in ["GET", "HEAD", "GET"] {
            let answer = host.send(method, "/", &[], "").await.unwrap();
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        }
        Instant::now()
    };
    let ((invoked, answered), pinged) = tokio::join!(call, pings);
    assert!(pinged < answered, "a ping waited for the call");
    accepted(&invoked);
    host.process().wait_for_line("\"slow\"", LIMIT).await.unwrap();
    let lines: Vec<_> =
        host.process().output().lines().skip(before.lines().count()).map(str::to_owned).collect();
    assert!(lines.len() == 1 && lines[0].contains("slow"), "{lines:?}");
    // Another method, another path: no readiness, and no function.
    for (method, path) in
        [("POST", "/"), ("GET", "/ScanEvent"), ("OPTIONS", "/"), ("GET", "/admin/host/ping")]
    {
        assert_eq!(host.send(method, path, &[], "").await.unwrap().status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn af02_to_af07_an_event_is_taken_in_every_writing_of_the_host() {
    let sim = sim().await;
    let host = start(&sim).await;
    let metadata = json!({
        "DequeueCount": "1", "Id": "\"800a\"", "PopReceipt": "\"Ag==\"",
        "ExpirationTime": "2026-01-08T00:00:00+00:00",
    });
    let key = |way: &str| format!("{way}/a b+c%20é.pdf");
    let written = |way: &str| created(&key(way)).to_string();
    let twice = |text: &str| request("message", &Triggered::Text(text.to_owned()), &metadata);
    let once = |text: &str| json!({ "Data": { "message": text }, "Metadata": metadata }).to_string();
    let object = |event: Value| request("event", &Triggered::Object(event), &json!({ "data": {} }));
    let bytes = |text: &str| request("message", &Triggered::Bytes(text.into()), &metadata);
    let ways = [
        ("ScanEvent", "af02", object(created(&key("af02")))),
        ("ScanEvent", "af03", object(app::cloud_event(&key("af03")))),
        ("ScanQueue", "af04", twice(&written("af04"))),
        ("ScanServiceBus", "af04b", twice(&written("af04b"))),
        ("ScanQueue", "af05", once(&written("af05"))),
        ("ScanQueue", "af06", request("message", &Triggered::Object(created(&key("af06"))), &metadata)),
        ("ScanQueue", "af07", twice(&BASE64.encode(written("af07")))),
        ("ScanQueue", "af07b", bytes(&written("af07b"))),
    ];
    for (function, way, body) in &ways {
        let invoked = host.invoke(function, body).await;
        let report = accepted(&invoked);
        assert_eq!(report["records"][0]["key"], json!(key(way)), "{report}");
        // The smallest right answer, and the report as a line of the call.
        let Invoked::Succeeded(answer) = invoked else { panic!() };
        assert_eq!((&answer["Outputs"], &answer["ReturnValue"]), (&json!({}), &Value::Null), "{answer}");
    }
    assert_eq!(sim.accepted_keys(), ways.map(|(_, way, _)| key(way)));
}

#[tokio::test]
async fn af08_of_many_the_worst_one_decides() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable; 9]);
    let host = start(&sim).await;
    let many = |keys: &[&str]| {
        let events = keys.iter().map(|key| created(key)).collect();
        request("event", &Triggered::Many(events), &json!({}))
    };
    let report = accepted(&host.invoke("ScanEvent", &many(&["one", "two"])).await);
    assert_eq!(report["records"].as_array().map(Vec::len), Some(2), "{report}");
    let (status, report) = refused(&host.invoke("ScanEvent", &many(&["three", "later"])).await);
    assert_eq!((status, &report["outcome"]), (500, &json!("transient")), "{report}");
    // Service Bus: a list of texts.
    let texts = Value::from(vec![created("four").to_string(), created("five").to_string()]);
    let body = request("message", &Triggered::Text(texts.to_string()), &json!({}));
    accepted(&host.invoke("ScanServiceBus", &body).await);
    let mut keys = sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["five", "four", "one", "three", "two"]);
}

#[tokio::test]
async fn af09_what_mdss_may_take_later_is_a_failed_call_with_a_report() {
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable; 9]);
    sim.push_for("config", vec![Step::WebPage; 9]);
    let host = start(&sim).await;
    for (key, outcome) in [("later", "transient"), ("config", "config")] {
        let body = request("event", &Triggered::Object(created(key)), &json!({}));
        let (status, report) = refused(&host.invoke("ScanEvent", &body).await);
        assert_eq!((status, &report["outcome"]), (500, &json!(outcome)), "{report}");
    }
    assert!(sim.accepted().is_empty());
}

#[tokio::test]
async fn af10_what_can_never_be_used_is_taken_with_an_error_line_or_kept_by_the_queue() {
    let sim = sim().await;
    let mut host = start(&sim).await;
    let garbage = ["hello there", r#"{"hello":"world"}"#, "", "[1]"];
    for text in garbage {
        let body = request("message", &Triggered::Text(text.to_owned()), &json!({}));
        let invoked = host.invoke("ScanQueue", &body).await;
        let Invoked::Succeeded(answer) = invoked else { panic!("{text}: {invoked:?}") };
        assert!(answer["Logs"][0].as_str().unwrap().contains("permanent"), "{answer}");
    }
    let output = host.process().stdout();
    let errors = output.lines().filter(|line| line.contains(r#""level":"ERROR""#)).count();
    assert_eq!(errors, garbage.len(), "{output}");

    let mut strict = start_with(&sim, &[("RELAY_ON_PERMANENT", "fail")]).await;
    for text in garbage {
        let message = Triggered::Text(text.to_owned());
        let (status, report) =
            refused(&strict.invoke("ScanQueue", &request("m", &message, &json!({}))).await);
        assert_eq!((status, &report["outcome"]), (500, &json!("permanent")), "{text:?}: {report}");
        assert_eq!(strict.queue("ScanQueue", &message, 5).await.unwrap(), Fate::Poisoned);
    }
}

#[tokio::test]
async fn af11_a_name_of_no_function_is_a_failed_call() {
    let sim = sim().await;
    let host = start(&sim).await;
    let body = request("event", &Triggered::Object(created("a")), &json!({}));
    for function in ["Other", "scanevent", "ScanEvent/x", "api/ScanEvent", "ScanEvent%20", "function", ""] {
        let (status, error) = refused(&host.invoke(function, &body).await);
        assert_eq!((status, &error["errorType"]), (404, &json!("unknown_route")), "{function}");
    }
    assert!(sim.requests().is_empty());
    // Without the folder nobody knows the names.
    let program = variables(program(), &sim, &[]);
    let host = FunctionsHost::start(program, LIMIT).await.unwrap();
    accepted(&host.invoke("Other", &body).await);
    assert_eq!(refused(&host.invoke("api/Other", &body).await).0, 404);
}

/// What the host makes of a request to `/api/azure`.
fn http_request(code: &str, headers: &Value, body: &str) -> String {
    let asked = json!({
        "Url": format!("https://app.azurewebsites.net/api/azure?code={code}"), "Method": "POST",
        "Query": { "code": code }, "Headers": headers, "Params": {}, "Identities": [], "Body": body,
    });
    request("req", &Triggered::Object(asked), &json!({}))
}

#[tokio::test]
async fn af12_a_request_is_answered_as_the_server_answers_it() {
    const SOURCE: &str = r#"
        [[source]]
        name = "azure"
        path = "/api/azure"
        dialect = "azure-blob"
        auth = { shared_secret = { query = "code", secret = "not-a-secret-azure" } }
    "#;
    let sim = sim().await;
    sim.push_for("later", vec![Step::Unavailable; 9]);
    let host = start_with(&sim, &[("RELAY_CONFIG_TOML", SOURCE)]).await;
    let asked = async |code: &str, kind: &str, event: Value| {
        let headers = json!({ "Content-Type": ["application/json"], "aeg-event-type": [kind] });
        let body = http_request(code, &headers, &Value::from(vec![event]).to_string());
        let invoked = host.invoke("ScanEvent", &body).await;
        let Invoked::Succeeded(answer) = invoked else { panic!("{invoked:?}") };
        let res = &answer["Outputs"]["res"];
        (res["statusCode"].as_str().unwrap().to_owned(), res["body"].as_str().unwrap_or_default().to_owned())
    };
    let code = "not-a-secret-azure";
    let validation = json!({
        "id": "1", "topic": "/subscriptions/1", "subject": "", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-01T00:00:00Z", "data": { "validationCode": "7C1E5F0A" }, "metadataVersion": "1", "dataVersion": "2",
    });
    let (status, body) = asked(code, "SubscriptionValidation", validation.clone()).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_str(), body), ("200", json!({ "validationResponse": "7C1E5F0A" })));
    assert_eq!(asked(code, "Notification", created("good")).await.0, "200");
    assert_eq!(asked(code, "Notification", created("later")).await.0, "503");
    for event in [validation, created("stranger")] {
        assert_eq!(asked("a-guess", "Notification", event).await.0, "403");
    }
    assert_eq!(sim.accepted_keys(), ["good"]);
    // An event of a trigger is let in by whom it always was.
    accepted(
        &host.invoke("ScanEvent", &request("event", &Triggered::Object(created("own")), &json!({}))).await,
    );
}

#[tokio::test]
async fn af12_a_request_that_nobody_lets_in_is_no_success() {
    let sim = sim().await;
    let host = start(&sim).await;
    let kind = json!({ "Content-Type": ["application/json"] });
    let body = http_request("not-a-secret-azure", &kind, &created("a").to_string());
    let (status, report) = refused(&host.invoke("ScanEvent", &body).await);
    assert_eq!((status, &report["records"][0]["reason"]), (500, &json!("no_source")), "{report}");
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn af13_a_repetition_is_a_call_like_any_other_and_a_line_says_which() {
    let sim = sim().await;
    let mut host = start(&sim).await;
    let retry = json!({ "RetryContext": { "RetryCount": 1, "MaxRetryCount": 2 } });
    accepted(&host.invoke("ScanEvent", &request("event", &Triggered::Object(created("a")), &retry)).await);
    let line = host.process().wait_for_line("the host calls once more", LIMIT).await.unwrap();
    assert!(line.contains(r#""faas.repetitions":1"#) && line.contains("faas.invocation_id"), "{line}");
}

#[tokio::test]
async fn what_the_host_never_posts_is_a_failed_call_and_the_next_one_works() {
    let sim = sim().await;
    let host = start(&sim).await;
    let good = |key: &str| request("event", &Triggered::Object(created(key)), &json!({}));
    let long = format!(r#"{{"Data":{{"event":"{}"}}}}"#, "x".repeat(8 * 1024 * 1024));
    for (index, body) in [
        "",
        "null",
        "[]",
        "not json",
        "{\"Data\":",
        "{}",
        r#"{"Data":{}}"#,
        r#"{"Data":{"a":{},"b":{}}}"#,
        &long,
    ]
    .iter()
    .enumerate()
    {
        let (status, error) = refused(&host.invoke("ScanEvent", body).await);
        let name = if body.len() > 100 { "body_too_large" } else { "body_not_readable" };
        assert!(status >= 400 && error["errorType"] == json!(name), "{body:.40}: {status} {error}");
        accepted(&host.invoke("ScanEvent", &good(&index.to_string())).await);
    }
}

// === what a failed call makes the host do ===

#[tokio::test]
async fn a_queue_s_message_comes_again_until_mdss_takes_it() {
    let sim = sim().await;
    sim.push([Step::Unavailable, Step::Reset, Step::Reset, Step::Unavailable]);
    let mut host = start_with(&sim, &[("RELAY_ATTEMPTS", "1")]).await;
    let message = |key: &str| Triggered::Text(created(key).to_string());
    let fate = host.queue("ScanQueue", &message("a"), 5).await.unwrap();
    assert!(matches!(fate, Fate::Taken { after: 3..=5 }), "{fate:?}");
    assert_eq!(sim.accepted_keys(), ["a"]);
    // The same message once more (a queue delivers at least once): MDSS hears of it once.
    assert_eq!(host.queue("ScanQueue", &message("a"), 5).await.unwrap(), Fate::Taken { after: 1 });
    assert_eq!(sim.accepted_keys(), ["a"]);
}

#[tokio::test]
async fn a_message_that_nobody_takes_ends_in_the_other_queue_and_not_nowhere() {
    let sim = sim().await;
    sim.push_for("never", vec![Step::Unavailable; 99]);
    let mut host = start_with(&sim, &[("RELAY_ATTEMPTS", "1")]).await;
    let message = Triggered::Text(created("never").to_string());
    for (function, attempts) in [("ScanQueue", 5), ("ScanServiceBus", 10)] {
        let before = sim.requests().len();
        assert_eq!(host.queue(function, &message, attempts).await.unwrap(), Fate::Poisoned);
        assert_eq!(sim.requests().len() - before, usize::try_from(attempts).unwrap(), "{function}");
    }
    assert!(sim.accepted().is_empty());
}

#[tokio::test]
async fn event_grid_hears_500_if_one_of_many_failed_and_sends_all_again() {
    let sim = sim().await;
    sim.push_for("two", vec![Step::Unavailable]);
    let host = start_with(&sim, &[("RELAY_ATTEMPTS", "1")]).await;
    let events = ["one", "two", "three"].map(created);
    assert_eq!(host.event_grid("ScanEvent", &events).await, 500);
    assert_eq!(host.event_grid("ScanEvent", &events).await, 202);
    let mut keys = sim.accepted_keys();
    keys.sort();
    assert_eq!(keys, ["one", "three", "two"], "each once");
}

#[tokio::test]
async fn a_process_killed_in_a_call_is_started_again_and_the_event_comes_again() {
    let sim = sim().await;
    sim.push([Step::Hang]);
    let mut host = start(&sim).await;
    let first = host.process().id();
    let body = request("message", &Triggered::Text(created("a").to_string()), &json!({}));
    let killed = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        app::signal("KILL", first);
    };
    let (invoked, ()) = tokio::join!(host.invoke("ScanQueue", &body), killed);
    assert!(matches!(invoked, Invoked::Failed { status: None, .. }), "{invoked:?}");
    host.process().wait(LIMIT).await.unwrap();
    let message = Triggered::Text(created("a").to_string());
    assert_eq!(host.queue("ScanQueue", &message, 5).await.unwrap(), Fate::Taken { after: 1 });
    assert_ne!(host.process().id(), first);
    assert_eq!((host.crashes(), sim.accepted_keys()), (1, vec!["a".to_owned()]));
}

#[tokio::test]
async fn calls_run_at_once_and_each_is_answered_before_the_host_s_time_is_over() {
    let sim = sim().await;
    let vars = [("RELAY_TIMEOUT", "60s"), ("AzureFunctionsJobHost__functionTimeout", "00:00:04")];
    let host = start_with(&sim, &vars).await;
    let calls = async |name: &str, step: Step| {
        let keys: Vec<_> = (0..12).map(|number| format!("{name}{number}")).collect();
        keys.iter().for_each(|key| sim.push_for(key, vec![step.clone()]));
        let events = keys.iter().map(|key| Triggered::Object(created(key)));
        let bodies: Vec<_> = events.map(|event| request("event", &event, &json!({}))).collect();
        let started = Instant::now();
        let invoked = join_all(bodies.iter().map(|body| host.invoke("ScanEvent", body))).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        invoked
    };
    // One behind the other they would need twelve seconds.
    for invoked in calls("slow", Step::Delay { ms: 1000 }).await {
        accepted(&invoked);
    }
    for invoked in calls("hang", Step::Hang).await {
        let (status, report) = refused(&invoked);
        assert_eq!((status, &report["records"][0]["reason"]), (504, &json!("deadline")), "{report}");
    }
    let body = request("event", &Triggered::Object(created("good")), &json!({}));
    accepted(&host.invoke("ScanEvent", &body).await);
}

// === start, log, end ===

#[tokio::test]
async fn a_wrong_start_says_everything_on_stderr_and_the_host_gives_up_loudly() {
    let program = program()
        .env("APIKEY", "s3cret-\u{e9}")
        .env("RELAY_DEADLINE", "25")
        .env("AzureFunctionsJobHost__functionTimeout", "soon");
    let error = FunctionsHost::start(program.clone(), LIMIT).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 2") && error.contains("third crash"), "{error}");
    for name in [
        "APIENDPOINT",
        "APIKEY",
        "STORAGECLIENTID",
        "RELAY_DEADLINE",
        "AzureFunctionsJobHost__functionTimeout",
    ] {
        assert!(error.contains(&format!("- {name}")), "{name}: {error}");
    }
    assert!(!error.contains("s3cret"), "{error}");

    let mut process = program.start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(
        process.stderr().contains("- FUNCTIONS_CUSTOMHANDLER_PORT: expected a port"),
        "{}",
        process.stderr()
    );
    assert_eq!(process.stdout(), "");
}

#[tokio::test]
async fn a_port_that_somebody_has_is_a_crash_and_no_silence() {
    let sim = sim().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut process = variables(program(), &sim, &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port)]).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(1));
    assert!(process.stdout().contains("cannot listen on 127.0.0.1:"), "{}", process.output());
}

#[tokio::test]
async fn the_log_is_stdout_and_the_api_key_is_in_no_line_of_a_failing_run() {
    let sim = sim().await;
    let reset = [Step::Reset, Step::Reset, Step::Reset];
    sim.push([Step::status(StatusCode::UNAUTHORIZED)].into_iter().chain(reset).chain([Step::WebPage]));
    let mut host = start_with(&sim, &[("RELAY_LOG", "trace")]).await;
    let body = request("event", &Triggered::Object(created("a")), &json!({}));
    for _ in 0..3 {
        refused(&host.invoke("ScanEvent", &body).await);
    }
    host.process().signal("TERM").unwrap();
    host.process().wait(LIMIT).await.unwrap();
    let (stdout, stderr) = (host.process().stdout(), host.process().stderr());
    assert!(!stdout.contains(DEFAULT_API_KEY) && stdout.contains("mdss_unauthorized"), "{stdout}");
    assert_eq!(stderr, "");
}

#[tokio::test]
async fn a_signal_finishes_the_calls_in_flight_and_makes_the_host_start_another_process() {
    let sim = sim().await;
    sim.push([Step::Delay { ms: 1000 }]);
    let mut host = start(&sim).await;
    let first = host.process().id();
    let body = request("event", &Triggered::Object(created("a")), &json!({}));
    let asked = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        app::signal("TERM", first);
    };
    let (invoked, ()) = tokio::join!(host.invoke("ScanEvent", &body), asked);
    accepted(&invoked);
    assert_eq!(host.process().wait(LIMIT).await.unwrap().code(), Some(200));
    host.look_after().await.unwrap();
    assert_eq!(host.crashes(), 0);
    accepted(
        &host.invoke("ScanEvent", &request("event", &Triggered::Object(created("b")), &json!({}))).await,
    );
}

#[tokio::test]
async fn a_second_signal_ends_what_does_not_end() {
    let sim = sim().await;
    sim.push([Step::Hang]);
    let mut host = start_with(&sim, &[("RELAY_TIMEOUT", "60s")]).await;
    let id = host.process().id();
    let body = request("event", &Triggered::Object(created("a")), &json!({}));
    let insisted = async {
        until("the call is under way", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
        app::signal("INT", id);
        // Two that come at once are one to the system.
        tokio::time::sleep(Duration::from_millis(300)).await;
        app::signal("INT", id);
    };
    let started = Instant::now();
    let (invoked, ()) = tokio::join!(host.invoke("ScanEvent", &body), insisted);
    // It may still hear that the process is stopping.
    assert!(matches!(invoked, Invoked::Failed { status: None | Some(503), .. }), "{invoked:?}");
    assert_eq!(host.process().wait(LIMIT).await.unwrap().code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(host.process().stdout().contains("a second signal came"), "{}", host.process().output());
}

#[tokio::test]
async fn it_says_what_it_is() {
    let run = async |argument: &str| {
        let mut process = program().arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-azure-functions ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("RELAY_ON_PERMANENT (function.on_permanent)"), "{help}");
    for other in ["RELAY_LISTEN", "RELAY_QUEUE_PARTIAL", "RELAY_DATA_DIR"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
}
