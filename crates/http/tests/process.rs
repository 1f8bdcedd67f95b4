//! The server as a process: on port 0, against the stand-in, with real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::io::Write;
use std::time::{Duration, Instant};

use drive::{Answer, HttpPoster, Process, Program};
use mdss_sim::{Away, Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "t0ken-of-the-test";
const SECRET: &str = "a-long-path-secret-1";

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http")).env("RELAY_LISTEN", "127.0.0.1:0")
}

fn configured(sim: &Sim) -> Program {
    program().env("APIENDPOINT", sim.url()).env("APIKEY", DEFAULT_API_KEY).env("RELAY_ATTEMPTS", "2")
}

/// A server with `/events` and a token.
fn simple(sim: &Sim) -> Program {
    configured(sim).env("STORAGECLIENTID", units::S3_COMPATIBLE).env("RELAY_TOKEN", TOKEN)
}

/// A server with sources of every kind.
fn sources(sim: &Sim) -> Program {
    let route = |source: &str| {
        format!(
            "[[route]]\nsource = \"{source}\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n",
            units::S3_COMPATIBLE
        )
    };
    let config = [
        route("jd"),
        route("minio"),
        route("open"),
        format!("[[source]]\nname = \"jd\"\npath = \"/jd\"\ndialect = \"jdcloud\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n"),
        format!("[[source]]\nname = \"minio\"\npath = \"/minio\"\ndialect = \"minio\"\nauth = {{ bearer = {{ token = \"{TOKEN}\" }} }}\n"),
        "[[source]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\n".to_owned(),
    ]
    .concat();
    configured(sim).env("RELAY_CONFIG_TOML", config)
}

struct Server {
    process: Process,
    address: String,
}

async fn start(program: Program) -> Server {
    let mut process = program.start().unwrap();
    let line = process.wait_for_line("listening on", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let address = format!("{}:{}", line["server.address"].as_str().unwrap(), line["server.port"]);
    Server { process, address }
}

impl Server {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        HttpPoster::new(LIMIT).send(method, &url, headers, body.into()).await.unwrap()
    }

    async fn event(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.post("/events", &[("authorization", &format!("Bearer {TOKEN}"))], body).await
    }
}

fn created(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({ "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": 0 } } })
    };
    json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() }).to_string()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

#[tokio::test]
async fn an_event_is_answered_when_mdss_has_answered() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(simple(&sim)).await;
    let way = format!("MDSS at {}, directly", sim.base_url());
    server.process.wait_for_line(&way, LIMIT).await.unwrap();
    let answer = server.event(created(&["a%2Fb+c.txt"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = json_of(&answer);
    assert_eq!((&report["outcome"], &report["records"][0]["key"]), (&json!("done"), &json!("a/b c.txt")));
    assert_eq!(sim.accepted()[0].key, "a/b c.txt");
    assert_eq!(server.send("GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(server.send("GET", "/readyz", &[], "").await.status, 200);
}

/// As long as a host may take to start MDSS again, less than the 25 s a delivery has. It is real time.
const RESTART: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_restart_of_mdss_costs_no_event() {
    let away = Away::new().unwrap();
    let program = program()
        .env("APIENDPOINT", away.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_TOKEN", TOKEN);
    let server = start(program).await;
    let back = async {
        tokio::time::sleep(RESTART).await;
        away.back(Config::default()).await.unwrap()
    };
    let url = format!("http://{}/events", server.address);
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str())];
    // Two at once, of several objects each, as they gather while MDSS is away.
    let poster = HttpPoster::new(RESTART * 2);
    let posts = tokio::join!(
        back,
        poster.send("POST", &url, &headers, created(&["a", "b"])),
        poster.send("POST", &url, &headers, created(&["c", "d", "e"]))
    );
    let (sim, one, two) = (posts.0, posts.1.unwrap(), posts.2.unwrap());
    assert_eq!((one.status, two.status), (200, 200), "{} {}", one.text(), two.text());
    let mut accepted: Vec<_> = sim.accepted().into_iter().map(|a| (a.key, a.times)).collect();
    accepted.sort();
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
        let answer = server.event(created(keys).replace("minio:s3", "aws:s3")).await;
        assert_eq!(
            (answer.status, json_of(&answer)["outcome"].as_str()),
            (status, Some(outcome)),
            "{keys:?}"
        );
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("7"), "{keys:?}");
    }
}

#[tokio::test]
async fn bad_input_gets_its_status_and_costs_nothing_that_was_good() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(simple(&sim)).await;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    let large = format!(r#"{{"x":"{}"}}"#, "a".repeat((6 << 20) - 8));
    assert_eq!(large.len(), 6 << 20);
    for (body, status) in [
        (b"".to_vec(), 400),
        (b"not json".to_vec(), 400),
        (b"{\"Records\":[".to_vec(), 400),
        (b"{\"Records\":\"\xff\"}".to_vec(), 400),
        (deep.into_bytes(), 400),
        (large.clone().into_bytes(), 400),
        ((large + " ").into_bytes(), 413),
        (b"{\"Records\":[]}".to_vec(), 200),
        (created(&["a%00b%0D%0Ac"]).into_bytes(), 200),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(server.event(body).await.status, status, "{shown}");
        assert_eq!(server.event(created(&["good"])).await.status, 200, "after {shown}");
    }
    assert_eq!(sim.accepted().iter().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["a\0b\r\nc", "good"]);
    let line = server.process.wait_for_line("body_too_large", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["size_bytes"], &line["mdss.source"]), (&json!((6 << 20) + 1), &json!("events")));
    let log = server.process.stderr();
    assert!(log.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "one JSON object a line: {log}");
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_counted_too() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(simple(&sim).env("RELAY_BODY_LIMIT", "1KiB")).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    for _ in 0..3 {
        // The server may have answered and closed before the last one.
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

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
        let answer = server.post(path, &headers, good.clone()).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text());
        if matches!(status, 401 | 403) {
            assert_eq!(answer.text(), r#"{"outcome":"refused","records":[]}"#);
        }
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{path}");
    }
    assert_eq!(
        json_of(&server.post("/nope", &[], good.clone()).await)["records"][0]["reason"],
        "unknown_path"
    );
    let get = server.send("GET", "/open", &[], "").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST, HEAD")));
    assert_eq!(json_of(&get)["records"][0]["reason"], "method_not_allowed");
    assert_eq!(server.send("OPTIONS", "/open", &[], "").await.status, 405);
    let own = server.post("/healthz", &[], good.clone()).await;
    assert_eq!((own.status, own.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(json_of(&own)["records"][0]["detail"], "expected a GET, found \"POST\"");
    let head = server.send("HEAD", "/minio", &[], "").await;
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
async fn handshakes_and_probes_are_answered() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim)).await;
    let jd = format!("/jd/{SECRET}");
    let header = [("x-jdcloud-message-type", "SubscriptionConfirmation")];
    let answer = server.post(&jd, &header, "any text\n").await;
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("content-type")),
        (200, "YW55IHRleHQK", Some("text/plain"))
    );
    // The gate comes first: an echo for everybody would be a gift.
    assert_eq!(server.post("/jd/wrong-secret-wrong", &header, "any text\n").await.status, 403);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(server.post("/minio", &[("authorization", &bearer)], "").await.status, 200);
    assert_eq!(server.post("/open", &[], "").await.status, 400);
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
    let answer = server.post("/open", &header, form(&["a b"])).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
    assert!(answer.text().contains("<PublishResult><MessageId>open-0</MessageId>"), "{}", answer.text());
    assert_eq!(sim.accepted().len(), 1);
    let answer = server.post("/open", &header, form(&["good", "%ff"])).await;
    assert_eq!((answer.status, json_of(&answer)["outcome"].as_str()), (400, Some("permanent")));
}

#[tokio::test]
async fn what_an_uploader_chose_is_in_report_and_log_and_nowhere_else() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let body = json!({ "Records": [{ "eventSource": "oss", "eventName": "s3:ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } },
        "callBackVar": { "callBackVars": { "dept": ["legal\nforged line"] } } }] });
    let answer = server.post(&format!("/jd/{SECRET}"), &[], body.to_string()).await;
    let record = &json_of(&answer)["records"][0];
    assert_eq!(record["untrusted"], json!({ "dept": ["legal\nforged line"] }));
    let line = server.process.wait_for_line("object accepted", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["mdss.untrusted"], r#"{"dept":["legal\nforged line"]}"#);
    let request = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
    assert!(!request.contains("legal"), "{request}");
    // Where there is nothing of the kind, nothing is said of it.
    let answer = server.post("/open", &[], created(&["k"])).await;
    assert_eq!(json_of(&answer)["records"][0].get("untrusted"), None);
}

#[tokio::test]
async fn a_sender_that_repeats_without_end_is_not_told_of_what_can_never_be_used() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let bearer = format!("Bearer {TOKEN}");
    let answer = server.post("/minio", &[("authorization", &bearer)], created(&["%ff", "good"])).await;
    assert_eq!((answer.status, json_of(&answer)["outcome"].as_str()), (200, Some("permanent")));
    server.process.wait_for_line("event cannot be used", LIMIT).await.unwrap();
    // The same where the dialect is recognised: MinIO keeps everything behind an event that fails.
    assert_eq!(server.post("/open", &[], created(&["%ff", "good"])).await.status, 200);
    let other = created(&["%ff", "good"]).replace("minio:s3", "aws:s3");
    assert_eq!(server.post("/open", &[], other).await.status, 400);
    // An empty post is a probe on a source that says whose it is.
    assert_eq!(server.post("/minio", &[("authorization", &bearer)], "").await.status, 200);
    assert_eq!(server.post("/open", &[], "").await.status, 400);
    // What nobody keeps is counted for an alarm, and the counter was there before.
    let page = server.send("GET", "/metrics", &[], "").await;
    for line in [
        "mdss_relay_unusable_total{source=\"jd\"} 0",
        "mdss_relay_unusable_total{source=\"minio\"} 1",
        "mdss_relay_unusable_total{source=\"open\"} 3",
    ] {
        assert!(page.text().lines().any(|l| l == line), "{line}\n{}", page.text());
    }
}

#[tokio::test]
async fn what_boxes_on_the_way_do_to_a_body_costs_no_event() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim)).await;
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| server.post("/open", headers, body).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let coded = [("content-encoding", "gzip")];
    assert_eq!(post(&coded, gzip(created(&["packed"]).as_bytes())).await.status, 200);
    assert_eq!(post(&[], gzip(created(&["packed-unsaid"]).as_bytes())).await.status, 200);
    assert_eq!(post(&coded, created(&["said-and-not-packed"]).into()).await.status, 200);
    assert_eq!(post(&[], [b"\xef\xbb\xbf", created(&["marked"]).as_bytes()].concat()).await.status, 200);
    // A header that an uploader has sent, as Ceph passes it on.
    let latin = created(&["latin"])
        .replace("\"key\":\"latin\"", "\"key\":\"latin\",\"userMetadata\":{\"x-amz-meta-a\":\"M@ller\"}");
    let latin: Vec<u8> = latin.bytes().map(|b| if b == b'@' { 0xfc } else { b }).collect();
    assert_eq!(post(&[], latin).await.status, 200);
    let accepted: Vec<String> = sim.accepted().into_iter().map(|a| a.key).collect();
    assert_eq!(accepted, ["latin", "marked", "packed", "packed-unsaid", "said-and-not-packed"]);

    let brotli = post(&[("content-encoding", "br")], b"\x0b\x02\x80{}\x03".to_vec()).await;
    assert_eq!(
        (brotli.status, json_of(&brotli)["records"][0]["reason"].as_str()),
        (415, Some("unsupported_encoding"))
    );
    let broken = gzip(created(&["k"]).as_bytes());
    assert_eq!(post(&coded, broken[..broken.len() - 9].to_vec()).await.status, 400);
    // What is small on the way and large here is measured here.
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 100_000);
    assert_eq!(post(&coded, bomb).await.status, 413);
}

#[tokio::test]
async fn what_is_not_understood_is_not_done() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let aws = |name: &str, key: &str, size: u64| {
        json!({ "Records": [{ "eventSource": "aws:s3", "eventName": name,
                "s3": { "bucket": { "name": "b" }, "object": { "key": key, "size": size } } }] })
        .to_string()
    };
    let mut server = start(sources(&sim)).await;
    let answer = server.post("/open", &[], aws("ObjectDreamt:Put", "k", 1)).await;
    assert_eq!(
        (answer.status, json_of(&answer)["records"][0]["reason"].as_str()),
        (400, Some("unknown_event"))
    );
    let line = server.process.wait_for_line("event cannot be used", LIMIT).await.unwrap();
    assert!(line.contains("ObjectDreamt:Put") && line.contains("RELAY_UNKNOWN_EVENTS=send"), "{line}");
    assert_eq!(
        server.post("/open", &[], aws("ObjectCreated:Put", "malware.exe/", 5_000_000)).await.status,
        200
    );
    let marker = server.post("/open", &[], aws("ObjectCreated:Put", "folder/", 0)).await;
    assert_eq!(json_of(&marker)["records"][0]["reason"], "folder_marker");

    let server = start(sources(&sim).env("RELAY_UNKNOWN_EVENTS", "send")).await;
    assert_eq!(server.post("/open", &[], aws("ObjectDreamt:Put", "dreamt", 1)).await.status, 200);
    let accepted: Vec<String> = sim.accepted().into_iter().map(|a| a.key).collect();
    assert_eq!(accepted, ["dreamt", "malware.exe/"]);
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
        let answer = server.post("/ceph", &headers, ceph("unmapped", "poison")).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        for event in &good {
            let answer = server.post("/ceph", &headers, event.clone()).await;
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
    let answer = server.post("/ceph", &headers, good[0].clone()).await;
    assert_eq!(json_of(&answer)["records"][0]["reason"], "duplicate");
    assert_eq!(sim.requests().len(), GOOD);
}

#[tokio::test]
async fn a_sender_that_hangs_up_loses_its_answer_and_not_its_event() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Unavailable]);
    let server = start(simple(&sim)).await;
    let body = created(&["a"]);
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // Gone while the relay waits to try again.
    let started = Instant::now();
    while sim.requests().is_empty() && started.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(stream);
    while sim.accepted().is_empty() && started.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sim.accepted().len(), 1);
}

/// Sends a head that announces a body, and nothing of it.
async fn stall(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_source_that_stalls_keeps_no_other_one_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(sources(&sim).env("RELAY_DEADLINE", "2s")).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(stall(&server, "/open").await);
    }
    let bearer = format!("Bearer {TOKEN}");
    let good = server.post("/minio", &[("authorization", &bearer)], created(&["a"])).await;
    assert_eq!(good.status, 200, "{}", good.text());
    // The stalled source itself hears so in time.
    let started = Instant::now();
    let busy = server.post("/open", &[], created(&["b"])).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("10")), "{}", busy.text());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn sigterm_waits_for_nobody_who_stalls() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(sources(&sim)).await;
    let mut stalled = stall(&server, "/open").await;
    let idle = TcpStream::connect(&server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    server.process.signal("TERM").unwrap();
    let mut answer = String::new();
    stalled.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("body_incomplete"), "{answer}");
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    drop(idle);
}

#[tokio::test]
async fn sigterm_finishes_the_call_in_flight() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::Delay { ms: 1500 }]);
    let mut server = start(simple(&sim)).await;
    let address = server.address.clone();
    let call = tokio::spawn(async move {
        let url = format!("http://{address}/events");
        let bearer = format!("Bearer {TOKEN}");
        HttpPoster::new(LIMIT).send("POST", &url, &[("authorization", &bearer)], created(&["a"])).await
    });
    let started = Instant::now();
    while sim.requests().is_empty() && started.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.process.signal("TERM").unwrap();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
    assert!(TcpStream::connect(&server.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn mistakes_in_the_settings_are_shown_all_at_once_and_no_port_opens() {
    let secret = "s3cret-s3cret";
    let config = "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = { bearer = { token_file = \"/nonexistent\" } }\n\
                  [[source]]\nname = \"b\"\npath = \"/b\"\nauth = { barer = { token = \"s3cret-s3cret\" } }\n";
    let mut process = program()
        .env("APIKEY", format!("{secret}\u{e9}"))
        .env("APIENDPOINT", "https://user:s3cret-s3cret@mdss.example")
        .env("RELAY_TIMEOUT", "10")
        .env("RELAY_LOG", "loud")
        .env("RELAY_TOKNE", secret)
        .env("RELAY_CONFIG_TOML", config)
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    for name in [
        "APIKEY",
        "APIENDPOINT",
        "RELAY_TIMEOUT",
        "RELAY_LOG",
        "RELAY_TOKNE",
        "STORAGECLIENTID",
        "source[0].auth",
        "source[1].auth",
    ] {
        assert!(output.contains(&format!("- {name}")), "{name}: {output}");
    }
    assert!(output.contains("is RELAY_TOKEN meant?"), "{output}");
    assert!(!output.contains("s3cret") && !output.contains("listening"), "{output}");

    // A source cannot be switched off by a value that is no proof.
    let config = "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = false\n";
    let mut process = program().env("RELAY_CONFIG_TOML", config).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.output().contains("- source[0].auth"), "{}", process.output());

    // Whoever is in a trusted network can name any address as the client's.
    let mut process = program()
        .env("RELAY_TOKEN", "a\nb")
        .env("RELAY_TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0")
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    assert!(
        output.contains("- RELAY_TRUSTED_PROXIES: found \"0.0.0.0/0\", expected networks of your own"),
        "{output}"
    );
    assert!(output.contains("- RELAY_TOKEN: expected a single line"), "{output}");

    // A file that nobody will ever have written to the end, and one that has no end.
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let config = format!(
        "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = {{ bearer = {{ token_file = \"{}\" }} }}\n",
        endless.display()
    );
    let mut process = program().env("RELAY_CONFIG_TOML", config).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.output().contains("expected a plain file, found "), "{}", process.output());

    let mut open = program().start().unwrap();
    assert_eq!(open.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(open.output().contains("RELAY_TOKEN"), "a guard is wanted in writing: {}", open.output());
}

#[tokio::test]
async fn a_secret_that_has_no_end_is_a_mistake_and_no_wait() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let auth = [
        ("bearer", "{ bearer = { token_file = \"/dev/zero\" } }"),
        ("hmac", "{ hmac = { header = \"x\", secret_file = \"/dev/zero\" } }"),
        ("jdcloud_signature", "{ jdcloud_signature = { certificate_file = \"/dev/zero\" } }"),
    ];
    for (check, auth) in auth {
        let config = format!(
            "[[route]]\nbucket = \"b\"\nstorage_client_id = \"u\"\n[[source]]\nname = \"s\"\npath = \"/s\"\nauth = {auth}\n"
        );
        let mut process = configured(&sim).env("RELAY_CONFIG_TOML", config).start().unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2), "{check}");
        let output = process.output();
        assert!(output.contains("expected a plain file, found a device"), "{check}: {output}");
    }
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
        assert_ne!(server.event(created(&["a"])).await.status, 200);
    }
    server.process.signal("TERM").unwrap();
    server.process.wait(LIMIT).await.unwrap();
    let output = server.process.output();
    assert!(!output.contains(DEFAULT_API_KEY) && !output.contains(TOKEN), "{output}");
    assert!(output.contains("mdss_unauthorized"), "{output}");
}

#[tokio::test]
async fn it_says_what_it_is_and_takes_no_arguments() {
    let run = async |argument: &str| {
        let mut process = program().arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-http ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("RELAY_CONFIG"), "{help}");
    // Its own settings, and nobody else's.
    assert!(
        help.contains("RELAY_LISTEN (http.listen)") && help.contains("RELAY_DATA_DIR (http.data_dir)"),
        "{help}"
    );
    for other in ["RELAY_ON_PERMANENT", "RELAY_QUEUE_PARTIAL"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
    // Somebody meant something by it, and it may be a secret.
    let (code, out, told) = run("s3cret").await;
    assert!(
        (code, out.as_str()) == (Some(2), "") && told.contains("expected none") && !told.contains("s3cret"),
        "{told}"
    );
}
