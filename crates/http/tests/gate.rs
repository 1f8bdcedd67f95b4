//! Who is kept out, and who gets in: signatures, addresses and secrets, against the server as a process. Keys are made here
//! and thrown away.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drive::{Answer, Program, Server, Signer};
use jiff::{SignedDuration, Timestamp};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(20);

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
        let headers = Signer::one().jdcloud(id, path, certificate_url, body.as_bytes());
        let headers = headers.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        Self { path: path.to_owned(), headers, body: body.to_owned() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn event(key: &str) -> String {
    mdss_sim::created("oss", "b", &[key])
}

/// A server with one source; `CERT` in its members is the path of the signer's certificate.
async fn start(sim: &Sim, source: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("signer.pem");
    std::fs::write(&certificate, Signer::one().plain_certificate()).unwrap();
    let config = format!(
        "[[route]]\nsource = \"s\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n[[source]]\nname = \"s\"\npath = \"/s\"\n{}\n",
        units::S3_COMPATIBLE,
        source.replace("CERT", certificate.to_str().unwrap())
    );
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_ATTEMPTS", "1")
        .env("RELAY_CONFIG_TOML", config);
    // A certificate is read once, at the start.
    Server::start(&program, LIMIT).await.unwrap()
}

async fn send(server: &Server, post: &Post) -> Answer {
    let headers: Vec<_> = post.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    server.send("POST", &post.path, &headers, post.body.clone()).await.unwrap()
}

async fn line(server: &mut Server, with: &str) -> Value {
    serde_json::from_str(&server.process.wait_for_line(with, LIMIT).await.unwrap()).unwrap()
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
    assert_eq!(send(&server, &good("1")).await.status, 200);

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
        let answer = send(&server, &post).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        // The caller learns nothing; the operator learns which check it was.
        assert_eq!(answer.text(), r#"{"outcome":"refused","records":[]}"#, "{what}");
        let line = line(&mut server, "refused: ").await;
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
    let first = send(&server, &post).await;
    let second = send(&server, &post).await;
    assert_eq!((first.status, second.status, first.text()), (200, 200, second.text()));
    assert_eq!(sim.accepted().len(), 1);
    line(&mut server, "repeated request").await;
    // The same object again is another event of its own.
    assert_eq!(send(&server, &Post::jd("2", "/s", "", &event("k"))).await.status, 200);
    assert_eq!(sim.requests().len(), 2);
    // JD's own repetition, after MDSS was away.
    let post = Post::jd("3", "/s", "", &event("later"));
    assert_eq!(send(&server, &post).await.status, 503);
    assert_eq!(send(&server, &post).await.status, 200);
    assert_eq!(sim.requests().len(), 4);
    // Of a long report the outcome is remembered.
    let mut long: Value = serde_json::from_str(&event("removed")).unwrap();
    long["Records"][0]["eventName"] = "s3:ObjectRemoved:Delete".into();
    let record = long["Records"][0].clone();
    long["Records"] = vec![record; 200].into();
    let post = Post::jd("4", "/s", "", &long.to_string());
    let first = send(&server, &post).await;
    assert!(first.status == 200 && first.body.len() > 16 << 10, "{}", first.body.len());
    let second = send(&server, &post).await;
    assert_eq!((second.status, second.text().as_str()), (200, r#"{"outcome":"done","records":[]}"#));
}

#[tokio::test]
async fn a_listed_certificate_is_fetched_once_and_no_other_one_ever() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (keys, fetched) = web(page("200 OK", "", &Signer::one().plain_certificate())).await;
    let (stranger, visited) = web(page("200 OK", "", &Signer::one().plain_certificate())).await;
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
        assert_eq!(send(&server, &Post::jd("0", "/s", &other, &event("k"))).await.status, 403, "{other}");
    }
    let shown = line(&mut server, "names this certificate").await;
    assert_eq!(shown["mdss.key_url"].as_str(), Some(format!("http://{stranger}/x509.pem").as_str()));
    assert_eq!((visited.load(Ordering::SeqCst), fetched.load(Ordering::SeqCst)), (0, 0));
    for id in ["1", "2", "3"] {
        assert_eq!(send(&server, &Post::jd(id, "/s", &url, &event("k"))).await.status, 200);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_is_no_reason_to_call_the_sender_a_stranger() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (elsewhere, visited) = web(page("200 OK", "", &Signer::one().plain_certificate())).await;
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let location = format!("Location: http://{elsewhere}/x509.pem\r\n");
    for (what, host) in [
        ("nobody there", away),
        ("a redirect", web(page("302 Found", &location, "")).await.0),
        ("an error", web(page("500 Oops", "", &Signer::one().plain_certificate())).await.0),
        ("too much", web(page("200 OK", "", &"A".repeat(1 << 20))).await.0),
        ("no certificate", web(page("200 OK", "", "<html>")).await.0),
        ("half an answer", web("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n-----BEGIN".into()).await.0),
    ] {
        let url = format!("http://{host}/x509.pem");
        let source = format!(
            "dialect = \"jdcloud\"\nauth = {{ jdcloud_signature = {{ certificate_urls = [\"{url}\"], allow_http = true }} }}"
        );
        let mut server = start(&sim, &source).await;
        let answer = send(&server, &Post::jd("1", "/s", &url, &event("k"))).await;
        let report: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, report["outcome"].as_str()), (503, Some("transient")), "{what}");
        assert_eq!(report["records"][0]["reason"], "key_unavailable", "{what}");
        assert!(answer.header("retry-after").is_some(), "{what}");
        line(&mut server, "a key for signatures could not be fetched").await;
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
    let (keys, _) = web(page("200 OK", "", &Signer::one().plain_certificate())).await;
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
    assert_eq!(send(&server, &Post::jd("4", "/t", &good, r#"{"Records":[]}"#)).await.status, 200);
    line(&mut server, "a key for signatures was fetched").await;
    line(&mut server, "a key for signatures could not be fetched").await;
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
    assert_eq!(send(&server, &post("/relay/jd/0123456789abcdef?q=1")).await.status, 200);
    assert_eq!(send(&server, &post("/s/0123456789abcdef?q=1")).await.status, 403);
    assert_eq!(send(&server, &post("/relay/jd/0123456789abcdef")).await.status, 403);
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
    assert_eq!(send(&server, &post("192.0.2.7")).await.status, 403);
    assert_eq!(line(&mut server, "refused: ").await["mdss.check"], "source_addresses");
    let server = start(&sim, &format!("{source}\n[http]\ntrusted_proxies = [\"127.0.0.0/8\"]")).await;
    assert_eq!(send(&server, &post("192.0.2.7")).await.status, 200);
    assert_eq!(send(&server, &post("192.0.2.7, 198.51.100.1")).await.status, 403);
    assert_eq!(send(&server, &post("198.51.100.1, 192.0.2.7")).await.status, 200);
    assert_eq!(send(&server, &post("unknown")).await.status, 403);
    let server = start(&sim, "auth = { source_addresses = [\"127.0.0.1\"] }").await;
    assert_eq!(send(&server, &post("192.0.2.7")).await.status, 200);
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
    members.insert("Signature".into(), json!(STANDARD.encode(Signer::one().sign_sha1(text.as_bytes()))));
    Value::Object(members)
}

#[tokio::test]
async fn messages_of_sns_are_verified_and_nobody_is_visited_on_their_word() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (stranger, visited) = web(page("200 OK", "", &Signer::one().plain_certificate())).await;
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
    assert_eq!(send(&server, &post(&good)).await.status, 200);
    assert_eq!(
        (sim.accepted().len(), send(&server, &post(&good)).await.status, sim.requests().len()),
        (1, 200, 1)
    );
    let mut smuggled = good.clone();
    smuggled["Records"] = json!([{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "smuggled" } } }]);
    // Signed, but no signature covers what was added: before the original it is refused, after it a repetition.
    let mut first = sns("Notification", &s3, &[("MessageId", "1")]);
    first["Records"] = smuggled["Records"].clone();
    assert_eq!(send(&server, &post(&first)).await.status, 400);
    assert_eq!((send(&server, &post(&smuggled)).await.status, sim.requests().len()), (200, 1));
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
        let answer = send(&detecting, &post).await;
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
    assert_eq!(send(&server, &post(&changed)).await.status, 403);
    let foreign = TOPIC.replace("claims", "others");
    assert_eq!(send(&server, &post(&sns("Notification", &s3, &[("TopicArn", &foreign)]))).await.status, 403);
    assert_eq!(
        send(
            &server,
            &Post {
                headers: vec![("x-amz-sns-rawdelivery".into(), "true".into())],
                ..post(&json!({ "Records": [] }))
            }
        )
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
        let answer = send(&server, &post(&message)).await;
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
    assert_eq!(send(&server, &post(&message)).await.status, 200);
    line(&mut server, "has ended this subscription").await;
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
        assert_eq!(send(&server, &post(&message)).await.status, 403, "{url}");
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
    assert_eq!(send(&server, &post("/s", &[("x-sig", &format!("sha256={hex}"))])).await.status, 200);
    for wrong in [
        String::new(),
        hex.clone(),
        format!("sha256={}", &hex[1..]),
        format!("sha256={}", hex.replace(&hex[..1], "x")),
    ] {
        assert_eq!(send(&server, &post("/s", &[("x-sig", &wrong)])).await.status, 403, "{wrong}");
    }
    assert_eq!(send(&server, &post("/s", &[])).await.status, 403);
    let mut server =
        start(&sim, "auth = { shared_secret = { query = \"code\", secret = \"0123456789abcdef\" } }").await;
    assert_eq!(send(&server, &post("/s?code=0123456789abcdef", &[])).await.status, 200);
    assert_eq!(send(&server, &post("/s?code=0123456789abcdeF", &[])).await.status, 403);
    assert_eq!(send(&server, &post("/s?code=0123456789abcdef&code=0123456789abcdef", &[])).await.status, 403);
    line(&mut server, "refused: ").await;
    let all = server.process.stderr();
    assert!(!all.contains("0123456789abcde"), "{all}");
}
