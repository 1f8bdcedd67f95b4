//! pgbouncer in front of a server, in transaction mode.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::binaries::Binaries;
use crate::error::RigError;
use crate::folder::Folder;
use crate::process::runs;
use crate::server::{Server, free_port, write};
use crate::template::ROLE;
use crate::watch::Watch;

/// Debian has it where ordinary users do not look.
const SBIN: &str = "/usr/sbin/pgbouncer";

const LIMIT: Duration = Duration::from_secs(30);

/// A pooler on loopback, which gives each transaction a connection of its own to the server.
#[derive(Debug)]
pub struct Pooler {
    binaries: Binaries,
    program: PathBuf,
    port: u16,
    /// Before the folder, so that it ends first.
    watch: Option<Watch>,
    folder: Folder,
}

impl Pooler {
    /// Whether pgbouncer is installed.
    #[must_use]
    pub fn installed() -> bool {
        program().is_some()
    }

    /// Starts one in front of `server`; nothing if pgbouncer is not installed, and then a line says so.
    ///
    /// # Errors
    ///
    /// If it is missing and `REQUIRE_TOOLS` names `pgbouncer`, or does not start.
    pub fn start(binaries: &Binaries, server: &Server) -> Result<Option<Self>, RigError> {
        let found = program();
        drive::available("pgbouncer", found.is_some())
            .map_err(|error| RigError::Missing(error.to_string()))?;
        let Some(program) = found else { return Ok(None) };
        let (folder, port) = (Folder::new(binaries)?, free_port()?);
        // `any` asks nobody for a password, and takes the database's own user for everybody
        // (https://www.pgbouncer.org/config.html, auth_type). Two connections are enough to have many clients share them.
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={ROLE}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 500\n",
            server.port()
        );
        write(binaries, &folder.path().join("pgbouncer.ini"), settings.as_bytes())?;
        let mut pooler =
            Self { binaries: binaries.clone(), program: program.to_owned(), port, watch: None, folder };
        pooler.start_again()?;
        Ok(Some(pooler))
    }

    /// The URL of a database through it, for the role `relay`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    ///
    /// # Errors
    ///
    /// If it does not end.
    pub fn kill(&mut self) -> Result<(), RigError> {
        self.watch.take().map_or(Ok(()), |mut watch| watch.end("KILL"))
    }

    /// Starts it where it was.
    ///
    /// # Errors
    ///
    /// If it takes no connections; with its log.
    pub fn start_again(&mut self) -> Result<(), RigError> {
        let log = self.folder.path().join("log");
        let mut command = self.binaries.ordinary(&self.program);
        command.arg(self.folder.path().join("pgbouncer.ini"));
        let watch = Watch::process(&command, &log, "KILL")?;
        let (pid, begin) = (watch.pid()?, Instant::now());
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if begin.elapsed() > LIMIT || !runs(pid)? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(RigError::Failed { what: "pgbouncer takes no connections".into(), said });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.watch = Some(watch);
        Ok(())
    }
}

fn program() -> Option<&'static Path> {
    let works = |program: &&Path| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    [Path::new("pgbouncer"), Path::new(SBIN)].into_iter().find(works)
}
