//! The relay that is attacked, MDSS behind it, and somebody with good events beside the attacker.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mdss_sim::{Config, Sim};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::crowd::connect;
use crate::options::Mode;
use crate::oracle::Unit;
use crate::relay::free_address;
use crate::sender::record;

/// How long a start may take. Only a machine in trouble comes near it.
const START: Duration = Duration::from_secs(30);

/// How long it may then take until MDSS has the object.
const DELIVERY: Duration = Duration::from_secs(20);

const GOOD_BEARER: &str = "Bearer good-good-good-good-good-good-00";
/// The credential of somebody who may post, and means no good.
pub(super) const ODD_BEARER: &str = "Bearer odd-odd-odd-odd-odd-odd-odd-0000";

/// Where the relay's log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errors {
    File,
    PipeNobodyReads,
}

/// How the relay is set up.
pub(super) struct Setup {
    relay: PathBuf,
    mode: Mode,
    pub(super) spool_limit: Option<&'static str>,
    /// The certificate of the source with signatures, if there is one.
    pub(super) certificate: Option<String>,
    pub(super) errors: Errors,
    pub(super) most_files: Option<u32>,
}

impl Setup {
    pub(super) fn new(relay: PathBuf, mode: Mode) -> Self {
        Self { relay, mode, spool_limit: None, certificate: None, errors: Errors::File, most_files: None }
    }
}

pub(super) struct Victim {
    pub(super) address: SocketAddr,
    sim: Arc<Sim>,
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    pub(super) async fn start(setup: Setup) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let sim =
            Sim::start(Config { keep_requests: 0, ..Config::default() }).await.map_err(|e| e.to_string())?;
        let address = free_address()?;
        let mut sources = vec![
            ("open", "\"none\"".to_owned()),
            ("good", format!("{{ bearer = {{ token = \"{}\" }} }}", &GOOD_BEARER["Bearer ".len()..])),
            ("odd", format!("{{ bearer = {{ token = \"{}\" }} }}", &ODD_BEARER["Bearer ".len()..])),
        ];
        if let Some(certificate) = &setup.certificate {
            let path = folder.path().join("signer.pem");
            std::fs::write(&path, certificate).map_err(|e| e.to_string())?;
            let check = format!("{{ jdcloud_signature = {{ certificate_file = \"{}\" }} }}", path.display());
            sources.push(("jd", check));
        }
        let key = folder.path().join("key");
        std::fs::write(&key, mdss_sim::DEFAULT_API_KEY).map_err(|e| e.to_string())?;
        let (bucket, unit) = (Unit::Good.bucket(), Unit::Good.id());
        let source = |(name, auth): &(&str, String)| {
            format!(
                "[[source]]\nname = \"{name}\"\npath = \"/{name}\"\nauth = {auth}\n\
                 [[route]]\nsource = \"{name}\"\nbucket = \"{bucket}\"\nstorage_client_id = \"{unit}\"\n"
            )
        };
        let config: String = sources.iter().map(source).collect();
        // The shell sets the limit, and becomes the relay, with its number.
        let script =
            setup.most_files.map_or("exec \"$0\"".to_owned(), |n| format!("ulimit -n {n}; exec \"$0\""));
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script])
            .arg(&setup.relay)
            .env_clear()
            .env("RELAY_LISTEN", address.to_string())
            .env("RELAY_CONFIG_TOML", config)
            .env("RELAY_MODE", setup.mode.name())
            .env("APIENDPOINT", sim.url())
            .env("APIKEY_FILE", &key)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if setup.mode == Mode::Spooled {
            command.env("RELAY_DATA_DIR", folder.path().join("data"));
            if let Some(limit) = setup.spool_limit {
                command.env("RELAY_SPOOL_LIMIT", limit);
            }
        }
        match setup.errors {
            Errors::PipeNobodyReads => command.stderr(Stdio::piped()),
            Errors::File => {
                let log = std::fs::File::create(folder.path().join("log")).map_err(|e| e.to_string())?;
                command.stderr(log)
            }
        };
        let child = command.spawn().map_err(|e| format!("cannot start the relay: {e}"))?;
        let mut victim = Self { address, sim: Arc::new(sim), child, folder };
        victim.up().await?;
        Ok(victim)
    }

    async fn up(&mut self) -> Result<(), String> {
        let began = Instant::now();
        while call(Ipv4Addr::LOCALHOST, self.address, &get(self.address, "/readyz"), START).await.is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(format!("the relay has ended with {status}; it printed:\n{log}"));
            }
            if began.elapsed() > START {
                return Err(format!("the relay does not answer within {START:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// A request that announces one good object.
    pub(super) fn good(&self, key: &str) -> Vec<u8> {
        good(self.address, key)
    }

    /// Megabytes that it has held at most (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>, `VmHWM`).
    pub(super) fn peak(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kilobytes.ok_or_else(|| format!("{path} has no VmHWM; has the relay ended?"))? / 1024)
    }

    /// Bytes that it has logged.
    pub(super) fn logged(&self) -> Result<u64, String> {
        let path = self.folder.path().join("log");
        Ok(std::fs::metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?.len())
    }

    /// SIGTERM, and how it ended, if it did so in time.
    pub(super) async fn stop(&mut self, limit: Duration) -> Result<Option<ExitStatus>, String> {
        let kill = Command::new("/bin/sh")
            .args(["-c", "kill -s TERM \"$0\"", &self.child.id().to_string()])
            .status();
        if !kill.is_ok_and(|status| status.success()) {
            return Err("SIGTERM cannot be sent".to_owned());
        }
        let began = Instant::now();
        while began.elapsed() < limit {
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Ok(Some(status));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(None)
    }
}

fn good(to: SocketAddr, key: &str) -> Vec<u8> {
    let body = json!({ "Records": [record(Unit::Good, key)] }).to_string();
    post(to, "/good", &[("authorization", GOOD_BEARER)], body.as_bytes())
}

/// A request as it goes over the wire.
pub(super) fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn get(to: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n").into_bytes()
}

/// An answer, of which only the status is of interest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
}

/// Sends a request on a connection of its own, and reads its answer to the end.
///
/// # Errors
/// Why there was none.
pub(super) async fn call(
    from: Ipv4Addr,
    to: SocketAddr,
    request: &[u8],
    limit: Duration,
) -> Result<Answer, String> {
    let exchange = async {
        let mut stream = connect(from, to, None).await?;
        // Who is refused before it has sent its body may hear so all the same.
        let sent = stream.write_all(request).await;
        let mut head = Vec::new();
        let mut some = vec![0; 64 * 1024];
        loop {
            let read = stream.read(&mut some).await;
            match read {
                Ok(0) => break,
                Ok(length) if head.len() < 12 => head.extend_from_slice(&some[..length]),
                Ok(_) => {}
                Err(error) if head.is_empty() => return Err(sent.err().unwrap_or(error)),
                Err(_) => break,
            }
        }
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.ok_or_else(|| std::io::Error::other("the connection was closed without an answer"))
    };
    match timeout(limit, exchange).await {
        Ok(Ok(status)) => Ok(Answer { status }),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

/// What somebody with good events has heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) posted: u64,
    pub(super) served: u64,
    pub(super) slowest: Duration,
    pub(super) complaints: Vec<String>,
}

/// Somebody who posts good events with a credential of its own, and asks for the relay's health, each on a new connection from
/// 127.0.0.1.
pub(super) struct Neighbour {
    running: JoinHandle<Heard>,
    stop: Arc<AtomicBool>,
}

impl Neighbour {
    /// `patience` is for each of its requests.
    pub(super) fn start(victim: &Victim, patience: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let running = tokio::spawn(live(victim.address, victim.sim.clone(), patience, stop.clone()));
        Self { running, stop }
    }

    /// Finishes what it has begun, and tells.
    pub(super) async fn stop(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.unwrap_or_default()
    }
}

async fn live(to: SocketAddr, sim: Arc<Sim>, patience: Duration, stop: Arc<AtomicBool>) -> Heard {
    let mut heard = Heard::default();
    let mut keys = Vec::new();
    while !stop.load(Ordering::Relaxed) || heard.posted == 0 {
        let key = format!("good/{}", heard.posted);
        let wanted = [
            ("a good event", good(to, &key)),
            ("/healthz", get(to, "/healthz")),
            ("/readyz", get(to, "/readyz")),
        ];
        heard.posted += 1;
        for (number, (what, request)) in wanted.into_iter().enumerate() {
            let began = Instant::now();
            let answer = call(Ipv4Addr::LOCALHOST, to, &request, patience).await;
            heard.slowest = heard.slowest.max(began.elapsed());
            match answer {
                Ok(Answer { status: 200 }) if number == 0 => {
                    heard.served += 1;
                    keys.push(key.clone());
                }
                Ok(Answer { status: 200 }) => {}
                Ok(answer) => heard.complaints.push(format!("{what}: status {}", answer.status)),
                Err(error) => heard.complaints.push(format!("{what}: {error}")),
            }
        }
        // The first few say it.
        if heard.complaints.len() > 3 {
            return heard;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let began = Instant::now();
    loop {
        let accepted = sim.accepted();
        let missing = keys.iter().filter(|key| !accepted.iter().any(|object| object.key == **key)).count();
        if missing == 0 {
            return heard;
        }
        if began.elapsed() > DELIVERY {
            heard.complaints.push(format!(
                "{missing} good events were answered with 200, and MDSS has not accepted them"
            ));
            return heard;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
