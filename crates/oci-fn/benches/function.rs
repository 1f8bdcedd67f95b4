//! The function against its floors, and against the same function in Python: all in one run, in turns, on one machine.
//!
//! `make bench` builds the shipped binary and runs this. Figures are ratios; the times beside them are this machine's.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and ends where it fails"
)]

#[path = "../tests/callgrind/mod.rs"]
mod callgrind;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use callgrind::event;
use drive::FnClient;
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, Tls, units};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const LIMIT: Duration = Duration::from_secs(30);
/// What the function makes of it, for the proxy that decides nothing.
const SUBMISSION: &str = r#"{"storageClientId":"00000000-0000-4000-8000-000000000004","metadata":"{\"Name\":\"invoice-0417.pdf\"}"}"#;

/// A program under test; ended by its process id.
struct Running {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
    took: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a program and measures the time from exec to the socket.
    fn start(make: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("lsnr.sock");
        let mut command = make(&socket);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().unwrap();
        while !socket.exists() {
            assert!(started.elapsed() < LIMIT, "{command:?} made no socket");
            std::hint::spin_loop();
        }
        Self { child, socket, _folder: folder, took: started.elapsed() }
    }

    /// The processor's time it has had so far, all threads, kernel included. The first number of `schedstat`, in
    /// nanoseconds (<https://docs.kernel.org/scheduler/sched-stats.html>); the ticks of proc(5)'s `stat` are as long as
    /// what is measured here.
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let times = tasks.map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
        });
        times.sum()
    }

    /// The most memory it has ever held, in kB (`VmHWM` in proc(5)).
    fn peak_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

struct Calls {
    p50: Duration,
    p99: Duration,
    per_second: f64,
    /// Of the program under test, a call.
    cpu: Duration,
}

async fn calls(running: &Running, n: usize) -> Calls {
    let client = FnClient::new(&running.socket);
    let events: Vec<String> = (0..n).map(|_| event()).collect();
    let mut times = Vec::with_capacity(n);
    let (started, cpu) = (Instant::now(), running.cpu());
    for event in events {
        let call = Instant::now();
        let answer = client.call(event, LIMIT, &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        times.push(call.elapsed());
    }
    let per_second = n as f64 / started.elapsed().as_secs_f64();
    let cpu = (running.cpu() - cpu).div_f64(n as f64);
    times.sort();
    Calls { p50: times[n / 2], p99: times[n * 99 / 100], per_second, cpu }
}

/// An operator's own authority, and what it has issued to MDSS.
fn certificates() -> (String, Tls) {
    let issuer_key = KeyPair::generate().unwrap();
    let mut issuer = CertificateParams::new(Vec::new()).unwrap();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = issuer.self_signed(&issuer_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issued = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let issued = issued.signed_by(&key, &Issuer::new(issuer, issuer_key)).unwrap();
    let tls = Tls { certificate_pem: issued.pem().into_bytes(), key_pem: key.serialize_pem().into_bytes() };
    (authority, tls)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn best_and_median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    (ms(times[0]), ms(times[times.len() / 2]))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let shipped = std::env::var_os("MDSS_RELAY_OCI_FN").filter(|f| !f.is_empty()).map(PathBuf::from);
    let binary = shipped.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_mdss-relay-oci-fn").into());
    let examples = Path::new(env!("CARGO_BIN_EXE_mdss-relay-oci-fn")).parent().unwrap().join("examples");
    let sim = Sim::start(Config { keep_requests: 10, ..Config::default() }).await.unwrap();
    let vars = |command: &mut Command, socket: &Path| {
        command
            .env_clear()
            .env("FN_FORMAT", "http-stream")
            .env("FN_LISTENER", format!("unix:{}", socket.display()))
            .env("APIENDPOINT", sim.url())
            .env("APIKEY", DEFAULT_API_KEY)
            .env("STORAGECLIENTID", units::ORACLE);
    };
    let function = |socket: &Path| {
        let mut command = Command::new(&binary);
        vars(&mut command, socket);
        command
    };
    let bare = |socket: &Path| {
        let mut command = Command::new(examples.join("bare_start"));
        command.env_clear().arg(socket);
        command
    };
    let proxy = |socket: &Path| {
        let mut command = Command::new(examples.join("bare_proxy"));
        command.env_clear().arg(socket).arg(sim.url()).arg(DEFAULT_API_KEY).arg(SUBMISSION);
        command
    };

    println!("binary: {}{}", binary.display(), if shipped.is_some() { "" } else { " (not the shipped one)" });
    let size = std::fs::metadata(&binary).unwrap().len() as f64 / 1e6;
    println!("size: {size:.2} MB (budget 6){}", if shipped.is_some() { "" } else { ", not stripped" });

    println!("\nstart, exec to socket, 60 of each in turns");
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        floor.push(Running::start(bare).took);
        ours.push(Running::start(function).took);
    }
    let ((ours, ours_median), (floor, floor_median)) = (best_and_median(ours), best_and_median(floor));
    println!("  bare tokio program   best {floor:6.2} ms  median {floor_median:6.2} ms");
    println!("  function             best {ours:6.2} ms  median {ours_median:6.2} ms");
    println!("  difference of the best {:.2} ms (budget 3)", ours - floor);

    println!("\nfirst HTTPS call of a new process, CPU from exec to the first 200, 20 rounds");
    let (authority, tls) = certificates();
    let https = Sim::start(Config { tls: Some(tls), ..Config::default() }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority).unwrap();
    let (mut to_socket, mut to_answer) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let new = Running::start(|socket| {
            let mut command = function(socket);
            command.env("APIENDPOINT", https.url()).env("RELAY_CA_FILE", &ca_file);
            command
        });
        to_socket.push(new.cpu());
        calls(&new, 1).await;
        to_answer.push(new.cpu());
    }
    assert_eq!(https.connections(), 20, "each new process makes its own connection");
    let ((start, start_median), (all, all_median)) = (best_and_median(to_socket), best_and_median(to_answer));
    println!("  function             best {all:6.2} ms  median {all_median:6.2} ms (budget 20)");
    println!("  of it up to the socket    {start:6.2} ms         {start_median:6.2} ms");

    println!("\nwarm calls, 10 rounds of 1000 in turns");
    let (function_, proxy_) = (Running::start(function), Running::start(proxy));
    let (mut ours, mut floor): (Vec<Calls>, Vec<Calls>) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        floor.push(calls(&proxy_, 1000).await);
        ours.push(calls(&function_, 1000).await);
    }
    let ratio = |ours: &Calls, floor: &Calls| ours.p50.as_secs_f64() / floor.p50.as_secs_f64();
    let mut ratios: Vec<f64> = ours.iter().zip(&floor).map(|(ours, floor)| ratio(ours, floor)).collect();
    ratios.sort_by(f64::total_cmp);
    let best = |rounds: Vec<Calls>| rounds.into_iter().min_by_key(|c| c.p50).unwrap();
    let (ours, floor) = (best(ours), best(floor));
    println!("  best round of each");
    for (name, c) in [("bare hyper proxy", &floor), ("function", &ours)] {
        println!(
            "  {name:20} p50 {:6.3} ms  p99 {:6.3} ms  {:7.0} calls/s  CPU a call {:6.3} ms",
            ms(c.p50),
            ms(c.p99),
            c.per_second,
            ms(c.cpu)
        );
    }
    println!(
        "  p50 ratio {:.2} (budget 1.5); of neighbouring rounds {:.2}, median {:.2}, {:.2}",
        ratio(&ours, &floor),
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1]
    );

    println!(
        "\ninstructions of a warm call, 1500 calls less 500, each with an event of its own, counted by callgrind"
    );
    if callgrind::is_there() {
        let count = callgrind::of_a_warm_call(&binary, &sim).await;
        println!("  function             {count} (budget {})", callgrind::BUDGET);
    } else {
        println!("  skipped: valgrind is not installed");
    }

    println!("\nmemory of a new process, peak resident");
    let fresh = Running::start(function);
    let mut done = 0;
    for until in [1, 1000, 10_000] {
        calls(&fresh, until - done).await;
        done = until;
        println!("  after {until:6} calls  {:5.2} MB", fresh.peak_kb() as f64 / 1000.0);
    }
    println!("  (budget 8 MB after 10000, flat)");

    println!("\nthe same function in Python, on the platform's development kit");
    let Some(fdk) = std::env::var_os("FDK").filter(|f| !f.is_empty()).map(PathBuf::from) else {
        println!("  skipped: `make bench` installs it where pip can");
        return;
    };
    let python = |socket: &Path| {
        let mut command = Command::new(&fdk);
        vars(&mut command, socket);
        let path = fdk.parent().unwrap().display().to_string();
        command
            .env("PATH", format!("{path}:/usr/bin:/bin"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/function.py"));
        command.arg("handler");
        command
    };
    let starts = (0..10).map(|_| Running::start(python).took).collect();
    let (best_start, median) = best_and_median(starts);
    let running = Running::start(python);
    let python = best(vec![calls(&running, 1000).await, calls(&running, 1000).await]);
    println!("  start best {best_start:.1} ms  median {median:.1} ms");
    println!(
        "  p50 {:.3} ms  p99 {:.3} ms  {:.0} calls/s",
        ms(python.p50),
        ms(python.p99),
        python.per_second
    );
    println!("  peak resident after 2000 calls {:.1} MB", running.peak_kb() as f64 / 1000.0);
    println!(
        "  ratio Python to function: p50 {:.1}, calls/s {:.2}",
        ms(python.p50) / ms(ours.p50),
        python.per_second / ours.per_second
    );
}
