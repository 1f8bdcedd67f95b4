//! The scripts of `deploy/huawei`, run with a recording stand-in for `hcloud` first on PATH, and what the scripts, the Terraform and the
//! guide say of each other. The stand-in refuses what Huawei Cloud's own SDKs do not know (`deploy/huawei/tests/models.json`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod deploy_script;
mod dry_run;
mod other_scripts;
mod project;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;
mod stand_in;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use project::{Project, folder, only_looks};
use scripts::{Call, KEY};

const DESTROY: &[&str] = &["--region", "cn-north-4", "--with-log", "--yes"];
