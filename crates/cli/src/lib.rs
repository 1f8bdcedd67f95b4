#![doc = include_str!("../README.md")]

mod columns;
mod database;
mod doctor;
mod evidence;
mod explain;
mod input;
mod ledger;
mod matching;
mod notification;
mod pages;
mod reconcile;
mod replay;
mod secret;
mod spool;
mod support;
mod tail;
mod terminal;
mod visible;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Reports every new object that a storage system announces to MetaDefender Storage Security.
#[derive(Parser)]
#[command(name = "mdss-relay", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Doctor(doctor::Arguments),
    Explain(explain::Arguments),
    Ledger(ledger::Arguments),
    Match(matching::Arguments),
    #[command(subcommand)]
    Notification(notification::Command),
    Pages(pages::Arguments),
    Reconcile(Box<reconcile::Arguments>),
    Replay(replay::Arguments),
    Secret(secret::Arguments),
    Spool(spool::Arguments),
    Support(support::Arguments),
    Tail(tail::Arguments),
}

/// Runs what the command line of this process asks for, and gives its exit status.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Ledger(arguments) => ledger::run(&arguments),
        Command::Match(arguments) => matching::run(&arguments),
        Command::Notification(command) => notification::run(&command),
        Command::Pages(arguments) => pages::run(&arguments, Arguments::command()),
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Secret(arguments) => secret::run(&arguments),
        Command::Spool(arguments) => spool::run(&arguments),
        Command::Support(arguments) => support::run(&arguments),
        Command::Tail(arguments) => tail::run(&arguments),
    }
}
