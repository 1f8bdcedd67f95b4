//! Memory does not grow with what is kept: bodies wait on disk.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::{Duration, Instant};

use drive::{Program, Server, until};
use mdss_sim::{Batch, Config, DEFAULT_API_KEY, Sim, Step, units};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// Megabytes that the process has held at most.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

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
    let (mut highest, mut since) = (0, Instant::now());
    until("the memory has stood still for a second", LIMIT, async || {
        let now = peak(server.process.id());
        if now > highest {
            (highest, since) = (now, Instant::now());
        }
        since.elapsed() >= Duration::from_secs(1)
    })
    .await
    .unwrap();
    // 71 where this was written, and 172 with the bodies kept.
    assert!(highest < 120, "{highest} MB at the most");
}
