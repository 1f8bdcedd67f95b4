//! The scripts of `deploy/google`, run with a recording stand-in for `gcloud` first on PATH, and what Terraform, the scripts and
//! the guide say of each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

#[path = "../../../../deploy/cli.rs"]
mod cli;
mod deploy_script;
mod other_scripts;
mod project;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use project::{Project, folder};
use scripts::{Call, KEY};
