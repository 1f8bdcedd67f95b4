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

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
const ROUND: u32 = 4;
const ROUNDS: usize = 3;

/// What the load does before anything is counted: connections are made, files grow, a pool fills.
const WARM_UP: u32 = 1;

/// What nginx answers in MDSS's place: the documented answer to an accepted object.
const ACCEPTED: &str = r#"{"correlationId":"0123456789abcdef01234567"}"#;

/// An S3 record; wrk puts a number in the places of `%d`. 540 bytes with numbers of nine digits.
const RECORD: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:EXAMPLE"},"requestParameters":{"sourceIPAddress":"192.0.2.1"},"s3":{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{"name":"invoices","ownerIdentity":{"principalId":"EXAMPLE"},"arn":"arn:aws:s3:::invoices"},"object":{"key":"incoming/2026/invoice-%d.pdf","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"%d"}}}]}"#;

/// The settings that have no default.
const SETTINGS: [(&str, &str); 3] = [
    ("APIKEY", "an-api-key-that-nobody-checks"),
    ("STORAGECLIENTID", "00000000-0000-4000-8000-000000000004"),
    ("RELAY_AUTH", "none"),
];

/// A program under test, and what it has started; ended by its process id.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx's first process ends the others when it is asked to.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begin = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    fn start(command: &mut Command, log: &Path) -> Self {
        let (out, err) = (File::create(log).unwrap(), File::create(log.with_extension("err")).unwrap());
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        Self { child: command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")), log: log.to_owned() }
    }

    /// Waits until it does.
    fn wait_until(&self, does: impl Fn() -> bool) {
        let begin = Instant::now();
        while !does() {
            let log = || {
                fs::read_to_string(&self.log).unwrap()
                    + &fs::read_to_string(self.log.with_extension("err")).unwrap()
            };
            assert!(begin.elapsed() < LIMIT, "waited for {LIMIT:?}; {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_it_listens(&self, port: u16) {
        self.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// The processor's time it has had so far, with its children, kernel included (`utime` and `stime` of proc(5), in ticks of 10 ms).
    fn cpu(&self) -> Duration {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let ids = children.split_whitespace().map(|id| id.parse().unwrap()).chain([id]);
        ids.map(|id: u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            // Behind the name, which may hold anything, in parentheses.
            let cells: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            let ticks: u64 = cells[11].parse::<u64>().unwrap() + cells[12].parse::<u64>().unwrap();
            Duration::from_millis(ticks * 10)
        })
        .sum()
    }
}

/// A port that nobody listens on.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is: in the path, or where `.ci/servers` puts it.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../servers/usr");
    let places = std::env::split_paths(&path);
    places
        .chain(["/usr/sbin".into(), target.join("bin"), target.join("sbin")])
        .map(|p| p.join(name))
        .find(|p| p.is_file())
}

fn nginx(program: &Path, folder: &Path, name: &str, workers: u32, http: &str) -> Running {
    let (place, file) = (folder.display(), folder.join(format!("{name}.conf")));
    let text = format!(
        "daemon off; worker_processes {workers}; pid {place}/{name}.pid; error_log {place}/{name}.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {place}/{name}.body; proxy_temp_path {place}/{name}.proxy;\n\
         fastcgi_temp_path {place}/{name}.f; uwsgi_temp_path {place}/{name}.u; scgi_temp_path {place}/{name}.s;\n{http}\n}}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).arg("-e").arg(folder.join(format!("{name}.log")));
    Running::start(&mut command, &folder.join(format!("{name}.out")))
}

/// What was measured of one server in one round.
#[derive(Clone, Copy)]
struct Row {
    per_second: f64,
    /// Microseconds of the processor an event, while events came.
    cpu: f64,
    /// The same until the last one was delivered.
    until_delivered: Option<f64>,
    /// Milliseconds.
    p50: f64,
    p99: f64,
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// What a page of the server says.
fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The sum of a metric over its labels.
fn metric(page: &str, name: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    page.lines()
        .filter(|line| of(line))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

struct Bench {
    nginx: PathBuf,
    wrk: PathBuf,
    script: PathBuf,
    relay: PathBuf,
    function: Option<PathBuf>,
    folder: tempfile::TempDir,
    sink: u16,
    /// How often wrk has run: no object is in two of its loads.
    loads: AtomicUsize,
}

impl Bench {
    /// Loads a server, after a warm-up; `warmed` waits for what that has left.
    fn load(&self, port: u16, server: &Running, warmed: impl FnOnce()) -> Row {
        let url = format!("http://127.0.0.1:{port}/events");
        let run = |seconds: u32| {
            let mut command = Command::new(&self.wrk);
            command.args([
                "--threads",
                "1",
                "--connections",
                "32",
                "--duration",
                &format!("{seconds}s"),
                "--script",
            ]);
            command.env("FIRST", (self.loads.fetch_add(1, Ordering::Relaxed) * 1_000_000).to_string());
            let output = command.arg(&self.script).arg(&url).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("figures "))
                .unwrap_or_else(|| panic!("{text}"));
            let cells: Vec<f64> = line.split(' ').map(|cell| cell.parse().unwrap()).collect();
            let [requests, micros, p50, p99, failed] = cells[..] else { panic!("{line}") };
            assert_eq!(failed, 0.0, "requests without an answer of 2xx; {text}");
            (requests, micros / 1e6, p50 / 1e3, p99 / 1e3)
        };
        run(WARM_UP);
        warmed();
        let before = server.cpu();
        let (requests, seconds, p50, p99) = run(ROUND);
        let cpu = micros(server.cpu() - before) / requests;
        Row { per_second: requests / seconds, cpu, until_delivered: None, p50, p99 }
    }

    /// nginx in front of the sink.
    fn proxy(&self) -> Row {
        let (port, sink) = (port(), self.sink);
        let http = format!(
            "upstream sink {{ server 127.0.0.1:{sink}; keepalive 64; keepalive_requests 100000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        );
        let proxy = nginx(&self.nginx, self.folder.path(), "proxy", 2, &http);
        proxy.wait_until_it_listens(port);
        self.load(port, &proxy, || {})
    }

    /// The server in one of its modes, with MDSS on a port.
    fn server(&self, mdss: u16, spooled: bool) -> Row {
        let (port, data) = (port(), tempfile::tempdir_in(self.folder.path()).unwrap());
        let mut command = Command::new(&self.relay);
        command.env_clear().envs(SETTINGS);
        command.env("RELAY_LISTEN", format!("127.0.0.1:{port}"));
        command.env("APIENDPOINT", format!("http://127.0.0.1:{mdss}/api/webhook/realtime"));
        if spooled {
            command.env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", data.path().join("spool"));
        }
        let server = Running::start(&mut command, &data.path().join("log"));
        server.wait_until_it_listens(port);
        server.wait_until(|| page(port, "/readyz").starts_with("HTTP/1.1 200"));
        let is_sent = spooled && mdss == self.sink;
        let wait_until_delivered = || {
            // Seldom: the page costs the server something, too.
            while {
                let page = page(port, "/metrics");
                metric(&page, "mdss_relay_spool_delivered_total")
                    < metric(&page, "mdss_relay_spool_stored_total")
            } {
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        let mut row = self.load(port, &server, || {
            if is_sent {
                wait_until_delivered()
            }
        });
        if is_sent {
            let before = server.cpu();
            wait_until_delivered();
            let after = micros(server.cpu() - before) / (row.per_second * f64::from(ROUND));
            row.until_delivered = Some(row.cpu + after);
        }
        row
    }

    /// The function, one call after the other, as its platform makes them.
    fn function(&self, program: &Path) -> Row {
        let data = tempfile::tempdir_in(self.folder.path()).unwrap();
        let socket = data.path().join("lsnr.sock");
        let mut command = Command::new(program);
        command.env_clear().envs(SETTINGS).env_remove("RELAY_AUTH");
        command.env("APIENDPOINT", format!("http://127.0.0.1:{}/api/webhook/realtime", self.sink));
        command.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
        let function = Running::start(&mut command, &data.path().join("log"));
        function.wait_until(|| UnixStream::connect(&socket).is_ok());
        let stream = UnixStream::connect(&socket).unwrap();
        let mut calls = Calls { stream: BufReader::new(stream), number: 0 };
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
    stream: BufReader<UnixStream>,
    number: u64,
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
        let body = RECORD.replace("%d", &format!("{:09}", self.number));
        let head = format!(
            "POST /call HTTP/1.1\r\nHost: localhost\r\nFn-Call-Id: {}\r\nContent-Length: {}\r\n\r\n",
            self.number,
            body.len()
        );
        self.stream.get_mut().write_all((head + &body).as_bytes()).unwrap();
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let text = line.trim().to_ascii_lowercase();
            match text.strip_prefix("content-length:") {
                _ if text.is_empty() => break,
                Some(bytes) => length = bytes.trim().parse().unwrap(),
                None if status.is_empty() => status = text,
                None => {}
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        assert!(status.contains(" 200"), "{status}: {}", String::from_utf8_lossy(&answer));
    }
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let (Some(nginx_program), Some(wrk)) = (find("nginx"), find("wrk")) else {
        println!(
            "ceiling: skipped: nginx or wrk is missing; 'apt-get install nginx-light wrk' installs them"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("load.lua");
    fs::write(&script, lua()).unwrap();
    let sink = port();
    let http = format!(
        "server {{ listen 127.0.0.1:{sink}; location / {{ default_type application/json; return 200 '{ACCEPTED}'; }} }}"
    );
    let sink_process = nginx(&nginx_program, folder.path(), "sink", 1, &http);
    sink_process.wait_until_it_listens(sink);
    let path = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_file());
    let relay = path("MDSS_RELAY_HTTP").unwrap_or_else(|| env!("CARGO_BIN_EXE_mdss-relay-http").into());
    let function = path("MDSS_RELAY_OCI_FN");
    let bench = Bench {
        nginx: nginx_program,
        wrk,
        script,
        relay,
        function,
        folder,
        sink,
        loads: AtomicUsize::new(1),
    };
    println!(
        "\n32 connections, {} bytes an event, {ROUND} s a row; the processor's time is that of the server alone, in microseconds an event",
        RECORD.replace("%d", "123456789").len()
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

/// What wrk sends, and prints at the end.
fn lua() -> String {
    format!(
        "local number = tonumber(os.getenv('FIRST'))\n\
         function request()\n  number = number + 1\n  local id = string.format('%09d', number)\n  \
         return wrk.format('POST', nil, nil, string.format([[{}]], id, id))\nend\n\
         wrk.headers['Content-Type'] = 'application/json'\n\
         function done(summary, latency)\n  \
         local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout\n  \
         print(string.format('figures %d %d %d %d %d', summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))\n\
         end\n",
        RECORD.replace("%d", "%s"),
    )
}
