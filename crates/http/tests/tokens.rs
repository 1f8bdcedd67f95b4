//! Tokens (JWT) and signed times, against the server as a process, with an issuer's key server on loopback. Keys are made here and
//! thrown away.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drive::{Answer, Program, Server, TokenSigner};
use jiff::Timestamp;
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(20);

fn event(key: &str) -> String {
    mdss_sim::created("oss", "b", &[key])
}

/// A server with one source; `JWKS` in its members is the path of a file with the signer's key.
async fn start(sim: &Sim, source: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, key_set(&["k"])).unwrap();
    let config = format!(
        "[[route]]\nsource = \"s\"\nbucket = \"b\"\nstorage_client_id = \"{}\"\n[[source]]\nname = \"s\"\npath = \"/s\"\n{}\n",
        units::S3_COMPATIBLE,
        source.replace("JWKS", file.to_str().unwrap())
    );
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_ATTEMPTS", "1")
        .env("RELAY_CONFIG_TOML", config);
    Server::start(&program, LIMIT).await.unwrap()
}

/// An issuer whose keys are at this URL.
fn source(url: &str) -> String {
    format!(
        "auth = {{ jwt = {{ issuer_url = \"https://issuer.example\", jwks_url = \"{url}\", allow_http = true, audience = \"relay\", \
         claims = {{ sub = \"poster\" }} }} }}"
    )
}

fn key_set(ids: &[&str]) -> String {
    let keys: Vec<_> = ids.iter().map(|id| TokenSigner::one().rsa_key(id)).collect();
    json!({ "keys": keys }).to_string()
}

fn claims() -> Value {
    let now = Timestamp::now().as_second();
    json!({ "iss": "https://issuer.example", "aud": "relay", "sub": "poster", "iat": now, "exp": now + 600 })
}

fn token(key: &str) -> String {
    let header = json!({ "alg": "RS256", "kid": key, "typ": "JWT" });
    TokenSigner::one().rs256(&header.to_string(), &claims().to_string())
}

async fn post(server: &Server, token: &str, body: &str) -> Answer {
    let value = format!("Bearer {token}");
    server.send("POST", "/s", &[("authorization", &value)], body).await.unwrap()
}

async fn line(server: &mut Server, with: &str) -> Value {
    serde_json::from_str(&server.process.wait_for_line(with, LIMIT).await.unwrap()).unwrap()
}

/// An issuer's key server: what it answers can be changed, and it counts.
struct KeyServer {
    url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let server = Self { url, answer: Arc::new(Mutex::new(answer)), asked: Arc::default() };
        let (answer, asked) = (server.answer.clone(), server.asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                tokio::spawn(async move {
                    let mut bytes = vec![0; 4096];
                    let _ = stream.read(&mut bytes).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        server
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn page(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept_through_an_outage() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let keys = KeyServer::start(page("200 OK", "", &key_set(&["k"]))).await;
    let mut server = start(&sim, &source(&keys.url)).await;
    // J4: whatever a token says about where its key is.
    let attacker = KeyServer::start(page("200 OK", "", &key_set(&["his"]))).await;
    // At once: whoever waits for another's fetch finds the key.
    let (token, body) = (token("k"), event("k"));
    let posts = (0..8).map(|_| post(&server, &token, &body));
    let answers = futures_util::future::join_all(posts).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(keys.asked(), 1);
    line(&mut server, "a key for signatures was fetched").await;
    // The server of the keys is away from now on.
    *keys.answer.lock().unwrap() = page("503 Away", "", "");
    // J6: a flood of ids, less than a minute after the fetch.
    for n in 0..8 {
        let header =
            json!({ "alg": "RS256", "kid": format!("id-{n}"), "jku": attacker.url, "x5u": attacker.url });
        let forged = TokenSigner::other().rs256(&header.to_string(), &claims().to_string());
        let answer = post(&server, &forged, &body).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    assert_eq!((keys.asked(), attacker.asked()), (1, 0));
    assert_eq!(post(&server, &token, &body).await.status, 200);
    let refused = line(&mut server, "refused: ").await;
    assert_eq!((refused["mdss.check"].as_str(), refused["mdss.source"].as_str()), (Some("jwt"), Some("s")));
    let log = server.process.output();
    assert!(!log.contains("eyJ") && !log.contains("id-0"), "{log}");
}

/// J7: nobody is called a stranger because a key cannot be had.
#[tokio::test]
async fn keys_that_cannot_be_had_are_503() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let elsewhere = KeyServer::start(page("200 OK", "", &key_set(&["k"]))).await;
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/keys", listener.local_addr().unwrap())
    };
    let redirect = format!("Location: {}\r\n", elsewhere.url);
    let weak = json!({ "keys": [{ "kid": "k", "kty": "RSA", "n": "AQAB", "e": "AQ" }] }).to_string();
    let good = key_set(&["k"]);
    for (what, url) in [
        ("nobody there", away),
        ("an error", KeyServer::start(page("500 Oops", "", &good)).await.url),
        ("HTML", KeyServer::start(page("200 OK", "", "<html>")).await.url),
        ("10 MB", KeyServer::start(page("200 OK", "", &format!("{good}{}", " ".repeat(10 << 20)))).await.url),
        ("a redirect", KeyServer::start(page("302 Found", &redirect, "")).await.url),
        ("a key that cannot be used", KeyServer::start(page("200 OK", "", &weak)).await.url),
        (
            "half an answer",
            KeyServer::start("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"keys\":[".into()).await.url,
        ),
    ] {
        // The sender to whom a 401 would be final.
        let azure = format!("dialect = \"azure-blob\"\n{}", source(&url));
        let mut server = start(&sim, &azure).await;
        let answer = post(&server, &token("k"), &event("k")).await;
        let report: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, report["outcome"].as_str()), (503, Some("transient")), "{what}");
        assert_eq!(report["records"][0]["reason"], "key_unavailable", "{what}");
        assert!(answer.header("retry-after").is_some(), "{what}");
        line(&mut server, "a key for signatures could not be fetched").await;
        // A stranger is refused nevertheless.
        assert_eq!(post(&server, "x.y.z", &event("k")).await.status, 401, "{what}");
    }
    assert_eq!((elsewhere.asked(), sim.requests().len()), (0, 0));
}

const GOOGLE: &str = "auth = { jwt = { issuer = \"google\", audience = \"https://relay.example/s\", email = \
                      \"push@demo.iam.gserviceaccount.com\", jwks_file = \"JWKS\" } }";

fn google_token() -> String {
    let now = Timestamp::now().as_second();
    let header = json!({ "alg": "RS256", "kid": "k", "typ": "JWT" });
    let claims = json!({ "iss": "https://accounts.google.com", "aud": "https://relay.example/s", "azp": "1", "sub": "1",
        "email": "push@demo.iam.gserviceaccount.com", "email_verified": true, "iat": now, "exp": now + 3600 });
    TokenSigner::one().rs256(&header.to_string(), &claims.to_string())
}

#[tokio::test]
async fn strangers_learn_nothing_and_hand_over_nothing() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(&sim, GOOGLE).await;
    let good = format!("Bearer {}", google_token());
    let body = event("k");
    assert_eq!(
        server.send("POST", "/s", &[("authorization", &good)], body.clone()).await.unwrap().status,
        200
    );
    // The same token is used again: Pub/Sub does so for an hour.
    assert_eq!(
        server.send("POST", "/s", &[("authorization", &good)], body.clone()).await.unwrap().status,
        200
    );
    // O6
    let (text, _) = good.rsplit_once('.').unwrap();
    let removed = format!("{text}.SIGNATURE_REMOVED_BY_GOOGLE");
    let answer = server.send("POST", "/s", &[("authorization", &removed)], body.clone()).await.unwrap();
    assert_eq!(answer.status, 401);
    let log = line(&mut server, "Cloud Run has verified the token itself").await;
    assert_eq!(log["mdss.check"], "jwt");
    let query = format!("/s?access_token={}", google_token());
    let big = format!("Bearer {}", "a".repeat(200_000));
    let validation = r#"[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"C0DE-7","validationUrl":"http://169.254.169.254/"}}]"#;
    let twice = [("authorization", &*good), ("authorization", &good)];
    for (what, path, headers, body, statuses) in [
        ("J10 twice", "/s", twice.to_vec(), &*body, &[401][..]),
        ("J10 in the query", &query, vec![], &body, &[401]),
        // The head is larger than any head may be; the gate itself says 401 to such a token.
        ("J15 200 kB", "/s", vec![("authorization", &*big)], &body, &[401, 431]),
        (
            "M7 a stranger's handshake",
            "/s",
            vec![("aeg-event-type", "SubscriptionValidation")],
            validation,
            &[401],
        ),
        ("an empty token", "/s", vec![("authorization", "Bearer ")], &body, &[401]),
    ] {
        let answer = server.send("POST", path, &headers, body).await.unwrap();
        assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
        assert!(!answer.text().contains("C0DE"), "{what}: {}", answer.text());
        if answer.status == 401 {
            assert_eq!(answer.text(), r#"{"outcome":"refused","records":[]}"#, "{what}");
        }
    }
    assert_eq!(sim.requests().len(), 2);
    let log = server.process.output();
    assert!(!log.contains("eyJ"), "{log}");
}

/// A token is in the head, so that nobody's body is read before it has been verified.
#[tokio::test]
async fn a_body_is_read_only_behind_a_good_token() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(&sim, GOOGLE).await;
    for (token, read) in [(google_token(), true), (google_token().replace('.', ".A"), false)] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = format!(
            "POST /s HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        let expected = if read { "HTTP/1.1 100" } else { "HTTP/1.1 401" };
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
}

/// O7
#[tokio::test]
async fn a_message_of_another_subscription_is_403() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let listed =
        GOOGLE.replace("jwks_file", "subscriptions = [\"projects/demo/subscriptions/relay\"], jwks_file");
    let server = start(&sim, &listed).await;
    for (subscription, expected) in
        [("projects/demo/subscriptions/relay", false), ("projects/his/subscriptions/relay", true)]
    {
        let body = json!({ "message": { "data": "", "messageId": "1" }, "subscription": subscription });
        let answer = post(&server, &google_token(), &body.to_string()).await;
        assert_eq!(answer.status == 403, expected, "{subscription}: {}", answer.status);
    }
}

/// H4: a signature that covers its time.
#[tokio::test]
async fn a_signed_time_ends_and_a_repetition_goes_no_further() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let source = "auth = { hmac = { header = \"X-Relay-Signature\", prefix = \"v1=\", timed = true, secret = \"0123456789abcdef\" } }";
    let mut server = start(&sim, source).await;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"0123456789abcdef");
    let body = event("k");
    let sign = |time: i64, body: &str| {
        let tag = ring::hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    };
    let now = Timestamp::now().as_second();
    for (what, header, status) in [
        ("now", sign(now, &body), 200),
        ("the same again", sign(now, &body), 200),
        ("signed anew", sign(now - 1, &body), 200),
        ("ten minutes ago", sign(now - 600, &body), 403),
        ("in ten minutes", sign(now + 600, &body), 403),
        ("another body's", sign(now, "{}"), 403),
        (
            "an old one with a new time",
            sign(now - 600, &body).replace(&(now - 600).to_string(), &now.to_string()),
            403,
        ),
        ("without a time", sign(now, &body).split_once(',').unwrap().1.to_owned(), 403),
    ] {
        let headers = [("x-relay-signature", header.as_str())];
        let answer = server.send("POST", "/s", &headers, body.clone()).await.unwrap();
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    line(&mut server, "repeated request").await;
    assert_eq!(sim.requests().len(), 2);
}

/// H1, H2: Backblaze B2's signature covers no time, so a repetition is admitted; its event has been sent, and is not sent again.
#[tokio::test]
async fn a_repetition_of_b2_is_one_event() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let source = "dialect = \"b2\"\nauth = { hmac = { header = \"X-Bz-Event-Notification-Signature\", prefix = \"v1=\", secret = \
                  \"0123456789abcdefghijklmnopqrstuv\" } }";
    let server = start(&sim, source).await;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"0123456789abcdefghijklmnopqrstuv");
    let body = json!({ "events": [{ "accountId": "e92db1923dce", "bucketId": "2d0a3dd5c1a2", "bucketName": "b", "eventId": "41f3b6d8",
        "eventTimestamp": 1_767_225_600_000_i64, "eventType": "b2:ObjectCreated:Upload", "eventVersion": 1, "matchedRuleName": "scan",
        "objectName": "a b+c%20.pdf", "objectSize": 3, "objectVersionId": "4_z2d0a" }] })
    .to_string();
    let tag = ring::hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let zeros = "0".repeat(64);
    for (header, status) in [
        (format!("v1={hex}"), 200),
        (format!("v1={zeros},v1={hex}"), 200),
        (format!("v1={hex}"), 200),
        (format!("v2={hex}"), 403),
        (hex.clone(), 403),
    ] {
        let headers = [("x-bz-event-notification-signature", header.as_str())];
        let answer = server.send("POST", "/s", &headers, body.clone()).await.unwrap();
        assert_eq!(answer.status, status, "{header}: {}", answer.text());
    }
    assert_eq!(sim.requests().len(), 1);
}
