//! MDSS: the stand-in as a process, so that it can be killed and frozen. What it has accepted is in a file it writes
//! before it answers, so that a kill hides nothing from the oracle.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drive::{HttpPoster, Process, Program};
use mdss_sim::{Config, Sim, StorageType, Unit as StorageUnit, UnitState};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::oracle::{Tally, Unit};

/// How long anything may take that takes a moment. Only a machine in trouble comes near it.
const LIMIT: Duration = Duration::from_secs(30);

/// The variable with the stand-in's API key.
pub(crate) const API_KEY: &str = "MDSS_SIM_API_KEY";

/// The command by which this program becomes the stand-in.
pub(crate) const COMMAND: &str = "stand-in";

/// MDSS as the kit sees it.
pub(crate) struct Mdss {
    listen: SocketAddr,
    journal: PathBuf,
    read: u64,
    /// What it has accepted, as far as the journal was read.
    pub(crate) tally: Tally,
    pub(crate) key: String,
    /// Whether the odd unit is switched off.
    pub(crate) odd_off: bool,
    process: Option<Process>,
    poster: HttpPoster,
}

#[derive(Deserialize)]
struct Line {
    storage_client_id: String,
    key: String,
}

impl Mdss {
    pub(crate) async fn start(listen: SocketAddr, dir: &Path, key: String) -> Result<Self, String> {
        let mut mdss = Self {
            listen,
            journal: dir.join("accepted"),
            read: 0,
            tally: Tally::new(),
            key,
            odd_off: false,
            process: None,
            poster: HttpPoster::new(LIMIT),
        };
        mdss.up().await?;
        Ok(mdss)
    }

    pub(crate) fn webhook(&self) -> String {
        format!("http://{}{}", self.listen, mdss_sim::WEBHOOK_PATH)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Starts it where it was before.
    pub(crate) async fn up(&mut self) -> Result<(), String> {
        let me =
            std::env::current_exe().map_err(|e| format!("this program does not know its own path: {e}"))?;
        let mut program = Program::new(me)
            .args([COMMAND, "--listen", &self.listen.to_string(), "--journal"])
            .arg(&self.journal)
            .env(API_KEY, &self.key);
        if self.odd_off {
            program = program.arg("--odd-off");
        }
        let mut tries = 0;
        loop {
            let mut process = program.start().map_err(|e| with_causes(&e))?;
            match process.wait_for_line("listening on", LIMIT).await {
                Ok(_) => {
                    self.process = Some(process);
                    return Ok(());
                }
                // Something else may have the port for a moment.
                Err(_) if tries < 20 => sleep(Duration::from_millis(100)).await,
                Err(error) => return Err(with_causes(&error)),
            }
            tries += 1;
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result<(), String> {
        // Dropped, it is killed and waited for.
        self.process = None;
        Ok(())
    }

    pub(crate) fn signal(&mut self, name: &str) -> Result<(), String> {
        match &mut self.process {
            Some(process) => process.signal(name).map_err(|e| with_causes(&e)),
            None => Err(format!("{name} cannot be sent: the process does not run")),
        }
    }

    /// Queues `times` steps, the given ones in turn, for every request or for those about one object.
    pub(crate) async fn script(&self, key: Option<&str>, steps: &[&str], times: usize) -> Result<(), String> {
        let steps: Vec<_> = steps.iter().copied().cycle().take(times).collect();
        let key = key.map_or("null".to_owned(), |key| format!("\"{key}\""));
        let batch = format!("{{\"key\":{key},\"steps\":[{}]}}", steps.join(","));
        self.ask("POST", "/_sim/script", batch).await
    }

    /// Drops all steps that nobody has taken.
    pub(crate) async fn calm(&self) -> Result<(), String> {
        self.ask("DELETE", "/_sim/script", String::new()).await
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> Result<(), String> {
        let url = format!("http://{}{path}", self.listen);
        match self.poster.send(method, &url, &[], body).await {
            Ok(answer) if answer.status < 300 => Ok(()),
            Ok(answer) => Err(format!("the stand-in answers {} to {method} {path}", answer.status)),
            Err(error) => Err(format!("the stand-in, {method} {path}: {}", with_causes(&error))),
        }
    }

    /// Reads what was accepted since the last call; true if that is anything.
    pub(crate) fn look(&mut self) -> Result<bool, String> {
        let text = self.unread().map_err(|e| format!("{}: {e}", self.journal.display()))?;
        // The last line may be half of one.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        self.read += whole as u64;
        let mut any = false;
        for line in text[..whole].split(|byte| *byte == b'\n') {
            // What is no line was cut off by a kill: nobody has heard that it was accepted, and it was not.
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                *self.tally.entry((line.storage_client_id, line.key)).or_default() += 1;
                any = true;
            }
        }
        Ok(any)
    }

    fn unread(&self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.journal)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text)
    }
}

/// An error with its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The stand-in, which this program becomes when the kit starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct StandIn {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    journal: PathBuf,
    /// Switch the odd unit off
    #[arg(long)]
    odd_off: bool,
}

/// Serves until it is told to stop.
pub(crate) async fn stand_in(arguments: StandIn, key: String) -> Result<(), String> {
    let mut odd = StorageUnit::new(Unit::Odd.id(), StorageType::AmazonS3);
    if arguments.odd_off {
        odd.state = UnitState::NotEnabled;
    }
    let config = Config {
        listen: arguments.listen,
        // Who tries a relay elsewhere has named the address.
        allow_remote: true,
        api_key: key.into(),
        units: vec![StorageUnit::new(Unit::Good.id(), StorageType::S3Compatible), odd],
        // The journal has what is needed.
        keep_requests: 0,
        journal: Some(arguments.journal),
        ..Config::default()
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let sim = Sim::start(config).await.map_err(|e| e.to_string())?;
    crate::say(&format!("listening on {}", sim.url()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sim.stop().await;
    Ok(())
}
