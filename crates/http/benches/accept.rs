//! What a durable 200 costs: the real server in spooled mode on a disk, against the same server with its spool in memory, and
//! against direct mode. Rounds take turns, so that the noise of a machine meets all of them; 32 senders with kept connections.
//!
//! `cargo bench -p mdss-relay-http`; the disk is that of `TMPDIR`, the memory `/dev/shm`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use drive::{HttpPoster, Process, Program};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};

const LIMIT: Duration = Duration::from_secs(30);
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

struct Server {
    name: &'static str,
    process: Process,
    url: String,
    rounds: Vec<Round>,
}

struct Round {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

async fn start(name: &'static str, sim: &Sim, data: Option<&Path>) -> Server {
    let mut program = Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_LOG", "warn");
    if let Some(data) = data {
        // The worker goes slowly: what is measured is taking, and it would take its share of two cores.
        program =
            program.env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", data).env("RELAY_SPOOL_RATE", "1");
    }
    let process = program.start().unwrap();
    // Lines below `warn` are not written, so it is asked until it answers.
    let address = listening(process.id()).await;
    let url = format!("http://{address}/events");
    let poster = HttpPoster::new(LIMIT);
    let begin = Instant::now();
    while poster.send("GET", &format!("http://{address}/readyz"), &[], "").await.is_err() {
        assert!(begin.elapsed() < LIMIT, "{name} does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Server { name, process, url, rounds: Vec::new() }
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

/// An event of the size that S3 sends; `n` makes its key and its mark.
fn event(n: u64) -> String {
    format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{{"principalId":"AWS:EXAMPLE"}},"requestParameters":{{"sourceIPAddress":"192.0.2.1"}},"responseElements":{{"x-amz-request-id":"0123456789ABCDEF","x-amz-id-2":"an id of about eighty bytes, which nobody needs and everybody sends, always there"}},"s3":{{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{{"name":"invoices","ownerIdentity":{{"principalId":"EXAMPLE"}},"arn":"arn:aws:s3:::invoices"}},"object":{{"key":"incoming/invoice-{n:010}.pdf","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"{n:016X}"}}}}}}]}}"#
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
    let sim = Sim::start(Config::default()).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut servers = vec![
        start("spooled, on disk", &sim, Some(disk.path())).await,
        start("spooled, in memory", &sim, Some(memory.path())).await,
        start("direct", &sim, None).await,
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
        "{:<20} {:>10} {:>9} {:>9} {:>12}",
        "32 senders, best of 5", "accepts/s", "p50 ms", "p99 ms", "1 sender, /s"
    );
    let best = |server: &Server| server.rounds.iter().map(|r| r.per_second).fold(0.0, f64::max);
    for (server, alone) in servers.iter().zip(&alone) {
        let fastest = server.rounds.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second)).unwrap();
        println!(
            "{:<21} {:>10.0} {:>9.2} {:>9.2} {alone:>12.0}",
            server.name,
            fastest.per_second,
            fastest.p50.as_secs_f64() * 1000.0,
            fastest.p99.as_secs_f64() * 1000.0
        );
    }
    let mut ratios: Vec<f64> =
        (0..ROUNDS).map(|n| servers[0].rounds[n].per_second / servers[1].rounds[n].per_second).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "disk against memory: best {:.2}, median of neighbouring rounds {:.2} (budget: at least 0.5); shared syncs: 32 senders take {:.1} times what one does",
        best(&servers[0]) / best(&servers[1]),
        ratios[ROUNDS / 2],
        best(&servers[0]) / alone[0]
    );
    // What was said to be on disk is there.
    let poster = HttpPoster::new(LIMIT);
    let metrics =
        poster.send("GET", &servers[0].url.replace("/events", "/metrics"), &[], "").await.unwrap().text();
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
    for mut server in servers {
        server.process.signal("TERM").unwrap();
        server.process.wait(LIMIT).await.unwrap();
    }
}
