//! The scripts of `deploy/alibaba`, run with a recording stand-in for `aliyun` first on PATH, which refuses what neither the command line
//! nor the SDKs' models know; and what the scripts, the relay and the guide say of each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod account;
mod deploy_script;
mod dry_run;
mod other_scripts;
mod redrive;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use account::{ACCOUNT, Account, folder};
use scripts::{Call, KEY};

const DESTROY: &[&str] = &["--region", "cn-hangzhou", "--yes"];
