//! How the cost of an event grows: with what is in the spool, with the number of senders, with the size of an event, and with the records of
//! a delivery. In spooled mode with MDSS away, so that what is measured is taking.
//!
//! `cargo bench -p mdss-relay-http --bench growth`, or one table with `-- backlog`, `-- senders`, `-- size` or `-- records`. Needs nginx
//! and wrk. Each row is a server of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

#[allow(dead_code, unused_imports, reason = "what nginx as the ceiling needs")]
mod rig;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_core::{Delivery, Relay, Role, Settings};
use mdss_relay_spool::{Config, Place, Sender, Spool, SystemClock};
use rig::{Connection, Load, Rig, Row, event, micros, port};
use tokio::net::TcpSocket;

const LOAD: Load = Load { connections: 32, seconds: 2, records: 1, filling: 0 };

/// In which a thousand threads connect, and the server turns to what they send.
const WARM_UP_OF_MANY: Duration = Duration::from_secs(2);

/// After how long a sender comes again that was refused.
const AGAIN: Duration = Duration::from_millis(100);

/// The number of the first object of a backlog; a load never gets there.
const BACKLOG: usize = 500_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |table: &str| args.is_empty() || args.iter().any(|arg| arg == table);
    let Some(rig) = Rig::new("growth") else { return };
    println!("\nspooled, MDSS away, {} s a row; the processor's time in microseconds an event", LOAD.seconds);
    if wanted("backlog") {
        backlog(&rig);
    }
    let head = |what: &str| {
        println!("\n{what:<12} {:>10} {:>10} {:>8} {:>8}", "accepted/s", "cpu", "p50 ms", "p99 ms");
    };
    if wanted("senders") {
        head("senders");
        for connections in [1, 10, 32, 100] {
            print(&format!("{connections:>7}"), &alone(&rig, Load { connections, ..LOAD }));
        }
        // wrk has one address, whose share of the server is used up below 200.
        head("of many");
        for senders in [100, 300, 700, 1000] {
            let (row, refused) = many(&rig, senders, 20);
            print(&format!("{senders:>7}"), &row);
            println!("{:>12} {refused:>10}", "refused");
        }
    }
    if wanted("size") {
        head("bytes");
        for bytes in [540, 4 << 10, 64 << 10, 1 << 20] {
            print(&format!("{bytes:>7}"), &alone(&rig, Load { filling: bytes - 540, ..LOAD }));
        }
    }
    if wanted("records") {
        head("records");
        for records in [1, 10, 100] {
            let row = alone(&rig, Load { records, ..LOAD });
            print(&format!("{records:>7}"), &row);
            println!(
                "{:>12} {:>10.0} {:>10.1}",
                "a record",
                row.per_second * records as f64,
                row.cpu / records as f64
            );
        }
    }
}

fn print(name: &str, row: &Row) {
    let Row { per_second, cpu, p50, p99, .. } = row;
    println!("{name:<12} {per_second:>10.0} {cpu:>10.1} {p50:>8.2} {p99:>8.2}");
}

/// A server with an empty spool.
fn alone(rig: &Rig, load: Load) -> Row {
    let spool = tempfile::tempdir_in(rig.folder.path()).unwrap();
    let server = rig.start(port(), Some(spool.path()));
    rig.load(server.port, &server.process, load, || {})
}

/// The same from threads of this process, which share so many addresses of the loopback net; and how many requests were refused or cut off.
/// Such a sender comes again, on a new connection.
fn many(rig: &Rig, senders: usize, addresses: usize) -> (Row, usize) {
    let spool = tempfile::tempdir_in(rig.folder.path()).unwrap();
    let server = rig.start(port(), Some(spool.path()));
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let (next, refused) = (AtomicUsize::new(1), AtomicUsize::new(0));
    // Until then all are connected.
    let begin = Instant::now() + WARM_UP_OF_MANY;
    let end = begin + Duration::from_secs(LOAD.seconds.into());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..senders)
            .map(|sender| {
                let (next, refused) = (&next, &refused);
                let from = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + sender % addresses).unwrap());
                let send = move || {
                    let (mut connection, mut times) = (None, Vec::new());
                    while Instant::now() < end {
                        let body = event(next.fetch_add(1, Ordering::Relaxed), 1, 0);
                        let at = Instant::now();
                        let open = connection.take().map_or_else(|| connect(from, to), Ok);
                        let sent = open.and_then(|mut open| {
                            open.try_post("/events", "", &body).map(|(_, refusal)| (open, refusal))
                        });
                        match sent {
                            Ok((open, None)) => {
                                connection = Some(open);
                                if at >= begin {
                                    times.push(at.elapsed());
                                }
                            }
                            Ok((_, Some(_))) | Err(_) => {
                                if at >= begin {
                                    refused.fetch_add(1, Ordering::Relaxed);
                                }
                                std::thread::sleep(AGAIN);
                            }
                        }
                    }
                    times
                };
                std::thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, send).unwrap()
            })
            .collect();
        std::thread::sleep(begin.saturating_duration_since(Instant::now()));
        let before = server.process.cpu();
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        let cpu = server.process.cpu() - before;
        let mut times: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let count = times.len() as f64;
        let row = Row {
            per_second: count / f64::from(LOAD.seconds),
            cpu: micros(cpu) / count,
            until_delivered: None,
            p50: at(50),
            p99: at(99),
        };
        (row, refused.load(Ordering::Relaxed))
    })
}

/// A connection from an address.
fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<Connection<TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(to).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(Connection::new(stream))
}

fn backlog(rig: &Rig) {
    println!(
        "\n{:<12} {:>10} {:>10} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "in the spool", "accepted/s", "cpu", "p50 ms", "p99 ms", "file MB", "ready ms", "peak MB"
    );
    for count in [0, 100_000, 1_000_000] {
        let spool = tempfile::tempdir_in(rig.folder.path()).unwrap();
        if count > 0 {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(fill(spool.path(), count));
        }
        let size = std::fs::metadata(spool.path().join("spool.db")).map_or(0, |file| file.len() >> 20);
        let begin = Instant::now();
        let server = rig.start(port(), Some(spool.path()));
        let ready = begin.elapsed().as_secs_f64() * 1e3;
        let Row { per_second, cpu, p50, p99, .. } = rig.load(server.port, &server.process, LOAD, || {});
        let peak = peak(server.process.child.id());
        println!(
            "{count:>12} {per_second:>10.0} {cpu:>10.1} {p50:>8.2} {p99:>8.2} {size:>9} {ready:>9.0} {peak:>9.0}"
        );
    }
}

/// The most memory that a process has had, in MB.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Puts so many events into a spool that no server has yet.
async fn fill(dir: &Path, count: usize) {
    let vars = [
        ("APIENDPOINT", "http://127.0.0.1:9/api/webhook/realtime"),
        ("APIKEY", "an-api-key-that-nobody-checks"),
        ("STORAGECLIENTID", "00000000-0000-4000-8000-000000000004"),
    ];
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    let relay = Arc::new(Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap());
    let config = Config { place: Place::Directory(dir.to_owned()), limit: 1 << 40 };
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
                        body: event(BACKLOG + n, 1, 0).into(),
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
