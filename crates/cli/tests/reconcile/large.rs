//! Many objects: how much memory, and how long.

use std::time::Instant;

use drive::Program;

use crate::s3::{Content, Store};
use crate::world::{LIMIT, World, ago};

/// A hundred thousand, or what RECONCILE_OBJECTS says. Memory does not depend on how many there are, and a binary that is not optimised takes a minute
/// for a million.
#[tokio::test(flavor = "multi_thread")]
async fn r9_memory_is_flat() {
    let count = std::env::var("RECONCILE_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let store = Store::start(Content::Made(count, ago(3600))).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted(&crate::s3::made(5), Some("0d73")).await;
    let command = world.command(&["--bucket", "invoices", "--json"]);
    let mut program = Program::new(command.get_program());
    program = program.args(command.get_args());
    for (name, value) in command.get_envs() {
        program = program.env(name, value.unwrap_or_default());
    }
    let begun = Instant::now();
    let mut process = program.start().unwrap();
    let mut peak = 0;
    while process.ended().unwrap().is_none() {
        peak = peak.max(process.peak_memory().unwrap_or(0));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert!(begun.elapsed() < 10 * LIMIT);
    }
    let json: serde_json::Value = serde_json::from_str(process.stdout().trim()).unwrap();
    assert_eq!(json["counts"]["listed"], count, "{}", process.stderr());
    assert_eq!(json["counts"]["covered"], 1);
    assert_eq!(json["counts"]["missing"], count - 1);
    println!("{count} objects: {:?}, {} KiB at most", begun.elapsed(), peak / 1024);
    assert!(peak > 1 << 20 && peak < 64 << 20, "{peak} bytes");
}
