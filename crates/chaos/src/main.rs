#![doc = include_str!("../README.md")]

mod attack;
mod cluster;
mod fault;
mod kept;
mod mdss;
mod options;
mod oracle;
mod relay;
mod sender;
mod sockets;
mod stage;
mod table;
mod watching;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use mdss::{API_KEY, COMMAND, StandIn, stand_in};
use options::{Arguments, Options};
use table::Row;

/// Breaks everything around a relay, and counts what was lost.
#[derive(Parser)]
#[command(name = "mdss-chaos", version, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs faults against a relay, and prints a row for each; exit status 1 if the promise was broken
    Run(Arguments),
    /// Runs faults against several relays that share a spool in PostgreSQL, and prints a row for each
    Cluster(cluster::Arguments),
    /// Attacks the relay as hostile senders would, and prints a row for each; exit status 1 if harm was done
    Attack(attack::Arguments),
    #[command(name = COMMAND, hide = true)]
    StandIn(StandIn),
}

/// 0 the promise was kept, 1 it was not or the kit failed, 2 usage.
fn main() -> ExitCode {
    let key = std::env::var_os(API_KEY);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(1, &error.to_string()),
    };
    match Line::parse().command {
        Command::StandIn(arguments) => {
            let key = key.and_then(|key| key.into_string().ok()).unwrap_or_default();
            match runtime.block_on(stand_in(arguments, key)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => complain(1, &error),
            }
        }
        Command::Attack(arguments) => runtime.block_on(attack(arguments)),
        Command::Cluster(arguments) => {
            let json = arguments.run.json;
            match arguments.plan() {
                Ok(plan) => runtime.block_on(cluster(plan, json)),
                Err(mistake) => complain(2, &mistake),
            }
        }
        Command::Run(arguments) => {
            let json = arguments.run.json;
            match arguments.options(key) {
                Ok(options) => runtime.block_on(run(options, json)),
                Err(mistake) => complain(2, &mistake),
            }
        }
    }
}

async fn run(options: Options, json: bool) -> ExitCode {
    let options = Arc::new(options);
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return complain(1, "cannot watch signals");
    };
    progress(&format!("seed {}", options.seed));
    let rows = tokio::select! {
        rows = rows(&options) => rows,
        // The processes end with what is dropped here.
        _ = terminate.recv() => return complain(1, "stopped"),
        _ = interrupt.recv() => return complain(1, "stopped"),
    };
    let skipped = options.skipped.iter().map(|(fault, why)| (fault.name(), (*why).to_owned())).collect();
    report(options.seed, &rows, skipped, json)
}

async fn cluster(plan: cluster::Plan, json: bool) -> ExitCode {
    let plan = Arc::new(plan);
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return complain(1, "cannot watch signals");
    };
    progress(&format!("seed {}", plan.seed));
    let rows = tokio::select! {
        rows = cluster::run(&plan) => rows,
        // Relays and servers end with what is dropped here.
        _ = terminate.recv() => return complain(1, "stopped"),
        _ = interrupt.recv() => return complain(1, "stopped"),
    };
    report(plan.seed, &rows, plan.skipped(), json)
}

/// Says what came of it.
fn report(seed: u64, rows: &[Row], skipped: Vec<(String, String)>, json: bool) -> ExitCode {
    let ok = rows.iter().all(Row::ok);
    if json {
        let skipped: Vec<_> =
            skipped.iter().map(|(fault, why)| json!({ "fault": fault, "why": why })).collect();
        say(&json!({ "seed": seed, "rows": rows, "skipped": skipped, "ok": ok }).to_string());
    } else {
        say(table::table(rows, &skipped).trim_end());
    }
    for row in rows.iter().filter(|row| !row.output.is_empty()) {
        // The end of it is what matters.
        let lines: Vec<_> = row.output.lines().collect();
        for line in &lines[lines.len().saturating_sub(45)..] {
            progress(&format!("{}, the relay: {line}", row.fault));
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

async fn attack(arguments: attack::Arguments) -> ExitCode {
    let json = arguments.json;
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return complain(1, "cannot watch signals");
    };
    let rows = tokio::select! {
        rows = attack::run(arguments) => rows,
        // The relay ends with what is dropped here.
        _ = terminate.recv() => return complain(1, "stopped"),
        _ = interrupt.recv() => return complain(1, "stopped"),
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(mistake) => return complain(2, &mistake),
    };
    let ok = rows.iter().all(attack::Row::ok);
    if json {
        say(&json!({ "rows": rows, "ok": ok }).to_string());
    } else {
        say(attack::table(&rows).trim_end());
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// All rows in their order, some at a time.
async fn rows(options: &Arc<Options>) -> Vec<Row> {
    let mut running = JoinSet::new();
    let mut done: Vec<Option<Row>> = vec![None; options.faults.len()];
    let mut earlier = Vec::new();
    for (place, fault) in options.faults.iter().enumerate() {
        while running.len() >= options.jobs {
            take(&mut running, &mut done).await;
        }
        progress(&format!("{}: begins", fault.name()));
        let (shared, before) = (Arc::clone(options), earlier.clone());
        // Only a relay that outlives the row can have something of it left.
        if options.url.is_some() {
            earlier.push(format!("{}/", stage::prefix(options, *fault)));
        }
        let fault = *fault;
        running.spawn(async move { (place, stage::run(shared, fault, before).await) });
    }
    while !running.is_empty() {
        take(&mut running, &mut done).await;
    }
    // A row that panicked would be missing: that is no success.
    let rows = options.faults.iter().zip(done);
    rows.map(|(fault, row)| row.unwrap_or_else(|| Row::new(fault.name()))).collect()
}

async fn take(running: &mut JoinSet<(usize, Row)>, done: &mut [Option<Row>]) {
    if let Some(Ok((place, row))) = running.join_next().await {
        let word = if row.ok() { "kept" } else { "BROKEN" };
        progress(&format!(
            "{}: {word}: injected {}, issued {}, acknowledged {}, accepted {}, duplicated {}, lost {}",
            row.fault, row.injected, row.issued, row.acknowledged, row.accepted, row.duplicated, row.lost
        ));
        done[place] = Some(row);
    }
}

/// A result, on stdout. Whoever has closed it does not want to know.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// How far it is, on stderr.
fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "mdss-chaos: {text}");
}

fn complain(code: u8, sentence: &str) -> ExitCode {
    progress(sentence);
    ExitCode::from(code)
}
