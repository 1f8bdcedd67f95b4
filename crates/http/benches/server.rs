//! What the real server costs, as a process, in three tables: a durable 200 (spooled mode on a disk, against the same server
//! with its spool in memory, against direct mode, and against the disk's own syncs); the way from request to acceptance;
//! memory and start with nothing, ten thousand and a million events in the spool.
//!
//! `cargo bench -p mdss-relay-http`, or one table with `-- accepts`, `-- way` or `-- stock`. The disk is that of `TMPDIR`, the
//! memory `/dev/shm`. Rounds take turns, so that the noise of a machine meets all servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use drive::{HttpPoster, Process, Program};
use mdss_relay_core::{Delivery, Relay, Role, Settings};
use mdss_relay_spool::{Config as SpoolConfig, Sender, Spool, SystemClock};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};

const LIMIT: Duration = Duration::from_secs(30);
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

struct Server {
    name: &'static str,
    process: Process,
    url: String,
    rounds: Vec<Round>,
    /// From exec to the first answer that says it is ready.
    ready: Duration,
}

struct Round {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// `rate`: how many requests a second the worker may make.
async fn start(name: &'static str, sim: &Sim, data: Option<&Path>, rate: u32) -> Server {
    let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_LOG", "warn");
    if let Some(data) = data {
        program = program
            .env("RELAY_MODE", "spooled")
            .env("RELAY_DATA_DIR", data)
            .env("RELAY_SPOOL_LIMIT", "16GiB")
            .env("RELAY_SPOOL_RATE", rate.to_string());
    }
    let begin = Instant::now();
    let process = program.start().unwrap();
    // Lines below `warn` are not written, so it is asked until it answers.
    let address = listening(process.id()).await;
    let url = format!("http://{address}/events");
    let poster = HttpPoster::new(LIMIT);
    loop {
        let ready = poster.send("GET", &format!("http://{address}/readyz"), &[], "").await;
        if ready.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        assert!(begin.elapsed() < LIMIT, "{name} is not ready");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Server { name, process, url, rounds: Vec::new(), ready: begin.elapsed() }
}

async fn end(mut server: Server) {
    server.process.signal("TERM").unwrap();
    server.process.wait(LIMIT).await.unwrap();
}

/// The loopback port a process listens on, as the system knows it.
async fn listening(process: u32) -> String {
    let begin = Instant::now();
    loop {
        let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
            .into_iter()
            .flatten()
            .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()?.to_str().map(str::to_owned))
            .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        for line in table.lines().skip(1) {
            let cells: Vec<_> = line.split_whitespace().collect();
            // State 0A: listening.
            if cells.get(3) == Some(&"0A")
                && cells.get(9).is_some_and(|inode| inodes.iter().any(|i| i == inode))
            {
                let port =
                    cells[1].rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok()).unwrap();
                return format!("127.0.0.1:{port}");
            }
        }
        assert!(begin.elapsed() < LIMIT, "the server does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The key of event `n`.
fn key(n: u64) -> String {
    format!("incoming/invoice-{n:010}.pdf")
}

/// An event of the size that S3 sends; `n` makes its key and its mark.
fn event(n: u64) -> String {
    format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{{"principalId":"AWS:EXAMPLE"}},"requestParameters":{{"sourceIPAddress":"192.0.2.1"}},"responseElements":{{"x-amz-request-id":"0123456789ABCDEF","x-amz-id-2":"an id of about eighty bytes, which nobody needs and everybody sends, always there"}},"s3":{{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{{"name":"invoices","ownerIdentity":{{"principalId":"EXAMPLE"}},"arn":"arn:aws:s3:::invoices"}},"object":{{"key":"{}","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"{n:016X}"}}}}}}]}}"#,
        key(n)
    )
}

async fn round(url: &str, first: u64, senders: u64) -> Round {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (url, poster) = (url.to_owned(), HttpPoster::new(LIMIT));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < ROUND {
                    let body = event(first + sender * 1_000_000 + times.len() as u64);
                    let sent = Instant::now();
                    let answer = poster.send("POST", &url, &[], body).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    times.push(sent.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let per_second = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort();
    Round { per_second, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |table: &str| args.is_empty() || args.iter().any(|arg| arg == table);
    if wanted("accepts") {
        accepts().await;
    }
    if wanted("way") {
        way().await;
    }
    if wanted("stock") {
        stock().await;
    }
}

/// Syncs a second of the disk by itself: over and over in the same place, as a log does.
fn syncs(dir: &Path) -> f64 {
    let file = File::create(dir.join("syncs")).unwrap();
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < ROUND {
        file.write_all_at(&[7; 4096], 0).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

async fn accepts() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    // The worker goes slowly: what is measured is taking, and it would take its share of two cores.
    let mut servers = vec![
        start("spooled, on disk", &sim, Some(disk.path()), 1).await,
        start("spooled, in memory", &sim, Some(memory.path()), 1).await,
        start("direct", &sim, None, 1).await,
    ];
    let mut first = 0;
    for _ in 0..ROUNDS {
        for server in &mut servers {
            first += 100_000_000;
            let done = round(&server.url, first, 32).await;
            server.rounds.push(done);
        }
    }
    let mut alone = Vec::new();
    for server in &servers {
        first += 100_000_000;
        alone.push(round(&server.url, first, 1).await.per_second);
    }
    println!(
        "\n32 senders with kept connections, the best of {ROUNDS} rounds; then one sender, for whom nobody shares a sync"
    );
    println!("{:<20} {:>10} {:>9} {:>9} {:>10}", "", "accepts/s", "p50 ms", "p99 ms", "1 sender");
    let best = |server: &Server| server.rounds.iter().map(|r| r.per_second).fold(0.0, f64::max);
    for (server, alone) in servers.iter().zip(&alone) {
        let fastest = server.rounds.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second)).unwrap();
        println!(
            "{:<20} {:>10.0} {:>9.2} {:>9.2} {alone:>10.0}",
            server.name,
            fastest.per_second,
            millis(fastest.p50),
            millis(fastest.p99),
        );
    }
    let mut ratios: Vec<f64> =
        (0..ROUNDS).map(|n| servers[0].rounds[n].per_second / servers[1].rounds[n].per_second).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "disk against memory: best {:.2}, neighbouring rounds {:.2} to {:.2}, median {:.2} (budget: at least 0.5)",
        best(&servers[0]) / best(&servers[1]),
        ratios[0],
        ratios[ROUNDS - 1],
        ratios[ROUNDS / 2],
    );
    let syncs = syncs(disk.path());
    println!(
        "on disk: {:.1} x one sync a request (one sender), {:.1} x the bare syncs of this disk ({syncs:.0}/s)",
        best(&servers[0]) / alone[0],
        best(&servers[0]) / syncs
    );
    // What was said to be on disk is there.
    let metrics = metrics(&servers[0]).await;
    let items: f64 = metrics
        .lines()
        .filter(|line| {
            line.starts_with("mdss_relay_spool_items") || line.starts_with("mdss_relay_spool_delivered_total")
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    let said: f64 = metrics
        .lines()
        .find_map(|line| line.strip_prefix("mdss_relay_spool_spooled_total ")?.parse().ok())
        .unwrap();
    assert!((items - said).abs() < 2.0, "{items} on disk or delivered, {said} acknowledged");
    for server in servers {
        end(server).await;
    }
}

async fn metrics(server: &Server) -> String {
    let url = server.url.replace("/events", "/metrics");
    HttpPoster::new(LIMIT).send("GET", &url, &[], "").await.unwrap().text()
}

/// How long an object is on its way, from the first byte of its request to MDSS: what a user feels.
async fn way() {
    let sim = Sim::start(Config { keep_requests: 100_000, ..Config::default() }).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let servers = [
        start("spooled, on disk", &sim, Some(disk.path()), 10_000).await,
        start("direct", &sim, None, 1).await,
    ];
    println!("\nfrom request to MDSS, and to the sender's 200; requests at even distances");
    println!(
        "{:<20} {:>10} {:>12} {:>12} {:>9} {:>9}",
        "", "requests/s", "MDSS p50 ms", "MDSS p99 ms", "200 p50", "200 p99"
    );
    let mut first = 10_000_000_000;
    for per_second in [10_u32, 100, 500, 1000] {
        let mut bare = syncs_evenly(disk.path(), per_second).await;
        bare.sort();
        let at = |percent: usize| millis(bare[(bare.len() - 1) * percent / 100]);
        println!("{:<20} {per_second:>10} {:>12.2} {:>12.2}", "a bare sync", at(50), at(99));
        for server in &servers {
            first += 1_000_000;
            let (mut accepted, mut answered) = evenly(server, &sim, first, per_second).await;
            accepted.sort();
            answered.sort();
            let at = |times: &[Duration], percent: usize| millis(times[(times.len() - 1) * percent / 100]);
            println!(
                "{:<20} {per_second:>10} {:>12.2} {:>12.2} {:>9.2} {:>9.2}",
                server.name,
                at(&accepted, 50),
                at(&accepted, 99),
                at(&answered, 50),
                at(&answered, 99),
            );
        }
    }
    for server in servers {
        end(server).await;
    }
}

/// What the disk needs for a sync at such a distance from the last, on its own: the floor of every durable 200.
async fn syncs_evenly(dir: &Path, per_second: u32) -> Vec<Duration> {
    let (file, begin) = (File::create(dir.join("syncs")).unwrap(), Instant::now());
    let mut times = Vec::new();
    for n in 0..per_second * 3 {
        tokio::time::sleep_until((begin + Duration::from_secs(1) / per_second * n).into()).await;
        let start = Instant::now();
        file.write_all_at(&[7; 4096], 0).unwrap();
        file.sync_data().unwrap();
        times.push(start.elapsed());
    }
    times
}

/// Times to MDSS and times to the 200 of three seconds' requests, none of which waits for another.
async fn evenly(server: &Server, sim: &Sim, first: u64, per_second: u32) -> (Vec<Duration>, Vec<Duration>) {
    sim.forget();
    let (poster, begin, count) = (Arc::new(HttpPoster::new(LIMIT)), Instant::now(), per_second * 3);
    let mut tasks = Vec::new();
    for n in 0..count {
        tokio::time::sleep_until((begin + Duration::from_secs(1) / per_second * n).into()).await;
        let (poster, url, body) = (Arc::clone(&poster), server.url.clone(), event(first + u64::from(n)));
        tasks.push(tokio::spawn(async move {
            let (at, sent) = (SystemTime::now(), Instant::now());
            let answer = poster.send("POST", &url, &[], body).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            (at, sent.elapsed())
        }));
    }
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for task in tasks {
        let (at, took) = task.await.unwrap();
        sent.push(at);
        answered.push(took);
    }
    let deadline = Instant::now() + LIMIT;
    let came: HashMap<String, SystemTime> = loop {
        let requests = sim.requests();
        let accepted = requests.into_iter().filter(|r| r.status.is_some_and(|s| s.is_success()));
        let came: HashMap<_, _> = accepted.filter_map(|r| Some((r.key?, r.time))).collect();
        if came.len() == sent.len() {
            break came;
        }
        assert!(Instant::now() < deadline, "{} of {} came to MDSS", came.len(), sent.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let way =
        |(n, at): (usize, &SystemTime)| came[&key(first + n as u64)].duration_since(*at).unwrap_or_default();
    (sent.iter().enumerate().map(way).collect(), answered)
}

/// Memory and start of a server with so many events in its spool, while it takes more and sends what it can.
async fn stock() {
    let sim = Sim::start(Config { keep_requests: 10, ..Config::default() }).await.unwrap();
    println!("\nevents in the spool, then {} s of 32 senders and of sending at full speed", ROUND.as_secs());
    println!(
        "{:>10} {:>10} {:>10} {:>14} {:>10} {:>10} {:>10}",
        "events", "file MB", "ready ms", "memory then MB", "accepts/s", "sent/s", "peak MB"
    );
    for count in [0, 10_000, 1_000_000] {
        let disk = tempfile::tempdir().unwrap();
        fill(disk.path(), count).await;
        let size = std::fs::metadata(disk.path().join("spool.db")).map_or(0, |file| file.len() >> 20);
        let server = start("spooled", &sim, Some(disk.path()), 10_000).await;
        let then = memory(&server.process, "VmRSS:");
        let done = round(&server.url, 20_000_000_000, 32).await;
        let delivered: f64 = metrics(&server)
            .await
            .lines()
            .filter(|line| line.starts_with("mdss_relay_spool_delivered_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        println!(
            "{count:>10} {size:>10} {:>10.1} {then:>14.1} {:>10.0} {:>10.0} {:>10.1}",
            millis(server.ready),
            done.per_second,
            delivered / ROUND.as_secs_f64(),
            memory(&server.process, "VmHWM:")
        );
        end(server).await;
    }
}

fn memory(process: &Process, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Puts so many events into a spool that no server has yet.
async fn fill(dir: &Path, count: usize) {
    if count == 0 {
        return;
    }
    let vars = [
        ("APIENDPOINT", "http://127.0.0.1:9/api/webhook/realtime"),
        ("APIKEY", DEFAULT_API_KEY),
        ("STORAGECLIENTID", units::S3_COMPATIBLE),
    ];
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let relay = Arc::new(Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap());
    let config = SpoolConfig { dir: dir.to_owned(), limit: 1 << 40 };
    let (spool, keeping) = Spool::start(config, Arc::new(SystemClock)).unwrap();
    spool.ready().await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..256)
        .map(|_| {
            let (spool, relay, next) = (spool.clone(), Arc::clone(&relay), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    // The source that a server without any `[[source]]` gives to what comes in.
                    let delivery = Delivery {
                        source: Some("events".into()),
                        method: "POST".into(),
                        body: event(n as u64).into(),
                        ..Delivery::default()
                    };
                    let plan = relay.plan(&delivery);
                    spool.accept(delivery, &plan, Sender::Anyone).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(spool);
    keeping.wait();
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
