//! A real Storage queue between Event Grid and the function: azurite holds the messages, Microsoft's client signs for them, and a small
//! listener does with them what the Functions host does. `.ci/azurite` installs both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "support of a test, and the test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use drive::{FunctionsHost, Invoked, Triggered, request};
use mdss_sim::{Config, Sim, Step};
use serde_json::json;

use crate::app::{created, start};

/// For how long a message that was handed out is hidden, in seconds; a failed one is back after it.
const HIDDEN: u64 = 1;

/// More looks at an empty queue than this, a tenth of a second each, and nothing is hidden any more.
const LOOKS: usize = 25;

struct Queue {
    azurite: Child,
    url: String,
    client: reqwest::Client,
    _data: tempfile::TempDir,
}

/// A message as the service hands it out.
struct Message {
    id: String,
    receipt: String,
    attempt: u64,
    text: String,
}

impl Queue {
    fn start(place: &Path) -> Self {
        // Another test may have done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/storage_queue/azurite.js");
        let mut azurite = Command::new("node")
            .arg(script)
            .args([place, data.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(azurite.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { azurite, url: url.trim().to_owned(), client: reqwest::Client::new(), _data: data }
    }

    /// The URL of the messages or of one, with the signature behind it.
    fn at(&self, path: &str, query: &str) -> String {
        let (queue, signature) = self.url.split_once('?').unwrap();
        format!("{queue}/messages{path}?{signature}{query}")
    }

    async fn put(&self, text: &str) {
        let body = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
        let answer = self.client.post(self.at("", "")).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    async fn get(&self) -> Option<Message> {
        let url = self.at("", &format!("&visibilitytimeout={HIDDEN}"));
        let answer = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let part = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
        };
        Some(Message {
            id: part("MessageId")?,
            receipt: part("PopReceipt")?,
            attempt: part("DequeueCount")?.parse().unwrap(),
            text: part("MessageText")?,
        })
    }

    async fn delete(&self, message: &Message) {
        // Base64, of which three characters mean something else in a query.
        let receipt = message.receipt.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let url = self.at(&format!("/{}", message.id), &format!("&popreceipt={receipt}"));
        let answer = self.client.delete(url).send().await.unwrap();
        assert_eq!(answer.status(), 204, "{}", answer.text().await.unwrap());
    }

    /// Hands every message to the function until the queue is empty: one that it takes is deleted, another one comes back. Gives the attempts that
    /// each took.
    async fn drain(&self, host: &FunctionsHost, decodes: bool) -> Vec<u64> {
        let (mut attempts, mut looks) = (Vec::new(), 0);
        while looks < LOOKS {
            let Some(message) = self.get().await else {
                looks += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            looks = 0;
            // `messageEncoding` of host.json: `base64`, which is the default, or `none`.
            let text = match decodes {
                true => String::from_utf8(BASE64.decode(&message.text).unwrap()).unwrap(),
                false => message.text.clone(),
            };
            let metadata = json!({ "DequeueCount": message.attempt.to_string() });
            let body = request("message", &Triggered::Text(text), &metadata);
            if let Invoked::Succeeded(_) = host.invoke("ScanQueue", &body).await {
                self.delete(&message).await;
                attempts.push(message.attempt);
            }
        }
        attempts
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Its stdin ends, and with it azurite; then it ends itself.
        drop(self.azurite.stdin.take());
        self.azurite.wait().unwrap();
    }
}

#[tokio::test]
async fn base64_messages_are_read_whether_the_host_decodes_them_or_not() {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let place = target.join("azurite");
    let works =
        Command::new("node").arg("--version").output().is_ok() && place.join("node_modules/azurite").is_dir();
    if !drive::available("azurite", works).unwrap() {
        return;
    }
    let queue = Queue::start(&place.canonicalize().unwrap());
    let sim = Sim::start(Config::default()).await.unwrap();
    let host = start(&sim).await;
    // As Event Grid writes it, with names that nobody may decode once more.
    let event = |key: &str| BASE64.encode(created(key).to_string());
    for decodes in [true, false] {
        let key = |name: &str| format!("{decodes}/{name}");
        // MDSS is away for the first two calls of one of them; each call tries twice.
        let later = key("later é.pdf");
        sim.push_for(&later, vec![Step::Unavailable; 4]);
        for name in [key("a b+c%20.pdf"), later, key("last.pdf")] {
            queue.put(&event(&name)).await;
        }
        let mut attempts = queue.drain(&host, decodes).await;
        attempts.sort_unstable();
        assert_eq!(attempts, [1, 1, 3], "host decodes: {decodes}");
        let mut accepted: Vec<_> =
            sim.accepted_keys().into_iter().filter(|name| name.starts_with(&decodes.to_string())).collect();
        accepted.sort();
        assert_eq!(accepted, [key("a b+c%20.pdf"), key("last.pdf"), key("later é.pdf")]);
    }
}
