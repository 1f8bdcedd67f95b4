//! The server in spooled mode, as a process: what hears 200 is on disk, and what is on disk reaches MDSS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use drive::{Answer, Program, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// Two sources: `open` is open to everybody, `s` has proven who it is.
fn config(unit: &str) -> String {
    let route = |source: &str| {
        format!("[[route]]\nsource = \"{source}\"\nbucket = \"b\"\nstorage_client_id = \"{unit}\"\n")
    };
    format!(
        "{}{}[[source]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\n\
         [[source]]\nname = \"s\"\npath = \"/s\"\nauth = {{ path_secret = {{ secret = \"0123456789abcdef\" }} }}\n",
        route("open"),
        route("s")
    )
}

const PROVEN: &str = "/s/0123456789abcdef";

fn program(sim: &Sim, folder: &Path) -> Program {
    let file = folder.join("relay.toml");
    if !file.exists() {
        std::fs::write(&file, config(units::S3_COMPATIBLE)).unwrap();
    }
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_CONFIG", file)
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.join("data"))
}

async fn start(program: Program) -> Server {
    Server::start(&program, LIMIT).await.unwrap()
}

async fn send(server: &Server, method: &str, path: &str) -> Answer {
    server.send(method, path, &[], "").await.unwrap()
}

async fn post(server: &Server, path: &str, body: String) -> (u16, Value) {
    let answer = server.send("POST", path, &[], body).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

/// The value of a metric, with its labels as they stand.
async fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = send(server, "GET", "/metrics").await.text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn created(keys: &[&str]) -> String {
    mdss_sim::created("minio:s3", "b", keys)
}

async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    drive::until(what, LIMIT, holds).await.unwrap();
}

#[tokio::test]
async fn an_event_is_answered_once_it_is_on_disk_and_sent_when_mdss_is_back() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("k", vec![Step::Unavailable; 2]);
    let folder = tempfile::tempdir().unwrap();
    let server = start(program(&sim, folder.path())).await;
    let (status, report) = post(&server, "/open", created(&["k", "folder/"])).await;
    assert_eq!((status, report["outcome"].as_str()), (200, Some("done")));
    let results: Vec<_> =
        report["records"].as_array().unwrap().iter().map(|r| r["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["spooled", "skipped"]);
    until("delivery", async || sim.accepted_keys() == ["k"]).await;
    let lane = format!("{{lane=\"{}\"}}", units::S3_COMPATIBLE);
    until("the count", async || {
        metric(&server, &format!("mdss_relay_spool_delivered_total{lane}")).await == Some(1.0)
    })
    .await;
    // Two tries that failed, one that did not, of one object: no breaker opens for that.
    let outcome =
        |o: &str| format!("mdss_relay_attempts_total{{lane=\"{}\",outcome=\"{o}\"}}", units::S3_COMPATIBLE);
    assert_eq!(metric(&server, &outcome("mdss_unavailable")).await, Some(2.0));
    assert_eq!(metric(&server, &outcome("accepted")).await, Some(1.0));
}

#[tokio::test]
async fn the_worst_record_decides_what_is_kept_and_what_the_sender_hears() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = start(program(&sim, folder.path())).await;
    let elsewhere = created(&["k"]).replace("\"b\"", "\"other\"");
    for (path, body, want) in [
        // Only skips: nothing is stored.
        ("/open", created(&["folder/"]), (200, "done", "skipped", None)),
        // A matter for the operator: held.
        ("/open", elsewhere.clone(), (200, "done", "spooled", Some("unmapped_bucket"))),
        // Never usable, from nobody in particular: not kept.
        (
            "/open",
            created(&["%ff"]).replace("minio:s3", "aws:s3"),
            (400, "permanent", "failed", Some("invalid_key")),
        ),
        ("/open", "garbage".into(), (400, "permanent", "failed", Some("unreadable"))),
        // The same from somebody who is known: parked, for a person to look at.
        (PROVEN, created(&["%ff"]), (200, "done", "spooled", Some("invalid_key"))),
        (PROVEN, "garbage".into(), (200, "done", "spooled", Some("unreadable"))),
    ] {
        let (status, report) = post(&server, path, body.clone()).await;
        let record = &report["records"][0];
        let got = (
            status,
            report["outcome"].as_str().unwrap(),
            record["result"].as_str().unwrap(),
            record["reason"].as_str(),
        );
        let want = match want {
            (s, o, "skipped", _) => (s, o, "skipped", Some("folder_marker")),
            other => other,
        };
        assert_eq!(got, want, "{path} {body}");
    }
    // One good record beside a bad one from anybody: the good one is kept, the bad one has its line.
    let (status, report) = post(&server, "/open", created(&["%ff", "good"])).await;
    assert_eq!(
        (status, report["records"][0]["result"].as_str(), report["records"][1]["result"].as_str()),
        (200, Some("failed"), Some("spooled"))
    );
    until("delivery", async || sim.accepted_keys() == ["good"]).await;
    for (state, reason, items) in
        [("held", "unmapped_bucket", 1.0), ("parked", "invalid_key", 1.0), ("parked", "unreadable", 1.0)]
    {
        let name =
            format!("mdss_relay_spool_items{{lane=\"unrouted\",state=\"{state}\",reason=\"{reason}\"}}");
        assert_eq!(metric(&server, &name).await, Some(items), "{name}");
    }
    // What the gate refuses is stored nowhere.
    let before = metric(&server, "mdss_relay_spool_spooled_total").await;
    assert_eq!(post(&server, "/s/wrong-secret-wrong", created(&["k"])).await.0, 403);
    assert_eq!(metric(&server, "mdss_relay_spool_spooled_total").await, before);
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_a_stop() {
    let sim = Sim::start(Config::default()).await.unwrap();
    for key in ["a", "b", "c"] {
        sim.push_for(key, vec![Step::Unavailable; 1]);
    }
    let folder = tempfile::tempdir().unwrap();
    // Nothing may be sent before the kill: the stand-in says "later" to each once.
    let mut server = start(program(&sim, folder.path())).await;
    for key in ["a", "b", "c"] {
        assert_eq!(post(&server, "/open", created(&[key])).await.0, 200);
    }
    server.process.signal("KILL").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    let mut server = start(program(&sim, folder.path())).await;
    until("delivery", async || sim.accepted_keys() == ["a", "b", "c"]).await;
    sim.push_for("d", vec![Step::Unavailable; 1]);
    assert_eq!(post(&server, "/open", created(&["d"])).await.0, 200);
    server.process.signal("TERM").unwrap();
    assert!(server.process.wait(LIMIT).await.unwrap().success(), "{}", server.process.stderr());
    let _server = start(program(&sim, folder.path())).await;
    until("delivery", async || sim.accepted_keys() == ["a", "b", "c", "d"]).await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_503_and_red_and_heals_by_itself() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A file stands where the directory belongs: that stops root, too.
    std::fs::write(folder.path().join("data"), "").unwrap();
    let mut server = start(program(&sim, folder.path())).await;
    let (status, report) = post(&server, "/open", created(&["k"])).await;
    assert_eq!((status, report["records"][0]["reason"].as_str()), (503, Some("spool_unavailable")));
    let ready = send(&server, "GET", "/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert_eq!(send(&server, "GET", "/healthz").await.status, 200);
    assert_eq!(metric(&server, "mdss_relay_spool_up").await, Some(0.0));
    let refused = async |why: &str| {
        metric(&server, &format!("mdss_relay_spool_refused_total{{reason=\"{why}\"}}")).await
    };
    assert!(refused("spool_unwritable").await >= Some(1.0));
    assert_eq!(refused("spool_full").await, Some(0.0));
    server.process.wait_for_line("request rejected", LIMIT).await.unwrap();
    std::fs::remove_file(folder.path().join("data")).unwrap();
    until("the disk is back", async || post(&server, "/open", created(&["k"])).await.0 == 200).await;
    until("readiness", async || send(&server, "GET", "/readyz").await.status == 200).await;
    until("delivery", async || sim.accepted_keys().contains(&"k".to_owned())).await;
}

#[tokio::test]
async fn readiness_and_liveness_do_not_depend_on_mdss() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push(vec![Step::Hang; 50]);
    let folder = tempfile::tempdir().unwrap();
    let server = start(program(&sim, folder.path())).await;
    assert_eq!(post(&server, "/open", created(&["k"])).await.0, 200);
    assert_eq!(send(&server, "GET", "/readyz").await.status, 200);
    assert_eq!(send(&server, "GET", "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_new_configuration_heals_what_is_held_and_a_wrong_one_is_not_taken() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    let mut server = start(program(&sim, folder.path())).await;
    let elsewhere = created(&["k"]).replace("\"b\"", "\"other\"");
    assert_eq!(post(&server, "/open", elsewhere.clone()).await.0, 200);

    std::fs::write(&file, config("two words")).unwrap();
    server.process.signal("HUP").unwrap();
    let line = server.process.wait_for_line("is not used", LIMIT).await.unwrap();
    assert!(line.contains("storage_client_id"), "{line}");
    assert_eq!(metric(&server, "mdss_relay_reloads_total{outcome=\"refused\"}").await, Some(1.0));
    assert_eq!(post(&server, "/open", created(&["still"])).await.0, 200);
    until("the old one works", async || sim.accepted_keys() == ["still"]).await;

    let healed = config(units::S3_COMPATIBLE)
        .replace("bucket = \"b\"", "bucket = \"*\"")
        .replace("path = \"/s\"", "path = \"/t\"");
    std::fs::write(&file, healed).unwrap();
    server.process.signal("HUP").unwrap();
    server.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
    until("what was held is sent", async || sim.accepted_keys() == ["k", "still"]).await;
    assert_eq!(post(&server, PROVEN, created(&["x"])).await.0, 404);
    assert_eq!(post(&server, "/t/0123456789abcdef", created(&["x"])).await.0, 200);
    until("the new source works", async || sim.accepted_keys() == ["k", "still", "x"]).await;
    // Counters outlive a configuration.
    assert_eq!(metric(&server, "mdss_relay_reloads_total{outcome=\"taken\"}").await, Some(1.0));
    assert_eq!(metric(&server, "mdss_relay_reloads_total{outcome=\"refused\"}").await, Some(1.0));
}

#[tokio::test]
async fn what_only_a_new_start_can_exchange_is_said() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(program(&sim, folder.path())).await;
    let more = format!("[http]\nspool_limit = \"64MiB\"\n{}", config(units::S3_COMPATIBLE));
    std::fs::write(folder.path().join("relay.toml"), more).unwrap();
    server.process.signal("HUP").unwrap();
    let line = server.process.wait_for_line("only be changed by a restart", LIMIT).await.unwrap();
    assert!(line.contains("RELAY_DATA_DIR, RELAY_SPOOL_LIMIT or where the database is"), "{line}");
}

#[tokio::test]
async fn the_same_write_told_twice_is_sent_once() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = start(program(&sim, folder.path())).await;
    let event = |sequencer: &str| {
        created(&["k"]).replace("\"key\":\"k\"", &format!("\"key\":\"k\",\"sequencer\":\"{sequencer}\""))
    };
    assert_eq!(post(&server, "/open", event("01")).await.0, 200);
    let (status, report) = post(&server, "/open", event("01")).await;
    assert_eq!((status, report["records"][0]["reason"].as_str()), (200, Some("duplicate")));
    assert_eq!(post(&server, "/open", event("02")).await.1["records"][0]["result"], "spooled");
    until("delivery", async || sim.requests().len() == 2).await;
    let (_, report) = post(&server, "/open", event("01")).await;
    assert_eq!(report["records"][0]["reason"], "duplicate", "also after MDSS has it");
}

#[tokio::test]
async fn a_wrong_key_holds_everything_and_loses_nothing() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push(vec![Step::status(StatusCode::UNAUTHORIZED); 8]);
    let folder = tempfile::tempdir().unwrap();
    let server = start(program(&sim, folder.path())).await;
    let keys: Vec<String> = (0..20).map(|n| format!("k{n:02}")).collect();
    for key in &keys {
        assert_eq!(post(&server, "/open", created(&[key])).await.0, 200);
    }
    until("delivery", async || sim.accepted_keys() == keys).await;
}

/// Whoever asks and does not read the answers has a connection that is never idle and never done.
#[tokio::test]
async fn a_client_that_does_not_read_keeps_no_stop_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(program(&sim, folder.path()).env("RELAY_DEADLINE", "1s")).await;
    assert_eq!(post(&server, "/open", created(&["k"])).await.0, 200);
    let mut deaf = std::net::TcpStream::connect(&server.address).unwrap();
    deaf.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let ask = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let full = loop {
        match deaf.write_all(ask.as_bytes()) {
            Ok(()) => {}
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(full, ErrorKind::WouldBlock, "nobody takes anything any more");
    server.process.signal("TERM").unwrap();
    // Two times the deadline and ten seconds are what the server takes for itself.
    let status = server.process.wait(Duration::from_secs(90)).await;
    assert!(status.is_ok_and(|status| status.success()), "{}", server.process.stderr());
    let stderr = server.process.stderr();
    assert!(!stderr.contains("was not closed"), "{stderr}");
    drop(deaf);
}

/// The keys, in bucket `b` and then in one that no route names, with something in each that takes place.
fn padded(keys: &[(&str, &str)]) -> String {
    let record = |(bucket, key): &(&str, &str)| {
        json!({ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "padding": "x".repeat(20_000),
                "s3": { "bucket": { "name": bucket }, "object": { "key": key, "sequencer": "01" } } })
    };
    json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn one_source_that_fills_its_share_keeps_no_other_out() {
    let sim = Sim::start(Config::default()).await.unwrap();
    // Nothing leaves the spool.
    sim.push(vec![Step::Hang; 1000]);
    for bucket in ["nowhere", "b"] {
        let folder = tempfile::tempdir().unwrap();
        let limited = program(&sim, folder.path()).env("RELAY_SPOOL_LIMIT", "2MiB");
        let server = start(limited).await;
        let mut taken = 0;
        let (status, report) = loop {
            let key = format!("k{taken}");
            match post(&server, "/open", padded(&[(bucket, &key)])).await {
                (200, _) => taken += 1,
                refused => break refused,
            }
            assert!(taken < 200, "it has no end");
        };
        let record = &report["records"][0];
        let got = (status, report["outcome"].as_str().unwrap(), record["reason"].as_str().unwrap());
        let (want, sentence, least) = match bucket {
            "b" => ((503, "transient", "spool_unavailable"), "the rest is for the other sources", 50),
            _ => ((500, "config", "unmapped_bucket"), "a quarter of RELAY_SPOOL_LIMIT", 20),
        };
        assert_eq!(got, want);
        assert!(record["detail"].as_str().unwrap().contains(sentence), "{record}");
        assert!(taken >= least, "{taken}");
        // Nobody else hears of it, nor whoever asks whether it is ready.
        for other in ["nowhere", "b"] {
            assert_eq!(post(&server, PROVEN, padded(&[(other, "other")])).await.0, 200, "{bucket} {other}");
        }
        let ready = send(&server, "GET", "/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
        let share = if bucket == "b" { "source" } else { "held" };
        let name = format!("mdss_relay_spool_no_room_total{{source=\"open\",share=\"{share}\"}}");
        assert_eq!(metric(&server, &name).await, Some(1.0));
        if bucket == "b" {
            continue;
        }
        // A batch is answered by the worst of its records; what was kept of it is not kept again.
        let batch = padded(&[("b", "good"), ("nowhere", "later")]);
        for want in ["spooled", "skipped"] {
            let (status, report) = post(&server, "/open", batch.clone()).await;
            let of = |n: usize| report["records"][n]["result"].as_str().unwrap().to_owned();
            assert_eq!((status, of(0).as_str(), of(1).as_str()), (500, want, "failed"));
        }
        // Not so what would never be of use.
        let (status, report) = post(&server, "/open", padded(&[("b", "other good"), ("b", "%ff")])).await;
        assert_eq!((status, report["records"][1]["result"].as_str()), (200, Some("failed")));
    }
}
