//! Several records in one delivery, and one deadline for all.

use drive::until;

use super::*;

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

/// A place is held for the time of an attempt, not for the pause behind it.
#[tokio::test]
async fn a_record_that_waits_to_try_again_keeps_nobody_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("bad", [Step::RetryAfter { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 20 }]);
    let settings = settings(&sim, &[("RELAY_CONCURRENCY", "1")]);
    let event = event(&["bad", "good"]);
    let good = until("the other one", Duration::from_secs(10), async || sim.accepted_keys() == ["good"]);
    tokio::select! {
        report = deliver(settings, &event, None) => panic!("nobody waited: {}", report.json()),
        done = good => done.unwrap(),
    }
    let asked: Vec<_> = sim.requests().into_iter().filter_map(|request| request.key).collect();
    assert_eq!(asked, ["bad", "good"]);
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
