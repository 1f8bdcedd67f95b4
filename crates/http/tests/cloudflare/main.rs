//! `deploy/cloudflare`: its scripts, run with a recording stand-in for `wrangler` first on PATH, and its Worker, run by miniflare
//! between a queue and the real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod account;
#[path = "../../../../deploy/cli.rs"]
mod cli;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;
mod scripts_run;
mod worker;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use account::{Account, folder};
use scripts::KEY;
