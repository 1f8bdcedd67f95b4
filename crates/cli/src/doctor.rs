//! `doctor`: whether a set-up is right, before the first object finds out.
//!
//! A check has an id, and says one of ok, warn, fail, unknown and skipped of each thing that it looked at (`doctor/check.rs`,
//! `doctor/outcome.rs`). Groups run side by side (`doctor/results.rs`), each in a file of its own.

mod account;
mod checklist;
mod closed_loop;
mod database;
mod file_api;
mod files;
mod key;
mod ledger;
mod machine;
mod off_thread;
mod relay;
mod secrets;
mod service;
mod settings;
mod setup;
mod subject;
mod unit_file;
mod view;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use mdss_relay_checks::{Finding, Group, LONGEST, Results, Scope, Setup, bucket, mdss, network};

use crate::visible::visible;
use checklist::Counts;
use off_thread::off_thread;
use subject::Subject;

/// Checks a set-up: its settings, this machine, the network, MDSS, whether the buckets tell us, and the running relay. Nothing is submitted to MDSS without --live.
///
/// Prints one line for each group, and below it what is not well: what was found, what was expected, what to do. docs/doctor.md has a section
/// about each check.
///
/// Exit status: 0 if nothing failed, 1 if something failed (with --strict also for a warning, or if something could not be told), 2 for a wrong
/// command line or a unit file that cannot be read.
#[derive(Args)]
pub(crate) struct Arguments {
    /// TOML configuration to use instead of RELAY_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// systemd unit whose service is checked, as its user sees it: its variables, credentials, drop-ins and limits. Best as root.
    #[arg(long, value_name = "FILE")]
    unit_file: Option<PathBuf>,
    /// Checks settings and machine only: everything that needs no network.
    #[arg(long, conflicts_with = "live")]
    offline: bool,
    /// Submits one file that does not exist to each unit, to see whether MDSS takes it. MDSS may list it as a failed file.
    #[arg(long)]
    live: bool,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
    /// Ends with 1 for warnings, and for what is unknown or skipped, too; not for what no set-up makes known.
    #[arg(long)]
    strict: bool,
    /// Prints what was found where all is well, too.
    #[arg(long, short, conflicts_with = "json")]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&format!("cannot start: {error}")),
    };
    let (config, unit_file) = (arguments.config.clone(), arguments.unit_file.clone());
    let read = off_thread(move || {
        let subject = Subject::read(config.as_deref(), unit_file.as_deref())?;
        let setup = setup::of(&subject);
        Ok((subject, setup))
    });
    let findings = runtime.block_on(async {
        match tokio::time::timeout(LONGEST, read).await {
            Ok(Ok((subject, setup))) => {
                let (name, subject) = (subject.name.clone(), Arc::new(subject));
                Ok((name, examine(&subject, &setup, arguments.offline, arguments.live).await))
            }
            Ok(Err(why)) => Err(why),
            Err(_) => {
                Err(format!("the settings and their files cannot be read within {} s", LONGEST.as_secs()))
            }
        }
    });
    // What still waits for a disk is left behind.
    runtime.shutdown_background();
    let (name, findings) = match findings {
        Ok(findings) => findings,
        Err(why) => return unusable(&why),
    };
    let lines = if arguments.json {
        vec![checklist::json(&name, &findings).to_string()]
    } else {
        checklist::lines(&name, &findings, arguments.verbose)
    };
    for line in lines {
        if writeln!(std::io::stdout(), "{}", visible(&line)).is_err() {
            // Whoever reads has left.
            return ExitCode::from(1);
        }
    }
    ExitCode::from(if Counts::of(&findings).are_good(arguments.strict) { 0 } else { 1 })
}

fn unusable(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "mdss-relay doctor: {}", visible(why));
    ExitCode::from(2)
}

/// All findings, in the order of the table. Groups are looked at side by side.
async fn examine(subject: &Arc<Subject>, setup: &Setup, offline: bool, live: bool) -> Vec<Finding> {
    let results = Results::new(LONGEST, live);
    let scope = if live { Scope::Live } else { Scope::Asked };
    let (of, to) = (subject, &results);
    let one = |group: Group| async move {
        if offline && !group.is_offline() {
            return;
        }
        match group {
            Group::Settings => settings::run(of, to).await,
            Group::Machine => machine::run(of, to).await,
            Group::Database => database::run(of, to).await,
            Group::Network => network(setup, to).await,
            Group::Mdss => {
                tokio::join!(mdss(setup, to, scope), file_api::run(of, to));
            }
            Group::Bucket => bucket(setup, to).await,
            Group::Relay => relay::run(of, to).await,
            Group::Loop => closed_loop::run(of, to).await,
        }
        to.end(group);
    };
    let [settings, machine, database, network, mdss, bucket, relay, closed_loop] = Group::ALL.map(one);
    tokio::join!(settings, machine, database, network, mdss, bucket, relay, closed_loop);
    results.findings()
}
