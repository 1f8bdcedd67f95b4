//! What Azure Event Grid is answered: its two handshakes, and the statuses that decide whether an event comes again. Against the
//! server as a process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::time::Duration;

use drive::{Answer, Program, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);
const CODE: &str = "0123456789abcdef-code";

async fn start(sim: &Sim, api_key: &str) -> Server {
    let config = format!(
        "[[route]]\nbucket = \"inbox\"\nstorage_client_id = \"{}\"\n\
         [[source]]\nname = \"azure\"\npath = \"/azure\"\ndialect = \"azure-blob\"\n\
         auth = {{ shared_secret = {{ query = \"code\", secret = \"{CODE}\" }} }}\n",
        units::AZURE_BLOB
    );
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", api_key)
        .env("RELAY_DEADLINE", "2s")
        .env("RELAY_CONFIG_TOML", config);
    Server::start(&program, LIMIT).await.unwrap()
}

fn event(name: &str, api: &str) -> Value {
    json!({
        "topic": "/subscriptions/9c0a/resourceGroups/relay/providers/Microsoft.Storage/storageAccounts/relaydemo",
        "subject": format!("/blobServices/default/containers/inbox/blobs/{name}"),
        "eventType": if api == "DeleteBlob" { "Microsoft.Storage.BlobDeleted" } else { "Microsoft.Storage.BlobCreated" },
        "eventTime": "2026-03-04T08:15:42.4170031Z", "id": format!("id of {name}"), "dataVersion": "", "metadataVersion": "1",
        "data": { "api": api, "contentLength": 3, "blobType": "BlockBlob", "sequencer": "00000000000007E90000000000012345" }
    })
}

fn cloud_event(name: &str) -> Value {
    let event = event(name, "PutBlob");
    json!({ "specversion": "1.0", "type": event["eventType"], "source": event["topic"], "subject": event["subject"],
            "id": event["id"], "time": event["eventTime"], "data": event["data"] })
}

fn validation(code: &str, url: &str) -> Value {
    json!({ "id": "0b6f", "topic": "", "subject": "", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": "2026-01-01T00:00:00.0000000Z", "metadataVersion": "1", "dataVersion": "2",
            "data": { "validationCode": code, "validationUrl": url } })
}

async fn post(server: &Server, kind: &str, body: &Value) -> Answer {
    post_with(server, CODE, kind, body).await
}

async fn post_with(server: &Server, code: &str, kind: &str, body: &Value) -> Answer {
    let headers = [("aeg-event-type", kind), ("content-type", "application/json; charset=utf-8")];
    server.send("POST", &format!("/azure?code={code}"), &headers, body.to_string()).await.unwrap()
}

fn keys(sim: &Sim) -> Vec<String> {
    sim.accepted().into_iter().map(|accepted| accepted.key).collect()
}

#[tokio::test]
async fn the_handshake_of_its_own_schema() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut server = start(&sim, DEFAULT_API_KEY).await;
    // A listener in place of whatever the handshake would have visited.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/validate", elsewhere.local_addr().unwrap());
    let kind = "SubscriptionValidation";
    let answer = post(&server, kind, &json!([validation("7C1E", &url)])).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text().as_str()),
        (200, Some("application/json"), r#"{"validationResponse":"7C1E"}"#)
    );
    for (what, code, kind, body, status) in [
        ("a wrong code", "0123456789abcdef-kode", kind, json!([validation("echo-me", &url)]), 403),
        ("a header without its body", CODE, kind, json!([event("echo-me", "PutBlob")]), 400),
        ("a body without its header", CODE, "Notification", json!([validation("echo-me", &url)]), 400),
        ("an event beside it", CODE, kind, json!([validation("echo-me", &url), event("e", "PutBlob")]), 400),
        ("a long code", CODE, kind, json!([validation(&"echo-me".repeat(40), &url)]), 400),
    ] {
        let answer = post_with(&server, code, kind, &body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(!answer.text().contains("echo-me\"}"), "{what}: {}", answer.text());
        assert!(!answer.text().contains("validationResponse"), "{what}: {}", answer.text());
    }
    let answer = post(&server, "Unsubscribe", &json!([])).await;
    assert_eq!(answer.status, 200);
    server.process.wait_for_line("Event Grid has ended this subscription", LIMIT).await.unwrap();
    assert!(timeout(Duration::from_millis(100), elsewhere.accept()).await.is_err(), "nobody visits the URL");
    assert_eq!(sim.requests().len(), 0);
    assert!(!server.process.output().contains(&url), "it holds a token");
}

#[tokio::test]
async fn the_handshake_of_cloud_events() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(&sim, DEFAULT_API_KEY).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callback = format!("http://{}/", elsewhere.local_addr().unwrap());
    let ask = async |code: &str, headers: &[(&str, &str)]| {
        server.send("OPTIONS", &format!("/azure?code={code}"), headers, "").await.unwrap()
    };
    let origin = ("WebHook-Request-Origin", "eventgrid.azure.net");
    let answer = ask(CODE, &[origin, ("WebHook-Request-Callback", &callback)]).await;
    assert_eq!(
        (answer.status, answer.header("webhook-allowed-origin"), answer.header("webhook-allowed-rate")),
        (200, Some("eventgrid.azure.net"), None)
    );
    assert_eq!((answer.header("allow"), answer.body.len()), (Some("POST"), 0));
    let answer = ask(CODE, &[origin, ("WebHook-Request-Rate", "120")]).await;
    assert_eq!((answer.status, answer.header("webhook-allowed-rate")), (200, Some("120")));
    for (what, code, headers, status) in [
        ("no origin", CODE, &[][..], 405),
        ("another origin", CODE, &[("WebHook-Request-Origin", "evil.example")], 405),
        ("no code", "", &[origin], 403),
        ("a wrong code", "0123456789abcdef-kode", &[origin], 403),
    ] {
        let answer = ask(code, headers).await;
        assert_eq!((answer.status, answer.header("webhook-allowed-origin")), (status, None), "{what}");
    }
    // Nor can a line end in it make a header of its own.
    let mut connection = TcpStream::connect(server.address.to_string()).await.unwrap();
    let request = format!(
        "OPTIONS /azure?code={CODE} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\
         webhook-request-origin: eventgrid.azure.net\rx-injected: yes\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("injected"), "{answer}");
    assert!(timeout(Duration::from_millis(100), elsewhere.accept()).await.is_err(), "nobody visits the URL");
}

#[tokio::test]
async fn a_status_that_ends_an_event_is_given_only_to_what_can_never_succeed() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(&sim, DEFAULT_API_KEY).await;
    let e = |name: &str| event(name, "PutBlob");
    let answer = post(&server, "Notification", &json!([e("a b+c%20ü.pdf")])).await;
    assert_eq!((answer.status, keys(&sim)), (200, vec!["a b+c%20ü.pdf".to_owned()]), "{}", answer.text());
    let answer =
        post(&server, "Notification", &json!([e("one"), event("gone", "DeleteBlob"), e("two")])).await;
    assert_eq!((answer.status, keys(&sim).len()), (200, 3));

    let garbage = json!({ "eventType": "Microsoft.Storage.BlobCreated", "subject": "/blobServices/default" });
    // The first one is done, so that it need not come again.
    let answer = post(&server, "Notification", &json!([e("beside"), garbage])).await;
    assert_eq!((answer.status, keys(&sim).contains(&"beside".to_owned())), (400, true));
    // Here it is not: then both come again.
    sim.push_for("later", vec![Step::Unavailable; 99]);
    let answer = post(&server, "Notification", &json!([e("later"), garbage])).await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());

    let mut elsewhere = e("lost");
    elsewhere["subject"] = json!("/blobServices/default/containers/attic/blobs/lost");
    let answer = post(&server, "Notification", &json!([elsewhere, garbage])).await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());

    let headers = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let path = format!("/azure?code={CODE}");
    for (body, key) in [(cloud_event("single"), "single"), (json!([cloud_event("listed")]), "listed")] {
        let answer = server.send("POST", &path, &headers, body.to_string()).await.unwrap();
        assert_eq!((answer.status, keys(&sim).contains(&key.to_owned())), (200, true), "{}", answer.text());
    }
    let packed = server.send("POST", &path, &[("content-encoding", "br")], "\u{1}").await.unwrap();
    assert_eq!(packed.status, 503);
}

#[tokio::test]
async fn a_wrong_key_of_mdss_is_no_reason_to_give_an_event_up() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let server = start(&sim, "another-key").await;
    let answer = post(&server, "Notification", &json!([event("kept", "PutBlob")])).await;
    let report: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &report["records"][0]["reason"]), (503, &json!("mdss_unauthorized")));
}
