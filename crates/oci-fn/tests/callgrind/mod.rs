//! What the processor does for a call, counted by callgrind: no other load disturbs it.

#![allow(unreachable_pub, reason = "shared by a test and a bench")]
#![allow(clippy::unwrap_used, reason = "support of a test and a bench, which end where they fail")]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drive::{FnClient, Program};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};

/// The most instructions of a warm call of what is shipped.
pub const BUDGET: u64 = 150_000;

/// Calls of the shorter process and of the longer one: what both do, from the start to the end, is taken off.
const CALLS: (u64, u64) = (500, 1500);

const LIMIT: Duration = Duration::from_secs(30);
const EVENT: &str = include_str!("../../../../events/oci/create.json");

/// An event as the platform sends it: without the white space of the fixture, and with an id of its own, because one that is
/// told twice is not sent twice.
pub fn event() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    event["eventID"] =
        format!("00000000-0000-0000-0000-{:012}", COUNT.fetch_add(1, Ordering::Relaxed)).into();
    event.to_string()
}

/// Whether there is something to count with.
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions of a warm call of this function, each with an event of its own.
pub async fn of_a_warm_call(binary: &Path, sim: &Sim) -> u64 {
    let few = of_a_process(binary, sim, CALLS.0).await;
    let many = of_a_process(binary, sim, CALLS.1).await;
    (many - few) / (CALLS.1 - CALLS.0)
}

/// From its start to its end, with so many calls.
async fn of_a_process(binary: &Path, sim: &Sim, calls: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lsnr.sock");
    let program = Program::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(binary)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("FN_FORMAT", "http-stream")
        .env("FN_LISTENER", format!("unix:{}", socket.display()))
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::ORACLE);
    let mut process = program.start().unwrap();
    process.wait_for_path(&socket, LIMIT).await.unwrap();
    let client = FnClient::new(&socket);
    for _ in 0..calls {
        let answer = client.call(event(), LIMIT, &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    process.signal("TERM").unwrap();
    process.wait(LIMIT).await.unwrap();
    let said = process.stderr();
    let count = said.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    count.trim().parse().unwrap()
}
