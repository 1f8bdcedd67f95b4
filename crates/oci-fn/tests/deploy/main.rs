//! The scripts of `deploy/oci`, run with a recording stand-in for Oracle's command line first on PATH.
//!
//! What the stand-in is told is compared with `cli-options.json`, which was taken from the real command line; `make
//! oci-cli-check` runs the same scripts with that one. One file for each script, and one for what is said elsewhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod cli;
mod deploy_script;
mod destroy_script;
mod dry_run;
mod rights;
mod said_elsewhere;
#[path = "../../../../deploy/scripts.rs"]
mod scripts;
mod tenancy;
mod verify_script;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use tenancy::{Tenancy, folder};

const COMPARTMENT: &str = "ocid1.compartment.oc1..there";

const BASE: &str = "--compartment-id ocid1.compartment.oc1..there --subnet-id ocid1.subnet.oc1.iad.s \
    --image registry.example/ns/mdss-relay-oci-fn:0.1.0 --endpoint https://mdss.example --storage-client-id unit-1 --bucket inbox";

fn base(more: &[&'static str]) -> Vec<&'static str> {
    BASE.split_whitespace().chain(more.iter().copied()).collect()
}
