//! What strangers, and whoever reads the log, can do to the server as a process: hold connections, repeat without a pause, take
//! no answer, read nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use drive::{Answer, HttpPoster};
use mdss_sim::units;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// Variables of a server that anybody may post to, and whose MDSS is not there.
fn variables() -> Vec<(&'static str, String)> {
    vec![
        ("RELAY_LISTEN", "127.0.0.1:0".to_owned()),
        ("APIENDPOINT", "http://127.0.0.1:9".to_owned()),
        ("APIKEY", "key-of-the-test".to_owned()),
        ("STORAGECLIENTID", units::S3_COMPATIBLE.to_owned()),
        ("RELAY_AUTH", "none".to_owned()),
    ]
}

async fn send(address: &str, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let url = format!("http://{address}{path}");
    HttpPoster::new(LIMIT).send(method, &url, &[], body.into()).await.unwrap()
}

/// The address that the line "listening on" names.
fn address_in(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    format!("{}:{}", line["server.address"].as_str().unwrap(), line["server.port"])
}

/// A process whose output nobody reads; a test that fails leaves none behind.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_serving_nor_stopping() {
    let child = Command::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env_clear()
        .envs(variables())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Unread(child);
    let mut stderr = BufReader::new(child.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
    }
    // From here on nobody reads: 64 KiB go into the pipe, 1 MiB into the relay.
    let address = address_in(&line);
    let key = "k".repeat(60_000);
    let event = format!(
        r#"{{"Records":[{{"eventSource":"minio:s3","eventName":"s3:ObjectRemoved:Delete","s3":{{"bucket":{{"name":"b"}},"object":{{"key":"{key}"}}}}}}]}}"#
    );
    for _ in 0..40 {
        assert_eq!(send(&address, "POST", "/events", event.clone()).await.status, 200);
    }
    assert_eq!(send(&address, "GET", "/healthz", "").await.status, 200);
    let metrics = send(&address, "GET", "/metrics", "").await.text();
    let dropped =
        metrics.lines().find_map(|l| l.strip_prefix("mdss_relay_log_lines_dropped_total ")).unwrap();
    assert!((1..40).contains(&dropped.parse::<u32>().unwrap()), "{dropped}");
    let started = Instant::now();
    let kill = format!("kill -s TERM {}", child.0.id());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    let code = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > LIMIT {
            child.0.kill().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(code, Some(0));
}
