//! What the real server costs, as a process, in three tables: a durable 200 (spooled mode on a disk, against the same server
//! with its spool in memory, against direct mode, and against the disk's own syncs); the way from request to acceptance; accepts and drain with the ledger against without.
//!
//! `cargo bench -p mdss-relay-http`, or one table with `-- accepts`, `-- way` or `-- ledger`; of the way one rate alone with `-- way 500`. The disk
//! is that of `TMPDIR`, the memory `/dev/shm`. Rounds take turns, so that the noise of a machine meets all servers. The server is the one in
//! `MDSS_RELAY_HTTP`, or the one just built.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

#[path = "rig/post.rs"]
mod post;
#[path = "rig/relay.rs"]
mod relay;

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use drive::{HttpPoster, Process, Program};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};
use post::Connection;

const LIMIT: Duration = Duration::from_secs(30);
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// Of the table of the way: the disk and the servers take turns.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

/// Requests a second.
const RATES: [u32; 4] = [100, 500, 1000, 5000];

/// Connections that share the requests: an answer may take twelve milliseconds at 5000 a second before the next request of its connection is late.
const SENDERS: u64 = 64;

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

/// `rate`: how many requests a second the worker may make.
async fn start(name: &'static str, sim: &Sim, data: Option<&Path>, rate: u32) -> Server {
    start_on(name, sim, data.map(in_a_file), rate, None).await
}

/// The setting of a spool, and its value.
type Setting = (&'static str, String);

fn in_a_file(data: &Path) -> Setting {
    ("RELAY_DATA_DIR", data.to_str().unwrap().to_owned())
}

/// A server of databases, which shares the machine and the disk; without PostgreSQL's programs its rows are left out.
fn database() -> Option<postgres_rig::Server> {
    let binaries = postgres_rig::binaries().unwrap()?;
    Some(postgres_rig::Server::setup(&binaries).setting("shared_buffers", "128MB").start().unwrap())
}

/// The same with its spool where a setting says, none: direct mode; and with a ledger, if there is a directory for it.
async fn start_on(
    name: &'static str,
    sim: &Sim,
    spool: Option<Setting>,
    rate: u32,
    ledger: Option<&Path>,
) -> Server {
    let mut program = Program::new(relay::relay())
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_AUTH", "none")
        .env("RELAY_LOG", "warn");
    if let Some((setting, place)) = spool {
        // The setting of a database; with a file the server refuses it.
        if setting == "RELAY_SPOOL_URL" {
            program = program.env("RELAY_SPOOL_DURABILITY", "server");
        }
        program = program
            .env("RELAY_MODE", "spooled")
            .env(setting, place)
            .env("RELAY_SPOOL_LIMIT", "16GiB")
            .env("RELAY_SPOOL_RATE", rate.to_string());
        if let Some(dir) = ledger {
            program = program.env("RELAY_LEDGER", "on").env("RELAY_LEDGER_DIR", dir);
        }
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
    Server { name, process, url, rounds: Vec::new() }
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
    println!("server: {}", relay::relay().display());
    let wanted = |table: &str| args.is_empty() || args.iter().any(|arg| arg == table);
    if wanted("accepts") {
        accepts().await;
    }
    if wanted("way") {
        let rates: Vec<u32> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
        way(if rates.is_empty() { &RATES } else { &rates }).await;
    }
    if wanted("ledger") {
        for sends in SENDS {
            with_ledger(None, sends).await;
        }
        if let Some(database) = database() {
            for sends in SENDS {
                with_ledger(Some(&database), sends).await;
            }
        }
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

/// Requests a second that a relay may make while it takes events: as many as a setting allows, and so many that it makes them with a ledger and without.
/// At the first rate the one without does not send all that it takes, and so has less to do for each.
const SENDS: [u32; 2] = [10_000, 5_000];

/// The same server with a ledger and without: how many events it takes while it sends so many, and how fast it empties a spool, in a file or in a
/// database. Rounds take turns.
async fn with_ledger(database: Option<&postgres_rig::Server>, sends: u32) {
    let sim = Sim::start(Config { keep_requests: 10, ..Config::default() }).await.unwrap();
    let (mut taken, mut emptied) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    let mut first = 20_000_000_000;
    for turn in 0..ROUNDS {
        // Whoever comes first meets a machine that has just been at rest.
        let mut order = [0, 1];
        order.rotate_left(turn % 2);
        for place in order {
            let disk = tempfile::tempdir().unwrap();
            let ledger = (place == 1).then_some(disk.path());
            let spool = match database {
                Some(database) => ("RELAY_SPOOL_URL", database.database().await.unwrap()),
                None => in_a_file(disk.path()),
            };
            first += 200_000_000;
            // It is filled by one that sends nothing, so that each round empties the same.
            let server = start_on("fills", &sim, Some(spool.clone()), 1, ledger).await;
            fill(&server, first).await;
            end(server).await;
            let server = start_on("empties", &sim, Some(spool), sends, ledger).await;
            let (begin, waiting) = (Instant::now(), stored(&server).await);
            while stored(&server).await > 0.0 {
                assert!(begin.elapsed() < LIMIT, "the spool is not emptied");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            emptied[place].push(waiting / begin.elapsed().as_secs_f64());
            // What the emptying has left for the ledger is taken in the first round. From then on the ledger is told of as much as comes in.
            let mut rates = Vec::new();
            for n in 1..=3 {
                rates.push(round(&server.url, first + n * 50_000_000, 32).await.per_second);
            }
            taken[place].push(rates[1..].iter().sum::<f64>() / 2.0);
            end(server).await;
        }
    }
    println!(
        "\nwith the ledger against without, in a {}, {ROUNDS} rounds in turns; the server sends {sends} a second while it takes",
        if database.is_some() { "database" } else { "file" }
    );
    // At a rate that both reach emptying says nothing.
    let drained = (sends == SENDS[0]).then_some(("drained/s", &emptied));
    for (what, rates) in [("accepts/s", &taken)].into_iter().chain(drained) {
        let [off, on] = rates;
        let best = |rates: &Vec<f64>| rates.iter().copied().fold(0.0, f64::max);
        let mut ratios: Vec<f64> = on.iter().zip(off).map(|(on, off)| on / off).collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{what:<10} without {:>7.0}, with {:>7.0}: best {:.2}, neighbouring rounds {:.2} to {:.2}, median {:.2} (budget: at least 0.9)",
            best(off),
            best(on),
            best(on) / best(off),
            ratios[0],
            ratios[ROUNDS - 1],
            ratios[ROUNDS / 2],
        );
    }
}

/// Events that a spool is filled with.
const FILLED: u64 = 20_000;

async fn fill(server: &Server, first: u64) {
    let tasks: Vec<_> = (0..32)
        .map(|sender| {
            let (url, poster) = (server.url.clone(), HttpPoster::new(LIMIT));
            tokio::spawn(async move {
                for n in (sender..FILLED).step_by(32) {
                    let answer = poster.send("POST", &url, &[], event(first + n)).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Items that are in the spool.
async fn stored(server: &Server) -> f64 {
    let metrics = metrics(server).await;
    let lines = metrics.lines().filter(|line| line.starts_with("mdss_relay_spool_items"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn metrics(server: &Server) -> String {
    let url = server.url.replace("/events", "/metrics");
    HttpPoster::new(LIMIT).send("GET", &url, &[], "").await.unwrap().text()
}

/// How long an object is on its way, from the first byte of its request to MDSS: what a user feels. And how much longer than the disk's sync
/// a durable 200 takes.
async fn way(rates: &[u32]) {
    let sim = Sim::start(Config { keep_requests: 100_000, ..Config::default() }).await.unwrap();
    let disk = tempfile::tempdir().unwrap();
    let mut servers = vec![
        start("spooled, on disk", &sim, Some(disk.path()), 10_000).await,
        start("direct", &sim, None, 1).await,
    ];
    let database = database();
    if let Some(database) = &database {
        let url = database.database().await.unwrap();
        servers
            .push(start_on("spooled, PostgreSQL", &sim, Some(("RELAY_SPOOL_URL", url)), 10_000, None).await);
    }
    println!(
        "\nfrom request to MDSS, and to the sender's 200; requests at even distances, {TURNS} turns of {} s\n\
         200: from when the request was written to its socket; due: from when it was meant to be, or was begun if its sender overslept; late: how long that",
        TURN.as_secs()
    );
    println!(
        "{:<20} {:>10} {:>12} {:>12} {:>9} {:>9} {:>11} {:>9} {:>9}",
        "",
        "requests/s",
        "MDSS p50 ms",
        "MDSS p99 ms",
        "200 p50",
        "200 p99",
        "of sync p99",
        "due p99",
        "late p99"
    );
    let mut first = 10_000_000_000;
    for &per_second in rates {
        let mut bare = Vec::new();
        let mut times: Vec<_> = servers.iter().map(|_| Way::default()).collect();
        for _ in 0..TURNS {
            bare.extend(syncs_evenly(disk.path(), per_second));
            for (server, times) in servers.iter().zip(&mut times) {
                first += 1_000_000;
                evenly(server, &sim, first, per_second, times).await;
            }
        }
        let sync = at(&mut bare, 99);
        println!(
            "{:<20} {per_second:>10} {:>12} {:>12} {:>9.2} {sync:>9.2}",
            "a bare sync",
            "",
            "",
            at(&mut bare, 50)
        );
        for (server, times) in servers.iter().zip(&mut times) {
            let [p50, p99] = [50, 99].map(|percent| at(&mut times.answered, percent));
            println!(
                "{:<20} {per_second:>10} {:>12.2} {:>12.2} {p50:>9.2} {p99:>9.2} {:>11.2} {:>9.2} {:>9.2}",
                server.name,
                at(&mut times.to_mdss, 50),
                at(&mut times.to_mdss, 99),
                p99 / sync,
                at(&mut times.from_due, 99),
                at(&mut times.late, 99),
            );
        }
    }
    println!(
        "budgets: a spooled 200 at 500/s and 5000/s 2.5 of sync p99; spooled at 1000/s 1.5 ms to MDSS at p50"
    );
    for server in servers {
        end(server).await;
    }
}

/// What so many of a hundred do not exceed, in milliseconds.
fn at(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    millis(times[(times.len() - 1) * percent / 100])
}

/// What the disk needs for a sync at such a distance from the last, on its own: the floor of every durable 200. Where it needs longer than the
/// distance, the next one follows at once.
fn syncs_evenly(dir: &Path, per_second: u32) -> Vec<Duration> {
    let (file, begin) = (File::create(dir.join("syncs")).unwrap(), Instant::now());
    // A log that has its length: a file that grows costs more.
    file.write_all_at(&[7; 4096], 0).unwrap();
    file.sync_all().unwrap();
    let mut times = Vec::new();
    let mut n = 0;
    while begin.elapsed() < TURN {
        sleep_until(begin + Duration::from_secs(1) / per_second * n);
        let start = Instant::now();
        file.write_all_at(&[7; 4096], 0).unwrap();
        file.sync_data().unwrap();
        times.push(start.elapsed());
        n += 1;
    }
    times
}

fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Times of requests.
#[derive(Default)]
struct Way {
    to_mdss: Vec<Duration>,
    answered: Vec<Duration>,
    from_due: Vec<Duration>,
    late: Vec<Duration>,
}

/// One request of a sender.
struct Sent {
    number: u64,
    at: SystemTime,
    /// From when it was written.
    answered: Duration,
    /// From when it was due, if its sender was waiting for an answer then.
    from_due: Duration,
    late: Duration,
}

/// Adds the times of a turn's requests. Threads send them in turn, because a timer of the runtime's fires once a millisecond, and then for
/// several. A sender that has to wait for its last answer counts from the moment that was meant, except in what it says of the server alone.
async fn evenly(server: &Server, sim: &Sim, first: u64, per_second: u32, times: &mut Way) {
    sim.forget();
    let address = server.url.trim_start_matches("http://").trim_end_matches("/events").to_owned();
    let begin = Instant::now() + Duration::from_millis(20);
    let count = u64::from(per_second) * TURN.as_secs();
    let threads: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let mut connection = Connection::new(TcpStream::connect(&address).unwrap());
            std::thread::spawn(move || {
                let send = |n: u64| {
                    let due = begin + Duration::from_secs(1).mul_f64(n as f64 / f64::from(per_second));
                    let number = first + n;
                    let body = event(number);
                    let is_behind = Instant::now() > due;
                    sleep_until(due);
                    let late = due.elapsed();
                    let from = if is_behind { due } else { Instant::now() };
                    let at = SystemTime::now() - from.elapsed();
                    let written = connection.post("/events", "", &body);
                    Sent { number, at, answered: written.elapsed(), from_due: from.elapsed(), late }
                };
                (sender..count).step_by(SENDERS as usize).map(send).collect::<Vec<_>>()
            })
        })
        .collect();
    let sent: Vec<Sent> = tokio::task::spawn_blocking(|| {
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
    .await
    .unwrap();
    let deadline = Instant::now() + LIMIT;
    let came: HashMap<String, SystemTime> = loop {
        let requests = sim.requests();
        let accepted = requests.into_iter().filter(|r| r.status.is_some_and(|s| s.is_success()));
        let came: HashMap<_, _> = accepted.filter_map(|r| Some((r.key?, r.time))).collect();
        if came.len() == sent.len() {
            break came;
        }
        assert!(Instant::now() < deadline, "{} of {} came to MDSS", came.len(), sent.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for Sent { number, at, answered, from_due, late } in sent {
        times.to_mdss.push(came[&key(number)].duration_since(at).unwrap_or_default());
        times.answered.push(answered);
        times.from_due.push(from_due);
        times.late.push(late);
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
