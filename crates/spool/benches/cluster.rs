//! Figures of the spool on PostgreSQL, each against a floor of the same server in the same run: a bare loop of multi-row inserts, single
//! inserts, the same accepts without a standby, a bare client loop.
//!
//! `cargo bench -p mdss-relay-spool --bench cluster`, or one table with `-- accepts`, `-- standby`, `-- drains`, `-- size`; `-- drains 100000` goes no
//! deeper. Needs PostgreSQL's programs. The disk is that of `TMPDIR`; server, relays, senders and MDSS's stand-in share the machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_spool::{Config, Database, Durability, Pacing, Place, Sender, Spool, SystemClock, Worker};
use mdss_sim::{Config as SimConfig, Sim};
use postgres_rig::{Binaries, Server};

use common::{DRAINED, bare, event, is_child, pace, relay, run, tell};

/// How long a row lasts, and how many rounds there are, in which a figure and its floor take turns.
const TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

/// What one relay may take of memory, however much is behind.
const MOST_MEGABYTES: f64 = 64.0;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(args) = is_child(&args) {
        return runtime.block_on(child(args));
    }
    let named = |name: &str| args.iter().any(|arg| arg == name);
    let all = !["accepts", "standby", "drains", "size"].iter().any(|name| named(name));
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
        if all || named("size") {
            size(&binaries, depth).await;
        }
    });
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

/// The same by so many relays that are there for this row alone, into tables that are as empty as those of the bare loop.
async fn of_relays(url: &str, relays: usize, senders: usize, next: &Arc<AtomicUsize>) -> f64 {
    let spools: Vec<_> = (0..relays).map(|_| open(url, Durability::Server)).collect();
    for spool in &spools {
        spool.ready().await.unwrap();
    }
    let rate = accept(&spools, senders, next, usize::MAX).await;
    drop(spools);
    postgres_rig::ask(url, "TRUNCATE mdss_relay.item, mdss_relay.delivery").await.unwrap();
    rate
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

/// How much longer than on this disk a commit takes, in microseconds: as here; as on a good disk of a cloud; as with a standby in another zone.
const LONGER: [u32; 3] = [0, 1000, 3000];

/// What the loop and the relays share of a commit is its sync. So how long that takes decides what the rest of an accept weighs.
async fn accepts(binaries: &Binaries) {
    let mut server = Server::setup(binaries)
        .setting("max_connections", "300")
        // PostgreSQL's own default.
        .setting("shared_buffers", "128MB")
        // A commit waits for the delay before it syncs, also if no other one is under way.
        .setting("commit_siblings", "0")
        .start()
        .unwrap();
    let url = server.database().await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    for longer in LONGER {
        server.set("commit_delay", &longer.to_string()).unwrap();
        // Each session takes it up with its next statement, and each has one of its own.
        let (mut commit, mut bare_single) = (vec![], vec![]);
        let (mut floor, mut single, mut alone, mut four, mut one) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            commit.push(1e3 / inserts(&url, 1, 1).await);
            floor.push(inserts(&url, 32, 1).await);
            bare_single.push(inserts(&url, 1, 32).await);
            // A relay for each sender, so that no two events share a commit of the relay's.
            single.push(of_relays(&url, 32, 32, &next).await);
            one.push(of_relays(&url, 1, 1, &next).await);
            alone.push(of_relays(&url, 1, 32, &next).await);
            four.push(of_relays(&url, 4, 64, &next).await);
        }
        commit.sort_by(f64::total_cmp);
        head(&format!(
            "durable accepts on PostgreSQL, against a bare loop of 32 rows a commit; a row alone is committed in {:.2} ms",
            commit[ROUNDS / 2]
        ));
        row("a bare loop, 32 rows a commit", &floor, &floor, "");
        row("bare single inserts, 32 connections", &bare_single, &floor, "");
        row("one event a statement, 32 connections", &single, &floor, "");
        row("one relay, one sender", &one, &floor, "");
        row("one relay, 32 senders", &alone, &floor, "0.5");
        row("four relays, 64 senders", &four, &floor, "0.6");
        row("one relay, 32 senders, against one event a statement", &alone, &single, "2");
    }
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

/// Copies of what waits, until so many do. Their deliveries are of their own, and their marks. They have been due for longer than what they are copied from, so what is
/// due one after the other lies beside each other, as it does when it comes.
async fn deepen(url: &str, depth: usize) {
    // What the row before held when it was ended would be copied with its leases.
    let free = "UPDATE mdss_relay.item SET claim = NULL, leased = NULL WHERE leased > now()";
    postgres_rig::ask(url, free).await.unwrap();
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
                          'not_before', item.not_before - above.by * interval '100 microseconds', 'since', item.since - above.by * interval '100 microseconds',
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

/// A server for many events, a database on it, and MDSS's stand-in.
async fn around(binaries: &Binaries) -> (Server, String, Sim) {
    let server = Server::setup(binaries)
        .setting("max_wal_size", "4GB")
        .setting("shared_buffers", "128MB")
        .start()
        .unwrap();
    let url = server.database().await.unwrap();
    let sim = Sim::start(SimConfig { keep_requests: 10, ..SimConfig::default() }).await.unwrap();
    (server, url, sim)
}

async fn drains(binaries: &Binaries, deepest: usize) {
    let (_server, url, sim) = around(binaries).await;
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
            let (bare, _) = run(&["bare", &sim.url()]);
            let (rate, peak) = run(&["drain", &sim.url(), &url, &relays.to_string(), &DRAINED.to_string()]);
            let budget = if relays == 1 { "0.3" } else { "" };
            println!("{behind:<12} {relays:<8} {rate:>8.0} {:>8.2} {budget:>7} {peak:>9.0}", rate / bare);
            assert!(
                relays > 1 || peak <= MOST_MEGABYTES,
                "one relay took {peak:.0} MB, at most {MOST_MEGABYTES}"
            );
        }
    }
}

/// Tables whose size is said, with what is meant.
const TABLES: [(&str, &str); 6] = [
    ("items", "pg_table_size('mdss_relay.item')"),
    ("their indexes", "pg_indexes_size('mdss_relay.item')"),
    ("deliveries", "pg_table_size('mdss_relay.delivery')"),
    ("their index", "pg_indexes_size('mdss_relay.delivery')"),
    ("marks", "pg_table_size('mdss_relay.done')"),
    ("their indexes", "pg_indexes_size('mdss_relay.done')"),
];

/// What so many take of the disk, twice: what has gone leaves room behind, and what comes then finds it.
async fn size(binaries: &Binaries, depth: usize) {
    let (_server, url, sim) = around(binaries).await;
    let next = Arc::new(AtomicUsize::new(0));
    let filler = open(&url, Durability::Server);
    filler.ready().await.unwrap();
    println!("\nmegabytes of {depth} events, and of the marks of what was accepted");
    let columns: Vec<_> = TABLES.iter().map(|(what, _)| format!("{what:>13}")).collect();
    println!("{:<32} {}", "", columns.join(" "));
    let say = async |what: &str| {
        let sizes: Vec<_> = TABLES.iter().map(|(_, size)| format!("{size} / 1048576")).collect();
        let sql = format!("SELECT concat_ws(' ', {})", sizes.join(", "));
        let sizes = postgres_rig::ask(&url, &sql).await.unwrap().concat();
        let sizes: Vec<_> = sizes.split(' ').map(|size| format!("{size:>13}")).collect();
        println!("{what:<32} {}", sizes.join(" "));
    };
    let vacuum = async || {
        for table in ["item", "delivery", "done"] {
            postgres_rig::ask(&url, &format!("VACUUM ANALYZE mdss_relay.{table}")).await.unwrap();
        }
    };
    for round in ["first", "second"] {
        accept(std::slice::from_ref(&filler), 64, &next, DRAINED.min(depth)).await;
        deepen(&url, depth).await;
        say(&format!("all of the {round} are there")).await;
        run(&["drain", &sim.url(), &url, "1", &depth.to_string()]);
        say("all have gone").await;
        vacuum().await;
        say("the same, and vacuumed").await;
    }
}

/// Items a second that leave the database by so many relays.
async fn drained(mdss: &str, url: &str, relays: usize, count: u64) -> f64 {
    let spools: Vec<_> = (0..relays).map(|_| open(url, Durability::Server)).collect();
    for spool in &spools {
        spool.ready().await.unwrap();
    }
    let workers: Vec<_> = spools
        .iter()
        .map(|spool| {
            let pacing = Pacing { rate: 1_000_000, park_after: None };
            tokio::spawn(Worker::new(spool.clone(), relay(mdss), pacing).run(std::future::pending()))
        })
        .collect();
    let delivered =
        async || spools.iter().map(|spool| spool.counts().delivered.values().sum::<u64>()).sum::<u64>();
    let rate = pace(count, delivered).await;
    for worker in workers {
        worker.abort();
        let _ = worker.await;
    }
    rate
}

async fn child(args: &[String]) {
    tell(match args[0].as_str() {
        "drain" => drained(&args[1], &args[2], args[3].parse().unwrap(), args[4].parse().unwrap()).await,
        _ => bare(&args[1], DRAINED).await,
    });
}
