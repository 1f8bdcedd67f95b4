//! The command line, checked before anything is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::fault::Fault;
use crate::relay::{can_have_disks, can_limit_files};
use crate::sender::Wording;
use crate::sockets::Target;

/// Breaks everything around a relay, and counts what was lost.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The relay to start, kill and start again; by default the mdss-relay-http beside this program
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    relay: Option<PathBuf>,
    /// The mode in which that relay runs
    #[arg(long, value_enum, default_value = "spooled", conflicts_with = "url")]
    mode: Mode,
    /// Try the product at this URL instead; faults that need its process are left out
    #[arg(long, value_name = "URL", requires = "listen")]
    url: Option<String>,
    /// Where the stand-in for MDSS listens; the product at the URL forwards to it
    #[arg(long, value_name = "ADDRESS:PORT", requires = "url")]
    listen: Option<SocketAddr>,
    /// What to post
    #[arg(long, value_enum, default_value = "events")]
    send: Wording,
    /// A fault to inject, repeatable; by default all
    #[arg(long = "fault", value_enum, value_name = "NAME", hide_possible_values = true)]
    faults: Vec<Fault>,
    /// How often each fault is injected, instead of its own number
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    cycles: Option<u32>,
    /// For how many seconds each fault is injected, instead of a number of times
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Requests to MDSS that the relay has under way at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// How a run goes, of one relay or several.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// How many senders post at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) senders: u32,
    /// How many rows run at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) jobs: u32,
    /// Seconds without an accepted object after which missing objects count as lost; the relay's longest pause is 300
    #[arg(long, value_name = "SECONDS", default_value_t = 330)]
    pub(crate) patience: u64,
    /// Repeats the random choices of the run with this seed; timing still depends on the machine
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Run {
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// The seed that was given, or any.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| fastrand::u64(..))
    }
}

/// How a relay of ours runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// It answers when the event is on disk
    Spooled,
    /// It answers when MDSS has accepted the object
    Direct,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spooled => "spooled",
            Self::Direct => "direct",
        }
    }
}

/// What a run is to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) relay: PathBuf,
    pub(crate) mode: Mode,
    pub(crate) url: Option<String>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) wording: Wording,
    pub(crate) faults: Vec<Fault>,
    /// Faults that cannot be injected here, and why.
    pub(crate) skipped: Vec<(Fault, &'static str)>,
    pub(crate) cycles: Option<u32>,
    pub(crate) time: Option<Duration>,
    pub(crate) senders: u32,
    pub(crate) concurrency: u32,
    pub(crate) jobs: usize,
    pub(crate) patience: Duration,
    pub(crate) seed: u64,
    pub(crate) api_key: String,
}

impl Arguments {
    /// # Errors
    /// What is wrong with the command line.
    pub(crate) fn options(self, api_key: Option<std::ffi::OsString>) -> Result<Options, String> {
        if let Some(url) = &self.url {
            Target::of(url)?;
        }
        let relay = match self.relay {
            Some(relay) => relay,
            None => std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("mdss-relay-http"),
        };
        if self.url.is_none() && !relay.is_file() {
            return Err(format!(
                "{} is not a file; expected the relay, which `cargo build --package mdss-relay-http` builds, or --relay PATH",
                relay.display()
            ));
        }
        let api_key = match api_key {
            Some(key) => {
                key.into_string().map_err(|_| "MDSS_SIM_API_KEY is not UTF-8, expected the API key")?
            }
            None => mdss_sim::DEFAULT_API_KEY.to_owned(),
        };
        let mut faults = Vec::new();
        let mut skipped = Vec::new();
        let all = self.faults.is_empty();
        for fault in if all { Fault::value_variants().to_vec() } else { self.faults } {
            match why_not(fault, self.url.is_some(), self.mode, self.send) {
                Some(why) => skipped.push((fault, why)),
                None => faults.push(fault),
            }
        }
        Ok(Options {
            relay,
            mode: self.mode,
            url: self.url,
            listen: self.listen,
            wording: self.send,
            faults,
            skipped,
            cycles: self.cycles,
            time: self.seconds.map(Duration::from_secs),
            senders: self.run.senders,
            concurrency: self.concurrency,
            // One URL is one relay.
            jobs: if self.listen.is_some() { 1 } else { self.run.jobs as usize },
            patience: self.run.patience(),
            seed: self.run.seed(),
            api_key,
        })
    }
}

/// Why a fault cannot be injected, if it cannot.
fn why_not(fault: Fault, foreign: bool, mode: Mode, wording: Wording) -> Option<&'static str> {
    if foreign && fault.facts().own {
        return Some("it needs the product's process or settings, and only a URL was given");
    }
    let on_disk =
        matches!(fault, Fault::FullDisk | Fault::FullSpool | Fault::TakenFiles) || fault.has_ledger();
    if mode == Mode::Direct && on_disk {
        return Some("in direct mode the relay writes nothing to disk");
    }
    if fault == Fault::FullLedger && !can_have_disks() {
        return Some("it needs a mount of its own, with unshare and user namespaces");
    }
    if fault == Fault::FullDisk && !can_limit_files() {
        return Some("it needs prlimit, of util-linux");
    }
    if fault == Fault::FullSpool && wording == Wording::Mdss {
        return Some("with --send mdss, requests cannot be padded");
    }
    None
}
