//! The function app: the process with the folder of `deploy/azure` around it, the host that calls it, and MDSS behind it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "support of tests, which clippy takes for production code"
)]

use std::process::Command;
use std::time::Duration;

use drive::{FunctionsHost, Invoked, Program};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-azure-functions"))
}

pub(crate) fn variables(program: Program, sim: &Sim, more: &[(&str, &str)]) -> Program {
    program
        .env("APIENDPOINT", sim.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::AZURE_BLOB)
        .env("RELAY_ATTEMPTS", "2")
        // Every application setting is there, and once more with a prefix.
        .env("RelayQueue__queueServiceUri", "https://acct.queue.core.windows.net")
        .env("APPSETTING_RELAY_ATTEMPTS", "2")
        .env("FUNCTIONS_WORKER_RUNTIME", "custom")
        .envs(more.iter().copied())
}

pub(crate) async fn start(sim: &Sim) -> FunctionsHost {
    start_with(sim, &[]).await
}

/// With what is deployed beside it, from which it takes the names of the functions.
pub(crate) async fn start_with(sim: &Sim, more: &[(&str, &str)]) -> FunctionsHost {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/azure/function");
    let program = variables(program().env("FUNCTIONS_APP_ROOT_PATH", root), sim, more);
    FunctionsHost::start(program, LIMIT).await.unwrap()
}

/// An event in Event Grid's schema, by a write of its own for each key.
pub(crate) fn created(key: &str) -> Value {
    let path = format!("inbox/blobs/{key}");
    json!({
        "id": format!("id-{key}"), "topic": "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acct",
        "subject": format!("/blobServices/default/containers/{path}"), "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-01-01T00:00:00Z", "data": data(key), "dataVersion": "", "metadataVersion": "1",
    })
}

/// The same in CloudEvents' schema.
pub(crate) fn cloud_event(key: &str) -> Value {
    json!({
        "specversion": "1.0", "id": format!("id-{key}"),
        "source": "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acct",
        "subject": format!("/blobServices/default/containers/inbox/blobs/{key}"), "type": "Microsoft.Storage.BlobCreated",
        "time": "2026-01-01T00:00:00Z", "data": data(key),
    })
}

fn data(key: &str) -> Value {
    json!({
        "api": "PutBlob", "contentLength": 3, "eTag": "0x8DE", "blobType": "BlockBlob", "contentType": "application/pdf",
        "url": format!("https://acct.blob.core.windows.net/inbox/{key}"), "sequencer": format!("0000{key}"),
    })
}

/// The report of an invocation that succeeded and took everything.
pub(crate) fn accepted(invoked: &Invoked) -> Value {
    let Invoked::Succeeded(answer) = invoked else { panic!("{invoked:?}") };
    let report: Value = serde_json::from_str(answer["Logs"][0].as_str().unwrap()).unwrap();
    assert_eq!(report["outcome"], "done", "{report}");
    report
}

/// Status and body of an invocation that failed.
pub(crate) fn refused(invoked: &Invoked) -> (u16, Value) {
    let Invoked::Failed { status: Some(status), body, .. } = invoked else { panic!("{invoked:?}") };
    (*status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}")))
}

pub(crate) fn signal(name: &str, process: u32) {
    let script = ["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()];
    assert!(Command::new("/bin/sh").args(script).status().unwrap().success());
}
