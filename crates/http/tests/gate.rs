//! Who is kept out, and who gets in: signatures, addresses and secrets, against the server as a process. Keys are made here
//! and thrown away.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drive::{Answer, HttpPoster, Process, Program};
use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::rand_core::OsRng;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(20);

/// A key pair, and what is made with it.
struct Signer {
    key: RsaPrivateKey,
    public: Vec<u8>,
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl Signer {
    /// Made once: a key takes its time.
    fn one() -> &'static Self {
        static ONE: OnceLock<Signer> = OnceLock::new();
        ONE.get_or_init(|| {
            let key = RsaPrivateKey::new(&mut OsRng, 2048).unwrap();
            let public = key.to_public_key().to_pkcs1_der().unwrap().into_vec();
            Self { key, public }
        })
    }

    fn certificate(&self) -> String {
        let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
        CertificateParams::new(vec!["signer.example".to_owned()])
            .unwrap()
            .signed_by(self, &issuer)
            .unwrap()
            .pem()
    }

    /// SHA1withRSA, PKCS#1 v1.5, in base64.
    fn sign(&self, text: &str) -> String {
        const INFO: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
        let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let padding = Pkcs1v15Sign { hash_len: Some(20), prefix: INFO.into() };
        STANDARD.encode(self.key.sign(padding, hash.as_ref()).unwrap())
    }
}

/// A post of JD's notification service.
#[derive(Clone)]
struct Post {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Post {
    /// Signed for a path as JD sees it.
    fn jd(id: &str, path: &str, certificate_url: &str, body: &str) -> Self {
        let hash: String = Md5::digest(body.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let md5 = STANDARD.encode(hash);
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let url = STANDARD.encode(format!("{certificate_url}\n"));
        let text = format!(
            "POST\n{md5}\ntext/xml;charset=utf-8\n{date}\nx-jdcloud-message-type:Notification\nx-jdcloud-request-id:{id}\n\
             x-jdcloud-signing-cert-url:{url}\nx-jdcloud-version:2015-06-06\n{path}"
        );
        let headers = [
            ("authorization", Signer::one().sign(&text)),
            ("content-md5", md5),
            ("content-type", "text/xml;charset=utf-8".to_owned()),
            ("date", date),
            ("x-jdcloud-message-type", "Notification".to_owned()),
            ("x-jdcloud-request-id", id.to_owned()),
            ("x-jdcloud-signing-cert-url", url),
            ("x-jdcloud-version", "2015-06-06".to_owned()),
        ];
        let headers = headers.map(|(n, v)| (n.to_owned(), v)).to_vec();
        Self { path: path.to_owned(), headers, body: body.to_owned() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn event(key: &str) -> String {
    json!({ "Records": [{ "eventSource": "oss", "eventName": "s3:ObjectCreated:Put",
            "s3": { "bucket": { "name": "b" }, "object": { "key": key } } }] })
    .to_string()
}

struct Server {
    process: Process,
    address: String,
    _config: tempfile::TempDir,
}

/// A server with one source; `CERT` in its members is the path of the signer's certificate.
async fn start(sim: &Sim, source: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("signer.pem");
    std::fs::write(&certificate, Signer::one().certificate()).unwrap();
    let config = format!(
        "[[route]]\nsource = \"s\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n[[source]]\nname = \"s\"\npath = \"/s\"\n{}\n",
        units::S3_COMPATIBLE,
        source.replace("CERT", certificate.to_str().unwrap())
    );
    let mut process = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_ATTEMPTS", "1")
        .env("RELAY_CONFIG_TOML", config)
        .start()
        .unwrap();
    let line = process.wait_for_line("listening on", LIMIT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let address = format!("{}:{}", line["server.address"].as_str().unwrap(), line["server.port"]);
    Server { process, address, _config: folder }
}

impl Server {
    async fn post(&self, post: &Post) -> Answer {
        let headers: Vec<_> = post.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let url = format!("http://{}{}", self.address, post.path);
        HttpPoster::new(LIMIT).send("POST", &url, &headers, post.body.clone().into_bytes()).await.unwrap()
    }

    async fn line(&mut self, with: &str) -> Value {
        serde_json::from_str(&self.process.wait_for_line(with, LIMIT).await.unwrap()).unwrap()
    }
}

/// A web server that gives one answer and counts.
async fn web(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 4096];
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, count)
}

fn page(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_signed_callback_gets_in_and_nothing_else_does() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let pinned = "dialect = \"jdcloud\"\nauth = { jdcloud_signature = { certificate_file = \"CERT\" } }";
    let mut server = start(&sim, pinned).await;
    let good = |id: &str| Post::jd(id, "/s", "https://elsewhere.example/c.pem", &event("k"));
    assert_eq!(server.post(&good("1")).await.status, 200);

    for (what, post) in [
        ("a body changed by one byte", Post { body: event("l"), ..good("2") }),
        ("another path", Post { path: "/s?x".into(), ..good("3") }),
        ("another request id", good("4").with("x-jdcloud-request-id", "5")),
        ("one more signed header", good("6").with("x-jdcloud-extra", "1")),
        ("no signature", good("7").with("authorization", "")),
        ("somebody else's scheme", good("8").with("authorization", "Bearer t0ken")),
        (
            "no hash of the body",
            Post {
                headers: good("9").headers.into_iter().filter(|h| h.0 != "content-md5").collect(),
                ..good("9")
            },
        ),
        ("yesterday's date", {
            let date = Timestamp::now() - SignedDuration::from_hours(24);
            good("10").with("date", &date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        }),
        (
            "a handshake nobody signed",
            Post::jd("11", "/s", "", "text").with("x-jdcloud-message-type", "SubscriptionConfirmation"),
        ),
    ] {
        let answer = server.post(&post).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        // The caller learns nothing; the operator learns which check it was.
        assert_eq!(answer.text(), r#"{"outcome":"refused","records":[]}"#, "{what}");
        let line = server.line("refused: ").await;
        assert_eq!(
            (line["mdss.check"].as_str(), line["mdss.source"].as_str()),
            (Some("jdcloud_signature"), Some("s"))
        );
    }
    assert_eq!(sim.accepted().len(), 1);
}

#[tokio::test]
async fn a_repetition_of_what_is_done_gets_the_same_answer_and_one_of_what_is_not_gets_through() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push_for("later", vec![Step::Unavailable]);
    let mut server =
        start(&sim, "dialect = \"jdcloud\"\nauth = { jdcloud_signature = { certificate_file = \"CERT\" } }")
            .await;
    let post = Post::jd("1", "/s", "", &event("k"));
    let first = server.post(&post).await;
    let second = server.post(&post).await;
    assert_eq!((first.status, second.status, first.text()), (200, 200, second.text()));
    assert_eq!(sim.accepted().len(), 1);
    server.line("repeated request").await;
    // The same object again is another event of its own.
    assert_eq!(server.post(&Post::jd("2", "/s", "", &event("k"))).await.status, 200);
    assert_eq!(sim.requests().len(), 2);
    // JD's own repetition, after MDSS was away.
    let post = Post::jd("3", "/s", "", &event("later"));
    assert_eq!(server.post(&post).await.status, 503);
    assert_eq!(server.post(&post).await.status, 200);
    assert_eq!(sim.requests().len(), 4);
    // Of a long report the outcome is remembered.
    let mut long: Value = serde_json::from_str(&event("removed")).unwrap();
    long["Records"][0]["eventName"] = "s3:ObjectRemoved:Delete".into();
    let record = long["Records"][0].clone();
    long["Records"] = vec![record; 200].into();
    let post = Post::jd("4", "/s", "", &long.to_string());
    let first = server.post(&post).await;
    assert!(first.status == 200 && first.body.len() > 16 << 10, "{}", first.body.len());
    let second = server.post(&post).await;
    assert_eq!((second.status, second.text().as_str()), (200, r#"{"outcome":"done","records":[]}"#));
}

#[tokio::test]
async fn a_listed_certificate_is_fetched_once_and_no_other_one_ever() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (keys, fetched) = web(page("200 OK", "", &Signer::one().certificate())).await;
    let (stranger, visited) = web(page("200 OK", "", &Signer::one().certificate())).await;
    let url = format!("http://{keys}/x509.pem");
    let source = format!(
        "dialect = \"jdcloud\"\nauth = {{ jdcloud_signature = {{ certificate_urls = [\"{url}\"], allow_http = true }} }}"
    );
    let mut server = start(&sim, &source).await;
    // A neighbour's bucket, the same host with another path, a prefix of the right one.
    for other in [
        format!("http://{stranger}/x509.pem"),
        format!("http://{keys}/y.pem"),
        format!("{url}x"),
        "http://user:pass@x/".into(),
    ] {
        assert_eq!(server.post(&Post::jd("0", "/s", &other, &event("k"))).await.status, 403, "{other}");
    }
    let shown = server.line("names this certificate").await;
    assert_eq!(shown["mdss.key_url"].as_str(), Some(format!("http://{stranger}/x509.pem").as_str()));
    assert_eq!((visited.load(Ordering::SeqCst), fetched.load(Ordering::SeqCst)), (0, 0));
    for id in ["1", "2", "3"] {
        assert_eq!(server.post(&Post::jd(id, "/s", &url, &event("k"))).await.status, 200);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_is_no_reason_to_call_the_sender_a_stranger() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (elsewhere, visited) = web(page("200 OK", "", &Signer::one().certificate())).await;
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let location = format!("Location: http://{elsewhere}/x509.pem\r\n");
    for (what, host) in [
        ("nobody there", away),
        ("a redirect", web(page("302 Found", &location, "")).await.0),
        ("an error", web(page("500 Oops", "", &Signer::one().certificate())).await.0),
        ("too much", web(page("200 OK", "", &"A".repeat(1 << 20))).await.0),
        ("no certificate", web(page("200 OK", "", "<html>")).await.0),
        ("half an answer", web("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n-----BEGIN".into()).await.0),
    ] {
        let url = format!("http://{host}/x509.pem");
        let source = format!(
            "dialect = \"jdcloud\"\nauth = {{ jdcloud_signature = {{ certificate_urls = [\"{url}\"], allow_http = true }} }}"
        );
        let mut server = start(&sim, &source).await;
        let answer = server.post(&Post::jd("1", "/s", &url, &event("k"))).await;
        let report: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, report["outcome"].as_str()), (503, Some("transient")), "{what}");
        assert_eq!(report["records"][0]["reason"], "key_unavailable", "{what}");
        assert!(answer.header("retry-after").is_some(), "{what}");
        server.line("a key for signatures could not be fetched").await;
    }
    assert_eq!((visited.load(Ordering::SeqCst), sim.requests().len()), (0, 0));
}

/// A web server that takes requests, answers none, and counts.
async fn silent_web() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

#[tokio::test]
async fn a_host_that_hangs_is_asked_once_whoever_hangs_up_and_keeps_no_other_source_waiting() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (hanging, asked) = silent_web().await;
    let (keys, _) = web(page("200 OK", "", &Signer::one().certificate())).await;
    let (hanging, good) = (format!("http://{hanging}/x509.pem"), format!("http://{keys}/x509.pem"));
    let source = |url: &str| {
        format!("auth = {{ jdcloud_signature = {{ certificate_urls = [\"{url}\"], allow_http = true }} }}")
    };
    let sources = format!("{}\n[[source]]\nname = \"t\"\npath = \"/t\"\n{}", source(&hanging), source(&good));
    let mut server = start(&sim, &sources).await;
    // Whoever hangs up while the key is fetched does not end the fetch, and so causes no second one.
    for id in ["1", "2", "3"] {
        let post = Post::jd(id, "/s", &hanging, &event("k"));
        let head: String = post.headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        let request = format!(
            "POST /s HTTP/1.1\r\nHost: relay\r\nContent-Length: {}\r\n{head}\r\n{}",
            post.body.len(),
            post.body
        );
        let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    // Another source's key is there before the first one is given up, which takes seconds.
    assert_eq!(server.post(&Post::jd("4", "/t", &good, r#"{"Records":[]}"#)).await.status, 200);
    server.line("a key for signatures was fetched").await;
    server.line("a key for signatures could not be fetched").await;
    let printed = server.process.output();
    assert!(
        printed.find("a key for signatures was fetched")
            < printed.find("a key for signatures could not be fetched"),
        "{printed}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_path_that_the_sender_sees_is_the_one_that_is_signed() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let source = "dialect = \"jdcloud\"\npublic_path = \"/relay/jd\"\nauth = { jdcloud_signature = { certificate_file = \"CERT\" }, \
                  path_secret = { secret = \"0123456789abcdef\" } }";
    let server = start(&sim, source).await;
    // What a proxy makes of /relay/jd/…
    let post = |signed: &str| Post {
        path: "/s/0123456789abcdef?q=1".into(),
        ..Post::jd(signed, signed, "", &event("k"))
    };
    assert_eq!(server.post(&post("/relay/jd/0123456789abcdef?q=1")).await.status, 200);
    assert_eq!(server.post(&post("/s/0123456789abcdef?q=1")).await.status, 403);
    assert_eq!(server.post(&post("/relay/jd/0123456789abcdef")).await.status, 403);
}

#[tokio::test]
async fn an_address_counts_and_a_proxy_is_believed_only_if_it_is_trusted() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let post = |forwarded: &str| {
        let headers = vec![("x-forwarded-for".to_owned(), forwarded.to_owned())];
        Post { path: "/s".into(), headers, body: event("k") }
    };
    let source = "auth = { source_addresses = [\"192.0.2.0/24\"] }";
    let mut server = start(&sim, source).await;
    assert_eq!(server.post(&post("192.0.2.7")).await.status, 403);
    assert_eq!(server.line("refused: ").await["mdss.check"], "source_addresses");
    let server = start(&sim, &format!("{source}\n[http]\ntrusted_proxies = [\"127.0.0.0/8\"]")).await;
    assert_eq!(server.post(&post("192.0.2.7")).await.status, 200);
    assert_eq!(server.post(&post("192.0.2.7, 198.51.100.1")).await.status, 403);
    assert_eq!(server.post(&post("198.51.100.1, 192.0.2.7")).await.status, 200);
    assert_eq!(server.post(&post("unknown")).await.status, 403);
    let server = start(&sim, "auth = { source_addresses = [\"127.0.0.1\"] }").await;
    assert_eq!(server.post(&post("192.0.2.7")).await.status, 200);
}

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:claims";

/// A message of SNS, signed, with some members exchanged before that.
fn sns(kind: &str, message: &str, more: &[(&str, &str)]) -> Value {
    let mut members = serde_json::Map::new();
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    for (name, value) in [
        ("Type", kind),
        ("MessageId", "b018ed7b-ff94-4bb0-ad23-e266a3c6ca9d"),
        ("TopicArn", TOPIC),
        ("Message", message),
        ("Timestamp", &now),
        ("SignatureVersion", "1"),
        ("SigningCertURL", "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-relaydemo.pem"),
    ]
    .iter()
    .chain(more)
    {
        members.insert((*name).to_owned(), json!(value));
    }
    let mut names = vec!["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];
    names.retain(|name| members.contains_key(*name));
    let text: String = names.iter().map(|n| format!("{n}\n{}\n", members[*n].as_str().unwrap())).collect();
    members.insert("Signature".into(), json!(Signer::one().sign(&text)));
    Value::Object(members)
}

#[tokio::test]
async fn messages_of_sns_are_verified_and_nobody_is_visited_on_their_word() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (stranger, visited) = web(page("200 OK", "", &Signer::one().certificate())).await;
    let source = format!(
        "dialect = \"aws-sns\"\nauth = {{ sns = {{ topics = [\"{TOPIC}\"], certificate_file = \"CERT\" }} }}\nconfirm_topics = [\"{TOPIC}\"]"
    );
    let mut server = start(&sim, &source).await;
    let post = |message: &Value| Post {
        path: "/s".into(),
        headers: vec![("content-type".into(), "text/plain; charset=UTF-8".into())],
        body: message.to_string(),
    };
    let s3 = event("k").replace("oss", "aws:s3");
    let good = sns("Notification", &s3, &[]);
    assert_eq!(server.post(&post(&good)).await.status, 200);
    assert_eq!(
        (sim.accepted().len(), server.post(&post(&good)).await.status, sim.requests().len()),
        (1, 200, 1)
    );
    let mut smuggled = good.clone();
    smuggled["Records"] = json!([{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "smuggled" } } }]);
    // Signed, but no signature covers what was added: before the original it is refused, after it a repetition.
    let mut first = sns("Notification", &s3, &[("MessageId", "1")]);
    first["Records"] = smuggled["Records"].clone();
    assert_eq!(server.post(&post(&first)).await.status, 400);
    assert_eq!((server.post(&post(&smuggled)).await.status, sim.requests().len()), (200, 1));
    // The same in a source that names no dialect: members of another one choose no other reader.
    let unpinned = format!("auth = {{ sns = {{ topics = [\"{TOPIC}\"], certificate_file = \"CERT\" }} }}");
    let detecting = start(&sim, &unpinned).await;
    let oracle = json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.createobject",
        "data": { "resourceName": "smuggled", "additionalDetails": { "bucketName": "b", "namespace": "n" } } });
    let streamed =
        json!({ "stream": "s", "partition": "0", "offset": 0, "value": STANDARD.encode(oracle.to_string()) });
    for (what, members, header) in [
        ("an event of OCI", &oracle, None),
        ("the same, and a header that says so", &oracle, Some(("x-oci-ns-messagetype", "Notification"))),
        ("a record of a stream", &streamed, None),
    ] {
        let mut message = sns("Notification", &json!({ "Records": [] }).to_string(), &[]);
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let mut post = post(&message);
        post.headers.extend(header.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let answer = detecting.post(&post).await;
        assert_eq!(
            (answer.status, answer.text().contains("smuggled")),
            (200, false),
            "{what}: {}",
            answer.text()
        );
    }
    assert_eq!(sim.requests().len(), 1);
    let mut changed = good.clone();
    changed["Message"] = json!(s3.replace("\"k\"", "\"l\""));
    assert_eq!(server.post(&post(&changed)).await.status, 403);
    let foreign = TOPIC.replace("claims", "others");
    assert_eq!(server.post(&post(&sns("Notification", &s3, &[("TopicArn", &foreign)]))).await.status, 403);
    assert_eq!(
        server
            .post(&Post {
                headers: vec![("x-amz-sns-rawdelivery".into(), "true".into())],
                ..post(&json!({ "Records": [] }))
            })
            .await
            .status,
        403
    );
    // A confirmation that is signed, and leads to this machine, or to the service of another topic.
    for url in [
        format!("http://{stranger}/"),
        format!("https://{stranger}/?Action=ConfirmSubscription"),
        "https://localhost/?Action=ConfirmSubscription".into(),
    ] {
        let message =
            sns("SubscriptionConfirmation", "You have chosen", &[("Token", "t0ken"), ("SubscribeURL", &url)]);
        let answer = server.post(&post(&message)).await;
        assert_eq!((answer.status, answer.text().contains("t0ken")), (400, false), "{url}");
        assert!(
            answer.text().contains("SubscribeURL: expected https://sns.eu-central-1.amazonaws.com/"),
            "{}",
            answer.text()
        );
    }
    let url = format!(
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t0ken"
    );
    let message =
        sns("UnsubscribeConfirmation", "You have chosen", &[("Token", "t0ken"), ("SubscribeURL", &url)]);
    assert_eq!(server.post(&post(&message)).await.status, 200);
    server.line("has ended this subscription").await;
    assert_eq!((visited.load(Ordering::SeqCst), sim.requests().len()), (0, 1));

    // Without a pinned certificate its URL must be of the topic's own service.
    let server = start(&sim, &format!("auth = {{ sns = {{ topics = [\"{TOPIC}\"] }} }}")).await;
    for url in [
        format!("https://{stranger}/x.pem"),
        format!("http://{stranger}/x.pem"),
        "https://sns.eu-west-1.amazonaws.com/x.pem".into(),
        "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem".into(),
    ] {
        let message = sns("Notification", &s3, &[("SigningCertURL", &url)]);
        assert_eq!(server.post(&post(&message)).await.status, 403, "{url}");
    }
    assert_eq!(visited.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn secrets_and_hashes_in_headers_and_queries() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let body = event("k");
    let post = |path: &str, headers: &[(&str, &str)]| Post {
        path: path.into(),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: body.clone(),
    };
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"0123456789abcdef");
    let tag = ring::hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let server = start(
        &sim,
        "auth = { hmac = { header = \"x-sig\", secret = \"0123456789abcdef\", prefix = \"sha256=\" } }",
    )
    .await;
    assert_eq!(server.post(&post("/s", &[("x-sig", &format!("sha256={hex}"))])).await.status, 200);
    for wrong in [
        String::new(),
        hex.clone(),
        format!("sha256={}", &hex[1..]),
        format!("sha256={}", hex.replace(&hex[..1], "x")),
    ] {
        assert_eq!(server.post(&post("/s", &[("x-sig", &wrong)])).await.status, 403, "{wrong}");
    }
    assert_eq!(server.post(&post("/s", &[])).await.status, 403);
    let mut server =
        start(&sim, "auth = { shared_secret = { query = \"code\", secret = \"0123456789abcdef\" } }").await;
    assert_eq!(server.post(&post("/s?code=0123456789abcdef", &[])).await.status, 200);
    assert_eq!(server.post(&post("/s?code=0123456789abcdeF", &[])).await.status, 403);
    assert_eq!(server.post(&post("/s?code=0123456789abcdef&code=0123456789abcdef", &[])).await.status, 403);
    server.line("refused: ").await;
    let all = server.process.stderr();
    assert!(!all.contains("0123456789abcde"), "{all}");
}
