//! `plan` on one record, against its floor: `serde_json` parsing the same bytes into a `Value`. Both in one process, in
//! turns, so that what else the machine does hits both.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

use std::ffi::OsString;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mdss_relay_core::{Delivery, Role, Settings, plan};
use serde_json::Value;

const ROUNDS: usize = 200;
const CALLS: u32 = 500;

fn main() {
    let vars = [("STORAGECLIENTID", "0c5454e3-d576-44c5-8ce4-cdc078011d0b")];
    let settings = Settings::read(vars.map(|(n, v)| (OsString::from(n), OsString::from(v))), Role::Explain)
        .finish()
        .unwrap();
    println!("{:28} {:>8} {:>12} {:>12} {:>7}", "delivery", "bytes", "plan, ns", "Value, ns", "ratio");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/");
    for name in ["aws-s3/create.json", "minio/create.json", "oci/create.json", "aws-sqs/several-records.json"]
    {
        let body = std::fs::read(format!("{root}{name}")).unwrap();
        // As a provider sends it: without the white space of the fixture.
        let body = serde_json::from_slice::<Value>(&body).unwrap().to_string().into_bytes();
        let delivery = Delivery::from_function(body.clone(), "");
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(time(|| drop(black_box(plan(&settings.rules, black_box(&delivery))))));
            floor.push(time(|| drop(black_box(serde_json::from_slice::<Value>(black_box(&body))))));
        }
        let (ours, floor) = (best(ours), best(floor));
        let ratio = ours / floor;
        println!("{name:28} {:>8} {ours:>12.0} {floor:>12.0} {ratio:>7.2}", body.len());
    }
}

fn time(mut call: impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    started.elapsed()
}

/// Nanoseconds a call, of the least disturbed round.
fn best(rounds: Vec<Duration>) -> f64 {
    rounds.into_iter().min().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(CALLS)
}
