//! What holds for the function as it is shipped, built for speed and size, and not as it is built for tests.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod callgrind;

use mdss_sim::{Config, Sim};

#[tokio::test]
#[ignore = "of what make dist leaves: MDSS_RELAY_BINARIES names the folder"]
async fn a_warm_call_of_what_is_shipped_is_within_its_budget() {
    if !drive::available("valgrind", callgrind::is_there()).unwrap() {
        return;
    }
    let binary = drive::binary(env!("CARGO_BIN_EXE_mdss-relay-oci-fn"));
    let sim = Sim::start(Config { keep_requests: 10, ..Config::default() }).await.unwrap();
    let count = callgrind::of_a_warm_call(&binary, &sim).await;
    assert!(count <= callgrind::BUDGET, "{count} instructions, of {} at most", callgrind::BUDGET);
    // A call that does nothing has not been counted.
    assert!(count > 10_000, "{count} instructions");
}
