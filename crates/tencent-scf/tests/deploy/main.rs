//! The scripts of `deploy/tencent`, run with a recording stand-in for `tccli` first on PATH, and what Terraform, the scripts and the
//! guide say of each other. `make tccli-check` runs the same scripts with the real command line. One file for each script, and one for
//! what is said elsewhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod account;
mod deploy_script;
mod destroy_script;
mod dry_run;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;
mod verify_script;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use account::{Account, DESTROY, HOST, folder};
use scripts::KEY;
