//! What three clouds post and sign, against the server as a process: EventBridge and the message service of Alibaba Cloud, and SMN of Huawei
//! Cloud. The numbers are those of the table of attacks in the README of `crates/gate`, whose tests have every row.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use drive::{Answer, Headers, Program, Server, Signer};
use jiff::{SignedDuration, Timestamp};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);

/// In paths and a header, where logs must not have them.
const SECRET: &str = "s3cret-of-the-path";
const TOKEN: &str = "t0ken-of-the-target";
const TOPIC: &str = "urn:smn:cn-north-4:28a70000000000000000000000000005:intake";

/// A certificate of 512 bits that OpenSSL has made.
const WEAK: &str = include_str!("../../gate/src/testing/weak.pem");

#[derive(Clone)]
struct Post {
    path: String,
    headers: Headers,
    body: String,
}

impl Post {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A sender, and what its posts and those of others are made of.
struct Cloud {
    name: &'static str,
    /// Signs this object's event, so many seconds ago.
    post: fn(&Urls, &Signer, &str, i64) -> Post,
    /// Changes the body and nothing else.
    changed: fn(Post) -> Post,
}

/// Where certificates are served.
struct Urls {
    certificate: String,
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

fn oss_event(key: &str) -> Value {
    json!({ "eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", "eventTime": "2026-03-04T08:15:42.000Z",
        "eventVersion": "1.0", "region": "cn-hangzhou",
        "oss": { "bucket": { "name": "in" }, "object": { "key": key, "size": 3, "eTag": "7F6374A21710C243C76B5676EBD1D402" } },
        "responseElements": { "requestId": format!("request-{key}") } })
}

fn eventbridge(urls: &Urls, signer: &Signer, key: &str, seconds: i64) -> Post {
    let body = json!({ "id": format!("id-{key}"), "source": "acs.oss", "specversion": "1.0", "type": "oss:ObjectCreated:PutObject",
        "subject": "acs:oss:cn-hangzhou:1:in/k", "aliyunregionid": "cn-hangzhou", "data": oss_event(key) })
    .to_string();
    let url = format!("https://relay.example/eventbridge/{SECRET}");
    let headers = signer.eventbridge(&url, &urls.certificate, Some(TOKEN), ago(seconds), body.as_bytes());
    Post { path: format!("/eventbridge/{SECRET}"), headers, body }
}

fn mns(urls: &Urls, signer: &Signer, key: &str, seconds: i64) -> Post {
    mns_of(("1000000000000001", "intake"), urls, signer, key, seconds)
}

fn mns_of(topic: (&str, &str), urls: &Urls, signer: &Signer, key: &str, seconds: i64) -> Post {
    let (path, body) = (format!("/mns/{SECRET}"), json!({ "events": [oss_event(key)] }).to_string());
    let headers =
        signer.mns(&format!("id-{key}"), topic, &path, &urls.certificate, ago(seconds), body.as_bytes());
    Post { path, headers, body }
}

fn obs_event(key: &str) -> Value {
    json!({ "eventVersion": "3.0", "eventSource": "OBS", "eventRegion": "cn-north-4", "eventTime": "2026-03-04T08:15:42.137Z",
        "eventName": "ObjectCreated:Put", "responseElements": { "x-obs-request-id": format!("request-{key}") },
        "obs": { "Version": "1.0", "bucket": { "name": "in", "bucket": "in" }, "object": { "key": key, "eTag": "bd397c141d51c9bfa47b7693ae30fb74",
            "size": 12, "versionId": "null", "sequencer": format!("6FA7{key}") } } })
}

fn smn(_: &Urls, signer: &Signer, key: &str, seconds: i64) -> Post {
    let records = json!({ "Records": [obs_event(key)] }).to_string();
    smn_of("Notification", TOPIC, &format!("id-{key}"), None, signer, seconds, &records)
}

fn smn_of(
    kind: &str,
    topic: &str,
    id: &str,
    url: Option<&str>,
    signer: &Signer,
    seconds: i64,
    message: &str,
) -> Post {
    let (headers, body) = signer.smn(kind, topic, id, url, ago(seconds), message);
    Post { path: "/smn".into(), headers, body }
}

const CLOUDS: [Cloud; 3] = [
    Cloud {
        name: "eventbridge",
        post: eventbridge,
        changed: |post| Post { body: post.body.replace("size\":3", "size\":4"), ..post },
    },
    Cloud {
        name: "mns",
        post: mns,
        changed: |post| Post { body: post.body.replace("size\":3", "size\":4"), ..post },
    },
    Cloud {
        name: "smn",
        post: smn,
        changed: |post| Post { body: post.body.replace("size\\\":12", "size\\\":13"), ..post },
    },
];

/// A server with one source for each cloud, whose certificates are at the URL, or pinned.
fn program(sim: &Sim, folder: &Path, certificate_url: &str) -> Program {
    let signer = folder.join("signer.pem");
    std::fs::write(&signer, Signer::one().plain_certificate()).unwrap();
    let listed = format!("certificate_urls = [\"{certificate_url}\"], allow_http = true");
    let secret = format!("path_secret = {{ secret = \"{SECRET}\" }}");
    let sources = [
        (
            "eventbridge",
            units::ALIBABA,
            "dialect = \"alibaba-oss\"",
            format!(
                "{{ {secret}, shared_secret = {{ header = \"x-eventbridge-signature-token\", secret = \"{TOKEN}\" }}, alibaba_eventbridge = {{ \
                 public_url = \"https://relay.example/eventbridge\", {listed} }} }}"
            ),
        ),
        (
            "mns",
            units::ALIBABA,
            "dialect = \"alibaba-oss\"",
            format!("{{ {secret}, alibaba_mns = {{ topics = [\"1000000000000001/intake\"], {listed} }} }}"),
        ),
        (
            "smn",
            units::S3_COMPATIBLE,
            "confirm_topics = [\"urn:smn:cn-north-4:28a70000000000000000000000000005:other\"]",
            format!(
                "{{ huawei_smn = {{ topics = [\"{TOPIC}\"], certificate_file = \"{}\" }} }}",
                signer.display()
            ),
        ),
    ];
    let config: String = sources
        .iter()
        .map(|(name, unit, members, auth)| {
            format!(
                "[[route]]\nsource = \"{name}\"\nbucket = \"in\"\nstorage_client_id = \"{unit}\"\n\
                 [[source]]\nname = \"{name}\"\npath = \"/{name}\"\n{members}\nauth = {auth}\n"
            )
        })
        .collect();
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_ATTEMPTS", "1")
        .env("RELAY_BODY_LIMIT", "1MiB")
        .env("RELAY_CONFIG_TOML", config)
}

async fn start(program: Program) -> Server {
    Server::start(&program, LIMIT).await.unwrap()
}

async fn send(server: &Server, post: &Post) -> Answer {
    let headers: Vec<_> = post.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    server.send("POST", &post.path, &headers, post.body.clone()).await.unwrap()
}

async fn line(server: &mut Server, with: &str) -> Value {
    serde_json::from_str(&server.process.wait_for_line(with, LIMIT).await.unwrap()).unwrap()
}

/// A web server that gives one answer and counts.
async fn web(status: &str, more: &str, body: &str) -> (String, Arc<AtomicUsize>) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n{body}",
        body.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut bytes = vec![0; 4096];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (format!("http://{address}/x509.pem"), count)
}

#[tokio::test]
async fn what_is_signed_gets_in_once_and_nothing_else_does() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, fetched) = web("200 OK", "", &Signer::one().plain_certificate()).await;
    let (elsewhere, visited) = web("200 OK", "", &Signer::one().plain_certificate()).await;
    let mut server = start(program(&sim, folder.path(), &certificate)).await;
    let (urls, others) = (Urls { certificate }, Urls { certificate: elsewhere.clone() });
    let mut sent = 0;
    for Cloud { name, post, changed } in CLOUDS {
        let good = |key: &str| post(&urls, Signer::one(), &format!("{name}/{key} b+c%20d"), 0);
        let answer = send(&server, &good("a")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        sent += 1;
        assert!(sim.accepted_keys().contains(&format!("{name}/a b+c%20d")), "{:?}", sim.accepted_keys());
        // Row 8: a repetition hears the same, and goes no further.
        let again = good("b");
        assert_eq!(
            (send(&server, &again).await.status, send(&server, &again).await.status),
            (200, 200),
            "{name}"
        );
        sent += 1;
        assert_eq!(sim.requests().len(), sent, "{name}");
        line(&mut server, "repeated request").await;
        for (what, post) in [
            ("row 6: another body", changed(good("c"))),
            ("another signer", post(&urls, Signer::other(), "d", 0)),
            ("row 8: yesterday's", post(&urls, Signer::one(), "e", 86_400)),
        ] {
            let answer = send(&server, &post).await;
            // The sender learns nothing, the operator which check it was.
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (403, r#"{"outcome":"refused","records":[]}"#),
                "{name}, {what}"
            );
        }
        let check = if name == "smn" { "huawei_smn".to_owned() } else { format!("alibaba_{name}") };
        // Each reason has a line of its own.
        for error_type in ["refused", "refused_out_of_date"] {
            until_told(&server, |line| {
                line["error.type"] == error_type
                    && line["mdss.check"] == *check
                    && line["mdss.source"] == name
            })
            .await;
        }
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "the two that fetch it name one certificate");
    // Row 5: other topics, and no secret.
    let foreign = mns_of(("2000000000000002", "intake"), &urls, Signer::one(), "f", 0);
    assert_eq!(send(&server, &foreign).await.status, 403);
    let foreign =
        smn_of("Notification", &TOPIC.replace("intake", "other"), "f", None, Signer::one(), 0, "{}");
    assert_eq!(send(&server, &foreign).await.status, 403);
    for path in ["/eventbridge", "/mns"] {
        assert_eq!(
            send(&server, &Post { path: path.into(), ..eventbridge(&urls, Signer::one(), "g", 0) })
                .await
                .status,
            403
        );
    }
    let other_token = eventbridge(&urls, Signer::one(), "h", 0)
        .with("x-eventbridge-signature-token", "another-token-of-mine");
    assert_eq!(send(&server, &other_token).await.status, 403);
    // Row 13.
    let mut old = eventbridge(&urls, Signer::one(), "i", 0);
    old.headers.retain(|(name, _)| *name != "x-eventbridge-signature-v2");
    assert_eq!(send(&server, &old.with("x-eventbridge-signature", "AAAA")).await.status, 403);
    // Rows 1 and 17: a certificate that is not listed is never fetched, and the sender may come again.
    for post in [eventbridge(&others, Signer::one(), "j", 0), mns(&others, Signer::one(), "k", 0)] {
        let answer = send(&server, &post).await;
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());
        assert!(answer.text().contains("key_unavailable"), "{}", answer.text());
        assert_eq!(line(&mut server, "names this certificate").await["mdss.key_url"], elsewhere);
    }
    assert_eq!((visited.load(Ordering::SeqCst), sim.requests().len()), (0, sent));
    assert_eq!(sim.requests().len(), sent);
    let printed = server.process.output();
    assert!(!printed.contains(SECRET) && !printed.contains(TOKEN), "{printed}");
}

/// Before anything is hashed. SMN repeats after 5xx alone.
#[tokio::test]
async fn row_21_what_is_too_large_or_packed_is_refused_and_the_next_event_is_not() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, fetched) = web("200 OK", "", &Signer::one().plain_certificate()).await;
    let server = start(program(&sim, folder.path(), &certificate)).await;
    let urls = Urls { certificate };
    for Cloud { name, post, .. } in CLOUDS {
        // White space behind JSON, so that it is the length alone that is wrong, and the signature, which nobody gets to.
        let mut large = post(&urls, Signer::one(), &format!("{name}/large"), 0);
        large.body.push_str(&" ".repeat(1 << 20));
        let status = if name == "smn" { 503 } else { 413 };
        assert_eq!(send(&server, &large).await.status, status, "{name}");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 0, "a key was fetched for what is too large");
    for Cloud { name, post, .. } in CLOUDS {
        for coding in ["br", "zstd", "gzip, deflate"] {
            let packed = post(&urls, Signer::one(), &format!("{name}/{coding}"), 0);
            let status = if name == "smn" { 503 } else { 415 };
            let answer = send(&server, &packed.with("content-encoding", coding)).await;
            assert_eq!(answer.status, status, "{name}, {coding}");
        }
    }
    assert!(sim.requests().is_empty());
    for Cloud { name, post, .. } in CLOUDS {
        let answer = send(&server, &post(&urls, Signer::one(), &format!("{name}/good"), 0)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    let mut keys = sim.accepted_keys();
    keys.sort_unstable();
    assert_eq!(keys, ["eventbridge/good", "mns/good", "smn/good"]);
}

/// Waits for a line of the log that is one.
async fn until_told(server: &Server, is_it: impl Fn(&Value) -> bool) {
    let told = async || {
        server
            .process
            .stderr()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .any(|line| is_it(&line))
    };
    drive::until("a line of the log", LIMIT, told).await.unwrap();
}

#[tokio::test]
async fn rows_03_and_12_a_certificate_that_is_no_use_is_no_reason_to_call_the_sender_a_stranger() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (elsewhere, visited) = web("200 OK", "", &Signer::one().plain_certificate()).await;
    for (what, status, more, body, told) in [
        ("a redirect", "302 Found", format!("Location: {elsewhere}\r\n"), "", "its URL answered 302"),
        ("512 bits", "200 OK", String::new(), WEAK, "a key of 512 bits: no proof"),
        ("no certificate", "200 OK", String::new(), "<html>", "a certificate or a public key in PEM"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, _) = web(status, &more, body).await;
        let mut server = start(program(&sim, folder.path(), &certificate)).await;
        let urls = Urls { certificate };
        for post in [eventbridge(&urls, Signer::one(), "a", 0), mns(&urls, Signer::one(), "b", 0)] {
            let answer = send(&server, &post).await;
            assert_eq!(
                (answer.status, answer.header("retry-after").is_some()),
                (503, true),
                "{what}: {}",
                answer.text()
            );
            assert!(answer.text().contains("key_unavailable"), "{what}: {}", answer.text());
        }
        let line = line(&mut server, "a key for signatures could not be fetched").await;
        assert!(line["message"].as_str().unwrap().contains(told), "{what}: {line}");
    }
    // Pinned, it is a mistake at the start.
    let folder = tempfile::tempdir().unwrap();
    let weak = folder.path().join("weak.pem");
    std::fs::write(&weak, WEAK).unwrap();
    let config = format!(
        "[[source]]\nname = \"m\"\npath = \"/m\"\nauth = {{ alibaba_mns = {{ topics = [\"1/t\"], certificate_file = \"{}\" }} }}\n",
        weak.display()
    );
    let mut process =
        program(&sim, folder.path(), &elsewhere).env("RELAY_CONFIG_TOML", config).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let printed = process.output();
    for sentence in [
        "this is a key of 512 bits: no proof",
        "a signature without a secret path",
        "expected path_secret beside it",
    ] {
        assert!(printed.contains(sentence), "{printed}");
    }
    assert_eq!((visited.load(Ordering::SeqCst), sim.requests().len()), (0, 0));
}

#[tokio::test]
async fn rows_15_and_18_of_smns_message_only_what_is_signed_counts_and_nobody_is_visited_on_its_word() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, visited) = web("200 OK", "", "").await;
    let mut server = start(program(&sim, folder.path(), &certificate)).await;
    fn signed(kind: &str, id: &str, url: Option<&str>, message: &str) -> Post {
        smn_of(kind, TOPIC, id, url, Signer::one(), 0, message)
    }
    // Members that nobody signed, of every kind of event that this dialect has.
    let records = json!({ "Records": [obs_event("smuggled")] });
    let cloud = json!({ "specversion": "1.0", "id": "x", "source": "HC.OBS.DWR", "datacontenttype": "application/json", "data": obs_event("smuggled") });
    let list = json!({ "record": [{ "smn": { "topic_urn": TOPIC, "type": "notification", "message_id": "x", "message": records.to_string() } }] });
    for (what, members) in
        [("records", &records), ("an event of EventGrid", &cloud), ("a list of messages", &list)]
    {
        let mut post = signed("Notification", what, None, "{\"Records\":[]}");
        let mut message: Value = serde_json::from_str(&post.body).unwrap();
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        post.body = message.to_string();
        let answer = send(&server, &post).await;
        assert!(!answer.text().contains("smuggled"), "{what}: {} {}", answer.status, answer.text());
        assert!(sim.requests().is_empty(), "{what}");
    }
    let otherwise =
        signed("Notification", "a", None, "{}").with("x-smn-message-type", "SubscriptionConfirmation");
    assert_eq!(send(&server, &otherwise).await.status, 403);
    // Confirmations that are signed, and lead to this machine, to a bucket, or to another topic.
    for (id, url) in [
        ("1", format!("{certificate}/smn/subscription/confirm?token=t0ken-of-smn&topic_urn={TOPIC}")),
        ("2", format!("https://relay.obs.cn-north-4.myhuaweicloud.com/smn/subscription/confirm?token=t0ken-of-smn&topic_urn={TOPIC}")),
        ("3", "https://console.huaweicloud.com/smn/subscription/confirm?token=t0ken-of-smn&topic_urn=urn:smn:cn-north-4:1:other".to_owned()),
    ] {
        let answer = send(&server, &signed("SubscriptionConfirmation", id, Some(&url), "You are invited")).await;
        assert_eq!((answer.status, answer.text().contains("t0ken-of-smn")), (400, false), "{url}: {}", answer.text());
        assert!(answer.text().contains("subscribe_url: expected https://console.huaweicloud.com/"), "{}", answer.text());
    }
    // The right place, and a topic that confirm_topics does not name: a line, and nothing else. So with the messages that are no event.
    let url = format!(
        "https://console.huaweicloud.com/smn/subscription/confirm?token=t0ken-of-smn&topic_urn={TOPIC}"
    );
    for (kind, url, told) in [
        ("SubscriptionConfirmation", Some(url.as_str()), "a subscription waits for its confirmation"),
        ("UnsubscribeConfirmation", Some(url.as_str()), "the topic has ended this subscription"),
        ("HttpSubscriptionUserConfirm", None, "a subscription was confirmed"),
    ] {
        let answer = send(&server, &signed(kind, kind, url, "a message")).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        line(&mut server, told).await;
    }
    // Nobody but SMN may have such a line written.
    let forged = smn_of("UnsubscribeConfirmation", TOPIC, "z", Some(&url), Signer::other(), 0, "a message");
    assert_eq!(send(&server, &forged).await.status, 403);
    assert_eq!((visited.load(Ordering::SeqCst), sim.requests().len()), (0, 0));
    let printed = server.process.output();
    assert!(!printed.contains("t0ken-of-smn"), "{printed}");
}

/// An answer that comes after 5 s is final for SMN. Strangers need no secret to take every place of a source without a check of the head.
#[tokio::test]
async fn bodies_that_never_arrive_do_not_make_an_answer_late() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, _) = web("200 OK", "", "").await;
    let server = start(program(&sim, folder.path(), &certificate)).await;
    let urls = Urls { certificate };
    let mut strangers = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = "POST /smn HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // It is asked for its body, so it has a place.
        let mut said = [0; 12];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"HTTP/1.1 100");
        strangers.push(stream);
    }
    let (asked, post) = (Instant::now(), smn(&urls, Signer::one(), "a", 0));
    let answer = send(&server, &post).await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(strangers);
    assert_eq!(send(&server, &post).await.status, 200);
}

#[tokio::test]
async fn in_spooled_mode_each_is_answered_once_it_is_on_disk_and_a_full_disk_is_503() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, _) = web("200 OK", "", &Signer::one().plain_certificate()).await;
    let program = program(&sim, folder.path(), &certificate)
        .env("RELAY_MODE", "spooled")
        .env("RELAY_SPOOL_LIMIT", "2MiB")
        .env("RELAY_DATA_DIR", folder.path().join("data"));
    let server = start(program).await;
    let urls = Urls { certificate };
    // While MDSS is away.
    let keys: Vec<_> = CLOUDS.iter().map(|cloud| format!("{}/k", cloud.name)).collect();
    for (cloud, key) in CLOUDS.iter().zip(&keys) {
        sim.push_for(key, vec![Step::Unavailable]);
        let post = (cloud.post)(&urls, Signer::one(), key, 0);
        let answer = send(&server, &post).await;
        assert_eq!(
            (answer.status, answer.text().contains("spooled")),
            (200, true),
            "{key}: {}",
            answer.text()
        );
        assert_eq!(send(&server, &post).await.text(), answer.text(), "{key}");
        assert_eq!(send(&server, &(cloud.changed)(post)).await.status, 403, "{key}");
    }
    drive::until("delivery", LIMIT, async || {
        let mut accepted = sim.accepted_keys();
        accepted.sort();
        accepted == keys
    })
    .await
    .unwrap();
    // SMN repeats after 5xx alone, so this must be one.
    sim.push(vec![Step::Hang; 1000]);
    let mut number = 0;
    let full = loop {
        let records: Vec<_> =
            (0..20).map(|n| obs_event(&format!("{number}-{n}-{}", "x".repeat(900)))).collect();
        let message = json!({ "Records": records }).to_string();
        let post = smn_of("Notification", TOPIC, &format!("full-{number}"), None, Signer::one(), 0, &message);
        let answer = send(&server, &post).await;
        if answer.status != 200 {
            break answer;
        }
        number += 1;
        assert!(number < 500, "it has no end");
    };
    assert_eq!((full.status, full.header("retry-after").is_some()), (503, true), "{}", full.text());
    assert!(full.text().contains("spool_unavailable"), "{}", full.text());
}
