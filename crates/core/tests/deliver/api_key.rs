//! The key of MDSS: renewed, refused, and never shown.

use super::*;

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

/// A renewed key is worth another attempt, and no more attempts than the operator allows.
#[tokio::test]
async fn a_renewed_key_is_not_tried_beyond_the_last_attempt() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "an-old-key").unwrap();
    let sim = Sim::start(Config::default()).await.unwrap();
    let more = [("APIKEY", ""), ("APIKEY_FILE", file.path().to_str().unwrap()), ("RELAY_ATTEMPTS", "1")];
    let relay = Relay::new(settings(&sim, &more)).unwrap();
    std::fs::write(file.path(), DEFAULT_API_KEY).unwrap();
    let send = async || relay.deliver(&relay.plan(&event(&["a"])), Deadline::new(None, OWN), "").await;
    let report = send().await;
    assert_eq!((reason(&report), report.records[0].attempts), ("mdss_unauthorized", 1));
    assert_eq!(sim.requests().len(), 1);
    assert_eq!(reason(&send().await), "accepted");
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
