//! The function as a process on a real socket, called the way the Fn agent calls it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod function;

use std::time::{Duration, Instant};

use drive::until;
use function::{LIMIT, created, program, start, start_at};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::json;

#[tokio::test]
async fn an_event_reaches_mdss_by_its_verbatim_name() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut function = start(&sim, &[]).await;
    let way = format!("MDSS at {}, directly", sim.base_url());
    function.process.wait_for_line(&way, LIMIT).await.unwrap();
    for key in ["folder/a b+c%20é.txt", "second.txt"] {
        let (status, report) = function.call(&created(key)).await;
        assert_eq!(
            (status, &report["outcome"], &report["records"][0]["key"]),
            (200, &json!("done"), &json!(key))
        );
    }
    assert_eq!(sim.accepted_keys(), ["folder/a b+c%20é.txt", "second.txt"]);
    assert_eq!(sim.connections(), 1, "one connection serves both calls");
}

#[tokio::test]
async fn outcomes_have_their_statuses() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 99]);
    sim.push_for("config", vec![Step::WebPage; 99]);
    let mut function = start(&sim, &[]).await;
    for (body, status, outcome) in [
        (created("good"), 200, "done"),
        (created("folder/"), 200, "done"),
        (created("later"), 502, "transient"),
        (created("config"), 502, "config"),
        // Nothing could keep it, and a repetition would not help: an error line, and the end of it.
        (r#"{"hello":"world"}"#.to_owned(), 200, "permanent"),
        (
            r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#.to_owned(),
            200,
            "permanent",
        ),
    ] {
        let (got, report) = function.call(&body).await;
        assert_eq!((got, report["outcome"].as_str()), (status, Some(outcome)), "{body}: {report}");
    }
    function.process.wait_for_line("event cannot be used", LIMIT).await.unwrap();

    let strict = start(&sim, &[("RELAY_ON_PERMANENT", "fail")]).await;
    let (status, report) = strict.call(r#"{"hello":"world"}"#).await;
    assert_eq!((status, report["records"][0]["reason"].as_str()), (502, Some("unknown_dialect")));
}

#[tokio::test]
async fn what_is_no_json_is_a_failed_call_and_the_next_one_works() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let function = start(&sim, &[]).await;
    for body in ["", "not json", "{\"a\":", "{} {}"] {
        let answer = function.client.call(body, LIMIT, &[]).await.unwrap();
        assert_eq!(answer.status, 502, "{body:?}");
        assert_eq!(function.call(&created("good")).await.0, 200, "after {body:?}");
    }
}

#[tokio::test]
async fn time_that_runs_out_is_504_before_the_platform_stops_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("hang", vec![Step::Hang; 9]);
    let function = start(&sim, &[("RELAY_TIMEOUT", "60s")]).await;
    // The deadline travels in whole seconds, so up to one of them is lost.
    let started = Instant::now();
    let (status, report) = function.call_within(&created("hang"), Duration::from_secs(4)).await;
    assert_eq!((status, report["records"][0]["reason"].as_str()), (504, Some("deadline")), "{report}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(function.call(&created("good")).await.0, 200);
}

#[tokio::test]
async fn a_503_or_two_is_survived_within_the_call() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Unavailable, Step::Reset]);
    let function = start(&sim, &[("RELAY_ATTEMPTS", "4")]).await;
    let (status, report) = function.call(&created("a")).await;
    // The reset came on the connection of the 503, so it may have been a stale one: sent again, not counted.
    assert_eq!((status, &report["records"][0]["attempts"]), (200, &json!(2)), "{report}");
    assert_eq!((sim.requests().len(), sim.accepted().len()), (3, 1));
}

#[tokio::test]
async fn a_restart_of_mdss_costs_no_event() {
    let away = Away::new().unwrap();
    let function = start_at(&away.url(), &[]).await;
    // Oracle's templates say 60 s, and so do ours.
    let event = created("a");
    let call = function.call_within(&event, Duration::from_secs(60));
    let (sim, (status, report)) = tokio::join!(away.restarted(), call);
    assert_eq!((status, &report["outcome"]), (200, &json!("done")), "{report}");
    let accepted: Vec<_> = sim.unwrap().accepted().into_iter().map(|a| (a.key, a.times)).collect();
    assert_eq!(accepted, [("a".to_owned(), 1)]);
}

#[tokio::test]
async fn sigterm_finishes_the_call_in_flight_and_removes_the_socket() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Delay { ms: 1000 }]);
    let mut function = start(&sim, &[]).await;
    let client = function.client.clone();
    let call = tokio::spawn(async move { client.call(created("a"), LIMIT, &[]).await });
    until("the call is in flight", LIMIT, async || !sim.requests().is_empty()).await.unwrap();
    function.process.signal("TERM").unwrap();
    assert_eq!(call.await.unwrap().unwrap().status, 200);
    assert_eq!(function.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", function.process.output());
    assert_eq!(std::fs::read_dir(function.folder.path()).unwrap().count(), 0, "both names are gone");
}

#[tokio::test]
async fn a_wrong_start_says_everything_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(&folder)
        .env("APIKEY", "s3cret-\u{e9}")
        .env("RELAY_DEADLINE", "25")
        .env("RELAY_STORAGE_TYP", "oracle")
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    for name in ["APIENDPOINT", "APIKEY", "STORAGECLIENTID", "RELAY_DEADLINE", "RELAY_STORAGE_TYP"] {
        assert!(output.contains(&format!("- {name}")), "{name}: {output}");
    }
    assert!(!output.contains("s3cret"), "{output}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no socket has appeared");

    for (name, value) in [("FN_LISTENER", "tcp:1"), ("FN_FORMAT", "json")] {
        let sim = Sim::start(Config::default()).await.unwrap();
        let mut process = program(&folder)
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("STORAGECLIENTID", units::ORACLE)
            .env(name, value)
            .start()
            .unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2), "{name}");
        assert!(process.output().contains(name), "{}", process.output());
    }
}

#[tokio::test]
async fn the_api_key_is_in_no_line_of_a_failing_run() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // The first reset comes on a kept connection and is no attempt.
    let reset = [Step::Reset, Step::Reset, Step::Reset];
    sim.push([Step::status(StatusCode::UNAUTHORIZED)].into_iter().chain(reset).chain([Step::WebPage]));
    let mut function = start(&sim, &[("RELAY_LOG", "trace")]).await;
    for _ in 0..3 {
        assert_eq!(function.call(&created("a")).await.0, 502);
    }
    function.process.signal("TERM").unwrap();
    function.process.wait(LIMIT).await.unwrap();
    let output = function.process.output();
    assert!(!output.contains(DEFAULT_API_KEY) && output.contains("mdss_unauthorized"), "{output}");
}

#[tokio::test]
async fn it_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |argument: &str| {
        let mut process = program(&folder).arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-oci-fn ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("RELAY_CONFIG"), "{help}");
    // Its own settings, and nobody else's.
    assert!(help.contains("RELAY_ON_PERMANENT (function.on_permanent)"), "{help}");
    for other in ["RELAY_LISTEN", "RELAY_QUEUE_PARTIAL", "RELAY_DATA_DIR"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
    // Platforms have arguments of their own; what is wrong then is the settings.
    let (code, _, told) = run("handler").await;
    assert!(code == Some(2) && told.contains("- APIENDPOINT"), "{told}");
}
