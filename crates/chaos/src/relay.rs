//! The relay under test: a process of ours, or somebody's URL.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use drive::{Process, Program};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::mdss::with_causes;
use crate::oracle::Unit;

/// How long a start or an orderly stop may take. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(60);

/// The data directory, beside what else a row needs.
pub(crate) const DATA: &str = "data";

/// Who is tested.
pub(crate) enum Relay {
    Ours(Box<Ours>),
    Theirs { url: String },
}

/// A relay that is started, killed and started again, on one address and one data directory.
pub(crate) struct Ours {
    program: Program,
    address: SocketAddr,
    key_file: PathBuf,
    process: Option<Process>,
}

/// What a relay is started in.
pub(crate) enum Around<'a> {
    /// Nothing.
    Nothing,
    /// Its log goes into a pipe that nobody reads.
    UnreadLog,
    /// A directory is a disk of its own for it, of so many bytes.
    SmallDisk(&'a Path, u64),
}

/// How a relay of ours is set up.
pub(crate) struct Setup<'a> {
    pub(crate) program: &'a Path,
    pub(crate) mode: &'a str,
    /// Where it sends what it has.
    pub(crate) webhook: String,
    pub(crate) concurrency: u32,
    /// The time-out of its requests to MDSS.
    pub(crate) timeout: &'a str,
    /// What it is started in.
    pub(crate) around: Around<'a>,
    /// More of its settings. With a URL for its spool it has no data directory.
    pub(crate) more: &'a [(&'a str, &'a str)],
    pub(crate) dir: &'a Path,
    /// Where it listens; else where there is room.
    pub(crate) address: Option<SocketAddr>,
    /// Whether it knows the odd unit's bucket.
    pub(crate) odd: bool,
}

impl Ours {
    pub(crate) fn new(setup: &Setup<'_>, key: &str) -> Result<Self, String> {
        let address = match setup.address {
            Some(address) => address,
            None => free_address()?,
        };
        let key_file = setup.dir.join("key");
        std::fs::write(&key_file, key).map_err(|e| format!("{}: {e}", key_file.display()))?;
        let program = std::path::absolute(setup.program).map_err(|e| e.to_string())?;
        let program = match setup.around {
            // Opened for both ways, so that opening waits for no reader. The process keeps the shell's number.
            Around::UnreadLog => {
                let pipe = "rm -f \"$1\" && mkfifo \"$1\" && exec 2<> \"$1\" && exec \"$0\"";
                Program::new("/bin/sh").args(["-c", pipe]).arg(program).arg(setup.dir.join("log"))
            }
            // Likewise.
            Around::SmallDisk(place, bytes) => {
                std::fs::create_dir_all(place).map_err(|e| format!("{}: {e}", place.display()))?;
                let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$1\" && exec \"$0\"");
                let inside = Program::new("unshare").args(UNSHARE).args(["sh", "-c", &mount]);
                inside.arg(program).arg(place).inherit_env()
            }
            Around::Nothing => Program::new(program),
        };
        let mut program = program
            .env("RELAY_LISTEN", address.to_string())
            .env("RELAY_AUTH", "none")
            .env("RELAY_CONFIG_TOML", routes(setup.odd))
            .env("APIENDPOINT", &setup.webhook)
            .env("APIKEY_FILE", &key_file)
            .env("RELAY_TIMEOUT", setup.timeout)
            .env("RELAY_CONCURRENCY", setup.concurrency.to_string())
            .env("RELAY_LOG", "warn")
            .env("RELAY_MODE", setup.mode);
        if setup.mode == "spooled" && setup.more.iter().all(|(name, _)| *name != "RELAY_SPOOL_URL") {
            program = program.env("RELAY_DATA_DIR", setup.dir.join(DATA));
        }
        program = program.envs(setup.more.iter().copied());
        Ok(Self { program, address, key_file, process: None })
    }

    pub(crate) fn start(&mut self) -> Result<(), String> {
        self.process = Some(self.program.start().map_err(|e| with_causes(&e))?);
        Ok(())
    }

    /// Waits until it takes connections.
    pub(crate) async fn up(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(process) = &mut self.process
                && process.wait(Duration::ZERO).await.is_ok()
            {
                return Err(format!("the relay has ended by itself; it printed:\n{}", process.output()));
            }
            if begin.elapsed() > LIMIT {
                return Err(format!(
                    "the relay does not listen within {LIMIT:?}; it printed:\n{}",
                    self.output()
                ));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        // Dropped, it is killed and waited for.
        self.process = None;
    }

    pub(crate) fn signal(&mut self, name: &str) -> Result<(), String> {
        match &mut self.process {
            Some(process) => process.signal(name).map_err(|e| with_causes(&e)),
            None => Err(format!("{name} cannot be sent: the process does not run")),
        }
    }

    /// SIGTERM; it must end by itself, with 0.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.signal("TERM")?;
        let Some(mut process) = self.process.take() else { return Ok(()) };
        match process.wait(LIMIT).await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the relay ended with {status} at SIGTERM:\n{}", process.output())),
            Err(error) => Err(with_causes(&error)),
        }
    }

    /// Limits the size of the files it may write, in bytes; `None` takes the limit away.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) -> Result<(), String> {
        let Some(process) = &self.process else { return Err("no relay whose files could be limited".into()) };
        let soft = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let status = Command::new("prlimit")
            .args(["--pid", &process.id().to_string(), &format!("--fsize={soft}:unlimited")])
            .status()
            .map_err(|e| format!("prlimit: {e}"))?;
        if status.success() { Ok(()) } else { Err(format!("prlimit: {status}")) }
    }

    /// Gives it another API key.
    pub(crate) fn exchange_key(&self, key: &str) -> Result<(), String> {
        // Whole or not at all, as an operator's tool does it.
        let beside = self.key_file.with_extension("new");
        std::fs::write(&beside, key)
            .and_then(|()| std::fs::rename(&beside, &self.key_file))
            .map_err(|e| format!("{}: {e}", self.key_file.display()))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// What the last process has printed.
    pub(crate) fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }
}

impl Relay {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Ours(ours) => format!("http://{}/events", ours.address),
            Self::Theirs { url } => url.clone(),
        }
    }

    /// The process, for faults that need one; nobody injects them without.
    pub(crate) fn ours(&mut self) -> Result<&mut Ours, String> {
        match self {
            Self::Ours(ours) => Ok(ours),
            Self::Theirs { .. } => Err("this fault needs the relay's process".into()),
        }
    }
}

/// The routes of a relay, with the odd unit's or without. Without it the chosen bucket's takes nothing.
pub(crate) fn routes(odd: bool) -> String {
    let route = |unit: Unit| {
        format!("[[route]]\nbucket = \"{}\"\nstorage_client_id = \"{}\"\n", unit.bucket(), unit.id())
    };
    let both = route(Unit::Good) + &route(Unit::Chosen);
    both + &if odd { route(Unit::Odd) } else { "suffix = \"/no object has this name\"\n".to_owned() }
}

/// A mount that nobody else sees.
const UNSHARE: [&str; 2] = ["--map-root-user", "--mount"];

/// Whether a relay can have a disk of its own on this machine: a kernel may not give user namespaces to everybody.
pub(crate) fn can_have_disks() -> bool {
    let mount = ["mount", "-t", "tmpfs", "x", "/mnt"];
    let mut quiet = Command::new("unshare");
    quiet.args(UNSHARE).args(mount).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Whether files can be limited on this machine.
pub(crate) fn can_limit_files() -> bool {
    let quiet = Command::new("prlimit").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// An address on loopback that stays free while nobody listens there: its port is below those that systems give to
/// whoever asks for any (from 32768 on Linux, <https://docs.kernel.org/networking/ip-sysctl.html>, `ip_local_port_range`;
/// from 49152 elsewhere). A client that calls a dead port of that range would in the end be given that port itself, and
/// talk to itself.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    for _ in 0..1000 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(15_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no port between 15000 and 32000 is free".into())
}
