//! What a comparison costs: a bucket over real HTTP, a ledger with every second object of it, no spool. It fails if memory is not flat (R9): however many
//! objects there are, store and command together have less than 64 MiB.
//!
//! `cargo bench -p mdss-relay-reconcile`; numbers behind `--` are other numbers of objects.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it fails"
)]

#[path = "../tests/stand_in/mod.rs"]
mod s3;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use mdss_relay_core::{Role, Settings};
use mdss_relay_ledger::{Fact, Kind, Ledger, Moment, Options, OutboxId, Place};
use mdss_relay_reconcile::{Means, Question, compare};
use mdss_relay_stores::{Store, StoreSettings};
use s3::Content;

/// KiB.
const MOST: u64 = 64 << 10;

#[tokio::main]
async fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let counts = if given.is_empty() { vec![100_000, 1_000_000] } else { given };
    println!("{:>10}  {:>10}  {:>12}  {:>14}", "objects", "seconds", "objects / s", "KiB at most");
    for count in counts {
        once(count).await;
    }
}

async fn once(count: usize) {
    let modified: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let bucket = s3::Store::start(Content::Made(count, modified)).await;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "not-a-secret\n").unwrap();
    let toml = format!(
        "[[route]]\nbucket = 'invoices'\nexclude_prefix = 'quarantine/'\nstorage_client_id = 'unit'\n[[store]]\nname = 'here'\nkind = 's3'\n\
         buckets = 'invoices'\nendpoint = '{}'\nregion = 'us-east-1'\naccess_key_id = 'id'\nsecret_access_key_file = '{}'\n",
        bucket.url,
        secret.display()
    );
    let draft = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
    let mut mistakes = draft.mistakes;
    let stores = StoreSettings::read(&draft.settings, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let ledger = Ledger::open(&Place::Directory(dir.path().to_owned()), Options::default()).await.unwrap();
    fill(&ledger, count).await;
    let means = Means {
        listing: Store::open(&stores[0]).unwrap().list("invoices", b""),
        store: &stores[0],
        pinned: None,
        rules: &draft.settings.rules,
        ledger: Some(ledger),
        door: None,
        referee: None,
    };
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    // Of filling the ledger nobody asks.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let begun = Instant::now();
    let outcome = compare(means, &Question::about("invoices", "bench"), stopped, |_| {}).await.unwrap();
    let took = begun.elapsed();
    assert_eq!((outcome.counts.listed, outcome.counts.covered), (count as u64, count.div_ceil(2) as u64));
    let peak = peak();
    println!(
        "{count:>10}  {:>10.2}  {:>12.0}  {:>14}",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64(),
        peak
    );
    assert!(peak > 0 && peak < MOST, "{peak} KiB for {count} objects");
}

/// Every second object was accepted.
async fn fill(ledger: &Ledger, count: usize) {
    let now = Moment::from(Timestamp::now());
    let (bucket, unit): (Arc<str>, Arc<str>) = ("invoices".into(), "unit".into());
    let mut numbers = (0..count).step_by(2).peekable();
    let mut id = 0;
    while numbers.peek().is_some() {
        let rows = numbers.by_ref().take(4096).map(|n| {
            id += 1;
            let fact = Fact {
                bucket: Some(bucket.clone()),
                unit: Some(unit.clone()),
                key: Some(s3::made(n).into_bytes()),
                etag: Some("0d73".into()),
                ..Fact::new(Kind::Accepted, now)
            };
            (OutboxId(id), fact)
        });
        ledger.append(rows.collect()).await.unwrap();
    }
}

/// The most that this process, which is store and command in one, has had in memory: KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
