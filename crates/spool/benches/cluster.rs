//! Figures of the spool on PostgreSQL, each against a floor of the same server in the same run: a bare loop of multi-row inserts, single
//! inserts, the same accepts without a standby, a bare client loop.
//!
//! `cargo bench -p mdss-relay-spool --bench cluster`, or one table with `-- accepts`, `-- standby`, `-- drains`; `-- drains 100000` goes no
//! deeper. Needs PostgreSQL's programs. The disk is that of `TMPDIR`; server, relays, senders and MDSS's stand-in share the machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_core::{Decision, Delivery, Relay, Role, Settings};
use mdss_relay_spool::{Config, Database, Durability, Pacing, Place, Sender, Spool, SystemClock, Worker};
use mdss_sim::{Config as SimConfig, DEFAULT_API_KEY, Sim, units};
use postgres_rig::{Binaries, Server};

/// How long a row lasts, and how many rounds there are, in which a figure and its floor take turns.
const TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;
/// How many a drain sends.
const DRAINED: usize = 20_000;
/// What tells a process that it is one of the bench's own.
const CHILD: &str = "in-child";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(at) = args.iter().position(|arg| arg == CHILD) {
        return runtime.block_on(child(&args[at + 1..]));
    }
    let named = |name: &str| args.iter().any(|arg| arg == name);
    let all = !["accepts", "standby", "drains"].iter().any(|name| named(name));
    let depth = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    runtime.block_on(async {
        let binaries = Binaries::find().unwrap();
        if all || named("accepts") {
            accepts(&binaries).await;
        }
        if all || named("standby") {
            standby(&binaries).await;
        }
        if all || named("drains") {
            drains(&binaries, depth).await;
        }
    });
}

fn relay(url: &str) -> Arc<Relay> {
    let vars = [("APIENDPOINT", url), ("APIKEY", DEFAULT_API_KEY), ("STORAGECLIENTID", units::AMAZON_S3)];
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Arc::new(Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap())
}

/// An event of the size that S3 sends.
fn event(n: usize) -> Delivery {
    let body = format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z",
        "eventName":"ObjectCreated:Put","userIdentity":{{"principalId":"AWS:EXAMPLE"}},"requestParameters":{{"sourceIPAddress":"192.0.2.1"}},
        "s3":{{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{{"name":"invoices","ownerIdentity":{{"principalId":"EXAMPLE"}},"arn":"arn:aws:s3:::invoices"}},
        "object":{{"key":"incoming/2026/11/21/invoice-{n:08}.pdf","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"{n:016X}"}}}}}}]}}"#
    );
    Delivery { source: Some("s".into()), method: "POST".into(), body: body.into(), ..Delivery::default() }
}

fn open(url: &str, durability: Durability) -> Spool {
    let database = Database::of_url(url).unwrap().durable(durability);
    let config = Config { place: Place::Database(database), limit: 1 << 40 };
    Spool::start(config, Arc::new(SystemClock)).unwrap().0
}

/// Accepts by so many senders at once, spread over so many relays, from event number `first` on; a second.
async fn accept(spools: &[Spool], senders: usize, next: &Arc<AtomicUsize>, most: usize) -> f64 {
    let relay = relay("http://127.0.0.1:9/api/webhook/realtime");
    let (begin, first) = (Instant::now(), next.load(Ordering::Relaxed));
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (spool, relay, next) =
                (spools[sender % spools.len()].clone(), Arc::clone(&relay), Arc::clone(next));
            tokio::spawn(async move {
                while most != usize::MAX || begin.elapsed() < TIME {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n - first >= most {
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
    (next.load(Ordering::Relaxed) - first).min(most) as f64 / begin.elapsed().as_secs_f64()
}

/// A loop on one connection that does nothing but insert so many rows of the same size with each commit; rows a second.
async fn inserts(url: &str, rows: usize, connections: usize) -> f64 {
    postgres_rig::ask(url, "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body bytea NOT NULL)")
        .await
        .unwrap();
    let begin = Instant::now();
    let body = event(0).body;
    let loops: Vec<_> = (0..connections)
        .map(|_| {
            let (url, bodies) = (url.to_owned(), vec![body.clone(); rows]);
            tokio::spawn(async move {
                let client = postgres_rig::client(&url).await.unwrap();
                let insert = client
                    .prepare("INSERT INTO bare (body) SELECT * FROM unnest($1::bytea[])")
                    .await
                    .unwrap();
                let mut done = 0;
                while begin.elapsed() < TIME {
                    client.execute(&insert, &[&bodies]).await.unwrap();
                    done += rows;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for one in loops {
        done += one.await.unwrap();
    }
    let rate = done as f64 / begin.elapsed().as_secs_f64();
    postgres_rig::ask(url, "TRUNCATE bare").await.unwrap();
    rate
}

/// Rates beside each other, and the median of a ratio.
fn row(what: &str, rates: &[f64], floors: &[f64], budget: &str) {
    let mut ratios: Vec<_> = rates.iter().zip(floors).map(|(rate, floor)| rate / floor).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) =
        (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
    let of: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
    println!("{what:<58} {least:>8.0} {most:>8.0}  {median:>6.2}  {budget:>6}  {}", of.join(" "));
}

fn head(what: &str) {
    println!(
        "\n{what}\n{:<58} {:>8} {:>8}  {:>6}  {:>6}  of each round",
        "", "least/s", "most/s", "ratio", "budget"
    );
}

async fn accepts(binaries: &Binaries) {
    let server = Server::setup(binaries).setting("max_connections", "300").start().unwrap();
    let url = server.database().await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let spools: Vec<_> = (0..4).map(|_| open(&url, Durability::Server)).collect();
    // A connection for each sender, so that no two events share a commit of the relay's.
    let many: Vec<_> = (0..32).map(|_| open(&url, Durability::Server)).collect();
    for spool in spools.iter().chain(&many) {
        spool.ready().await.unwrap();
    }
    let mut bare_single = vec![];
    let (mut floor, mut single, mut alone, mut four, mut one) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        floor.push(inserts(&url, 32, 1).await);
        bare_single.push(inserts(&url, 1, 32).await);
        single.push(accept(&many, 32, &next, usize::MAX).await);
        one.push(accept(&spools[..1], 1, &next, usize::MAX).await);
        alone.push(accept(&spools[..1], 32, &next, usize::MAX).await);
        four.push(accept(&spools, 64, &next, usize::MAX).await);
    }
    head("durable accepts on PostgreSQL, against a bare loop of 32 rows a commit");
    row("a bare loop, 32 rows a commit", &floor, &floor, "");
    row("bare single inserts, 32 connections", &bare_single, &floor, "");
    row("one event a statement, 32 connections", &single, &floor, "");
    row("one relay, one sender", &one, &floor, "");
    row("one relay, 32 senders", &alone, &floor, "0.5");
    row("four relays, 64 senders", &four, &floor, "0.6");
    row("one relay, 32 senders, against one event a statement", &alone, &single, "2");
}

async fn standby(binaries: &Binaries) {
    let mut primary = Server::setup(binaries).start().unwrap();
    let standby = primary.standby("standby").unwrap();
    primary.followed("standby", false).await.unwrap();
    let url = primary.database().await.unwrap();
    let spool = open(&url, Durability::Server);
    spool.ready().await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        primary.set("synchronous_standby_names", "").unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        without.push(accept(std::slice::from_ref(&spool), 32, &next, usize::MAX).await);
        primary.set("synchronous_standby_names", "standby").unwrap();
        primary.followed("standby", true).await.unwrap();
        with.push(accept(std::slice::from_ref(&spool), 32, &next, usize::MAX).await);
    }
    head("with a synchronous standby on the same disk, against without");
    row("without", &without, &without, "");
    row("with", &with, &without, "0.4");
    drop(standby);
}

/// Copies of what waits, until so many do. Their deliveries are of their own, and their marks.
async fn deepen(url: &str, depth: usize) {
    loop {
        let there: usize =
            postgres_rig::ask(url, "SELECT count(*) FROM mdss_relay.item").await.unwrap()[0].parse().unwrap();
        if there >= depth {
            break;
        }
        let most = depth - there;
        let copy = format!(
            "WITH chosen AS (SELECT id FROM mdss_relay.item ORDER BY id LIMIT {most}),
                  above AS (SELECT max(id) + 1000 AS by FROM mdss_relay.item),
                  i AS (INSERT INTO mdss_relay.item SELECT (x).* FROM (
                      SELECT jsonb_populate_record(item, jsonb_build_object('id', item.id + above.by, 'delivery', item.delivery + above.by,
                          'mark', '\\x' || encode(sha256((item.id + above.by)::text::bytea), 'hex'))) AS x
                      FROM mdss_relay.item JOIN chosen USING (id), above) y)
             INSERT INTO mdss_relay.delivery SELECT (x).* FROM (
                 SELECT jsonb_populate_record(delivery, jsonb_build_object('id', delivery.id + above.by)) AS x
                 FROM mdss_relay.delivery, above WHERE delivery.id IN (SELECT delivery FROM mdss_relay.item JOIN chosen USING (id))) y"
        );
        postgres_rig::ask(url, &copy).await.unwrap();
    }
    postgres_rig::ask(url, "SELECT setval('mdss_relay.ids', (SELECT max(id) + 100000 FROM mdss_relay.item))")
        .await
        .unwrap();
    postgres_rig::ask(url, "ANALYZE").await.unwrap();
}

async fn drains(binaries: &Binaries, deepest: usize) {
    let server = Server::setup(binaries).setting("max_wal_size", "4GB").start().unwrap();
    let url = server.database().await.unwrap();
    let sim = Sim::start(SimConfig { keep_requests: 10, ..SimConfig::default() }).await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let filler = open(&url, Durability::Server);
    filler.ready().await.unwrap();
    println!(
        "\nsent to MDSS's stand-in, {DRAINED} a row, against a bare client loop; the peak is that of the relay's process"
    );
    println!(
        "{:<12} {:<8} {:>8} {:>8} {:>7} {:>9}",
        "behind", "relays", "a second", "ratio", "budget", "peak MB"
    );
    for behind in [0, 100_000, 1_000_000].into_iter().filter(|behind| *behind <= deepest) {
        for relays in [1, 2, 4] {
            let wanted = if behind == 0 { DRAINED } else { behind };
            let there: usize = postgres_rig::ask(&url, "SELECT count(*) FROM mdss_relay.item").await.unwrap()
                [0]
            .parse()
            .unwrap();
            if there == 0 {
                accept(std::slice::from_ref(&filler), 64, &next, DRAINED.min(wanted)).await;
            }
            deepen(&url, wanted).await;
            let (bare, _) = run(&["bare", &sim.url(), "-", "1"]);
            let (rate, peak) = run(&["drain", &sim.url(), &url, &relays.to_string()]);
            let budget = if relays == 1 { "0.3" } else { "" };
            println!("{behind:<12} {relays:<8} {rate:>8.0} {:>8.2} {budget:>7} {peak:>9.0}", rate / bare);
        }
    }
    let size = "SELECT pg_size_pretty(pg_table_size('mdss_relay.item')) || ' and ' || pg_size_pretty(pg_indexes_size('mdss_relay.item'))
                || ' of indexes, deliveries ' || pg_size_pretty(pg_total_relation_size('mdss_relay.delivery')) || ', marks '
                || pg_size_pretty(pg_total_relation_size('mdss_relay.done'))";
    println!("items {}", postgres_rig::ask(&url, size).await.unwrap()[0]);
}

async fn bare(url: &str) -> f64 {
    let relay = relay(url);
    let (begin, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..relay.settings().mdss.concurrency)
        .map(|_| {
            let (relay, next) = (Arc::clone(&relay), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= DRAINED {
                        return;
                    }
                    let plan = relay.plan(&event(n));
                    let Decision::Send(submission) = &plan.records[0].decision else { panic!("{plan:?}") };
                    relay.attempt(submission).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    DRAINED as f64 / begin.elapsed().as_secs_f64()
}

/// Items a second that leave the database by so many relays.
async fn drained(mdss: &str, url: &str, relays: usize) -> f64 {
    let spools: Vec<_> = (0..relays).map(|_| open(url, Durability::Server)).collect();
    for spool in &spools {
        spool.ready().await.unwrap();
    }
    let begin = Instant::now();
    let workers: Vec<_> = spools
        .iter()
        .map(|spool| {
            let pacing = Pacing { rate: 1_000_000, park_after: None };
            tokio::spawn(Worker::new(spool.clone(), relay(mdss), pacing).run(std::future::pending()))
        })
        .collect();
    let delivered = loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let delivered: u64 = spools.iter().map(|spool| spool.counts().delivered.values().sum::<u64>()).sum();
        if delivered >= DRAINED as u64 {
            break delivered;
        }
    };
    let rate = delivered as f64 / begin.elapsed().as_secs_f64();
    for worker in workers {
        worker.abort();
        let _ = worker.await;
    }
    rate
}

/// Runs this program again; what it measured, and its peak memory in MB.
fn run(args: &[&str]) -> (f64, f64) {
    let out = Command::new(std::env::current_exe().unwrap()).arg(CHILD).args(args).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

async fn child(args: &[String]) {
    let figure = match args[0].as_str() {
        "drain" => drained(&args[1], &args[2], args[3].parse().unwrap()).await,
        _ => bare(&args[1]).await,
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{figure} {}", peak / 1024.0);
}
