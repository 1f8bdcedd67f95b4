//! Figures of the spool, each against a floor in the same run: the disk's own sync rate, the same code on a file system in
//! memory, a bare client loop. And what a million events cost: restart and memory, in processes of their own.
//!
//! `cargo bench -p mdss-relay-spool`, only the drain with `-- drain`, or the drain with a fact for a ledger in each outcome with `-- ledger`; the disk is that of `TMPDIR`, the memory `/dev/shm`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

mod common;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_spool::{Config, Pacing, Place, Sender, Spool, StoreThread, SystemClock, Worker};
use mdss_sim::{Config as SimConfig, Sim};

use common::{DRAINED, bare, event, is_child, pace, relay, run, tell};

const MILLION: usize = 1_000_000;
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(args) = is_child(&args) {
        runtime.block_on(child(args));
    } else if args.iter().any(|arg| arg == "ledger") {
        runtime.block_on(tells());
    } else if args.iter().any(|arg| arg == "drain") {
        runtime.block_on(drains());
    } else {
        runtime.block_on(all());
    }
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

fn start(dir: &Path) -> (Spool, StoreThread) {
    Spool::start(Config { place: Place::Directory(dir.to_owned()), limit: 1 << 40 }, Arc::new(SystemClock))
        .unwrap()
}

/// Accepts by so many senders at once, for a while or up to a number; gives accepts a second.
async fn accepts(dir: &Path, senders: usize, most: usize) -> f64 {
    let (spool, keeping) = start(dir);
    spool.ready().await.unwrap();
    let relay = relay("http://127.0.0.1:9/api/webhook/realtime");
    let (begin, count) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..senders)
        .map(|_| {
            let (spool, relay, count) = (spool.clone(), Arc::clone(&relay), Arc::clone(&count));
            tokio::spawn(async move {
                while most != usize::MAX || begin.elapsed() < TIME {
                    let n = count.fetch_add(1, Ordering::Relaxed);
                    if n >= most {
                        break;
                    }
                    let delivery = event(n);
                    let plan = relay.plan(&delivery);
                    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = count.load(Ordering::Relaxed).min(most) as f64 / begin.elapsed().as_secs_f64();
    drop(spool);
    keeping.wait();
    rate
}

fn syncs(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("syncs")).unwrap();
    // Over and over in the same place, as a log does: a file that grows costs more than its sync.
    file.write_all(&[7; 4096]).unwrap();
    file.sync_all().unwrap();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < TIME {
        file.write_all_at(&[7; 4096], 0).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

async fn all() {
    let disk = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let syncs = syncs(disk.path());
    println!("disk: {syncs:.0} syncs a second");
    for senders in [1, 8, 64, 256] {
        let on_disk = accepts(&disk.path().join(format!("d{senders}")), senders, usize::MAX).await;
        let in_memory = accepts(&memory.path().join(format!("m{senders}")), senders, usize::MAX).await;
        println!(
            "accepts by {senders:3} at once: {on_disk:6.0} a second on disk = {:.1} x the syncs, {:.2} x in memory ({in_memory:.0})",
            on_disk / syncs,
            on_disk / in_memory
        );
    }

    let sim = Sim::start(SimConfig { keep_requests: 10, ..SimConfig::default() }).await.unwrap();
    let bare = drain(&sim, disk.path(), memory.path()).await;

    let dir = disk.path().join("million");
    let rate = accepts(&dir, 256, MILLION).await;
    let size = std::fs::metadata(dir.join("spool.db")).unwrap().len() >> 20;
    println!("a million events: {rate:.0} accepts a second up to there, {size} MB of file");
    let (seconds, peak) = run(&["open", path(&dir)]);
    println!("restart with a million: {:.0} ms to the first accept, peak {peak:.0} MB", seconds * 1000.0);
    let (rate, peak) = run(&["drain", path(&dir), &sim.url(), &DRAINED.to_string()]);
    println!(
        "drain with a million behind: {rate:.0} a second = {:.2} x the bare loop; peak {peak:.0} MB",
        rate / bare
    );
}

/// The drain alone, several times: its figure depends on what else the machine does.
async fn drains() {
    let sim = Sim::start(SimConfig { keep_requests: 10, ..SimConfig::default() }).await.unwrap();
    for _ in 0..5 {
        let disk = tempfile::tempdir().unwrap();
        let memory = tempfile::tempdir_in("/dev/shm").unwrap();
        drain(&sim, disk.path(), memory.path()).await;
    }
}

/// The drain with a fact in each outcome against without, in turns. Nobody takes the facts: that has a bench of its own, the server's.
async fn tells() {
    let sim = Sim::start(SimConfig { keep_requests: 10, ..SimConfig::default() }).await.unwrap();
    let (url, count) = (sim.url(), DRAINED.to_string());
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..6 {
        for place in [turn % 2, (turn + 1) % 2] {
            let disk = tempfile::tempdir().unwrap();
            accepts(disk.path(), 64, DRAINED).await;
            rates[place].push(run(&[["drain", "tell"][place], path(disk.path()), &url, &count]).0);
        }
    }
    let mut ratios: Vec<f64> = rates[1].iter().zip(&rates[0]).map(|(told, not)| told / not).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "drain with facts against without: {:.2} to {:.2}, median {:.2} (budget: at least 0.9); without {:.0?}, with {:.0?}",
        ratios[0],
        ratios[5],
        (ratios[2] + ratios[3]) / 2.0,
        rates[0],
        rates[1],
    );
}

/// Gives the rate of the bare loop, which has a process of its own as the drain has.
async fn drain(sim: &Sim, disk: &Path, memory: &Path) -> f64 {
    let (url, count) = (sim.url(), DRAINED.to_string());
    let (bare, _) = run(&["bare", &url, &count]);
    let mut rates = Vec::new();
    for dir in [disk, memory] {
        let dir = dir.join("drain");
        accepts(&dir, 64, DRAINED).await;
        rates.push(run(&["drain", path(&dir), &url, &count]));
    }
    println!(
        "drain: {:.0} a second = {:.2} x a bare client loop ({bare:.0}), {:.2} x with the file in memory; peak {:.0} MB",
        rates[0].0,
        rates[0].0 / bare,
        rates[1].0 / bare,
        rates[0].1
    );
    bare
}

async fn child(args: &[String]) {
    let dir = |at: usize| Path::new(&args[at]);
    tell(match args[0].as_str() {
        "open" => open(dir(1)).await,
        what @ ("drain" | "tell") => {
            drained(dir(1), &args[2], args[3].parse().unwrap(), what == "tell").await
        }
        _ => bare(&args[1], args[2].parse().unwrap()).await,
    });
}

/// Seconds to the first accept.
async fn open(dir: &Path) -> f64 {
    let begin = Instant::now();
    let (spool, keeping) = start(dir);
    let relay = relay("http://127.0.0.1:9/api/webhook/realtime");
    let delivery = event(MILLION + 1);
    let plan = relay.plan(&delivery);
    spool.accept(delivery, &plan, Sender::Proven).await.unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    drop(spool);
    keeping.wait();
    seconds
}

/// Items a second that leave the file; each with a fact for a ledger, or none.
async fn drained(dir: &Path, url: &str, count: u64, tells: bool) -> f64 {
    let (spool, keeping) = start(dir);
    let spool = if tells { spool.with_ledger() } else { spool };
    spool.ready().await.unwrap();
    let worker = Worker::new(spool.clone(), relay(url), Pacing { rate: 1_000_000, park_after: None });
    let worker = tokio::spawn(worker.run(std::future::pending()));
    let delivered = async || spool.snapshot().await.unwrap().counts.delivered.values().sum::<u64>();
    let rate = pace(count, delivered).await;
    worker.abort();
    let _ = worker.await;
    drop(spool);
    keeping.wait();
    rate
}
