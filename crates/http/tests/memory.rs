//! Memory does not grow with what is kept: bodies wait on disk.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::Duration;

use drive::{Program, Server, until};
use mdss_sim::{Batch, Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_hundred_megabytes_of_bodies_wait_on_disk_and_not_in_memory() {
    // Nothing is answered, so everything that may be held ready is.
    let hang = Batch { key: None, steps: vec![Step::Hang; 1000] };
    let sim = Sim::start(Config { script: vec![hang], ..Config::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.path());
    let server = Server::start(&program, LIMIT).await.unwrap();
    for n in 0..24 {
        let body = json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "padding": "x".repeat(5 << 20),
            "s3": {"bucket": {"name": "b"}, "object": {"key": n.to_string(), "sequencer": n.to_string()}}
        }]});
        assert_eq!(server.send("POST", "/events", &[], body.to_string()).await.unwrap().status, 200);
    }
    // As many as may be under way; a worker that sends nothing would keep nothing either.
    until("16 requests are out", LIMIT, async || sim.requests().len() >= 16).await.unwrap();
    // A worker that keeps bodies goes on claiming, until it has most of them.
    let peak = server.process.peak_memory_at_rest(LIMIT).await.unwrap() >> 20;
    // 71 where this was written, and 172 with the bodies kept.
    assert!(peak < 120, "{peak} MB at the most");
}
