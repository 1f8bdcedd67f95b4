//! Memory does not grow with what is kept: bodies wait on disk.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::Duration;

use drive::{HttpPoster, Program};
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
    let mut process = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.path())
        .start()
        .unwrap();
    let line = process.wait_for_line("listening on", LIMIT).await.unwrap();
    let at = line.find("http://").unwrap();
    let url = format!("{}/events", line[at..].split('"').next().unwrap());
    let poster = HttpPoster::new(LIMIT);
    for n in 0..24 {
        let body = json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "padding": "x".repeat(5 << 20),
            "s3": {"bucket": {"name": "b"}, "object": {"key": n.to_string(), "sequencer": n.to_string()}}
        }]});
        assert_eq!(poster.send("POST", &url, &[], body.to_string()).await.unwrap().status, 200);
    }
    // By now a worker that keeps bodies has claimed most of them; 16 requests are out.
    for _ in 0..1000 {
        if sim.requests().len() >= 16 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // 71 where this was written, and 172 with the bodies kept.
    let peak = peak(process.id());
    assert!(peak < 120, "{peak} MB at the most");
    process.signal("KILL").unwrap();
}
