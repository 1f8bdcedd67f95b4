//! The scripts of `deploy/azure`, run with a recording stand-in for `az` first on PATH, and what the templates, Terraform, the
//! scripts and the guide say of each other. One file for each script, and one for what is said elsewhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

#[path = "../../../../deploy/cli.rs"]
mod cli;
mod deploy_script;
mod destroy_script;
mod dry_run;
mod redrive_script;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;
mod subscription;
mod verify_script;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use scripts::KEY;
use subscription::{Subscription, folder};

const DESTROY: &[&str] = &["--resource-group", "relay", "--account", "acct", "--yes"];
