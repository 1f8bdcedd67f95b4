//! What each delivery is answered.

use mdss_sim::Away;

use super::*;

#[tokio::test]
async fn an_event_is_answered_when_mdss_has_answered() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(simple(&sim)).await;
    let way = format!("MDSS at {}, directly", sim.base_url());
    server.process.wait_for_line(&way, LIMIT).await.unwrap();
    let answer = event(&server, created(&["a%2Fb+c.txt"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = json_of(&answer);
    assert_eq!((&report["outcome"], &report["records"][0]["key"]), (&json!("done"), &json!("a/b c.txt")));
    assert_eq!(sim.accepted()[0].key, "a/b c.txt");
    assert_eq!(send(&server, "GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(send(&server, "GET", "/readyz", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_restart_of_mdss_costs_no_event() {
    let away = Away::new().unwrap();
    let program = program()
        .env("APIENDPOINT", away.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_TOKEN", TOKEN);
    let server = Server::start(&program, 2 * LIMIT).await.unwrap();
    // Two at once, of several objects each, as they gather while MDSS is away.
    let (sim, one, two) = tokio::join!(
        away.restarted(),
        event(&server, created(&["a", "b"])),
        event(&server, created(&["c", "d", "e"]))
    );
    assert_eq!((one.status, two.status), (200, 200), "{} {}", one.text(), two.text());
    let accepted: Vec<_> = sim.unwrap().accepted().into_iter().map(|a| (a.key, a.times)).collect();
    assert_eq!(accepted, ["a", "b", "c", "d", "e"].map(|key| (key.to_owned(), 1)));
}

#[tokio::test]
async fn the_worst_record_decides_the_status() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::RetryAfter { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 7 }; 99]);
    sim.push_for("config", vec![Step::WebPage; 99]);
    let server = start(simple(&sim).env("RELAY_DEADLINE", "5s")).await;
    for (keys, status, outcome) in [
        (&["good", "folder/"][..], 200, "done"),
        (&["good", "%ff"], 400, "permanent"),
        (&["good", "%ff", "config"], 500, "config"),
        (&["good", "%ff", "config", "later"], 503, "transient"),
    ] {
        // Not of a sender that repeats without end.
        let answer = event(&server, created(keys).replace("minio:s3", "aws:s3")).await;
        assert_eq!(
            (answer.status, json_of(&answer)["outcome"].as_str()),
            (status, Some(outcome)),
            "{keys:?}"
        );
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("7"), "{keys:?}");
    }
}

#[tokio::test]
async fn handshakes_and_probes_are_answered() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim)).await;
    let jd = format!("/jd/{SECRET}");
    let header = [("x-jdcloud-message-type", "SubscriptionConfirmation")];
    let answer = post(&server, &jd, &header, "any text\n").await;
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("content-type")),
        (200, "YW55IHRleHQK", Some("text/plain"))
    );
    // The gate comes first: an echo for everybody would be a gift.
    assert_eq!(post(&server, "/jd/wrong-secret-wrong", &header, "any text\n").await.status, 403);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(post(&server, "/minio", &[("authorization", &bearer)], "").await.status, 200);
    assert_eq!(post(&server, "/open", &[], "").await.status, 400);
    assert_eq!(sim.requests().len(), 0);
}

/// StorageGRID's client library parses what SNS answers; and only once everything is done, or it would not come again.
#[tokio::test]
async fn a_publish_call_is_answered_as_sns_answers_it() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim)).await;
    let form = |keys: &[&str]| {
        let mut form = String::from("Version=2010-03-31&Action=Publish&TopicArn=urn%3Agrid&Message=");
        created(keys)
            .replace("minio:s3", "sgws:s3")
            .bytes()
            .for_each(|b| form.push_str(&format!("%{b:02x}")));
        form
    };
    let header = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = post(&server, "/open", &header, form(&["a b"])).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
    assert!(answer.text().contains("<PublishResult><MessageId>open-"), "{}", answer.text());
    assert_eq!(sim.accepted().len(), 1);
    let answer = post(&server, "/open", &header, form(&["good", "%ff"])).await;
    assert_eq!((answer.status, json_of(&answer)["outcome"].as_str()), (400, Some("permanent")));
}

#[tokio::test]
async fn what_an_uploader_chose_is_in_report_and_log_and_nowhere_else() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let body = json!({ "Records": [{ "eventSource": "oss", "eventName": "s3:ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } },
        "callBackVar": { "callBackVars": { "dept": ["legal\nforged line"] } } }] });
    let answer = post(&server, &format!("/jd/{SECRET}"), &[], body.to_string()).await;
    let record = &json_of(&answer)["records"][0];
    assert_eq!(record["untrusted"], json!({ "dept": ["legal\nforged line"] }));
    let line = server.process.wait_for_line("object accepted", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["mdss.untrusted"], r#"{"dept":["legal\nforged line"]}"#);
    let request = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
    assert!(!request.contains("legal"), "{request}");
    // Where there is nothing of the kind, nothing is said of it.
    let answer = post(&server, "/open", &[], created(&["k"])).await;
    assert_eq!(json_of(&answer)["records"][0].get("untrusted"), None);
}

#[tokio::test]
async fn a_sender_that_repeats_without_end_is_not_told_of_what_can_never_be_used() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let bearer = format!("Bearer {TOKEN}");
    let answer = post(&server, "/minio", &[("authorization", &bearer)], created(&["%ff", "good"])).await;
    assert_eq!((answer.status, json_of(&answer)["outcome"].as_str()), (200, Some("permanent")));
    server.process.wait_for_line("event cannot be used", LIMIT).await.unwrap();
    // The same where the dialect is recognised: MinIO keeps everything behind an event that fails.
    assert_eq!(post(&server, "/open", &[], created(&["%ff", "good"])).await.status, 200);
    let other = created(&["%ff", "good"]).replace("minio:s3", "aws:s3");
    assert_eq!(post(&server, "/open", &[], other).await.status, 400);
    // An empty post is a probe on a source that says whose it is.
    assert_eq!(post(&server, "/minio", &[("authorization", &bearer)], "").await.status, 200);
    assert_eq!(post(&server, "/open", &[], "").await.status, 400);
    // What nobody keeps is counted for an alarm, and the counter was there before.
    let page = send(&server, "GET", "/metrics", &[], "").await;
    for line in [
        "mdss_relay_unusable_total{source=\"jd\"} 0",
        "mdss_relay_unusable_total{source=\"minio\"} 1",
        "mdss_relay_unusable_total{source=\"open\"} 3",
    ] {
        assert!(page.text().lines().any(|l| l == line), "{line}\n{}", page.text());
    }
}

/// A record as Ceph writes it, with what makes one write another.
fn ceph(bucket: &str, key: &str) -> String {
    json!({ "Records": [{ "eventVersion": "2.2", "eventSource": "ceph:s3", "awsRegion": "default",
        "eventTime": "2026-11-26T06:00:00.000000Z", "eventName": "ObjectCreated:Put", "eventId": format!("1764136800.1.{key}"),
        "s3": { "s3SchemaVersion": "1.0", "configurationId": "n", "bucket": { "name": bucket, "id": "x:y" },
                "object": { "key": key, "size": 3, "eTag": "acbd18db4cc2f85cedef654fccc4a4d8", "versionId": "", "sequencer": "A1B2" } } }] })
    .to_string()
}

/// A persistent topic of Ceph 16: all that is queued is posted again and again, without a pause, as long as one event of it
/// fails.
#[tokio::test]
async fn a_sender_that_repeats_without_a_pause_multiplies_nothing() {
    const GOOD: usize = 20;
    let sim = Sim::start(Config::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("relay.toml");
    let config = format!(
        "[[route]]\nbucket = \"good\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"ceph\"\npath = \"/ceph\"\ndialect = \"ceph\"\nauth = {{ bearer = {{ token = \"{TOKEN}\" }} }}\n",
        units::S3_COMPATIBLE
    );
    std::fs::write(&file, config).unwrap();
    let mut server = start(configured(&sim).env("RELAY_CONFIG", &file)).await;
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str())];
    let good: Vec<_> = (0..GOOD).map(|n| ceph("good", &format!("k{n}"))).collect();
    let started = Instant::now();
    let mut rounds = 0;
    while started.elapsed() < Duration::from_secs(4) {
        rounds += 1;
        let answer = post(&server, "/ceph", &headers, ceph("unmapped", "poison")).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        for event in &good {
            let answer = post(&server, "/ceph", &headers, event.clone()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let reason = &json_of(&answer)["records"][0]["reason"];
            assert_eq!(*reason, if rounds == 1 { Value::Null } else { json!("duplicate") });
        }
    }
    // 0.1, 0.2, 0.4, 0.8, 1, 1 … s before an answer that is the same again.
    assert!((2..=8).contains(&rounds), "{rounds}");
    assert_eq!((sim.requests().len(), sim.accepted().len()), (GOOD, GOOD));
    let log = server.process.stderr();
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        (count("unmapped_bucket"), count("object accepted"), count("event skipped")),
        (1, GOOD, GOOD),
        "{log}"
    );
    assert!(log.len() < 64 * 1024, "{} bytes of log", log.len());

    // A new configuration knows what the old one did.
    server.process.signal("HUP").unwrap();
    server.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
    let answer = post(&server, "/ceph", &headers, good[0].clone()).await;
    assert_eq!(json_of(&answer)["records"][0]["reason"], "duplicate");
    assert_eq!(sim.requests().len(), GOOD);
}
