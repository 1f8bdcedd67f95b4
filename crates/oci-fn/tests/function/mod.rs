//! The function as a process of its own, on a socket in a folder of its own, and MDSS behind it.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries, none of which uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "support of tests, which clippy takes for production code"
)]

use std::time::Duration;

use drive::{FnClient, Process, Program};
use mdss_sim::{DEFAULT_API_KEY, Sim, units};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Function {
    pub process: Process,
    pub client: FnClient,
    pub folder: TempDir,
}

pub fn program(folder: &TempDir) -> Program {
    program_of(env!("CARGO_BIN_EXE_mdss-relay-oci-fn"), folder)
}

fn program_of(binary: &str, folder: &TempDir) -> Program {
    let listener = format!("unix:{}", folder.path().join("lsnr.sock").display());
    Program::new(binary).env("FN_FORMAT", "http-stream").env("FN_LISTENER", listener)
}

/// The binary that lets a gateway's requests in.
pub async fn start_gateway(sim: &Sim, more: &[(&str, &str)]) -> Function {
    let more: Vec<_> = [("RELAY_ATTEMPTS", "2")].iter().chain(more).copied().collect();
    start_of(env!("CARGO_BIN_EXE_mdss-relay-oci-gateway-fn"), &sim.url(), &more).await
}

pub async fn start(sim: &Sim, more: &[(&str, &str)]) -> Function {
    let more: Vec<_> = [("RELAY_ATTEMPTS", "2")].iter().chain(more).copied().collect();
    start_at(&sim.url(), &more).await
}

/// With the defaults, but for `more`.
pub async fn start_at(endpoint: &str, more: &[(&str, &str)]) -> Function {
    start_of(env!("CARGO_BIN_EXE_mdss-relay-oci-fn"), endpoint, more).await
}

async fn start_of(binary: &str, endpoint: &str, more: &[(&str, &str)]) -> Function {
    let folder = tempfile::tempdir().unwrap();
    let mut program = program_of(binary, &folder)
        .env("APIENDPOINT", endpoint)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::ORACLE);
    for (name, value) in more {
        program = program.env(*name, *value);
    }
    let mut process = program.start().unwrap();
    let socket = folder.path().join("lsnr.sock");
    process.wait_for_path(&socket, LIMIT).await.unwrap();
    Function { process, client: FnClient::new(socket), folder }
}

impl Function {
    pub async fn call(&self, body: &str) -> (u16, Value) {
        self.call_within(body, LIMIT).await
    }

    pub async fn call_within(&self, body: &str, limit: Duration) -> (u16, Value) {
        let answer = self.client.call(body.to_owned(), limit, &[]).await.unwrap();
        (
            answer.status,
            serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text())),
        )
    }
}

pub fn created(key: &str) -> String {
    json!({ "cloudEventsVersion": "0.1", "eventType": "com.oraclecloud.objectstorage.createobject",
            "eventTime": "2023-07-25T19:58:33Z", "data": { "resourceName": key,
            "resourceId": format!("/n/ns/b/bucket/o/{key}"),
            "additionalDetails": { "bucketName": "bucket", "namespace": "ns" } } })
    .to_string()
}
