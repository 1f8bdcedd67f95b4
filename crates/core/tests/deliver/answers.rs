//! What each answer of MDSS leads to.

use mdss_relay_core::Cause;
use mdss_sim::{Rate, Refusal, Statuses};

use super::*;

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
