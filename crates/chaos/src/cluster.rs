//! Several relays that share a spool in PostgreSQL: whatever of it is broken, the promise is the same.
//!
//! Each row has servers of its own, two or more relays behind a balancer, and a line from each relay to each server that
//! can be held. The oracle, the senders and MDSS are those of the other rows.

mod failover;
mod field;
mod kind;
mod ledger;
mod mixed;
mod moving;
mod play;
mod rate;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use postgres_rig::{Binaries, Pooler, SmallDisk, wrong_clock};
use tokio::task::JoinSet;

use crate::options::Run;
use crate::table::Row;
use kind::Kind;

/// What a run with several relays is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The relay to start; by default the mdss-relay-http beside this program
    #[arg(long, value_name = "PATH")]
    relay: Option<PathBuf>,
    /// A newer relay, with a migration of the tables, for the row `upgrade`; without it that row is left out
    #[arg(long, value_name = "PATH")]
    newer: Option<PathBuf>,
    /// The tool that moves a spool, for the row `kill-move`; by default the mdss-relay beside this program
    #[arg(long, value_name = "PATH")]
    tool: Option<PathBuf>,
    /// A row, repeatable; by default all
    #[arg(long = "row", value_enum, value_name = "NAME", hide_possible_values = true)]
    rows: Vec<Kind>,
    /// How often each fault is injected, instead of its own number
    #[arg(long, value_name = "N")]
    cycles: Option<u32>,
    /// How many relays share the spool
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=8))]
    replicas: u32,
    /// Requests to MDSS that each relay has under way at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..=1000))]
    concurrency: u32,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What a run is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    relay: PathBuf,
    newer: Option<PathBuf>,
    tool: PathBuf,
    binaries: Binaries,
    rows: Vec<Kind>,
    /// Rows that cannot be played here, and why.
    skipped: Vec<(Kind, String)>,
    cycles: Option<u32>,
    replicas: u32,
    senders: u32,
    concurrency: u32,
    jobs: usize,
    patience: Duration,
    pub(crate) seed: u64,
}

impl Arguments {
    /// # Errors
    /// What is wrong with the command line, or that there is no PostgreSQL.
    pub(crate) fn plan(self) -> Result<Plan, String> {
        let beside = std::env::current_exe().map_err(|e| e.to_string())?;
        let relay = self.relay.unwrap_or_else(|| beside.with_file_name("mdss-relay-http"));
        let tool = self.tool.unwrap_or_else(|| beside.with_file_name("mdss-relay"));
        for (program, what, package) in [
            (Some(&relay), "a relay", "mdss-relay-http"),
            (self.newer.as_ref(), "a relay", "mdss-relay-http"),
            (Some(&tool), "the operator's tool", "mdss-relay"),
        ] {
            if let Some(program) = program.filter(|program| !program.is_file()) {
                return Err(format!(
                    "{} is not a file; expected {what}, which `cargo build --package {package}` builds",
                    program.display()
                ));
            }
        }
        let binaries = Binaries::find().map_err(|e| e.to_string())?;
        let (mut rows, mut skipped) = (Vec::new(), Vec::new());
        for kind in if self.rows.is_empty() { Kind::value_variants().to_vec() } else { self.rows } {
            match why_not(kind, &binaries, self.newer.is_some()) {
                Some(why) => skipped.push((kind, why)),
                None => rows.push(kind),
            }
        }
        Ok(Plan {
            relay,
            newer: self.newer,
            tool,
            binaries,
            rows,
            skipped,
            cycles: self.cycles,
            replicas: self.replicas,
            senders: self.run.senders,
            concurrency: self.concurrency,
            jobs: self.run.jobs as usize,
            patience: self.run.patience(),
            seed: self.run.seed(),
        })
    }
}

/// Why a row cannot be played here, if it cannot.
fn why_not(kind: Kind, binaries: &Binaries, newer: bool) -> Option<String> {
    match kind {
        Kind::Upgrade if !newer => Some("it needs a second version of the relay, with --newer".into()),
        Kind::RestartPooler if !Pooler::installed() => Some("it needs pgbouncer".into()),
        Kind::ClockSkew if wrong_clock(0).is_none() => Some("it needs libfaketime".into()),
        Kind::FullDisk | Kind::FullLedger => {
            let refused = SmallDisk::mount(binaries, 1 << 20).err()?;
            Some(format!("it needs a disk of its own: {}", refused.to_string().replace('\n', " ")))
        }
        _ => None,
    }
}

impl Plan {
    /// Whether each fault is injected as often as it is to be: then nothing but the machine excuses a figure.
    fn is_full(&self) -> bool {
        self.cycles.is_none()
    }

    /// Rows that are left out, and why.
    pub(crate) fn skipped(&self) -> Vec<(String, String)> {
        self.skipped.iter().map(|(kind, why)| (kind.name(), why.clone())).collect()
    }
}

/// All rows in their order, some at a time; the pace of a full run is measured when the others are done.
pub(crate) async fn run(plan: &Arc<Plan>) -> Vec<Row> {
    let mut running = JoinSet::new();
    let mut done: Vec<Option<Row>> = vec![None; plan.rows.len()];
    let rows = plan.rows.iter().copied().enumerate();
    let (alone, others): (Vec<_>, Vec<_>) = rows.partition(|(_, kind)| plan.is_full() && *kind == Kind::Rate);
    for some in [others, alone] {
        for (place, kind) in some {
            while running.len() >= plan.jobs {
                crate::take(&mut running, &mut done).await;
            }
            crate::progress(&format!("{}: begins", kind.name()));
            let plan = Arc::clone(plan);
            running.spawn(async move { (place, play::run(plan, kind).await) });
        }
        while !running.is_empty() {
            crate::take(&mut running, &mut done).await;
        }
    }
    // A row that panicked would be missing: that is no success.
    let rows = plan.rows.iter().zip(done);
    rows.map(|(kind, row)| row.unwrap_or_else(|| Row::new(kind.name()))).collect()
}
