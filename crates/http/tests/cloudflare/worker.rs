//! The Worker, run by miniflare: from a queue through the real server into the stand-in for MDSS. `.ci/miniflare` puts miniflare
//! where this looks for it; without it these tests are skipped, and say so.

use std::path::PathBuf;
use std::time::Duration;

use drive::{Process, Program, Server, until};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, StatusCode, Step, units};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);
const SECRET: &str = "a-secret-that-two-share";
const KEY_OF_ODDITIES: &str = "a b+c%20中/é\u{1f600}\".pdf";

/// The folder with miniflare, if it works here.
fn miniflare() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let folder = folder().join("../..").join(target).join("miniflare");
    let works = std::process::Command::new("node")
        .args(["--eval", "require('miniflare')"])
        .current_dir(if folder.is_dir() { folder.clone() } else { std::env::temp_dir() })
        .output()
        .is_ok_and(|output| output.status.success());
    drive::available("miniflare", works).unwrap().then_some(folder)
}

/// The server with R2's source, as docs/cloudflare.md has it.
async fn relay(sim: &Sim) -> Server {
    let config = format!(
        "[[route]]\nbucket = \"inbox\"\nstorage_client_id = \"{}\"\n[[source]]\nname = \"r2\"\npath = \"/r2\"\ndialect = \"r2\"\n\
         auth = {{ hmac = {{ header = \"X-Relay-Signature\", prefix = \"v1=\", timed = true, secret = \"{SECRET}\" }} }}\n",
        units::S3_COMPATIBLE
    );
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_ATTEMPTS", "1")
        .env("RELAY_CONFIG_TOML", config);
    Server::start(&program, LIMIT).await.unwrap()
}

/// The Worker with what `wrangler.toml` says of it, except that nobody wants to wait for a day here.
fn worker(miniflare: &Path, place: &Path, url: &str, secret: &str, messages: &[Value]) -> Process {
    let toml: toml::Table = fs::read_to_string(folder().join("wrangler.toml")).unwrap().parse().unwrap();
    let mut bindings = json!({ "RELAY_URL": url, "RELAY_SECRET": secret });
    for (name, value) in toml["vars"].as_table().unwrap().iter().filter(|(name, _)| *name != "RELAY_URL") {
        bindings[name] = match name.as_str() {
            "LONGEST_PAUSE" => json!(2),
            "FIRST_PAUSE" | "DEAD_PAUSE" => json!(1),
            _ => json!(value.as_str().unwrap()),
        };
    }
    let mut consumers = json!({});
    for consumer in toml["queues"]["consumers"].as_array().unwrap() {
        consumers[consumer["queue"].as_str().unwrap()] = json!({
            "maxBatchSize": consumer["max_batch_size"].as_integer(),
            "maxBatchTimeout": 0,
            "maxRetries": if consumer.get("dead_letter_queue").is_some() { 2 } else { 1 },
            "deadLetterQueue": consumer.get("dead_letter_queue").and_then(toml::Value::as_str),
        });
        if consumers[consumer["queue"].as_str().unwrap()]["deadLetterQueue"].is_null() {
            consumers[consumer["queue"].as_str().unwrap()].as_object_mut().unwrap().remove("deadLetterQueue");
        }
    }
    let config = json!({ "bindings": bindings, "compatibility": toml["compatibility_date"].as_str(), "consumers": consumers,
        "queue": toml["queues"]["consumers"][0]["queue"].as_str(), "messages": messages });
    fs::write(place, config.to_string()).unwrap();
    Program::new("node")
        .inherit_env()
        .arg(folder().join("tests/run.mjs"))
        .args([miniflare, place])
        .start()
        .unwrap()
}

/// As R2 announces it (cloudflare/cloudflare-docs, `src/content/docs/r2/buckets/event-notifications.mdx`), with values of our own.
fn put(key: &str) -> Value {
    json!({ "account": "3f4b7e3d0c2d4a6e9d5f1b8a7c6e5d4f", "action": "PutObject", "bucket": "inbox",
        "object": { "key": key, "size": 3, "eTag": "c846ff7a18f28c2e262116d6e8719ef0" }, "eventTime": "2026-01-01T00:00:00.000Z" })
}

/// The Worker's lines, as it logged them.
fn lines(process: &Process) -> Vec<Value> {
    let output = process.output();
    output
        .lines()
        .filter_map(|l| serde_json::from_str(l.trim()).ok())
        .filter(|l: &Value| l["queue"].is_string())
        .collect()
}

fn count(lines: &[Value], queue: &str, message: &str, status: u16) -> usize {
    let fits = |l: &&Value| {
        l["queue"] == json!(queue) && l["message"] == json!(message) && l["status"] == json!(status)
    };
    lines.iter().filter(fits).count()
}

const TAKEN: &str = "event taken by the relay";
const AGAIN: &str = "event not taken by the relay, tried again";
const GIVEN_UP: &str = "event given up by the queue, and still not taken by the relay";

#[tokio::test]
async fn what_mdss_accepts_is_done_and_what_nobody_takes_ends_in_the_dead_letter_queue() {
    let Some(miniflare) = miniflare() else { return };
    let sim = Sim::start(Config::default()).await.unwrap();
    let away = Step::RetryAfter { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 1 };
    sim.push_for("later", vec![away; 2]);
    let server = relay(&sim).await;
    let place = tempfile::tempdir().unwrap();
    let mut poison = put("poison");
    poison["object"].as_object_mut().unwrap().remove("key");
    let messages = [put(KEY_OF_ODDITIES), put("later"), poison];
    let mut worker = worker(&miniflare, &place.path().join("config"), &server.url("/r2"), SECRET, &messages);
    worker.wait_for_line("alert: ", LIMIT).await.unwrap();
    until("the event that was refused twice is accepted", LIMIT, async || sim.accepted().len() == 2)
        .await
        .unwrap();
    until("the Worker has said so", LIMIT, async || {
        count(&lines(&worker), "mdss-relay-objects", TAKEN, 200) == 2
    })
    .await
    .unwrap();
    // The last try of the poison, after which its queue gives it up for good.
    until("the poison was tried again", LIMIT, async || {
        count(&lines(&worker), "mdss-relay-dead", GIVEN_UP, 400) == 2
    })
    .await
    .unwrap();
    worker.signal("TERM").unwrap();
    worker.wait(LIMIT).await.unwrap();

    let mut accepted: Vec<_> = sim.accepted().into_iter().map(|a| (a.key, a.times)).collect();
    accepted.sort();
    assert_eq!(accepted, [(KEY_OF_ODDITIES.to_owned(), 1), ("later".to_owned(), 1)]);
    // The pauses grow, and are kept: nothing else makes a message wait here.
    let times: Vec<_> =
        sim.requests().into_iter().filter(|r| r.key.as_deref() == Some("later")).map(|r| r.time).collect();
    let gaps: Vec<_> = times.windows(2).map(|w| w[1].duration_since(w[0]).unwrap()).collect();
    assert!(gaps[0] >= Duration::from_millis(900) && gaps[1] >= Duration::from_millis(1900), "{gaps:?}");
    let lines = lines(&worker);
    assert_eq!(count(&lines, "mdss-relay-objects", AGAIN, 503), 2, "{lines:?}");
    assert_eq!(count(&lines, "mdss-relay-objects", AGAIN, 400), 3, "{lines:?}");
    let alert = worker.output().lines().find_map(|l| l.strip_prefix("alert: ").map(str::to_owned)).unwrap();
    let alert: Value = serde_json::from_str(&alert).unwrap();
    assert!(
        alert["text"].as_str().unwrap().starts_with("mdss-relay: 1 events of mdss-relay-dead are not taken"),
        "{alert}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_loses_nothing() {
    let Some(miniflare) = miniflare() else { return };
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = relay(&sim).await;
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("config");
    let wrong = "a-secret-that-one-has-mistyped";
    let mut worker = worker(&miniflare, &config, &server.url("/r2"), wrong, &[put("a")]);
    worker.wait_for_line("alert: ", LIMIT).await.unwrap();
    let lines = lines(&worker);
    assert_eq!(
        count(&lines, "mdss-relay-objects", AGAIN, 401) + count(&lines, "mdss-relay-objects", AGAIN, 403),
        3,
        "{lines:?}"
    );
    assert!(sim.requests().is_empty());
    assert!(!worker.output().contains(wrong));
    worker.signal("TERM").unwrap();
    worker.wait(LIMIT).await.unwrap();
}

/// The head and the body of one request, which is then answered with this status.
async fn taken(listener: &TcpListener, status: &str) -> (String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    let head = loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the Worker has hung up");
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
        }
    };
    let length = header(&head, "content-length").unwrap().parse().unwrap();
    while bytes.len() < length {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "the Worker has hung up");
    }
    let answer = format!(
        "HTTP/1.1 {status} Status\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    (head, String::from_utf8(bytes).unwrap())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|l| l.split_once(": "))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[tokio::test]
async fn a_repetition_is_the_same_message_signed_anew_and_no_redirect_is_followed() {
    let Some(miniflare) = miniflare() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r2", listener.local_addr().unwrap());
    let place = tempfile::tempdir().unwrap();
    let mut worker = worker(&miniflare, &place.path().join("config"), &url, SECRET, &[put("a")]);
    let (first, body) = taken(&listener, "307").await;
    let (second, same) = taken(&listener, "204").await;
    assert!(second.starts_with("POST /r2 "), "{second}");
    assert_eq!(body, same);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), put("a"), "the event is passed on whole");
    let of =
        |head: &str, name: &str| header(head, name).unwrap_or_else(|| panic!("{name}: {head}")).to_owned();
    assert_eq!(
        of(&first, "x-message-id"),
        of(&second, "x-message-id"),
        "by it the relay knows that it comes again"
    );
    assert_ne!(of(&first, "x-relay-signature"), of(&second, "x-relay-signature"));
    worker.wait_for_line(TAKEN, LIMIT).await.unwrap();
    worker.signal("TERM").unwrap();
    worker.wait(LIMIT).await.unwrap();
}
