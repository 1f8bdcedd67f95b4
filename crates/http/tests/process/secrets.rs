//! Who may post, and what is shown of it to whom.

use super::*;

#[tokio::test]
async fn who_may_not_post_is_told_nothing_and_the_operator_everything() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let good = created(&["a"]);
    let bearer = format!("Bearer {TOKEN}");
    for (path, headers, status) in [
        ("/minio", vec![("authorization", bearer.as_str())], 200),
        ("/minio", vec![], 401),
        ("/minio", vec![("authorization", "Bearer t0ken-of-the-tes")], 401),
        ("/minio", vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())], 401),
        ("/jd/a-long-path-secret-1", vec![], 200),
        ("/jd/a-long-path-secret-2", vec![], 403),
        ("/jd", vec![], 403),
        ("/open", vec![], 200),
        ("/events", vec![], 404),
        ("/metrics", vec![], 405),
    ] {
        let answer = post(&server, path, &headers, good.clone()).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text());
        if matches!(status, 401 | 403) {
            assert_eq!(answer.text(), r#"{"outcome":"refused","records":[]}"#);
        }
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{path}");
    }
    assert_eq!(
        json_of(&post(&server, "/nope", &[], good.clone()).await)["records"][0]["reason"],
        "unknown_path"
    );
    let get = send(&server, "GET", "/open", &[], "").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST, HEAD")));
    assert_eq!(json_of(&get)["records"][0]["reason"], "method_not_allowed");
    assert_eq!(send(&server, "OPTIONS", "/open", &[], "").await.status, 405);
    let own = post(&server, "/healthz", &[], good.clone()).await;
    assert_eq!((own.status, own.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(json_of(&own)["records"][0]["detail"], "expected a GET, found \"POST\"");
    let head = send(&server, "HEAD", "/minio", &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    // Everything it has printed is here once it has ended.
    server.process.signal("TERM").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    let log = server.process.stderr();
    let refusals: Vec<Value> = log
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .filter(|l: &Value| l["error.type"] == "refused")
        .collect();
    // One line each for the token and for the path's secret, and at the end how many more there were.
    let told = |line: &Value| (line["mdss.check"].clone(), line["mdss.repeats"].clone());
    let told: Vec<_> = refusals.iter().map(told).collect();
    let wanted = [
        ("bearer", Value::Null),
        ("path_secret", Value::Null),
        ("bearer", json!(2)),
        ("path_secret", json!(1)),
    ];
    assert!(told.len() == 4 && wanted.iter().all(|(c, n)| told.contains(&(json!(c), n.clone()))), "{log}");
    assert!(refusals.iter().all(|l| l["client.address"] == "127.0.0.1"), "{log}");
    for reason in ["unknown_path", "method_not_allowed", "expected a GET"] {
        assert!(log.contains(reason), "nothing is dropped without a line: {log}");
    }
    assert!(refusals.iter().all(|l| l["mdss.check"].is_string() && l["mdss.source"].is_string()), "{log}");
    assert!(!log.contains("path-secret") && !log.contains(TOKEN), "no secret in the log: {log}");
}

#[tokio::test]
async fn trusting_any_certificate_is_said_aloud_at_every_start() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(simple(&sim).env("RELAY_TLS_VERIFY", "off")).await;
    let line = server.process.wait_for_line("RELAY_TLS_VERIFY is off", LIMIT).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["level"], "WARN");
    let quiet = start(simple(&sim)).await;
    assert!(!quiet.process.output().contains("RELAY_TLS_VERIFY"), "{}", quiet.process.output());
}

#[tokio::test]
async fn the_api_key_is_in_no_line_of_a_failing_run() {
    let sim =
        Sim::start(Config { api_key: "another-key-altogether".into(), ..Config::default() }).await.unwrap();
    let body = format!(r#"{{"responseMessage":"wrong key {DEFAULT_API_KEY}"}}"#);
    sim.push([
        Step::status(StatusCode::UNAUTHORIZED),
        Step::json(StatusCode::BAD_REQUEST, body),
        Step::Reset,
        Step::Reset,
    ]);
    let mut server = start(simple(&sim).env("RELAY_LOG", "trace")).await;
    for _ in 0..4 {
        assert_ne!(event(&server, created(&["a"])).await.status, 200);
    }
    server.process.signal("TERM").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    let output = server.process.output();
    assert!(!output.contains(DEFAULT_API_KEY) && !output.contains(TOKEN), "{output}");
    assert!(output.contains("mdss_unauthorized"), "{output}");
}
