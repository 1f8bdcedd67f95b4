//! One server as a process.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::binaries::Binaries;
use crate::error::RigError;
use crate::folder::Folder;
use crate::process::{children, runs, signal};
use crate::sql::ask;
use crate::template::{ADMIN, ROLE, lay};
use crate::watch::Watch;

/// How long a start may take, with a recovery. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(60);

/// The rig's settings, which the server's own file includes.
const CONF: &str = "rig.conf";

/// A path with `/.s.PGSQL.12345` behind it must fit into 107 bytes (`sun_path`, <https://man7.org/linux/man-pages/man7/unix.7.html>).
const LONGEST_SOCKET: usize = 90;

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    binaries: Binaries,
    fsync: bool,
    settings: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
}

/// A server on loopback. It ends, at once and without ceremony, when this is dropped or its process is gone, and its data
/// with it.
#[derive(Debug)]
pub struct Server {
    pub(crate) binaries: Binaries,
    port: u16,
    settings: Vec<(String, String)>,
    /// More of its processes' environment.
    env: Vec<(String, String)>,
    /// None while it is stopped. Before the folder, so that it ends first.
    watch: Option<Watch>,
    frozen: bool,
    folder: Folder,
}

impl Setup {
    /// Whether what it acknowledges is on disk; on unless it is turned off. A kill of processes does not show the
    /// difference, a power failure does.
    #[must_use]
    pub fn fsync(mut self, on: bool) -> Self {
        self.fsync = on;
        self
    }

    /// Sets a parameter of its configuration file.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file into its data directory, readable by the server alone: a key, a certificate, another `pg_hba.conf`.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Makes a data directory and starts the server.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or the server does not take connections; with the end of its log.
    pub fn start(self) -> Result<Server, RigError> {
        let folder = Folder::new(&self.binaries)?;
        let data = folder.path().join("data");
        lay(&self.binaries, &data)?;
        include(&data)?;
        for (name, content) in &self.files {
            write(&self.binaries, &data.join(name), content)?;
        }
        let mut settings = vec![
            ("fsync".to_owned(), if self.fsync { "on" } else { "off" }.to_owned()),
            // A test's server is small, and its clients are many.
            ("shared_buffers".to_owned(), "32MB".to_owned()),
            ("max_connections".to_owned(), "200".to_owned()),
            // What a kill leaves of it lies in the data directory and not in /dev/shm.
            ("dynamic_shared_memory_type".to_owned(), "mmap".to_owned()),
        ];
        settings.extend(self.settings);
        let mut server = Server {
            binaries: self.binaries,
            port: 0,
            settings,
            env: Vec::new(),
            watch: None,
            frozen: false,
            folder,
        };
        server.first_start()?;
        Ok(server)
    }
}

impl Server {
    /// A server of its own with these programs.
    #[must_use]
    pub fn setup(binaries: &Binaries) -> Setup {
        Setup { binaries: binaries.clone(), fsync: true, settings: Vec::new(), files: Vec::new() }
    }

    /// Its port on 127.0.0.1; it keeps it when it is started again.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A database of its own for a test, as a URL for the role `relay`, which owns it and may do nothing beyond it.
    ///
    /// # Errors
    ///
    /// [`RigError::Sql`] if it cannot be made.
    pub async fn database(&self) -> Result<String, RigError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.named_database(&name).await?;
        Ok(self.url(&name))
    }

    /// The same by a name.
    ///
    /// # Errors
    ///
    /// As [`Server::database`], also if there is one of that name.
    pub async fn named_database(&self, name: &str) -> Result<(), RigError> {
        // A role's right to make tables of its own in `public` is gone since version 15; an owner's is not.
        self.ask(&format!("CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0")).await.map(|_| ())
    }

    /// The URL of a database for the role `relay`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// The URL of a database for the role that may do everything.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgres://{ADMIN}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Runs a statement in the database `postgres` with all rights; gives the first column.
    ///
    /// # Errors
    ///
    /// [`RigError::Sql`] if there is no connection, or the statement fails.
    pub async fn ask(&self, statement: &str) -> Result<Vec<String>, RigError> {
        ask(&self.admin_url("postgres"), statement).await
    }

    /// The process that started all the others.
    ///
    /// # Errors
    ///
    /// [`RigError::Failed`] while it is stopped.
    pub fn pid(&self) -> Result<u32, RigError> {
        let stopped = || RigError::Failed { what: "the server is stopped".into(), said: String::new() };
        self.watch.as_ref().ok_or_else(stopped)?.pid()
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder with its socket, for a URL with `host=`; none if the path is too long for one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        let path = self.folder.path();
        (path.as_os_str().len() <= LONGEST_SOCKET).then_some(path)
    }

    /// What it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_file())
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
    }

    /// Sets a parameter and has the file read again. Those that need a restart get one by [`Server::stop`] and
    /// [`Server::start`]. Processes take it up at their next statement, not before this returns.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or the server is stopped.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), RigError> {
        self.override_setting(name, value);
        self.configure()?;
        signal("HUP", &[self.pid()?])
    }

    /// SIGKILL to it and to all its children, as a machine that is gone takes them along. Its data stays.
    ///
    /// # Errors
    ///
    /// If it is stopped already, or no signal can be sent.
    pub fn kill(&mut self) -> Result<(), RigError> {
        let pid = self.pid()?;
        // It starts no more of them while they are counted.
        signal("STOP", &[pid])?;
        let all = children(pid)?;
        signal("KILL", &all)?;
        self.end("KILL")?;
        let begin = Instant::now();
        // They are nobody's children now, and whoever inherits them waits for them.
        for child in all {
            while runs(child)? && begin.elapsed() < LIMIT {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.forget_memory();
        Ok(())
    }

    /// A fast shutdown: connections are closed, everything is written (SIGINT,
    /// <https://www.postgresql.org/docs/15/server-shutdown.html>).
    ///
    /// # Errors
    ///
    /// If it is stopped already, or does not end.
    pub fn stop(&mut self) -> Result<(), RigError> {
        self.end("INT")
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    ///
    /// If it does not take connections; with the end of its log.
    pub fn start(&mut self) -> Result<(), RigError> {
        self.configure()?;
        let begin = std::fs::metadata(self.log_file()).map(|about| about.len()).unwrap_or_default();
        // An immediate shutdown.
        let watch = Watch::process(&self.command(), &self.log_file(), "QUIT")?;
        let pid = watch.pid()?;
        self.watch = Some(watch);
        let started = Instant::now();
        let mut looks = 0_u32;
        while !self.ready(pid) {
            looks += 1;
            let why = if looks.is_multiple_of(20) && !runs(pid)? {
                "the server has ended"
            } else if started.elapsed() > LIMIT {
                "the server takes no connections"
            } else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            self.watch = None;
            let log = self.log();
            let said = log.get(usize::try_from(begin).unwrap_or(0)..).unwrap_or(&log).to_owned();
            return Err(RigError::Failed { what: why.to_owned(), said });
        }
        Ok(())
    }

    /// SIGSTOP to it and its children: connections stay, and nobody answers.
    ///
    /// # Errors
    ///
    /// If it is stopped.
    pub fn freeze(&mut self) -> Result<(), RigError> {
        let pid = self.pid()?;
        self.frozen = true;
        signal("STOP", &[pid])?;
        signal("STOP", &children(pid)?)
    }

    /// SIGCONT to all of them.
    ///
    /// # Errors
    ///
    /// If it is stopped.
    pub fn thaw(&mut self) -> Result<(), RigError> {
        let pid = self.pid()?;
        self.frozen = false;
        signal("CONT", &children(pid)?)?;
        signal("CONT", &[pid])
    }

    /// SIGSTOP to one of its processes, whose number `pg_stat_activity` tells.
    ///
    /// # Errors
    ///
    /// If that is none of its children.
    pub fn freeze_one(&mut self, pid: u32) -> Result<(), RigError> {
        self.is_child(pid)?;
        // A fast shutdown would wait for it, and so would the end of everything.
        self.frozen = true;
        signal("STOP", &[pid])
    }

    /// SIGCONT to one of them.
    ///
    /// # Errors
    ///
    /// If that is none of its children.
    pub fn thaw_one(&mut self, pid: u32) -> Result<(), RigError> {
        self.is_child(pid)?;
        signal("CONT", &[pid])
    }

    fn is_child(&self, pid: u32) -> Result<(), RigError> {
        if children(self.pid()?)?.contains(&pid) {
            return Ok(());
        }
        Err(RigError::Failed { what: format!("{pid} is no process of the server"), said: String::new() })
    }

    /// Gives its processes more of an environment, [`wrong_clock`](crate::wrong_clock) for instance, from the next start on.
    pub fn env(&mut self, vars: Vec<(String, String)>) {
        self.env = vars;
    }

    pub(crate) fn override_setting(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// One with the same settings, in another folder, that was never started.
    pub(crate) fn sibling(&self, folder: Folder) -> Self {
        Self {
            binaries: self.binaries.clone(),
            port: 0,
            settings: self.settings.clone(),
            env: Vec::new(),
            watch: None,
            frozen: false,
            folder,
        }
    }

    pub(crate) fn first_start(&mut self) -> Result<(), RigError> {
        let mut tries = 0;
        loop {
            self.port = free_port()?;
            match self.start() {
                // Somebody else was quicker.
                Err(RigError::Failed { said, .. })
                    if said.contains("Address already in use") && tries < 10 =>
                {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    fn command(&self) -> Command {
        // The shell that watches it keeps its own environment.
        let mut command = self.binaries.ordinary(Path::new("env"));
        command.args(self.env.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(self.binaries.program("postgres")).arg("-D").arg(self.data());
        command
    }

    fn end(&mut self, signal: &str) -> Result<(), RigError> {
        self.pid()?;
        self.frozen = false;
        match self.watch.take() {
            Some(mut watch) => watch.end(signal),
            None => Ok(()),
        }
    }

    /// Its own word for it, as `pg_ctl` reads it: line 1 is the process, line 8 `ready`
    /// (<https://github.com/postgres/postgres/blob/REL_15_STABLE/src/include/utils/pidfile.h>).
    fn ready(&self, pid: u32) -> bool {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        lines.next().and_then(|first| first.trim().parse().ok()) == Some(pid)
            && lines.nth(6).is_some_and(|status| status.trim() == "ready")
    }

    fn configure(&self) -> Result<(), RigError> {
        let socket = self.socket().map(|path| path.display().to_string()).unwrap_or_default();
        let own = [
            ("port", self.port.to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", socket),
        ];
        let own = own.iter().map(|(name, value)| (*name, value));
        let theirs = self.settings.iter().map(|(name, value)| (name.as_str(), value));
        let mut text = String::new();
        for (name, value) in own.chain(theirs) {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        write(&self.binaries, &self.data().join(CONF), text.as_bytes())
    }

    /// What a killed server leaves in the system: a segment of shared memory, whose number is in line 7. A new start would
    /// clear it away, but there may be none.
    fn forget_memory(&self) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        if let Some(id) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            // Without the program it stays until the machine is started anew: 56 bytes.
            let _ = Command::new("ipcrm").args(["--shmem-id", id]).output();
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.frozen {
            // Children that stand still would be waited for, for five seconds.
            let _ = self.thaw();
        }
    }
}

/// A port on loopback that nobody has, and that stays free while a server is stopped: below those that systems give to
/// whoever asks for any (from 32768 on Linux, <https://docs.kernel.org/networking/ip-sysctl.html>, `ip_local_port_range`).
/// A client that calls a dead port of that range would in the end be given that port itself, and talk to itself.
///
/// # Errors
///
/// [`RigError::Missing`] if a thousand were taken.
pub fn free_port() -> Result<u16, RigError> {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..32_000)).take(1000);
    ports
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| RigError::Missing("no port between 15000 and 32000 is free".into()))
}

/// Has the rig's settings read after the server's own.
fn include(data: &Path) -> Result<(), RigError> {
    use std::io::Write as _;
    let path = data.join("postgresql.conf");
    std::fs::File::options()
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "include = '{CONF}'"))
        .map_err(RigError::system(format!("{} cannot be written", path.display())))
}

/// Writes a file that the server reads, and nobody else.
pub(crate) fn write(binaries: &Binaries, path: &Path, content: &[u8]) -> Result<(), RigError> {
    std::fs::write(path, content)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)))
        .map_err(RigError::system(format!("{} cannot be written", path.display())))?;
    binaries.give(path)
}
