//! Many objects: how much memory, and how long.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::s3::{Content, Store, made};
use crate::world::{HOUR, LIMIT, World, ago};

/// The most memory, however many objects there are.
const MOST: u64 = 64 << 20;

/// So many objects a bucket has of which this is promised.
const MILLION: u64 = 1_000_000;

/// Compares a bucket of so many objects: how long that takes, and the most memory that the command has had.
#[expect(clippy::print_stdout, reason = "whoever runs it alone sees the figures")]
async fn compared(count: u64) -> (Duration, u64) {
    let store = Store::start(Content::Made(usize::try_from(count).unwrap(), ago(HOUR))).await;
    let mut world = World::new(&World::s3(&store.url)).await;
    world.relay().await;
    world.accepted(&made(5), Some("0d73")).await;
    let begun = Instant::now();
    let mut process = world.begin(&["--bucket", "invoices", "--json"]);
    let mut peak = 0;
    while process.ended().unwrap().is_none() {
        peak = peak.max(process.peak_memory().unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < 10 * LIMIT);
    }
    let took = begun.elapsed();
    let json: Value = serde_json::from_str(process.stdout().trim()).unwrap();
    let counts = &json["counts"];
    assert_eq!(
        (&counts["listed"], &counts["covered"], &counts["missing"]),
        (&json!(count), &json!(1), &json!(count - 1)),
        "{}",
        process.stderr()
    );
    println!("{count} objects: {took:?}, {} KiB at most", peak / 1024);
    assert!(peak > 1 << 20, "{peak} bytes: nothing was measured");
    (took, peak)
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_hundred_thousand_objects_take_less_than_a_minute() {
    let (took, _) = compared(100_000).await;
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// A million objects take a build for tests half a minute, so it is seen from two smaller buckets how memory grows from one object to the next, and with
/// that growth a million still have to fit. `RECONCILE_OBJECTS=1000000` compares a million, and so does `cargo bench -p mdss-relay-reconcile`.
#[tokio::test(flavor = "multi_thread")]
async fn r9_memory_is_flat() {
    const FEW: u64 = 20_000;
    const MANY: u64 = 120_000;
    if let Some(count) = std::env::var("RECONCILE_OBJECTS").ok().and_then(|text| text.parse().ok()) {
        let (_, peak) = compared(count).await;
        assert!(peak < MOST, "{peak} bytes");
        return;
    }
    let (few, many) = (compared(FEW).await.1, compared(MANY).await.1);
    let a_million = many + many.saturating_sub(few) * (MILLION - MANY) / (MANY - FEW);
    assert!(a_million < MOST, "{few} bytes, then {many}: {a_million} for a million objects");
}
