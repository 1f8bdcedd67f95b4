//! Writes that are told twice.

use drive::until;
use mdss_relay_core::Memory;

use super::*;

/// An object whose write has a mark, as most producers give it one.
fn marked(writes: &[(&str, &str)]) -> Delivery {
    let record = |(key, sequencer): &(&str, &str)| {
        let mut record = mdss_sim::created_record("aws:s3", "invoices", key);
        record["s3"]["object"]["sequencer"] = json!(sequencer);
        record
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
        let under_way = async || sim.requests().iter().any(|request| request.key.as_deref() == Some("c"));
        until("the first one is under way", OWN, under_way).await.unwrap();
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
