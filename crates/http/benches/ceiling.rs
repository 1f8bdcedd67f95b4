//! What an event costs, against nginx as the ceiling: nginx passes the same requests on to the same sink, reads nothing of them and keeps
//! nothing. In turns, in one run, on one machine: nginx, the server in direct mode, in spooled mode with MDSS away and with MDSS there, and
//! the OCI function.
//!
//! `cargo bench -p mdss-relay-http --bench ceiling`, or so many rounds with `-- 5`. Needs nginx and wrk. The load is wrk with 32 kept
//! connections and an S3 record of 540 bytes, each of another object; MDSS is an nginx that accepts everything. Each server starts anew in
//! each round, with its settings' defaults and its log in a file. The server is the one in `MDSS_RELAY_HTTP`, or the one just built; the
//! function is that in `MDSS_RELAY_OCI_FN`, and is left out without it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends where it fails, and prints"
)]

mod rig;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rig::{Connection, Load, Rig, Row, Running, SETTINGS, WARM_UP, event, metric, micros, page, port};

const ROUND: u32 = 4;
const ROUNDS: usize = 3;
const LOAD: Load = Load { connections: 32, seconds: ROUND, records: 1, filling: 0 };

struct Bench {
    rig: Rig,
    function: Option<PathBuf>,
}

impl Bench {
    /// nginx in front of the sink.
    fn proxy(&self) -> Row {
        let (port, sink) = (port(), self.rig.sink);
        let http = format!(
            "upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        );
        let proxy = self.rig.nginx("proxy", 2, &http);
        proxy.wait_until_it_listens(port);
        self.rig.load(port, &proxy, LOAD, || {})
    }

    /// The server in one of its modes, with MDSS on a port.
    fn server(&self, mdss: u16, spooled: bool) -> Row {
        let spool = tempfile::tempdir_in(self.rig.folder.path()).unwrap();
        let server = self.rig.start(mdss, spooled.then(|| spool.path()));
        let is_sent = spooled && mdss == self.rig.sink;
        let wait_until_delivered = || {
            // Seldom: the page costs the server something, too.
            while {
                let page = page(server.port, "/metrics");
                metric(&page, "mdss_relay_spool_delivered_total")
                    < metric(&page, "mdss_relay_spool_stored_total")
            } {
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        let mut row = self.rig.load(server.port, &server.process, LOAD, || {
            if is_sent {
                wait_until_delivered()
            }
        });
        if is_sent {
            let before = server.process.cpu();
            wait_until_delivered();
            let after = micros(server.process.cpu() - before) / (row.per_second * f64::from(ROUND));
            row.until_delivered = Some(row.cpu + after);
        }
        row
    }

    /// The function, one call after the other, as its platform makes them.
    fn function(&self, program: &Path) -> Row {
        let data = tempfile::tempdir_in(self.rig.folder.path()).unwrap();
        let socket = data.path().join("lsnr.sock");
        let mut command = Command::new(program);
        command.env_clear().envs(SETTINGS).env_remove("RELAY_AUTH");
        command.env("APIENDPOINT", format!("http://127.0.0.1:{}/api/webhook/realtime", self.rig.sink));
        command.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
        let function = Running::start(&mut command, &data.path().join("log"));
        function.wait_until(|| UnixStream::connect(&socket).is_ok());
        let stream = UnixStream::connect(&socket).unwrap();
        let mut calls = Calls { connection: Connection::new(stream), number: 0 };
        calls.for_seconds(WARM_UP);
        let (before, begin) = (function.cpu(), Instant::now());
        let mut times = calls.for_seconds(ROUND);
        let (cpu, seconds) = (micros(function.cpu() - before), begin.elapsed().as_secs_f64());
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let count = times.len() as f64;
        Row { per_second: count / seconds, cpu: cpu / count, until_delivered: None, p50: at(50), p99: at(99) }
    }
}

/// Calls of a function through its socket.
struct Calls {
    connection: Connection<UnixStream>,
    number: usize,
}

impl Calls {
    fn for_seconds(&mut self, seconds: u32) -> Vec<Duration> {
        let (begin, mut times) = (Instant::now(), Vec::new());
        while begin.elapsed() < Duration::from_secs(seconds.into()) {
            let sent = Instant::now();
            self.call();
            times.push(sent.elapsed());
        }
        times
    }

    fn call(&mut self) {
        self.number += 1;
        let id = format!("Fn-Call-Id: {}\r\n", self.number);
        self.connection.post("/call", &id, &event(self.number, 1, 0));
    }
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let Some(rig) = Rig::new("ceiling") else { return };
    let function = std::env::var_os("MDSS_RELAY_OCI_FN").map(PathBuf::from).filter(|path| path.is_file());
    let sink = rig.sink;
    let bench = Bench { rig, function };
    println!(
        "\n32 connections, {} bytes an event, {ROUND} s a row; the processor's time is that of the server alone, in microseconds an event",
        event(123_456_789, 1, 0).len()
    );
    println!(
        "{:<36} {:>10} {:>9} {:>8} {:>9} {:>8} {:>8} {:>8}",
        "", "accepted/s", "of nginx", "cpu", "x nginx's", "budget", "p50 ms", "p99 ms"
    );
    for round in 1..=rounds {
        println!("round {round}");
        let ceiling = bench.proxy();
        let print = |name: &str, row: Row, cpu: f64, budget: Option<f64>| {
            println!(
                "{name:<36} {:>10.0} {:>9.2} {cpu:>8.1} {:>9.2} {:>8} {:>8.2} {:>8.2}",
                row.per_second,
                row.per_second / ceiling.per_second,
                cpu / ceiling.cpu,
                budget.map_or(String::new(), |budget| format!("{budget:.1}")),
                row.p50,
                row.p99,
            );
        };
        print("nginx", ceiling, ceiling.cpu, None);
        let direct = bench.server(sink, false);
        print("direct", direct, direct.cpu, Some(3.4));
        // Nobody listens there.
        let down = bench.server(port(), true);
        print("spooled, MDSS away", down, down.cpu, Some(3.2));
        let up = bench.server(sink, true);
        print("spooled, MDSS there", up, up.cpu, None);
        print("spooled, MDSS there, until delivered", up, up.until_delivered.unwrap(), Some(5.5));
        if let Some(program) = &bench.function {
            let function = bench.function(program);
            print("OCI function, one call at a time", function, function.cpu, None);
        }
    }
    if bench.function.is_none() {
        println!("OCI function: skipped: MDSS_RELAY_OCI_FN names no program; 'make bench' builds it");
    }
}
