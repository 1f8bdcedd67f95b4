//! `deliver` against the stand-in, over real sockets: what each answer of MDSS, and each lack of one, leads to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::ffi::OsString;
use std::time::{Duration, Instant};

use mdss_relay_core::{Cause, Deadline, Decision, Delivery, Memory, Outcome, Relay, Report, Role, Settings};
use mdss_sim::{
    Config, DEFAULT_API_KEY, HeaderValue, Rate, Refusal, Sim, StatusCode, Statuses, Step, Tls, units,
};
use serde_json::{Value, json};

const OWN: Duration = Duration::from_secs(25);

/// Settings with short pauses; `more` wins.
fn settings(sim: &Sim, more: &[(&str, &str)]) -> Settings {
    let url = sim.url();
    let mut vars = vec![
        ("APIENDPOINT", url.as_str()),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::AMAZON_S3),
    ];
    for (name, value) in more {
        vars.retain(|(n, _)| n != name);
        vars.push((name, value));
    }
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Settings::read(vars, Role::Function).finish().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn event(keys: &[&str]) -> Delivery {
    let record = |key: &&str| {
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "invoices" }, "object": { "key": key, "size": 0 } } })
    };
    let records: Vec<Value> = keys.iter().map(record).collect();
    Delivery::from_function(json!({ "Records": records }).to_string(), "call-1")
}

async fn deliver(settings: Settings, delivery: &Delivery, left: Option<Duration>) -> Report {
    let relay = Relay::new(settings).unwrap();
    let plan = relay.plan(delivery);
    relay.deliver(&plan, Deadline::new(left, OWN), "call-1").await
}

/// One object, with a script; what came of it and how many requests it took.
async fn one(steps: impl IntoIterator<Item = Step>, more: &[(&str, &str)]) -> (Report, usize) {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push(steps);
    let report = deliver(settings(&sim, more), &event(&["a.txt"]), None).await;
    let requests = sim.requests().len();
    sim.stop().await;
    (report, requests)
}

fn reason(report: &Report) -> &str {
    report.records[0].reason.unwrap_or("accepted")
}

#[tokio::test]
async fn an_accepted_object_is_reported_with_its_correlation_id() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let report = deliver(settings(&sim, &[]), &event(&["a+b%2Bc.txt"]), None).await;
    let accepted = sim.accepted();
    assert_eq!((accepted.len(), accepted[0].key.as_str(), accepted[0].times), (1, "a b+c.txt", 1));
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.records[0].correlation_id.as_deref(), Some(accepted[0].last_correlation_id.as_str()));
    assert_eq!(report.records[0].attempts, 1);
    let request = &sim.requests()[0];
    assert!(request.authorized);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        json!({ "storageClientId": units::AMAZON_S3, "metadata": r#"{"s3":{"object":{"key":"a b+c.txt"}}}"# })
    );
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_then_accepted() {
    for step in [
        Step::status(StatusCode::INTERNAL_SERVER_ERROR),
        Step::status(StatusCode::REQUEST_TIMEOUT),
        Step::status(StatusCode::TOO_MANY_REQUESTS),
        Step::status(StatusCode::BAD_GATEWAY),
        Step::Unavailable,
        Step::EmptyBody,
        Step::HalfBody,
        Step::Reset,
        Step::ResetAfterHeaders,
        Step::ResetAfterHalfBody,
    ] {
        let name = format!("{step:?}");
        let (report, requests) = one([step], &[]).await;
        assert_eq!((report.outcome, requests), (Outcome::Done, 2), "{name}: {}", report.json());
        assert_eq!(report.records[0].attempts, 2, "{name}");
    }
}

#[tokio::test]
async fn what_stays_ends_after_the_attempts_with_its_own_name() {
    for (step, want) in [
        (Step::Unavailable, "mdss_unavailable"),
        (Step::EmptyBody, "mdss_half_answer"),
        (Step::HalfBody, "mdss_half_answer"),
        (Step::ResetAfterHalfBody, "mdss_half_answer"),
        (Step::Reset, "mdss_reset"),
        (Step::Hang, "mdss_timeout"),
    ] {
        let name = format!("{step:?}");
        let vars = [("RELAY_ATTEMPTS", "2"), ("RELAY_TIMEOUT", "300ms")];
        let (report, requests) = one(vec![step; 2], &vars).await;
        assert_eq!((reason(&report), requests), (want, 2), "{name}: {}", report.json());
        assert_eq!(report.outcome, Outcome::Transient, "{name}");
    }
}

#[tokio::test]
async fn what_an_operator_must_mend_is_said_once_and_not_repeated() {
    for (step, want) in [
        (Step::WebPage, "mdss_unexpected_answer"),
        (Step::EmptyObject, "mdss_unexpected_answer"),
        (Step::OkButRefused(Refusal::StorageNotFound), "mdss_storage_not_found"),
        (Step::status(StatusCode::UNAUTHORIZED), "mdss_unauthorized"),
        (Step::status(StatusCode::FORBIDDEN), "mdss_unauthorized"),
        (Step::status(StatusCode::NOT_FOUND), "mdss_refused"),
        (Step::json(StatusCode::OK, r#"{"correlationId":""}"#), "mdss_unexpected_answer"),
        (Step::json(StatusCode::OK, r#"{"responseKey":"X","correlationId":"1"}"#), "mdss_unexpected_answer"),
        (Step::json(StatusCode::OK, vec![b'x'; 200_000]), "mdss_unexpected_answer"),
        (
            Step::json(
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"responseKey":"REST_API_MSG_FAILED_STORAGE_RTP_NOT_ENABLED","responseMessage":"Real-Time Process is not enabled."}"#,
            ),
            "mdss_not_enabled",
        ),
    ] {
        let name = format!("{step:?}");
        let (report, requests) = one([step], &[]).await;
        assert_eq!((reason(&report), requests), (want, 1), "{name}: {}", report.json());
        assert_eq!(report.outcome, Outcome::Config, "{name}");
    }
}

#[tokio::test]
async fn the_documented_errors_come_with_their_remedy_whatever_their_status() {
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR] {
        let statuses = Statuses { refused: status, ..Statuses::default() };
        let sim = Sim::start(Config { statuses, ..Config::default() }).await.unwrap();
        for (unit, want, remedy) in [
            ("no-such-unit", "mdss_storage_not_found", "verify the storage client id"),
            (units::NOT_ENABLED, "mdss_not_enabled", "enable real-time processing"),
            (units::POLLING, "mdss_not_event_based", "start another one as Event-Based"),
        ] {
            let report = deliver(settings(&sim, &[("STORAGECLIENTID", unit)]), &event(&["a"]), None).await;
            assert_eq!((reason(&report), report.outcome), (want, Outcome::Config), "{status} {unit}");
            let detail = report.records[0].detail.as_deref().unwrap();
            assert!(detail.contains(remedy), "{detail}");
        }
        assert_eq!(sim.requests().len(), 3, "none is repeated");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let status = StatusCode::TOO_MANY_REQUESTS;
    for (step, least) in [
        (Step::RetryAfter { status, seconds: 1 }, 1000),
        // The date has whole seconds, so up to one of them is lost.
        (Step::RetryAfterDate { status, seconds: 2 }, 950),
    ] {
        let started = Instant::now();
        let (report, _) = one([step], &[]).await;
        assert_eq!(report.outcome, Outcome::Done);
        assert!(started.elapsed() >= Duration::from_millis(least), "{:?}", started.elapsed());
    }
    // A wish beyond the deadline is passed on instead of waited for.
    let started = Instant::now();
    let (report, requests) =
        one([Step::RetryAfter { status, seconds: 3600 }], &[("RELAY_DEADLINE", "5s")]).await;
    assert_eq!((reason(&report), requests), ("mdss_unavailable", 1));
    assert_eq!(report.retry_after(), Some(Duration::from_secs(60)));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let target = Sim::start(Config::default()).await.unwrap();
    for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let location = HeaderValue::from_str(&target.url()).unwrap();
        let (report, requests) = one([Step::Redirect { status, location }], &[]).await;
        assert_eq!((reason(&report), requests), ("mdss_redirected", 1));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn the_deadline_ends_everything() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("a", vec![Step::Hang; 10]);
    sim.push_for("b", vec![Step::Hang; 10]);
    sim.push_for("c", vec![Step::Hang; 10]);
    let started = Instant::now();
    let more = [("RELAY_TIMEOUT", "30s"), ("RELAY_CONCURRENCY", "2")];
    let report =
        deliver(settings(&sim, &more), &event(&["a", "b", "c"]), Some(Duration::from_millis(1500))).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_millis(1500), "{took:?}");
    // The third was not reached: it is not omitted.
    let seen: Vec<_> = report.records.iter().map(|r| (r.reason.unwrap(), r.attempts)).collect();
    assert_eq!(seen, [("deadline", 1), ("deadline", 1), ("deadline", 0)]);
    assert_eq!(report.outcome, Outcome::Transient);
    assert_eq!(report.worst().unwrap().cause.name(), "deadline");

    // Also at the last attempt: what ran out is the time of the call.
    sim.push_for("last", vec![Step::Hang; 9]);
    let more = [("RELAY_TIMEOUT", "30s"), ("RELAY_ATTEMPTS", "1")];
    let report = deliver(settings(&sim, &more), &event(&["last"]), Some(Duration::from_millis(800))).await;
    assert_eq!((reason(&report), report.records[0].attempts), ("deadline", 1));

    let nothing_left = deliver(settings(&sim, &[]), &event(&["a"]), Some(Duration::ZERO)).await;
    assert_eq!((reason(&nothing_left), nothing_left.records[0].attempts), ("deadline", 0));
}

#[tokio::test]
async fn a_bad_record_takes_no_neighbour_along_and_is_hidden_by_none() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("poison", vec![Step::Hang; 9]);
    sim.push_for("refused", vec![Step::status(StatusCode::NOT_FOUND); 9]);
    let keys = ["good-1", "poison", "%ff", "refused", "good-2", "folder/"];
    let more = [("RELAY_TIMEOUT", "300ms"), ("RELAY_ATTEMPTS", "2"), ("RELAY_CONCURRENCY", "1")];
    let report = deliver(settings(&sim, &more), &event(&keys), None).await;
    let seen: Vec<_> = report.records.iter().map(|r| r.reason.unwrap_or("accepted")).collect();
    assert_eq!(
        seen,
        ["accepted", "mdss_timeout", "invalid_key", "mdss_refused", "accepted", "folder_marker"]
    );
    assert_eq!(report.outcome, Outcome::Transient, "the worst decides");
    let accepted: Vec<_> = sim.accepted().into_iter().map(|a| (a.key, a.times)).collect();
    assert_eq!(accepted, [("good-1".into(), 1), ("good-2".into(), 1)]);
}

#[tokio::test]
async fn records_are_sent_at_once_up_to_the_cap() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let keys: Vec<String> = (0..32).map(|n| format!("k{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    // Only least times: a busy machine may take as long as it likes.
    for (cap, least) in [("16", 0.4), ("4", 1.6)] {
        sim.push(vec![Step::Delay { ms: 200 }; 32]);
        let before = sim.connections();
        let started = Instant::now();
        let report = deliver(settings(&sim, &[("RELAY_CONCURRENCY", cap)]), &event(&keys), None).await;
        assert_eq!(report.outcome, Outcome::Done);
        let took = started.elapsed().as_secs_f64();
        assert!(took >= least, "{cap} at once: {took}");
        // Connections are reused: never more than requests under way, and more than one at a time.
        let opened = sim.connections() - before;
        assert!((2..=cap.parse().unwrap()).contains(&opened), "{cap}: {opened}");
    }
}

#[tokio::test]
async fn a_key_from_a_file_is_read_again_when_mdss_refuses_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, "old-key\n").unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let more = [("APIKEY", ""), ("APIKEY_FILE", file.to_str().unwrap())];
    let relay = Relay::new(settings(&sim, &more)).unwrap();
    let send = async || relay.deliver(&relay.plan(&event(&["a"])), Deadline::new(None, OWN), "").await;
    assert_eq!(reason(&send().await), "mdss_unauthorized");
    assert_eq!(sim.requests().len(), 1, "an unchanged key is not tried again");
    std::fs::write(&file, format!("{DEFAULT_API_KEY}\n")).unwrap();
    let report = send().await;
    assert_eq!((reason(&report), report.records[0].attempts), ("accepted", 2));
    assert_eq!(reason(&send().await), "accepted");
    assert_eq!(sim.requests().len(), 4, "the new key is kept");

    // A pipe in its place, to which nobody writes, is no key and no reason to wait.
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR).unwrap();
    sim.push([Step::status(StatusCode::UNAUTHORIZED)]);
    let report = tokio::time::timeout(Duration::from_secs(10), send()).await.unwrap();
    assert_eq!((reason(&report), sim.requests().len()), ("mdss_unauthorized", 5));
    std::fs::remove_file(&file).unwrap();

    // Rotated under a batch: each record notices, not only the first.
    std::fs::write(&file, "old-key\n").unwrap();
    let relay = Relay::new(settings(&sim, &more)).unwrap();
    std::fs::write(&file, format!("{DEFAULT_API_KEY}\n")).unwrap();
    let keys: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let report = relay.deliver(&relay.plan(&event(&keys)), Deadline::new(None, OWN), "").await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.json());

    // The key that is masked is the one that was sent.
    sim.push([Step::json(
        StatusCode::BAD_REQUEST,
        format!(r#"{{"responseMessage":"bad {DEFAULT_API_KEY}"}}"#),
    )]);
    let report = relay.deliver(&relay.plan(&event(&["a"])), Deadline::new(None, OWN), "").await;
    assert!(report.json().contains("bad [redacted]"), "{}", report.json());
}

/// A firewall for web applications stands before MDSS and refuses what looks like an attack, by a page of its own.
fn firewall() -> Step {
    let page = "<html><head><title>403 Forbidden</title></head><body>Request blocked</body></html>";
    let headers = [("content-type".parse().unwrap(), HeaderValue::from_static("text/html"))];
    Step::Answer { status: StatusCode::FORBIDDEN, headers: headers.into_iter().collect(), body: page.into() }
}

#[tokio::test]
async fn a_refused_name_is_no_refused_key() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let bad = "../../etc/passwd";
    sim.push_for(bad, vec![firewall(); 4]);
    let relay = Relay::new(settings(&sim, &[])).unwrap();
    let send = async |keys: &[&str]| {
        let report = relay.deliver(&relay.plan(&event(keys)), Deadline::new(None, OWN), "").await;
        (reason(&report).to_owned(), report.records[0].detail.clone().unwrap_or_default(), report.outcome)
    };
    // As long as nothing was accepted, it may well be the key.
    let (reason, detail, outcome) = send(&[bad]).await;
    assert_eq!((reason.as_str(), outcome), ("mdss_unauthorized", Outcome::Config));
    assert!(
        detail.contains("check the API key") && detail.contains("refuses this object's name"),
        "{detail}"
    );
    assert_eq!(send(&["good"]).await.0, "accepted");
    for _ in 0..2 {
        let (reason, detail, outcome) = send(&[bad]).await;
        assert_eq!((reason.as_str(), outcome), ("mdss_object_refused", Outcome::Config));
        assert!(detail.contains("pass this object's name"), "{detail}");
    }
    // A key that is taken away is told as such by MDSS's own word, however lately it was good.
    sim.push([Step::json(StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#)]);
    assert_eq!(send(&["good"]).await.0, "mdss_unauthorized");
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_does_not_make_it_public() {
    let body = format!(r#"{{"responseKey":"K","responseMessage":"bad key {DEFAULT_API_KEY}"}}"#);
    let (report, _) = one([Step::json(StatusCode::BAD_REQUEST, body)], &[]).await;
    assert_eq!(reason(&report), "mdss_refused");
    assert!(!report.json().contains(DEFAULT_API_KEY), "{}", report.json());
    assert!(report.json().contains("[redacted]"));
}

#[tokio::test]
async fn nobody_there_is_transient() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let settings = settings(&sim, &[("RELAY_ATTEMPTS", "2")]);
    sim.stop().await;
    let report = deliver(settings, &event(&["a"]), None).await;
    assert_eq!((reason(&report), report.records[0].attempts), ("mdss_unreachable", 2));
    assert_eq!(report.outcome, Outcome::Transient);
}

#[tokio::test]
async fn the_limit_of_the_proxy_before_mdss_is_waited_out() {
    let rate = Rate { per_second: 20, burst: 1 };
    let sim = Sim::start(Config { rate: Some(rate), ..Config::default() }).await.unwrap();
    let keys: Vec<String> = (0..8).map(|n| format!("k{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let report = deliver(settings(&sim, &[("RELAY_ATTEMPTS", "10")]), &event(&keys), None).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.json());
    assert_eq!(sim.accepted().len(), 8);
}

// === TLS ===

async fn tls_sim() -> (Sim, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls =
        Tls { certificate_pem: made.cert.pem().into(), key_pem: made.signing_key.serialize_pem().into() };
    let sim = Sim::start(Config { tls: Some(tls), ..Config::default() }).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    (sim, file)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given_and_only_then() {
    let (sim, ca) = tls_sim().await;
    let url = format!("https://localhost:{}/api/webhook/realtime", sim.addr().port());
    let with = |more: &[(&str, &str)]| {
        let more: Vec<_> = [("APIENDPOINT", url.as_str())].into_iter().chain(more.iter().copied()).collect();
        settings(&sim, &more)
    };
    let refused = deliver(with(&[]), &event(&["a"]), None).await;
    assert_eq!((reason(&refused), refused.records[0].attempts), ("mdss_certificate", 1));
    assert_eq!(refused.outcome, Outcome::Config);
    assert_eq!(sim.requests().len(), 0, "the key has not left");

    let ca_file = ca.path().to_str().unwrap();
    let accepted = deliver(with(&[("RELAY_CA_FILE", ca_file)]), &event(&["a"]), None).await;
    assert_eq!(reason(&accepted), "accepted", "{}", accepted.json());

    let unverified = deliver(with(&[("RELAY_TLS_VERIFY", "off")]), &event(&["b"]), None).await;
    assert_eq!(reason(&unverified), "accepted", "{}", unverified.json());

    // The right authority, another name.
    let other = format!("https://127.0.0.1:{}/api/webhook/realtime", sim.addr().port());
    let report =
        deliver(with(&[("APIENDPOINT", &other), ("RELAY_CA_FILE", ca_file)]), &event(&["c"]), None).await;
    assert_eq!(reason(&report), "mdss_certificate", "{}", report.json());
}

#[tokio::test]
async fn a_slow_handshake_is_a_connection_that_did_not_come() {
    let (sim, ca) = tls_sim().await;
    sim.push([Step::SlowHandshake { ms: 5000 }]);
    let url = format!("https://localhost:{}/api/webhook/realtime", sim.addr().port());
    let more = [
        ("APIENDPOINT", url.as_str()),
        ("RELAY_CA_FILE", ca.path().to_str().unwrap()),
        ("RELAY_CONNECT_TIMEOUT", "300ms"),
    ];
    let started = Instant::now();
    let report = deliver(settings(&sim, &more), &event(&["a"]), None).await;
    assert_eq!((reason(&report), report.records[0].attempts), ("accepted", 2), "{}", report.json());
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

// === Proxies ===

#[tokio::test]
async fn a_proxy_is_used_unless_the_host_is_exempt() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // Any HTTP server sees a proxied request: its target is a whole URL, which the stand-in does not serve.
    let proxy = Sim::start(Config::default()).await.unwrap();
    let address = format!("http://{}", proxy.addr());
    let through = deliver(settings(&sim, &[("http_proxy", &address)]), &event(&["a"]), None).await;
    assert_ne!(sim.connections() + proxy.connections(), 0);
    assert_eq!((sim.connections(), proxy.connections()), (0, 1), "{}", through.json());
    let exempt = [("http_proxy", address.as_str()), ("no_proxy", "127.0.0.1")];
    assert_eq!(reason(&deliver(settings(&sim, &exempt), &event(&["a"]), None).await), "accepted");
    assert_eq!((sim.connections(), proxy.connections()), (1, 1));
}

#[tokio::test]
async fn one_attempt_is_one_request_whatever_the_answer() {
    for (step, want) in [
        (Step::Accept, None),
        (Step::Unavailable, Some(Cause::MdssUnavailable)),
        (
            Step::RetryAfter { status: StatusCode::TOO_MANY_REQUESTS, seconds: 7 },
            Some(Cause::MdssUnavailable),
        ),
        (Step::OkButRefused(Refusal::NotEnabled), Some(Cause::MdssNotEnabled)),
        (Step::status(StatusCode::UNAUTHORIZED), Some(Cause::MdssUnauthorized)),
    ] {
        let name = format!("{step:?}");
        let sim = Sim::start(Config::default()).await.unwrap();
        sim.push([step]);
        let relay = Relay::new(settings(&sim, &[])).unwrap();
        let plan = relay.plan(&event(&["a.txt"]));
        let Decision::Send(submission) = &plan.records[0].decision else { panic!("{plan:?}") };
        assert_eq!(submission.storage_client_id(), units::AMAZON_S3);
        let outcome = relay.attempt(submission).await;
        assert_eq!(outcome.as_ref().err().map(|f| f.cause), want, "{name}");
        let wish = outcome.err().and_then(|f| f.retry_after);
        assert_eq!(wish.is_some(), name.starts_with("RetryAfter"), "{name}");
        assert_eq!(sim.requests().len(), 1, "{name}");
        sim.stop().await;
    }
}

#[tokio::test]
async fn one_attempt_tries_a_renewed_key_at_once() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "an-old-key").unwrap();
    let path = file.path().to_str().unwrap();
    let relay = Relay::new(settings(&sim, &[("APIKEY", ""), ("APIKEY_FILE", path)])).unwrap();
    std::fs::write(path, DEFAULT_API_KEY).unwrap();
    let plan = relay.plan(&event(&["a.txt"]));
    let Decision::Send(submission) = &plan.records[0].decision else { panic!("{plan:?}") };
    relay.attempt(submission).await.unwrap();
    assert_eq!((sim.requests().len(), sim.accepted().len()), (2, 1));
    sim.stop().await;
}

/// An object whose write has a mark, as most producers give it one.
fn marked(writes: &[(&str, &str)]) -> Delivery {
    let record = |(key, sequencer): &(&str, &str)| {
        json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "invoices" }, "object": { "key": key, "sequencer": sequencer } } })
    };
    let records: Vec<Value> = writes.iter().map(record).collect();
    Delivery::from_function(json!({ "Records": records }).to_string(), "call-1")
}

/// What became of each record: accepted, or the reason.
fn said(report: &Report) -> Vec<&str> {
    report.records.iter().map(|r| r.reason.unwrap_or("accepted")).collect()
}

#[tokio::test]
async fn a_write_told_twice_is_sent_once_by_who_remembers_and_only_if_it_was_accepted() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable; 2]);
    let relay =
        Relay::new(settings(&sim, &[("RELAY_ATTEMPTS", "1")])).unwrap().remembering(Memory::of_function());
    let call = async |writes: &[(&str, &str)]| {
        let plan = relay.plan(&marked(writes));
        relay.deliver(&plan, Deadline::new(None, OWN), "call-1").await
    };
    assert_eq!(said(&call(&[("a", "01")]).await), ["accepted"]);
    let report = call(&[("a", "01"), ("a", "02"), ("b", "01")]).await;
    assert_eq!((report.outcome, said(&report)), (Outcome::Done, vec!["duplicate", "accepted", "accepted"]));
    assert_eq!(sim.requests().len(), 3);
    // Within one delivery: the second follows the first, whatever becomes of it.
    let report = call(&[("later", "01"), ("later", "01"), ("c", "01"), ("c", "01")]).await;
    assert_eq!(report.outcome, Outcome::Transient);
    assert_eq!(said(&report), ["mdss_unavailable", "mdss_unavailable", "accepted", "duplicate"]);
    assert_eq!((report.records[0].attempts, report.records[1].attempts), (1, 0));
    // What failed is sent again, and what was accepted meanwhile is not.
    let report = call(&[("later", "01"), ("c", "01")]).await;
    assert_eq!(said(&report), ["mdss_unavailable", "duplicate"]);
    assert_eq!(said(&call(&[("later", "01")]).await), ["accepted"]);
    assert_eq!(said(&call(&[("later", "01")]).await), ["duplicate"]);
    // Without a mark nobody can tell, and without a memory nobody does.
    let plan = relay.plan(&event(&["d"]));
    for _ in 0..2 {
        assert_eq!(said(&relay.deliver(&plan, Deadline::new(None, OWN), "call-1").await), ["accepted"]);
    }
    let forgetful = Relay::new(settings(&sim, &[])).unwrap();
    let plan = forgetful.plan(&marked(&[("a", "01"), ("a", "01")]));
    assert_eq!(said(&forgetful.deliver(&plan, Deadline::new(None, OWN), "call-1").await), ["accepted"; 2]);
}

#[tokio::test]
async fn a_write_that_is_under_way_is_waited_for() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let vars = [("RELAY_ATTEMPTS", "1"), ("RELAY_TIMEOUT", "2s")];
    let relay = Relay::new(settings(&sim, &vars)).unwrap().remembering(Memory::of_server());
    let call = async |key: &str, own: Duration| {
        let plan = relay.plan(&marked(&[(key, "01")]));
        relay.deliver(&plan, Deadline::new(None, own), "call-1").await
    };
    // Accepted: the others need not ask.
    sim.push_for("a", [Step::Delay { ms: 300 }]);
    let (one, two, three) = tokio::join!(call("a", OWN), call("a", OWN), call("a", OWN));
    let mut all = [&one, &two, &three].map(|report| said(report)[0]);
    all.sort_unstable();
    assert_eq!(all, ["accepted", "duplicate", "duplicate"]);
    assert!([one, two, three].iter().all(|report| report.outcome == Outcome::Done));
    assert_eq!(sim.requests().len(), 1);

    // Failed: the next one asks for itself.
    sim.push_for("b", [Step::Unavailable]);
    let (one, two) = tokio::join!(call("b", OWN), call("b", OWN));
    let mut both = [said(&one)[0], said(&two)[0]];
    both.sort_unstable();
    assert_eq!(both, ["accepted", "mdss_unavailable"]);

    // Not done before its own time is over: then nobody says "done".
    sim.push_for("c", [Step::Delay { ms: 1500 }]);
    let started = Instant::now();
    let short = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let report = call("c", Duration::from_secs(1)).await;
        assert!(started.elapsed() < Duration::from_millis(1400), "{:?}", started.elapsed());
        report
    };
    let (one, two) = tokio::join!(call("c", OWN), short);
    assert_eq!((said(&one), said(&two)), (vec!["accepted"], vec!["deadline"]), "{}", two.json());
    assert_eq!(two.outcome, Outcome::Transient);
    assert_eq!(sim.accepted().iter().map(|a| a.times).collect::<Vec<_>>(), [1, 1, 1]);

    // A call that is given up, as a platform may: nobody waits for it.
    sim.push_for("d", [Step::Hang]);
    let given_up = tokio::time::timeout(Duration::from_millis(200), call("d", OWN)).await;
    assert!(given_up.is_err());
    assert_eq!(said(&call("d", OWN).await), ["accepted"]);
}

#[tokio::test]
async fn one_source_knows_nothing_of_the_writes_of_another() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let relay = Relay::new(settings(&sim, &[])).unwrap().remembering(Memory::of_server());
    for (source, want) in [("a", "accepted"), ("b", "accepted"), ("a", "duplicate"), ("b", "duplicate")] {
        let delivery = Delivery { source: Some(source.to_owned()), ..marked(&[("k", "01")]) };
        let report = relay.deliver(&relay.plan(&delivery), Deadline::new(None, OWN), "call-1").await;
        assert_eq!(said(&report), [want], "{source}");
    }
    // Who takes over goes on with what the one before knows.
    let mut next = Relay::new(settings(&sim, &[])).unwrap().remembering(Memory::of_server());
    next.remember_as(&relay);
    let delivery = Delivery { source: Some("a".to_owned()), ..marked(&[("k", "01")]) };
    let report = next.deliver(&next.plan(&delivery), Deadline::new(None, OWN), "call-1").await;
    assert_eq!(said(&report), ["duplicate"]);
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let relay = Relay::new(settings(&sim, &[("RELAY_CONCURRENCY", "64")]))
        .unwrap()
        .remembering(Memory::of_function());
    let call = async |writes: &[(&str, &str)]| {
        let plan = relay.plan(&marked(writes));
        relay.deliver(&plan, Deadline::new(None, OWN), "call-1").await
    };
    // Marks of a kilobyte each: the memory is full long before its number of places is.
    let long = "0".repeat(1000);
    assert_eq!(said(&call(&[("first", &long)]).await), ["accepted"]);
    assert_eq!(said(&call(&[("first", &long)]).await), ["duplicate"]);
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let many: Vec<_> = keys.iter().map(|key| (key.as_str(), long.as_str())).collect();
    assert_eq!(call(&many).await.outcome, Outcome::Done);
    assert_eq!(said(&call(&[("first", &long)]).await), ["accepted"], "forgotten, so sent again");
}
